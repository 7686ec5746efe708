"""Machine-learning efficacy: train CatBoost on synthetic rows, score it on real ones.

The protocol is TabDDPM's (Kotelnikov et al. 2023): early stopping watches the real validation part, the
score is macro-F1 or R2 on the real test part. So the score still sees real labels, through early stopping.

Two facts about CatBoost 1.2 that the published setting hides:

- `early_stopping_rounds=50` together with `od_pval=0.001` is not plain early stopping. Given to the
  constructor, the first is only a synonym of `od_wait`, and a p-value excludes the detector `Iter`; what runs
  is `IncToDec`, which waits 50 rounds *and* for its p-value, so it stops later than 50 rounds after the best
  one. It is written out below. The model is cut back to its best round in either case (`use_best_model`).
- `bagging_temperature` belongs to the Bayesian bootstrap. The default bootstrap on a CPU is MVS for Logloss
  and RMSE, where it does nothing; it acts for multiclass only. We keep the default, as the reference does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from tabstep.table import Dataset, Schema

VERSION = 2  # raise when a score changes for the same rows

ITERATIONS = 2000
STOPPING = {"od_type": "IncToDec", "od_wait": 50, "od_pval": 0.001}

MISSING = "<missing>"  # the category of a missing value; CatBoost takes NaN in numeric columns only


class Degenerate(ValueError):
    """Rows that cannot be learned from or scored on, such as targets that are missing or infinite."""


@dataclass(frozen=True)
class CatBoostParams:
    """Tuned hyper-parameters of the evaluator; None leaves the value to CatBoost.

    Leaving it out is not the same as writing its default down: CatBoost fits the learning rate to the number
    of rows and rounds only while `l2_leaf_reg` and `leaf_estimation_iterations` are left out as well, and
    falls back to 0.03 otherwise.
    """

    learning_rate: float | None = None
    depth: int | None = None
    l2_leaf_reg: float | None = None
    bagging_temperature: float | None = None  # acts for multiclass only, see the head of this file
    leaf_estimation_iterations: int | None = None
    iterations: int | None = None  # the most; None is the protocol's `ITERATIONS`

    @classmethod
    def default(cls) -> Self:
        """CatBoost's defaults: depth 6, l2 3, and a learning rate and leaf iterations that it chooses."""
        return cls()

    @classmethod
    def fast(cls) -> Self:
        """Few shallow trees and a large learning rate: a tenth of the default's time or less, for first looks."""
        return cls(learning_rate=0.2, depth=4, iterations=200)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping, say read from JSON; raises ValueError on a name that is not a field."""
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(values) - set(known)):
            raise ValueError(
                f"unknown CatBoost parameters {', '.join(unknown)}: the tuned ones are {', '.join(known)}, "
                "the rest is fixed by the protocol"
            )
        return cls(**values)


def load_tuned(path: Path) -> CatBoostParams:
    """Read the parameters that `tabstep.evaluator_tuning` wrote, results/tuned/<dataset>/catboost.json."""
    return CatBoostParams.of(json.loads(Path(path).read_text(encoding="utf-8"))["params"])


@dataclass(frozen=True)
class Evaluator:
    """A trained CatBoost and what is needed to score it in the units of the data.

    `classes` are the labels in the order of the predicted probabilities (empty for regression);
    `mean` and `std` undo the standardisation of a regression target. `model` is None where the training rows
    have one target value only or constant features: what they teach is `prior`, the class frequencies (K,), or
    the mean of the target.
    """

    model: Any
    schema: Schema
    classes: tuple[str, ...]
    prior: np.ndarray
    mean: float
    std: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Targets (n,) in their own units for regression, else class probabilities (n, K)."""
        if self.model is None:
            shape = () if self.schema.is_regression else (len(self.classes),)
            known = self.mean if self.schema.is_regression else self.prior
            return np.broadcast_to(known, (len(rows), *shape))
        from catboost import Pool

        pool = Pool(inputs(rows, self.schema), cat_features=list(self.schema.categorical))
        if self.schema.is_regression:
            return np.asarray(self.model.predict(pool)) * self.std + self.mean
        return np.asarray(self.model.predict_proba(pool))

    def scores(self, rows: pd.DataFrame) -> dict[str, float]:
        """Score on real rows: `r2, rmse`, or `f1_macro, accuracy` and for two classes `roc_auc`.

        Macro-F1 averages over the classes that `rows` hold: one that the training rows lack counts as zero.
        With two classes the second in sorted order is predicted where its probability exceeds 0.5.
        """
        from sklearn.metrics import accuracy_score, f1_score, r2_score, roc_auc_score, root_mean_squared_error

        prediction = self.predict(rows)
        if self.schema.is_regression:
            y = rows[self.schema.target].to_numpy(dtype=np.float64)
            return {
                "r2": float(r2_score(y, prediction)),
                "rmse": float(root_mean_squared_error(y, prediction)),
            }
        y = codes(rows[self.schema.target], self.classes)
        binary = self.schema.task == "binclass"
        predicted = (prediction[:, 1] > 0.5).astype(np.int64) if binary else prediction.argmax(axis=1)
        present = np.unique(y)
        if binary and len(present) < 2:
            raise Degenerate(f"the rows to score hold one class only, {self.classes[present[0]]!r}")
        scores = {
            "f1_macro": float(f1_score(y, predicted, labels=present, average="macro", zero_division=0.0)),
            "accuracy": float(accuracy_score(y, predicted)),
        }
        if binary:
            scores["roc_auc"] = float(roc_auc_score(y, prediction[:, 1]))
        return scores


def fit_evaluator(
    rows: pd.DataFrame,
    watched: pd.DataFrame,
    schema: Schema,
    *,
    classes: tuple[str, ...],
    params: CatBoostParams,
    seed: int,
    threads: int = 1,
) -> Evaluator:
    """Train CatBoost on `rows`, stopping early by the score on `watched`.

    `classes` are all labels that may occur, sorted (empty for regression). A regression target is
    standardised with the mean and population deviation of `rows`. Same seed and threads, same model.
    Rows that teach no dependence, with one target value or constant features, give their prior as prediction.
    Raises `Degenerate` when targets are missing, infinite or not among the classes.
    """
    from catboost import CatBoostClassifier, CatBoostRegressor, Pool

    target = rows[schema.target]
    if target.isna().any():
        raise Degenerate(f"{int(target.isna().sum())} of {len(rows)} training rows have no {schema.target!r}")
    chosen = {name: value for name, value in asdict(params).items() if value is not None}
    settings: dict[str, Any] = (
        {"iterations": ITERATIONS}
        | chosen
        | STOPPING
        | {
            "random_seed": seed,
            "thread_count": threads,
            "verbose": False,
            "allow_writing_files": False,
        }
    )
    mean, std, prior = 0.0, 1.0, np.empty(0)
    if schema.is_regression:
        y, y_watched = target.to_numpy(np.float64), watched[schema.target].to_numpy(np.float64)
        if not np.isfinite(y).all():
            raise Degenerate(f"{schema.target!r} is infinite in {int((~np.isfinite(y)).sum())} training rows")
        mean, std = float(y.mean()), float(y.std())
        model = CatBoostRegressor(loss_function="RMSE", eval_metric="RMSE", **settings)
    else:
        y, y_watched = codes(target, classes), codes(watched[schema.target], classes)
        prior = np.bincount(y, minlength=len(classes)) / len(y)
        loss = "Logloss" if schema.task == "binclass" else "MultiClass"
        # Naming the classes lets the watched rows hold one that the training rows lack.
        names = list(range(len(classes)))
        model = CatBoostClassifier(loss_function=loss, eval_metric="TotalF1", class_names=names, **settings)
    features = inputs(rows, schema)
    varying = [name for name in schema.features if features[name].nunique(dropna=False) > 1]
    if target.nunique() < 2 or not varying:
        return Evaluator(None, schema, classes, prior, mean, std)
    if schema.is_regression:
        y, y_watched = (y - mean) / std, (y_watched - mean) / std
    categorical = list(schema.categorical)
    model.fit(
        Pool(features, label=y, cat_features=categorical),
        eval_set=Pool(inputs(watched, schema), label=y_watched, cat_features=categorical),
    )
    return Evaluator(model, schema, classes, prior, mean, std)


def catboost_efficacy(
    synthetic: pd.DataFrame,
    dataset: Dataset,
    *,
    seed: int,
    params: CatBoostParams | Mapping[str, Any],
    split: Literal["val", "test", "both"] = "test",
    threads: int = 1,
) -> dict[str, float]:
    """Train CatBoost on synthetic rows and score it on a real part.

    Returns `catboost_f1_macro, catboost_accuracy` and for two classes `catboost_roc_auc`, or for regression
    `catboost_r2, catboost_rmse` (in units of the target). Only rmse is better when lower. With `split="both"`
    they are of the test part, and those of the validation part follow with `_val` at the end of their names.

    Early stopping always watches the real validation part. With `split="val"`, which tuning reads, the same
    part stops and scores, so those scores are optimistic; the reference does the same.
    Rows of one class, or with constant features, are scored as their prior: a collapse counts as one.
    Raises `Degenerate` when synthetic targets are missing, infinite or of a foreign class.
    """
    if split not in ("val", "test", "both"):
        raise ValueError(f"split must be 'val', 'test' or 'both', got {split!r}")
    chosen = params if isinstance(params, CatBoostParams) else CatBoostParams.of(params)
    parts = (dataset.train, dataset.val, dataset.test)
    classes = labels(pd.concat([part[dataset.schema.target] for part in parts]), dataset.schema)
    evaluator = fit_evaluator(
        synthetic, dataset.val, dataset.schema, classes=classes, params=chosen, seed=seed, threads=threads
    )
    scored = {"": dataset.val if split == "val" else dataset.test}
    if split == "both":
        scored["_val"] = dataset.val
    return {
        f"catboost_{name}{suffix}": value
        for suffix, part in scored.items()
        for name, value in evaluator.scores(part).items()
    }


def labels(target: pd.Series, schema: Schema) -> tuple[str, ...]:
    """The classes of a target as sorted strings; empty for regression."""
    return () if schema.is_regression else tuple(sorted(target.astype(str).unique()))


def inputs(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """What CatBoost reads of the features: float64 with NaN, and strings, `MISSING` where there is none."""
    columns: dict[str, Any] = {name: rows[name].to_numpy(np.float64) for name in schema.numeric}
    for name in schema.categorical:
        values = rows[name]
        columns[name] = values.astype(str).where(values.notna(), MISSING).to_numpy(object)
    return pd.DataFrame(columns)


def codes(target: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Position of each label in `classes` (n,); raises `Degenerate` on a label that is not among them."""
    values = target.astype(str)
    codes = pd.Index(classes).get_indexer(pd.Index(values))
    if (codes < 0).any():
        foreign = sorted(values[codes < 0].unique())
        raise Degenerate(f"labels {foreign[:5]} are not among the classes {list(classes)[:10]}")
    return np.asarray(codes, dtype=np.int64)
