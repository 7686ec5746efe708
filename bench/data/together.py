"""Columns with gaps that are there together, in rows enough to tell one of them by the others."""

from __future__ import annotations

import numpy as np

ENOUGH = 100  # rows, and 4 for each column


def together(x: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Which columns of x (n, d) are there together, in order, and in which rows (n,) bool.

    A column without gaps always is, and of others those with fewest come first.
    """
    there, rows, found = ~np.isnan(x), np.ones(len(x), bool), []
    for k in np.argsort(-there.sum(axis=0), kind="stable"):
        left = rows & there[:, k]
        if left.sum() >= min(rows.sum(), ENOUGH + 4 * x.shape[1]):
            found.append(int(k))
            rows = left
    return sorted(found), rows
