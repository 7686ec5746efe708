"""The network of TabDDPM: a ReLU MLP on the noisy row, with time and label embeddings added after its first layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tabstep.diffusion.blocks import Blocks

CatInput = Literal["onehot", "logonehot"]
WIDTH = 128  # of the embeddings and of the linear bottleneck, a constant of the reference
WIDE = 40  # classes a column in the mean, from which they are looked up
LOG_ZERO = -69.07755  # log 1e-30, the reference's stand-in for log 0


def time_embedding(t: Tensor, width: int = WIDTH) -> Tensor:
    """Sinusoids of the raw time, cosines first, periods up to 10,000: (n,) to (n, width)."""
    half = width // 2
    frequency = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angle = t.to(torch.float32).unsqueeze(-1) * frequency
    return torch.cat([angle.cos(), angle.sin()], -1)


def embedded(network: nn.Module, t: Tensor, dtype: torch.dtype) -> Tensor:
    """What a network makes of the sinusoids of times (n,), or (1,) for all rows: a distinct time is embedded once."""
    if len(t) == 1:
        out: Tensor = network(time_embedding(t).to(dtype))
        return out
    times, which = torch.unique(t, return_inverse=True)  # a batch holds far fewer distinct times than rows
    return F.embedding(which, network(time_embedding(times).to(dtype)))


def projected(layer: nn.Linear, row: Tensor, classes: Tensor | None) -> Tensor:
    """A linear layer of a row (n, d) and of the one-hot of classes behind it, which are told by flat index (n, d_c).

    Of wide columns it is far cheaper to add the few weights that a one-hot row selects than to multiply by its zeros.
    """
    if classes is None:
        return layer(row)  # type: ignore[no-any-return]
    d = row.shape[1]
    chosen = F.embedding_bag(classes, layer.weight[:, d:].t(), mode="sum")
    return F.linear(row, layer.weight[:, :d], layer.bias) + chosen


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    """Numbers of N(0, scale^2) of a shape, those that `torch.randn` draws.

    On the device without memory there is nothing to draw, and torch would load its compiler to say so: seconds of every
    model that is read.
    """
    empty = torch.empty(shape)
    return empty if empty.is_meta else empty.normal_(std=scale)


class MLP(nn.Module):
    """Input: the noisy row (n, d_num + sum K), or its numbers and the flat indices of its classes, see `projected`.

    Output (n, d_out): noise, class logits, and variances where asked. Times are the reference's 0-based steps 0 .. T-1;
    `NetworkDenoiser` is the one place that shifts them.
    """

    def __init__(self, d_in: int, d_out: int, layers: tuple[int, ...], dropout: float, classes: int) -> None:
        super().__init__()
        self.project = nn.Linear(d_in, WIDTH)
        self.time = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.label = nn.Embedding.from_pretrained(normal(classes, WIDTH), freeze=False) if classes else None
        widths = (WIDTH, *layers)
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(widths[-1], d_out)

    def forward(self, row: Tensor, t: Tensor, y: Tensor | None, classes: Tensor | None = None) -> Tensor:
        embedding = embedded(self.time, t, row.dtype)
        if self.label is not None:
            embedding = embedding + F.silu(self.label(y))
        h = projected(self.project, row, classes) + embedding
        for layer in self.hidden:
            h = self.dropout(F.relu(layer(h)))
        out: Tensor = self.out(h)
        return out


@dataclass(frozen=True, eq=False)
class NetworkDenoiser:
    """Adapter from the network to `mixed.Denoiser`: one-hot input, 0-based time, logits as they are."""

    network: nn.Module
    blocks: Blocks
    cat_input: CatInput = "onehot"

    def using(self, network: nn.Module) -> NetworkDenoiser:
        """The same around another network."""
        return replace(self, network=network)

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        steps = torch.full((1,), t - 1, device=x.device) if isinstance(t, int) else t - 1
        if self._is_wide and not c.is_floating_point():
            out = self.network(x, steps, y, c + self.blocks.offsets(c.device))
        else:
            one_hot = self.blocks.one_hot(c, x.dtype)
            if self.cat_input == "logonehot":
                one_hot = (1 - one_hot) * LOG_ZERO
            out = self.network(torch.cat([x, one_hot], 1), steps, y)
        d, end = x.shape[1], x.shape[1] + self.blocks.width
        numeric = out[:, :d] if out.shape[1] == end else torch.cat([out[:, :d], (out[:, end:] + 1) / 2], 1)
        return numeric, out[:, d:end]

    @property
    def _is_wide(self) -> bool:
        """Whether columns have so many classes that a product with their one-hot rows is mostly one with zeros."""
        return self.cat_input == "onehot" and self.blocks.width > WIDE * len(self.blocks.sizes)
