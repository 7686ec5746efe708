"""Tails and point masses of number columns: what shrunken noise loses first, and averages of columns hide."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.distances import extent
from tabstep.metrics.space import chosen

TAIL = 0.01
MASS = 0.05  # a value that so many real rows share is a point mass


def tails(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema, *, seed: int) -> dict[str, float]:
    """Means over number columns, in 0..1, 1 is best, of as many synthetic rows as real ones; those that there are.

    tail_1, tail_99  the lesser of the two shares of rows that lie below the 1 % (above the 99 %) quantile of the real
                     ones, in parts of the greater; a column that no real row is below (above) has no such tail
    extremes         1 - the distance of the least (largest) values in units of the real range, 0 beyond; of both ends
    point_masses     over values that 5 % of the real rows or more share: the lesser share in parts of the greater

    A column where one side has no value counts as 0.
    """
    n = min(len(synthetic), len(real))
    synthetic, real = chosen(synthetic, n, "synthetic", seed=seed), chosen(real, n, "real", seed=seed)
    scores: dict[str, list[float]] = {"tail_1": [], "tail_99": [], "extremes": [], "point_masses": []}
    for name in schema.numbers:
        x, y = (np.sort(side[name].dropna().to_numpy(np.float64)) for side in (synthetic, real))
        if not len(y):
            continue
        if not len(x):
            x = np.full(1, np.inf)  # in no tail, at no mass, and beyond every range
        for end, sign in (("tail_1", 1), ("tail_99", -1)):
            at = np.quantile(sign * y, TAIL)
            if beyond := float((sign * y < at).mean()):
                scores[end].append(
                    _alike(float((sign * x < at).mean()) if np.isfinite(x[0]) else 0.0, beyond)
                )
        scale = extent(x[np.isfinite(x)], y)
        scores["extremes"] += [max(0.0, 1 - abs(float(x[i] - y[i])) / scale) for i in (0, -1)]
        values, counts = np.unique(y, return_counts=True)
        heavy = counts >= MASS * len(y)
        scores["point_masses"] += [
            _alike(float((x == value).mean()), count / len(y))
            for value, count in zip(values[heavy], counts[heavy], strict=True)
        ]
    return {name: float(np.mean(found)) for name, found in scores.items() if found}


def _alike(a: float, b: float) -> float:
    """The lesser in parts of the greater."""
    return min(a, b) / max(a, b)
