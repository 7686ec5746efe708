"""The lattice that the values of a number column lie on: whole numbers, tenths, halves, multiples of 0.005."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST_DECIMALS = 6
WHOLE = 2.0**53  # up to here a float64 counts by ones
SINGLE, DOUBLE = 2.0**-24, 2.0**-50  # how near a number read from text is to it, relative to its size


class Lattice(NamedTuple):
    """The values start + k step for whole k, written with so many decimals."""

    start: float
    step: float
    decimals: int

    @classmethod
    def find(cls, values: np.ndarray) -> Lattice | None:
        """The widest lattice of decimals that holds all distinct values (n,), rising; None where there is none.

        Values that are all exact in single precision may have been read from text in it, and are taken as the decimals
        that they are nearest to.
        """
        single = (
            np.abs(values).max() < np.finfo(np.float32).max and (values.astype(np.float32) == values).all()
        )
        near = (SINGLE if single else DOUBLE) * np.abs(values)
        for decimals in range(MOST_DECIMALS + 1):
            scaled = values * 10.0**decimals
            if np.abs(scaled).max() >= WHOLE:
                return None
            whole = np.round(scaled)
            if (np.abs(scaled - whole) <= near * 10.0**decimals).all():
                apart = np.diff(whole.astype(np.int64))
                step = int(np.gcd.reduce(apart)) if len(apart) else 1
                return cls(float(values[0]), max(step, 1) / 10.0**decimals, decimals)
        return None

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """The nearest value of the lattice of each (n,)."""
        return np.asarray(
            np.round(self.start + np.round((values - self.start) / self.step) * self.step, self.decimals)
        )
