"""Labels that name the largest of several columns, or the least, see `data.foremost`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.comparable import alike, plain
from tabstep.data.counted import counted
from tabstep.data.extreme_search import that_holds
from tabstep.data.foremost import Foremost
from tabstep.data.labelled import labelled

FEWEST = 3  # labels: what two columns tell is `compared.Compared`
MOST_LABELS = 20
MOST = 40  # columns among which parts are looked for
VALUES = 5  # of a part: what has fewer is a mark of the label
TRIED = 10_000  # parts that are tried for the labels of one column


def foremost(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    few: Sequence[str],
    steps: Mapping[str, float],
    units: Mapping[str, str],
) -> Iterator[Foremost]:
    """Rules that hold in all rows of a frame in common units.

    numbers, few  columns of numbers or times, and columns of few values that may name one of them
    steps, units  of the columns: only those in one unit are held against each other
    """
    for kind in alike(frame, [name for name in numbers if frame[name].nunique() >= VALUES], units):
        names = kind[:MOST]
        x = np.column_stack([counted(frame[name]) for name in names])
        for of, marks, labels in labelled(frame, few):
            values: Any = [plain(label) for label in labels]
            if not FEWEST <= len(values) <= min(MOST_LABELS, len(names)) or None in values:
                continue
            rows, codes = x[marks >= 0], marks[marks >= 0]
            may = [k for k, name in enumerate(names) if name != of]
            for most in (True, False):
                parts = _parts(rows[:, may] if most else -rows[:, may], codes)
                if parts is None:
                    continue
                own = tuple(names[may[k]] for k in parts)
                rule = Foremost(own, tuple(values), of, most, tuple(steps[name] for name in own))
                known = that_holds(rule, frame)
                if known is not None:
                    yield known
                    break


def _parts(x: np.ndarray, codes: np.ndarray) -> list[int] | None:
    """For each code (n,) a column of x (n, d) that is never below those of the others in its rows; None for none."""
    k, d = int(codes.max()) + 1, x.shape[1]
    below = np.zeros((k, d, d), dtype=bool)  # by code, whether one column is ever below another in its rows
    for code in range(k):
        rows = x[codes == code]
        for j in range(d):
            below[code, j] = (rows[:, [j]] < rows).any(axis=0)
    left = TRIED
    found: list[int] = []

    def extended() -> bool:
        nonlocal left
        code = len(found)
        if code == k:
            return True
        for j in range(d):
            left -= 1
            if left < 0:
                return False
            if all(j != i and not below[code, j, i] and not below[c, i, j] for c, i in enumerate(found)):
                found.append(j)
                if extended():
                    return True
                found.pop()
        return False

    return found if extended() else None
