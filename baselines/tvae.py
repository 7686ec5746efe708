"""Variational autoencoder for tables, through sdv."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

import pandas as pd

from tabstep.baselines import sdv_adapter
from tabstep.data.table import Schema

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class TVAE:
    """Variational autoencoder for tables (Xu et al. 2019), through sdv."""

    epochs: int = 300  # this and the batch size: the paper's values; the rest: the authors' code
    batch_size: int = 500
    embedding_dim: int = 128
    compress_dims: tuple[int, ...] = (128, 128)
    decompress_dims: tuple[int, ...] = (128, 128)
    l2scale: float = 1e-5  # weight decay
    loss_factor: float = 2  # weight of the reconstruction

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Search space: the one place where it is written down."""
        width = trial.suggest_categorical("width", [64, 128, 256, 512])
        return cls(
            epochs=trial.suggest_int("epochs", 100, 1000, log=True),
            batch_size=trial.suggest_categorical("batch_size", [250, 500, 1000, 2000]),
            embedding_dim=trial.suggest_categorical("embedding_dim", [16, 32, 64, 128, 256]),
            compress_dims=(width, width),
            decompress_dims=(width, width),
            l2scale=trial.suggest_float("l2scale", 1e-6, 1e-3, log=True),
            loss_factor=trial.suggest_float("loss_factor", 0.5, 8.0, log=True),
        )

    def fit(
        self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu"
    ) -> sdv_adapter.Fitted:
        """Train encoder and decoder; raises Unsupported without sdv (see `sdv_adapter.fit`)."""
        return sdv_adapter.fit("TVAESynthesizer", asdict(self), train, schema, seed=seed, device=device)
