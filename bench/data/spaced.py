"""Two columns whose distance has ends: who is hired was born 18 years before, a loan comes back within 30 days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.data.counted import counted, unit_of

DAY, YEAR = 86400.0, 365.2425
THAN = {"f": "more than", "M": "after", "m": "longer than"}
YEARS_SAID = 2 * YEAR  # days from which on years are said too
ROUNDED = 8 * np.finfo(np.float64).eps  # of two numbers, what their difference may be off


@dataclass(frozen=True)
class Spaced:
    """`high` less `low` is at least `least`, 0 or more, and at most `most`; or just an order beside such rules.

    least, most  numbers, between times seconds; `most` is None where there is no such end
    ends         the least and the largest value of `low` and of `high` that were seen, times in seconds since 1970
    steps        of the two grids: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    dtype        f for numbers, M for times, m for lengths of time
    """

    low: str
    high: str
    least: float
    most: float | None
    ends: tuple[tuple[float, float], tuple[float, float]]
    steps: tuple[float, float]
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in THAN:
            raise ValueError(f"a rule with dtype {self.dtype!r}, expected one of {', '.join(THAN)}")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.low, self.high

    def __str__(self) -> str:
        if self.most is None and self.least <= min(self.steps):
            return f"{self.low} {'<' if self.least else '<='} {self.high}"
        ends = f"at least {self._shown(self.least)}"
        if self.most is not None:
            ends = f"between {self._shown(self.least)} and {self._shown(self.most)}"
        return f"{self.high} is {ends} {THAN[self.dtype]} {self.low}"

    @property
    def limits(self) -> tuple[float, float]:
        return self.least, np.inf if self.most is None else self.most

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units are too near or too far (n,) bool; one with a gap is neither."""
        low, high = counted(frame[self.low]), counted(frame[self.high])
        slack = 0.49 * min(self.steps) or ROUNDED * (np.abs(low) + np.abs(high))
        distance, (least, most) = high - low, self.limits
        return np.asarray((distance < least - slack) | (distance > most + slack))

    def reaches(self, nearest: float, farthest: float) -> bool:
        """Whether any distance between two is one that may be."""
        least, most = self.limits
        return farthest >= least and nearest <= most

    def _shown(self, end: float) -> str:
        if self.dtype == "f":
            return f"{end:.12g}"
        name, length = unit_of(end)
        count = end / length
        years = f" ({count / YEAR:.1f} years)" if name == "day" and count >= YEARS_SAID else ""
        return f"{count:.12g} {name}{'' if count == 1 else 's'}{years}"
