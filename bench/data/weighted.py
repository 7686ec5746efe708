"""A number that is so much of each of several others: points of games, a fare by kilometres and minutes, a score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabstep.data.arithmetic import DIGITS, rounded, times
from tabstep.data.counted import Seen
from tabstep.data.summed import Summed


@dataclass(frozen=True)
class Weighted(Summed):
    """`of` is `base` and what `parts` come to, each times its factor; where all are 1 or -1 it is `arithmetic.Total`.

    gives  `of`, then the parts, first that whose grid leaves the smallest steps of `of`
    """

    parts: tuple[str, ...]
    factors: tuple[float, ...]
    base: float
    of: str
    down: bool
    step: float
    grids: tuple[float, ...]
    gives: tuple[str, ...]
    seen: Seen = ()

    def __post_init__(self) -> None:
        numbers = np.array([*self.factors, self.base])
        if len(self.parts) < 2 or len(self.factors) != len(self.parts):
            raise ValueError(f"a rule with parts {self.parts}, expected two or more, and a factor of each")
        if not np.isfinite(numbers).all() or not numbers[:-1].all():
            raise ValueError(f"a rule with factors {self.factors}, expected finite numbers, not 0")

    @property
    def coefficients(self) -> tuple[float, ...]:
        return self.factors

    def __str__(self) -> str:
        signed = zip(self.factors, self.parts, strict=True)
        shown = "".join(f" {'-' if f < 0 else '+'} {times(abs(f), name)}" for f, name in signed)
        told = f"{self.base:.{DIGITS}g}{shown}" if self.base else shown.removeprefix(" + ").strip()
        return f"{self.of} = {told}{rounded(self.down)}"
