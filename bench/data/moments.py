"""Dates, times of day, durations and periods: counted in the coarsest unit that all values keep to."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from tabstep.data import clocks, dtypes, zones
from tabstep.data.forms import Raw

GRAINS = ("Y", "M", "D", "h", "m", "s", "ms", "us", "ns")
NAT = np.iinfo(np.int64).min  # the count that stands for a gap


def grain(values: np.ndarray, grains: tuple[str, ...] = GRAINS) -> str:
    """The coarsest of `grains` that values (n,) of numpy's datetime64 or timedelta64 all keep to."""
    kind = values.dtype.kind
    for unit in grains:
        if bool((values.astype(f"{kind}8[{unit}]").astype(values.dtype) == values).all()):
            return unit
    return grains[-1]


def counts(values: np.ndarray, unit: str) -> np.ndarray:
    """Whole units (n,) int64 since 1970, or of a duration; parts of a unit are dropped."""
    found: np.ndarray = values.astype(f"{values.dtype.kind}8[{unit}]").astype(np.int64)
    return found


def texts(column: Any, unit: str) -> Any:
    """Moments or lengths (a Series) in text, without the time of day where days or more are counted.

    pandas leaves it out where the rows at hand are all at midnight, so that its texts depend on the other rows.
    """
    dates = column.dtype.kind == "M" and unit in GRAINS[:3]
    # Arrow's dates have no time of day to leave out.
    shown = [str(v.date() if dates and isinstance(v, datetime.datetime) else v) for v in column]
    return pd.Series(shown, dtype=object).where(column.notna().to_numpy(), None)


Moment = Literal["dtype", "date", "datetime", "Timestamp"]


@dataclass(frozen=True)
class Moments:
    """Dates with or without a time of day.

    inner    the dtype of pandas that holds the values, its unit and its zone
    grain    the unit that is counted
    clock    whether the grain is one of the clock in the zone, or of UTC
    element  "dtype" where the dtype says all, else the kind of object
    """

    dtype: str
    inner: str
    grain: str
    clock: Literal["wall", "utc"] = "utc"
    element: Moment = "dtype"

    @classmethod
    def of(cls, column: pd.Series[Any], element: Moment = "dtype") -> Self:
        """Raises ValueError for objects that are not of one zone, or too far off for pandas."""
        base = _moments(column)
        inner = dtypes.name(base.dtype)
        utc, wall = (grain(_naive(base.dropna(), clock)) for clock in ("utc", "wall"))
        clock: Literal["wall", "utc"] = "wall" if GRAINS.index(wall) < GRAINS.index(utc) else "utc"
        return cls(dtypes.name(column.dtype), inner, wall if clock == "wall" else utc, clock, element)

    @property
    def zone(self) -> str:
        """The name of the time zone, or of its offset from UTC; "" for none."""
        kind = dtypes.made(self.inner)
        name = zones.called(kind.tz) if isinstance(kind, pd.DatetimeTZDtype) else ""
        return name if clocks.is_known(name) and name != "UTC" else ""

    def read(self, column: pd.Series[Any]) -> Raw:
        base = _moments(column)
        gap = base.isna().to_numpy()
        values = _naive(base, self.clock)
        return Raw(np.where(gap, 0, counts(values, self.grain)), gap)

    def write(self, raw: Raw) -> Any:
        kind = dtypes.made(self.inner)
        unit = np.datetime_data(kind)[0] if isinstance(kind, np.dtype) else kind.unit
        values = raw.values.astype(np.int64).astype(f"M8[{self.grain}]").astype(f"M8[{unit}]")
        values[raw.gap] = np.datetime64("NaT")
        moments: Any = pd.Series(values)
        if isinstance(kind, pd.DatetimeTZDtype):
            moments = (
                _on_clock(moments, kind.tz)
                if self.clock == "wall"
                else moments.dt.tz_localize("UTC").dt.tz_convert(kind.tz)
            )
        return self._shown(moments.astype(kind))

    def like(self, column: pd.Series[Any]) -> Any:
        if column.dtype == dtypes.made(self.dtype) and not _is_object(column.dtype):
            return column
        kind = dtypes.made(self.inner)
        base = _moments(column) if _is_moments(column) else _given(column)
        if isinstance(kind, pd.DatetimeTZDtype):
            base = _on_clock(base, kind.tz) if base.dt.tz is None else base.dt.tz_convert(kind.tz)
        elif base.dt.tz is not None:
            raise ValueError(f"holds times without a zone, got {column.dropna().iloc[0]}")
        moved = base.astype(kind)
        finer = (moved != base.astype(moved.dtype)) | (moved.astype(base.dtype) != base)
        if bool((finer & base.notna()).any()):
            raise ValueError(
                f"holds times to the {kind.unit if hasattr(kind, 'unit') else kind}, got a finer one"
            )
        if self.element == "date" and bool((moved != moved.dt.normalize())[base.notna()].any()):
            raise ValueError("holds dates, got one with a time of day")
        return self._shown(moved)

    def _shown(self, moments: pd.Series[Any]) -> Any:
        if self.element == "dtype":
            kind = dtypes.made(self.dtype)
            return _to_arrow(moments, kind) if isinstance(kind, pd.ArrowDtype) else moments
        objects: dict[str, Any] = {
            "date": lambda m: m.date(),
            "datetime": lambda m: m.to_pydatetime(),
            "Timestamp": lambda m: m,
        }
        make = objects[self.element]
        return pd.Series([None if pd.isna(m) else make(m) for m in moments], dtype=object)


def _is_object(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _is_moments(column: pd.Series[Any]) -> bool:
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.pyarrow_dtype
        return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
    return isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype)


def _moments(column: pd.Series[Any]) -> Any:
    """The same moments in a dtype of pandas."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype):
        return pa.array(column.array, from_pandas=True).to_pandas(date_as_object=False)
    if not _is_object(dtype):
        return column.reset_index(drop=True)
    shown = [v for v in column if not pd.isna(v)]
    if any(isinstance(v, datetime.datetime) for v in shown):
        return pd.Series(pd.DatetimeIndex([pd.NaT if pd.isna(v) else v for v in column]))
    return pd.Series(np.array([None if pd.isna(v) else v for v in column], dtype="M8[s]"))


def _given(column: pd.Series[Any]) -> Any:
    """Texts of ISO 8601 and objects as moments, in a unit that holds all of them (a Series). Raises ValueError."""
    try:
        return pd.Series(pd.to_datetime(column, format="ISO8601"))
    except pd.errors.OutOfBoundsDatetime:  # years that nanoseconds do not reach
        far = [np.datetime64("NaT" if pd.isna(value) else value) for value in column]
        return pd.Series(np.array(far, dtype="M8[us]"))
    except (ValueError, TypeError):
        odd = [
            v
            for v in column
            if not pd.isna(v) and pd.isna(pd.to_datetime(v, format="ISO8601", errors="coerce"))
        ]
        raise ValueError(
            f"holds dates or times, such as 2024-01-31, got {(odd or list(column))[0]!r}"
        ) from None


def _on_clock(moments: Any, zone: Any) -> Any:
    """What a zone's clocks showed, as instants (a Series), as `clocks.instants` has hours that are not there once."""
    twice = np.zeros(len(moments), dtype=bool)
    return moments.dt.tz_localize(zone, ambiguous=twice, nonexistent="shift_forward")


def _naive(moments: Any, clock: str) -> np.ndarray:
    """Moments (n,) as numpy has them, in their own unit, of UTC or of the clock in their zone."""
    zone = moments.dt.tz
    if zone is not None:
        moments = moments.dt.tz_localize(None) if clock == "wall" else moments.dt.tz_convert(None)
    found: np.ndarray = moments.to_numpy()
    return found


def _to_arrow(values: pd.Series[Any], kind: pd.ArrowDtype) -> Any:
    made = pa.Array.from_pandas(values).cast(kind.pyarrow_dtype)
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([made])))


Length = Literal["dtype", "timedelta", "Timedelta", "time"]


@dataclass(frozen=True)
class Durations:
    """Lengths of time, and times of day, which count from midnight. Fields as those of `Moments`."""

    dtype: str
    inner: str
    grain: str
    element: Length = "dtype"

    @classmethod
    def of(cls, column: pd.Series[Any], element: Length = "dtype") -> Self:
        """Raises ValueError for lengths that pandas cannot hold."""
        base = _lengths(column)
        unit = grain(base.dropna().to_numpy(), GRAINS[2:])
        return cls(dtypes.name(column.dtype), dtypes.name(base.dtype), unit, element)

    def read(self, column: pd.Series[Any]) -> Raw:
        base = _lengths(column)
        gap = base.isna().to_numpy()
        return Raw(np.where(gap, 0, counts(base.to_numpy(), self.grain)), gap)

    def write(self, raw: Raw) -> Any:
        unit = np.datetime_data(dtypes.made(self.inner))[0]
        values = raw.values.astype(np.int64).astype(f"m8[{self.grain}]").astype(f"m8[{unit}]")
        values[raw.gap] = np.timedelta64("NaT")
        return self._shown(pd.Series(values))

    def like(self, column: pd.Series[Any]) -> Any:
        if column.dtype == dtypes.made(self.dtype) and not _is_object(column.dtype):
            return column
        shown = column if _is_object(column.dtype) else column.iloc[:0]
        odd = [v for v in shown if isinstance(v, int | float) and not pd.isna(v)]
        if odd:  # pandas takes them for nanoseconds
            raise ValueError(f"holds {self._kind}, got {odd[0]!r}")
        try:
            base = _lengths(column)
        except (TypeError, ValueError):
            base = self._given(column)
        moved = base.astype(dtypes.made(self.inner))
        if bool((moved != base)[base.notna()].any()):
            raise ValueError(f"holds times to the {np.datetime_data(moved.dtype)[0]}, got a finer one")
        return self._shown(moved)

    @property
    def _kind(self) -> str:
        return (
            "times of day, such as 14:05:00" if self.element == "time" else "lengths of time, such as 1:30:00"
        )

    def _given(self, column: pd.Series[Any]) -> Any:
        """Texts as lengths (a Series). Raises ValueError."""
        texts = column.astype(str).where(column.notna(), None)
        lengths = pd.Series(pd.to_timedelta(texts, errors="coerce"))
        if bool((odd := lengths.isna() & column.notna()).any()):
            raise ValueError(f"holds {self._kind}, got {column[odd].iloc[0]!r}")
        return lengths

    def _shown(self, lengths: Any) -> Any:
        kind = dtypes.made(self.dtype)
        if self.element == "dtype" and not isinstance(kind, pd.ArrowDtype):
            return lengths
        if self.element == "dtype" and pa.types.is_duration(kind.pyarrow_dtype):
            return _to_arrow(lengths, kind)
        midnight = pd.Timestamp(0)
        objects: dict[str, Any] = {
            "timedelta": lambda v: v.to_pytimedelta(),
            "Timedelta": lambda v: v,
        }
        make = objects.get(self.element, lambda v: (midnight + v).time())
        if self.element == "dtype":  # Arrow's times of day
            count = lengths.astype(f"timedelta64[{kind.pyarrow_dtype.unit}]")
            plain = pa.array(count.to_numpy().astype(np.int64), mask=count.isna().to_numpy())
            bits = pa.int32() if pa.types.is_time32(kind.pyarrow_dtype) else pa.int64()
            made = plain.cast(bits).cast(kind.pyarrow_dtype)
            return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([made])))
        return pd.Series([None if pd.isna(v) else make(v) for v in lengths], dtype=object)


def _lengths(column: pd.Series[Any]) -> Any:
    """The same lengths in a dtype of pandas."""
    dtype: Any = column.dtype
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_time(dtype.pyarrow_dtype):
        unit = dtype.pyarrow_dtype.unit
        bits = pa.int32() if pa.types.is_time32(dtype.pyarrow_dtype) else pa.int64()
        plain = pa.array(column.array, from_pandas=True).cast(bits).cast(pa.int64())
        values = plain.fill_null(0).to_numpy(zero_copy_only=False).astype(f"m8[{unit}]")
        return pd.Series(np.where(column.isna(), np.timedelta64("NaT"), values))
    if isinstance(dtype, pd.ArrowDtype):
        return pa.array(column.array, from_pandas=True).to_pandas()
    if not _is_object(dtype):
        return column.reset_index(drop=True)
    return pd.Series(pd.TimedeltaIndex([pd.NaT if pd.isna(v) else _length(v) for v in column]))


def _length(value: Any) -> Any:
    if not isinstance(value, datetime.time):
        return value
    if value.tzinfo is not None:
        raise ValueError("holds times of day with a zone; leave the zone out")
    return datetime.timedelta(
        hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
    )


@dataclass(frozen=True)
class Periods:
    """pandas' periods, counted in their own frequency."""

    dtype: str

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Self:
        return cls(dtypes.name(column.dtype))

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        array: Any = column.array
        return Raw(np.where(gap, 0, array.asi8), gap)

    def write(self, raw: Raw) -> Any:
        kind = dtypes.made(self.dtype)
        ordinals = np.where(raw.gap, NAT, raw.values.astype(np.int64))
        return pd.Series(pd.arrays.PeriodArray(ordinals, dtype=kind))

    def like(self, column: pd.Series[Any]) -> Any:
        if column.dtype == dtypes.made(self.dtype):
            return column
        freq = dtypes.made(self.dtype).freq
        try:
            return pd.Series(pd.PeriodIndex(column, freq=freq))
        except (ValueError, TypeError):
            raise ValueError(f"holds periods of {freq.freqstr}, got {column.dropna().iloc[0]!r}") from None
