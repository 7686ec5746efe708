"""A number that is one line of another up to here and another line from there: overtime, a cap, a tax by brackets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, MadeOfOne, line, rounded, slack
from tabstep.data.counted import Seen, counted, on_grid


@dataclass(frozen=True)
class Bent(MadeOfOne):
    """`of` is a factor times `by` and an offset, others from each of `ends` on.

    ends   where the next line begins, rising
    lines  (factor, offset) of each, one more than ends
    grid   of `by`
    """

    by: str
    of: str
    ends: tuple[float, ...]
    lines: tuple[tuple[float, float], ...]
    down: bool
    step: float
    grid: float
    seen: Seen = ()

    def __post_init__(self) -> None:
        if not self.ends or len(self.lines) != len(self.ends) + 1 or [*self.ends] != sorted({*self.ends}):
            raise ValueError(
                f"a rule that bends at {self.ends}, expected rising ends of {len(self.lines)} lines"
            )
        if not np.isfinite([*self.ends, *np.ravel(self.lines)]).all():
            raise ValueError(f"a rule with lines {self.lines}, expected finite numbers")

    def __str__(self) -> str:
        shown = [line(factor, self.by, offset) for factor, offset in self.lines]
        below = [f"{text} below {end:.{DIGITS}g}" for text, end in zip(shown, self.ends, strict=False)]
        return f"{self.of} by {self.by}: {', '.join(below)}, {shown[-1]} from there{rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return self._at(counted(frame[self.by]))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` to the nearest number of which `of` is what it is, or is nearest to it."""
        x, wanted = counted(frame[name])[:, None], frame[self.of].to_numpy(np.float64)[:, None]
        low = np.array([-np.inf, *self.ends])
        high = np.array([*(end - (self.grid or np.spacing(end)) for end in self.ends), np.inf])
        factors, offsets = np.array(self.lines).T
        with np.errstate(divide="ignore", invalid="ignore"):
            to = (self.aimed(frame)[:, None] - offsets) / factors
        to = np.clip(np.where(factors == 0, x, to), low, np.maximum(low, high))
        to = np.column_stack([on_grid(pd.Series(column), self.grid) for column in to.T])
        over = self._at(to) - wanted
        above, below = (near[:, None] for near in slack(wanted[:, 0], self.step, down=self.down))
        rank = np.maximum(0.0, np.maximum(over - above, -over - below))
        best = np.where(rank <= rank.min(axis=1, keepdims=True), np.abs(to - x), np.inf).argmin(axis=1)
        found = to[np.arange(len(to)), best]
        return pd.Series(np.where(np.isnan(x[:, 0] + wanted[:, 0]), x[:, 0], found), index=frame.index)

    def _at(self, x: np.ndarray) -> np.ndarray:
        """The line at each number, NaN at none."""
        factors, offsets = np.array(self.lines).T
        place = np.searchsorted(self.ends, x, side="right")
        return np.asarray(factors[place] * x + offsets[place])
