"""A number that is the mean of others, or a weighted one: an average of two days, a grade of which an exam is 60 %."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tabstep.data.arithmetic import DIGITS
from tabstep.data.counted import Seen
from tabstep.data.summed import Summed


@dataclass(frozen=True)
class Mean(Summed):
    """`of` is the mean of `parts` by their `weights`, which are above 0 and come to 1.

    gives  `of`, then the parts, the heaviest first
    """

    parts: tuple[str, ...]
    weights: tuple[float, ...]
    of: str
    step: float
    grids: tuple[float, ...]
    gives: tuple[str, ...]
    seen: Seen = ()
    base = 0.0
    down = False

    def __post_init__(self) -> None:
        one = math.isclose(sum(self.weights), 1.0, rel_tol=1e-9)
        if len(self.parts) != len(self.weights) or not one or min(self.weights) <= 0:
            raise ValueError(
                f"a rule with weights {self.weights}, expected parts of 1 for each of {self.parts}"
            )

    @property
    def coefficients(self) -> tuple[float, ...]:
        return self.weights

    def __str__(self) -> str:
        if max(self.weights) == min(self.weights):
            *first, last = self.parts
            return f"{self.of} = the mean of {', '.join(first)} and {last}"
        shown = (
            f"{weight:.{DIGITS}g} x {name}" for weight, name in zip(self.weights, self.parts, strict=True)
        )
        return f"{self.of} = {' + '.join(shown)}"
