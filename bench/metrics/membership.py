"""Membership inference: can synthetic rows tell who was in the training set?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.areas import area_interval
from tabstep.metrics.attacks import ATTACKS, KERNELS, View
from tabstep.metrics.space import Points, chosen, embed

FALSE_POSITIVES = 0.01
MOST = 3_000  # holdout rows: half of them attacked, half the reference, and then the other way round

Fold = tuple[np.ndarray, np.ndarray]  # whether a row is a member, and its suspicion


def membership(
    synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Areas under the curve of attacks on membership (0.5: nothing leaks), and members found (0.01: nothing leaks).

    mia_auc                         of the attack by calibrated distances, with its 95 % interval in `_low`, `_high`
    mia_closest, mia_density, mia_local  of the other attacks of `attacks`
    mia_max                         the largest of the four: what one would find who tries them all
    mia_tpr, mia_max_tpr            share of members found by the first, and by the best of all, where at most 1 % of
                                    the others are accused

    Half of the holdout rows are the reference, which says how close rows are to their like; the other half are the
    others, and as many training rows the members; then the halves change places, and areas are the mean. The largest
    of four is above 0.5 by chance, by about half the width of the interval of `mia_auc`. Raises ValueError with fewer
    than four holdout or two training rows.
    """
    if len(holdout) < 4 or len(train) < 2:
        raise ValueError(f"needs 4 holdout and 2 training rows, got {len(holdout)} and {len(train)}")
    fresh = embed(chosen(holdout, MOST, "real", seed=seed), train, schema)
    half = len(fresh) // 2
    inside = embed(chosen(train, 2 * half, "training", seed=seed), train, schema)
    size = len(inside) // 2
    points = embed(synthetic, train, schema)
    some = embed(chosen(synthetic, KERNELS, "synthetic", seed=seed), train, schema)
    folds: dict[str, list[Fold]] = {name: [] for name in ATTACKS}
    for i, (outside, reference) in enumerate(((fresh[half:], fresh[:half]), (fresh[:half], fresh[half:]))):
        members = inside[slice(i * size, (i + 1) * size)]
        attacked = joined(members, outside)
        member = np.arange(len(attacked)) < len(members)
        seen = View.of(attacked, points, reference, some)
        for name, attack in ATTACKS.items():
            folds[name].append((member, attack(seen)))
    areas = {name: area_interval(parts) for name, parts in folds.items()}
    found = {name: float(np.mean([_found(*part) for part in parts])) for name, parts in folds.items()}
    return {
        **dict(zip(("mia_auc", "mia_auc_low", "mia_auc_high"), areas["calibrated"], strict=True)),
        **{f"mia_{name}": areas[name][0] for name in ("closest", "density", "local")},
        "mia_max": max(area for area, _, _ in areas.values()),
        "mia_tpr": found["calibrated"],
        "mia_max_tpr": max(found.values()),
    }


def joined(a: Points, b: Points) -> Points:
    """The points of both, in turn."""
    codes = np.concatenate([a.codes, b.codes]) if a.codes.size else a.codes
    return Points(np.concatenate([a.x, b.x]), codes)


def _found(member: np.ndarray, suspicion: np.ndarray) -> float:
    from sklearn.metrics import roc_curve

    wrong, found, _ = roc_curve(member, suspicion)
    return float(found[wrong <= FALSE_POSITIVES].max())
