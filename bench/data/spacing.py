"""Distances that are kept all at once: columns that rules tie are a simple temporal network (Dechter et al. 1991).

Each rule says at most how far a column is above another: `high - low <= most`, `low - high <= -least`; the values that
were seen of a column say the same beside an origin. The shortest paths between all of them are the tightest such
bounds, and with these one column after the other takes a value that those before it allow: there always is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.counted import counted, on_grid, shifted
from tabstep.data.spaced import ROUNDED, Spaced


def groups(rules: Iterable[object]) -> list[list[Spaced]]:
    """Distances that share columns: what is kept together."""
    found: list[list[Spaced]] = []
    for rule in (rule for rule in rules if isinstance(rule, Spaced)):
        tied = [
            group for group in found if {*rule.columns} & {name for each in group for name in each.columns}
        ]
        found = [group for group in found if group not in tied]
        found.append([*(each for group in tied for each in group), rule])
    return found


def kept(rules: Sequence[Spaced], frame: pd.DataFrame, fixed: Collection[str] = ()) -> pd.DataFrame:
    """The frame with the distances of a group, in rows that break one.

    A value that is beyond what those before it allow is turned at that end, on its own grid. What is fixed
    comes first, then coarse columns before fine ones, and of these what is below before what is above.
    """
    wrong = np.any([rule.breaks(frame) for rule in rules], axis=0)
    if not wrong.any():
        return frame
    steps = {name: step for rule in rules for name, step in zip(rule.columns, rule.steps, strict=True)}
    depths = _depths(rules)
    names = sorted(depths, key=lambda name: (name not in fixed, -steps[name], depths[name]))
    rows = np.flatnonzero(wrong)
    x = np.column_stack([counted(frame[name])[rows] for name in names])
    new = x.copy()
    for there, those in _alike(~np.isnan(x)):
        known = [name for name, is_there in zip(names, there, strict=True) if is_there]
        place = np.ix_(those, there)
        count = sum(name in fixed for name in known)
        slack = 0.49 * min(steps.values()) or ROUNDED * float(np.abs(x[place]).max())
        grids = [steps[name] for name in known]
        new[place] = _placed(x[place], _bounds(known, rules), grids, count, slack)
    for i, name in enumerate(names):
        by = np.zeros(len(frame))
        by[rows] = np.nan_to_num(new[:, i] - x[:, i])
        if by.any():
            frame = instead.put(frame, name, _moved(frame[name], by, steps[name]), by != 0)
    return frame


def _placed(
    x: np.ndarray, bounds: np.ndarray, steps: Sequence[float], fixed: int, slack: float
) -> np.ndarray:
    """Values (n, k) that bounds (k + 1, k + 1) allow, the first `fixed` as they are; where there is none, as it was."""
    placed = np.column_stack([x, np.zeros(len(x))])  # beside the origin, the last
    before = [x.shape[1]]
    for i in range(x.shape[1]):
        if i >= fixed:
            least = np.max([placed[:, k] - bounds[i, k] for k in before], axis=0)
            most = np.min([placed[:, k] + bounds[k, i] for k in before], axis=0)
            placed[:, i] = _folded(x[:, i], least, most, steps[i], slack)
        before.append(i)
    return placed[:, :-1]


def _folded(x: np.ndarray, least: np.ndarray, most: np.ndarray, step: float, slack: float) -> np.ndarray:
    """Values (n,) turned at the end that they are beyond, and at the other one, until they are between; on their grid.

    So few of them are at an end, however far they were beyond.
    """

    def is_right(to: np.ndarray) -> np.ndarray:
        return np.asarray((to >= least - slack) & (to <= most + slack))

    width = np.maximum(most - least, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):  # of no end, and of two that are one
        away = np.where(x < least, least - x, x - most)
        away = np.where(np.isfinite(width), width - np.abs(np.mod(away, 2 * width) - width), away)
        away = np.where(width > 0, away, 0.0)
    to = np.where(x < least - slack, least + away, np.where(x > most + slack, most - away, x))
    if step:
        by = np.round((to - x) / step)
        by += np.where(x + by * step < least - slack, 1, 0) - np.where(x + by * step > most + slack, 1, 0)
        to = x + by * step
    return np.where(is_right(to), to, x)


def _bounds(names: Sequence[str], rules: Sequence[Spaced]) -> np.ndarray:
    """How far each column is at most above each other, and the origin, (k + 1, k + 1): by Floyd and Warshall."""
    place = {name: i for i, name in enumerate(names)}
    found = np.where(np.eye(len(names) + 1, dtype=bool), 0.0, np.inf)

    def says(a: int, b: int, most: float) -> None:
        found[a, b] = min(found[a, b], most)

    for rule in rules:
        for name, (first, last) in zip(rule.columns, rule.ends, strict=True):
            if name in place:
                says(-1, place[name], last)
                says(place[name], -1, -first)
        if {*rule.columns} <= {*names}:
            (low, high), (least, most) = (place[name] for name in rule.columns), rule.limits
            says(low, high, most)
            says(high, low, -least)
    for k in range(len(found)):
        found = np.minimum(found, found[:, [k]] + found[[k], :])
    return found


def _depths(rules: Sequence[Spaced]) -> dict[str, int]:
    """How many columns are below each, one below the other."""
    found = dict.fromkeys((name for rule in rules for name in rule.columns), 0)
    for _ in found:
        for rule in rules:
            found[rule.high] = max(found[rule.high], found[rule.low] + 1)
    return found


def _alike(there: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Which columns rows have (k,), with the places of the rows that have just these."""
    kinds, which = np.unique(there, axis=0, return_inverse=True)
    for i, kind in enumerate(kinds):
        if kind.any():
            yield kind, np.flatnonzero(which.ravel() == i)


def _moved(values: pd.Series[Any], by: np.ndarray, step: float) -> Any:
    return shifted(values, by) if values.dtype.kind in "mM" else on_grid(values + by, step)
