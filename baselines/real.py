"""The ceiling: real rows passed off as synthetic ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class RealRows:
    """The training rows, shuffled."""

    rows: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Every training row `n // len` times and a sample without replacement for the rest, shuffled."""
        generator = np.random.default_rng(seed)
        copies, rest = divmod(n, len(self.rows))
        whole = np.tile(np.arange(len(self.rows)), copies)
        part = generator.choice(len(self.rows), size=rest, replace=False)
        index = generator.permutation(np.concatenate([whole, part]))
        return self.rows.iloc[index].reset_index(drop=True)


@dataclass(frozen=True)
class Real:
    """The training rows themselves: the ceiling of quality, and the floor of privacy."""

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Nothing to tune."""
        return cls()

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> RealRows:
        """Keep a copy of `train`; `seed` and `device` have no effect."""
        return RealRows(train[list(schema.columns)].copy())
