"""A number that is a product of powers of others, or of what is left of one: an amount after a discount, a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, Made, check, rounded, times
from tabstep.data.counted import Seen, on_grid

Term = tuple[str, float, float, float]
"""Of a column x its name, a, b and p: the factor (a + b x)^p of a product."""


@dataclass(frozen=True)
class Powers(Made):
    """`of` is `factor` times a product of `terms`.

    grids  of the columns of the terms
    gives  `of`, then the others, first that whose grid leaves the smallest steps of `of`
    """

    terms: tuple[Term, ...]
    of: str
    factor: float
    down: bool
    step: float
    grids: tuple[float, ...]
    gives: tuple[str, ...]
    seen: Seen = ()

    def __post_init__(self) -> None:
        check(self.factor)
        numbers = np.array([numbers for _, *numbers in self.terms])
        if not self.terms or not np.isfinite(numbers).all() or (numbers[:, 1:] == 0).any():
            raise ValueError(f"a rule with terms {self.terms}, expected finite numbers, the last two not 0")

    @property
    def columns(self) -> tuple[str, ...]:
        return *(name for name, *_ in self.terms), self.of

    def __str__(self) -> str:
        above = " x ".join(_shown(term) for term in self.terms if term[3] > 0)
        below = "".join(f" / {_shown(term)}" for term in self.terms if term[3] < 0)
        return (
            f"{self.of} = {times(self.factor, above + below if above else '1' + below)}{rounded(self.down)}"
        )

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        found = np.full(len(frame), self.factor)
        for term in self.terms:
            found = found * value(term, frame[term[0]].to_numpy(np.float64))
        return np.where(np.isfinite(found), found, np.nan)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """One of the others so that `of` is as it is; it stays where no number would do."""
        k = [term[0] for term in self.terms].index(name)
        _, a, b, power = self.terms[k]
        x = frame[name].to_numpy(np.float64)
        with np.errstate(all="ignore"):
            rest = self.exact(frame) / value(self.terms[k], x)
            to = ((self.aimed(frame) / rest) ** (1 / power) - a) / b
        return pd.Series(on_grid(pd.Series(np.where(np.isfinite(to), to, x), frame.index), self.grids[k]))


def value(term: Term, x: np.ndarray) -> np.ndarray:
    """(a + b x)^p (n,), NaN or infinite where that is no number."""
    _, a, b, power = term
    with np.errstate(all="ignore"):
        return np.asarray((a + b * x) ** power)


def _shown(term: Term) -> str:
    name, a, b, power = term
    inner = name
    if (a, b) != (0, 1):
        inner = f"({a:.{DIGITS}g} {'-' if b < 0 else '+'} {times(abs(b), name)})"
    if abs(power) == 0.5:
        return f"sqrt({name})" if inner == name else f"sqrt{inner}"
    return inner if abs(power) == 1 else f"{inner}^{abs(power):g}"
