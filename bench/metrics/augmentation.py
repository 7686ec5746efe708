"""Augmentation: do synthetic rows beside real ones teach more than the real ones alone?"""

from __future__ import annotations

import pandas as pd

from tabstep.data.table import Dataset
from tabstep.metrics.efficacy import efficacy
from tabstep.metrics.space import chosen
from tabstep.metrics.xgboost_trees import XGBoostParams

SHARES = (10, 100)  # percent of the training rows
LEAST = 20  # rows that a share must have to be learned from


def augmentation(synthetic: pd.DataFrame, dataset: Dataset, *, seed: int) -> dict[str, float]:
    """What all synthetic rows add to 10 % and to 100 % of the training rows: macro-F1, or R2, on the test rows.

    augment_10, augment_100            score of the real and the synthetic rows together
    augment_10_real, augment_100_real  of the real rows alone
    augment_10_gain, augment_100_gain  the first less the second; above 0 they help

    By XGBoost with few rounds (`XGBoostParams.fast`), which stops by the validation rows. A copy of all training rows
    gains at 10 %, since it hands back the rows that were left out; that is no merit.
    """
    train = dataset.train
    name = "r2" if dataset.schema.is_regression else "f1_macro"
    learner = XGBoostParams.fast()
    scores: dict[str, float] = {}
    for share in SHARES:
        some = chosen(train, max(min(LEAST, len(train)), len(train) * share // 100), "training", seed=seed)
        alone = efficacy(learner, some, dataset, seed=seed)[name]
        both = efficacy(learner, pd.concat([some, synthetic], ignore_index=True), dataset, seed=seed)[name]
        scores |= {
            f"augment_{share}": both,
            f"augment_{share}_real": alone,
            f"augment_{share}_gain": both - alone,
        }
    return scores
