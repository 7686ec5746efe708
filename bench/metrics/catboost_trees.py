"""The CatBoost evaluator, with the settings of TabDDPM.

Two facts about CatBoost 1.2 that the published setting hides:

- `early_stopping_rounds=50` together with `od_pval=0.001` is not plain early stopping. Given to the
  constructor, the first is only a synonym of `od_wait`, and a p-value excludes the detector `Iter`; what runs
  is `IncToDec`, which waits 50 rounds *and* for its p-value, so it stops later than 50 rounds after the best
  one. It is written out below. The model is cut back to its best round in either case (`use_best_model`).
- `bagging_temperature` belongs to the Bayesian bootstrap. The default bootstrap on a CPU is MVS for Logloss
  and RMSE, where it does nothing; it acts for multiclass only. We keep the default, as the reference does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from tabstep.data.table import Dataset, Schema
from tabstep.metrics.efficacy import Problem, Split, efficacy, params_of

if TYPE_CHECKING:
    from optuna.trial import Trial

ITERATIONS = 2000
STOPPING = {"od_type": "IncToDec", "od_wait": 50, "od_pval": 0.001}


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
    def nominal(cls, schema: Schema) -> Self:
        """CatBoost's defaults as a point of the search space: what it adapts to the data is given a number.

        0.03 is the learning rate that its manual names; it takes 10 leaf iterations for Logloss, else 1.
        """
        iterations = 10 if schema.task == "binclass" else 1
        return cls(0.03, 6, 3.0, 1.0, iterations)

    @classmethod
    def suggest(cls, trial: Trial) -> Self:
        """The search space of TabDDPM."""
        return cls(
            learning_rate=trial.suggest_float("learning_rate", 1e-3, 1.0, log=True),
            depth=trial.suggest_int("depth", 3, 10),
            l2_leaf_reg=trial.suggest_float("l2_leaf_reg", 0.1, 10.0),
            bagging_temperature=trial.suggest_float("bagging_temperature", 0.0, 1.0),
            leaf_estimation_iterations=trial.suggest_int("leaf_estimation_iterations", 1, 10),
        )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping, say read from JSON; raises ValueError on a name that is not a field."""
        return params_of(cls, values)

    def __call__(self, problem: Problem) -> CatBoostModel:
        from catboost import CatBoostClassifier, CatBoostRegressor, Pool

        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        settings: dict[str, Any] = (
            {"iterations": ITERATIONS}
            | chosen
            | STOPPING
            | {
                "random_seed": problem.seed,
                "thread_count": problem.threads,
                "verbose": False,
                "allow_writing_files": False,
            }
        )
        if problem.schema.is_regression:
            model = CatBoostRegressor(loss_function="RMSE", eval_metric="RMSE", **settings)
        else:
            loss = "Logloss" if problem.schema.task == "binclass" else "MultiClass"
            # Naming the classes lets the watched rows hold one that the training rows lack.
            names = list(range(problem.k))
            model = CatBoostClassifier(
                loss_function=loss, eval_metric="TotalF1", class_names=names, **settings
            )
        categorical = list(problem.schema.categorical)
        model.fit(
            Pool(problem.x, label=problem.y, cat_features=categorical),
            eval_set=Pool(problem.x_watched, label=problem.y_watched, cat_features=categorical),
        )
        return CatBoostModel(model, problem.schema)


@dataclass(frozen=True)
class CatBoostModel:
    """A trained CatBoost as a predictor."""

    model: Any
    schema: Schema

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        from catboost import Pool

        pool = Pool(features, cat_features=list(self.schema.categorical))
        return np.asarray(
            self.model.predict(pool) if self.schema.is_regression else self.model.predict_proba(pool)
        )


def catboost_efficacy(
    synthetic: pd.DataFrame,
    dataset: Dataset,
    *,
    seed: int,
    params: CatBoostParams | Mapping[str, Any],
    split: Split = "test",
    threads: int = 1,
) -> dict[str, float]:
    """`efficacy` by CatBoost: its scores, with `catboost_` before their names."""
    chosen = params if isinstance(params, CatBoostParams) else CatBoostParams.of(params)
    found = efficacy(chosen, synthetic, dataset, seed=seed, split=split, threads=threads)
    return {f"catboost_{name}": value for name, value in found.items()}
