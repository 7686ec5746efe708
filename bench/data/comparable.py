"""Columns in common units, so that they can be held against each other: numbers as they are meant, times as times.

What methods see of two columns need not compare: days since 1970 beside seconds, cents beside euros.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.columns import Column, Number
from tabstep.data.forms import EXACT, INT64, Objects, Plain
from tabstep.data.moments import Durations, Moments, Periods
from tabstep.data.writing import WrittenNumbers
from tabstep.data.written_dates import WrittenMoments, offset_of
from tabstep.data.written_feet import WrittenFeet
from tabstep.data.written_lengths import WrittenLengths
from tabstep.data.written_sizes import WrittenSizes
from tabstep.data.zoned import ZonedMoments

UNITS = ("s", "ms", "us", "ns")  # those of pandas; coarser counts are told in seconds


def frame(columns: Sequence[Column], table: pd.DataFrame) -> pd.DataFrame:
    """A canonical table in common units: float64 and NaN, datetime64, timedelta64, and labels as they are.

    Columns that have no such unit are left out: periods, and whole numbers beyond what float64 tells apart.
    """
    return pd.DataFrame(
        {
            c.name: values(c, table[c.name]) if isinstance(c, Number) else table[c.name].astype(object)
            for c in columns
            if not isinstance(c, Number) or compares(c)
        },
        index=table.index,
    )


def units(columns: Sequence[Column]) -> dict[str, str]:
    """What is written beside the numbers of columns, such as € or kg, and beside times, such as +09:00."""
    forms = {c.name: c.form for c in columns if isinstance(c, Number)}
    zones = {
        name: offset_of(form.form).strip() for name, form in forms.items() if isinstance(form, WrittenMoments)
    }
    zones |= {name: "several" for name, form in forms.items() if isinstance(form, ZonedMoments)}
    return {name: unit for name, unit in (zones | _written(forms)).items() if unit}


def alike(frame: pd.DataFrame, names: Sequence[str], units: Mapping[str, str]) -> list[list[str]]:
    """The columns of a frame in common units that can be held against each other: numbers, or times, of one unit."""
    kinds: dict[tuple[str, str | None], list[str]] = {}
    for name in names:
        kind = frame[name].dtype.kind
        kinds.setdefault((kind if kind in "mM" else "f", units.get(name)), []).append(name)
    return [*kinds.values()]


def _written(forms: Mapping[str, Any]) -> dict[str, str]:
    """The units that stand beside numbers, of sizes the smallest."""
    found: dict[str, str] = {}
    for name, form in forms.items():
        match form:
            case WrittenNumbers():
                found[name] = f"{form.prefix}{form.suffix}".strip()
            case WrittenSizes():
                found[name] = form.names[0]
            case WrittenFeet():
                found[name] = f"{form.between}{form.after}".strip()
    return found


def zones(columns: Sequence[Column]) -> dict[str, str]:
    """The time zones on whose clocks instants are shown; of other times `values` are on the clock already."""
    forms: dict[str, Any] = {c.name: c.form for c in columns if isinstance(c, Number)}
    zoned = {n: form for n, form in forms.items() if isinstance(form, Moments | ZonedMoments)}
    return {n: form.zone for n, form in zoned.items() if form.clock == "utc" and form.zone}


def compares(column: Number) -> bool:
    """Whether a column of numbers has a unit in common with others."""
    if isinstance(column.form, Periods):
        return False
    if column.span is None:
        return True
    return is_time(column) and column.origin + column.span <= INT64.max


def values(column: Number, canonical: Any) -> Any:
    """Canonical numbers of a column in its unit (a Series)."""
    plain = canonical.to_numpy()
    if not is_time(column):
        return pd.Series(_rounded(plain / 10.0 ** scaled(column), _places(column)), index=canonical.index)
    gap = np.isnan(plain.astype(np.float64))
    counted = np.where(gap, 0, np.round(plain)).astype(np.int64) + column.origin
    kind = "m8" if _is_length(column) else "M8"
    moments = counted.astype(f"{kind}[{_grain(column)}]").astype(f"{kind}[{_unit(column)}]")
    moments[gap] = np.array("NaT", dtype=moments.dtype)
    return pd.Series(moments, index=canonical.index)


def canonical(column: Number, values: Any) -> np.ndarray:
    """The inverse of `values`: canonical numbers (n,) float64, NaN where missing."""
    gap = values.isna().to_numpy()
    if not is_time(column):
        scale = scaled(column)
        found = values.to_numpy(np.float64) * 10.0**scale
        return np.asarray(np.round(found) if scale else found)
    kind = "m8" if _is_length(column) else "M8"
    counted = values.to_numpy().astype(f"{kind}[{_grain(column)}]").astype(np.int64)
    return np.where(gap, np.nan, np.where(gap, 0, counted - column.origin).astype(np.float64))


def units_of_a_day(column: Column) -> int:
    """How many of what a column of times counts make a day; 0 for one of days or more, and where it holds none."""
    if not isinstance(column, Number) or not is_time(column) or _is_length(column):
        return 0
    grain = _grain(column)
    return 0 if grain in ("Y", "M", "D") else int(np.timedelta64(1, "D") / np.timedelta64(1, grain))  # type: ignore[call-overload]


def plain(value: Any) -> Hashable:
    """A label or a number to compare by, None for a gap."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    if isinstance(value, bool | np.bool_ | str):
        return str(value)
    return float(value) if isinstance(value, int | float | np.integer | np.floating) else str(value)


def is_time(column: Number) -> bool:
    return isinstance(column.form, Moments | WrittenMoments | ZonedMoments) or _is_length(column)


def _is_length(column: Number) -> bool:
    return isinstance(column.form, Durations | WrittenLengths)


def _grain(column: Number) -> str:
    form: Any = column.form
    return str(form.grain)


def _unit(column: Number) -> str:
    grain = _grain(column)
    return grain if grain in UNITS else "s"


def scaled(column: Number) -> int:
    """Decimals that canonical numbers count in."""
    form = column.form
    if isinstance(form, WrittenNumbers):
        return form.places
    if isinstance(form, WrittenSizes):
        return max(form.places)
    return (form.decimals or 0) if isinstance(form, Objects) and form.element == "Decimal" else 0


def _places(column: Number) -> int | None:
    """Decimals that values keep to; None for continuous ones."""
    form = column.form
    if isinstance(form, WrittenNumbers):
        return form.places
    return form.decimals if isinstance(form, Plain | Objects) else None


def _rounded(plain: np.ndarray, places: int | None) -> np.ndarray:
    found = plain.astype(np.float64)
    fine = places is not None and np.nanmax(np.abs(found), initial=0) * 10.0**places < EXACT
    return np.round(found, places) if fine and places is not None else found
