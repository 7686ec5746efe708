"""Shape: how well the distribution of each column is met, with the definitions of sdmetrics 0.11."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema


def shape(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """`shape`, the mean over all columns of `column_similarity`, in 0..1, higher is better."""
    return {"shape": float(np.mean(column_similarity(synthetic, real, schema)))}


def column_similarity(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> np.ndarray:
    """One minus a distance between marginals, for `schema.columns` in order.

    For numbers the Kolmogorov-Smirnov statistic (KSComplement), for labels the total variation distance
    (TVComplement), of the values present: missing ones are not compared. NaN where a side has no numbers.
    """
    numbers = set(schema.numbers)
    return np.array(
        [
            1 - (_ks(synthetic[c], real[c]) if c in numbers else _total_variation(synthetic[c], real[c]))
            for c in schema.columns
        ]
    )


def _ks(a: pd.Series, b: pd.Series) -> float:
    """Largest difference of the two empirical distribution functions."""
    x, y = (np.sort(s.dropna().to_numpy(np.float64)) for s in (a, b))
    if not len(x) or not len(y):
        return float("nan")
    at = np.concatenate([x, y])
    below = np.searchsorted(x, at, side="right") / len(x) - np.searchsorted(y, at, side="right") / len(y)
    return float(np.abs(below).max())


def _total_variation(a: pd.Series, b: pd.Series) -> float:
    """Half the sum of absolute differences of frequencies."""
    p, q = (s.value_counts(normalize=True) for s in (a, b))
    return float(p.sub(q, fill_value=0).abs().sum() / 2)
