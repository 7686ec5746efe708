"""The columns of a table that others make, see `data.derived`.

As of other rules (`data.constraint_search`), one counts only if shuffled columns would break it in enough rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, permutations
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import arithmetic_search, calendar_search, chosen_search, clocks
from tabstep.data.arithmetic import Made, Total
from tabstep.data.bent import Bent
from tabstep.data.comparable import plain
from tabstep.data.compared_search import compared
from tabstep.data.counted import RELATIVE, counted, extent
from tabstep.data.curved_search import curved
from tabstep.data.derived import (
    NIGHTS,
    PARTS,
    UNITS,
    YEARS,
    Bands,
    Begins,
    Calendar,
    Derived,
    Elapsed,
    part_of,
)
from tabstep.data.determined import FIRST, determined
from tabstep.data.extreme_search import extremes
from tabstep.data.foremost_search import foremost
from tabstep.data.growth_search import growths
from tabstep.data.instalment_search import instalments
from tabstep.data.labelled import labelled
from tabstep.data.later import Later
from tabstep.data.mean_search import means
from tabstep.data.offset_search import offsets
from tabstep.data.periods import DAY, MONTH
from tabstep.data.powers_search import powers
from tabstep.data.priced_search import priced
from tabstep.data.shift_search import shifts
from tabstep.data.surplus import Surplus
from tabstep.data.surplus_search import surpluses
from tabstep.data.tariff_search import tariffs
from tabstep.data.weighted_search import weighted

MOST_TIMES = 12  # columns of times among which pairs are looked at
HOUR = "hour"
SHORT = ("day", "weekday", HOUR)  # parts that a small error of a time changes
BESIDE = 6  # values on either side of the end of a band that are looked at
FAR = 10  # times the gaps between them
MOST_BANDS = 30  # values of a column that is the band of another
MOST_TOLD = 1000  # values of a column that a date tells
SPIKE = 0.01  # share of one value from which a column is left where it is
WAYS = (
    (YEARS, True),
    *((unit, down) for unit in UNITS if unit not in (YEARS, NIGHTS) for down in (False, True)),
    (NIGHTS, True),
)


def derived(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    labels: Sequence[str],
    steps: Mapping[str, float],
    units: Mapping[str, str],
    zones: Mapping[str, str],
    given: Mapping[str, tuple[str, ...]],
    bends: Sequence[Bent],
    wholes: Sequence[Total],
    sums: Sequence[Total],
    counts: Callable[[Derived], bool],
) -> Iterator[Derived]:
    """The rules of a frame in common units, at most one for each column that is made.

    Of a sum whose total, or a part of it by the total, another rule makes, what is left of the parts follows: a fee by
    the amount, and the payout as what it leaves. Such a sum is among the rules, turned round.

    numbers  columns of numbers or times that are no copies of others
    steps    of their grids
    units    that columns write: times of several offsets are held against none of another
    zones    on whose clocks instants are shown
    given    columns that other rules make, with those that make them
    bends    rules of numbers that are lines of others, the plainest first
    wholes   sums that such numbers are in
    sums     the others of plain numbers, whose totals are `given`
    counts   whether a rule is a discovery, and no chance
    """
    kinds = {name: frame[name].dtype.kind for name in numbers}
    times = [name for name in numbers if kinds[name] == "M"][:MOST_TIMES]
    plain_numbers = [name for name in numbers if kinds[name] in "iuf"]
    lengths = [name for name in numbers if kinds[name] == "m"]
    pairs = [(a, b) for a, b in permutations(times, 2) if units.get(a) == units.get(b)]
    days = [(a, b) for a, b in permutations(times, 2) if (a, b) in pairs or b not in units]
    told = [name for name in (*labels, *plain_numbers) if frame[name].nunique(dropna=False) <= MOST_TOLD]
    few = [name for name in told if frame[name].nunique(dropna=False) <= MOST_BANDS + 1]
    made, straight = dict(given), list(sums)
    moving = Moving(frame, set(), set())

    def is_made(name: str) -> bool:
        return name in made and all(name != rule.of for rule in straight)

    multiples = arithmetic_search.products(frame, numbers, steps)
    choices = chosen_search.chosen(frame, [*labels, *numbers], few, steps)
    for found in (
        calendar_search.later(frame, pairs, days, steps, zones),
        _elapsed(frame, pairs, plain_numbers, steps, zones),
        shifts(frame, pairs, [*plain_numbers, *lengths], steps),
        _calendar(frame, times, told, zones),
        calendar_search.begins(frame, days, steps, zones),
        arithmetic_search.scaled(frame, numbers, steps),
        curved(frame, plain_numbers, steps),
        _bent_and_whole(bends, chain(wholes, arithmetic_search.totals(frame, numbers, steps, made)), made),
        surpluses(frame, plain_numbers, steps, units),
        means(frame, plain_numbers, steps, made),
        weighted(frame, plain_numbers, steps, made),
        extremes(frame, numbers, steps, units),
        [rule for rule in choices if chosen_search.whole(rule, frame)],
        [rule for rule in multiples if not rule.offset],
        powers(frame, plain_numbers, steps, is_made, made.__contains__),
        priced(frame, plain_numbers, steps, is_made),
        instalments(frame, plain_numbers, few, steps),
        growths(frame, plain_numbers, steps),
        arithmetic_search.rated(frame, numbers, few, steps),
        # After rates: these are rounded, and what is charged by them tells them.
        [rule for rule in multiples if rule.offset],
        offsets(frame, pairs, plain_numbers, few, steps),
        tariffs(frame, plain_numbers, few, steps),
        # After rates: which of two taxes is more says the rate, too, and so does whether there is one.
        _bands(frame, numbers, few, steps),
        compared(frame, numbers, few, steps, units),
        foremost(frame, numbers, few, steps, units),
        choices,
    ):
        for rule in found:
            if isinstance(rule, Bands) and rule.of in given and _can_follow(rule, made) and counts(rule):
                made[rule.by] = (rule.of,)  # a label tells the value, and that the band
                yield replace(rule, first="by")
                continue
            # Of a total some parts may be made of it by other rules already: then it makes another one.
            turned = rule.turned() if isinstance(rule, Total | Surplus) else ()
            ways: tuple[Derived, ...] = (rule, *turned)
            own = next((each for each in ways if _is_open(each, made)), None)
            if own is None and (around := _around(rule, straight, made)) and counts(rule):
                whole, left = around
                straight.remove(whole)
                del made[whole.of]
                for each in (rule, left):
                    made[each.of] = tuple(name for name in each.columns if name != each.of)
                    yield moving.settled(each)
            elif own is not None and counts(own):
                last = _last(own)
                made[last] = tuple(name for name in own.columns if name != last)
                yield moving.settled(own)


def _bent_and_whole(
    bends: Iterable[Bent], wholes: Iterable[Total], made: Mapping[str, tuple[str, ...]]
) -> Iterator[Bent | Total]:
    """Lines of numbers, but of those that come to a total the least plain: it is what the others leave.

    What is overtime and what is not are both told by the hours, and come to them; two roundings would not.
    """
    told, own = [], dict(made)
    for rule in bends:
        if _is_open(rule, own):
            own[rule.of] = (rule.by,)
            told.append(rule)
    left = []
    for whole in wholes:
        among = {rule.of: rule for rule in told if {*rule.columns} <= {*whole.columns}}
        ways = {each.of: each for each in (*whole.turned(), whole)}
        last = next((of for of in reversed(among) if of in ways), None)
        if last is not None:
            told.remove(among[last])
        left.append(whole if last is None else ways[last])
    yield from told
    yield from left


def _is_open(rule: Derived, made: Mapping[str, tuple[str, ...]]) -> bool:
    last = _last(rule)
    return last not in made and not _makes(last, rule.columns, made)


def _around(
    rule: Derived, sums: Iterable[Total], made: Mapping[str, tuple[str, ...]]
) -> tuple[Total, Total] | None:
    """A sum that leaves no room for arithmetic, and the same turned round, so that it does; None for none."""
    for whole in sums if isinstance(rule, Made) else ():
        others = {*rule.columns} - {rule.of}
        if rule.of not in whole.columns or (whole.of not in others and {*whole.columns} & others):
            continue
        free = {name: of for name, of in made.items() if name != whole.of}
        if not _is_open(rule, free):
            continue
        free[rule.of] = tuple(others)
        left = next((each for each in whole.turned() if _is_open(each, free)), None)
        if left is not None:
            return whole, left
    return None


def _last(rule: Derived) -> str:
    """The column that follows the others of a rule."""
    return rule.gives[0] if isinstance(rule, Surplus) else rule.of


def _can_follow(rule: Bands, made: Mapping[str, tuple[str, ...]]) -> bool:
    return rule.by not in made and not _makes(rule.by, (rule.by, rule.of), made)


def _makes(name: str, columns: Iterable[str], made: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether some other columns are made of one, at whatever remove."""
    seen, open_ = set(), [other for other in columns if other != name]
    while open_:
        other = open_.pop()
        if other == name:
            return True
        if other not in seen:
            seen.add(other)
            open_ += made.get(other, ())
    return False


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
            # A count that is made is rounded, whatever passed.
            if rule.gives[0] != rule.of and not rule.exactly.breaks(self.frame).any():
                rule = rule.exactly
            self.used.update((rule.start, rule.end))
            self.moved.add(rule.gives[0])
        elif isinstance(rule, Calendar | Begins):
            near = rule.unit in (DAY, MONTH) if isinstance(rule, Begins) else rule.part in SHORT
            moves = near and rule.by not in self.moved
            rule = replace(rule, gives=(rule.by, rule.of) if moves else (rule.of, rule.by))
            # An hour and a day move one time together.
            if moves and isinstance(rule, Calendar) and rule.part != HOUR:
                self.moved.add(rule.by)
        elif isinstance(rule, Later):
            self.used.add(rule.of)
            self.moved.add(rule.of)
        return rule

    def _of_span(self, rule: Elapsed) -> tuple[str, ...]:
        """Of a count that varies far less than its times one of these, unless it has a spike; of others the count."""
        start, end = (float(np.nanstd(counted(self.frame[name]))) for name in (rule.start, rule.end))
        count = float(np.nanstd(counted(self.frame[rule.of]))) * UNITS[rule.unit]
        if count < 0.5 * max(start, end):
            if rule.end not in self.used and not is_spiked(self.frame[rule.end]):
                return rule.end, rule.start, rule.of
            if rule.start not in self.used and not is_spiked(self.frame[rule.start]):
                return rule.start, rule.end, rule.of
        return (rule.of, rule.end, rule.start) if end >= start else (rule.of, rule.start, rule.end)


def is_spiked(column: pd.Series[Any]) -> bool:
    """Whether one value comes far more often than others."""
    shares = column.value_counts(normalize=True)
    return bool(shares.iloc[0] > max(SPIKE, 10 / len(shares)))


def _elapsed(
    frame: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    numbers: Sequence[str],
    steps: Mapping[str, float],
    zones: Mapping[str, str],
) -> Iterator[Elapsed]:
    head = frame.iloc[:FIRST]
    shown = head[list(numbers)].to_numpy(np.float64)
    grid = np.array([steps[of] for of in numbers])
    spans = {name: extent(frame[name]) for pair in pairs for name in pair}
    for start, end in pairs:
        ends = spans[start], spans[end]
        left = list(range(len(numbers)))
        zone = zones.get(start, "") if zones.get(start) == zones.get(end) else ""
        for unit, down in WAYS:
            passed = Elapsed(start, end, "", unit, down, 0.0, ends, (), zone).passed(head)[:, None]
            off = np.abs(np.floor(passed) - shown) if down else np.abs(passed - shown) - 0.51 * grid
            near = ~(off > (0 if down else 2 * RELATIVE * np.maximum(1, np.abs(passed)))).any(axis=0)
            for k in [k for k in left if near[k] and (not down or grid[k] == 1)]:
                rule = Elapsed(start, end, numbers[k], unit, down, steps[numbers[k]], ends, (), zone)
                if not rule.breaks(frame).any():
                    left.remove(k)
                    yield rule


def _calendar(
    frame: pd.DataFrame, times: Sequence[str], told: Sequence[str], zones: Mapping[str, str]
) -> list[Calendar]:
    """What parts of times tell, first what is the number of the part itself."""
    found = list(_told_by(frame, times, told, zones))
    return sorted(found, key=lambda rule: not _is_number(rule))


def _is_number(rule: Calendar) -> bool:
    """Whether what is told is the number of the part itself, or one that is always so much larger."""
    away = {None if isinstance(value, str) or value is None else value - part for part, value in rule.pairs}
    return len(away) == 1 and None not in away and abs(min(away)) <= 1  # type: ignore[arg-type, type-var]


def _told_by(
    frame: pd.DataFrame, times: Sequence[str], names: Sequence[str], zones: Mapping[str, str]
) -> Iterator[Calendar]:
    coded = {name: pd.factorize(frame[name])[0] for name in names}
    for by in times:
        ends, zone = extent(frame[by]), zones.get(by, "")
        shown = clocks.local(frame[by], zone)
        for part in PARTS:
            parts = part_of(shown, part)
            there = np.flatnonzero(~np.isnan(parts))
            seen, places = np.unique(parts[there], return_inverse=True)
            for of, codes in coded.items() if len(seen) > 1 else ():
                says = determined(places, codes[there])
                if says is None:
                    continue
                rows = there[says.rows]
                told = [
                    (int(parts[i]), plain(frame[of].iloc[i])) for i in rows if codes[i] >= 0 or not says.gaps
                ]
                if len({value for _, value in told}) > 1:
                    yield _whole(Calendar(by, of, part, tuple(sorted(told)), ends, (), zone))  # type: ignore[arg-type]


def _whole(rule: Calendar) -> Calendar:
    """The rule with the parts between those that were seen, where what is told is the number of the part."""
    if not _is_number(rule):
        return rule
    parts = [part for part, _ in rule.pairs]
    away = rule.pairs[0][1] - parts[0]  # type: ignore[operator]
    return replace(rule, pairs=tuple((p, float(p + away)) for p in range(min(parts), max(parts) + 1)))


def _bands(
    frame: pd.DataFrame, numbers: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Bands]:
    coded = [(of, marks) for of, marks, _ in labelled(frame, few)]
    distinct = {name: frame[name].nunique() for name in {*numbers, *few}}
    for by in numbers:
        x = counted(frame[by])
        there = np.flatnonzero(~np.isnan(x))
        every = there[np.argsort(x[there], kind="stable")]
        for of, codes in coded:
            if of == by or 3 * distinct[of] > distinct[by] or not _is_banded(x[:FIRST], codes[:FIRST]):
                continue
            order = every[codes[every] >= 0]
            rising = x[order]
            at = np.flatnonzero(np.diff(codes[order])) + 1  # where a band begins
            if not 1 <= len(at) <= _most_ends(codes[order]) or not _are_edges(rising, at):
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
    """Whether some rows (n,) do not rule out that every code is a range of numbers, -1 for those that say nothing."""
    order = np.argsort(x, kind="stable")[: np.count_nonzero(~np.isnan(x))]
    order = order[codes[order] >= 0]
    return bool(np.count_nonzero(np.diff(codes[order])) <= _most_ends(codes[order]))


def _most_ends(codes: np.ndarray) -> int:
    """Of bands, one of each label; of two labels one may be on both sides of the other, as hours of little traffic."""
    kinds = len(np.unique(codes))
    return 2 if kinds == 2 else kinds - 1
