"""Days that others make: the first or last of a period of the calendar, and what is always as much later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import clocks, periods
from tabstep.data.counted import seconds, shifted
from tabstep.data.derived import Begins
from tabstep.data.later import Later
from tabstep.data.periods import A_DAY, DAY, MONTH, YEAR

FIRST = 256  # rows that candidates are tried on before all are
FEWEST = 10  # of them that hold both times
A_MONTH, A_YEAR = 2629746.0, 31556952.0  # steps of grids of months and of years, in seconds
FARTHEST = 24  # periods between a time and the one that it says
ODD_DAYS = (0, -1, 1)  # beside months: a contract of a year ends the day before


def begins(
    frame: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    steps: Mapping[str, float],
    zones: Mapping[str, str],
) -> Iterator[Begins]:
    """Days, each the first or the last of the period that a time is in, or of one before or after it."""
    for by, of in pairs:
        if of in zones or not (steps[by] < steps[of] or steps[of] >= A_DAY):
            continue
        head = _both(frame, by, of)
        times = clocks.local(head[by], zones.get(by, ""))
        for unit in periods.UNITS if len(head) >= FEWEST else ():
            now, then = periods.number(times, unit), periods.number(head[of], unit)
            later = int(then[0] - now[0])
            if abs(later) > FARTHEST or (then - now != later).any() or not _fits(unit, steps[by], later):
                continue
            for last in (False, True) if unit != DAY else (False,):
                rule = Begins(by, of, unit, (), zones.get(by, ""), last, later)
                if not rule.breaks(head).any() and not rule.breaks(frame).any():
                    yield rule


def _fits(unit: str, by: float, later: int) -> bool:
    """Whether a grid is finer than a period; of days `later` has the ones that are so much later."""
    length = {DAY: A_DAY, MONTH: A_MONTH, periods.QUARTER: 3 * A_MONTH, YEAR: A_YEAR}.get(unit, 7 * A_DAY)
    return by < length and (unit != DAY or later == 0)


def later(
    frame: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    days: Sequence[tuple[str, str]],
    steps: Mapping[str, float],
    zones: Mapping[str, str],
) -> list[Later]:
    """Times that are always as much later than another, those first that are not earlier.

    pairs  of times that are held against each other
    days   of times and days that are
    """
    found = [rule for by, of in pairs for rule in _later(frame, by, of, zones, whole=False)]
    of_days = [(by, of) for by, of in days if steps[by] < A_DAY <= steps[of] and of not in zones]
    found += [rule for by, of in of_days for rule in _later(frame, by, of, zones, whole=True)]
    return sorted(found, key=lambda rule: rule.months * A_MONTH + rule.seconds < 0)


def _later(
    frame: pd.DataFrame, by: str, of: str, zones: Mapping[str, str], *, whole: bool
) -> Iterator[Later]:
    """The first way in which one time is always as much later than another."""
    head = _both(frame, by, of)
    if len(head) < FEWEST:
        return
    for zone in dict.fromkeys((zones.get(by, ""), "")):
        if not whole and zone and zones.get(of) != zone:
            continue
        times = clocks.local(head[by], zone)
        begin = times.dt.floor("D") if whole else times
        end = head[of] if whole else clocks.local(head[of], zone)
        for months, by_seconds in _distances(begin, end):
            rule = Later(by, of, months, by_seconds, whole, (of, by), zone)
            if (
                (months or by_seconds or not whole)
                and not rule.breaks(head).any()
                and not rule.breaks(frame).any()
            ):
                yield rule
                return


def _distances(begin: Any, end: Any) -> Iterator[tuple[int, float]]:
    """How much later some times may always be than others, in months and seconds."""
    apart = seconds(end) - seconds(begin)
    if (apart == apart[0]).all():
        yield 0, float(apart[0])
    for days in ODD_DAYS:
        shown = shifted(end, np.full(len(end), -days * A_DAY))
        months = periods.number(shown, MONTH) - periods.number(begin, MONTH)
        if months[0] and (months == months[0]).all():
            yield int(months[0]), days * A_DAY


def _both(frame: pd.DataFrame, by: str, of: str) -> pd.DataFrame:
    """The first rows in which both are there."""
    there = frame[by].notna() & frame[of].notna()
    return frame.loc[there, [by, of]].iloc[:FIRST].reset_index(drop=True)
