"""Complete frames to encoded rows and back; everything is learned from the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabstep.data import frames, scales
from tabstep.data.scales import Normalization, Scale
from tabstep.data.table import Schema

Rounding = Literal["integers", "reference"]
SNAP_AT_MOST = 32  # the reference snaps integer columns with at most this many distinct training values
ROWS_OF_A_LEVEL = 20  # in the mean, or a number column is none of levels


@dataclass(frozen=True, eq=False)
class Encoder:
    """A fitted, invertible map between complete frames and arrays.

    Numbers (the regression target first) are carried to a scale, N(0, 1) or [0, 1] (see `data.scales`); categories, and
    number columns of few levels where that is asked for, to class indices, columns ordered by their number of classes
    so that equal ones lie together. Decoded numbers stay inside the training range.

    scale       of the number columns, in encoded order
    categories  sorted training categories of each categorical column, in encoded order
    classes     sorted labels of a classification target, () for regression
    grids       distinct training values of the columns that `rounding` snaps
    levels      rising training values of the number columns that are encoded as classes
    """

    schema: Schema
    normalization: Normalization
    rounding: Rounding
    scale: Scale
    categories: dict[str, tuple[str, ...]]
    classes: tuple[str, ...]
    grids: dict[str, tuple[float, ...]]
    levels: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        schema: Schema,
        *,
        normalization: Normalization = "quantile",
        rounding: Rounding = "integers",
        levels: int = 0,
    ) -> Encoder:
        """Learn scales and categories. Raises ValueError on an unknown normalization.

        `rounding` "integers" rounds every integer column; "reference" snaps only those with at most 32 distinct
        values, never the target, and leaves the others fractional. Number columns with at most `levels` distinct
        values, each in ROWS_OF_A_LEVEL rows in the mean, are encoded as classes; never the target.
        """
        few = _levels(train, schema, min(levels, len(train) // ROWS_OF_A_LEVEL))
        columns = [train[name].to_numpy(np.float64) for name in _number_order(schema) if name not in few]
        scale = scales.fitted(normalization, columns)
        categories = {c: tuple(sorted(train[c].unique())) for c in schema.categorical}
        ordered = _by_size(categories)
        grids = {}
        if rounding == "reference":
            for name in schema.numeric:
                distinct = np.unique(train[name].to_numpy(np.float64))
                if name in schema.integer and len(distinct) <= SNAP_AT_MOST:
                    grids[name] = tuple(distinct.tolist())
        classes = () if schema.is_regression else tuple(sorted(train[schema.target].unique()))
        return cls(schema, normalization, rounding, scale, ordered, classes, grids, few)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each column that is encoded as classes."""
        return tuple(len(values) for values in self.coded.values())

    @property
    def coded(self) -> dict[str, tuple[Any, ...]]:
        """Columns that are encoded as classes, in encoded order: categories and levels."""
        return _by_size({**self.categories, **self.levels})

    @property
    def numbers(self) -> list[str]:
        """Number columns that are encoded as numbers, in encoded order."""
        return [name for name in _number_order(self.schema) if name not in self.levels]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest training value of every number column."""
        ends = dict(zip(self.numbers, map(tuple, self.scale.ends.T.tolist()), strict=True))
        return ends | {name: (values[0], values[-1]) for name, values in self.levels.items()}

    @property
    def middles(self) -> dict[str, float]:
        """A value in the middle of every number column."""
        middles = dict(zip(self.numbers, self.scale.middles.tolist(), strict=True))
        return middles | {name: values[len(values) // 2] for name, values in self.levels.items()}

    @property
    def d_num(self) -> int:
        return len(self.numbers)

    def encode(self, frame: pd.DataFrame) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows to (x (n, d_num) float32, c (n, d_c) int64, y (n,) int64 or None).

        Raises ValueError on a category that the training rows do not have; a number of levels goes to the nearest.
        """
        names, coded = self.numbers, self.coded
        x = frame[names].to_numpy(np.float64) if names else np.empty((len(frame), 0))
        x = self.scale.forward(x) if names else x
        c = np.empty((len(frame), len(coded)), np.int64)
        for j, (name, values) in enumerate(coded.items()):
            c[:, j] = (_nearest if name in self.levels else _codes)(frame[name], values)
        y = None if not self.classes else torch.from_numpy(_codes(frame[self.schema.target], self.classes))
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(c), y

    def known(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows (n,) hold only categories and labels that the training rows have, and so can be encoded."""
        columns = {name: self.categories[name] for name in self.schema.categorical}
        columns |= {self.schema.target: self.classes} if self.classes else {}
        known = [frame[name].isin(list(values)).to_numpy() for name, values in columns.items()]
        return np.logical_and.reduce(known) if known else np.ones(len(frame), dtype=bool)

    def decode(self, x: Tensor, c: Tensor, y: Tensor | None) -> pd.DataFrame:
        """Encoded rows to a frame of `schema.columns`; NaN in x stays NaN, to be seen by the harness."""
        names = self.numbers
        values = x.detach().cpu().numpy().astype(np.float64)
        if names:
            bad = ~np.isfinite(values)
            values = np.where(bad, np.nan, self.scale.inverse(np.where(bad, 0.0, values)))
        out: dict[str, Any] = {}
        for j, name in enumerate(names):
            out[name] = self._round(name, values[:, j])
        codes = c.detach().cpu().numpy()
        for j, (name, known) in enumerate(self.coded.items()):
            if name in self.levels:
                out[name] = self._whole(name, np.asarray(known, dtype=np.float64)[codes[:, j]])
            else:
                out[name] = np.asarray(known, dtype=object)[codes[:, j]]
        if y is not None:
            out[self.schema.target] = np.asarray(self.classes, dtype=object)[y.detach().cpu().numpy()]
        return pd.DataFrame(out)[list(self.schema.columns)]

    def _round(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.rounding == "reference":
            if name not in self.grids:
                return values
            grid = self.grids[name]
            return np.where(np.isnan(values), np.nan, np.asarray(grid)[_nearest(values, grid)])
        return self._whole(name, values)

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        """Values of an integer column as whole numbers."""
        if name not in self.schema.integer or self.rounding == "reference":
            return values
        whole = np.round(values)
        return whole if np.isnan(whole).any() else frames.int64(whole)

    def to_json(self) -> dict[str, Any]:
        """Everything but the scale, as plain JSON values."""
        schema = asdict(self.schema) | {"integer": sorted(self.schema.integer)}
        return {
            "schema": schema,
            "normalization": self.normalization,
            "rounding": self.rounding,
            "categories": [[name, list(values)] for name, values in self.categories.items()],
            "classes": list(self.classes),
            "grids": {name: list(values) for name, values in self.grids.items()},
            "levels": {name: list(values) for name, values in self.levels.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Encoder:
        """The inverse of `to_json`, with the `arrays` of its scale."""
        return cls(
            schema_from_json(data["schema"]),
            data["normalization"],
            data["rounding"],
            scales.restored(arrays),
            {name: tuple(values) for name, values in data["categories"]},
            tuple(data["classes"]),
            {name: tuple(values) for name, values in data["grids"].items()},
            {name: tuple(values) for name, values in data.get("levels", {}).items()},  # older ones have none
        )


def schema_from_json(data: dict[str, Any]) -> Schema:
    """A schema from its JSON form."""
    return Schema(
        task=data["task"],
        target=data["target"],
        numeric=tuple(data["numeric"]),
        categorical=tuple(data["categorical"]),
        integer=frozenset(data["integer"]),
    )


def _number_order(schema: Schema) -> list[str]:
    """The regression target is numeric column 0, as in the reference."""
    return [schema.target, *schema.numeric] if schema.is_regression else list(schema.numeric)


def _levels(train: pd.DataFrame, schema: Schema, most: int) -> dict[str, tuple[float, ...]]:
    if most < 1:
        return {}
    distinct = {name: np.unique(train[name].to_numpy(np.float64)) for name in schema.numeric}
    return {name: tuple(values.tolist()) for name, values in distinct.items() if len(values) <= most}


def _by_size(columns: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    return dict(sorted(columns.items(), key=lambda item: len(item[1])))


def _nearest(values: Any, grid: tuple[float, ...]) -> np.ndarray:
    """Indices (n,) of the values of a rising grid that are nearest to these (n,)."""
    known = np.asarray(grid)
    return np.searchsorted((known[1:] + known[:-1]) / 2, np.asarray(values, dtype=np.float64))


def _codes(column: pd.Series[Any], categories: tuple[str, ...]) -> np.ndarray:
    codes = pd.Categorical(column, categories=list(categories)).codes.astype(np.int64)
    if (codes < 0).any():
        unseen = sorted({str(v) for v in column[codes < 0]})[:5]
        raise ValueError(
            f"column {column.name!r} has categories that the training rows lack: {', '.join(unseen)}"
        )
    return codes
