"""What a user says of the columns of a table, in a call or on the command line, and what is wrong with it."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.cards import DataError, suggest


@dataclass(frozen=True)
class Python:
    """Advice in keywords of a call."""

    def advise(self, option: str, name: str) -> str:
        return f"{option}=[{name!r}]"

    def anew(self, name: str) -> str:
        """How to have a column of ids made anew, before other advice; nothing where that cannot be."""
        return f"{self.advise('id', name)} has new ones made, "

    def day(self, name: str, form: str) -> str:
        """How to say that a column holds dates, written so; nothing where that cannot be said."""
        return f"date={{{name!r}: {form!r}}}"

    def counted(self, name: str, form: str) -> str:
        """How to say how numbers are written, by an example; nothing where that cannot be said."""
        return f"numeric={{{name!r}: {form!r}}}"

    def gap(self, *texts: str) -> str:
        """How to have texts taken for gaps."""
        return f"missing={list(texts)!r} takes such texts for gaps"


@dataclass(frozen=True)
class CommandLine:
    """Advice in options of a benchmark's command, which draws for no use of ids."""

    def advise(self, option: str, name: str) -> str:
        return f"--{option} {shlex.quote(name)}"

    def anew(self, name: str) -> str:
        return ""

    def day(self, name: str, form: str) -> str:
        return ""

    def counted(self, name: str, form: str) -> str:
        return ""

    def gap(self, *texts: str) -> str:
        return "leave those empty"


@dataclass(frozen=True)
class Sampling(CommandLine):
    """Advice in options of the commands that draw rows of a user's table."""

    def anew(self, name: str) -> str:
        return f"{self.advise('id', name)} has new ones made, "

    def day(self, name: str, form: str) -> str:
        return f"--date {shlex.quote(f'{name}={form}')}"

    def counted(self, name: str, form: str) -> str:
        return f"--numeric {shlex.quote(f'{name}={form}')}"

    def gap(self, *texts: str) -> str:
        options = " ".join(f"--missing {shlex.quote(text)}" for text in texts)
        return f"{options} takes such texts for gaps"


Speech = Python | CommandLine


def dated(speech: Speech, name: str, form: str, what: str = "says which") -> str:
    """The same before other advice."""
    day = speech.day(name, form)
    return f"{day} {what}, " if day else ""


@dataclass(frozen=True)
class Wishes:
    """What a user says of columns, which overrules what is inferred; names that a frame has, see `named`.

    decimal  of those of numbers in writing, where it is said, the mark before their decimals
    date     columns of dates or times, with how strftime writes them, None where that is to be found
    id       columns that name rows, and are made anew
    literal  columns of a file in which a text such as NA is a value
    missing  texts that stand for gaps, `name=text` in one column alone; see `marks`
    """

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    date: Mapping[str, str | None] = field(default_factory=dict)
    id: tuple[str, ...] = ()
    literal: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    decimal: Mapping[str, str] = field(default_factory=dict)


POINT, COMMA = "1,234.5", "1.234,5"
DECIMALS = {POINT: ".", COMMA: ","}
"""Examples of writing, by which a user says which mark stands before decimals."""

Mark = str | float | np.number[Any] | datetime.date
Gaps = Mark | Sequence[Mark] | Mapping[str, Any]
"""What stands for gaps: texts, numbers and dates, `name=text` of one column, or a mapping from columns to theirs."""


def gaps(given: Gaps) -> tuple[str, ...]:
    """What stands for gaps, as texts in one order."""
    if given is None:
        return ()
    if isinstance(given, Mapping):
        return tuple(f"{name}={text}" for name, texts in given.items() for text in gaps(texts))
    several: Any = given if pd.api.types.is_list_like(given) else (given,)
    return tuple(map(str, several))


def marks(missing: Sequence[str], known: Sequence[str]) -> dict[str, list[str]]:
    """The texts that stand for gaps in each of the columns `known`. Raises DataError for a name that is nearly one."""
    found: dict[str, list[str]] = {name: [] for name in known}
    for text in missing:
        of = next((name for name in known if text.startswith(f"{name}=")), None)
        head, sign, _ = text.partition("=")
        near = suggest(head, list(known)) if sign and of is None else ""
        if near.startswith("did"):
            raise DataError(f"missing: no column {head!r}: {near}")
        for name in known if of is None else (of,):
            found[name].append(text if of is None else text.removeprefix(f"{of}="))
    return found


def named(given: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Names as they were given: one, several, or several in one text with commas between; none of None.

    Raises DataError for what is no name.
    """
    found: list[str] = []
    for text in _several(given):
        found += (
            [text]
            if text in known or not isinstance(text, str)
            else [p.strip() for p in text.split(",") if p.strip()]
        )
    return tuple(found)


def _several(given: Any) -> Sequence[Any]:
    """What was given, once or several times; nothing for None."""
    if given is None or isinstance(given, str):
        return () if given is None else (given,)
    if not isinstance(given, Iterable):
        raise DataError(f"columns are named by a text or by several, got {given!r}")
    return tuple(given)


def dates(
    given: str | Sequence[str] | Mapping[str, str | None], known: Sequence[str]
) -> dict[str, str | None]:
    """Columns of dates with how they are written: a mapping, names, or texts such as `day=%d/%m/%Y`."""
    if isinstance(given, Mapping):
        return dict(given)
    found: dict[str, str | None] = {}
    for text in _several(given):
        name, sign, form = str(text).partition("=")
        if sign and text not in known and "%" in form:
            found[name] = form
        else:
            found |= dict.fromkeys(named(text, known))
    return found


def numbers(
    given: str | Sequence[str] | Mapping[str, str | None], known: Sequence[str]
) -> dict[str, str | None]:
    """Columns of numbers with the mark before their decimals, None where that is to be found.

    given  a mapping from names to one of `DECIMALS`, names, or texts such as `price=1.234,5`

    Raises DataError for another example.
    """
    found: dict[str, str | None] = {}
    if isinstance(given, Mapping):
        for name, form in given.items():
            found[name] = None if form is None else _decimal(name, form)
        return found
    for text in _several(given):
        name, sign, form = str(text).partition("=")
        if sign and text not in known and (name in known or form in DECIMALS):
            found[name] = _decimal(name, form)
        else:
            found |= dict.fromkeys(named(text, known))
    return found


def as_written(given: str | Sequence[str] | Mapping[str, str | None]) -> tuple[str, ...]:
    """The columns of which `numbers` are told how they are written, whatever a program would read."""
    return tuple(name for name, mark in numbers(given, ()).items() if mark is not None)


def _decimal(name: str, form: str) -> str:
    if form not in DECIMALS:
        raise DataError(f"numeric: {name} is written as {POINT} or as {COMMA}, got {form!r}")
    return DECIMALS[form]


class Faults(DataError):
    """All that stands in the way, a line each, of a file where one is named."""

    def __init__(self, each: Sequence[str], of: str = "") -> None:
        self.each = tuple(each)
        whose = f"{of}: " if of else ""
        several = (f"{whose}{len(each)} faults:", *(f"- {one}" for one in each))
        self.lines = (f"{whose}{each[0]}",) if len(each) == 1 else several
        super().__init__("\n".join(self.lines))


def refuse(faults: Sequence[str], of: str = "") -> None:
    """Raise Faults, if there are any."""
    if faults:
        raise Faults(faults, of)


class Gathered:
    """What stands in the way of a call or a command, so that a user mends all of it at once."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    @contextmanager
    def faults(self, of: str = "") -> Iterator[None]:
        """Keep the ValueErrors of a part of the work, with the file that they are of."""
        try:
            yield
        except Faults as error:
            self._found += [(of, each) for each in error.each]
        except ValueError as error:
            self._found.append((of, str(error)))

    def end(self) -> None:
        """Raise Faults if there are any."""
        files = {of for of, _ in self._found}
        if len(files) == 1:
            refuse([fault for _, fault in self._found], files.pop())
        refuse([f"{of}: {fault}" if of else fault for of, fault in self._found])


def check_names(frame: pd.DataFrame) -> list[str]:
    """Faults of the names of columns."""
    if frame.columns.nlevels > 1:
        way = "frame.set_axis(['_'.join(map(str, name)) for name in frame], axis=1)"
        return [f"column names must be strings, and these have {frame.columns.nlevels} levels; use {way}"]
    odd = [name for name in frame.columns if not isinstance(name, str)]
    if odd:
        return [f"column names must be strings, got {odd[0]!r}; use frame.rename(columns=str)"]
    broken = [name for name in frame.columns if _is_broken(name)]
    if broken:
        return [f"column {broken[0]!r}: its name holds half a character, which no file can; rename it"]
    repeated = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
    return [f"column names repeat: {', '.join(repeated)}; rename them"] if repeated else []


def _is_broken(text: str) -> bool:
    """Whether a text has a lone surrogate."""
    return any("\ud800" <= mark <= "\udfff" for mark in text)


def check_wishes(names: Sequence[str], wishes: Wishes, target: str | None, speech: Speech) -> list[str]:
    """Faults of the options: columns that are not there, or named for two things."""
    faults = []
    uses = {
        option: tuple(getattr(wishes, option)) for option in ("drop", "numeric", "categorical", "date", "id")
    }
    for option, given in uses.items():
        for name in given:
            if name not in names:
                what = (
                    f"cannot drop {name!r}, there is no such column"
                    if option == "drop"
                    else f"no column {name!r}"
                )
                faults.append(f"{what}: {suggest(str(name), list(names))}")
    if target is not None and target not in names:
        faults.append(f"no column {target!r}: {suggest(str(target), list(names))}")
    kinds = [option for option in uses if option != "drop"]
    for one, other in combinations(kinds, 2):
        both = sorted(set(uses[one]) & set(uses[other]))
        faults += [f"{name!r} is named {one} and {other}; choose one" for name in both]
    used = {target}.union(*(uses[kind] for kind in kinds))
    faults += [
        f"{name!r} is dropped, and named for a use; choose one"
        for name in sorted(used & set(wishes.drop), key=str)
    ]
    if target in wishes.id:
        faults.append(f"{target!r} is named target and id; choose one")
    return faults
