"""Training rows resampled: what copying alone reaches, to be caught by the privacy scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd

from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Resampled:
    """The training rows, drawn from with replacement."""

    rows: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """`n` rows, each any of the training rows with equal chance."""
        index = np.random.default_rng(seed).integers(len(self.rows), size=n)
        return self.rows.iloc[index].reset_index(drop=True)


@dataclass(frozen=True)
class Bootstrap:
    """Training rows drawn with replacement: wins every score of quality, and hands out real people."""

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Nothing to tune."""
        return cls()

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Resampled:
        """Keep a copy of `train`; `seed` and `device` have no effect."""
        return Resampled(train[list(schema.columns)].copy())
