"""A number or a time that is the largest, or the least, of others: the best of three runs, the last of some dates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.counted import on_grid


@dataclass(frozen=True)
class Extreme:
    """`of` is the largest of `parts` that are there, or the least where not `most`.

    grids   of the parts: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    hidden  whether a part that is missing may be it, so that `of` can be beyond those that are there
    """

    parts: tuple[str, ...]
    of: str
    most: bool
    grids: tuple[float, ...]
    hidden: bool = False

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len(self.grids) != len(self.parts):
            raise ValueError(f"a rule with parts {self.parts}, expected two or more, and a grid of each")

    @property
    def columns(self) -> tuple[str, ...]:
        return *self.parts, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, *self.parts

    def __str__(self) -> str:
        *first, last = self.parts
        shown = f"{self.of} = the {'largest' if self.most else 'least'} of {', '.join(first)} and {last}"
        return f"{shown}, where all are there" if self.hidden else shown

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        made, shown = self.made(frame), frame[self.of]
        off = made != shown
        if self.hidden:
            beyond = made > shown if self.most else made < shown
            off = off.where(frame[list(self.parts)].notna().all(axis=1), beyond)
        return np.asarray(off & made.notna() & shown.notna())

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        return self._end(frame[list(self.parts)])

    def shared(self, frame: pd.DataFrame, free: Collection[str]) -> pd.DataFrame:
        """The frame with the free parts that are beyond `of` at it, and the nearest of them where no part is there."""
        whole = frame[self.of]
        for name in free:
            part = frame[name]
            beyond = (part > whole) if self.most else (part < whole)
            frame = frame.assign(**{name: part.where(~beyond, whole)})
        open_ = self.breaks(frame)
        nearest = self._end(frame[list(free)])
        for name in free:
            there = open_ & (frame[name] == nearest).to_numpy()
            frame = frame.assign(**{name: self._put(frame, name, there)})
            open_ = open_ & ~there
        return frame

    def _end(self, parts: pd.DataFrame) -> pd.Series[Any]:
        return parts.max(axis=1) if self.most else parts.min(axis=1)

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """A part at `of`."""
        return self._put(frame, name, np.ones(len(frame), bool))

    def _put(self, frame: pd.DataFrame, name: str, there: np.ndarray) -> pd.Series[Any]:
        whole = on_grid(frame[self.of], self.grids[self.parts.index(name)])
        return pd.Series(frame[name].where(~there, whole))
