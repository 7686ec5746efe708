"""Where the point masses of a number column lie among its other values: ranks of the free values and of all.

A row that is an atom still has a place among the rows: a price at its cap is next to prices just below. So its number
is the middle of the ranks that the mass takes, and free values keep the ranks that they have among all rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST = 1e-7  # ranks stay this far from 0 and 1, as scikit-learn's do


class Plateaus(NamedTuple):
    """Of each atom of a column, rising: `below`, the share of free values under it, and `mass`, its share of rows."""

    below: tuple[float, ...]
    mass: tuple[float, ...]

    @classmethod
    def find(cls, values: np.ndarray, atoms: tuple[float, ...]) -> Plateaus:
        """Of complete values (n,), some of which are free."""
        free = np.sort(values[~np.isin(values, atoms)])
        below = np.searchsorted(free, atoms) / len(free)
        return cls(tuple(below.tolist()), tuple(float((values == a).mean()) for a in atoms))

    def spread(self, ranks: np.ndarray, values: np.ndarray, atoms: tuple[float, ...]) -> np.ndarray:
        """Ranks among all rows (n,) of values (n,), given those of the free ones among themselves.

        An atom's is the middle of its plateau, whatever `ranks` says of it.
        """
        mass, below = np.asarray(self.mass), np.asarray(self.below)
        out = (1 - mass.sum()) * ranks
        for atom, own in zip(atoms, self.mass, strict=True):
            out = out + own * (values > atom)
        before = np.concatenate([[0.0], mass.cumsum()])[:-1]
        middles = (1 - mass.sum()) * below + before + mass / 2
        place = np.searchsorted(atoms, values).clip(max=len(atoms) - 1)
        found = np.where(np.asarray(atoms)[place] == values, middles[place], out)
        return np.asarray(np.clip(found, LEAST, 1 - LEAST))

    def gathered(self, ranks: np.ndarray) -> np.ndarray:
        """The inverse: ranks among the free values (n,); on a plateau that of the free values at its place."""
        mass, below = np.asarray(self.mass), np.asarray(self.below)
        ends = (1 - mass.sum()) * below + mass.cumsum()
        knots = np.concatenate([[0.0], np.stack([ends - mass, ends], 1).ravel(), [1.0]])
        free = np.concatenate([[0.0], np.repeat(below, 2), [1.0]])
        return np.asarray(np.clip(np.interp(ranks, knots, free), LEAST, 1 - LEAST))
