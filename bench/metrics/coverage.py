"""Coverage: do synthetic rows lie where real ones do, and everywhere that real ones do?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.space import Points, chosen, embed, from_centre, nearest, neighbours, squares, within

MOST = 5_000  # rows of either side; the time grows with their square, the scores hardly change
NEIGHBOURS = 5  # the radius of a real row's ball is its distance to this nearest real one (Naeem et al. 2020)


def coverage(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Scores of as many synthetic rows as real ones, 5,000 at most, drawn at random, in the space of `embed`.

    density, coverage                 see `balls`; 1 and `coverage_expected` for fresh real rows
    alpha_precision, beta_recall      see `support`; near 1 for fresh real rows of few columns
    beta_recall_published             the same as published; about 0.5 for fresh real rows

    Where there are fewer synthetic rows than real ones, all real ones count still: what few rows leave out is missing.
    Rows of `real` and `synthetic` are scaled by the range of `train`. Raises ValueError with fewer than seven rows of
    either.
    """
    n = min(len(real), MOST)
    m = min(len(synthetic), n)
    if min(n, m) < NEIGHBOURS + 2:
        raise ValueError(f"needs {NEIGHBOURS + 2} rows, got {len(synthetic)} and {len(real)}")
    x = embed(chosen(real, n, "real", seed=seed), train, schema)
    y = embed(chosen(synthetic, m, "synthetic", seed=seed), train, schema)
    return balls(x, y) | {"coverage_expected": expected_coverage(n, m)} | support(x, y)


def expected_coverage(n: int, m: int) -> float:
    """Coverage of n real rows by m fresh ones of the same continuous law, whatever it is; rows that coincide have less.

    A real row is left out when its k nearest of all n - 1 + m others are real: C(n-1, k) / C(n-1+m, k).
    """
    steps = np.arange(NEIGHBOURS)
    return float(1 - np.prod((n - 1 - steps) / (n - 1 + m - steps)))


def balls(real: Points, synthetic: Points) -> dict[str, float]:
    """`density` and `coverage` (Naeem et al. 2020), by balls around real rows that reach their k-th real neighbour.

    density   mean over synthetic rows of the number of balls that hold them, over k
    coverage  share of balls that hold a synthetic row
    """
    radius = nearest(real, real, NEIGHBOURS + 1)[:, -1:]
    held = np.concatenate([within(part, radius[rows]).sum(1) for rows, part in squares(real, synthetic)])
    return {
        "density": float(held.sum() / (NEIGHBOURS * len(synthetic))),
        "coverage": float((held > 0).mean()),
    }


def support(real: Points, synthetic: Points) -> dict[str, float]:
    """`alpha_precision` and `beta_recall` (Alaa et al. 2022), in -1..1.

    The alpha-support of a sample is the ball around its mean that holds the share alpha of it. In many dimensions the
    nearest of any rows lie towards the centre, so that fresh rows have less than 1: of normal columns `beta_recall` is
    .97 in two dimensions, .73 in ten, .54 in twenty. Rows with too little spread may have more.

    alpha_precision        1 - 2 * area between the curve and the diagonal, of the share of synthetic rows inside the
                           alpha-support of the real ones
    beta_recall            the same of the share of real rows whose nearest synthetic row is nearer than their k-th real
                           neighbour and in the synthetic beta-support
    beta_recall_published  as the authors' code has it: nearer than the first real neighbour, and in the beta-support of
                           those synthetic rows that are nearest to a real one. That puts fresh real rows at about 0.5;
                           it is what others print under the name
    """
    inside = _rank(from_centre(synthetic, real), from_centre(real, real))
    reach = nearest(real, real, NEIGHBOURS + 1)
    distance, which = (found[:, 0] for found in neighbours(real, synthetic))
    far = from_centre(synthetic, synthetic)
    squared = np.square(distance)
    found = np.where(within(squared, reach[:, -1]), _rank(far, far)[which], np.inf)
    published = np.where(within(squared, reach[:, 1]), _rank(far[which], far[which]), np.inf)
    return {
        "alpha_precision": _along_diagonal(inside),
        "beta_recall": _along_diagonal(found),
        "beta_recall_published": _along_diagonal(published),
    }


def _rank(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Smallest share of `of` whose largest member reaches each value; infinite beyond all."""
    place = np.searchsorted(np.sort(of), values, side="left") + 1
    return np.where(place > len(of), np.inf, place / len(of))


def _along_diagonal(first: np.ndarray) -> float:
    """1 - 2 * integral over a in 0..1 of |share(first <= a) - a|: 1 on the diagonal, 0 where none or all are in."""
    a = np.linspace(0, 1, 1001)
    share = np.searchsorted(np.sort(first), a, side="right") / len(first)
    return float(1 - 2 * np.trapezoid(np.abs(share - a), a))
