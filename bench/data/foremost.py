"""The rule by which a label names the largest of several columns, or the least: who won, the likeliest class."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.counted import counted, on_grid
from tabstep.data.telling import Telling


@dataclass(frozen=True)
class Foremost(Telling):
    """`of`, a label or a number, names the largest of `parts` that are there, or the least where not `most`.

    Of several that are equal it names any.

    names   the label of each part
    grids   of the parts: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    hidden  whether it may name a part that is missing
    """

    parts: tuple[str, ...]
    names: tuple[str | float, ...]
    of: str
    most: bool
    grids: tuple[float, ...]
    hidden: bool = False

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or not len(self.parts) == len(self.names) == len(self.grids):
            raise ValueError(
                f"a rule with parts {self.parts}, expected two or more, a name and a grid of each"
            )
        if len({*self.names}) < len(self.names):
            raise ValueError(f"a rule with labels {self.names}, expected one for each of {self.parts}")

    @property
    def columns(self) -> tuple[str, ...]:
        return *self.parts, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, *self.parts

    def __str__(self) -> str:
        *first, last = self.parts
        shown = f"{self.of} names the {'largest' if self.most else 'least'} of {', '.join(first)} and {last}"
        return f"{shown}, where all are there" if self.hidden else shown

    @property
    def labels(self) -> list[Any]:
        return list(self.names)

    def wanted(self, frame: pd.DataFrame) -> np.ndarray:
        x, own = self._signed(frame), self.there(frame)
        top = x.max(axis=1)
        some = np.isfinite(top)
        named = x[np.arange(len(x)), own]
        right = some & (own >= 0) & ((named == top) | (self.hidden & np.isinf(named)))
        return np.where(right, own, np.where(some, x.argmax(axis=1), -1))

    def mended(self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
        """The frame with the label that the parts want in rows that are `wrong`.

        Where it is fixed, the part that it names and the largest change places; where one of these two is fixed, the
        named one goes there, or what is above it comes down.
        """
        if self.of not in fixed:
            return instead.put(frame, self.of, self.made(frame), wrong)
        own = self.there(frame)
        before = self.wanted(frame)
        for k, name in enumerate(self.parts):
            here = wrong & (own == k) & frame[name].notna().to_numpy()
            for j, other in enumerate(self.parts):
                there = here & (before == j)
                if not there.any():
                    continue
                if not {name, other} & {*fixed} and self.grids[j] == self.grids[k]:
                    values = frame[name], frame[other]
                    frame = instead.put(frame, name, values[1], there)
                    frame = instead.put(frame, other, values[0], there)
                elif name not in fixed:
                    frame = instead.put(frame, name, on_grid(frame[other], self.grids[k]), there)
            beyond = {
                other: here & ~self._at_most(frame[other], frame[name])
                for other in self.parts
                if other not in fixed and other != name
            }
            for other, there in beyond.items():
                frame = instead.put(frame, other, frame[name], there)
        return frame

    def _at_most(self, values: pd.Series[Any], others: pd.Series[Any]) -> np.ndarray:
        """Where values are not before others in what this rule ranks by, or are none."""
        beyond = values > others if self.most else values < others
        return ~np.asarray(beyond, dtype=bool)

    def _signed(self, frame: pd.DataFrame) -> np.ndarray:
        """The parts (n, k), so that the largest is it; least of all where there is a gap."""
        x = np.column_stack([counted(frame[name]) for name in self.parts])
        return np.where(np.isnan(x), -np.inf, x if self.most else -x)
