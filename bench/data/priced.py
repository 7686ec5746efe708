"""A number that is another times what several come to: a wage by hours and overtime, a fare for adults and children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, Made, rounded
from tabstep.data.counted import Seen, on_grid
from tabstep.data.weighted import check_factors, sum_in_words


@dataclass(frozen=True)
class Priced(Made):
    """`of` is `base` and `by` times what `parts` come to, each times its factor.

    grids  of `by` and the parts
    """

    by: str
    parts: tuple[str, ...]
    factors: tuple[float, ...]
    base: float
    of: str
    down: bool
    step: float
    grids: tuple[float, ...]
    seen: Seen = ()

    def __post_init__(self) -> None:
        check_factors(self.parts, self.factors, self.base)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, *self.parts, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.by, *self.parts

    def __str__(self) -> str:
        base = f"{self.base:.{DIGITS}g} + " if self.base else ""
        come_to = sum_in_words(self.parts, self.factors, 0.0)
        return f"{self.of} = {base}{self.by} x ({come_to}){rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.base + frame[self.by].to_numpy(np.float64) * self._come_to(frame))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` or a part so that `of` is as it is; it stays where no number would do."""
        k = self.columns.index(name)
        price, come_to = frame[self.by].to_numpy(np.float64), self._come_to(frame)
        with np.errstate(divide="ignore", invalid="ignore"):
            if name == self.by:
                to = (self.aimed(frame) - self.base) / come_to
            else:
                more = (self.aimed(frame) - self.base) / price - come_to
                to = frame[name].to_numpy(np.float64) + more / self.factors[k - 1]
        return pd.Series(on_grid(frame[name].where(~np.isfinite(to), to), self.grids[k]))

    def _come_to(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(frame[list(self.parts)].to_numpy(np.float64) @ np.array(self.factors))
