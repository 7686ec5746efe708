"""What every column of a table is: the one rule for frames in Python and for files on the command line.

All that stands in the way is gathered, so that a user mends a table once.
"""

from __future__ import annotations

import datetime
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabstep.data import dtypes, moments, writing
from tabstep.data.cards import DataError, suggest
from tabstep.data.columns import Category, Column, Number
from tabstep.data.forms import Element, Form, Objects, Plain

FEW = (
    20  # a text column with at most so many values that come back is one of categories; so is a whole target
)
RECURS = (
    3  # times that a value comes back in the mean, for a text column with more values to be one of categories
)
WORDY, WORDY_RECURS = 4.0, 20  # more words than that in the mean are prose, unless they come back so often
MOSTLY = 0.9  # text of which this share reads as numbers or dates is such a column with a stray mark
SHOWN = 24  # characters of a stray text that a message repeats

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
PHONE = re.compile(r"(?=(?:\D*\d){7,15}\D*$)(?:\+|\(|0|(?=\d+[ ./-]))[\d ()./-]+")
CODE = re.compile(r"(?P<head>[A-Za-z]+[-_ #]?|#)\d+")


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


def infer(
    frame: pd.DataFrame,
    wishes: Wishes,
    speech: Speech,
    target: str | None = None,
    *,
    labels: bool | None = None,
) -> tuple[tuple[Column, ...], list[str]]:
    """The columns of a frame, and what stands in the way of those that are left out.

    Text, truth values, pandas' categories and whole numbers with two values are categories, other numbers numbers; so
    are dates, durations, and text that is dates or numbers in writing. A target of at most 20 distinct whole numbers
    is one of labels; `labels` says so or that it is not. Text that is neither is refused: an id, prose, a mark among
    numbers.
    """
    columns: list[Column] = []
    faults = []
    for name in frame.columns:
        if name in wishes.drop:
            continue
        column = frame[name]
        numeric, category = name in wishes.numeric, name in wishes.categorical
        if name == target and labels is not None:
            numeric, category = not labels, labels
        try:
            if category:
                columns.append(Category.of(column))
                continue
            form = _form(column, speech, numeric=numeric)
            if form is None:
                _check_categories(column, speech)
                columns.append(Category.of(column))
            elif not numeric and _counts_as_label(column, form, is_target=name == target):
                columns.append(Category.of(column))
            else:
                columns.append(Number.of(column, form))
        except ValueError as error:
            faults.append(f"column {name!r} {error}")
    return tuple(columns), faults


def _counts_as_label(column: pd.Series[Any], form: Form, *, is_target: bool) -> bool:
    """Whole numbers with two values, or few of a target."""
    if not isinstance(form, Plain | Objects) or (isinstance(form, Objects) and form.element == "Decimal"):
        return False
    shown = column.dropna()
    values = form.read(shown).values
    whole = bool((values == np.round(values)).all())
    distinct = len(np.unique(values))
    return whole and (distinct == 2 or (is_target and distinct <= FEW))


def _form(column: pd.Series[Any], speech: Speech, *, numeric: bool) -> Form | None:
    """The form in which a column is numbers, None for categories. Raises ValueError for what is neither."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow_form(column, dtype.pyarrow_dtype, speech, numeric=numeric)
    if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype):
        return moments.Moments.of(column)
    if pd.api.types.is_timedelta64_dtype(dtype):
        return moments.Durations.of(column)
    if isinstance(dtype, pd.PeriodDtype):
        return moments.Periods.of(column)
    if isinstance(dtype, pd.SparseDtype):
        raise ValueError(f"is {dtype}; turn it into a plain one with .sparse.to_dense()")
    if pd.api.types.is_bool_dtype(dtype):
        _check_flags(numeric)
        return None
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind in "iuf":
        if getattr(dtype, "itemsize", 8) > 8:
            raise ValueError(f"is {dtype}; turn it into .astype('float64')")
        return Plain.of(column)
    if isinstance(dtype, pd.CategoricalDtype):
        if numeric:
            raise ValueError(
                "is of pandas' categories; turn it into numbers first, or do not name it numeric"
            )
        return None
    if dtype.kind == "O" and isinstance(dtype, np.dtype):
        return _object_form(column, speech, numeric=numeric)
    if isinstance(dtype, pd.StringDtype):
        return _text_form(column, speech, numeric=numeric)
    raise ValueError(_unread(f"is {dtype}", column, speech))


def _arrow_form(column: pd.Series[Any], kind: pa.DataType, speech: Speech, *, numeric: bool) -> Form | None:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return moments.Moments.of(column)
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        return moments.Durations.of(column)
    if pa.types.is_decimal128(kind):
        return Objects.of(column, "Decimal")
    if pa.types.is_boolean(kind):
        _check_flags(numeric)
        return None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return Plain.of(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text_form(column, speech, numeric=numeric)
    if pa.types.is_dictionary(kind) and (
        pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
    ):
        return None
    raise ValueError(_unread(f"is {column.dtype}", column, speech))


TURN = "turn it into numbers, text or dates"


def _unread(what: str, column: pd.Series[Any], speech: Speech, way: str = TURN) -> str:
    return f"{what}; {way}, or drop it ({speech.advise('drop', str(column.name))})"


def _check_flags(numeric: bool) -> None:
    if numeric:
        raise ValueError(
            "holds truth values; turn them into numbers with .astype(int), or do not name it numeric"
        )


OBJECTS: tuple[tuple[Any, Any], ...] = (
    (bool | np.bool_, None),
    (pd.Timestamp, lambda c: moments.Moments.of(c, "Timestamp")),
    (datetime.datetime, lambda c: moments.Moments.of(c, "datetime")),
    (datetime.date, lambda c: moments.Moments.of(c, "date")),
    (pd.Timedelta, lambda c: moments.Durations.of(c, "Timedelta")),
    (datetime.timedelta, lambda c: moments.Durations.of(c, "timedelta")),
    (datetime.time, lambda c: moments.Durations.of(c, "time")),
    (Decimal, lambda c: Objects.of(c, "Decimal")),
)
WAYS = {  # out of dtypes and objects that are not read
    "Period": "use .astype('period[M]') with its frequency",
    "Interval": "use .astype(str), or its .left or .mid",
    "bytes": "use .str.decode('utf-8')",
}


def _object_form(column: pd.Series[Any], speech: Speech, *, numeric: bool) -> Form | None:
    shown = [v for v in column if not _missing(v)]
    kinds = {type(v) for v in shown}
    if all(issubclass(kind, str) for kind in kinds):
        return _text_form(column, speech, numeric=numeric)
    for kind, make in OBJECTS:
        if all(issubclass(k, kind) for k in kinds):
            if make is None:
                _check_flags(numeric)
                return None
            try:
                return make(column)  # type: ignore[no-any-return]
            except (TypeError, OverflowError) as error:
                raise ValueError(f"holds {_kinds(kinds)} that do not go together: {error}") from None
            except ValueError as error:
                if str(error).startswith("holds"):
                    raise
                raise ValueError(
                    f"holds {_kinds(kinds)} that do not go together: {error}; "
                    "use pd.to_datetime(..., utc=True), or .astype('datetime64[s]') for far years"
                ) from None
    numbers = int | float | np.integer | np.floating
    flags = any(issubclass(k, bool | np.bool_) for k in kinds)
    if not flags and all(issubclass(k, numbers) for k in kinds):
        element: Element = "int" if all(issubclass(k, int | np.integer) for k in kinds) else "float"
        return Objects.of(column, element)
    if all(issubclass(k, str | numbers | bool | np.bool_) for k in kinds):
        _check_stray(pd.Series([str(v) for v in shown], dtype=object), str(column.name), speech)
        return None
    found = _kinds({k for k in kinds if not issubclass(k, str | numbers | bool | np.bool_)})
    way = next((WAYS[k.__name__] for k in kinds if k.__name__ in WAYS), TURN)
    raise ValueError(_unread(f"holds {found}", column, speech, way))


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _kinds(kinds: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def _text_form(column: pd.Series[Any], speech: Speech, *, numeric: bool) -> Form | None:
    """Dates and numbers in writing, None for categories. `numeric` means that the user wants one of the former."""
    name, dtype = str(column.name), dtypes.name(column.dtype)
    present = column.dropna()
    texts = [str(text) for text in present.unique()]
    choices = (
        f"{speech.advise('categorical', name)} takes its texts as they are, "
        f"{speech.advise('drop', name)} leaves it out"
    )
    try:
        form: Form | None = writing.dates(texts, dtype)
        few = len(texts) <= FEW and 2 * len(texts) <= len(present)
        if form is None and (numeric or not few):
            form = writing.numbers(texts, dtype)
    except writing.Ambiguous as error:
        raise ValueError(
            f"can be read in two ways: {error}; write it so that there is one, or {choices}"
        ) from None
    if form is None and numeric:
        _check_stray(present, name, speech)
        raise ValueError(
            "holds text that is no number and no date in one way of writing, so it is not numeric"
        )
    return form


def _check_stray(present: pd.Series[Any], name: str, speech: Speech) -> None:
    """Refuse text most of which is numbers or dates."""
    texts = present.astype(str)
    plain = texts.str.replace(r"^[^\d+-]{0,4}(?=[\d+-])|[\s%€$£]+$", "", regex=True).str.replace(
        ",", ".", regex=False
    )
    for what, readable in (
        ("numbers", pd.to_numeric(plain, errors="coerce").notna()),
        ("dates", texts.str.fullmatch(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?")),
    ):
        if MOSTLY <= readable.mean() < 1:
            stray = ", ".join(text[:SHOWN] for text in sorted(set(texts[~readable]))[:3])
            raise ValueError(
                f"holds {what}, but also {stray}; leave those empty, or "
                f"{speech.advise('categorical', name)} takes all as categories"
            )


def _check_categories(column: pd.Series[Any], speech: Speech) -> None:
    """Refuse categories that no table of others should carry: e-mails, ids, prose."""
    name, present = str(column.name), column.dropna()
    texts = [v for v in present.unique() if isinstance(v, str)]
    if not texts:
        return
    distinct, rows = present.nunique(), len(present)
    drop = f"{speech.advise('drop', name)} leaves it out"
    insist = f"{drop}, {speech.advise('categorical', name)} has its values repeated as they are"
    if not isinstance(column.dtype, pd.CategoricalDtype):
        _check_stray(present, name, speech)
    for what, mark in (("e-mail addresses", EMAIL), ("identifiers", UUID), ("telephone numbers", PHONE)):
        if sum(mark.fullmatch(t) is not None for t in texts) * 2 > len(texts):
            raise ValueError(f"holds {what}; {insist}")
    if distinct == rows and rows > FEW // 4:
        raise ValueError(f"has a different text in every row, {distinct}, like an id; {insist}")
    if distinct <= FEW:
        return
    codes = [CODE.fullmatch(t) for t in texts]
    if all(codes) and len({c["head"] for c in codes if c}) == 1:
        raise ValueError(f"has {distinct} numbered texts such as {codes[0]['head']}.., like an id; {insist}")  # type: ignore[index]
    words = float(np.mean([len(t.split()) for t in texts]))
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    recurs = WORDY_RECURS if words > WORDY else 2 if declared else RECURS
    if distinct * recurs > rows:
        raise ValueError(f"has {distinct} values in {rows} rows, like prose; {insist}")
