"""Our conditional variational autoencoder as a method: the start of early-stopped diffusion by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import pandas as pd
import torch
from torch import Tensor

from tabstep.data.encode import Encoder
from tabstep.data.table import Schema
from tabstep.diffusion.autoencoder import Autoencoder, Fitted
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import State
from tabstep.diffusion.noise import KINDS, Noise, stream

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, eq=False)
class FittedVAE:
    """An autoencoder with the encoder of its table; class_counts (classes,) of the labels, empty for regression."""

    encoder: Encoder
    autoencoder: Fitted
    class_counts: Tensor

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Labels by their training frequencies, then rows given the labels."""
        y = None
        device = self.autoencoder.x_min.device
        if len(self.class_counts):
            generator = stream(seed, KINDS["labels"])
            weights = self.class_counts.to(torch.float64)
            y = torch.multinomial(weights, n, replacement=True, generator=generator).to(device)
        noise = Noise(seed, 0, n, self.encoder.d_num, Blocks(self.encoder.sizes), device=device)
        return self.encoder.decode(*self.autoencoder.draw(noise, y))


@dataclass(frozen=True)
class VAE(Autoencoder):
    """Conditional variational autoencoder on quantile-transformed rows (Kingma & Welling 2014; Sohn et al. 2015)."""

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        """Search space: the one place where it is written down."""
        width = trial.suggest_categorical("width", [128, 256, 512])
        return cls(
            latent=trial.suggest_categorical("latent", [8, 16, 32, 64]),
            layers=(width, width),
            steps=trial.suggest_int("steps", 1000, 10_000, log=True),
            lr=trial.suggest_float("lr", 1e-4, 3e-3, log=True),
        )

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> FittedVAE:
        """Encode and train. Raises `train.Diverged`."""
        encoder = Encoder.fit(train, schema)
        x, c, y = encoder.encode(train)
        data = State(x.to(device), c.to(device), None if y is None else y.to(device))
        blocks = Blocks(encoder.sizes)
        weights = self.train(data, blocks, seed=seed)
        counts = torch.empty(0) if y is None else torch.bincount(y, minlength=len(encoder.classes))
        return FittedVAE(encoder, self.restore(weights, data, blocks), counts)
