"""Distance to the closest record: are synthetic rows nearer to the training rows than fresh real rows would be?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import Points, chosen, embed, nearest, neighbours, squares, within

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
    dcr_share             from the share of rows whose nearest real row is a training row, on a scale where fresh real
                          rows have 0.5, rows of which the part c are copies of unique rows 0.5 + c / 2, and rows that
                          are never nearest to a training row 0; see `on_scale`. Of several real rows that are equally
                          near each is as good as any: a row counts by the training rows among them

    Raises ValueError with fewer than two training rows or no holdout row.
    """
    if len(train) < 2 or len(holdout) < 1:
        raise ValueError(f"needs 2 training rows and a holdout row, got {len(train)} and {len(holdout)}")
    points = embed(chosen(synthetic, MOST, "synthetic", seed=seed), train, schema)
    fresh = embed(chosen(holdout, MOST, "real", seed=seed), train, schema)
    known = embed(train, train, schema)
    found, closest = _of(points, known)
    expected, _ = _of(fresh, known)
    nearer = float(_shares(points, closest, known, embed(holdout, train, schema)).mean())
    usual = len(train) / (len(train) + len(holdout))
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


def _shares(points: Points, closest: np.ndarray, known: Points, others: Points) -> np.ndarray:
    """Share of known rows among the rows of both that are nearest to each point (n,); `closest` is how near they are.

    A row that is as fresh as the others has each of the real rows nearest with the same chance, so that the mean of
    these shares is that of known rows, whether distances are equal or not.
    """
    apart = nearest(points, others)[:, 0]
    tied = within(np.square(closest), apart) & within(np.square(apart), closest)
    shares = (closest < apart).astype(np.float64)
    if tied.any():
        reach = np.minimum(closest, apart)[tied, None]
        mine, theirs = (
            np.concatenate([within(part, reach[rows]).sum(1) for rows, part in squares(points[tied], side)])
            for side in (known, others)
        )
        shares[tied] = mine / (mine + theirs)
    return shares


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
        "authenticity": float((~within(np.square(closest), usual[place])).mean()),
        "copies": float((closest == 0).mean()),
    }
    return scores, closest
