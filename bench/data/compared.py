"""The rule by which a label says which of two columns is larger: who won by the goals, what came after it was due."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.counted import counted, on_grid, shifted
from tabstep.data.telling import Telling

SIGNS = (-1, 0, 1)  # of a number less another
SHOWN = {(-1,): "<", (-1, 0): "<=", (0,): "=", (0, 1): ">=", (1,): ">", (-1, 1): "!="}
SMALL = 1e-9  # of continuous numbers, by which one is above another


@dataclass(frozen=True)
class Compared(Telling):
    """`of`, a label or a number, is told by whether `first` is below, equal to or above `second`.

    pairs  (-1, 0 or 1, value) of those that were seen, None for a gap
    unit   of times whose days are compared the seconds of a day, else 0
    ends   the least and the largest value of `first` and of `second` that were seen, times in seconds
    steps  of the two grids: 10^-decimals, seconds of times, 0 where values are continuous
    """

    first: str
    second: str
    of: str
    pairs: tuple[tuple[int, str | float | None], ...]
    unit: float
    ends: tuple[tuple[float, float], tuple[float, float]]
    steps: tuple[float, float]

    def __post_init__(self) -> None:
        for sign, _ in self.pairs:
            if sign not in SIGNS:
                raise ValueError(f"a rule with sign {sign!r}, expected one of {', '.join(map(str, SIGNS))}")
        if len(self.labels) < 2 or len({sign for sign, _ in self.pairs}) < len(self.pairs):
            raise ValueError(f"a rule with labels {self.pairs}, expected two or more, and one for each sign")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.first, self.second

    def __str__(self) -> str:
        said = []
        first, second = (f"the day of {name}" if self.unit else name for name in (self.first, self.second))
        for label in self.labels:
            sign = SHOWN[tuple(sorted(sign for sign, other in self.pairs if other == label))]
            shown = "missing" if label is None else label if isinstance(label, str) else f"{label:g}"
            said.append(f"{shown} where {first} {sign} {second}")
        return f"{self.of} is {', '.join(said)}"

    @property
    def labels(self) -> list[Any]:
        return list(dict.fromkeys(label for _, label in self.pairs))

    def wanted(self, frame: pd.DataFrame) -> np.ndarray:
        sign = np.sign(self._away(frame))
        told = {sign: self.labels.index(label) for sign, label in self.pairs}
        return np.select([sign == other for other in told], [*told.values()], default=-1)

    def mended(self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
        """The frame with the label that the two numbers want in rows that are `wrong`.

        Where it is fixed, they change places; where that does not do, or one of them is fixed too, one goes as far on
        the other side of the other as it was on this, to its own end at most, or is equal to it.
        """
        if self.of not in fixed:
            return instead.put(frame, self.of, self.made(frame), wrong)
        free = [name for name in (self.first, self.second) if name not in fixed]
        turned = [self._swapped(frame)] if len(free) == 2 and self.steps[0] == self.steps[1] else []
        for other in (*turned, *(self._turned(frame, name) for name in free)):
            there = wrong & ~self.breaks(other)
            for name in free:
                frame = instead.put(frame, name, other[name], there)
            wrong = wrong & ~there
        return frame

    def _swapped(self, frame: pd.DataFrame) -> pd.DataFrame:
        first, second = (self._to(frame[a], frame[b]) for a, b in permutations((self.first, self.second)))
        return frame.assign(**{self.first: first, self.second: second})

    def _to(self, values: pd.Series[Any], others: pd.Series[Any]) -> Any:
        """The values of the other column, within those that this one has had."""
        return self._shifted(values, counted(others) - counted(values))

    def _turned(self, frame: pd.DataFrame, name: str) -> pd.DataFrame:
        """One of the two moved; where they are equal and must not be, by as little as the grids have."""
        away, there, x = self._away(frame), self.there(frame), counted(frame[name])
        may = {sign: there == self.labels.index(label) for sign, label in self.pairs}
        below, equal, above = (may.get(sign, np.zeros(len(x), dtype=bool)) for sign in SIGNS)
        least = self.unit or max(self.steps) or SMALL * (1 + np.abs(x))
        across = np.where(away < 0, above, below) & (away != 0)
        to = np.select([across, equal, above, below], [-away, 0.0, least, -least], default=away)
        by = to - away if name == self.first else away - to
        return frame.assign(**{name: self._shifted(frame[name], by)})

    def _away(self, frame: pd.DataFrame) -> np.ndarray:
        return above(frame[self.first], frame[self.second], self.unit)

    def _shifted(self, values: pd.Series[Any], by: np.ndarray) -> Any:
        """Values moved on their grid, by no less, to their end at most."""
        second, x = values.name == self.second, counted(values)
        own, ends = self.steps[second], self.ends[second]
        by = np.clip(x + by, *ends) - x
        by = np.sign(by) * np.ceil(np.abs(by) / own - SMALL) * own if own else by
        return shifted(values, by) if values.dtype.kind in "mM" else on_grid(values + by, own).clip(*ends)


def above(first: pd.Series[Any], second: pd.Series[Any], unit: float) -> np.ndarray:
    """How far one column is above another (n,), of times with a `unit` their days; NaN for gaps."""
    a, b = counted(first), counted(second)
    return np.asarray((np.floor(a / unit) - np.floor(b / unit)) * unit if unit else a - b)
