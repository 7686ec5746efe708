"""Ends of a number by what another column has, where they are edges and no thin tails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.barred_search import MOST_COLUMNS
from tabstep.data.classes import Class, classes, coded
from tabstep.data.constraints import Codes, Constraint, Sum
from tabstep.data.counted import counted, roundest
from tabstep.data.derived import Derived
from tabstep.data.derived_search import LEAST
from tabstep.data.within import Within

NEAREST = (2 * LEAST, 4 * LEAST)  # rows of a class next to its end that tell how common it is there
THIN = 0.3  # share of those in the outer half, by numbers and by their logarithms; 1 / sqrt(60) or less in a tail
SET_BACK = 4  # distances between values by which an end may be lower than the least value


def within(
    frame: pd.DataFrame, names: Sequence[str], steps: Mapping[str, float], rules: Sequence[Constraint]
) -> Iterator[Within]:
    """Rules of a frame in common units, for each column with classes and each of numbers or times.

    names  columns that are looked at; `steps` those of numbers and times, with the steps of their grids
    rules  what is known of them: columns that one of these holds together are left out, and so is what others make,
           whose ends follow from theirs
    """
    made = {rule.of for rule in rules if isinstance(rule, Derived)} | {
        r.total for r in rules if isinstance(r, Sum)
    }
    names = [name for name in names if name not in made]
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
            grid = steps[of], frame[of].dtype.kind == "M"
            low = _edges(x, mine[order], len(kinds[on]), *grid)
            high = -_edges(-x[::-1], mine[order][::-1], len(kinds[on]), *grid)
            if np.isfinite(low).any() or np.isfinite(high).any():
                ranges = _ranges(kinds[on], mine, low, high, x)
                yield Within(on, of, ranges, (float(x[0]), float(x[-1])), steps[of], frame[of].dtype.kind)


def _ranges(
    kinds: Sequence[Class], codes: np.ndarray, low: np.ndarray, high: np.ndarray, x: np.ndarray
) -> tuple[tuple[Class, float, float, float], ...]:
    shares = np.bincount(codes, minlength=len(kinds)) / len(codes)
    low, high = np.where(np.isfinite(low), low, x[0]), np.where(np.isfinite(high), high, x[-1])
    return tuple(
        (kind, float(share), float(a), float(b))
        for kind, share, a, b in zip(kinds, shares, low, high, strict=True)
    )


def _edges(x: np.ndarray, codes: np.ndarray, n: int, step: float, dated: bool) -> np.ndarray:
    """Where each class begins (n,) if that is an edge, -inf if it is not; `x` ascends, `dated` if it counts seconds.

    The rows of a class next to its least one tell how common it is there. As far below, at least `LEAST` rows would be
    of it were it as common; and a tail gets thinner outwards, an edge does not.
    """
    found = np.full(n, -np.inf)
    for kind in set(range(n)) - {*codes[:LEAST].tolist()}:  # below these are enough rows of others
        own = x[codes == kind]
        if len(own) < NEAREST[0] or np.searchsorted(x, own[0]) < LEAST:
            continue
        if all(_outer(own[:nearest]) >= THIN for nearest in NEAREST if nearest <= len(own)) and any(
            _missed(x, own, nearest, step) >= LEAST for nearest in NEAREST if nearest <= len(own)
        ):
            edge = _set_back(own[: NEAREST[0]], step, dated)
            found[kind] = edge if np.searchsorted(x, edge) >= LEAST else -np.inf
    return found


def _set_back(nearest: np.ndarray, step: float, dated: bool) -> float:
    """Where an edge is of which the values nearest to it are known, ascending.

    The least of n values is above an edge by a value's distance from the next, in the mean. Where that is more than the
    grid, the edge is a round number, or the begin of a day, at most four such distances lower; fresh rows seldom are
    beyond.
    """
    least = float(nearest[0])
    apart = float(nearest[-1] - least) / (len(nearest) - 1)
    if apart <= step:
        return least
    if not dated:
        return roundest(least - SET_BACK * apart, least)
    unit = max(step, 86400.0)
    return float(np.floor((least - SET_BACK * apart) / unit) * unit)


def _outer(nearest: np.ndarray) -> float:
    """The share of values, ascending, that are in the half of their span next to the end."""
    low, high = nearest[0], nearest[-1]
    middle = min((low + high) / 2, np.sqrt(low * high) if low > 0 else np.inf)
    return float(np.searchsorted(nearest, middle, side="right")) / len(nearest)


def _missed(x: np.ndarray, own: np.ndarray, nearest: int, step: float) -> float:
    """How many rows of a class would be below its least value, as far as its nearest are above, were it as common."""
    last = own[nearest - 1]
    first, end = np.searchsorted(x, own[0]), np.searchsorted(x, last, side="right")
    below = first - np.searchsorted(x, own[0] - max(last - own[0], step) * (1 + 1e-9))
    return float(below * np.searchsorted(own, last, side="right") / (end - first))
