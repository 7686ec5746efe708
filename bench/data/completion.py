"""Make any table complete before it meets a method, and undo it on the method's rows.

Methods see neither missing values nor columns that carry nothing. Missingness is information, so it is
modelled: a numeric column with gaps gets a yes/no companion column, a missing category becomes a category
of its own. Constant columns are set aside and put back.

Data sets have a complete target. Where a user's table has no complete column to take that place in a joint model, one
with gaps does: a label with the class of gaps, or the companion of a number, which is complete.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import frames
from tabstep.data.table import Schema

MISSING = "__missing__"


def companion(column: str) -> str:
    """The name of the yes/no column that says where `column` has gaps."""
    return f"{column}{MISSING}"


@dataclass(frozen=True)
class Completion:
    """A reversible map between frames of `schema` and complete frames of `inner`.

    constant  values of the columns set aside (None: all missing)
    gaps      numeric columns whose missingness has a companion column
    dtypes    pandas dtype names of the original columns
    """

    schema: Schema
    inner: Schema
    constant: dict[str, Any]
    gaps: tuple[str, ...]
    dtypes: dict[str, str]

    @classmethod
    def fit(cls, train: pd.DataFrame, schema: Schema) -> Completion:
        """Learn from the training rows. Raises ValueError when the target is constant."""
        target = train[schema.target]
        if target.nunique(dropna=False) < 2:
            raise ValueError(
                f"target {schema.target!r} has one value, {target.iloc[0]!r}: nothing to predict"
            )
        clash = [c for c in schema.columns if c.endswith(MISSING)]
        if clash:
            raise ValueError(f"column names may not end in {MISSING!r}: {', '.join(clash)}")
        constant: dict[str, Any] = {}
        gaps: list[str] = []
        for name in schema.columns:
            distinct = train[name].dropna().unique()
            has_gaps = bool(train[name].isna().any())
            if MISSING in distinct and name in schema.labels:
                raise ValueError(f"column {name!r} may not hold the text {MISSING!r}, which stands for gaps")
            if len(distinct) == 0:
                constant[name] = None
            elif len(distinct) == 1 and (not has_gaps or name in schema.numbers):
                constant[name] = distinct[0].item() if isinstance(distinct[0], np.generic) else distinct[0]
            if has_gaps and len(distinct) > 0 and name in schema.numbers:
                gaps.append(name)
        aim, task = schema.target, schema.task
        if target.isna().any():
            aim = companion(aim) if aim in gaps else aim
            task = "binclass" if aim != schema.target or target.nunique() == 1 else "multiclass"
        inner = replace(
            schema,
            task=task,
            target=aim,
            numeric=tuple(c for c in schema.numbers if c not in (aim, *constant)),
            categorical=(
                *(c for c in schema.categorical if c not in constant),
                *(companion(c) for c in gaps if companion(c) != aim),
            ),
            integer=frozenset(c for c in schema.integer if c not in constant),
        )
        dtypes = {c: str(train[c].dtype) for c in schema.columns}
        return cls(schema, inner, constant, tuple(gaps), dtypes)

    @property
    def is_identity(self) -> bool:
        return self.schema == self.inner

    def forward(
        self, frame: pd.DataFrame, *, seed: int = 0, fill: Mapping[str, float] | None = None
    ) -> pd.DataFrame:
        """Return the complete frame.

        Gaps are filled with the column's number in `fill`, or with values drawn from the column's present ones, so
        that no artificial spike enters the marginal; the companion column says which values to disregard.
        """
        rng = np.random.default_rng(seed)
        out: dict[str, Any] = {}
        for name in self.inner.numeric:
            values = frame[name].to_numpy(copy=True)
            gap = pd.isna(values)
            if gap.any():
                present = values[~gap] if fill is None else [fill[name]]
                values[gap] = rng.choice(present, size=int(gap.sum()))
            out[name] = values
        for name in self.schema.labels:
            if name in self.inner.labels:
                out[name] = frame[name].where(frame[name].notna(), MISSING).to_numpy(dtype=object)
        for name in self.gaps:
            out[companion(name)] = np.where(frame[name].isna().to_numpy(), "yes", "no").astype(object)
        if self.inner.is_regression:
            out[self.inner.target] = frame[self.inner.target].to_numpy(copy=True)
        return pd.DataFrame(out)[list(self.inner.columns)]

    def inverse(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return rows of the original schema and dtypes, with the gaps and constants back in place."""
        out: dict[str, Any] = {}
        for name in self.schema.columns:
            column = (
                pd.Series([self.constant[name]] * len(rows), dtype=object)
                if name in self.constant
                else rows[name].reset_index(drop=True)
            )
            if name in self.gaps:
                gap = (rows[companion(name)] == "yes").to_numpy()
                column = column.astype("float64").mask(gap, np.nan)
            elif name in self.schema.labels:
                column = column.astype(object).where(column != MISSING, None)
            if column.isna().any() and name in self.schema.numbers:
                column = column.astype("float64")
            out[name] = _cast(column, self.dtypes[name])
        return pd.DataFrame(out)[list(self.schema.columns)]


def _cast(column: Any, dtype: str) -> Any:
    """Give a Series its original dtype, unless that would change its values (fractions in an integer column)."""
    whole_needed = dtype.startswith(("int", "uint"))
    if whole_needed and not np.array_equal(column, np.round(column.astype("float64"))):
        return column
    if dtype == "int64" and column.dtype.kind == "f":
        return pd.Series(frames.int64(column.to_numpy()))
    return column.astype(dtype)
