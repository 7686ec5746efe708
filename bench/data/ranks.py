"""Ranks of a number column with its jumps, and back: the distributional transform (Rueschendorf 2009).

A value that c of n rows share takes c / n of the ranks. A row with it gets a rank drawn uniformly from that part,
F(x-) + u (F(x) - F(x-)), so the ranks of rows are uniform whatever the column is: whole numbers, a price list, 80 %
zeros. Their normal scores are N(0, 1) without spikes and gaps, which few steps would smear. The order of the values is
kept, and every rank of a part gives its value back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabstep.data.lattice import Lattice

MOST = 1000  # values with a jump hold at least 1 / MOST of the rows; as many knots lie between them
LEAST = 1e-7  # ranks stay this far from 0 and 1, as scikit-learn's do
MARGIN = 1e-3  # of a jump's ranks at each end that no row is given, so that rounding does not move it to a neighbour


@dataclass(frozen=True, eq=False)
class Ranks:
    """The distribution function of a column: linear between knots, with jumps at some.

    values        (k,) rising
    lower, upper  (k,) the ranks below each value, and those up to it; equal where there is no jump
    lattice       what values between the knots are rounded to
    """

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    lattice: Lattice | None

    @classmethod
    def fit(cls, column: np.ndarray) -> Ranks:
        """Of complete values (n,), n > 0. A value that few rows share has no jump; it has the middle of its ranks."""
        n = len(column)
        distinct, counts = np.unique(column, return_counts=True)
        upper = counts.cumsum() / n
        lower = upper - counts / n
        jump = counts >= max(2, n / MOST)
        middle = (lower + upper) / 2
        between = np.flatnonzero(~jump)
        if len(between) > MOST:
            between = between[np.round(np.linspace(0, len(between) - 1, MOST)).astype(np.int64)]
        knots = np.union1d(np.flatnonzero(jump), between)
        return cls(
            distinct[knots],
            np.where(jump, lower, middle)[knots],
            np.where(jump, upper, middle)[knots],
            Lattice.find(distinct),
        )

    def ranks(self, values: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Ranks (n,) of values (n,); `u` (n,) in [0, 1) says where in a jump a row lies."""
        right = np.searchsorted(self.values, values).clip(max=len(self.values) - 1)
        left = (right - 1).clip(min=0)
        gap = self.values[right] - self.values[left]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            share = np.where(gap > 0, (values - self.values[left]) / gap, 1.0).clip(0, 1)
        between = self.upper[left] + share * (self.lower[right] - self.upper[left])
        inside = self.lower[right] + (MARGIN + (1 - 2 * MARGIN) * u) * (self.upper[right] - self.lower[right])
        return np.asarray(np.where(self.values[right] == values, inside, between).clip(LEAST, 1 - LEAST))

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """The inverse: values (n,) at ranks (n,). Values stay inside those of the column."""
        knot = np.searchsorted(self.upper, ranks).clip(max=len(self.upper) - 1)
        jump = (self.lower[knot] < self.upper[knot]) & (self.lower[knot] <= ranks)
        ends = np.stack([self.lower, self.upper], 1).ravel()
        smooth = np.interp(ranks, ends, np.repeat(self.values, 2))
        if self.lattice is not None:
            smooth = self.lattice.nearest(smooth).clip(self.values[0], self.values[-1])
        return np.asarray(np.where(jump, self.values[knot], smooth))
