"""A number that is what another has above a third, or how far they are apart: hours beyond the contract, an error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Made, check, rounded, times
from tabstep.data.counted import Seen, on_grid

ABOVE = "the larger of 0 and {} - {}"
APART = "how far {} and {} are apart"


@dataclass(frozen=True)
class Surplus(Made):
    """`of` is a factor times what `by` has above `less`, 0 where it has less, or times how far they are apart.

    shape  `ABOVE` or `APART`
    most   a column that `of` is never above: the limit of what is paid; none where there is no such
    grids  of `by` and `less`
    gives  first `by` where differences of errors would be large beside what is told, else `of`
    """

    by: str
    less: str
    of: str
    shape: str
    factor: float
    most: tuple[str, ...]
    down: bool
    step: float
    grids: tuple[float, float]
    gives: tuple[str, ...]
    seen: Seen = ()

    def __post_init__(self) -> None:
        check(self.factor)
        if self.shape not in (ABOVE, APART):
            raise ValueError(f"a rule of shape {self.shape!r}, expected {ABOVE!r} or {APART!r}")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.less, *self.most, self.of

    def __str__(self) -> str:
        shown = times(self.factor, self.shape.format(self.by, self.less))
        return f"{self.of} = {shown}{''.join(f', at most {name}' for name in self.most)}{rounded(self.down)}"

    def turned(self) -> tuple[Surplus, ...]:
        """The same by which `of` follows, where it does not."""
        last = (self.of, self.by, self.less)
        return () if self.gives == last else (replace(self, gives=last),)

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        found = self.factor * surplus(self.shape, self._over(frame))
        for name in self.most:
            found = np.minimum(found, frame[name].to_numpy(np.float64))
        return np.asarray(found)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` or `less` so that `of` is as it is; it stays on its side, and where it is beyond all that matters."""
        over = self._over(frame)
        wanted = self.aimed(frame) / self.factor
        if self.shape == APART:
            to = np.copysign(wanted, over)
        else:
            to = np.where(frame[self.of] == 0, np.minimum(over, 0), wanted)
        for most in self.most:
            to = np.where(frame[self.of] >= frame[most], np.maximum(over, to), to)
        k = (self.by, self.less).index(name)
        return pd.Series(on_grid(frame[name] + (to - over) * (1, -1)[k], self.grids[k]))

    def _over(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(frame[self.by].to_numpy(np.float64) - frame[self.less].to_numpy(np.float64))


def surplus(shape: str, over: np.ndarray) -> np.ndarray:
    """What differences (n,) count as."""
    return np.asarray(np.abs(over) if shape == APART else np.maximum(over, 0))
