"""A conditional variational autoencoder of mixed rows: mathematics, network, training and draws, on encoded rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tabstep.diffusion import train
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.initial import seeded
from tabstep.diffusion.mixed import State
from tabstep.diffusion.noise import Noise, stream

LEAST_STD = (
    0.01  # of a decoded number, in units of its encoded deviation: the density of tied values has no top
)


class Network(nn.Module):
    """q(z | x, c, y) = N(mean, std), and p(x, c | z, y) with a Gaussian for each number, a softmax for each category.

    A number's decoder deviation is one learned parameter a column (Rybkin et al. 2021), so that numbers and
    categories are weighed in nats and there is no factor to choose.
    """

    def __init__(
        self, d_num: int, blocks: Blocks, classes: int, latent: int, layers: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.d_num, self.blocks, self.classes, self.latent = d_num, blocks, classes, latent
        width = d_num + blocks.width
        self.encoder = _mlp(width + classes, layers, 2 * latent)
        self.decoder = _mlp(latent + classes, layers[::-1], width)
        self.log_std = nn.Parameter(torch.zeros(d_num))

    def encode(self, rows: State) -> tuple[Tensor, Tensor]:
        """Mean and log deviation of z, each (n, latent)."""
        one_hot = self.blocks.one_hot(rows.c, rows.x.dtype)
        mean, log_std = self.encoder(self._labelled(torch.cat([rows.x, one_hot], 1), rows.y)).chunk(2, 1)
        return mean, log_std

    def decode(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (n, d_num) and deviation (d_num,) of the numbers, log-probabilities (n, sum K) of the classes."""
        out = self.decoder(self._labelled(z, y))
        std = self.log_std.exp().clamp(min=LEAST_STD)
        return out[:, : self.d_num], std, self.blocks.log_softmax(out[:, self.d_num :])

    def _labelled(self, values: Tensor, y: Tensor | None) -> Tensor:
        if not self.classes:
            return values
        assert y is not None
        return torch.cat([values, F.one_hot(y, self.classes).to(values.dtype)], 1)


def _mlp(d_in: int, layers: tuple[int, ...], d_out: int) -> nn.Sequential:
    widths = (d_in, *layers)
    hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(widths[-1], d_out))


def divergence(mean: Tensor, log_std: Tensor) -> Tensor:
    """KL(N(mean, std) || N(0, I)) of (n, latent) parameters, (n,) nats."""
    return 0.5 * (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std).sum(1)


def bound(network: Network, rows: State, noise: Tensor) -> Tensor:
    """Negative evidence lower bound of rows, (n,) nats, with one draw of z from the noise (n, latent).

    -log p(x, c, y given z) + KL(q(z) || N(0, I)) (Kingma & Welling 2014, eq. 10).
    """
    mean, log_std = network.encode(rows)
    x_mean, x_std, log_p = network.decode(mean + log_std.exp() * noise, rows.y)
    numbers = 0.5 * ((rows.x - x_mean) / x_std) ** 2 + x_std.log() + 0.5 * math.log(2 * math.pi)
    chosen = log_p.gather(1, rows.c + network.blocks.offsets(rows.c.device))
    return numbers.sum(1) - chosen.sum(1) + divergence(mean, log_std)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained autoencoder. Drawn numbers stay in the training range of their column, x_min .. x_max (d_num,)."""

    network: Network
    x_min: Tensor
    x_max: Tensor

    @torch.no_grad()
    def draw(self, noise: Noise, y: Tensor | None) -> State:
        """Rows for labels y: latents, decoder noise and classes all drawn, none taken at its mode."""
        z = noise.apart(self.network.latent).normal()
        mean, std, log_p = self.network.decode(z, y)
        given = noise.apart(self.network.d_num)
        x = (mean + std * given.x_T()).clamp(self.x_min, self.x_max)
        return State(x, self.network.blocks.argmax(log_p, given.gumbel()), y)


@dataclass(frozen=True)
class Autoencoder:
    """Settings of the network and of its training by AdamW; its moving average is kept."""

    latent: int = 16
    layers: tuple[int, ...] = (256, 256)
    steps: int = 3000
    batch_size: int = 512
    lr: float = 1e-3
    weight_decay: float = 0.0
    ema_decay: float = 0.99

    def __post_init__(self) -> None:
        for name in ("latent", "steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.layers or min(self.layers) < 1:
            raise ValueError(f"layers must be positive widths, got {self.layers}")

    def build(self, data: State, blocks: Blocks) -> Network:
        """A fresh network for rows like `data`."""
        classes = 0 if data.y is None else int(data.y.max()) + 1
        network = Network(data.x.shape[1], blocks, classes, self.latent, self.layers)
        return network.to(data.x.device, data.x.dtype)

    def train(self, data: State, blocks: Blocks, *, seed: int) -> Mapping[str, Tensor]:
        """Weights after training on encoded rows. Raises `train.Diverged`."""
        with seeded(seed):
            network = self.build(data, blocks)

        def loss(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
            noise = torch.randn(len(batch.x), self.latent, generator=generator, dtype=batch.x.dtype)
            return (bound(network, batch, noise.to(batch.x.device)).mean(),)

        return train.fit(
            network,
            loss,
            data,
            train.Training(self.steps, self.batch_size, self.lr, self.weight_decay, self.ema_decay),
            generator=stream(seed, 3000),
        )

    def restore(self, weights: Mapping[str, Tensor], data: State, blocks: Blocks) -> Fitted:
        """The autoencoder with these weights; `data` gives its range and device."""
        network = self.build(data, blocks)
        network.load_state_dict(dict(weights))
        network.eval().requires_grad_(False)
        x = data.x
        bounds = (x.amin(0), x.amax(0)) if x.shape[1] else (x.new_empty(0), x.new_empty(0))
        return Fitted(network, *bounds)
