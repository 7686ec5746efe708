"""Numbers that are a curve of others, see `data.curved`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.curved import CURVES, Curved, curve
from tabstep.data.lines import on_lines, through

MANY = 10  # values of both
MOST = 40  # columns that are looked at
FIRST = 256  # rows that candidates are tried on before all are


def curved(frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float]) -> list[Curved]:
    """Rules that hold in all rows, of what has the finer grid for its size: no other has all numbers of the curve."""
    known = [n for n in numbers if frame[n].dtype.kind in "iuf" and frame[n].nunique() >= MANY][:MOST]
    if len(known) < 2:
        return []
    x = frame[known].to_numpy(np.float64)
    grids = np.array([steps[name] for name in known])
    with np.errstate(divide="ignore", invalid="ignore"):
        fine = grids / np.nanmedian(np.abs(x), axis=0)
    found = []
    for i, by in enumerate(known):
        for name in CURVES:
            at = curve(name, x[:, i])
            if np.isnan(at[~np.isnan(x[:, i])]).any():
                continue
            near = on_lines(at[:FIRST], x[:FIRST], grids)
            for k in np.flatnonzero(near & (fine <= fine[i])):
                line = through(at, x[:, k], grids[k]) if k != i else None
                if line is not None:
                    rule = Curved(by, known[k], name, *line, float(grids[k]), float(grids[i]))
                    found += [] if rule.breaks(frame).any() else [rule]
    return found
