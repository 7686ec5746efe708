"""What a method and a sampler are to the harness, which knows its competitors only through this file."""

from __future__ import annotations

from typing import Any, Protocol, Self, runtime_checkable

import pandas as pd

from tabstep.data.table import Schema


class Unsupported(Exception):
    """A method or sampler that cannot do what is asked, by design; recorded as skipped with this reason."""


@runtime_checkable
class Model(Protocol):
    """A fitted generator of rows."""

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Draw `n` rows with `schema.columns`; the same seed gives the same rows."""
        ...


@runtime_checkable
class Dense(Model, Protocol):
    """A fitted generator whose law has a density in closed form."""

    def nats(self, rows: pd.DataFrame) -> Any:
        """-log p of complete rows given their labels, (n,), of numbers as `data.encode` carries them to N(0, 1).

        Infinite for a row with a category that the training rows lack.
        """
        ...


class Method(Protocol):
    """Hyper-parameters (the fields of a frozen dataclass) and how to fit with them.

    `train` is complete: no missing values, no constant feature (see `tabstep.data.completion`); it must not be changed.
    """

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Any:
        """Return a `Model`, or for a diffusion method a `tabstep.diffusion.model.Diffusion`."""
        ...


class Tunable(Protocol):
    """A method that states its own search space, the one place where it is written down."""

    @classmethod
    def suggest(cls, trial: Any) -> Self: ...
