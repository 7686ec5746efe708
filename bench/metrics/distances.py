"""Distances between marginals and between correlations, of the kinds in TabDDPM's Tables 9-11; lower is better."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.trend import correlations


def distances(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """`wasserstein`, `jensen_shannon` and `correlation_l2`, those that the columns allow.

    wasserstein     mean over number columns of the Wasserstein-1 distance, in units of the column's real range, of that
                    of both sides where real rows have one value; a column that has values on one side only is one range
                    off, one that has none on either is left out
    jensen_shannon  mean over label columns of the Jensen-Shannon distance to base 2, the root of the divergence, 0..1
    correlation_l2  Frobenius norm of the difference of the Pearson correlation matrices of the number columns; a
                    column that is constant on a side counts as uncorrelated there
    """
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    scores = {}
    if schema.numbers:
        apart: list[float] = []
        for name in schema.numbers:
            x, y = (frame[name].dropna().to_numpy(np.float64) for frame in (synthetic, real))
            if len(x) and len(y):
                apart.append(float(wasserstein_distance(x, y)) / extent(x, y))
            elif len(x) or len(y):
                apart.append(1.0)
        scores["wasserstein"] = float(np.mean(apart)) if apart else 0.0
    if schema.labels:
        apart = []
        for name in schema.labels:
            p, q = (f[name].value_counts(normalize=True, dropna=False) for f in (synthetic, real))
            p, q = p.align(q, fill_value=0.0)
            # Equal distributions may come out as a tiny negative divergence, whose root is NaN.
            apart.append(float(np.nan_to_num(jensenshannon(p, q, base=2))))
        scores["jensen_shannon"] = float(np.mean(apart))
    if len(schema.numbers) > 1:
        a, b = (_correlations(frame, schema) for frame in (synthetic, real))
        scores["correlation_l2"] = float(np.linalg.norm(a - b))
    return scores


def extent(synthetic: np.ndarray, real: np.ndarray) -> float:
    """The range of real values, of both where that is 0, and 1 where all are one: no score knows the unit."""
    return float(np.ptp(real)) or float(np.ptp(np.concatenate([synthetic, real]))) or 1.0


def _correlations(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    matrix: np.ndarray = np.nan_to_num(correlations(frame, schema))
    np.fill_diagonal(matrix, 1.0)
    return matrix
