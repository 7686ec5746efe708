"""The floor: every column right, every relation between columns lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Columns:
    """The training columns, each drawn from on its own."""

    rows: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Bootstrap `n` values of each column, with its own row indices."""
        generator = np.random.default_rng(seed)
        return pd.DataFrame(
            {
                column: values.iloc[generator.integers(len(values), size=n)].reset_index(drop=True)
                for column, values in self.rows.items()
            }
        )


@dataclass(frozen=True)
class Marginals:
    """Independent bootstrap of every column: the floor, with perfect margins and no dependence."""

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Nothing to tune."""
        return cls()

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Columns:
        """Keep a copy of `train`; `seed` and `device` have no effect."""
        return Columns(train[list(schema.columns)].copy())
