"""Ends of a range as a column counts: finer ones are rounded inwards, coarser ones are all of their month or day."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd

from tabstep.data import dtypes
from tabstep.data.columns import Number
from tabstep.data.comparable import is_time, scaled, units_of_a_day
from tabstep.data.moments import Durations, Moments, Periods
from tabstep.data.written_dates import WrittenMoments, offset_of
from tabstep.data.written_lengths import WrittenLengths
from tabstep.data.zoned import ZonedMoments

Side = Literal["low", "high"]
_MONTH = re.compile(r"\d{4}(-\d\d)?")  # or a year
_TIME = re.compile(r":|\dT\d|\d{4}[ T]\d{1,2}$")  # in 10/03/2024 14:05, 20240310T14 and 10/03/2024 14


def counted(column: Number, end: Any, side: Side) -> float:
    """What an end is to a method: of what the column counts the nearest that lies in the range. Raises ValueError."""
    form: Any = column.form
    if isinstance(end, int | float | np.number) and column.shown in (None, "number in text"):
        if math.isinf(end):
            return float(end)
        if not column.is_continuous:  # whole numbers, of the last decimal, and ends between them
            return float(Decimal(str(end)).scaleb(scaled(column)) - column.origin)
    if isinstance(form, Periods):
        several = (
            None if isinstance(end, pd.Period) and end.freq == dtypes.made(form.dtype).freq else _span(end)
        )
        return _exact(column, end if several is None else pd.Timestamp(several[side == "high"]))
    if not is_time(column):
        return _exact(column, end)
    if isinstance(end, str) and not isinstance(form, Moments | Durations) and not _MONTH.fullmatch(end):
        try:  # as the column is written
            found = _exact(column, end)
            return found + max(0, units_of_a_day(column) - 1) * (side == "high" and is_day(end))
        except ValueError:
            pass
    at = _length(end) if isinstance(form, Durations | WrittenLengths) else _moment(column, end, side)
    if at is None or np.isnat(at):
        return _exact(column, end)
    count = at.astype(f"{at.dtype.kind}8[{form.grain}]")
    finer = count.astype(at.dtype) - at
    up = int(finer < 0) if side == "low" else -int(finer > 0)
    return float(int(count.astype(np.int64)) + up - column.origin)


def is_day(end: Any) -> bool:
    """Whether an end of a range names a day, and no time of it."""
    if isinstance(end, str):
        return _TIME.search(end) is None
    if isinstance(end, np.datetime64):
        return np.datetime_data(end)[0] == "D"
    return isinstance(end, datetime.date) and not isinstance(end, datetime.datetime)


def _exact(column: Number, end: Any) -> float:
    return float(column.read(column.like(pd.Series([end], dtype=object)))[0])


def _span(end: Any) -> tuple[np.datetime64, np.datetime64] | None:
    """The first and the last moment of a year, a month, a day or a period; None for a moment."""
    if isinstance(end, pd.Period):
        return end.start_time.to_datetime64(), end.end_time.to_datetime64()
    if not isinstance(end, bool) and isinstance(end, str | int) and _MONTH.fullmatch(str(end)):
        whole = np.datetime64(str(end))
    elif isinstance(end, np.datetime64) and np.datetime_data(end)[0] in "YMWD":
        whole = end
    elif is_day(end) and (at := _read(end)) is not None and at.tzinfo is None:
        whole = at.to_datetime64().astype("M8[D]")
    else:
        return None
    unit = "ns" if 1700 < int(str(whole)[:4]) < 2200 else "us"  # those that nanoseconds reach
    return whole.astype(f"M8[{unit}]"), (whole + 1).astype(f"M8[{unit}]") - np.timedelta64(1, unit)  # type: ignore[call-overload]


def _read(end: Any) -> Any:
    """A moment of ISO 8601 or of another kind (a Timestamp), None for what is none."""
    if not isinstance(end, str | datetime.date | np.datetime64) or pd.isna(end):
        return None
    try:
        return pd.to_datetime(end, format="ISO8601") if isinstance(end, str) else pd.Timestamp(end)
    except pd.errors.OutOfBoundsDatetime:
        return pd.Timestamp(np.datetime64(end, "us"))  # type: ignore[call-overload]
    except ValueError:
        return None


def _moment(column: Number, end: Any, side: Side) -> Any:
    """A moment (numpy's) as the column counts it, of UTC or of the clock in its zone; None for what is none."""
    form: Any = column.form
    several = _span(end)
    at = _read(end) if several is None else pd.Timestamp(several[side == "high"])
    if at is None or at is pd.NaT:
        return None
    zone = form.zone if isinstance(form, ZonedMoments) else None
    if isinstance(form, Moments):
        zone = getattr(dtypes.made(form.inner), "tz", None)
    if zone is not None:
        # of an hour that comes twice the first begins a range, and the second ends it
        twice: dict[str, Any] = {"ambiguous": side == "low", "nonexistent": "shift_forward"}
        at = at.tz_localize(zone, **twice) if at.tzinfo is None else at.tz_convert(zone)
        at = at.tz_localize(None) if form.clock == "wall" else at.tz_convert(None)
    elif at.tzinfo is not None and isinstance(form, WrittenMoments):
        offset = offset_of(form.form).strip()
        at = at.tz_convert(f"{offset[:3]}:{offset[-2:]}" if offset[:1] in ("+", "-") else "UTC").tz_localize(
            None
        )
    elif at.tzinfo is not None:
        raise ValueError(f"column {column.name!r}: holds times without a zone, got {end}")
    return at.to_datetime64()


def _length(end: Any) -> Any:
    """A length of time, or what has passed since midnight (numpy's); None for what is none."""
    if isinstance(end, datetime.time):
        end = datetime.datetime.combine(datetime.date.min, end) - datetime.datetime.min
    if not isinstance(end, str | datetime.timedelta | np.timedelta64):
        return None
    try:
        return pd.Timedelta(
            f"{end}:00" if isinstance(end, str) and _CLOCK.fullmatch(end) else end
        ).to_timedelta64()
    except ValueError:
        return None


_CLOCK = re.compile(r"\d\d?:\d\d")  # hours and minutes
