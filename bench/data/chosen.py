"""The rule by which a label says which of some columns another repeats: who won, what was paid, where it was sent."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.telling import places

MOST_SHOWN = 4  # labels in words


@dataclass(frozen=True)
class Chosen:
    """`of` has, where `on` is one of some labels, what another column has in the row, or one value; else it is free.

    repeats  (label, column) of labels with which it is that column
    values   (label, value) of labels with which it has one value, None for a gap
    lacking  (column, labels) that it never has, and others of the rule do, None for gaps: they are not put into it
    gaps     whether a gap says nothing, in `of` or in what it repeats
    """

    on: str
    of: str
    repeats: tuple[tuple[str | float | None, str], ...]
    values: tuple[tuple[str | float | None, str | float | None], ...] = ()
    lacking: tuple[tuple[str, tuple[str | None, ...]], ...] = ()
    gaps: bool = False

    def __post_init__(self) -> None:
        labels = [label for label, _ in (*self.repeats, *self.values)]
        if not self.repeats or len(set(labels)) < len(labels):
            raise ValueError(f"a rule with labels {labels}, expected one or more, and none twice")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.on, *dict.fromkeys(name for _, name in self.repeats), self.of)

    @property
    def gives(self) -> tuple[str, ...]:
        return (self.of,)

    def __str__(self) -> str:
        told = [(label, name) for label, name in self.repeats]
        told += [(label, _shown(value)) for label, value in self.values]
        said = ", ".join(f"{what} where {self.on} is {_shown(label)}" for label, what in told[:MOST_SHOWN])
        more = ", .." if len(told) > MOST_SHOWN else ""
        return f"{self.of} is {said}{more}{' (where both are there)' if self.gaps else ''}"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Rows (n,) bool of a frame in common units in which `of` is not what the label says."""
        shown, made = frame[self.of], self.made(frame)
        off = ~alike(shown, made)
        if not self.gaps:
            return off
        none = places(frame[self.on], [label for label, value in self.values if value is None]) >= 0
        return np.asarray(off & shown.notna().to_numpy() & (none | made.notna().to_numpy()))

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        """What the labels say; with others what is there."""
        found = frame[self.of]
        on = places(frame[self.on], [label for label, _ in (*self.repeats, *self.values)])
        for place, (_, name) in enumerate(self.repeats):
            found = found.where(on != place, frame[name])
        for place, (_, value) in enumerate(self.values, start=len(self.repeats)):
            found = found.where(on != place, value)
        return found

    def mended(self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
        """The frame with what the label says in rows that are `wrong`.

        Where that is fixed, or nothing that the column ever has, the label becomes one that says what is there; where
        none does, the column that it stands for has it, or it becomes a label that says nothing of the row; last both
        move.
        """
        if self.of not in fixed:
            made = self.made(frame)
            may = wrong & self._has(self.of, made)
            frame, wrong = instead.put(frame, self.of, made, may), wrong & ~may
        told = [label for label, _ in (*self.repeats, *self.values)]
        if self.on not in fixed:
            frame, wrong = self._turned(frame, wrong, told)
        free = [(label, name) for label, name in self.repeats if name not in fixed]
        for label, name in free:
            may = wrong & (places(frame[self.on], [label]) == 0) & self._has(name, frame[self.of])
            frame, wrong = instead.put(frame, name, frame[self.of], may), wrong & ~may
        if self.on not in fixed:
            others = [label for label in _labels(frame[self.on]) if label not in told]
            frame, wrong = self._turned(frame, wrong, others)
            for label, name in free:
                may = wrong & self._has(name, frame[self.of])
                frame = instead.put(instead.put(frame, self.on, label, may), name, frame[self.of], may)
                wrong = wrong & ~may
        return frame

    def _has(self, name: str, values: pd.Series[Any]) -> np.ndarray:
        """Which values (n,) bool a column ever has."""
        never = dict(self.lacking).get(name, ())
        return np.asarray(~(values.isin(never) | (values.isna() & (None in never))))

    def _turned(
        self, frame: pd.DataFrame, wrong: np.ndarray, labels: Sequence[Hashable]
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """The frame with the first of some labels with which a row is right, and the rows that none of them mends."""
        for label in labels if wrong.any() else ():
            tried = instead.put(frame, self.on, label, wrong)
            there = wrong & ~self.breaks(tried)
            frame, wrong = instead.put(frame, self.on, label, there), wrong & ~there
        return frame, wrong


def alike(a: pd.Series[Any], b: pd.Series[Any]) -> np.ndarray:
    """Where two columns have the same value, or both none (n,) bool."""
    return np.asarray((a == b) | (a.isna() & b.isna()), dtype=bool)


def _labels(column: pd.Series[Any]) -> list[Hashable]:
    """The values of a column, the most frequent first."""
    return list(column.value_counts().index)


def _shown(value: Any) -> str:
    return "missing" if value is None else value if isinstance(value, str) else f"{value:g}"
