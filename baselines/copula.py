"""Gaussian copula: empirical margins tied together by one correlation matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabstep.baselines.row_form import conform
from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna

Array = NDArray[np.float64]

EDGE = 2.0**-53  # keeps uniforms inside (0, 1), where the normal quantile function is finite


@dataclass(frozen=True)
class NumberMargin:
    """Empirical distribution of a numeric column; `ordered` (N,) are its training values, ascending.

    The cumulative probability of a value is its mid-rank, (rank - 1/2) / N with ties averaged, and Hazen's
    quantile is the inverse of exactly that. Ties lie at the middle of their ranks also at the ends of the
    range (the zeros of a zero-inflated column); they weaken the correlation, as categories do.
    """

    ordered: Array

    @classmethod
    def of(cls, values: pd.Series[Any]) -> Self:
        return cls(np.sort(values.to_numpy(dtype="float64")))

    def uniform(self, values: pd.Series[Any], generator: np.random.Generator) -> Array:
        """Cumulative probabilities (N,) of the training column."""
        from scipy.stats import rankdata

        return (rankdata(values.to_numpy(dtype="float64")) - 0.5) / len(values)

    def value(self, u: Array) -> Array:
        """Values (n,) at the cumulative probabilities `u` (n,); never outside the training range."""
        return np.quantile(self.ordered, u, method="hazen")


@dataclass(frozen=True)
class LabelMargin:
    """Categories as adjoining intervals of (0, 1), the most frequent first, as wide as they are frequent.

    categories  (K,)  by falling frequency, then by name
    upper       (K,)  upper ends of the intervals, the last one 1
    """

    categories: NDArray[np.object_]
    upper: Array

    @classmethod
    def of(cls, values: pd.Series[Any]) -> Self:
        share = values.value_counts(normalize=True).sort_index().sort_values(ascending=False, kind="stable")
        upper = np.cumsum(share.to_numpy(dtype="float64"), dtype=np.float64)
        upper[-1] = 1.0
        return cls(share.index.to_numpy(dtype=object), upper)

    def uniform(self, values: pd.Series[Any], generator: np.random.Generator) -> Array:
        """A uniform draw (N,) inside the interval of each row's category."""
        code = pd.Index(self.categories).get_indexer(pd.Index(values))
        lower = np.concatenate([[0.0], self.upper[:-1]])
        width = self.upper - lower
        drawn: Array = lower[code] + width[code] * generator.random(len(values))
        return drawn

    def value(self, u: Array) -> NDArray[np.object_]:
        """Categories (n,) whose intervals hold `u` (n,)."""
        chosen: NDArray[np.object_] = self.categories[np.searchsorted(self.upper[:-1], u, side="right")]
        return chosen


@dataclass(frozen=True)
class FittedCopula:
    """Margins, in the order of the schema, and `factor` (d, d) with factor @ factor.T = correlation."""

    margins: dict[str, NumberMargin | LabelMargin]
    factor: Array
    form: pd.DataFrame  # no rows: columns and dtypes of the training table
    schema: Schema

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Correlated normals (n, d), to uniforms, to values."""
        from scipy.special import ndtr

        normal = np.random.default_rng(seed).standard_normal((n, len(self.margins)))
        u = ndtr(normal @ self.factor.T)
        drawn = {column: margin.value(u[:, j]) for j, (column, margin) in enumerate(self.margins.items())}
        return conform(pd.DataFrame(drawn), self.form, self.schema)


def square_root(correlation: Array) -> Array:
    """A factor (d, d) with factor @ factor.T = `correlation` (d, d), also where that is singular.

    A sample correlation is positive semidefinite; tiny negative eigenvalues are round-off, set to 0 here.
    """
    eigenvalues, vectors = np.linalg.eigh(correlation)
    factor: Array = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    return factor


@dataclass(frozen=True)
class GaussianCopula:
    """Gaussian copula with empirical margins; categories as intervals of a latent normal (Patki et al. 2016).

    The synthetic data vault fits parametric margins; here they are empirical, so the copula's only assumption
    is the dependence. The uniform draw inside a category's interval weakens correlations, as in the paper.
    """

    shrinkage: float = 0.0  # weight of the identity in the correlation: 0 as estimated, 1 independent columns

    def __post_init__(self) -> None:
        if not 0.0 <= self.shrinkage <= 1.0:
            raise ValueError(f"shrinkage must be in 0..1, got {self.shrinkage}")

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Search space: the one place where it is written down."""
        return cls(shrinkage=trial.suggest_float("shrinkage", 0.0, 0.5))

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> FittedCopula:
        """Margins, then the correlation of normal scores; `seed` draws inside the categories' intervals."""
        from scipy.special import ndtri

        generator = np.random.default_rng(seed)
        margins: dict[str, NumberMargin | LabelMargin] = {
            column: (NumberMargin if column in schema.numbers else LabelMargin).of(train[column])
            for column in schema.columns
        }
        u = np.column_stack([margin.uniform(train[column], generator) for column, margin in margins.items()])
        estimate = np.atleast_2d(np.corrcoef(ndtri(np.clip(u, EDGE, 1 - EDGE)), rowvar=False))
        correlation = (1 - self.shrinkage) * estimate + self.shrinkage * np.eye(len(margins))
        return FittedCopula(margins, square_root(correlation), train.head(0), schema)
