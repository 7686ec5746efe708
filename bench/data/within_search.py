"""Ends of a number by what another column has, where they are edges and no thin tails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.barred_search import MOST_COLUMNS
from tabstep.data.classes import Class, classes, coded
from tabstep.data.constraints import Codes, Constraint, made
from tabstep.data.counted import counted, roundest
from tabstep.data.determined import LEAST
from tabstep.data.edges import NEAREST, Rounding, edge, is_edge
from tabstep.data.within import DAY, Within


def within(
    frame: pd.DataFrame, names: Sequence[str], steps: Mapping[str, float], rules: Sequence[Constraint]
) -> Iterator[Within]:
    """Rules of a frame in common units, for each column with classes and each of numbers or times.

    names  columns that are looked at; `steps` those of numbers and times, with the steps of their grids
    rules  what is known of them: columns that one of these holds together are left out, and so is what others make,
           whose ends follow from theirs
    """
    others = made(rules)
    names = [name for name in names if name not in others]
    held = [set(rule.columns) for rule in rules]
    told = {rule.of: rule.on for rule in rules if isinstance(rule, Codes)}
    every = {name: classes(frame[name]) for name in names}
    kinds = {name: of for name, of in every.items() if len(of) > 1}
    codes = {name: coded(frame[name], kinds[name]) for name in [*kinds][:MOST_COLUMNS]}
    for of in [name for name in names if name in steps][:MOST_COLUMNS]:
        x = counted(frame[of])
        order = np.argsort(x, kind="stable")[: int((~np.isnan(x)).sum())]
        x = x[order]
        if not len(x) or x[0] == x[-1]:
            continue
        for on, mine in codes.items():
            if on == of or any({on, of} <= columns for columns in held) or told.get(of) == told.get(on, on):
                continue
            grid = steps[of], _earlier(steps[of]) if frame[of].dtype.kind == "M" else roundest
            low = _edges(x, mine[order], len(kinds[on]), *grid)
            high = -_edges(-x[::-1], mine[order][::-1], len(kinds[on]), *grid)
            if np.isfinite(low).any() or np.isfinite(high).any():
                ranges = _ranges(kinds[on], mine, low, high, x)
                yield Within(on, of, ranges, (float(x[0]), float(x[-1])), steps[of], frame[of].dtype.kind)


def _earlier(step: float) -> Rounding:
    """Of two times in seconds the begin of the day of the first, or of what the grid has in its place."""
    unit = max(step, DAY)
    return lambda low, high: float(np.floor(low / unit) * unit)


def _ranges(
    kinds: Sequence[Class], codes: np.ndarray, low: np.ndarray, high: np.ndarray, x: np.ndarray
) -> tuple[tuple[Class, float, float, float], ...]:
    shares = np.bincount(codes, minlength=len(kinds)) / len(codes)
    low, high = np.where(np.isfinite(low), low, x[0]), np.where(np.isfinite(high), high, x[-1])
    return tuple(
        (kind, float(share), float(a), float(b))
        for kind, share, a, b in zip(kinds, shares, low, high, strict=True)
    )


def _edges(x: np.ndarray, codes: np.ndarray, n: int, step: float, to: Rounding) -> np.ndarray:
    """Where each class begins (n,) if that is an edge, -inf if it is not; `x` ascends.

    The rows of a class next to its least one tell how common it is there. As far below, at least `LEAST` rows would be
    of it were it as common.
    """
    found = np.full(n, -np.inf)
    for kind in set(range(n)) - {*codes[:LEAST].tolist()}:  # below these are enough rows of others
        own = x[codes == kind]
        if len(own) < NEAREST[0] or np.searchsorted(x, own[0]) < LEAST:
            continue
        if is_edge(own) and any(_missed(x, own, near, step) >= LEAST for near in NEAREST if near <= len(own)):
            begin = edge(own, step, to)
            found[kind] = begin if np.searchsorted(x, begin) >= LEAST else -np.inf
    return found


def _missed(x: np.ndarray, own: np.ndarray, nearest: int, step: float) -> float:
    """How many rows of a class would be below its least value, as far as its nearest are above, were it as common."""
    last = own[nearest - 1]
    first, end = np.searchsorted(x, own[0]), np.searchsorted(x, last, side="right")
    below = first - np.searchsorted(x, own[0] - max(last - own[0], step) * (1 + 1e-9))
    return float(below * np.searchsorted(own, last, side="right") / (end - first))
