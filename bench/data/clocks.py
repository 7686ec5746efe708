"""Instants on the clock of a time zone, and back: a weekday, an hour and a birthday are those of a place."""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def is_known(zone: str) -> bool:
    """Whether there is such a zone, by name or as UTC+02:00."""
    return zone in _names() or re.fullmatch(r"UTC[+-]\d\d:\d\d", zone) is not None


def check(zone: str) -> None:
    """Raises ValueError for a zone that there is not; "" is UTC, and what has no zone."""
    if zone and not is_known(zone):
        raise ValueError(f"a rule with zone {zone!r}, expected one such as Europe/Berlin or UTC+02:00")


def local(instants: Any, zone: str) -> Any:
    """What the clocks of the zone show (a Series without a zone) at instants of UTC."""
    if not zone:
        return instants
    return pd.Series(instants).dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)


def instants(local: Any, zone: str) -> Any:
    """The inverse: of an hour that comes twice the second, of one that does not come the first moment after it."""
    if not zone:
        return local
    twice = np.zeros(len(local), dtype=bool)
    there = pd.Series(local).dt.tz_localize(zone, ambiguous=twice, nonexistent="shift_forward")
    return there.dt.tz_convert("UTC").dt.tz_localize(None)
