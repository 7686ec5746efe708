"""The space in which rows have distances: that of TabDDPM's privacy score, and nearest neighbours in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

FEW = 100  # a column of more labels is kept as codes: one-hot it would be all of the memory
FAR = 1e6  # a number lies this many ranges away at most, so that squares of what is absurd are still numbers
CHUNK = 2**22  # distances at once
Side = Literal["real", "synthetic", "training"]
SIDES: dict[Side, np.uint64] = {"real": np.uint64(0), "synthetic": np.uint64(1), "training": np.uint64(2)}
NEAR = 1e-4  # distances below are those of differences, and not of products
MORE = 32  # others that are asked for beside the nearest, where products cannot tell which are
SLACK = 1e-9  # by which equal squared distances may come out apart, of columns in units of their range


@dataclass(frozen=True)
class Points:
    """Rows as points.

    x      (n, d) float64, numbers, and labels one-hot over the square root of 2
    codes  (n, c) int32, labels of columns with many: a difference is the distance 1, as of those
    """

    x: np.ndarray
    codes: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int32))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: np.ndarray | slice) -> Points:
        return Points(self.x[rows], self.codes[rows] if self.codes.size else self.codes)


def embed(rows: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> Points:
    """Rows as points, the target among their columns.

    Numbers are scaled to 0..1 by the range of the training rows (and not cut off outside of it, below `FAR` ranges), a
    difference of labels is the distance 1. A missing label is a label; a missing number is the middle of the range and
    a difference of 1 to every number that is present; so has another number in a column of which the training rows have
    one value. A label that the training rows lack is at equal distance from all
    of theirs.
    """
    columns, coded = [], []
    for name in schema.numbers:
        known = train[name].dropna().to_numpy(np.float64)
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        x = rows[name].to_numpy(np.float64)
        gone = np.isnan(x)
        scaled = (x - low) / (high - low) if high > low else (x != low).astype(np.float64)
        columns.append(np.clip(np.where(gone, 0.5, scaled), -FAR, FAR))
        columns.append(gone.astype(np.float64))
    for name in schema.labels:
        # Sorted, so that the order of the training rows is not that of columns, by which trees break ties.
        labels = sorted(pd.unique(train[name]), key=lambda label: (pd.isna(label), str(label)))
        # factorize of the known labels first gives them the same codes for whatever rows follow.
        both = pd.concat([pd.Series(labels, dtype=object), rows[name].astype(object)])
        codes, _ = pd.factorize(both, use_na_sentinel=False)
        codes = np.minimum(codes[len(labels) :], len(labels))  # all unseen ones share a place
        if len(labels) <= FEW:
            columns.extend(np.eye(len(labels) + 1)[:, codes] / np.sqrt(2))
        else:
            coded.append(codes.astype(np.int32))
    x = np.ascontiguousarray(np.column_stack(columns)) if columns else np.zeros((len(rows), 0))
    return Points(x, np.column_stack(coded)) if coded else Points(x)


def chosen(rows: pd.DataFrame, n: int, side: Side, *, seed: int) -> pd.DataFrame:
    """n rows at random, all where there are no more; which ones hangs on what is in them, not on any order.

    Neither rows nor columns in another order give another choice, so a score of a part has no such luck in it. Equal
    rows are drawn each by itself, and each side by itself: a part has as large a share of them as the whole has, up to
    chance, whatever parts of other sides have.
    """
    mixed = np.zeros(len(rows), np.uint64)
    with np.errstate(over="ignore"):
        for name in rows.columns:
            column = rows[name]
            number = pd.api.types.is_numeric_dtype(column)
            values = column.to_numpy(np.float64) if number else column.astype(str).to_numpy(object)
            salt = pd.util.hash_array(np.array([f"{name}"], object))[0]
            mixed += _mixed(pd.util.hash_array(values) + salt)
        again = pd.Series(mixed).groupby(mixed).cumcount().to_numpy(np.uint64)
        order = np.argsort(
            _mixed(mixed + np.uint64(seed) + _mixed(again) + _mixed(np.array(SIDES[side]))), kind="stable"
        )
    return rows.iloc[order[:n]]


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al. 2014): near numbers become far ones."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def nearest(points: Points, others: Points, k: int = 1) -> np.ndarray:
    """Distances (n, k) of each point to its k nearest others, rising; exact, in memory that grows with n alone."""
    return neighbours(points, others, k)[0]


def neighbours(points: Points, others: Points, k: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Distances (n, k) and places of the k nearest others; see `nearest`."""
    # Columns that are the same number everywhere, such as flags of gaps in a table without, cost time only.
    vary = (points.x != others.x[0]).any(0) | (others.x != others.x[0]).any(0)
    points, others = (Points(np.ascontiguousarray(side.x[:, vary]), side.codes) for side in (points, others))
    if not (points.codes.size or vary.any()):
        return np.zeros((len(points), k)), np.tile(np.arange(k), (len(points), 1))
    distances, index = _by_products(points, others, k)
    # |x|^2 - 2xy + |y|^2 leaves a small positive rest where two rows are equal, and cannot tell apart what is nearer
    # than that. Copies must have distance 0 and come first.
    close = np.flatnonzero(distances[:, 0] < NEAR)
    if len(close):
        here = points[close]
        found = np.concatenate(
            [_equal(here, others, k), _by_products(here, others, min(k + MORE, len(others)))[1]], axis=1
        )
        distances[close], index[close] = _by_differences(here, others, found, k)
    return distances, index


def _by_products(points: Points, others: Points, k: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.neighbors import NearestNeighbors

    if points.codes.size:
        parts = [_nearest(part, k) for _, part in squares(points, others)]
        squared, index = (np.concatenate(found) for found in zip(*parts, strict=True))
        return np.sqrt(squared), index
    distances, index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(others.x).kneighbors(points.x)
    return np.asarray(distances), np.asarray(index)


def _equal(points: Points, others: Points, k: int) -> np.ndarray:
    """Places (n, k) of others that equal a point, or if there are none, of some that do not."""
    here, there = (_hashes(side) for side in (points, others))
    order = np.argsort(there, kind="stable")
    first = np.searchsorted(there[order], here)
    return np.asarray(order[np.minimum(first[:, None] + np.arange(k), len(order) - 1)])


def _hashes(points: Points) -> np.ndarray:
    columns = [points.x + 0.0, points.codes] if points.codes.size else [points.x + 0.0]  # -0 equals 0
    return pd.util.hash_pandas_object(pd.DataFrame(np.column_stack(columns)), index=False).to_numpy()


def _by_differences(
    points: Points, others: Points, places: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and places (n, k) of the k nearest of these others (n, m), of which some may be named twice."""
    order = np.argsort(places, axis=1, kind="stable")
    places = np.take_along_axis(places, order, axis=1)
    apart = np.stack([_apart(points, others[column]) for column in places.T], axis=1)
    apart[:, 1:][places[:, 1:] == places[:, :-1]] = np.inf
    order = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(apart, order, axis=1), np.take_along_axis(places, order, axis=1)


def _apart(points: Points, others: Points) -> np.ndarray:
    squared = np.square(points.x - others.x).sum(1)
    if points.codes.size:
        squared += (points.codes != others.codes).sum(1)
    return np.asarray(np.sqrt(squared))


def _nearest(squared: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    index = np.argpartition(squared, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(squared, index, axis=1)
    order = np.argsort(values, axis=1)
    return np.take_along_axis(values, order, axis=1), np.take_along_axis(index, order, axis=1)


def squares(points: Points, others: Points) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances of points to all others, some rows at a time: which, and (rows, m)."""
    from sklearn.metrics import euclidean_distances

    step = max(1, CHUNK // max(len(others), 1))
    for start in range(0, len(points), step):
        rows = slice(start, min(start + step, len(points)))
        if points.x.shape[1]:
            squared = euclidean_distances(points.x[rows], others.x, squared=True)
        else:
            squared = np.zeros((rows.stop - rows.start, len(others)))
        for j in range(points.codes.shape[1]):
            squared += points.codes[rows, j, None] != others.codes[:, j]
        yield rows, squared


def within(squared: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Which squared distances are at most `reach` squared, up to rounding.

    Rows of labels and whole numbers have many distances that are equal, and come out apart in their last bits: which
    of them count would be chance.
    """
    return np.asarray(squared <= np.square(reach) * (1 + SLACK) + SLACK)


def from_centre(points: Points, of: Points) -> np.ndarray:
    """Distances (n,) of points to the mean of others, whose labels are shares of it."""
    squared = np.square(points.x - of.x.mean(0)).sum(1)
    for j in range(points.codes.shape[1]):
        share = np.bincount(of.codes[:, j], minlength=int(points.codes[:, j].max()) + 1) / len(of)
        squared += (1 - 2 * share[points.codes[:, j]] + np.square(share).sum()) / 2
    return np.asarray(np.sqrt(squared))
