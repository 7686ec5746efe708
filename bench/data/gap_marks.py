"""Values that stand for gaps: marks are texts, and a column's values are compared with them as what they are."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import numpy as np
import pandas as pd

_MOMENT = re.compile(r"\d{4}-\d\d")


@dataclass(frozen=True)
class Mark:
    """A text that stands for a gap, with what it is besides: a number, a moment, a length or a time of day."""

    text: str
    number: Decimal | None
    moment: pd.Timestamp | None
    length: pd.Timedelta | None
    clock: datetime.time | None

    @classmethod
    def of(cls, text: str) -> Self:
        number = _number(text)
        return cls(
            text,
            number,
            _read(pd.Timestamp, text) if _MOMENT.match(text) else None,
            _read(pd.Timedelta, text) if number is None else None,
            _read(datetime.time.fromisoformat, text) if ":" in text else None,
        )

    def means(self, value: Any) -> bool:
        """Whether a value is the one that is marked: 999 is 999.0, but False is no 0."""
        if isinstance(value, str | bool | np.bool_):
            return str(value) == self.text
        if isinstance(value, float | np.floating):
            return self.number is not None and float(str(value)) == float(self.number)
        if isinstance(value, int | np.integer | Decimal):
            return (
                self.number is not None
                and (int(value) if isinstance(value, np.integer) else value) == self.number
            )
        if isinstance(value, datetime.date | np.datetime64):
            return self.moment is not None and _is_at(pd.Timestamp(value), self.moment)
        if isinstance(value, datetime.timedelta | np.timedelta64):
            return self.length is not None and bool(pd.Timedelta(value) == self.length)
        if isinstance(value, datetime.time):
            return value == self.clock
        return str(value) == self.text


def stands(column: pd.Series[Any], texts: Sequence[str]) -> np.ndarray:
    """Which values (n,) bool of a column are marked by one of the texts."""
    dtype: Any = column.dtype
    marks = [Mark.of(text) for text in texts]
    if isinstance(dtype, pd.CategoricalDtype):
        marked = stands(pd.Series(dtype.categories), texts)
        return np.isin(column.cat.codes, np.flatnonzero(marked))
    if dtype.kind in "iuf" and not isinstance(dtype, pd.SparseDtype):
        numbers = [mark.number for mark in marks if mark.number is not None]
        values = column.to_numpy(f"{dtype.kind}{dtype.itemsize}", na_value=0)
        found = np.zeros(len(column), dtype=bool)
        for number in numbers:
            found |= values == (int(number) if dtype.kind != "f" and number == int(number) else float(number))
        return found & column.notna().to_numpy()
    return np.array([any(mark.means(value) for mark in marks) for value in column.astype(object)], dtype=bool)


def without(frame: pd.DataFrame, marks: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """A frame with gaps for what stands for them, by column; NaN of pandas' own numbers is one too.

    Columns without any are the same.
    """
    gone = {name: stands(frame[name], texts) for name, texts in marks.items() if texts}
    for name in marks:
        if _has_both(frame[name].dtype):
            gone[name] = gone.get(name, False) | np.isnan(frame[name].to_numpy(np.float64, na_value=0))
    new = {name: frame[name].mask(where) for name, where in gone.items() if where.any()}
    return frame.assign(**new) if new else frame


def _has_both(dtype: Any) -> bool:
    """Whether a dtype of floats tells NaN from a gap."""
    return not isinstance(dtype, np.dtype | pd.SparseDtype) and dtype.kind == "f"


def _read(kind: Callable[[str], Any], text: str) -> Any:
    """What a text is, None where it is none."""
    try:
        return kind(text)
    except ValueError:
        return None


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _is_at(value: Any, moment: Any) -> bool:
    """Whether a moment is the one that is marked, on the clock of its own zone where the mark has none."""
    if value.tzinfo is not None and moment.tzinfo is None:
        value = value.tz_localize(None)
    return (value.tzinfo is None) == (moment.tzinfo is None) and bool(value == moment)
