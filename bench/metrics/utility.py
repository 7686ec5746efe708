"""Global utility: every column in turn is the target, learned from the others (TabStruct, Jiang et al. 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import chosen

MOST = 5_000  # rows to learn from and to be tested on: two learners for each column
MOST_COLUMNS = 50  # targets; features are all columns
CLASSES = 10  # of a label column as target, the rarest ones together
ROUNDS = 30
LEARNABLE = 0.05  # a target of which real rows teach less than this has nothing to be kept


def utility(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """`global_utility`, the mean over target columns of what synthetic rows teach in parts of what training rows do.

    What rows teach is the score on `real` of boosted trees (XGBoost, 30 rounds, depth 4) trained on as many synthetic
    as training rows, 5,000 at most: R2, or balanced accuracy in parts from chance to 1; 0 where it is below. A ratio
    counts as 1 at most, so that no column makes up for another, and columns of which training rows teach less than 0.05
    are left out. `utility_columns` is how many are left; 1 without any. The published score takes balanced accuracy and
    RMSE of several tuned learners; parts from chance make columns of many and of few classes alike.
    """
    n = min(len(synthetic), len(train), MOST)
    rows = [
        chosen(synthetic, n, "synthetic", seed=seed),
        chosen(train, n, "training", seed=seed),
        chosen(real, MOST, "real", seed=seed),
    ]
    codes = {name: _codes(name, rows, name in schema.numbers) for name in schema.columns}
    kinds = {name: "q" if name in schema.numbers else "c" for name in schema.columns}
    rng = np.random.default_rng(seed)
    targets = sorted(schema.columns)
    if len(targets) > MOST_COLUMNS:
        targets = [targets[i] for i in np.sort(rng.choice(len(targets), MOST_COLUMNS, replace=False))]
    kept = []
    for target in targets:
        names = [name for name in schema.columns if name != target]
        x = [np.column_stack([codes[name][side] for name in names]) for side in range(3)]
        y = codes[target] if kinds[target] == "q" else _classes(codes[target])
        types = [kinds[name] for name in names]
        number = kinds[target] == "q"
        reference = _skill(x[1], y[1], x[2], y[2], types, number, seed)
        if reference >= LEARNABLE:
            kept.append(min(1.0, _skill(x[0], y[0], x[2], y[2], types, number, seed) / reference))
    return {"global_utility": float(np.mean(kept)) if kept else 1.0, "utility_columns": float(len(kept))}


def _codes(name: str, rows: list[pd.DataFrame], number: bool) -> list[np.ndarray]:
    """A column of each table: numbers with NaN, or places among the labels of all tables, a gap among them."""
    if number:
        return [side[name].to_numpy(np.float64) for side in rows]
    both = pd.concat([side[name] for side in (rows[1], rows[2], rows[0])]).astype(object)
    places, _ = pd.factorize(both, use_na_sentinel=False)
    a, b = len(rows[1]), len(rows[1]) + len(rows[2])
    return [part.astype(np.float64) for part in (places[b:], places[:a], places[a:b])]


def _classes(codes: list[np.ndarray]) -> list[np.ndarray]:
    """Labels as classes: the most frequent of the training rows, and all others."""
    counts = np.bincount(codes[1].astype(np.int64))
    frequent = np.argsort(-counts, kind="stable")[: CLASSES - 1]
    place = np.full(1 + int(max(side.max() for side in codes)), len(frequent))
    place[frequent] = np.arange(len(frequent))
    return [place[side.astype(np.int64)].astype(np.float64) for side in codes]


def _skill(
    x: np.ndarray,
    y: np.ndarray,
    tested: np.ndarray,
    truth: np.ndarray,
    types: list[str],
    number: bool,
    seed: int,
) -> float:
    """R2, or balanced accuracy in parts from chance to 1, on the tested rows; 0 where it is below."""
    known, asked = np.isfinite(y), np.isfinite(truth)
    x, y, tested, truth = x[known], y[known], tested[asked], truth[asked]
    if len(truth) < 2 or len(np.unique(truth)) < 2 or len(np.unique(y)) < 2:
        return 0.0
    if number:
        scale = float(y.std())
        found = _predicted(x, (y - y.mean()) / scale, tested, types, {"objective": "reg:squarederror"}, seed)
        wrong = np.square(truth - (found * scale + y.mean())).mean()
        return max(0.0, 1 - float(wrong / truth.var()))
    seen = np.unique(y)
    many = {"objective": "multi:softprob", "num_class": len(seen)}
    chances = _predicted(x, np.searchsorted(seen, y), tested, types, many, seed)
    predicted = seen[chances.argmax(1)]
    present = np.unique(truth)
    right = float(np.mean([(predicted[truth == k] == k).mean() for k in present]))
    chance = 1 / len(present)
    return max(0.0, (right - chance) / (1 - chance))


def _predicted(
    x: np.ndarray, y: np.ndarray, tested: np.ndarray, types: list[str], aim: dict[str, Any], seed: int
) -> np.ndarray:
    import xgboost

    def matrix(values: np.ndarray, label: np.ndarray | None = None) -> Any:
        return xgboost.DMatrix(values, label=label, feature_types=types, enable_categorical=True, nthread=1)

    settings = {"max_depth": 4, "eta": 0.3, "seed": seed, "nthread": 1, "verbosity": 0, "tree_method": "hist"}
    booster = xgboost.train(settings | aim, matrix(x, y), ROUNDS)
    return np.asarray(booster.predict(matrix(tested)))
