"""Numbers that are lines of others by a label, see `data.tariff`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import slack
from tabstep.data.arithmetic_search import in_all, places
from tabstep.data.comparable import plain
from tabstep.data.counted import roundest
from tabstep.data.labelled import labelled
from tabstep.data.lines import bounds, on_lines, plainest, plainest_line, slopes, ways
from tabstep.data.tariff import Tariff

MANY = 10  # values of what is told, and pairs of numbers beyond those that say the lines
FEW = 4  # values of what tells it
MOST = 12  # columns of numbers among which pairs are looked at
FEWEST = 3  # values of a number with a label, of which two say its line
FIRST = 256  # rows that candidates are tried on before all are

Line = tuple[float, float]


@dataclass(frozen=True)
class Within:
    """The numbers x (m,) with one label, and the range, low (m,) to high (m,), of what lines of them are rounded from.

    slope  between which its lines rise
    foot   between which they begin at 0
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slope: Line
    foot: Line


def tariffs(
    frame: pd.DataFrame, numbers: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Tariff]:
    """Rules that hold in all rows of a frame in common units.

    numbers  columns of plain numbers
    few      columns of few values, which may say the line
    """
    distinct = {name: frame[name].nunique() for name in numbers}
    many = [name for name in numbers if distinct[name] >= FEW]
    many = sorted(many, key=lambda name: distinct[name] < MANY)[:MOST]
    every = frame[many].to_numpy(np.float64)
    grids = np.array([steps[name] for name in many])
    for on, marks, values in labelled(frame, few):
        y, codes = every[marks >= 0], marks[marks >= 0]
        if not 2 <= len(values) <= (len(codes) - max(MANY, 2 * len(values))) / 2:
            continue  # of each value two rows say its line
        shuffled = np.random.default_rng(0).permutation(codes)
        for i, by in enumerate(many):
            near = in_all(_near(y[:FIRST], i, grids, codes[:FIRST]), len(many))
            for k in np.flatnonzero(near):
                of = many[k]
                if on in (by, of) or i == k or distinct[of] < MANY:
                    continue
                if np.mean([near[k] for near in _near(y, i, grids, shuffled)]) > 0.5:
                    continue
                for down in ways(steps[of]):
                    lines = _lines(y[:, i], y[:, k], steps[of], codes, len(values), down=down)
                    if lines is None:
                        continue
                    told = tuple((plain(value), *each) for value, each in zip(values, lines, strict=True))
                    rule = Tariff(on, by, of, told, down, steps[of], steps[by])  # type: ignore[arg-type]
                    if not rule.breaks(frame).any():
                        yield rule
                        break


def _near(rows: np.ndarray, i: int, grids: np.ndarray, codes: np.ndarray) -> Iterator[np.ndarray]:
    """For each value of some codes (n,), which columns of rows (n, d) may be lines of column i."""
    for at in places(codes):
        yield on_lines(rows[at, i], rows[at], grids)


def _lines(
    x: np.ndarray, y: np.ndarray, step: float, codes: np.ndarray, labels: int, *, down: bool
) -> list[Line] | None:
    """A line for each label, of y (n,) on the grid `step` by x (n,); None for none, or where one would do for all.

    A foot or a slope that all may share is one, and what is written is the plainest that may be. Where none is shared a
    label needs two numbers, or there is no rule.
    """
    below, above = slack(y, step, down=down)
    there = ~np.isnan(x) & ~np.isnan(y)
    parts = [
        _within(x[at], (y - above)[at], (y + below)[at])
        for at in (there & (codes == c) for c in range(labels))
    ]
    spare = sum(max(0, len(np.unique(part.x)) - 2) for part in parts)
    if spare < max(MANY, 2 * labels) or any(part.slope[0] > part.slope[1] for part in parts):
        return None
    rising = [
        part for part in parts if part.slope[0] * part.slope[1] > 0 and len(np.unique(part.x)) >= FEWEST
    ]
    if len(rising) < 2:
        return None
    foot = _shared([part.foot for part in parts])
    slope = _shared([part.slope for part in parts])
    if foot is not None and slope is not None:
        return None
    found = [_line(part, foot, slope) for part in parts]
    lines = [each for each in found if each is not None]
    return lines if len(lines) == len(found) else None


def _within(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> Within:
    """What is known of the line through the numbers of one label."""
    if len(np.unique(x)) < 2:
        return Within(x, low, high, (-np.inf, np.inf), (-np.inf, np.inf))
    least, most = slopes(x, low, high)
    if least > most:
        return Within(x, low, high, (least, most), (least, most))
    away = x != 0
    feet = [(float(low[~away].max(initial=-np.inf)), float(high[~away].min(initial=np.inf)))]
    if len(np.unique(x[away])) > 1:
        # Over x, low <= f x + b <= high is a line in 1 / x with slope b.
        ends = low[away] / x[away], high[away] / x[away]
        feet.append(slopes(1 / x[away], np.minimum(*ends), np.maximum(*ends)))
    return Within(x, low, high, (least, most), (max(a for a, _ in feet), min(b for _, b in feet)))


def _shared(ranges: Sequence[Line]) -> float | None:
    """The plainest number within all ranges; None for none."""
    low, high = max(a for a, _ in ranges), min(b for _, b in ranges)
    if not low < high or not np.isfinite([low, high]).all():
        return None
    return 0.0 if low <= 0 <= high else roundest(low, high)


def _line(part: Within, foot: float | None, slope: float | None) -> Line | None:
    """The plainest line through the numbers of one label."""
    if not len(part.x):
        return 0.0, 0.0
    if foot is not None:
        return _through(part, foot)
    if slope is not None:
        return plainest_line(part.x, part.low, part.high, slope)
    if not np.isfinite(part.slope).all():
        return None
    flat = part.slope[0] <= 0 <= part.slope[1]
    return plainest_line(part.x, part.low, part.high, 0.0 if flat else plainest(*part.slope))


def _through(part: Within, foot: float) -> Line | None:
    """The plainest line that begins at a foot."""
    low, high = (
        float(end[0])
        for end in bounds(part.x[:, None], (part.low - foot)[:, None], (part.high - foot)[:, None])
    )
    if not low < high:
        return None
    return (0.0 if low <= 0 <= high else plainest(low, high)), foot
