"""Machine-learning efficacy: train an evaluator on synthetic rows, score it on real ones.

The protocol is TabDDPM's (Kotelnikov et al. 2023): early stopping watches the real validation part, the score is
macro-F1 or R2 on the real test part. So the score still sees real labels, through early stopping. What an evaluator
reads and how its predictions are scored is the same for all of them, and is here; each evaluator has its own file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import pandas as pd

from tabstep.data.settings import built
from tabstep.data.table import Dataset, Schema

VERSION = 2  # raise when a score of CatBoost changes for the same rows

MISSING = "<missing>"  # the category of a missing value

Split = Literal["val", "test", "both"]
P = TypeVar("P")


class Degenerate(ValueError):
    """Rows that cannot be learned from or scored on, such as targets that are missing or infinite."""


@dataclass(frozen=True)
class Problem:
    """What an evaluator learns from, and the real rows by which it may stop.

    x, x_watched  features, see `inputs`
    y, y_watched  (n,) standardised targets, or positions of labels in the sorted classes
    schema        of those columns, see `numbered`
    k             how many classes there are, seen or not; 0 for regression
    """

    x: pd.DataFrame
    y: np.ndarray
    x_watched: pd.DataFrame
    y_watched: np.ndarray
    schema: Schema
    k: int
    seed: int
    threads: int


class Predictor(Protocol):
    """A trained evaluator."""

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        """Standardised targets (n,) for regression, else class probabilities (n, k)."""
        ...


class Learner(Protocol):
    """The settings of an evaluator, ready to be trained. The same problem gives the same predictor."""

    def __call__(self, problem: Problem) -> Predictor: ...


@dataclass(frozen=True)
class Prior:
    """What rows of one target value or of constant features teach: class frequencies (k,), or the mean (k = 0)."""

    frequencies: np.ndarray

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        return np.broadcast_to(self.frequencies, (len(features), *self.frequencies.shape))


@dataclass(frozen=True)
class Evaluator:
    """A trained evaluator and what is needed to score it in the units of the data.

    `classes` are the labels in the order of the predicted probabilities (empty for regression);
    `mean` and `std` undo the standardisation of a regression target.
    """

    predictor: Predictor
    schema: Schema
    classes: tuple[str, ...]
    mean: float
    std: float

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        """Targets (n,) in their own units for regression, else class probabilities (n, K)."""
        found = np.asarray(self.predictor(inputs(rows, self.schema)))
        return found * self.std + self.mean if self.schema.is_regression else found

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
    learner: Learner,
    rows: pd.DataFrame,
    watched: pd.DataFrame,
    schema: Schema,
    *,
    classes: tuple[str, ...],
    seed: int,
    threads: int = 1,
) -> Evaluator:
    """Train an evaluator on `rows`; one that stops early does so by its score on `watched`.

    `classes` are all labels that may occur, sorted (empty for regression). A regression target is
    standardised with the mean and population deviation of `rows`. Same seed and threads, same evaluator.
    Rows that teach no dependence, with one target value or constant features, give their prior as prediction.
    Raises `Degenerate` when targets are missing, infinite or not among the classes.
    """
    target = rows[schema.target]
    if target.isna().any():
        raise Degenerate(f"{int(target.isna().sum())} of {len(rows)} training rows have no {schema.target!r}")
    mean, std, prior = 0.0, 1.0, np.zeros(())
    if schema.is_regression:
        y, y_watched = target.to_numpy(np.float64), watched[schema.target].to_numpy(np.float64)
        if not np.isfinite(y).all():
            raise Degenerate(f"{schema.target!r} is infinite in {int((~np.isfinite(y)).sum())} training rows")
        mean, std = float(y.mean()), float(y.std())
    else:
        y, y_watched = codes(target, classes), codes(watched[schema.target], classes)
        prior = np.bincount(y, minlength=len(classes)) / len(y)
    features = inputs(rows, schema)
    if target.nunique() < 2 or (features.nunique(dropna=False) < 2).all():
        return Evaluator(Prior(prior), schema, classes, mean, std)
    if schema.is_regression:
        y, y_watched = (y - mean) / std, (y_watched - mean) / std
    x_watched, plain = inputs(watched, schema), numbered(schema)
    problem = Problem(features, y, x_watched, y_watched, plain, len(classes), seed, threads)
    return Evaluator(learner(problem), schema, classes, mean, std)


def efficacy(
    learner: Learner,
    synthetic: pd.DataFrame,
    dataset: Dataset,
    *,
    seed: int,
    split: Split = "test",
    threads: int = 1,
) -> dict[str, float]:
    """Train an evaluator on synthetic rows and score it on a real part.

    Returns `f1_macro, accuracy` and for two classes `roc_auc`, or for regression `r2, rmse` (in units of the target).
    Only rmse is better when lower. With `split="both"` they are of the test part, and those of the validation part
    follow with `_val` at the end of their names.

    Early stopping always watches the real validation part. With `split="val"`, which tuning reads, the same
    part stops and scores, so those scores are optimistic; the reference does the same.
    Rows of one class, or with constant features, are scored as their prior: a collapse counts as one.
    Raises `Degenerate` when synthetic targets are missing, infinite or of a foreign class.
    """
    if split not in ("val", "test", "both"):
        raise ValueError(f"split must be 'val', 'test' or 'both', got {split!r}")
    parts = (dataset.train, dataset.val, dataset.test)
    classes = labels(pd.concat([part[dataset.schema.target] for part in parts]), dataset.schema)
    evaluator = fit_evaluator(
        learner, synthetic, dataset.val, dataset.schema, classes=classes, seed=seed, threads=threads
    )
    scored = {"": dataset.val if split == "val" else dataset.test}
    if split == "both":
        scored["_val"] = dataset.val
    return {
        f"{name}{suffix}": value
        for suffix, part in scored.items()
        for name, value in evaluator.scores(part).items()
    }


def params_of(kind: type[P], values: Mapping[str, Any]) -> P:
    """A dataclass of parameters from a mapping, say read from JSON; raises ValueError on a name it lacks, or a value of
    another type."""
    return built(kind, values, "; the rest is fixed by the protocol")


def labels(target: pd.Series, schema: Schema) -> tuple[str, ...]:
    """The classes of a target as sorted strings; empty for regression."""
    return () if schema.is_regression else tuple(sorted(target.astype(str).unique()))


def numbered(schema: Schema) -> Schema:
    """The same roles of columns that are called by their places: names of a table may hold anything, a library that
    trains may take no name with a bracket, and none may learn from one.
    """
    places = {name: f"x{i}" for i, name in enumerate(schema.columns)}
    return Schema(
        schema.task,
        places[schema.target],
        tuple(places[name] for name in schema.numeric),
        tuple(places[name] for name in schema.categorical),
        frozenset(places[name] for name in schema.integer),
    )


def inputs(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """What an evaluator reads of the features, called as in `numbered`.

    They are float64 with NaN, and strings, `MISSING` where there is none.
    """
    columns: dict[str, Any] = {name: rows[name].to_numpy(np.float64) for name in schema.numeric}
    for name in schema.categorical:
        values = rows[name]
        columns[name] = values.astype(str).where(values.notna(), MISSING).to_numpy(object)
    return pd.DataFrame(columns).set_axis(list(numbered(schema).features), axis=1)


def codes(target: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Position of each label in `classes` (n,); raises `Degenerate` on a label that is not among them."""
    values = target.astype(str)
    codes = pd.Index(classes).get_indexer(pd.Index(values))
    if (codes < 0).any():
        foreign = sorted(values[codes < 0].unique())
        raise Degenerate(f"labels {foreign[:5]} are not among the classes {list(classes)[:10]}")
    return np.asarray(codes, dtype=np.int64)
