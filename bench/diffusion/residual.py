"""A residual network on the noisy row, with periodic features of its numbers."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tabstep.diffusion.denoiser import WIDTH, embedded, normal, projected


class Periodic(nn.Module):
    """sin and cos of learned frequencies of every number beside the number (Gorishniy et al. 2022, eq. 3).

    (n, d) to (n, d (1 + 2 k)), k frequencies a column, drawn from N(0, scale^2) in turns per unit.
    """

    def __init__(self, d: int, k: int, scale: float = 0.5) -> None:
        super().__init__()
        self.frequency = nn.Parameter(normal(d, k, scale=scale))

    def forward(self, x: Tensor) -> Tensor:
        angle = (2 * math.pi * x.unsqueeze(-1) * self.frequency).flatten(1)
        return torch.cat([x, angle.sin(), angle.cos()], 1)


class ResidualMLP(nn.Module):
    """As `denoiser.MLP`, without its bottleneck: SiLU layers that add to what they are given.

    Input (n, d_num + sum K), numbers first, or these and the flat indices of classes, see `denoiser.projected`; output
    (n, d_out). Time and label are added to the projected row. Layers of another width than the one before are plain.
    """

    def __init__(
        self,
        d_num: int,
        d_in: int,
        d_out: int,
        layers: tuple[int, ...],
        dropout: float,
        classes: int,
        frequencies: int,
    ) -> None:
        super().__init__()
        self.d_num = d_num
        self.numbers = Periodic(d_num, frequencies) if frequencies and d_num else None
        first = d_in + 2 * frequencies * d_num
        self.project = nn.Linear(first, layers[0])
        self.time = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, layers[0]))
        self.label = (
            nn.Embedding.from_pretrained(normal(classes, layers[0]), freeze=False) if classes else None
        )
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((layers[0], *layers)))
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(layers[-1], d_out)

    def forward(self, row: Tensor, t: Tensor, y: Tensor | None, classes: Tensor | None = None) -> Tensor:
        if self.numbers is not None:
            row = torch.cat([self.numbers(row[:, : self.d_num]), row[:, self.d_num :]], 1)
        embedding = embedded(self.time, t, row.dtype)
        if self.label is not None:
            embedding = embedding + self.label(y)
        h = projected(self.project, row, classes) + embedding
        for layer in self.hidden:
            more = self.dropout(layer(F.silu(h)))
            h = h + more if more.shape == h.shape else more
        out: Tensor = self.out(F.silu(h))
        return out
