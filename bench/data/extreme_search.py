"""Numbers and times that are the largest or the least of others, see `data.extreme`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pandas as pd

from tabstep.data.comparable import alike
from tabstep.data.counted import counted
from tabstep.data.determined import LEAST
from tabstep.data.extreme import Extreme
from tabstep.data.foremost import Foremost

MOST = 60  # columns that are looked at
FIRST = 256  # rows that candidates are tried on before all are
LEAST_AT = 10  # rows in which a part is it

Rule = TypeVar("Rule", Extreme, Foremost)


def extremes(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], units: Mapping[str, str]
) -> Iterator[Extreme]:
    """Rules that hold in all rows of a frame in common units.

    units  that columns write: a number of one unit is the largest of none of another
    """
    for names in alike(frame, numbers[:MOST], units):
        x = np.column_stack([counted(frame[name]) for name in names])
        for most in (True, False):
            signed = x if most else -x
            for k, of in enumerate(names):
                parts = _parts(signed, k)
                if len(parts) < 2:
                    continue
                grids = tuple(steps[names[j]] for j in parts)
                rule = Extreme(tuple(names[j] for j in parts), of, most, grids)
                found = that_holds(rule, frame)
                if found is not None:
                    yield found


def that_holds(rule: Rule, frame: pd.DataFrame) -> Rule | None:
    """A rule that no row breaks, or the same of rows that have all parts, where there are enough; None for none."""
    if not rule.breaks(frame).any():
        return rule
    whole = frame[frame[list(rule.columns)].notna().all(axis=1)]
    hidden = replace(rule, hidden=True)
    often = len(whole) >= LEAST and all(
        is_it(rule, k, whole).sum() >= LEAST_AT for k in range(len(rule.parts))
    )
    return hidden if often and not hidden.breaks(frame).any() else None


def is_it(rule: Extreme | Foremost, k: int, frame: pd.DataFrame) -> np.ndarray:
    """Where a part is the one that `of` says (n,) bool."""
    if isinstance(rule, Foremost):
        return np.asarray(rule.there(frame) == k)
    return np.asarray(frame[rule.of] == frame[rule.parts[k]])


def _parts(x: np.ndarray, k: int) -> list[int]:
    """The columns of x (n, d) that are never above column k, and at it in enough rows."""
    whole = x[:, [k]]
    above = (x[:FIRST] > whole[:FIRST]).any(axis=0)
    among = np.flatnonzero(~above & (np.arange(x.shape[1]) != k))
    among = among[~(x[:, among] > whole).any(axis=0)]
    return [int(j) for j in among if np.count_nonzero(x[:, j] == whole[:, 0]) >= LEAST_AT]
