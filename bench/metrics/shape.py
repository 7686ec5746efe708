"""Shape: how well the distribution of each column is met, with the definitions of sdmetrics 0.11."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema


def shape(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """`shape`, the mean over all columns of `column_similarity`, in 0..1, higher is better."""
    return {"shape": float(np.nanmean(column_similarity(synthetic, real, schema)))}


def column_similarity(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> np.ndarray:
    """One minus a distance between marginals, for `schema.columns` in order.

    For numbers the Kolmogorov-Smirnov statistic (KSComplement), for labels the total variation distance
    (TVComplement), of the values present: missing ones are not compared. 0 where one side has no value at
    all, NaN where neither has.
    """
    numbers = set(schema.numbers)
    return np.array(
        [_similarity(synthetic[c].dropna(), real[c].dropna(), c in numbers) for c in schema.columns]
    )


def _similarity(a: pd.Series, b: pd.Series, number: bool) -> float:
    if a.empty or b.empty:
        return float("nan") if a.empty and b.empty else 0.0
    return 1 - (_ks(a, b) if number else _total_variation(a, b))


def _ks(a: pd.Series, b: pd.Series) -> float:
    """Largest difference of the two empirical distribution functions."""
    x, y = (np.sort(s.to_numpy(np.float64)) for s in (a, b))
    at = np.concatenate([x, y])
    below = np.searchsorted(x, at, side="right") / len(x) - np.searchsorted(y, at, side="right") / len(y)
    return float(np.abs(below).max())


def _total_variation(a: pd.Series, b: pd.Series) -> float:
    """Half the sum of absolute differences of frequencies."""
    p, q = (s.value_counts(normalize=True) for s in (a, b))
    return float(p.sub(q, fill_value=0).abs().sum() / 2)
