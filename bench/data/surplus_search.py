"""Numbers that are what others have above third ones, see `data.surplus`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd

from tabstep.data.comparable import alike
from tabstep.data.counted import RELATIVE
from tabstep.data.lines import bounds, factor_of
from tabstep.data.surplus import ABOVE, APART, Surplus, surplus

MOST = 20  # columns that are looked at
FIRST = 256  # rows that candidates are tried on before all are
LEAST = 10  # rows on either side, and at a limit
SMALL = 0.5  # of the deviation of what another is above, below which that gives way
FEWEST = 4  # values of what is made, and of what it is made of


def surpluses(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], units: Mapping[str, str]
) -> Iterator[Surplus]:
    """Rules that hold in all rows of a frame in common units.

    numbers  columns of plain numbers
    units    that columns write: a number of one unit is above none of another
    """
    known = list(numbers)[:MOST]
    x = {name: frame[name].to_numpy(np.float64) for name in known}
    made = [name for name in known if frame[name].nunique() >= FEWEST]
    limits: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in made]
    limits += [(of, (most,)) for of in made for most in known if _is_limit(x[of], x[most])]
    y = np.column_stack([_below(x, *limit) for limit in limits]) if limits else np.empty((len(frame), 0))
    head = y[:FIRST]
    near = np.array([steps[of] for of, _ in limits]) + RELATIVE * np.abs(np.nan_to_num(head)).max(
        axis=0, initial=0
    )
    for names in alike(frame, known, units):
        for by, less in permutations(names, 2):
            over = x[by] - x[less]
            if min(np.count_nonzero(over > 0), np.count_nonzero(over < 0)) < LEAST:
                continue
            for shape in (ABOVE, APART) if known.index(by) < known.index(less) else (ABOVE,):
                part = surplus(shape, over)
                for k in _may_be(part[:FIRST], head, near):
                    of, most = limits[k]
                    found = None if of in (by, less) else factor_of(part, y[:, k], steps[of])
                    if found is None:
                        continue
                    grids = steps[by], steps[less]
                    gives = of, by, less
                    rule = Surplus(by, less, of, shape, found[0], most, found[1], steps[of], grids, gives)
                    if _is_small(rule, frame):
                        rule = replace(rule, gives=(by, less, of))
                    if not rule.breaks(frame).any():
                        yield rule


def _is_small(rule: Surplus, frame: pd.DataFrame) -> bool:
    """Whether what is told varies far less than what it is told of, which can go to each number of it."""
    size = abs(rule.factor)
    fine = size * max(rule.grids) <= rule.step * (1 + RELATIVE) and not rule.down
    varies = float(np.nanstd(frame[rule.of])) / size
    return fine and not rule.most and varies < SMALL * float(np.nanstd(frame[rule.by]))


def _is_limit(x: np.ndarray, most: np.ndarray) -> bool:
    """Whether numbers (n,) are never above others (n,), and at them in enough rows."""
    at = (x == most) & (x != 0)
    return x is not most and not (x > most).any() and int(at.sum()) >= LEAST


def _below(x: Mapping[str, np.ndarray], of: str, most: tuple[str, ...]) -> np.ndarray:
    """The numbers (n,) of a column that are at no limit, and whose limit is known, else NaN."""
    at = np.logical_or.reduce([(x[of] == x[name]) | np.isnan(x[name]) for name in most], initial=False)
    return np.where(at, np.nan, x[of])


def _may_be(part: np.ndarray, head: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Which columns of some rows (m, d) may be multiples of numbers (m,), within `near` (d,)."""
    low, high = bounds(part[:, None], head - near, head + near)
    return np.flatnonzero((low <= high) & (low * high > 0) & np.isfinite(low * high))
