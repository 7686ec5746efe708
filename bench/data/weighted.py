"""A number that is so much of each of several others: points of games, a fare by kilometres and minutes, a score."""

from __future__ import annotations

from collections.abc import Sequence
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
        check_factors(self.parts, self.factors, self.base)

    @property
    def coefficients(self) -> tuple[float, ...]:
        return self.factors

    def __str__(self) -> str:
        return f"{self.of} = {sum_in_words(self.parts, self.factors, self.base)}{rounded(self.down)}"


def check_factors(parts: Sequence[str], factors: Sequence[float], base: float) -> None:
    """Raises ValueError for what is no sum of several columns, each times its factor."""
    numbers = np.array([*factors, base])
    if len(parts) < 2 or len(factors) != len(parts):
        raise ValueError(f"a rule with parts {parts}, expected two or more, and a factor of each")
    if not np.isfinite(numbers).all() or not numbers[:-1].all():
        raise ValueError(f"a rule with factors {factors}, expected finite numbers, not 0")


def sum_in_words(parts: Sequence[str], factors: Sequence[float], base: float) -> str:
    """A base, where it is not 0, and what several columns come to, each times its factor."""
    signed = zip(factors, parts, strict=True)
    shown = "".join(f" {'-' if f < 0 else '+'} {times(abs(f), name)}" for f, name in signed)
    return f"{base:.{DIGITS}g}{shown}" if base else shown.removeprefix(" + ").strip()
