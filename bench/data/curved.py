"""A number that is a logarithm, a square, a root or such of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import MadeOfOne, check, line, rounded
from tabstep.data.counted import Seen, on_grid

Function = Callable[[Any], Any]

CURVES: Mapping[str, tuple[Function, Function]] = {
    "log({})": (np.log, np.exp),
    "log(1 + {})": (np.log1p, np.expm1),
    "exp({})": (np.exp, np.log),
    "{}^2": (np.square, np.sqrt),
    "{}^3": (lambda x: x**3, np.cbrt),
    "sqrt({})": (np.sqrt, np.square),
    "1 / {}": (np.reciprocal, np.reciprocal),
}
"""Each with its inverse."""


@dataclass(frozen=True)
class Curved(MadeOfOne):
    """`of` is a factor times a curve of `by`, one of `CURVES`, and an offset.

    grid  of `by`
    """

    by: str
    of: str
    curve: str
    factor: float
    offset: float
    down: bool
    step: float
    grid: float
    seen: Seen = ()

    def __post_init__(self) -> None:
        check(self.factor)
        if self.curve not in CURVES:
            raise ValueError(f"a rule with curve {self.curve!r}, expected one of {', '.join(CURVES)}")

    def __str__(self) -> str:
        shown = line(self.factor, self.curve.format(self.by), self.offset).replace(" x 1 / ", " / ")
        return f"{self.of} = {shown}{rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return self.factor * curve(self.curve, frame[self.by].to_numpy(np.float64)) + self.offset

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is, with its sign; it stays where no number would do."""
        x = frame[name].to_numpy(np.float64)
        with np.errstate(all="ignore"):
            to = np.asarray(CURVES[self.curve][1]((self.aimed(frame) - self.offset) / self.factor))
        if self.curve == "{}^2":
            to = np.copysign(to, x)
        return pd.Series(on_grid(pd.Series(np.where(np.isfinite(to), to, x), frame.index), self.grid))


def curve(name: str, x: np.ndarray) -> np.ndarray:
    """A curve at numbers (n,), NaN where it has none."""
    with np.errstate(all="ignore"):
        found = np.asarray(CURVES[name][0](x))
    return np.where(np.isfinite(found), found, np.nan)
