"""Numbers and times that are the largest or the least of others, see `data.extreme`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.comparable import alike
from tabstep.data.counted import counted
from tabstep.data.extreme import Extreme

MOST = 60  # columns that are looked at
FIRST = 256  # rows that candidates are tried on before all are
LEAST = 10  # rows in which a part is it


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
                if not rule.breaks(frame).any():
                    yield rule


def _parts(x: np.ndarray, k: int) -> list[int]:
    """The columns of x (n, d) that are never above column k, and at it in enough rows."""
    whole = x[:, [k]]
    above = (x[:FIRST] > whole[:FIRST]).any(axis=0)
    among = np.flatnonzero(~above & (np.arange(x.shape[1]) != k))
    among = among[~(x[:, among] > whole).any(axis=0)]
    return [int(j) for j in among if np.count_nonzero(x[:, j] == whole[:, 0]) >= LEAST]
