"""Trend: how well the dependence of each pair of columns is met, with the definitions of sdmetrics 0.11.

No threshold on the real dependence and no subsampling, which later versions have. That definition bins numbers of the
two tables each by its own range, so that a stretched column goes unseen beside a category; `trend_corrected` bins
both by the real range.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

BINS = 10


def trend(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """`trend` and `trend_corrected`, means of `pair_similarity` over pairs that have one, in 0..1; 1 without any."""
    edges = {c: _edges(real[c]) for c in schema.numbers}
    own = {c: _edges(synthetic[c]) for c in schema.numbers}
    published = pair_similarity(synthetic, real, schema, own, edges)
    corrected = pair_similarity(synthetic, real, schema, edges, edges, known=published)
    return {"trend": _mean(published), "trend_corrected": _mean(corrected)}


def _mean(similarity: np.ndarray) -> float:
    return 1.0 if np.isnan(similarity).all() else float(np.nanmean(similarity))


def pair_similarity(
    synthetic: pd.DataFrame,
    real: pd.DataFrame,
    schema: Schema,
    synthetic_edges: dict[str, np.ndarray],
    real_edges: dict[str, np.ndarray],
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Similarity of every pair of `schema.columns`, in the order of `itertools.combinations`.

    Two numbers: 1 - |r - s| / 2 for their Pearson correlations over rows where both are present; NaN where a
    correlation does not exist (a constant column). Otherwise one minus the total variation distance of the joint
    frequencies, numbers binned at the inner edges given for each table.

    known  what other edges gave: pairs of two numbers and of two labels, which no edges touch, are taken from there
    """
    numbers = {c: i for i, c in enumerate(schema.numbers)}
    s, r = (_correlations(frame, schema) for frame in (synthetic, real)) if known is None else (None, None)
    codes = {
        c: (
            (_bins(synthetic[c], synthetic_edges[c]), _bins(real[c], real_edges[c]))
            if c in numbers
            else _labels(synthetic[c], real[c])
        )
        for c in schema.columns
    }
    found = np.empty(len(schema.columns) * (len(schema.columns) - 1) // 2)
    for place, (a, b) in enumerate(combinations(schema.columns, 2)):
        if known is not None and (a in numbers) == (b in numbers):
            found[place] = known[place]
        elif s is not None and r is not None and a in numbers and b in numbers:
            at = numbers[a], numbers[b]
            found[place] = 1 - abs(float(s[at]) - float(r[at])) / 2
        else:
            found[place] = 1 - _joint_distance(codes[a], codes[b])
    return found


def _correlations(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    return frame[list(schema.numbers)].astype(np.float64).corr().to_numpy()


def _edges(column: pd.Series) -> np.ndarray:
    present = column.dropna().to_numpy(np.float64)
    return np.histogram_bin_edges(present, bins=BINS)


def _bins(column: pd.Series, edges: np.ndarray) -> np.ndarray:
    """Bin of each value: 0 below the first edge, BINS + 1 from the last edge on (so its maximum is alone)."""
    # np.digitize puts NaN beyond the last edge, as sdmetrics does.
    return np.asarray(np.digitize(column.to_numpy(np.float64), edges))


def _labels(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    codes, _ = pd.factorize(pd.concat([a, b]), use_na_sentinel=False)
    return codes[: len(a)], codes[len(a) :]


def _joint_distance(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Total variation distance of the joint frequencies of two coded columns in two tables."""
    width = 1 + max(int(side.max()) for side in b)
    joint = [x * width + y for x, y in zip(a, b, strict=True)]
    size = 1 + max(int(side.max()) for side in joint)
    if size > sum(map(len, joint)):  # more cells than rows: those that hold a row are numbered anew
        _, cell = np.unique(np.concatenate(joint), return_inverse=True)
        joint, size = [cell[: len(joint[0])], cell[len(joint[0]) :]], int(cell.max()) + 1
    p, q = (np.bincount(side, minlength=size) / len(side) for side in joint)
    return float(np.abs(p - q).sum() / 2)
