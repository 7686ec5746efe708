"""What every column of a table is: the one rule for frames in Python and for files on the command line.

All that stands in the way is gathered, so that a user mends a table once.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabstep.data import (
    dtypes,
    moments,
    neighbours,
    writing,
    written_dates,
    written_feet,
    written_lengths,
    written_ranks,
    written_sizes,
    zoned,
)
from tabstep.data.columns import Category, Column, Number
from tabstep.data.doubtful_numbers import check_numbers
from tabstep.data.doubtful_text import check_categories
from tabstep.data.doubtful_writing import FEW, check_stray
from tabstep.data.files import WRITTEN, Writing
from tabstep.data.forms import Beyond, Element, Form, Objects, Plain
from tabstep.data.wishes import COMMA, POINT, Python, Speech, Wishes, dated


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
    writings, marks = frame.attrs.get(WRITTEN, {}), neighbours.decimals(frame, wishes)
    for name in frame.columns:
        if name in wishes.drop or name in wishes.id:
            continue
        column, way = frame[name], writings.get(name, Writing())
        numeric, category = name in wishes.numeric, name in wishes.categorical
        if name == target and labels is not None:
            numeric, category = not labels, labels
        try:
            if category:
                whole = WRITTEN in frame.attrs and _are_whole(column) and not way.places and not way.mark
                columns.append(Category.of(column.astype("Int64") if whole else column, way.flags))
                continue
            if name in wishes.date:
                columns.append(Number.of(column, _date_form(column, wishes.date[name], speech)))
                continue
            decimal = wishes.decimal.get(name)
            form = _form(column, speech, numeric=numeric, decimal=decimal or marks.get(name))
            if decimal is not None and not isinstance(form, writing.WrittenNumbers):
                raise ValueError("holds no numbers in writing, so say nothing of how they are written")
            if isinstance(form, Plain) and (
                way.mark or (form.decimals is not None and way.places >= form.decimals)
            ):
                form = replace(form, padded=way.places, exponent=way.mark)
            if form is None:
                check_categories(column, speech)
                columns.append(Category.of(column, way.flags))
            elif not numeric and _counts_as_label(column, form, is_target=name == target):
                columns.append(Category.of(column))
            else:
                number = Number.of(column, form)
                if not numeric:
                    check_numbers(number, column, speech)
                columns.append(number)
        except Beyond as error:
            out = f"{speech.anew(name)}{speech.advise('drop', name)} leaves it out"
            faults.append(
                f"column {name!r} {error}; {out}, and of amounts in a frame .astype(float) makes floats"
            )
        except ValueError as error:
            faults.append(f"column {name!r} {error}")
    return tuple(columns), faults


def is_text(column: pd.Series[Any], speech: Speech) -> bool:
    """Whether a column is none of numbers or dates, in writing or not. Raises ValueError for what can be read twice."""
    return _form(column, speech, numeric=False) is None


def _are_whole(column: pd.Series[Any]) -> bool:
    """Whether floats are whole numbers, as a file's are that has gaps among them."""
    shown = column.dropna() if column.dtype.kind == "f" else column.iloc[:0]
    return bool(len(shown)) and bool((shown == shown.round()).all()) and bool((shown.abs() < 2**53).all())


def _counts_as_label(column: pd.Series[Any], form: Form, *, is_target: bool) -> bool:
    """Whole numbers with two values, or few of a target."""
    if not isinstance(form, Plain | Objects) or (isinstance(form, Objects) and form.element == "Decimal"):
        return False
    shown = column.dropna()
    values = form.read(shown).values
    whole = bool((values == np.round(values)).all())
    distinct = len(np.unique(values))
    return whole and (distinct == 2 or (is_target and distinct <= FEW))


def _form(
    column: pd.Series[Any], speech: Speech, *, numeric: bool, decimal: str | None = None
) -> Form | None:
    """The form in which a column is numbers, None for categories. Raises ValueError for what is neither.

    decimal  the mark before decimals of numbers in writing, None where that is to be found
    """
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow_form(column, dtype.pyarrow_dtype, speech, numeric=numeric, decimal=decimal)
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
        return _object_form(column, speech, numeric=numeric, decimal=decimal)
    if isinstance(dtype, pd.StringDtype):
        return _text_form(column, speech, numeric=numeric, decimal=decimal)
    raise ValueError(_unread(f"is {dtype}", column, speech))


def _date_form(column: pd.Series[Any], written: str | None, speech: Speech) -> Form:
    """The form of a column that holds dates or times, as a user says. Raises ValueError where it does not."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        raise ValueError("is of pandas' categories; turn it into text first, as .astype(str)")
    whole = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype)
    if whole and not bool((column.dropna() % 1 == 0).all()):
        raise ValueError("holds numbers that are not whole, which are no dates")
    texts = all(isinstance(v, str) for v in column.dropna())
    if not whole and not texts:
        form = _form(column, Python(), numeric=False)
        if form is None or isinstance(form, Plain | Objects):
            raise ValueError("holds no dates")
        return form
    name, given = str(column.name), [str(v) for v in column.dropna().unique()]
    try:
        if texts and (written is None or written.endswith("%z")):
            several = zoned.zoned(given, dtypes.name(dtype), written)
            if several is not None:
                return several
        return written_dates.dated(column, written)
    except writing.Ambiguous as error:
        raise ValueError(
            f"can be read in two ways: {error}; say which, as {speech.day(name, error.forms[0])}"
        ) from None
    except ValueError as error:
        known = not str(error).startswith(written_dates.NONE)
        way = "" if known else f"; say how they are written, as {speech.day(name, '%d.%m.%Y')}"
        raise ValueError(f"{error}{way}") from None


def _arrow_form(
    column: pd.Series[Any], kind: pa.DataType, speech: Speech, *, numeric: bool, decimal: str | None
) -> Form | None:
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
        return _text_form(column, speech, numeric=numeric, decimal=decimal)
    if pa.types.is_dictionary(kind) and (
        pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
    ):
        return None
    raise ValueError(_unread(f"is {column.dtype}", column, speech))


def _counted(name: str, speech: Speech) -> str:
    """How to say which of two marks stands before decimals."""
    point, comma = speech.counted(name, POINT), speech.counted(name, COMMA)
    return f"{point} or {comma} says which, " if point else ""


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
    "datetime64": "use pd.to_datetime",
    "UUID": "use .astype(str)",
    "Fraction": "use .astype(float)",
}


def _object_form(
    column: pd.Series[Any], speech: Speech, *, numeric: bool, decimal: str | None
) -> Form | None:
    shown = [v for v in column if not _missing(v)]
    kinds = {type(v) for v in shown}
    if all(issubclass(kind, str) for kind in kinds):
        return _text_form(column, speech, numeric=numeric, decimal=decimal)
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
        check_stray(pd.Series([str(v) for v in shown], dtype=object), str(column.name), speech)
        return None
    found = _kinds({k for k in kinds if not issubclass(k, str | numbers | bool | np.bool_)})
    way = next((WAYS[k.__name__] for k in kinds if k.__name__ in WAYS), TURN)
    raise ValueError(_unread(f"holds {found}", column, speech, way))


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _kinds(kinds: set[type]) -> str:
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def _text_form(column: pd.Series[Any], speech: Speech, *, numeric: bool, decimal: str | None) -> Form | None:
    """Dates and numbers in writing, None for categories. `numeric` means that the user wants one of the former."""
    name, dtype = str(column.name), dtypes.name(column.dtype)
    present = column.dropna()
    texts = [str(text) for text in present.unique()]
    choices = (
        f"{speech.advise('categorical', name)} takes its texts as they are, "
        f"{speech.advise('drop', name)} leaves it out"
    )
    try:
        form: Form | None = zoned.zoned(texts, dtype) or written_dates.dates(texts, dtype)
        few = len(texts) <= FEW and 2 * len(texts) <= len(present)
        if form is None and few and writing.are_signed(texts):
            form = writing.numbers(texts, dtype, decimal)
        if form is None and (numeric or not few):
            form = writing.numbers(texts, dtype, decimal) or written_lengths.lengths(texts, dtype)
            form = form or written_sizes.sizes(texts, dtype)
            form = form or written_feet.feet(texts, dtype) or written_ranks.ranks(texts, dtype)
            form = form or (writing.codes(texts, dtype) if numeric else None)
        several = None if form is not None or few else written_dates.mixed(texts, dtype)
    except writing.Ambiguous as error:
        first = dated(speech, name, error.forms[0]) if error.forms else _counted(name, speech)
        raise ValueError(
            f"can be read in two ways: {error}; {first}{choices}; or write it so that there is one"
        ) from None
    except ValueError as error:
        raise ValueError(f"{error}; {choices}") from None
    if several is not None:
        raise ValueError(
            f"holds dates written as {several.form} and as {', '.join(several.others)}; "
            f"{dated(speech, name, several.form)}{choices}"
        )
    if form is None and numeric:
        check_stray(present, name, speech)
        raise ValueError(
            "holds text that is no number and no date in one way of writing, so it is not numeric"
        )
    return form
