"""Days, weeks, months, quarters and years of the calendar: which one a time is in, and times moved by some.

Periods are counted, so that the next one is one more; times are those of a clock, without a zone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.counted import seconds, shifted

DAY, WEEK, MONTH, QUARTER, YEAR = "day", "week", "month", "quarter", "year"
OTHERS = ("Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")  # on which weeks may begin
DAYS = {DAY: (1, 0), WEEK: (7, 3), **{f"{WEEK} from {name}": (7, 2 - i) for i, name in enumerate(OTHERS)}}
"""How many days a period has, and how many days before 1970 one began."""
MONTHS = {MONTH: 1, QUARTER: 3, YEAR: 12}
UNITS = (*DAYS, *MONTHS)
A_DAY = 86400.0


def number(times: Any, unit: str) -> np.ndarray:
    """The periods (n,) float64 that times (a Series) are in, NaN for gaps."""
    if unit in DAYS:
        length, before = DAYS[unit]
        return np.asarray(np.floor((np.floor(seconds(times) / A_DAY) + before) / length))
    days = pd.DatetimeIndex(times)
    months = np.asarray(days.year, dtype=np.float64) * 12 + np.asarray(days.month, dtype=np.float64) - 1
    return np.floor(months / MONTHS[unit])


def begin(numbers: np.ndarray, unit: str) -> np.ndarray:
    """The first days (n,) datetime64 of periods."""
    gap = np.isnan(numbers)
    whole = np.where(gap, 0, numbers).astype(np.int64)
    if unit in DAYS:
        length, before = DAYS[unit]
        found = (whole * length - before).astype("M8[D]")
    else:
        found = (whole * MONTHS[unit] - 12 * 1970).astype("M8[M]").astype("M8[D]")
    found[gap] = np.datetime64("NaT")
    return np.asarray(found)


def moved(times: Any, counts: np.ndarray, unit: str) -> Any:
    """Times (a Series) moved by whole periods (n,), NaN for none; days that a month lacks become its last."""
    if unit in DAYS:
        return shifted(times, counts * DAYS[unit][0] * A_DAY)
    found = times.copy()
    for count in np.unique(counts[~np.isnan(counts)]):
        rows = counts == count
        by = pd.DateOffset(months=int(count) * MONTHS[unit])
        found[rows] = (times[rows] + by).astype(times.dtype)
    return found
