"""Membership inference: can synthetic rows tell who was in the training set?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import embed, nearest

FALSE_POSITIVES = 0.01


def membership(
    synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """`mia_auc` (0.5: nothing leaks) and `mia_tpr` (0.01: nothing leaks), of an attack by calibrated distances.

    Half of the holdout rows are the reference, which says how close rows are to their like; the other half are the
    non-members, and as many training rows the members. A row is called a member when it is nearer to the synthetic
    rows than to the reference, by the share of the first distance in both. `mia_tpr` is the share of members found
    where at most 1 % of non-members are accused. Raises ValueError with fewer than two holdout rows.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    if len(holdout) < 2:
        raise ValueError(f"needs 2 holdout rows, got {len(holdout)}")
    rng = np.random.default_rng(seed)
    fresh = rng.permutation(len(holdout))
    half = len(holdout) // 2
    reference, outside = holdout.iloc[fresh[:half]], holdout.iloc[fresh[half:]]
    inside = train.iloc[rng.permutation(len(train))[: len(outside)]]
    attacked = np.concatenate([embed(frame, train, schema) for frame in (inside, outside)])
    near = nearest(attacked, embed(synthetic, train, schema))[:, 0]
    usual = nearest(attacked, embed(reference, train, schema))[:, 0]
    total = near + usual
    suspicion = -np.divide(near, total, out=np.full(len(near), 0.5), where=total > 0)
    member = np.arange(len(attacked)) < len(inside)
    wrong, found, _ = roc_curve(member, suspicion)
    return {
        "mia_auc": float(roc_auc_score(member, suspicion)),
        "mia_tpr": float(found[wrong <= FALSE_POSITIVES].max()),
    }
