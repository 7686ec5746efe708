"""Real rows in parts: what drawn rows are held against, and what is scored beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from tabstep.data import compound
from tabstep.data.columns import Column
from tabstep.data.completion import Completion
from tabstep.data.compound import Compound
from tabstep.data.table import Dataset, Schema
from tabstep.metrics import rows as scores_of_rows
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.metrics.detection import c2st_xgboost
from tabstep.metrics.efficacy import efficacy

MOST = 5_000  # rows of every part: more take longer and change no verdict
FEWEST = 50  # real rows of a part, below which scores are noise
WATCHED = 0.2  # of the training rows, by which an evaluator stops


@dataclass(frozen=True, eq=False)
class Parts:
    """Canonical rows with parts of their own.

    train    all real rows that the model was fitted on
    held     real rows that it was not fitted on, None where there are none
    like     real rows that are scored as the drawn ones are, and are as many
    watched  real rows by which an evaluator stops
    against  real rows that all are scored against: held-out ones, else a part of the training rows
    """

    schema: Schema
    train: pd.DataFrame
    held: pd.DataFrame | None
    like: pd.DataFrame
    watched: pd.DataFrame
    against: pd.DataFrame

    @classmethod
    def of(cls, schema: Schema, train: pd.DataFrame, held: pd.DataFrame | None, seed: int) -> Parts:
        """Raises ValueError for a part of fewer than `FEWEST` rows."""
        mixed = train.iloc[np.random.default_rng(seed).permutation(len(train))]
        few = int(len(train) * WATCHED)
        watched, rest = mixed.iloc[:few], mixed.iloc[few:]
        half = len(rest) // 2
        like, against = (rest, held) if held is not None else (rest.iloc[:half], rest.iloc[half:])
        for name, part in (("real", like), ("holdout", against)):
            if len(part) < FEWEST:
                raise ValueError(
                    f"{name}: too few rows for a report: {len(part)} are left to compare with, {FEWEST} are needed"
                )
        numbered = (part.iloc[:MOST].reset_index(drop=True) for part in (like, watched, against))
        return cls(schema, train, held, *numbered)

    @property
    def dataset(self) -> Dataset:
        """As metrics take them."""
        return Dataset("table", self.schema, self.train, self.watched, self.against, "", "")

    @property
    def measured(self) -> str:
        """Against which rows, in a sentence."""
        if self.held is not None:
            return f"Against {len(self.against):,} real rows that the model was not fitted on."
        return (
            f"Against {len(self.against):,} of the training rows, since there are no held-out ones: a model that "
            "copies its training rows would score well here."
        )


def canonical(
    columns: Sequence[Column], compounds: Sequence[Compound], frame: pd.DataFrame, what: str
) -> pd.DataFrame:
    """A user's rows as metrics read them. Raises ValueError that names columns that are not there or do not fit."""
    frame = compound.apart(frame, compounds)
    absent = [c.name for c in columns if c.name not in frame.columns]
    if absent:
        named = f"the column {absent[0]!r}" if len(absent) == 1 else f"the columns {', '.join(absent)}"
        raise ValueError(f"{what}: the rows lack {named} of the model")
    read = {c.name: c.read(c.like(frame[c.name])) for c in columns}
    for name, values in read.items():
        count = int(np.isinf(values).sum()) if values.dtype.kind == "f" else 0
        if count:
            raise ValueError(
                f"{what}: column {name!r} holds {count} infinite values, of which training rows have none"
            )
    return pd.DataFrame(read)


def vector(rows: pd.DataFrame, parts: Parts, *, aimed: bool, seed: int) -> tuple[dict[str, float], list[str]]:
    """Scores of the vector, and those made with them, of rows against `parts.against`; and why some are missing.

    Efficacy is by CatBoost with few trees, and only where there is a target to aim at.
    """
    dataset, schema = parts.dataset, parts.schema
    groups: list[Callable[[], Mapping[str, float]]] = [
        lambda: scores_of_rows.fidelity(rows, dataset),
        lambda: c2st_xgboost(rows, parts.against, parts.train, schema, seed=scores_of_rows.SEED),
        lambda: scores_of_rows.coverage(rows, dataset),
    ]
    if aimed:
        groups.append(
            lambda: {
                f"catboost_{name}": value
                for name, value in efficacy(CatBoostParams.fast(), rows, dataset, seed=seed).items()
            }
        )
    found: dict[str, float] = {}
    reasons = []
    for group in groups:
        try:
            found |= group()
        except ValueError as error:  # these rows cannot be scored so; the other scores stand
            reasons.append(str(error))
    return found, reasons


def varying(completion: Completion, columns: Sequence[Column]) -> Schema:
    """The columns of the user's that are not the same in all rows."""
    schema, known = completion.schema, {column.name for column in columns}
    numeric, categorical = (
        tuple(c for c in names if c in known and c not in completion.constant)
        for names in (schema.numeric, schema.categorical)
    )
    return replace(schema, numeric=numeric, categorical=categorical, integer=completion.inner.integer)


def check_target(rows: pd.DataFrame, target: str | None, what: str) -> None:
    """Raise ValueError where the column that was to be predicted is missing, as it is in no training row."""
    gaps = 0 if target is None else int(rows[target].isna().sum())
    if gaps:
        raise ValueError(f"{what}: the target {target!r} is missing in {gaps} rows; drop them")
