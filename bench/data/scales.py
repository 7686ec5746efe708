"""The scales that number columns are carried to: normal scores of quantiles or of ranks, or the unit interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from tabstep.data.lattice import Lattice
from tabstep.data.ranks import Ranks

if TYPE_CHECKING:
    from sklearn.preprocessing import QuantileTransformer

Normalization = Literal["quantile", "ranks", "minmax"]


class Scale(Protocol):
    """A fitted map between numbers (n, d) and scores (n, d); what comes back lies inside the training range."""

    @property
    def ends(self) -> np.ndarray:
        """(2, d), the least and the largest training value of each column."""
        ...

    @property
    def middles(self) -> np.ndarray:
        """(d,), a value in the middle of each column."""
        ...

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All that it has learned, for `restored`."""
        ...

    def forward(self, x: np.ndarray) -> np.ndarray: ...

    def inverse(self, scores: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Normal scores between quantiles (q, d), as scikit-learn has them: all rows of one value have its middle score."""

    quantiles: np.ndarray

    @classmethod
    def fit(cls, columns: Sequence[np.ndarray]) -> Quantiles:
        """Of complete columns (n,). The number of quantiles follows the reference: n/30 within 10..1000."""
        n = len(columns[0])
        probability = np.linspace(0, 1, min(max(min(n // 30, 1000), 10), n))
        # Interpolation can break the order by rounding.
        rising = [np.maximum.accumulate(np.quantile(values, probability)) for values in columns]
        return cls(np.stack(rising, 1))

    @property
    def ends(self) -> np.ndarray:
        return self.quantiles[[0, -1]]

    @property
    def middles(self) -> np.ndarray:
        return np.asarray(np.median(self.quantiles, axis=0))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"quantiles": np.ascontiguousarray(self.quantiles)}

    def forward(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._transformer().transform(x))

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        return np.asarray(self._transformer().inverse_transform(scores))

    def _transformer(self) -> QuantileTransformer:
        from sklearn.preprocessing import QuantileTransformer

        transformer = QuantileTransformer(output_distribution="normal")
        transformer.quantiles_ = self.quantiles
        transformer.references_ = np.linspace(0, 1, len(self.quantiles))
        transformer.n_quantiles_ = len(self.quantiles)
        transformer.n_features_in_ = self.quantiles.shape[1]
        return transformer


@dataclass(frozen=True, eq=False)
class RankScores:
    """Normal scores of ranks. Where in the ranks of its value a row lies is drawn, and the same for the same rows."""

    ranks: tuple[Ranks, ...]

    @property
    def ends(self) -> np.ndarray:
        return np.stack([ranks.values[[0, -1]] for ranks in self.ranks], 1)

    @property
    def middles(self) -> np.ndarray:
        return np.concatenate([ranks.at(np.array([0.5])) for ranks in self.ranks])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Knots (k, 3) of all columns one after the other, how many each has, and their lattices, 0 for none."""
        knots = [np.stack([r.values, r.lower, r.upper], 1) for r in self.ranks]
        lattices = [r.lattice or Lattice(0.0, 0.0, 0) for r in self.ranks]
        return {
            "knots": np.concatenate(knots),
            "sizes": np.array([len(part) for part in knots], dtype=np.int64),
            "lattices": np.array(lattices, dtype=np.float64),
        }

    def forward(self, x: np.ndarray) -> np.ndarray:
        places = np.random.default_rng(0).random(x.shape[::-1])
        each = zip(self.ranks, x.T, places, strict=True)
        return np.asarray(ndtri(np.stack([ranks.ranks(column, u) for ranks, column, u in each], 1)))

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        each = zip(self.ranks, ndtr(scores).T, strict=True)
        return np.stack([ranks.at(column) for ranks, column in each], 1)


@dataclass(frozen=True, eq=False)
class UnitInterval:
    """The range of each column, `ends` (2, d), as [0, 1]."""

    ends: np.ndarray

    @classmethod
    def fit(cls, columns: Sequence[np.ndarray]) -> UnitInterval:
        """Of complete columns (n,)."""
        return cls(np.stack([[values.min(), values.max()] for values in columns], 1))

    @property
    def middles(self) -> np.ndarray:
        return np.asarray(self.ends.mean(0))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        return {"ends": np.ascontiguousarray(self.ends)}

    def forward(self, x: np.ndarray) -> np.ndarray:
        low, high = self.ends
        return np.asarray((x - low) / np.where(high > low, high - low, 1.0))

    def inverse(self, scores: np.ndarray) -> np.ndarray:
        low, high = self.ends
        return np.asarray(np.clip(scores, 0, 1) * (high - low) + low)


def fitted(normalization: Normalization, columns: Sequence[np.ndarray]) -> Scale:
    """The scale of complete columns (n,). Raises ValueError on an unknown normalization."""
    if normalization not in get_args(Normalization):
        raise ValueError(f"normalization must be quantile, ranks or minmax, got {normalization!r}")
    if not columns:
        return UnitInterval(np.empty((2, 0)))
    if normalization == "ranks":
        return RankScores(tuple(map(Ranks.fit, columns)))
    return Quantiles.fit(columns) if normalization == "quantile" else UnitInterval.fit(columns)


def restored(arrays: Mapping[str, np.ndarray]) -> Scale:
    """The scale that has these `arrays`."""
    if "quantiles" in arrays:
        return Quantiles(arrays["quantiles"])
    if "ends" in arrays:
        return UnitInterval(arrays["ends"])
    parts = np.split(arrays["knots"], arrays["sizes"].cumsum()[:-1])
    lattices = [
        Lattice(start, step, int(places)) if step else None
        for start, step, places in arrays["lattices"].tolist()
    ]
    each = zip(parts, lattices, strict=True)
    return RankScores(tuple(Ranks(part[:, 0], part[:, 1], part[:, 2], lattice) for part, lattice in each))
