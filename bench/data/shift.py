"""Time from one clock to another, past midnight too, without pauses: what was worked on a shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Made, rounded
from tabstep.data.counted import RELATIVE, Seen, counted, on_grid, seconds, shifted, unit_of
from tabstep.data.periods import A_DAY


@dataclass(frozen=True)
class Shift(Made):
    """`of` is the time from `start` to `end`, on the next day where that is earlier and the rule `wraps`, less what a
    column `pause` has, in units of `unit` seconds; a length of time is one of seconds.

    pause  a column of numbers or lengths, "" for none, and `each` the seconds that one of it has
    lasts  whether `of` is a length of time
    grids  of start and end, in seconds, and of the pause
    ends   the least and the largest start and end that were seen, in seconds
    rounds whether rows do, as whole hours of a shift do not
    """

    start: str
    end: str
    pause: str
    of: str
    wraps: bool
    unit: float
    each: float
    down: bool
    step: float
    grids: tuple[float, float, float]
    ends: tuple[tuple[float, float], tuple[float, float]]
    gives: tuple[str, ...]
    seen: Seen = ()
    rounds: bool = True
    lasts: bool = False

    def __post_init__(self) -> None:
        if not (self.unit > 0 and self.each > 0) or not np.isfinite([self.unit, self.each]).all():
            raise ValueError(f"a rule in units of {self.unit} and {self.each} seconds, expected more than 0")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.start, self.end, *([self.pause] if self.pause else []), self.of

    def __str__(self) -> str:
        less = f", less {self.pause}" if self.pause else ""
        past = ", past midnight too" if self.wraps else ""
        what = "time" if self.lasts else f"{unit_of(self.unit)[0]}s"
        return f"{self.of} = {what} from {self.start} to {self.end}{past}{less}{rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray((self._passed(frame) - self._paused(frame)) / self.unit)

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        if self.rounds:
            return super().breaks(frame)
        exact = self.exact(frame)
        off = np.abs(exact - counted(frame[self.of]))
        return np.asarray(off > RELATIVE * np.maximum(1, np.abs(exact)))

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        if not self.lasts:
            return super().made(frame)
        of = frame[self.of]
        none = pd.Series(np.timedelta64(0, "s"), index=of.index).astype(of.dtype)
        exact = self.exact(frame)
        return shifted(none, exact).where(~np.isnan(exact))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`start`, `end` or the pause so that `of` is as it is; what rounding leaves stays with `of`."""
        wanted = self.aimed(frame) * self.unit + self._paused(frame)
        more = wanted - self._passed(frame)
        if name == self.pause:
            if frame[name].dtype.kind == "m":
                return shifted(frame[name], -more)
            return pd.Series(on_grid(frame[name] - more / self.each, self.grids[2]))
        grid, now = self.grids[0 if name == self.start else 1], seconds(frame[name])
        to = np.round((now + (more if name == self.end else -more)) / grid) * grid
        if self.wraps:
            to = to % A_DAY + now // A_DAY * A_DAY
        return shifted(frame[name], to - now)

    def beyond(self, name: str, values: pd.Series[Any]) -> np.ndarray:
        if name not in (self.start, self.end) or self.wraps:
            return super().beyond(name, values)
        low, high = self.ends[0 if name == self.start else 1]
        return np.asarray((seconds(values) < low) | (seconds(values) > high))

    def _passed(self, frame: pd.DataFrame) -> np.ndarray:
        passed = seconds(frame[self.end]) - seconds(frame[self.start])
        return np.asarray(passed % A_DAY if self.wraps else passed)

    def _paused(self, frame: pd.DataFrame) -> np.ndarray:
        if not self.pause:
            return np.zeros(len(frame))
        return np.asarray(counted(frame[self.pause]) * self.each)
