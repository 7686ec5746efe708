"""A number that is a line of another, whichever a label says: freight by zone, a bill by plan, rent by district."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import MOST_SHOWN, MadeByLabel, line, rounded, said, value_in_words
from tabstep.data.counted import Seen, counted, on_grid


@dataclass(frozen=True)
class Tariff(MadeByLabel):
    """`of` is a factor times `by` and an offset, both by the value of `on`, a label or a number.

    lines  (value, factor, offset) of every value that was seen, None for a gap
    grid   of `by`
    """

    on: str
    by: str
    of: str
    lines: tuple[tuple[str | float | None, float, float], ...]
    down: bool
    step: float
    grid: float
    seen: Seen = ()

    def __post_init__(self) -> None:
        if not np.isfinite([number for _, *numbers in self.lines for number in numbers]).all():
            raise ValueError(f"a rule with lines {self.lines}, expected finite numbers")

    def __str__(self) -> str:
        shown = ", ".join(
            f"{value_in_words(value)}: {line(factor, self.by, offset)}"
            for value, factor, offset in self.lines[:MOST_SHOWN]
        )
        more = ", .." if len(self.lines) > MOST_SHOWN else ""
        return f"{self.of} by {self.by}, as {self.on} says ({shown}{more}){rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        factors, offsets = self._told(frame)
        return np.asarray(factors * counted(frame[self.by]) + offsets)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; it stays where the factor is 0."""
        factors, offsets = self._told(frame)
        with np.errstate(divide="ignore", invalid="ignore"):
            to = (self.aimed(frame) - offsets) / factors
        return pd.Series(on_grid(frame[name].where(~np.isfinite(to), to), self.grid))

    def _told(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Factors and offsets (n,) that `on` says, NaN of values that were not seen."""
        factors = said(frame[self.on], tuple((value, factor) for value, factor, _ in self.lines))
        offsets = said(frame[self.on], tuple((value, offset) for value, _, offset in self.lines))
        return factors, offsets
