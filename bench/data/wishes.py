"""What a user says of the columns of a table, in a call or on the command line, and what is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tabstep.data.cards import DataError, suggest


@dataclass(frozen=True)
class Python:
    """Advice in keywords of a call."""

    def advise(self, option: str, name: str) -> str:
        return f"{option}=[{name!r}]"


@dataclass(frozen=True)
class CommandLine:
    """Advice in options of a command."""

    def advise(self, option: str, name: str) -> str:
        return f"--{option} {shlex.quote(name)}"


Speech = Python | CommandLine


@dataclass(frozen=True)
class Wishes:
    """What a user says of columns, which overrules what is inferred; names that a frame has, see `named`."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def named(given: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Names as they were given: one, several, or several in one text with commas between."""
    found: list[str] = []
    for text in (given,) if isinstance(given, str) else given:
        found += (
            [text]
            if text in known or not isinstance(text, str)
            else [p.strip() for p in text.split(",") if p.strip()]
        )
    return tuple(found)


def refuse(faults: Sequence[str], of: str = "") -> None:
    """Raise DataError with all faults, if there are any."""
    if not faults:
        return
    head = f"{of}: " if of else ""
    if len(faults) == 1:
        raise DataError(f"{head}{faults[0]}")
    raise DataError(f"{head}{len(faults)} faults:\n" + "\n".join(f"- {fault}" for fault in faults))


def check_names(frame: pd.DataFrame) -> list[str]:
    """Faults of the names of columns."""
    odd = [name for name in frame.columns if not isinstance(name, str)]
    if odd:
        return [f"column names must be strings, got {odd[0]!r}; use frame.rename(columns=str)"]
    repeated = sorted({str(c) for c in frame.columns[frame.columns.duplicated()]})
    return [f"column names repeat: {', '.join(repeated)}; rename them"] if repeated else []


def check_wishes(names: Sequence[str], wishes: Wishes, target: str | None, speech: Speech) -> list[str]:
    """Faults of the options: columns that are not there, or named for two things."""
    faults = []
    for option in ("drop", "numeric", "categorical"):
        for name in getattr(wishes, option):
            if name not in names:
                what = (
                    f"cannot drop {name!r}, there is no such column"
                    if option == "drop"
                    else f"no column {name!r}"
                )
                faults.append(f"{what}: {suggest(str(name), list(names))}")
    if target is not None and target not in names:
        faults.append(f"no column {target!r}: {suggest(str(target), list(names))}")
    both = sorted(set(wishes.numeric) & set(wishes.categorical))
    faults += [f"{name!r} is named numeric and categorical; choose one" for name in both]
    gone = sorted(({target} | set(wishes.numeric) | set(wishes.categorical)) & set(wishes.drop), key=str)
    faults += [f"{name!r} is dropped, and named for a use; choose one" for name in gone]
    return faults
