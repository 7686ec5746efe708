"""Distance to the closest record: are synthetic rows nearer to the training rows than fresh real rows would be?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import embed, nearest


def dcr(
    synthetic: pd.DataFrame, train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Scores of the distances of synthetic rows to real ones in the space of `embed`.

    dcr_median, dcr_mean  distance to the nearest training row: TabDDPM's code takes the median, its text says mean
    dcr_share             share of rows nearer to a training row than to a holdout row, ties by half, training and
                          holdout rows cut at random to the same number: 0.5 for fresh real rows, 1 for copies
    nndr                  median ratio of the distances to the nearest and the second nearest training row, 0 for
                          copies of distinct rows; 1 where both are 0
    copies                share of rows at distance 0 from a training row
    copies_expected       the same of the holdout rows: what fresh real rows of such a table have

    Raises ValueError with fewer than two training rows or no holdout row.
    """
    if len(train) < 2 or len(holdout) < 1:
        raise ValueError(f"needs 2 training rows and a holdout row, got {len(train)} and {len(holdout)}")
    points, known, fresh = (embed(frame, train, schema) for frame in (synthetic, train, holdout))
    two = nearest(points, known, 2)
    closest = two[:, 0]
    # 0 / 0 is a copy of a row that is twice in the training rows: no row of its own is given away.
    ratio = np.divide(closest, two[:, 1], out=np.ones(len(two)), where=two[:, 1] > 0)
    n = min(len(known), len(fresh))
    rng = np.random.default_rng(seed)
    to_known, to_fresh = (
        nearest(points, side[rng.permutation(len(side))[:n]])[:, 0] for side in (known, fresh)
    )
    return {
        "dcr_median": float(np.median(closest)),
        "dcr_mean": float(closest.mean()),
        "dcr_share": float(((to_known < to_fresh) + 0.5 * (to_known == to_fresh)).mean()),
        "nndr": float(np.median(ratio)),
        "copies": float((closest == 0).mean()),
        "copies_expected": float((nearest(fresh, known)[:, 0] == 0).mean()),
    }
