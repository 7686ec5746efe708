"""Conditional tabular GAN, through sdv."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import pandas as pd

from tabstep.baselines import sdv_adapter
from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class CTGAN:
    """Conditional GAN for tables (Xu et al. 2019), through sdv.

    A table with fewer rows than `batch_size` is drawn from with replacement, one step an epoch.
    """

    epochs: int = 300  # this and the batch size: the paper's values; the rest: the authors' code
    batch_size: int = 500  # even, and a multiple of `pac`
    embedding_dim: int = 128  # width of the noise
    generator_dim: tuple[int, ...] = (256, 256)
    discriminator_dim: tuple[int, ...] = (256, 256)
    generator_lr: float = 2e-4
    generator_decay: float = 1e-6
    discriminator_lr: float = 2e-4
    discriminator_decay: float = 1e-6
    discriminator_steps: int = 1
    log_frequency: bool = True  # conditions are drawn by the logarithm of a category's frequency
    pac: int = 10  # rows that the discriminator judges together

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.batch_size % 2 or self.batch_size % self.pac:
            raise ValueError(
                f"batch_size must be even and a multiple of pac = {self.pac}, got {self.batch_size}"
            )

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Search space: the one place where it is written down."""
        width = trial.suggest_categorical("width", [128, 256, 512])
        return cls(
            epochs=trial.suggest_int("epochs", 100, 1000, log=True),
            batch_size=trial.suggest_categorical("batch_size", [250, 500, 1000, 2000]),
            embedding_dim=trial.suggest_categorical("embedding_dim", [64, 128, 256]),
            generator_dim=(width, width),
            discriminator_dim=(width, width),
            generator_lr=trial.suggest_float("generator_lr", 1e-5, 1e-3, log=True),
            discriminator_lr=trial.suggest_float("discriminator_lr", 1e-5, 1e-3, log=True),
        )

    def fit(
        self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu"
    ) -> sdv_adapter.Fitted:
        """Train generator and discriminator; raises Unsupported without sdv (see `sdv_adapter.fit`)."""
        return sdv_adapter.fit("CTGANSynthesizer", asdict(self), train, schema, seed=seed, device=device)
