"""A number or a time that lies as much above another as a label says: when it is due by the terms, a fee by place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import DIGITS, MOST_SHOWN, ByLabel, Pairs, said
from tabstep.data.comparable import plain
from tabstep.data.counted import RELATIVE, counted, on_grid, shifted, unit_of


@dataclass(frozen=True)
class Offset(ByLabel):
    """`of` is `by` and what the value of `on`, a label or a number, says.

    pairs  (value, what is added) of every value that was seen, None for a gap; to times seconds
    steps  of the grids of `by` and `of`, of times the seconds of theirs
    timed  whether they are times
    """

    on: str
    by: str
    of: str
    pairs: Pairs
    steps: tuple[float, float]
    timed: bool

    def __str__(self) -> str:
        shown = ", ".join(
            f"{'missing' if value is None else plain(value)}: {self._shown(added)}"
            for value, added in self.pairs[:MOST_SHOWN]
        )
        more = ", .." if len(self.pairs) > MOST_SHOWN else ""
        return f"{self.of} = {self.by} and what {self.on} says ({shown}{more})"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units are off (n,) bool; with a gap or a value that is not known none is."""
        apart = counted(frame[self.of]) - counted(frame[self.by])
        wanted = said(frame[self.on], self.pairs)
        return np.asarray(np.abs(apart - wanted) > slack(counted(frame[self.of]), self.steps))

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        return self._moved(frame[self.by], said(frame[self.on], self.pairs), self.steps[1])

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is."""
        return self._moved(frame[self.of], -said(frame[self.on], self.pairs), self.steps[0])

    def _moved(self, values: pd.Series[Any], by: np.ndarray, step: float) -> pd.Series[Any]:
        return shifted(values, by) if self.timed else pd.Series(on_grid(values + by, step))

    def _shown(self, added: float) -> str:
        if not self.timed:
            return f"{added:+.{DIGITS}g}"
        name, length = unit_of(added)
        return f"{added / length:g} {name}{'' if abs(added) == length else 's'}"


def slack(high: np.ndarray, steps: tuple[float, float]) -> np.ndarray:
    """How far the larger of two (n,) on these grids may be off: less than half a step."""
    step = min(steps)
    return np.full(len(high), 0.49 * step) if step else RELATIVE * np.abs(high)
