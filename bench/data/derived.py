"""Columns that others make: time passed between two, the part of the calendar of a date, its first or last day, bands.

What arithmetic makes is in `data.arithmetic`, lines with bends in `data.bent`, logarithms, squares and such in
`data.curved`, products of powers in `data.powers`, means in `data.mean`, sums with factors in `data.weighted`, the
largest of others in `data.extreme`, what one has above another in `data.surplus`, what a label adds in `data.offset`,
lines by label in `data.tariff`, prices of several in `data.priced`, what pays back a loan in `data.instalment`, what
grows by so much in each of some years in `data.growth`, times that are always as much later in `data.later`, what is
worked from one clock to another in `data.shift`, labels of the larger of two in `data.compared` and of the largest of
several in `data.foremost`, what one of several others is repeated in `data.chosen`.

Each rule says which rows break it (`breaks`), what its last column `of` must be (`made`), and where a column that
makes it must go (`moved`). Which of them gives way in drawn rows matters: days of a stay between two drawn dates would
be the difference of two errors, and a weekday that of a day's error, so there the date goes where the other says.
`gives` has the columns in the order in which they give way.

All are told from frames in common units (`data.comparable`). Times are counted in seconds; days, months and years are
those of the clocks of a `zone`, "" where times have none. A row with a gap among the columns that make `of` breaks
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from tabstep.data import clocks, periods
from tabstep.data.apart import Apart
from tabstep.data.arithmetic import Product, Rated, Scaled, Total
from tabstep.data.bent import Bent
from tabstep.data.chosen import Chosen
from tabstep.data.compared import Compared
from tabstep.data.counted import RELATIVE, counted, on_grid, roundest, seconds, shifted
from tabstep.data.curved import Curved
from tabstep.data.extreme import Extreme
from tabstep.data.foremost import Foremost
from tabstep.data.growth import Growth
from tabstep.data.instalment import Instalment
from tabstep.data.later import Later
from tabstep.data.mean import Mean
from tabstep.data.offset import Offset
from tabstep.data.periods import DAY, MONTH
from tabstep.data.powers import Powers
from tabstep.data.priced import Priced
from tabstep.data.shift import Shift
from tabstep.data.surplus import Surplus
from tabstep.data.tariff import Tariff
from tabstep.data.telling import Telling
from tabstep.data.weighted import Weighted

YEARS = "years"  # of the calendar, of which only full ones are counted
NIGHTS = "nights"  # between the days of two times
UNITS = {
    YEARS: 31556952.0,
    "years of 365.25 days": 31557600.0,
    "years of 365 days": 31536000.0,
    "weeks": 604800.0,
    NIGHTS: 86400.0,
    "days": 86400.0,
    "hours": 3600.0,
    "minutes": 60.0,
    "seconds": 1.0,
}
PARTS: dict[str, Callable[[pd.DatetimeIndex], Any]] = {
    "quarter": lambda days: days.quarter,
    "month": lambda days: days.month,
    "week": lambda days: days.isocalendar().week,
    "day": lambda days: days.day,
    "weekday": lambda days: days.weekday,
    "hour": lambda days: days.hour,
    "year": lambda days: days.year,
    "year and quarter": lambda days: days.year * 4 + days.quarter,
    "year and month": lambda days: days.year * 12 + days.month,
    "day of the year": lambda days: days.dayofyear,
    "year and week": lambda days: days.isocalendar().year * 100 + days.isocalendar().week,
}
FARTHEST = 366  # days or hours that a time is moved by


@dataclass(frozen=True)
class Elapsed:
    """`of` is the time from `start` to `end` in `unit`: full ones where `down`, else to the nearest on its grid.

    step  of that grid, 10^-decimals; 0 for continuous numbers
    ends  the least and the largest start and end that were seen, in seconds
    rounds  whether rows do, as whole hours in which a room is booked do not
    """

    start: str
    end: str
    of: str
    unit: str
    down: bool
    step: float
    ends: tuple[tuple[float, float], tuple[float, float]]
    gives: tuple[str, ...]
    zone: str = ""
    rounds: bool = True

    def __post_init__(self) -> None:
        _check("unit", self.unit, UNITS)
        clocks.check(self.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.start, self.end, self.of

    def __str__(self) -> str:
        unit = f"full {self.unit}" if self.down and self.unit != NIGHTS else self.unit
        return f"{self.of} = {unit} from {self.start} to {self.end}"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        passed, shown = self.passed(frame), frame[self.of].to_numpy(np.float64)
        if self.down:
            off = np.floor(passed) != shown
        else:
            off = np.abs(passed - shown) > (0.5 * self.step + RELATIVE * np.maximum(1, np.abs(passed)))
        if not self.rounds:
            off |= np.abs(passed - shown) > RELATIVE * np.maximum(1, np.abs(passed))
        return np.asarray(off & ~np.isnan(passed) & ~np.isnan(shown))

    @property
    def exactly(self) -> Elapsed:
        """The rule that no row rounds."""
        return replace(self, rounds=False)

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        passed = self.passed(frame)
        whole = np.floor(passed) if self.down else passed
        return pd.Series(on_grid(pd.Series(whole, index=frame.index), self.step))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`start` or `end` so that `of` is as it is; a part of the unit that was left over stays."""
        passed = self.passed(frame)
        more = frame[self.of].to_numpy(np.float64) - (np.floor(passed) if self.down else passed)
        more = more if name == self.end else -more
        times, in_seconds = frame[name], more * UNITS[self.unit]
        if self.unit not in (YEARS, NIGHTS):
            return shifted(times, in_seconds)
        shown = clocks.local(times, self.zone)
        to = periods.moved(shown, more, periods.YEAR) if self.unit == YEARS else shifted(shown, in_seconds)
        return pd.Series(clocks.instants(to, self.zone)).astype(times.dtype)

    def beyond(self, name: str, times: pd.Series[Any]) -> np.ndarray:
        """Which moved starts or ends (n,) lie outside those that were seen."""
        low, high = self.ends[0 if name == self.start else 1]
        return np.asarray((seconds(times) < low) | (seconds(times) > high))

    def passed(self, frame: pd.DataFrame) -> np.ndarray:
        """Units (n,) float64 between the two, NaN for gaps."""
        if self.unit in (YEARS, NIGHTS):
            start, end = (clocks.local(frame[name], self.zone) for name in (self.start, self.end))
            return _full_years(start, end) if self.unit == YEARS else np.asarray(_days(end) - _days(start))
        between = seconds(frame[self.end]) - seconds(frame[self.start])
        return np.asarray(between / UNITS[self.unit])


@dataclass(frozen=True)
class Calendar(Telling):
    """`of`, labels or numbers, is told by a part of the calendar (`PARTS`) that the times of `by` are in.

    pairs  (part, value) of every part that was seen, None for a gap
    ends   the least and the largest time that was seen, in seconds
    """

    by: str
    of: str
    part: str
    pairs: tuple[tuple[int, str | float | None], ...]
    ends: tuple[float, float]
    gives: tuple[str, ...]
    zone: str = ""

    def __post_init__(self) -> None:
        _check("part", self.part, PARTS)
        clocks.check(self.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.of

    def __str__(self) -> str:
        return f"{self.of} is told by the {self.part} of {self.by}"

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """The times moved by as few days, or hours, as that takes within those that were seen."""
        times = frame[name]
        unit, now = 3600.0 if self.part == "hour" else UNITS["days"], self.there(frame)
        by, open_ = np.zeros(len(times)), times.notna().to_numpy() & (now >= 0)
        for shift in sorted(range(-FARTHEST, FARTHEST + 1), key=abs):
            rows = np.flatnonzero(open_)
            if not len(rows):
                break
            to = shifted(times.iloc[rows], np.full(len(rows), shift * unit))
            seen = (seconds(to) >= self.ends[0]) & (seconds(to) <= self.ends[1])
            found = seen & (self._told(to) == now[rows])
            by[rows[found]] = shift * unit
            open_[rows[found]] = False
        return shifted(times, by)

    @property
    def labels(self) -> list[Any]:
        return list(dict.fromkeys(label for _, label in self.pairs))

    def wanted(self, frame: pd.DataFrame) -> np.ndarray:
        return self._told(frame[self.by])

    def _told(self, times: pd.Series[Any]) -> np.ndarray:
        """The place among the labels that each time wants, -1 for a gap and a part that was not seen."""
        place = {label: i for i, label in enumerate(self.labels)}
        known = {part: place[label] for part, label in self.pairs}
        found, unique = pd.factorize(part_of(clocks.local(times, self.zone), self.part))
        return np.array([*(known.get(part, -1) for part in unique), -1])[found]


@dataclass(frozen=True)
class Begins:
    """`of` is the first day, or the last, of the period of the calendar that the times `by` are in, or of one later.

    unit   the period, one of `periods.UNITS`; what times are beyond its begin stays where they move
    later  how many periods later, earlier where negative
    """

    by: str
    of: str
    unit: str
    gives: tuple[str, ...]
    zone: str = ""
    last: bool = False
    later: int = 0

    def __post_init__(self) -> None:
        _check("unit", self.unit, periods.UNITS)
        clocks.check(self.zone)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.of

    def __str__(self) -> str:
        if self.unit in (DAY, MONTH) and not self.last and not self.later:
            return f"{self.of} is the {self.unit} of {self.by}"
        after = {-1: " before that", 0: "", 1: " after that"}.get(
            self.later, f" {abs(self.later)} {'later' if self.later > 0 else 'earlier'} than that"
        )
        return (
            f"{self.of} is the {'last' if self.last else 'first'} day of the {self.unit}{after} of {self.by}"
        )

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        times, days = frame[self.by], frame[self.of]
        return np.asarray((self.made(frame) != days) & times.notna() & days.notna())

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        found = periods.number(clocks.local(frame[self.by], self.zone), self.unit) + self.later
        days = periods.begin(found + self.last, self.unit) - np.timedelta64(int(self.last), "D")
        return pd.Series(days.astype(frame[self.of].to_numpy().dtype), index=frame.index)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        times = clocks.local(frame[name], self.zone)
        by = periods.number(frame[self.of], self.unit) - self.later - periods.number(times, self.unit)
        to = periods.moved(times, by, self.unit)
        return pd.Series(clocks.instants(to, self.zone).astype(frame[name].dtype))


@dataclass(frozen=True)
class Bands(Telling):
    """Each value of `of`, a label or a number, stands for a range of the numbers or times of `by`, or for several.

    ranges  (value, least, most) of those seen in each, in rising order; of times in seconds
    step    of the grid of `by`: 10^-decimals, of times in seconds, 0 where it is continuous
    first   which gives way: the value, unless something else tells that already
    """

    by: str
    of: str
    ranges: tuple[tuple[str | float | None, float, float], ...]
    step: float
    first: Literal["of", "by"] = "of"

    def __post_init__(self) -> None:
        _check("first", self.first, ("of", "by"))

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.of, self.by) if self.first == "of" else (self.by, self.of)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.of

    def __str__(self) -> str:
        return f"{self.of} is a band of {self.by}"

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """The numbers at the place in the nearest wanted range that they have in their own."""
        x, low, high = counted(frame[name]), *np.array([ends for _, *ends in self.ranges]).T
        own, wanted = self.places(frame[name]), self.there(frame)
        away = np.maximum(low - x[:, None], x[:, None] - high)
        nearest = np.where(self._meant == wanted[:, None], away, np.inf).argmin(axis=1)
        share = np.clip((x - low[own]) / np.maximum(high - low, 1e-300)[own], 0, 1)
        into = share * (high - low)[nearest]
        into = np.round(into / self.step) * self.step if self.step else into
        to = np.where((own >= 0) & (wanted >= 0), low[nearest] + into, x)
        if frame[name].dtype.kind in "mM":
            return shifted(frame[name], to - x)
        return pd.Series(on_grid(pd.Series(to, index=frame.index), self.step))

    def places(self, numbers: pd.Series[Any]) -> np.ndarray:
        """The place among the ranges (n,) that each number is in, -1 for a gap."""
        x = counted(numbers)
        below = [most for *_, most in self.ranges[:-1]]
        ends = [roundest(most, least) for most, (_, least, _) in zip(below, self.ranges[1:], strict=True)]
        return np.where(np.isnan(x), -1, np.searchsorted(ends, x, side="right"))

    @property
    def labels(self) -> list[Any]:
        return list(dict.fromkeys(label for label, *_ in self.ranges))

    @property
    def _meant(self) -> np.ndarray:
        """The place among the labels of that of each range."""
        return np.array([self.labels.index(label) for label, *_ in self.ranges])

    def wanted(self, frame: pd.DataFrame) -> np.ndarray:
        place = self.places(frame[self.by])
        return np.where(place < 0, -1, self._meant[place])


Movable = (
    Elapsed
    | Calendar
    | Begins
    | Later
    | Bands
    | Scaled
    | Curved
    | Bent
    | Product
    | Powers
    | Priced
    | Rated
    | Tariff
    | Instalment
    | Growth
    | Surplus
    | Offset
    | Total
    | Mean
    | Weighted
    | Extreme
    | Shift
    | Apart
)
"""Rules of which any one column can follow the others."""

Derived = Movable | Compared | Foremost | Chosen


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f"a rule with {what} {name!r}, expected one of {', '.join(known)}")


def part_of(times: pd.Series[Any], part: str) -> np.ndarray:
    """The part of the calendar (n,) float64 that each time is in, NaN for gaps."""
    return np.asarray(PARTS[part](pd.DatetimeIndex(times)), dtype=np.float64)


def _full_years(start: pd.Series[Any], end: pd.Series[Any]) -> np.ndarray:
    """Birthdays (n,) float64 between two days of each row, NaN for gaps."""
    a, b = pd.DatetimeIndex(start), pd.DatetimeIndex(end)
    early = (b.month < a.month) | ((b.month == a.month) & (b.day < a.day))
    return np.asarray(b.year - a.year, dtype=np.float64) - early


def _days(times: pd.Series[Any]) -> np.ndarray:
    """Days since 1970 (n,) float64, NaN for gaps."""
    return np.floor(seconds(times) / UNITS["days"])
