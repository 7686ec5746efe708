"""Other values in place of those that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def places(rows: pd.DataFrame, weights: np.ndarray) -> np.ndarray:
    """Which of k places (n,) each row takes, by weights (n, k) none of whose rows is all zero.

    The row itself tells, as if at random: no seed is needed, and rows do not depend on how many are drawn.
    """
    below = weights.cumsum(axis=1)
    at = pd.util.hash_pandas_object(rows, index=False).to_numpy() / 2.0**64 * below[:, -1]
    at = np.minimum(at, np.nextafter(below[:, -1], 0.0))  # hashes next to 2^64 are rounded up to it
    return np.asarray((below <= at[:, None]).sum(axis=1))


def put(frame: pd.DataFrame, name: str, values: Any, where: np.ndarray) -> pd.DataFrame:
    """The frame with new values of a column in some rows."""
    values = pd.Series(values, index=frame.index).astype(frame[name].dtype)
    return frame.assign(**{name: frame[name].where(~where, values)})
