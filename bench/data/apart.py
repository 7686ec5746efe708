"""The rule between two columns and one for what lies between them, which no user sees (`data.spans`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.counted import RELATIVE, counted, on_grid, shifted


@dataclass(frozen=True)
class Apart:
    """`of` is what lies from `low` to `high`, in units of `unit` seconds or numbers.

    whole  whether it is counted in whole units
    ends   the least and the largest value of `low` and of `high` that were seen, times in seconds
    gives  the three in the order in which they give way
    """

    low: str
    high: str
    of: str
    unit: float
    whole: bool
    ends: tuple[tuple[float, float], tuple[float, float]]
    gives: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.low, self.high, self.of

    def __str__(self) -> str:
        return f"{self.of} is from {self.low} to {self.high}"

    def passed(self, frame: pd.DataFrame) -> np.ndarray:
        """Units (n,) float64 from one to the other, NaN for gaps."""
        found = (counted(frame[self.high]) - counted(frame[self.low])) / self.unit
        return np.asarray(np.round(found) if self.whole else found)

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        passed, shown = self.passed(frame), frame[self.of].to_numpy(np.float64)
        slack = 0.5 if self.whole else RELATIVE * (1 + np.abs(passed))
        return np.asarray((np.abs(passed - shown) > slack) & ~np.isnan(passed) & ~np.isnan(shown))

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        return pd.Series(self.passed(frame), index=frame.index)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`low` or `high` so that `of` is as it is."""
        by = (frame[self.of].to_numpy(np.float64) - self.passed(frame)) * self.unit
        by = by if name == self.high else -by
        if frame[name].dtype.kind in "mM":
            return shifted(frame[name], by)
        moved = frame[name] + by
        return pd.Series(on_grid(moved, self.unit) if self.whole else moved)

    def beyond(self, name: str, values: pd.Series[Any]) -> np.ndarray:
        """Which moved values (n,) lie outside those that were seen."""
        low, high = self.ends[0 if name == self.low else 1]
        return np.asarray((counted(values) < low) | (counted(values) > high))
