"""Numbers that are the time from one clock to another past midnight, or without a pause, see `data.shift`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tabstep.data.counted import LENGTHS, RELATIVE, counted, extent, seconds
from tabstep.data.lines import NEAR, ways
from tabstep.data.periods import A_DAY
from tabstep.data.shift import Shift

FIRST = 256  # rows that candidates are tried on before all are
FEWEST = 3  # values of a pause, or of what is without it


def shifts(
    frame: pd.DataFrame, pairs: Sequence[tuple[str, str]], numbers: Sequence[str], steps: Mapping[str, float]
) -> list[Shift]:
    """Rules that hold in all rows of a frame in common units; none of time between two alone, see `derived.Elapsed`.

    Those without a pause come first, and then those of what is longer: what is worked, and not the pause.

    pairs    of times of one offset
    numbers  and lengths of time, which count seconds
    """
    names = [name for name in numbers if frame[name].nunique() >= FEWEST]
    if not names:
        return []
    lengths = {name for name in names if frame[name].dtype.kind == "m"}
    head = np.column_stack([counted(frame[name].iloc[:FIRST]) for name in names])
    room = np.array([NEAR * steps[name] for name in names])
    room = room + RELATIVE * np.nanmax(np.abs(head), axis=0, initial=1)
    rules = (
        _rule(frame, *pair, pause, of, wraps, unit, each, steps)
        for pair in pairs
        for wraps, passed in _passed(frame, *pair)
        for unit in LENGTHS.values()
        for of, pause, each in _lacking(passed / unit, head, names, room, unit, wraps)
        if (of not in lengths or unit == 1) and (pause not in lengths or each == 1)
    )
    found = [rule for rule in rules if rule is not None]
    return sorted(
        found, key=lambda rule: (rule.pause != "", -rule.unit * float(np.nanmean(counted(frame[rule.of]))))
    )


def _passed(frame: pd.DataFrame, start: str, end: str) -> Iterator[tuple[bool, np.ndarray]]:
    """Whether time passes midnight, and the seconds (m,) from one to the other in the first rows: as it is where none
    is below 0, and of clocks without dates also into the next day."""
    passed = (seconds(frame[end]) - seconds(frame[start]))[:FIRST]
    if not (passed < 0).any():
        yield False, passed
    if _is_clock(frame[start]) and _is_clock(frame[end]):
        yield True, passed % A_DAY


def _is_clock(times: pd.Series[pd.Timestamp]) -> bool:
    """Whether all times are of one day: those of a clock alone."""
    low, high = extent(times)
    return low // A_DAY == high // A_DAY and low < high


def _lacking(
    passed: np.ndarray, head: np.ndarray, names: Sequence[str], room: np.ndarray, unit: float, wraps: bool
) -> Iterator[tuple[str, str, float]]:
    """The columns that may be some time (m,), but for a pause, with its name and the seconds that one of it has.

    Without one it has the name "", and counts only where time passes midnight.
    """
    left = passed[:, None] - head
    for k in map(int, np.flatnonzero(_all(left > -room, left))):
        if wraps and _all(left[:, k] < room[k], left[:, k]):
            yield names[k], "", unit
        for each in LENGTHS.values():
            off = np.abs(head * (each / unit) - left[:, [k]])
            for j in map(int, np.flatnonzero(_all(off <= room[k], off))):
                if j != k:
                    yield names[k], names[j], each


def _all(said: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Whether something is so in all rows of some numbers (m, ..) that have one, of which there are some."""
    there = ~np.isnan(of)
    return np.asarray((said | ~there).all(axis=0) & there.any(axis=0))


def _rule(
    frame: pd.DataFrame,
    start: str,
    end: str,
    pause: str,
    of: str,
    wraps: bool,
    unit: float,
    each: float,
    steps: Mapping[str, float],
) -> Shift | None:
    """The rule that all rows keep, to the nearest or down, if one does."""
    gives = (end, of, start) if wraps else (of, end, start)
    for down in ways(steps[of]):
        rule = Shift(
            start,
            end,
            pause,
            of,
            wraps,
            unit,
            each,
            down,
            steps[of],
            (steps[start], steps[end], steps[pause] if pause else 0.0),
            (extent(frame[start]), extent(frame[end])),
            (*gives, pause) if pause else gives,
            lasts=frame[of].dtype.kind == "m",
        )
        if rule.breaks(frame).any():
            continue
        exactly = replace(rule, rounds=False, gives=(end, of, start, *rule.gives[3:]))
        coarse = steps[of] * unit > max(steps[start], steps[end])  # what is made of times would be rounded
        if coarse and not exactly.breaks(frame).any():
            return exactly
        return rule
    return None
