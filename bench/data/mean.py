"""A number that is the mean of others, or a weighted one: an average of two days, a grade of which an exam is 60 %."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, Made
from tabstep.data.counted import Seen, on_grid


@dataclass(frozen=True)
class Mean(Made):
    """`of` is the mean of `parts` by their `weights`, which are above 0 and come to 1.

    grids  of the parts
    gives  `of`, then the parts, the heaviest first
    """

    parts: tuple[str, ...]
    weights: tuple[float, ...]
    of: str
    step: float
    grids: tuple[float, ...]
    gives: tuple[str, ...]
    seen: Seen = ()
    down = False

    def __post_init__(self) -> None:
        one = math.isclose(sum(self.weights), 1.0, rel_tol=1e-9)
        if len(self.parts) != len(self.weights) or not one or min(self.weights) <= 0:
            raise ValueError(
                f"a rule with weights {self.weights}, expected parts of 1 for each of {self.parts}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return *self.parts, self.of

    def __str__(self) -> str:
        if max(self.weights) == min(self.weights):
            *first, last = self.parts
            return f"{self.of} = the mean of {', '.join(first)} and {last}"
        shown = (
            f"{weight:.{DIGITS}g} x {name}" for weight, name in zip(self.weights, self.parts, strict=True)
        )
        return f"{self.of} = {' + '.join(shown)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(frame[list(self.parts)].to_numpy(np.float64) @ np.array(self.weights))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """One of the parts so that `of` is as it is, to the nearest on its grid."""
        k = self.parts.index(name)
        by = (frame[self.of].to_numpy(np.float64) - self.exact(frame)) / self.weights[k]
        return pd.Series(on_grid(frame[name] + by, self.grids[k]))
