"""Attacks that tell members of the training rows from others by synthetic rows: each gives a suspicion for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from tabstep.metrics.space import Points, nearest, squares

NEAR = 5  # neighbours that `local` counts
KERNELS = 10_000  # synthetic rows in a density


@dataclass(frozen=True)
class View:
    """What an attacker has: all attacks see the same.

    attacked     n rows, members and others
    synthetic    the synthetic rows, or a part of them at random
    reference    fresh real rows, none of which is attacked or was in training
    near, usual  (n, k) distances to the nearest of all synthetic rows, and of the reference
    """

    attacked: Points
    synthetic: Points
    reference: Points
    near: np.ndarray
    usual: np.ndarray

    @classmethod
    def of(cls, attacked: Points, synthetic: Points, reference: Points, part: Points | None = None) -> Self:
        """`part` of the synthetic rows is what densities are of, all where there is none."""
        k = min(NEAR, len(synthetic), len(reference))
        near, usual = (nearest(attacked, side, k) for side in (synthetic, reference))
        return cls(attacked, synthetic if part is None else part, reference, near, usual)


Attack = Callable[[View], np.ndarray]


def calibrated(seen: View) -> np.ndarray:
    """Nearness to the synthetic rows, in parts of what is usual: less the share of that distance in both distances."""
    near, usual = seen.near[:, 0], seen.usual[:, 0]
    total = near + usual
    return np.asarray(-np.divide(near, total, out=np.full(len(near), 0.5), where=total > 0))


def closest(seen: View) -> np.ndarray:
    """Nearness to the synthetic rows alone (the distance to the closest record, as Chen et al. 2020 attack)."""
    return np.asarray(-seen.near[:, 0])


def density(seen: View) -> np.ndarray:
    """Log ratio of two kernel densities, of synthetic and of reference rows (DOMIAS, van Breugel et al. 2023).

    Gaussian kernels, half as wide as the median distance of a reference row to the nearest other one: wide enough to
    reach the next rows, narrow enough that a copy stands out among them.
    """
    apart = nearest(seen.reference, seen.reference, min(2, len(seen.reference)))[:, -1]
    wide = float(np.median(apart[apart > 0])) / 2 if (apart > 0).any() else 1.0
    of_synthetic, of_reference = (
        _log_density(seen.attacked, side, wide) for side in (seen.synthetic, seen.reference)
    )
    return np.asarray(of_synthetic - of_reference)


def _log_density(points: Points, of: Points, wide: float) -> np.ndarray:
    parts = [_log_sum_exp(part, -1 / (2 * wide**2)) for _, part in squares(points, of)]
    return np.asarray(np.concatenate(parts) - np.log(len(of)))


def _log_sum_exp(values: np.ndarray, factor: float) -> np.ndarray:
    """log sum exp(factor values) of each row; `values` is written over, for passes through memory are what it costs."""
    values *= factor
    most = values.max(axis=1, keepdims=True)
    values -= most
    np.exp(values, out=values)
    return np.asarray(np.log(values.sum(axis=1)) + most[:, 0])


def local(seen: View) -> np.ndarray:
    """Share of synthetic rows among the five nearest of both kinds: a ratio of densities, as fine as rows are dense.

    Ranks do not change where there are more rows of one kind, only how coarse the share is.
    """
    k = seen.near.shape[1]
    reach = np.partition(np.hstack([seen.near, seen.usual]), k - 1, axis=1)[:, k - 1 : k]
    of_synthetic, of_reference = ((side <= reach).sum(1) for side in (seen.near, seen.usual))
    return np.asarray(of_synthetic / (of_synthetic + of_reference))


ATTACKS: Mapping[str, Attack] = {
    "calibrated": calibrated,
    "closest": closest,
    "density": density,
    "local": local,
}
