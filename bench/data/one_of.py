"""Columns of two values that stand for one label of many: exactly one, or at most one, has its mark in a row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.classes import coded

MOST_SHOWN = 3  # names in words


@dataclass(frozen=True)
class OneOf:
    """Of `names` exactly one has its mark where `always`, else at most one.

    marks   what each has where it is meant, and where it is not
    shares  of the training rows in which each is meant
    """

    names: tuple[str, ...]
    marks: tuple[tuple[str | float, str | float], ...]
    shares: tuple[float, ...]
    always: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return self.names

    def __str__(self) -> str:
        few = len(self.names) <= MOST_SHOWN
        shown = ", ".join(self.names) if few else f"{self.names[0]}, {self.names[1]}, .. {self.names[-1]}"
        of = {f"{mark:g}" if isinstance(mark, float) else mark for mark, _ in self.marks}
        how = "exactly one" if self.always else "at most one"
        return f"{how} of {len(self.names)} columns, {shown}, is {' or '.join(sorted(of))}"

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units have several marks, or none where there is one always (n,) bool."""
        count = self._marked(frame).sum(axis=1)
        return np.asarray((count > 1) | (self.always & (count == 0)))

    def mended(self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
        """The frame with one mark in rows that are `wrong`: of several one of these, else any, by their shares.

        A mark that is fixed is the one; where two are, or all columns without one, the row stays.
        """
        rows = np.flatnonzero(wrong)
        marked = self._marked(frame.iloc[rows])
        held = np.array([name in fixed for name in self.names])
        shares = np.maximum(self.shares, 1e-12)
        known = (marked & held).any(axis=1, keepdims=True)
        may = np.where(known, marked & held, np.where(marked.any(axis=1, keepdims=True), marked, ~held))
        can = may.any(axis=1) & ((marked & held).sum(axis=1) < 2)
        rows, may = rows[can], may[can]
        if not len(rows):
            return frame
        taken = instead.places(frame.iloc[rows], may * shares)
        for place, (name, (mark, other)) in enumerate(zip(self.names, self.marks, strict=True)):
            if not held[place]:
                new = frame[name].copy()
                given = pd.Series(np.where(taken == place, mark, other), dtype=object).astype(new.dtype)
                new.iloc[rows] = given.to_numpy()
                frame = frame.assign(**{name: new})
        return frame

    def _marked(self, frame: pd.DataFrame) -> np.ndarray:
        """Where each column has its mark (n, names) bool."""
        return np.column_stack(
            [coded(frame[n], [mark]) == 0 for n, (mark, _) in zip(self.names, self.marks, strict=True)]
        )
