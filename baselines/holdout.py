"""Fresh real rows: what a perfect generator, which knows the law and no training row, would draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import pandas as pd

from tabstep.baselines.real import RealRows
from tabstep.contracts import Unsupported
from tabstep.data.table import Dataset, Schema

if TYPE_CHECKING:
    import optuna

LEAST = 20  # rows in either half
SEED = 0  # of the halves: the same for every seed of a cell


@dataclass(frozen=True)
class Holdout:
    """Half of the test rows, scored against the other half: real people whom training never saw.

    The harness gives `halves` of the data to such a method: evaluators learn from the rows handed out, stop early on
    validation rows as ever, and are scored on test rows that were not handed out. No row is on two sides.
    """

    fresh: ClassVar[bool] = True

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Nothing to tune."""
        return cls()

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> RealRows:
        """Keep a copy of the rows given, here not the training rows; `seed` and `device` have no effect."""
        return RealRows(train[list(schema.columns)].copy())


def hands_out_fresh_rows(kind: type) -> bool:
    """Whether a method is to be given test rows in the place of training rows."""
    return bool(getattr(kind, "fresh", False))


def halves(dataset: Dataset) -> tuple[pd.DataFrame, Dataset]:
    """Rows to hand out, and the data with the other half of the test rows as its test part.

    Rows with a category that the training rows lack are never handed out, as no generator could draw them. Raises
    `Unsupported` where either half has fewer than `LEAST` rows.
    """
    test, schema = dataset.test, dataset.schema
    order = np.random.default_rng(SEED).permutation(len(test))
    first, rest = order[: len(order) // 2], order[len(order) // 2 :]
    known = np.logical_and.reduce(
        [test[name].isin(dataset.train[name]).to_numpy() for name in schema.labels]
        or [np.ones(len(test), dtype=bool)]
    )
    given = test.iloc[first[known[first]]].reset_index(drop=True)
    if min(len(given), len(rest)) < LEAST:
        raise Unsupported(f"{len(test)} test rows cannot be halved: either half needs {LEAST}")
    return given, replace(dataset, test=test.iloc[rest].reset_index(drop=True))
