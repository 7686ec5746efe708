"""Trend: how well the dependence of each pair of columns is met, with the definitions of sdmetrics 0.11.

No threshold on the real dependence and no subsampling, which later versions have. That definition bins numbers of the
two tables each by its own range, so that a stretched column goes unseen beside a category, puts gaps beside the
largest values, and leaves out two numbers where one is constant in the rows drawn; `trend_corrected` bins both by the
real range, gaps by themselves, and takes constant columns for uncorrelated ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

BINS = 10


@dataclass(frozen=True)
class Coded:
    """A column of both tables as codes 0..width - 1, of bins or of labels."""

    synthetic: np.ndarray
    real: np.ndarray
    width: int

    @classmethod
    def of(cls, synthetic: np.ndarray, real: np.ndarray) -> Self:
        return cls(synthetic, real, 1 + max(int(synthetic.max()), int(real.max())))


def trend(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """`trend` and `trend_corrected`, means of `pair_similarity` over pairs that have one, in 0..1; 1 without any."""
    published, corrected = _similarities(synthetic, real, schema)
    return {"trend": _mean(published), "trend_corrected": _mean(corrected)}


def by_pair(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema) -> dict[tuple[str, str], float]:
    """The similarity of each pair of columns of which `trend_corrected` is the mean; NaN where the real pair has no
    correlation."""
    _, corrected = _similarities(synthetic, real, schema)
    return dict(zip(combinations(schema.columns, 2), corrected.tolist(), strict=True))


def _similarities(
    synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema
) -> tuple[np.ndarray, np.ndarray]:
    """`pair_similarity` by the published bins, and by those of the real rows."""
    labels = {c: Coded.of(*_labels(synthetic[c], real[c])) for c in schema.labels}
    edges = {c: _edges(real[c]) for c in schema.numbers}
    own = {
        c: Coded.of(_bins(synthetic[c], _edges(synthetic[c])), _bins(real[c], edges[c]))
        for c in schema.numbers
    }
    same = {
        c: Coded.of(_bins_and_gaps(synthetic[c], edges[c]), _bins_and_gaps(real[c], edges[c]))
        for c in schema.numbers
    }
    drawn, wanted = (correlations(frame, schema) for frame in (synthetic, real))
    published = pair_similarity(schema, labels | own, 1 - np.abs(wanted - drawn) / 2)
    there = 1 - np.abs(wanted - np.nan_to_num(drawn)) / 2
    # Pairs of two labels have no bins, and need not be counted twice.
    return published, pair_similarity(schema, labels | same, there, known=published)


def _mean(similarity: np.ndarray) -> float:
    return 1.0 if np.isnan(similarity).all() else float(np.nanmean(similarity))


def pair_similarity(
    schema: Schema, codes: Mapping[str, Coded], alone: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray:
    """Similarity of every pair of `schema.columns`, in the order of `itertools.combinations`.

    Two numbers: 1 - |r - s| / 2 for their Pearson correlations over rows where both are present, which `alone` has; NaN
    where a correlation does not exist (a constant column). Otherwise one minus the total variation distance of the
    joint frequencies of their codes.

    known  the similarities with other bins: those of two labels are taken from there
    """
    numbers = {c: i for i, c in enumerate(schema.numbers)}
    found = np.empty(len(schema.columns) * (len(schema.columns) - 1) // 2)
    for place, (a, b) in enumerate(combinations(schema.columns, 2)):
        if a in numbers and b in numbers:
            found[place] = alone[numbers[a], numbers[b]]
        elif known is not None and a not in numbers and b not in numbers:
            found[place] = known[place]
        else:
            found[place] = 1 - _joint_distance(codes[a], codes[b])
    return found


def correlations(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    """Pearson correlations (d, d) of the number columns over rows where both are present, NaN where there is none.

    Columns are divided by a power of two near their largest value, which changes no bit of a correlation: of numbers of
    1e200 or 1e-200 the squares are none.
    """
    numbers = frame[list(schema.numbers)].astype(np.float64)
    _, exponents = np.frexp(numbers.abs().max().to_numpy())
    scaled = pd.DataFrame(np.ldexp(numbers.to_numpy(), -exponents), columns=numbers.columns)
    return np.asarray(scaled.corr().to_numpy())


def _edges(column: pd.Series) -> np.ndarray:
    present = column.dropna().to_numpy(np.float64)
    return np.histogram_bin_edges(present, bins=BINS)


def _bins(column: pd.Series, edges: np.ndarray) -> np.ndarray:
    """Bin of each value: 0 below the first edge, BINS + 1 from the last edge on (so its maximum is alone)."""
    # np.digitize puts NaN beyond the last edge, as sdmetrics does.
    return np.asarray(np.digitize(column.to_numpy(np.float64), edges))


def _bins_and_gaps(column: pd.Series, edges: np.ndarray) -> np.ndarray:
    """The same, gaps in a bin of their own."""
    return np.where(column.isna(), len(edges) + 1, _bins(column, edges))


def _labels(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    codes, _ = pd.factorize(pd.concat([a, b]), use_na_sentinel=False)
    return codes[: len(a)], codes[len(a) :]


def _joint_distance(a: Coded, b: Coded) -> float:
    """Total variation distance of the joint frequencies of two coded columns in two tables."""
    joint = [a.synthetic * b.width + b.synthetic, a.real * b.width + b.real]
    size = a.width * b.width
    if size > sum(map(len, joint)):  # more cells than rows: those that hold a row are numbered anew
        _, cell = np.unique(np.concatenate(joint), return_inverse=True)
        joint, size = [cell[: len(joint[0])], cell[len(joint[0]) :]], int(cell.max()) + 1
    p, q = (np.bincount(side, minlength=size) / len(side) for side in joint)
    return float(np.abs(p - q).sum() / 2)
