"""Coverage: do synthetic rows lie where real ones do, and everywhere that real ones do?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from tabstep.data.table import Schema
from tabstep.metrics.one_class import one_class
from tabstep.metrics.space import embed, nearest

MOST = 5_000  # rows of either side; the time grows with their square, the scores hardly change
NEIGHBOURS = 5  # the radius of a real row's ball is its distance to this nearest real one (Naeem et al. 2020)


def coverage(
    synthetic: pd.DataFrame, real: pd.DataFrame, train: pd.DataFrame, schema: Schema, *, seed: int
) -> dict[str, float]:
    """Scores of as many synthetic rows as real ones, 5,000 at most, drawn at random, in the space of `embed`.

    density, coverage                 see `balls`; 1 and `expected_coverage` for fresh real rows
    alpha_precision, beta_recall      see `support`; 1 for fresh real rows, up to the sample
    *_oc                              the same after a one-class embedding, as Alaa et al. 2022 have it

    Rows of `real` and `synthetic` are scaled by the range of `train`. Raises ValueError with fewer than seven rows of
    either.
    """
    n = min(len(synthetic), len(real), MOST)
    if n < NEIGHBOURS + 2:
        raise ValueError(f"needs {NEIGHBOURS + 2} rows, got {len(synthetic)} and {len(real)}")
    rng = np.random.default_rng(seed)
    x, y = (embed(f, train, schema)[rng.permutation(len(f))[:n]] for f in (real, synthetic))
    learned = one_class(embed(train, train, schema), seed=seed)  # not of `real`, whose rows it would know
    oc = support(learned(x), learned(y))
    return balls(x, y) | support(x, y) | {f"{name}_oc": value for name, value in oc.items()}


def expected_coverage(n: int, m: int) -> float:
    """Coverage of n real rows by m fresh ones of the same continuous law, whatever it is.

    A real row is left out when its k nearest of all n - 1 + m others are real: C(n-1, k) / C(n-1+m, k).
    """
    steps = np.arange(NEIGHBOURS)
    return float(1 - np.prod((n - 1 - steps) / (n - 1 + m - steps)))


def balls(real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """`density` and `coverage` (Naeem et al. 2020), by balls around real rows that reach their k-th real neighbour.

    density   mean over synthetic rows of the number of balls that hold them, over k
    coverage  share of balls that hold a synthetic row
    """
    from sklearn.metrics import pairwise_distances_chunked

    radius = nearest(real, real, NEIGHBOURS + 1)[:, -1:]
    chunks = _chunks(pairwise_distances_chunked(real, synthetic))
    held = np.concatenate([(part <= radius[rows]).sum(1) for rows, part in chunks])
    return {
        "density": float(held.sum() / (NEIGHBOURS * len(synthetic))),
        "coverage": float((held > 0).mean()),
    }


def _chunks(parts: Iterable[np.ndarray]) -> Iterator[tuple[slice, np.ndarray]]:
    start = 0
    for part in parts:
        yield slice(start, start + len(part)), part
        start += len(part)


def support(real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """`alpha_precision` and `beta_recall` (Alaa et al. 2022), in 0..1.

    The alpha-support of a sample is the ball around its mean that holds the share alpha of it.

    alpha_precision  1 - 2 * area between the curve and the diagonal, of the share of synthetic rows inside the
                     alpha-support of the real ones
    beta_recall      the same of the share of real rows whose nearest synthetic row is nearer than their k-th real
                     neighbour and in the synthetic beta-support. The paper takes the nearest one in that support, which
                     puts fresh real rows off the diagonal by 0.05 to 0.5.
    """
    centre = real.mean(0)
    inside = _rank(np.linalg.norm(synthetic - centre, axis=1), np.linalg.norm(real - centre, axis=1))
    reach = nearest(real, real, NEIGHBOURS + 1)[:, -1]
    return {
        "alpha_precision": _along_diagonal(inside),
        "beta_recall": _along_diagonal(_recalled_from(real, synthetic, reach)),
    }


def _rank(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Smallest share of `of` whose largest member reaches each value; infinite beyond all."""
    place = np.searchsorted(np.sort(of), values, side="left") + 1
    return np.where(place > len(of), np.inf, place / len(of))


def _recalled_from(real: np.ndarray, synthetic: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """The least beta whose support has the synthetic row nearest to each real one; infinite beyond `reach`."""
    from sklearn.metrics import pairwise_distances_argmin_min

    which, distance = pairwise_distances_argmin_min(real, synthetic)
    far = np.linalg.norm(synthetic - synthetic.mean(0), axis=1)
    return np.where(distance <= reach, _rank(far, far)[which], np.inf)


def _along_diagonal(first: np.ndarray) -> float:
    """1 - 2 * integral over a in 0..1 of |share(first <= a) - a|: 1 on the diagonal, 0 where none or all are in."""
    a = np.linspace(0, 1, 1001)
    share = np.searchsorted(np.sort(first), a, side="right") / len(first)
    return float(1 - 2 * np.trapezoid(np.abs(share - a), a))
