"""Numbers and times alike, as rules between columns count them: times in seconds, values on grids."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

RELATIVE = 1e-6  # of numbers that keep to no decimals
LENGTHS = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0}

Seen = tuple[tuple[str, float, float], ...]
"""The least and the largest number of columns by their names, of times in seconds."""


def counted(column: pd.Series[Any]) -> np.ndarray:
    """Numbers (n,) float64, of times seconds; NaN for gaps."""
    return seconds(column) if column.dtype.kind in "mM" else column.to_numpy(np.float64)


def seconds(column: pd.Series[Any]) -> np.ndarray:
    """Times (n,) float64 in seconds, exact to the microsecond within centuries; NaN for gaps."""
    per_second = np.timedelta64(1, "s") / np.timedelta64(1, np.datetime_data(column.to_numpy().dtype)[0])  # type: ignore[call-overload]
    return np.asarray(column.astype("int64").where(column.notna()).to_numpy(np.float64) / per_second)


def extent(column: pd.Series[Any]) -> tuple[float, float]:
    """The least and the largest number of a column, of times in seconds."""
    x = counted(column)
    return float(np.nanmin(x)), float(np.nanmax(x))


def seen_of(frame: pd.DataFrame, columns: Iterable[str]) -> Seen:
    """What is seen of columns of numbers and times."""
    return tuple((name, *extent(frame[name])) for name in columns)


def unit_of(length: float) -> tuple[str, float]:
    """The largest unit that so many seconds are a whole number of, and its seconds."""
    return next((unit for unit in LENGTHS.items() if length % unit[1] == 0), ("second", 1.0))


def of_counted(values: np.ndarray, like: pd.Series[Any]) -> pd.Series[Any]:
    """The inverse of `counted`: numbers, or seconds (n,) as times in the unit of a column."""
    if like.dtype.kind not in "mM":
        return pd.Series(values, index=like.index)
    zero = pd.Series(np.zeros(len(values), dtype=like.to_numpy().dtype), index=like.index)
    return shifted(zero, values)


def on_grid(values: Any, step: float) -> Any:
    """Numbers rounded to the decimals of a grid; times are exact."""
    if step == 0 or values.dtype.kind in "mM":
        return values
    return values.round(max(0, round(-math.log10(step))))


def fits(step: float, into: float) -> bool:
    """Whether values on a grid are on another one too: that of continuous numbers has all."""
    return into == 0 or (step > 0 and into <= step)


def roundest(low: float, high: float) -> float:
    """The number above `low` and at most `high` with the fewest digits."""
    for places in range(-12, 16):
        found = np.floor(high * 10.0**places) / 10.0**places
        if low < found <= high:
            return float(found)
    return high


def shifted(times: pd.Series[Any], by: np.ndarray) -> pd.Series[Any]:
    """Times moved by seconds (n,), NaN for none, to the nearest on the grid of the column."""
    unit = np.timedelta64(1, np.datetime_data(times.to_numpy().dtype)[0]) / np.timedelta64(1, "s")  # type: ignore[call-overload]
    steps = np.round(np.nan_to_num(by) / unit).astype(np.int64)
    moved = (times.astype("int64").to_numpy() + steps).astype(times.to_numpy().dtype)
    return pd.Series(moved, index=times.index).where(times.notna())
