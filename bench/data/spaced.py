"""Two columns whose distance has ends: who is hired was born 18 years before, a loan comes back within 30 days."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.counted import counted, on_grid, shifted

DAY, YEAR = 86400.0, 365.2425
LENGTHS = {"day": DAY, "hour": 3600.0, "minute": 60.0, "second": 1.0}
YEARS_SAID = 2 * YEAR  # days from which on years are said too
ROUNDED = 8 * np.finfo(np.float64).eps  # of two numbers, what their difference may be off


@dataclass(frozen=True)
class Spaced:
    """`high` less `low` is at least `least` and at most `most`; None where there is no such end.

    least, most  numbers, between times seconds
    ends         the least and the largest value of `low` and of `high` that were seen, times in seconds since 1970
    steps        of the two grids: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    dtype        f for numbers, M for times, m for lengths of time
    """

    low: str
    high: str
    least: float | None
    most: float | None
    ends: tuple[tuple[float, float], tuple[float, float]]
    steps: tuple[float, float]
    dtype: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.low, self.high

    def __str__(self) -> str:
        said = [
            f"at {word} {self._shown(end)}"
            for word, end in (("least", self.least), ("most", self.most))
            if end is not None
        ]
        than = {"f": "more than", "M": "after", "m": "longer than"}[self.dtype]
        return f"{self.high} is {' and '.join(said)} {than} {self.low}"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units are too near or too far (n,) bool; one with a gap is neither."""
        return self._beyond(counted(frame[self.low]), counted(frame[self.high]))

    def mended(self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
        """The frame with distances between the ends in rows that are `wrong`, as far on the other side as beyond.

        `high` moves; where it is fixed or has no room among the values that were seen, `low` does, and where neither
        has, the distance is that of the end. Of a chain of such rules one after the other is kept, therefore.
        """
        low, high = counted(frame[self.low]), counted(frame[self.high])
        left, free = wrong, [name for name in (self.high, self.low) if name not in fixed]
        for turned, name in product((True, False), free):
            moved = self._moved(frame[name], self._by(high - low, name, turned))
            there = left & self._fits(name, moved, low, high)
            frame, left = instead.put(frame, name, moved, there), left & ~there
        if left.any() and len(free) == 2:  # neither alone
            moved = self._moved(frame[self.high], self.ends[1][1] - high)
            frame = self.mended(instead.put(frame, self.high, moved, left), left, {*fixed, self.high})
        return frame

    def reaches(self, nearest: float, farthest: float) -> bool:
        """Whether any distance between two is one that may be."""
        least, most = self._limits
        return farthest >= least and nearest <= most

    @property
    def _limits(self) -> tuple[float, float]:
        return (
            -np.inf if self.least is None else self.least,
            np.inf if self.most is None else self.most,
        )

    def _by(self, distance: np.ndarray, name: str, turned: bool) -> np.ndarray:
        """What to add to a column (n,), on its grid: to turn distances at the end that they are beyond, or go there."""
        own, other = self.steps if name == self.low else self.steps[::-1]
        (least, most), inside = self._limits, own / 2 if own > other else 0.0
        aimed = np.clip(distance, least + inside, most - inside)
        if turned:
            aimed = np.clip(2 * aimed - distance, least, most)
        by = aimed - distance if name == self.high else distance - aimed
        return np.asarray(np.round(by / own) * own if own else by)

    def _moved(self, values: pd.Series[Any], by: np.ndarray) -> Any:
        if self.dtype != "f":
            return shifted(values, by)
        return on_grid(values + by, self.steps[values.name == self.high])

    def _fits(self, name: str, moved: pd.Series[Any], low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Which moved values (n,) lie among those that were seen, and as far from the other column as may be."""
        x, (first, last) = counted(moved), self.ends[name == self.high]
        two = (low, x) if name == self.high else (x, high)
        return np.asarray((x >= first) & (x <= last) & ~self._beyond(*two))

    def _beyond(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        slack = 0.49 * min(self.steps) or ROUNDED * (np.abs(low) + np.abs(high))
        distance, (least, most) = high - low, self._limits
        return np.asarray((distance < least - slack) | (distance > most + slack))

    def _shown(self, end: float) -> str:
        if self.dtype == "f":
            return f"{end:.12g}"
        name, length = next(
            ((name, length) for name, length in LENGTHS.items() if end % length == 0), ("second", 1.0)
        )
        count = end / length
        years = f" ({count / YEAR:.1f} years)" if name == "day" and count >= YEARS_SAID else ""
        return f"{count:.12g} {name}{'' if count == 1 else 's'}{years}"
