"""The columns of a table that others make, see `data.derived`.

As of other rules (`data.constraint_search`), one counts only if shuffled columns would break it in enough rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain
from tabstep.data.derived import (
    PARTS,
    RELATIVE,
    UNITS,
    YEARS,
    Bands,
    Calendar,
    Day,
    Derived,
    Elapsed,
    counted,
    part_of,
    seconds,
)

FIRST = 256  # rows that candidates are tried on before all are
MOST_TIMES = 12  # columns of times among which pairs are looked at
HOUR = "hour"
SHORT = ("day", "weekday", HOUR)  # parts that a small error of a time changes
BESIDE = 6  # values on either side of the end of a band that are looked at
FAR = 10  # times the gaps between them
MOST_BANDS = 30  # values of a column that is the band of another
WAYS = (*((YEARS, True),), *((unit, down) for unit in UNITS if unit != YEARS for down in (False, True)))


def derived(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    labels: Sequence[str],
    steps: Mapping[str, float],
    counts: Callable[[Derived], bool],
) -> Iterator[Derived]:
    """The rules of a frame in common units, at most one for each column that is made.

    numbers  columns of numbers or times that are no copies of others
    steps    of their grids
    counts   whether a rule is no discovery but chance
    """
    kinds = {name: frame[name].dtype.kind for name in numbers}
    times = [name for name in numbers if kinds[name] == "M"][:MOST_TIMES]
    plain_numbers = [name for name in numbers if kinds[name] in "iuf"]
    few = [name for name in (*labels, *plain_numbers) if frame[name].nunique(dropna=False) <= MOST_BANDS + 1]
    made: set[str] = set()
    moving = Moving(frame, set(), set())
    for found in (
        _elapsed(frame, times, plain_numbers, steps),
        _calendar(frame, times, few),
        _days(frame, times, steps),
        _bands(frame, numbers, few, steps),
    ):
        for rule in found:
            if rule.of not in made and counts(rule):
                made.add(rule.of)
                yield moving.settled(rule)


@dataclass
class Moving:
    """Which column gives way in each rule, so that no time is moved by two of them.

    used   times of spans that were settled
    moved  columns that give way
    """

    frame: pd.DataFrame
    used: set[str]
    moved: set[str]

    def settled(self, rule: Derived) -> Derived:
        """A rule whose columns give way in a certain order."""
        if isinstance(rule, Elapsed):
            rule = replace(rule, gives=self._of_span(rule))
            self.used.update((rule.start, rule.end))
            self.moved.add(rule.gives[0])
        elif isinstance(rule, Calendar | Day):
            moves = (isinstance(rule, Day) or rule.part in SHORT) and rule.by not in self.moved
            rule = replace(rule, gives=(rule.by, rule.of) if moves else (rule.of, rule.by))
            if (
                moves and isinstance(rule, Calendar) and rule.part != HOUR
            ):  # an hour and a day move one time together
                self.moved.add(rule.by)
        return rule

    def _of_span(self, rule: Elapsed) -> tuple[str, ...]:
        """Of a count that varies far less than its times one of these, of others the count."""
        start, end = (float(np.nanstd(counted(self.frame[name]))) for name in (rule.start, rule.end))
        count = float(np.nanstd(counted(self.frame[rule.of]))) * UNITS[rule.unit]
        if count < 0.5 * max(start, end):
            if rule.end not in self.used:
                return rule.end, rule.start, rule.of
            if rule.start not in self.used:
                return rule.start, rule.end, rule.of
        return (rule.of, rule.end, rule.start) if end >= start else (rule.of, rule.start, rule.end)


def _elapsed(
    frame: pd.DataFrame, times: Sequence[str], numbers: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Elapsed]:
    head = frame.iloc[:FIRST]
    shown = head[list(numbers)].to_numpy(np.float64)
    grid = np.array([steps[of] for of in numbers])
    for start, end in permutations(times, 2):
        left = list(range(len(numbers)))
        for unit, down in WAYS:
            passed = Elapsed(start, end, "", unit, down, 0.0, ()).passed(head)[:, None]
            off = np.abs(np.floor(passed) - shown) if down else np.abs(passed - shown) - 0.51 * grid
            near = ~(off > (0 if down else 2 * RELATIVE * np.maximum(1, np.abs(passed)))).any(axis=0)
            for k in [k for k in left if near[k] and (not down or grid[k] == 1)]:
                rule = Elapsed(start, end, numbers[k], unit, down, steps[numbers[k]], ())
                if not rule.breaks(frame).any():
                    left.remove(k)
                    yield rule


def _calendar(frame: pd.DataFrame, times: Sequence[str], few: Sequence[str]) -> Iterator[Calendar]:
    coded = {name: pd.factorize(frame[name], use_na_sentinel=False) for name in few}
    for by in times:
        x = seconds(frame[by])
        ends = float(np.nanmin(x)), float(np.nanmax(x))
        for part in PARTS:
            parts = part_of(frame[by], part)
            there = np.flatnonzero(~np.isnan(parts))
            seen, first, places = np.unique(parts[there], return_index=True, return_inverse=True)
            for of, (codes, values) in coded.items() if len(seen) > 1 else ():
                told = codes[there][first]
                if len(set(told)) > 1 and (told[places] == codes[there]).all():
                    pairs = tuple((int(p), plain(values[code])) for p, code in zip(seen, told, strict=True))
                    yield Calendar(by, of, part, pairs, ends, ())  # type: ignore[arg-type]


def _days(frame: pd.DataFrame, times: Sequence[str], steps: Mapping[str, float]) -> Iterator[Day]:
    for by, of in permutations(times, 2):
        if steps[by] < UNITS["days"] == steps[of]:
            rule = Day(by, of, ())
            if not rule.breaks(frame).any():
                yield rule


def _bands(
    frame: pd.DataFrame, numbers: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Bands]:
    coded = {name: pd.factorize(frame[name], use_na_sentinel=False)[0] for name in few}
    distinct = {name: frame[name].nunique() for name in {*numbers, *few}}
    for by in numbers:
        x = counted(frame[by])
        there = np.flatnonzero(~np.isnan(x))
        order = there[np.argsort(x[there], kind="stable")]
        rising = x[order]
        for of, codes in coded.items():
            if of == by or distinct[of] >= distinct[by] or not _is_banded(x[:FIRST], codes[:FIRST]):
                continue
            at = np.flatnonzero(np.diff(codes[order])) + 1  # where a band begins
            if not 1 <= len(at) == len(np.unique(codes[order])) - 1 or not _are_edges(rising, at):
                continue
            ends = zip((0, *at), (*at, len(order)), strict=True)
            ranges = tuple(
                (plain(frame[of].iloc[order[a]]), rising[a].item(), rising[b - 1].item()) for a, b in ends
            )
            yield Bands(by, of, ranges, steps[by])  # type: ignore[arg-type]


def _are_edges(rising: np.ndarray, at: np.ndarray) -> bool:
    """Whether sorted numbers are as close across the places `at` as beside them: labels of clusters are no bands."""
    values = np.unique(rising)
    for place in np.searchsorted(values, rising[at]):
        gaps = np.diff(values[max(0, place - BESIDE) : place + BESIDE])
        across = values[place] - values[place - 1]
        if across > FAR * (gaps.sum() - across) / max(1, len(gaps) - 1):
            return False
    return not (rising[at] == rising[at - 1]).any()


def _is_banded(x: np.ndarray, codes: np.ndarray) -> bool:
    """Whether some rows (n,) do not rule out that every code is a range of numbers."""
    order = np.argsort(x, kind="stable")[: np.count_nonzero(~np.isnan(x))]
    return bool(np.count_nonzero(np.diff(codes[order])) < max(1, len(np.unique(codes[order]))))
