"""The evaluators beside CatBoost that a suite names, or that a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from tabstep.data.table import Dataset
from tabstep.metrics.efficacy import Learner, Split, efficacy, params_of
from tabstep.metrics.mlp import MLPParams
from tabstep.metrics.simple import simple_efficacy
from tabstep.metrics.xgboost_trees import XGBoostParams

VERSION = 1  # raise when a score of one of them changes for the same rows

NAMES = ("xgboost", "mlp", "simple")


def score(
    name: str,
    params: Mapping[str, Any],
    synthetic: pd.DataFrame,
    dataset: Dataset,
    *,
    seed: int,
    split: Split,
    threads: int,
) -> dict[str, float]:
    """Scores by one of `NAMES`, its name before theirs; see `efficacy`. The simple ones have no parameters."""
    if name == "simple":
        return simple_efficacy(synthetic, dataset, seed=seed, split=split, threads=threads)
    xgboost = name == "xgboost"
    learner: Learner = params_of(XGBoostParams, params) if xgboost else params_of(MLPParams, params)
    found = efficacy(learner, synthetic, dataset, seed=seed, split=split, threads=threads)
    return {f"{name}_{score}": value for score, value in found.items()}
