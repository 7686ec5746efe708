"""The equal payments by which a loan is paid back with interest, as banks reckon them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Made, Pairs, check_scales, rounded, said
from tabstep.data.counted import Seen, counted, on_grid

RATES = {1 / 1200: "% a year", 1 / 12: "a year", 1 / 100: "% a payment", 1.0: "a payment"}
TERMS = {1.0: "payments", 12.0: "years"}


@dataclass(frozen=True)
class Instalment(Made):
    """`of` is paid n times for a loan `by` at interest r a payment: by r / (1 - (1 + r)^-n), 1 / n without interest.

    rate, term  columns of interest and of how long it takes, a number or a label
    scales      what makes r of the one and n of the other: of `RATES` and of `TERMS`
    pairs       (label, n) of every label of `term`; none where it is a number
    grid        of `by`
    """

    by: str
    rate: str
    term: str
    of: str
    scales: tuple[float, float]
    pairs: Pairs
    down: bool
    step: float
    grid: float
    seen: Seen = ()

    def __post_init__(self) -> None:
        check_scales(self.scales, RATES, TERMS)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.rate, self.term, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.by

    def __str__(self) -> str:
        rate, term = RATES[self.scales[0]], TERMS[self.scales[1]]
        times = ", ".join(f"{label}: {n:g}" for label, n in self.pairs) or term
        return f"{self.of} pays back {self.by} at {self.rate} ({rate}) over {self.term} ({times}){rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(counted(frame[self.by]) * self._share(frame))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; it stays where no loan has such payments."""
        with np.errstate(divide="ignore", invalid="ignore"):
            to = self.aimed(frame) / self._share(frame)
        return pd.Series(on_grid(frame[name].where(~np.isfinite(to), to), self.grid))

    def _share(self, frame: pd.DataFrame) -> np.ndarray:
        term = frame[self.term]
        times = said(term, self.pairs) if self.pairs else self.scales[1] * counted(term)
        return share(self.scales[0] * counted(frame[self.rate]), times)


def share(interest: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Of a loan each of its payments (n,), at an interest a payment, so many times; NaN where there is none.

    The sum of what payments are worth today is the loan: 1 = p (v + .. + v^n) with v = 1 / (1 + r).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.where(interest == 0, 1 / times, interest / -np.expm1(-times * np.log1p(interest)))
    return np.where((times > 0) & np.isfinite(found), found, np.nan)


def payments(interest: np.ndarray, share: np.ndarray) -> np.ndarray:
    """How many payments (n,) of such a share of a loan pay it back: the inverse of `share`; infinite where none do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(
            interest == 0, 1 / share, -np.log1p(-np.minimum(1, interest / share)) / np.log1p(interest)
        )
