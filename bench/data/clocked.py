"""Lengths of time that look like times of day: 0:42 between 09:43 and 10:25.

What a column of clocks means the others tell: one that is the time from one to another in every row is a length.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from tabstep.data import comparable, dtypes, written_lengths
from tabstep.data.columns import Column, Number
from tabstep.data.periods import A_DAY
from tabstep.data.written_dates import WrittenMoments

MINUTE, DAY = 6e7, A_DAY * 1e6  # microseconds
FIRST = 256  # rows that are looked at before all are
MOST_TIMES = 12  # columns that are held against each other
LEAST_ROWS = 20  # that have all three
LEAST_VALUES = 5  # of a length, and of the time that it begins at: fewer may agree by chance


def told(columns: Sequence[Column], frame: pd.DataFrame, said: Collection[str] = ()) -> tuple[Column, ...]:
    """The columns of a frame, of which clocks that are lengths are read so: the time from one to another, or what is
    left of it when a pause is taken off, another such length or a number of minutes or hours.

    Of the times that such a rule is of the one that it begins at is the largest in the median: 08:00 to 17:00 less
    1:00 are 8:00.

    said  columns of which a user says that they are times, which they then are
    """
    numbers = [c for c in columns if isinstance(c, Number)]
    times = {c.name: _micros(c, frame) for c in numbers if _is_clocked(c)}
    asked = [c for c in numbers if c.name in times and c.name not in said]
    lengths = {c.name: own for c in asked if (own := _as_length(c, frame)) is not None}
    if not lengths or not MOST_TIMES >= len(times) >= 3:
        return tuple(columns)
    pauses = [(name, times[name]) for name in lengths] + [
        (c.name, unit * comparable.values(c, pd.Series(c.read(frame[c.name]))).to_numpy())
        for c in numbers
        if comparable.compares(c) and not comparable.is_time(c)
        for unit in (MINUTE, 60 * MINUTE)
    ]
    found: set[str] = set()
    for start, end in permutations(times, 2):
        passed = times[end] - times[start]
        for name in lengths:
            if name in (start, end) or not _is_less(times[name], times[start]):
                continue
            left = passed - times[name]
            if _is_nothing(left, times[name], times[start]):
                found.add(name)
            for pause, paused in pauses:
                among = pause in times
                if pause in (name, start, end) or (among and not _is_less(paused, times[start])):
                    continue
                if _is_nothing(left - paused, times[name], times[start]):
                    found |= {name, pause} if among else {name}
    return tuple(lengths[c.name] if c.name in found else c for c in columns)


def _is_clocked(column: Number) -> bool:
    return comparable.compares(column) and comparable.units_of_a_day(column) > 0


def _micros(column: Number, frame: pd.DataFrame) -> np.ndarray:
    """Microseconds (n,) of moments, float64 with NaN; a time of day is one of some day."""
    moments = comparable.values(column, pd.Series(column.read(frame[column.name])))
    counted: np.ndarray = moments.to_numpy("M8[ns]").astype(np.int64) // 1000
    return np.where(moments.isna().to_numpy(), np.nan, counted.astype(np.float64))


def _as_length(column: Column, frame: pd.DataFrame) -> Number | None:
    """A column of times of day in text as lengths, None where it is another or cannot be read so."""
    if (
        not isinstance(column, Number)
        or not isinstance(column.form, WrittenMoments)
        or "%d" in column.form.form
    ):
        return None
    texts = frame[column.name]
    form = written_lengths.lengths([*texts.dropna().unique()], dtypes.name(texts.dtype))
    return None if form is None else Number.of(texts, form)


def _is_less(length: np.ndarray, start: np.ndarray) -> bool:
    return bool(np.nanmedian(length) < np.nanmedian(start))


def _is_nothing(left: np.ndarray, length: np.ndarray, start: np.ndarray) -> bool:
    """Whether nothing is left in any row, past midnight too, of a length and a begin that vary."""
    first = left[:FIRST]
    if (first[~np.isnan(first)] % DAY != 0).any():
        return False
    there = ~np.isnan(left)
    varies = all(len(np.unique(some[there])) >= LEAST_VALUES for some in (length, start))
    return bool(there.sum() >= LEAST_ROWS and varies and (left[there] % DAY == 0).all())
