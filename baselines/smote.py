"""SMOTE as a generator: new rows between neighbouring rows of one class, through imbalanced-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabstep.baselines.row_form import conform
from tabstep.contracts import Unsupported
from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

Classes = NDArray[np.int64]


def allot(n: int, counts: Classes) -> Classes:
    """Share `n` rows among classes in proportion to `counts` (K,), by largest remainders; the sum is `n`."""
    exact = n * counts / counts.sum()
    rows: Classes = np.floor(exact).astype(np.int64)
    largest = np.argsort(rows - exact, kind="stable")[: n - rows.sum()]
    rows[largest] += 1
    return rows


def halves(target: NDArray[np.float64]) -> Classes:
    """Classes of a regression's target (N,): 1 above the median, else 0; both occur unless it is constant."""
    median = np.median(target)
    above = target > median
    # More than half of the rows may sit at the maximum: then they are the upper class.
    return (above if above.any() else target == median).astype(np.int64)


@dataclass(frozen=True)
class Interpolator:
    """The scaled training table, from which imbalanced-learn draws anew in each call.

    x        (N, d)  scaled numbers, then categories as codes; the numbers include a regression's target
    classes  (N,)    codes 0..K-1 of the class label, or the half of the target for a regression
    """

    x: NDArray[np.float64]
    classes: Classes
    scaler: StandardScaler
    encoder: OrdinalEncoder | None  # of the categorical features; None where there are none
    labels: NDArray[np.object_] | None  # (K,) names of the classes; None for a regression
    k_neighbors: int
    form: pd.DataFrame  # no rows: columns and dtypes of the training table
    schema: Schema

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """`n` new rows, classes in proportion to the training table, in random order.

        A class of m rows uses min(k_neighbors, m - 1) neighbours.
        """
        # A RandomState, not the integer: imbalanced-learn restarts from an integer in every class.
        state = np.random.RandomState(seed)
        counts = np.bincount(self.classes)
        wanted = allot(n, counts)
        neighbors = np.minimum(self.k_neighbors, counts - 1)
        parts = [
            self._oversample({int(c): int(counts[c] + wanted[c]) for c in group}, int(k), state)
            for k in np.unique(neighbors[wanted > 0])
            for group in [np.flatnonzero((neighbors == k) & (wanted > 0))]
        ]
        x, classes = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = state.permutation(n)
        return self._rows(x[order], classes[order])

    def _oversample(
        self, target: dict[int, int], k: int, state: np.random.RandomState
    ) -> tuple[NDArray[np.float64], Classes]:
        """Grow the classes in `target` to that many rows each; return the new rows only."""
        from imblearn import over_sampling

        codes = range(len(self.schema.numbers), self.x.shape[1])
        oversampler = (
            over_sampling.SMOTENC(list(codes), sampling_strategy=target, random_state=state, k_neighbors=k)
            if codes
            else over_sampling.SMOTE(sampling_strategy=target, random_state=state, k_neighbors=k)
        )
        with warnings.catch_warnings():
            # Growing the largest class as well is the point here.
            warnings.filterwarnings("ignore", message="After over-sampling, the number of samples")
            x, classes = oversampler.fit_resample(self.x, self.classes)
        return x[len(self.x) :], classes[len(self.x) :]

    def _rows(self, x: NDArray[np.float64], classes: Classes) -> pd.DataFrame:
        schema, width = self.schema, len(self.schema.numbers)
        rows = pd.DataFrame(self.scaler.inverse_transform(x[:, :width]), columns=list(schema.numbers))
        if self.encoder is not None:
            rows[list(schema.categorical)] = self.encoder.inverse_transform(x[:, width:])
        if self.labels is not None:
            rows[schema.target] = self.labels[classes]
        return conform(rows, self.form, schema)


@dataclass(frozen=True)
class SMOTE:
    """Interpolation between neighbours of one class (Chawla et al. 2002), through imbalanced-learn.

    All rows returned are new. With categories SMOTE-NC: a category is the majority among the neighbours. A
    regression's target is one more number to interpolate, and its two halves around the median the classes,
    as in the evaluation of TabDDPM (Kotelnikov et al. 2023). Numbers are standardised before distances.
    """

    k_neighbors: int = 5  # the paper's value

    def __post_init__(self) -> None:
        if self.k_neighbors < 1:
            raise ValueError(f"k_neighbors must be at least 1, got {self.k_neighbors}")

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Search space: the one place where it is written down."""
        return cls(k_neighbors=trial.suggest_int("k_neighbors", 5, 20))

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Interpolator:
        """Scale and encode `train`; a lazy learner, so `seed` and `device` have no effect.

        Raises Unsupported without a number to interpolate, or for a class of a single row.
        """
        from sklearn.preprocessing import OrdinalEncoder, StandardScaler

        if not schema.numbers:
            raise Unsupported("SMOTE interpolates numbers, and this table has none")
        labels: NDArray[np.object_] | None
        if schema.is_regression:
            labels, classes = None, halves(train[schema.target].to_numpy(dtype="float64"))
        else:
            labels, classes = np.unique(train[schema.target].to_numpy(dtype=object), return_inverse=True)
        single = np.flatnonzero(np.bincount(classes) == 1)
        if len(single):
            names = [repr(c if labels is None else labels[c]) for c in single]
            raise Unsupported(f"SMOTE needs 2 rows of a class; {schema.target} has 1 of {', '.join(names)}")
        scaler = StandardScaler().set_output(transform="default")
        numbers = scaler.fit_transform(train[list(schema.numbers)].to_numpy(dtype="float64"))
        encoder, codes = None, np.empty((len(train), 0))
        if schema.categorical:
            encoder = OrdinalEncoder().set_output(transform="default")
            codes = encoder.fit_transform(train[list(schema.categorical)].to_numpy(dtype=object))
        return Interpolator(
            x=np.hstack([numbers, codes]),
            classes=classes,
            scaler=scaler,
            encoder=encoder,
            labels=labels,
            k_neighbors=self.k_neighbors,
            form=train.head(0),
            schema=schema,
        )
