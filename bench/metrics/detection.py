"""Detection: can a classifier tell synthetic rows from real ones (the classifier two-sample test, C2ST)?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.areas import area_interval
from tabstep.metrics.space import FEW, Points, chosen, embed

FOLDS = 5
MOST = 10_000  # rows of either side: a classifier tells a little more by more of them, and takes longer


def detection(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Areas under the curve of predictions for rows that the classifier was not trained on; 0.5 is undetected.

    c2st_*         against rows of `real`, which no one was trained on, with its 95 % interval in `*_low` and `*_high`
                   (`area_interval`)
    c2st_*_train   against the training rows, as others have it; copies go undetected
    *_score        the same on the scale 1 - (2 area - 1), 1 is undetected; an area below 0.5 counts as 0.5
    c2st_rows, c2st_train_rows  rows of either side: as many synthetic as real ones, 10,000 at most

    `c2st_logistic` sees single columns, so independent columns with the right marginals pass it; `c2st_xgboost` sees
    what columns have to do with each other as well. Below 0.5 is chance too. Raises ValueError with fewer than ten rows
    of any.
    """
    scores: dict[str, float] = {}
    for suffix, side in (("", real), ("_train", train)):
        x, is_synthetic = sides(synthetic, side, train, schema, seed=seed)
        scores[f"c2st{suffix}_rows"] = len(x) / 2
        for name, make in CLASSIFIERS.items():
            area, low, high = area_interval(list(out_of_fold(x, is_synthetic, make, seed)))
            scores[f"c2st_{name}{suffix}"] = area
            scores[f"c2st_{name}{suffix}_score"] = 2 - 2 * max(area, 0.5)
            if not suffix:
                scores |= {f"c2st_{name}_low": low, f"c2st_{name}_high": high}
    return scores


def c2st_xgboost(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """`c2st_xgboost` and `c2st_xgboost_score` of `detection` alone, for a quarter of its time."""
    x, is_synthetic = sides(synthetic, real, train, schema, seed=seed)
    area, _, _ = area_interval(list(out_of_fold(x, is_synthetic, _xgboost, seed)))
    return {"c2st_xgboost": area, "c2st_xgboost_score": 2 - 2 * max(area, 0.5)}


def sides(
    synthetic: pd.DataFrame,
    side: pd.DataFrame,
    train: pd.DataFrame,
    schema: Schema,
    *,
    seed: int,
    most: int = MOST,
) -> tuple[np.ndarray, np.ndarray]:
    """Features of as many rows of either side (2 n, d), at most `most`, and which are synthetic (2 n,)."""
    n = min(len(synthetic), len(side), most)
    if n < 2 * FOLDS:
        raise ValueError(f"needs {2 * FOLDS} rows, got {len(synthetic)} and {len(side)}")
    known = embed(train, train, schema)
    pair = chosen(side, n, "real", seed=seed), chosen(synthetic, n, "synthetic", seed=seed)
    parts = [features(embed(some, train, schema), known) for some in pair]
    return np.concatenate(parts), np.repeat([0, 1], n)


def features(points: Points, known: Points) -> np.ndarray:
    """Points as numbers (n, d) for a classifier: of a column of many labels the most frequent known ones, one-hot.

    A label that hardly occurs teaches a classifier nothing, and one column for each is more than memory holds.
    """
    columns = [points.x]
    for j in range(points.codes.shape[1]):
        frequent = np.argsort(-np.bincount(known.codes[:, j]), kind="stable")[:FEW]
        columns.append((points.codes[:, j, None] == frequent) / np.sqrt(2))
    return np.hstack(columns)


def out_of_fold(
    x: np.ndarray, y: np.ndarray, make: Callable[[int], Any], seed: int, *, folds: int = FOLDS
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The labels of each fold, and how likely a classifier that did not see them says that they are synthetic."""
    from sklearn.model_selection import StratifiedKFold

    for fit, rest in StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y):
        yield y[rest], make(seed).fit(x[fit], y[fit]).predict_proba(x[rest])[:, 1]


def _logistic(seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=seed))


def _xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, random_state=seed, n_jobs=1, tree_method="hist")


CLASSIFIERS: dict[str, Callable[[int], Any]] = {"logistic": _logistic, "xgboost": _xgboost}
