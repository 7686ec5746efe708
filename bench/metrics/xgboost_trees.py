"""The XGBoost evaluator: boosted trees of another make, to see whether a ranking is CatBoost's own.

Labels are split as sets, numbers may be missing. It stops 50 rounds after the best loss on the watched rows (CatBoost
watches macro-F1) and is cut back to that round. The single-purpose API is used because it takes the number of classes,
so that rows which lack one can be learned from.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.efficacy import Problem

if TYPE_CHECKING:
    from optuna.trial import Trial

ROUNDS = 2000
PATIENCE = 50


@dataclass(frozen=True)
class XGBoostParams:
    """Tuned hyper-parameters of the evaluator; None leaves the value to XGBoost."""

    learning_rate: float | None = None
    max_depth: int | None = None
    min_child_weight: float | None = None
    subsample: float | None = None
    colsample_bytree: float | None = None
    reg_lambda: float | None = None
    rounds: int | None = None  # the most; None is `ROUNDS`

    @classmethod
    def default(cls) -> Self:
        """XGBoost's defaults: learning rate 0.3, depth 6, no sampling of rows or columns."""
        return cls()

    @classmethod
    def fast(cls) -> Self:
        """Few shallow trees, for first looks."""
        return cls(learning_rate=0.3, max_depth=4, rounds=200)

    @classmethod
    def nominal(cls, schema: Schema) -> Self:
        """XGBoost's defaults, written down as a point of the search space."""
        return cls(0.3, 6, 1.0, 1.0, 1.0, 1.0)

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The search space: what CatBoost's has, and shares of rows and columns."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 1e-2, 1.0, log=True),
            max_depth=trial.suggest_int("max_depth", 3, 10),
            min_child_weight=trial.suggest_float("min_child_weight", 0.1, 100.0, log=True),
            subsample=trial.suggest_float("subsample", 0.5, 1.0),
            colsample_bytree=trial.suggest_float("colsample_bytree", 0.5, 1.0),
            reg_lambda=trial.suggest_float("reg_lambda", 0.1, 10.0, log=True),
        )

    def __call__(self, problem: Problem) -> XGBoostModel:
        import xgboost

        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        rounds = int(chosen.pop("rounds", ROUNDS))
        settings: dict[str, Any] = {"seed": problem.seed, "nthread": problem.threads, "verbosity": 0} | chosen
        match problem.schema.task:
            case "regression":
                settings |= {"objective": "reg:squarederror", "eval_metric": "rmse"}
            case "binclass":
                settings |= {"objective": "binary:logistic", "eval_metric": "logloss"}
            case "multiclass":
                settings |= {
                    "objective": "multi:softprob",
                    "eval_metric": "mlogloss",
                    "num_class": problem.k,
                }
        labels = {name: pd.Index(sorted(problem.x[name].unique())) for name in problem.schema.categorical}
        train = xgboost.DMatrix(_typed(problem.x, labels), label=problem.y, enable_categorical=True)
        watched = xgboost.DMatrix(
            _typed(problem.x_watched, labels), label=problem.y_watched, enable_categorical=True
        )
        stop = xgboost.callback.EarlyStopping(rounds=PATIENCE, save_best=True)
        booster = xgboost.train(
            settings, train, rounds, evals=[(watched, "watched")], verbose_eval=False, callbacks=[stop]
        )
        return XGBoostModel(booster, problem.schema, labels)


@dataclass(frozen=True)
class XGBoostModel:
    """A trained XGBoost as a predictor."""

    booster: Any
    schema: Schema
    labels: dict[str, pd.Index]

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        import xgboost

        found = self.booster.predict(xgboost.DMatrix(_typed(features, self.labels), enable_categorical=True))
        return np.column_stack([1 - found, found]) if self.schema.task == "binclass" else np.asarray(found)


def _typed(features: pd.DataFrame, labels: dict[str, pd.Index]) -> pd.DataFrame:
    """Features whose labels are those of training, in one order; one that training lacks is missing."""
    typed = {name: pd.Categorical(features[name], categories=known) for name, known in labels.items()}
    return features.assign(**typed)
