"""Complete frames to encoded rows and back; everything is learned from the training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabstep.data import frames
from tabstep.data.atoms import AtomRule, Atoms, companion
from tabstep.data.plateaus import Plateaus
from tabstep.data.table import Schema

if TYPE_CHECKING:
    from sklearn.preprocessing import QuantileTransformer

Normalization = Literal["quantile", "minmax"]
Rounding = Literal["integers", "reference"]
SNAP_AT_MOST = 32  # the reference snaps integer columns with at most this many distinct training values


@dataclass(frozen=True, eq=False)
class Encoder:
    """A fitted, invertible map between complete frames and arrays.

    Numbers (the regression target first) are carried to N(0, 1) through their quantiles, or to [0, 1] by
    min-max scaling; categories to class indices, columns ordered by their number of classes so that equal ones
    lie together. Decoded numbers stay inside the training range.

    numbers     (q, d_num) float64 quantiles of each number column; min-max keeps two rows
    categories  sorted training categories of each categorical column, in encoded order
    classes     sorted labels of a classification target, () for regression
    grids       distinct training values of the columns that `rounding` snaps
    atoms       point masses of number columns, which are categories here: each such column has a companion among
                `categories`, and is among `numbers` only if it has values beside its atoms
    """

    schema: Schema
    normalization: Normalization
    rounding: Rounding
    quantiles: np.ndarray
    categories: dict[str, tuple[str, ...]]
    classes: tuple[str, ...]
    grids: dict[str, tuple[float, ...]]
    atoms: Atoms = field(default_factory=lambda: Atoms({}, {}))

    @classmethod
    def fit(
        cls,
        train: pd.DataFrame,
        schema: Schema,
        *,
        normalization: Normalization = "quantile",
        rounding: Rounding = "integers",
        atoms: AtomRule | None = None,
    ) -> Encoder:
        """Learn quantiles and categories.

        n_quantiles follows the reference: n/30 within 10..1000. `rounding` "integers" rounds every integer
        column; "reference" snaps only those with at most 32 distinct values, never the target, and leaves the
        others fractional. With a rule for `atoms`, quantiles are those of the values that are none.
        """
        found = Atoms({}, {}) if atoms is None else Atoms.find(train, schema, atoms)
        columns = [
            _free(train[name].to_numpy(np.float64), name, found) for name in _number_order(schema, found)
        ]
        if normalization == "quantile":
            count = max(min(len(train) // 30, 1000), 10)
            probability = np.linspace(0, 1, min(count, len(train)))
            quantiles = [np.quantile(values, probability) for values in columns]
            # Interpolation can break the order by rounding.
            quantiles = [np.maximum.accumulate(values) for values in quantiles]
        elif normalization == "minmax":
            quantiles = [np.array([values.min(), values.max()]) for values in columns]
        else:
            raise ValueError(f"normalization must be quantile or minmax, got {normalization!r}")
        categories = {c: tuple(sorted(train[c].unique())) for c in schema.categorical}
        categories |= {companion(name): found.classes(name) for name in found.values}
        ordered = dict(sorted(categories.items(), key=lambda item: len(item[1])))
        grids = {}
        if rounding == "reference":
            for name in schema.numeric:
                distinct = np.unique(train[name].to_numpy(np.float64))
                if name in schema.integer and len(distinct) <= SNAP_AT_MOST:
                    grids[name] = tuple(distinct.tolist())
        classes = () if schema.is_regression else tuple(sorted(train[schema.target].unique()))
        table = np.stack(quantiles, 1) if quantiles else np.empty((2, 0))
        return cls(schema, normalization, rounding, table, ordered, classes, grids, found)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each encoded categorical column."""
        return tuple(len(values) for values in self.categories.values())

    @property
    def numbers(self) -> list[str]:
        """Number columns, in encoded order."""
        return _number_order(self.schema, self.atoms)

    @property
    def sources(self) -> dict[str, str]:
        """Encoded category -> the column of the frame that it is read from."""
        return {name: name for name in self.schema.categorical} | {companion(n): n for n in self.atoms.values}

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Smallest and largest training value of every number column of the frame, atoms included."""
        ends = {
            name: (*column[[0, -1]], *self.atoms.values.get(name, ())) for name, column in self._by_number()
        }
        ends |= {name: values for name, values in self.atoms.values.items() if name not in ends}
        return {name: (float(min(values)), float(max(values))) for name, values in ends.items()}

    def _by_number(self) -> Iterator[tuple[str, np.ndarray]]:
        return zip(self.numbers, self.quantiles.T, strict=True)

    @property
    def d_num(self) -> int:
        return int(self.quantiles.shape[1])

    def encode(self, frame: pd.DataFrame) -> tuple[Tensor, Tensor, Tensor | None]:
        """Rows to (x (n, d_num) float32, c (n, d_c) int64, y (n,) int64 or None).

        The number of a row that is an atom is where it lies among the others (see `data.plateaus`). Raises ValueError
        on a category that the training rows do not have.
        """
        names = self.numbers
        x = frame[names].to_numpy(np.float64) if names else np.empty((len(frame), 0))
        if names:
            x = self._scores(x) if self.normalization == "quantile" else self._scale(x)
        c = np.empty((len(frame), len(self.categories)), np.int64)
        source = self.sources
        for j, (name, values) in enumerate(self.categories.items()):
            column = frame[source[name]]
            if name != source[name]:
                column = pd.Series(
                    self.atoms.marks(source[name], column.to_numpy(np.float64)), name=source[name]
                )
            c[:, j] = _codes(column, values)
        y = None if not self.classes else torch.from_numpy(_codes(frame[self.schema.target], self.classes))
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(c), y

    def known(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows (n,) hold only categories and labels that the training rows have, and so can be encoded."""
        columns = {name: self.categories[name] for name in self.schema.categorical}
        columns |= {self.schema.target: self.classes} if self.classes else {}
        known = [frame[name].isin(list(values)).to_numpy() for name, values in columns.items()]
        known += [
            self.atoms.is_atom(n, frame[n].to_numpy()) for n in self.atoms.values if n not in self.atoms.free
        ]
        return np.logical_and.reduce(known) if known else np.ones(len(frame), dtype=bool)

    def decode(self, x: Tensor, c: Tensor, y: Tensor | None) -> pd.DataFrame:
        """Encoded rows to a frame of `schema.columns`; NaN in x stays NaN, to be seen by the harness."""
        names = self.numbers
        values = x.detach().cpu().numpy().astype(np.float64)
        if names:
            bad = ~np.isfinite(values)
            values = np.where(bad, 0.0, values)
            values = self._values(values) if self.normalization == "quantile" else self._unscale(values)
            values = np.where(bad, np.nan, values)
        out: dict[str, Any] = {}
        for j, name in enumerate(names):
            out[name] = self._round(name, values[:, j])
        codes = c.detach().cpu().numpy()
        source = self.sources
        for j, (name, categories) in enumerate(self.categories.items()):
            labels, column = np.asarray(categories, dtype=object)[codes[:, j]], source[name]
            if name != column:
                labels = self._whole(column, self.atoms.restored(column, labels, out.get(column)))
            out[column] = labels
        if y is not None:
            out[self.schema.target] = np.asarray(self.classes, dtype=object)[y.detach().cpu().numpy()]
        return pd.DataFrame(out)[list(self.schema.columns)]

    def _round(self, name: str, values: np.ndarray) -> np.ndarray:
        if self.rounding == "reference":
            if name not in self.grids:
                return values
            grid = np.asarray(self.grids[name])
            middle = (grid[1:] + grid[:-1]) / 2
            return np.where(np.isnan(values), np.nan, grid[np.searchsorted(middle, values)])
        return self._whole(name, values)

    def _whole(self, name: str, values: np.ndarray) -> np.ndarray:
        """Values of an integer column as whole numbers."""
        if name not in self.schema.integer or self.rounding == "reference":
            return values
        whole = np.round(values)
        return whole if np.isnan(whole).any() else frames.int64(whole)

    def _scores(self, x: np.ndarray) -> np.ndarray:
        """Numbers (n, d_num) as normal scores; a column with atoms has those of all rows, see `data.plateaus`."""
        scores = np.asarray(self._transformer().transform(x))
        for j, name in enumerate(self.numbers):
            if name in self.atoms.free:
                scores[:, j] = self.atoms.spread(name, x[:, j], scores[:, j])
        return scores

    def _values(self, scores: np.ndarray) -> np.ndarray:
        """The inverse of `_scores`; where a row is an atom its value is not to be used."""
        scores = scores.copy()
        for j, name in enumerate(self.numbers):
            if name in self.atoms.free:
                scores[:, j] = self.atoms.gathered(name, scores[:, j])
        return np.asarray(self._transformer().inverse_transform(scores))

    def _transformer(self) -> QuantileTransformer:
        from sklearn.preprocessing import QuantileTransformer

        transformer = QuantileTransformer(output_distribution="normal")
        transformer.quantiles_ = self.quantiles
        transformer.references_ = np.linspace(0, 1, len(self.quantiles))
        transformer.n_quantiles_ = len(self.quantiles)
        transformer.n_features_in_ = self.d_num
        return transformer

    def _scale(self, x: np.ndarray) -> np.ndarray:
        low, high = self.quantiles
        return np.asarray((x - low) / np.where(high > low, high - low, 1.0))

    def _unscale(self, x: np.ndarray) -> np.ndarray:
        low, high = self.quantiles
        return np.asarray(np.clip(x, 0, 1) * (high - low) + low)

    def to_json(self) -> dict[str, Any]:
        """Everything but the quantiles, as plain JSON values."""
        schema = asdict(self.schema) | {"integer": sorted(self.schema.integer)}
        return {
            "schema": schema,
            "normalization": self.normalization,
            "rounding": self.rounding,
            "categories": [[name, list(values)] for name, values in self.categories.items()],
            "classes": list(self.classes),
            "grids": {name: list(values) for name, values in self.grids.items()},
            "atoms": {
                "values": {name: list(values) for name, values in self.atoms.values.items()},
                "plateaus": {name: [*map(list, found)] for name, found in self.atoms.plateaus.items()},
            },
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], quantiles: np.ndarray) -> Encoder:
        """The inverse of `to_json`."""
        return cls(
            schema_from_json(data["schema"]),
            data["normalization"],
            data["rounding"],
            quantiles,
            {name: tuple(values) for name, values in data["categories"]},
            tuple(data["classes"]),
            {name: tuple(values) for name, values in data["grids"].items()},
            _atoms_from_json(
                data.get("atoms", {"values": {}, "plateaus": {}})
            ),  # absent in models of before it existed
        )


def _atoms_from_json(data: dict[str, Any]) -> Atoms:
    values = {name: tuple(map(float, found)) for name, found in data["values"].items()}
    plateaus = {name: Plateaus(tuple(below), tuple(mass)) for name, (below, mass) in data["plateaus"].items()}
    return Atoms(values, plateaus)


def schema_from_json(data: dict[str, Any]) -> Schema:
    """A schema from its JSON form."""
    return Schema(
        task=data["task"],
        target=data["target"],
        numeric=tuple(data["numeric"]),
        categorical=tuple(data["categorical"]),
        integer=frozenset(data["integer"]),
    )


def _number_order(schema: Schema, atoms: Atoms) -> list[str]:
    """The regression target is numeric column 0, as in the reference; columns of atoms alone are no numbers."""
    names = [schema.target, *schema.numeric] if schema.is_regression else list(schema.numeric)
    return [name for name in names if name not in atoms.values or name in atoms.free]


def _free(values: np.ndarray, name: str, atoms: Atoms) -> np.ndarray:
    return values[~atoms.is_atom(name, values)] if name in atoms.free else values


def _codes(column: pd.Series[Any], categories: tuple[str, ...]) -> np.ndarray:
    codes = pd.Categorical(column, categories=list(categories)).codes.astype(np.int64)
    if (codes < 0).any():
        unseen = sorted({str(v) for v in column[codes < 0]})[:5]
        raise ValueError(
            f"column {column.name!r} has categories that the training rows lack: {', '.join(unseen)}"
        )
    return codes
