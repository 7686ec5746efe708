"""How far the numbers of drawn rows are from real ones, a column at a time: what efficacy does not see."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import wasserstein_distance


def distances(
    rows: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, columns: tuple[str, ...]
) -> dict[str, float]:
    """Means over numeric columns, each mapped to its place among the training values, 0 to 1, so that no tail rules.

    wasserstein  1-Wasserstein distance to the test rows
    spread       standard deviation over that of the training rows; below 1 where a sampler shrinks
    """
    far, wide = [], []
    for name in columns:
        known = np.sort(train[name].dropna().to_numpy(float))
        drawn, real, seen = (_place(part[name], known) for part in (rows, test, train))
        far.append(wasserstein_distance(drawn, real))
        wide.append(drawn.std() / seen.std())
    return {"wasserstein": float(np.mean(far)), "spread": float(np.mean(wide))}


def _place(values: pd.Series, known: np.ndarray) -> np.ndarray:
    """Mid-ranks of values among sorted ones, so that ties do not lean to a side."""
    numbers = values.dropna().to_numpy(float)
    low, high = (np.searchsorted(known, numbers, side=side) for side in ("left", "right"))
    return np.asarray((low + high) / (2 * len(known)))
