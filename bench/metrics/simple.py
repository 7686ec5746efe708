"""The four simple evaluators of the TabDDPM paper (its Table 4): a tree, a forest, a linear model and a small MLP.

Their settings are the reference's: trees of depth 28 at most, 500 iterations of logistic regression, 100 epochs of
scikit-learn's MLP, numbers scaled to 0..1 and labels one-hot. None of them stops early.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.table import Dataset
from tabstep.metrics.dense import encoder
from tabstep.metrics.efficacy import Problem, Split, efficacy

DEPTH = 28
LINEAR_ITERATIONS = 500
EPOCHS = 100
KINDS = ("tree", "forest", "linear", "mlp")


@dataclass(frozen=True)
class Simple:
    """One of the four, by its kind."""

    kind: str

    def __call__(self, problem: Problem) -> SimpleModel:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.pipeline import make_pipeline

        model = make_pipeline(
            encoder(problem.schema, "minmax", rows=len(problem.x), seed=problem.seed), self._model(problem)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is the protocol's
            model.fit(problem.x, problem.y)
        return SimpleModel(model, problem.k)

    def _model(self, problem: Problem) -> Any:
        from sklearn import ensemble, linear_model, neural_network, tree

        seed = {"random_state": problem.seed}
        regression = problem.schema.is_regression
        match self.kind:
            case "tree":
                kind = tree.DecisionTreeRegressor if regression else tree.DecisionTreeClassifier
                return kind(max_depth=DEPTH, **seed)
            case "forest":
                forest = ensemble.RandomForestRegressor if regression else ensemble.RandomForestClassifier
                return forest(max_depth=DEPTH, n_jobs=problem.threads, **seed)
            case "linear":
                if regression:
                    return linear_model.Ridge(**seed)
                return linear_model.LogisticRegression(max_iter=LINEAR_ITERATIONS, **seed)
            case "mlp":
                mlp = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
                return mlp(max_iter=EPOCHS, **seed)
        raise ValueError(f"unknown kind {self.kind!r}; there are {', '.join(KINDS)}")


@dataclass(frozen=True)
class SimpleModel:
    """A trained model of scikit-learn as a predictor."""

    model: Any
    k: int

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        if self.k == 0:
            return np.asarray(self.model.predict(features))
        probability = np.zeros((len(features), self.k))  # none for a class that the training rows lack
        probability[:, self.model.classes_] = self.model.predict_proba(features)
        return probability


def simple_efficacy(
    synthetic: pd.DataFrame, dataset: Dataset, *, seed: int, split: Split = "test", threads: int = 1
) -> dict[str, float]:
    """`efficacy` by each of the four, `simple_tree_f1_macro` and so on, and their mean, `simple_f1_macro`."""
    found: dict[str, Mapping[str, float]] = {
        kind: efficacy(Simple(kind), synthetic, dataset, seed=seed, split=split, threads=threads)
        for kind in KINDS
    }
    single = {
        f"simple_{kind}_{name}": value for kind, scores in found.items() for name, value in scores.items()
    }
    mean = {
        f"simple_{name}": float(np.mean([scores[name] for scores in found.values()]))
        for name in found[KINDS[0]]
    }
    return single | mean
