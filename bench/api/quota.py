"""Rows of each label, so many and no more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.data.columns import Column


@dataclass(frozen=True)
class Quota:
    """n rows, of each label as many as of any other, up to one: the first labels have one more."""

    column: Column
    labels: tuple[str, ...]
    n: int

    @property
    def goals(self) -> dict[str, int]:
        """How many rows of each label there are to be."""
        each, more = divmod(self.n, len(self.labels))
        return {label: each + (place < more) for place, label in enumerate(self.labels)}

    def admits(self, rows: pd.DataFrame, mask: np.ndarray, counts: dict[str, int]) -> np.ndarray:
        """Which of the rows (n,) in the mask (n,) are still wanted; `counts` goes on to count them."""
        found = self.column.read(rows[self.column.name])
        wanted = np.zeros(len(rows), dtype=bool)
        for label, goal in self.goals.items():
            here = mask & (found == label)
            taken = here & (np.cumsum(here) <= goal - counts.get(label, 0))
            counts[label] = counts.get(label, 0) + int(taken.sum())
            wanted |= taken
        return wanted

    def lacking(self, counts: dict[str, int]) -> list[str]:
        """The labels of which rows are still wanted."""
        return [label for label, goal in self.goals.items() if counts.get(label, 0) < goal]
