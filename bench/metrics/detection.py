"""Detection: can a classifier tell synthetic rows from real ones (the classifier two-sample test, C2ST)?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import embed

FOLDS = 5
MOST = 10_000  # rows of either side: more make the interval narrower, not the score another


def detection(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Areas under the curve of predictions for rows that the classifier was not trained on; 0.5 is undetected.

    `c2st_logistic` sees single columns, `c2st_xgboost` what columns have to do with each other as well; each has its
    95 % interval in `*_low` and `*_high` (`auc_interval`). As many synthetic rows as real ones, 10,000 at most. Below
    0.5 is chance too. Raises ValueError with fewer than ten rows of either.
    """
    n = min(len(synthetic), len(real), MOST)
    if n < 2 * FOLDS:
        raise ValueError(f"needs {2 * FOLDS} rows, got {len(synthetic)} and {len(real)}")
    rng = np.random.default_rng(seed)
    parts = [embed(f, train, schema)[rng.permutation(len(f))[:n]] for f in (real, synthetic)]
    x, is_synthetic = np.concatenate(parts), np.repeat([0, 1], n)
    scores: dict[str, float] = {}
    for name, make in CLASSIFIERS.items():
        found = auc_interval(list(_out_of_fold(x, is_synthetic, make, seed)))
        scores |= dict(zip((f"c2st_{name}", f"c2st_{name}_low", f"c2st_{name}_high"), found, strict=True))
    return scores


def auc_interval(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float, float]:
    """Mean area under the curve of (labels, scores) and its 95 % interval, from DeLong's variances (1988) by ranks.

    Each fold has its own area: scores of different models do not share a scale, and pooled they lie below chance where
    there is nothing to find. Folds share training rows, which is not counted, so the interval is somewhat narrow.
    """
    found = [_area(label, score) for label, score in parts]
    area = float(np.mean([a for a, _ in found]))
    half = 1.959964 * float(np.sqrt(np.sum([v for _, v in found]))) / len(found)
    return area, max(0.0, area - half), min(1.0, area + half)


def _area(label: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Area under the curve and its variance."""
    from scipy.stats import rankdata

    one, zero = score[label == 1], score[label == 0]
    m, n = len(one), len(zero)
    both = rankdata(np.concatenate([one, zero]))
    above = (both[:m] - rankdata(one)) / n  # share of zeros below each one
    below = 1 - (both[m:] - rankdata(zero)) / m
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)


def _out_of_fold(
    x: np.ndarray, y: np.ndarray, make: Callable[[int], Any], seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import StratifiedKFold

    for fit, rest in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(x, y):
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
