"""Distance to the closest record: are synthetic rows nearer to the training rows than fresh real rows would be?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import Points, chosen, embed, nearest, neighbours

MOST = 5_000  # synthetic and holdout rows that are looked up; all training rows are there to be found


def dcr(
    synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Scores of the distances of synthetic rows, 5,000 at most, to real ones in the space of `embed`.

    dcr_median, dcr_mean  distance to the nearest training row: TabDDPM's code takes the median, its text says mean
    nndr                  median ratio of the distances to the nearest and the second nearest training row, 0 for
                          copies of distinct rows; 1 where both are 0
    authenticity          share of rows farther from their nearest training row than that is from another one
                          (Alaa et al. 2022)
    copies                share of rows at distance 0 from a training row
    *_expected            each of these of the holdout rows: what fresh real rows of such a table have
    dcr_share             from the share of rows nearer to a training row than to any holdout row, on a scale where
                          fresh real rows have 0.5, rows of which the part c are copies 0.5 + c / 2, and rows that are
                          never nearest to a training row 0; see `on_scale`

    Raises ValueError with fewer than two training rows or no holdout row.
    """
    if len(train) < 2 or len(holdout) < 1:
        raise ValueError(f"needs 2 training rows and a holdout row, got {len(train)} and {len(holdout)}")
    points, fresh = (embed(chosen(f, MOST, seed=seed), train, schema) for f in (synthetic, holdout))
    known = embed(train, train, schema)
    found, closest = _of(points, known)
    expected, _ = _of(fresh, known)
    apart = nearest(points, embed(holdout, train, schema))[:, 0]
    usual = len(train) / (len(train) + len(holdout))
    nearer = float(np.where(closest == apart, usual, closest < apart).mean())
    return (
        found
        | {f"{name}_expected": value for name, value in expected.items()}
        | {"dcr_share": on_scale(nearer, usual)}
    )


def on_scale(nearer: float, usual: float) -> float:
    """A share on the scale where `usual` is 0.5, in straight lines from there to 0 and to 1.

    Of n training and m holdout rows one of the training rows is the nearest to a fresh row in n / (n + m) of all cases,
    since it could have been any of them.
    """
    return 0.5 * nearer / usual if nearer <= usual else 0.5 + 0.5 * (nearer - usual) / (1 - usual)


def _of(points: Points, known: Points) -> tuple[dict[str, float], np.ndarray]:
    """Scores of some rows against the training rows, and their distances to the nearest one."""
    two, which = neighbours(points, known, 2)
    closest = two[:, 0]
    # 0 / 0 is a copy of a row that is twice in the training rows: no row of its own is given away.
    ratio = np.divide(closest, two[:, 1], out=np.ones(len(two)), where=two[:, 1] > 0)
    met, place = np.unique(which[:, 0], return_inverse=True)
    usual = nearest(known[met], known, 2)[:, 1]
    scores = {
        "dcr_median": float(np.median(closest)),
        "dcr_mean": float(closest.mean()),
        "nndr": float(np.median(ratio)),
        "authenticity": float((closest > usual[place]).mean()),
        "copies": float((closest == 0).mean()),
    }
    return scores, closest
