"""The space in which rows have distances: that of TabDDPM's privacy score, and nearest neighbours in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema


def embed(rows: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Rows as points (n, d) float64, the target among their columns.

    Numbers are scaled to 0..1 by the range of the training rows (and not cut off outside of it), a label is one-hot
    over the square root of 2, so that one difference is the distance 1. A missing label is a label; a missing number
    is the middle of the range and a difference of 1 to every number that is present. A label that the training rows
    lack is at equal distance from all of theirs.
    """
    columns = []
    for name in schema.numbers:
        known = train[name].to_numpy(np.float64)
        low, high = np.nanmin(known), np.nanmax(known)
        x = rows[name].to_numpy(np.float64)
        gone = np.isnan(x)
        columns.append(np.where(gone, 0.5, (x - low) / ((high - low) or 1.0)))
        columns.append(gone.astype(np.float64))
    for name in schema.labels:
        labels = pd.unique(train[name])
        # factorize of the known labels first gives them the same codes for whatever rows follow.
        both = pd.concat([pd.Series(labels, dtype=object), rows[name].astype(object)])
        codes, _ = pd.factorize(both, use_na_sentinel=False)
        codes = np.minimum(codes[len(labels) :], len(labels))  # all unseen ones share a place
        columns.extend(np.eye(len(labels) + 1)[:, codes] / np.sqrt(2))
    points = np.column_stack(columns)
    return np.ascontiguousarray(points)


def nearest(points: np.ndarray, others: np.ndarray, k: int = 1) -> np.ndarray:
    """Distances (n, k) of each point to its k nearest others, rising; exact, in memory that grows with n alone."""
    from sklearn.neighbors import NearestNeighbors

    # Columns that are the same number everywhere, such as flags of gaps in a table without, cost time only.
    vary = (points != others[0]).any(0) | (others != others[0]).any(0)
    points, others = (np.ascontiguousarray(side[:, vary]) for side in (points, others))
    if not vary.any():
        return np.zeros((len(points), k))
    distances, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(others).kneighbors(points)
    # |x|^2 - 2xy + |y|^2 leaves a small positive rest where two rows are equal; copies must have distance 0.
    for j in range(k):
        close = distances[:, j] < 1e-4
        distances[close, j] = np.linalg.norm(points[close] - others[index[close, j]], axis=1)
    return np.asarray(distances)
