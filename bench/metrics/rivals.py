"""Scores as TabSyn, TabDiff and TabPC are published with: training rows as the real ones, and all of them."""

from __future__ import annotations

import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.areas import area_interval
from tabstep.metrics.dependence import wnmis
from tabstep.metrics.detection import CLASSIFIERS, out_of_fold, sides
from tabstep.metrics.shape import shape
from tabstep.metrics.trend import trend

FOLDS = 3  # of a C2ST, as in sdmetrics


def rivals(synthetic: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int) -> dict[str, float]:
    """`shape`, `trend`, `wnmis` and `c2st_*` against training rows, each named `rivals_*`; 1 is the best of all.

    A C2ST is 1 - (2 area - 1) of a classifier in three folds, on all training rows and as many synthetic ones: the more
    rows it learns from the more it tells. An area below 0.5 counts as 0.5. Copies of training rows win everything.
    Raises ValueError with fewer than ten rows.
    """
    found = shape(synthetic, train, schema) | wnmis(synthetic, train, schema)
    found["trend"] = trend(synthetic, train, schema)["trend"]
    x, is_synthetic = sides(synthetic, train, train, schema, seed=seed, most=len(train))
    for name, make in CLASSIFIERS.items():
        told = list(out_of_fold(x, is_synthetic, make, seed, folds=FOLDS))
        found[f"c2st_{name}"] = 2 - 2 * max(area_interval(told)[0], 0.5)
    found["rows"] = len(x) / 2
    return {f"rivals_{name}": value for name, value in found.items()}
