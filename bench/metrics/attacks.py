"""Attacks that tell members of the training rows from others by synthetic rows: each gives a suspicion for each row.

All see the same: the attacked rows, the synthetic ones, and a reference of fresh real rows that are none of either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tabstep.metrics.space import Points, nearest, squares

NEAR = 5  # neighbours that `local` counts

Attack = Callable[[Points, Points, Points], np.ndarray]


def calibrated(attacked: Points, synthetic: Points, reference: Points) -> np.ndarray:
    """Nearness to the synthetic rows, in parts of what is usual: less the share of that distance in both distances."""
    near, usual = (nearest(attacked, side)[:, 0] for side in (synthetic, reference))
    total = near + usual
    return np.asarray(-np.divide(near, total, out=np.full(len(near), 0.5), where=total > 0))


def closest(attacked: Points, synthetic: Points, reference: Points) -> np.ndarray:
    """Nearness to the synthetic rows alone (the distance to the closest record, as Chen et al. 2020 attack)."""
    return -nearest(attacked, synthetic)[:, 0]


def density(attacked: Points, synthetic: Points, reference: Points) -> np.ndarray:
    """Log ratio of two kernel densities, of synthetic and of reference rows (DOMIAS, van Breugel et al. 2023).

    Gaussian kernels, half as wide as the median distance of a reference row to the nearest other one: wide enough to
    reach the next rows, narrow enough that a copy stands out among them.
    """
    apart = nearest(reference, reference, 2)[:, 1]
    wide = float(np.median(apart[apart > 0])) / 2 if (apart > 0).any() else 1.0
    return np.asarray(_log_density(attacked, synthetic, wide) - _log_density(attacked, reference, wide))


def _log_density(points: Points, of: Points, wide: float) -> np.ndarray:
    from scipy.special import logsumexp

    parts = [logsumexp(-part / (2 * wide**2), axis=1) for _, part in squares(points, of)]
    return np.asarray(np.concatenate(parts) - np.log(len(of)))


def local(attacked: Points, synthetic: Points, reference: Points) -> np.ndarray:
    """Share of synthetic rows among the five nearest of both kinds: a ratio of densities, as fine as rows are dense.

    Ranks do not change where there are more rows of one kind, only how coarse the share is.
    """
    k = min(NEAR, len(synthetic), len(reference))
    both = [nearest(attacked, side, k) for side in (synthetic, reference)]
    reach = np.partition(np.hstack(both), k - 1, axis=1)[:, k - 1 : k]
    of_synthetic, of_reference = ((side <= reach).sum(1) for side in both)
    return np.asarray(of_synthetic / (of_synthetic + of_reference))


ATTACKS: Mapping[str, Attack] = {
    "calibrated": calibrated,
    "closest": closest,
    "density": density,
    "local": local,
}
