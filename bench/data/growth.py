"""A number that another grows to, or is worn down to, by so much in each of some years: savings, the value of a car."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, Made, check_scales, rounded
from tabstep.data.counted import Seen, counted, on_grid

RATES = {
    1 / 100: "1 + {} / 100",
    -1 / 100: "1 - {} / 100",
    1.0: "1 + {}",
    -1.0: "1 - {}",
    1 / 1200: "1 + {} / 1200",
    1 / 12: "1 + {} / 12",
}
TERMS = {1.0: "{}", 12.0: "(12 x {})"}


@dataclass(frozen=True)
class Growth(Made):
    """`of` is `by` times a ratio to the power of `term`.

    rate    a column that says the ratio, by the first of the `scales`; none where it is one number
    ratio   that number; 1 where a column says it
    scales  of `RATES` and of `TERMS`
    grid    of `by`
    """

    by: str
    rate: tuple[str, ...]
    term: str
    of: str
    ratio: float
    scales: tuple[float, float]
    down: bool
    step: float
    grid: float
    seen: Seen = ()

    def __post_init__(self) -> None:
        check_scales(self.scales, RATES, TERMS)
        if not (np.isfinite(self.ratio) and self.ratio > 0) or (self.ratio == 1) != bool(self.rate):
            raise ValueError(
                f"a rule with ratio {self.ratio!r}, expected a positive number, 1 only beside a rate"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, *self.rate, self.term, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.by

    def __str__(self) -> str:
        ratio = (
            "".join(f"({RATES[self.scales[0]].format(name)})" for name in self.rate)
            or f"{self.ratio:.{DIGITS}g}"
        )
        return (
            f"{self.of} = {self.by} x {ratio}^{TERMS[self.scales[1]].format(self.term)}{rounded(self.down)}"
        )

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(counted(frame[self.by]) * np.exp(self._logarithm(frame)))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; it stays where no number would do."""
        to = self.aimed(frame) / np.exp(self._logarithm(frame))
        return pd.Series(on_grid(frame[name].where(~np.isfinite(to), to), self.grid))

    def _logarithm(self, frame: pd.DataFrame) -> np.ndarray:
        """Of what `by` is multiplied by, NaN where the ratio is none."""
        ratios = [logarithm(self.scales[0], counted(frame[name])) for name in self.rate]
        return np.asarray(
            self.scales[1] * counted(frame[self.term]) * (ratios[0] if ratios else np.log(self.ratio))
        )


def logarithm(scale: float, rate: np.ndarray) -> np.ndarray:
    """The logarithm of 1 and a rate (n,) at its scale, NaN where that is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log1p(scale * rate)
    return np.where(np.isfinite(found), found, np.nan)
