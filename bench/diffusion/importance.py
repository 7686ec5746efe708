"""Importance sampling of training times by the second moment of their losses (Nichol & Dhariwal 2021, eq. 18)."""

from __future__ import annotations

import torch
from torch import Tensor

HISTORY = 10  # losses kept for each time; sampling is uniform until every time has as many
UNIFORM = 0.001  # share of the uniform distribution, so that no time is starved


class LossSecondMoment:
    """p(t) proportional to sqrt(E[L_t^2]) over the last losses of each time 1..T; on the CPU."""

    def __init__(self, T: int) -> None:
        self.losses = torch.zeros(T, HISTORY, dtype=torch.float64)
        self.count = torch.zeros(T, dtype=torch.int64)

    def probabilities(self) -> Tensor:
        """p(t) of the times 1..T, (T,) float64."""
        T = len(self.count)
        uniform = torch.full((T,), 1 / T, dtype=torch.float64)
        if (self.count < HISTORY).any():
            return uniform
        p = self.losses.square().mean(1).sqrt()
        total = p.sum()
        return uniform if total == 0 else (1 - UNIFORM) * p / total + UNIFORM * uniform

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Times (n,) and the weights 1/(T p(t)) that make a weighted mean of losses unbiased."""
        p = self.probabilities()
        index = torch.multinomial(p, n, replacement=True, generator=generator)
        return index + 1, 1 / (len(p) * p[index])

    def record(self, t: Tensor, losses: Tensor) -> None:
        """Remember the losses (n,) of the times t (n,), the later rows of a time over the earlier ones."""
        order = torch.argsort(t, stable=True)
        index, values = t[order] - 1, losses[order].double()
        counts = torch.bincount(index, minlength=len(self.count))
        start = counts.cumsum(0) - counts
        rank = torch.arange(len(index)) - start[index]
        last = rank >= counts[index] - HISTORY
        index, rank, values = index[last], rank[last], values[last]
        self.losses[index, (self.count[index] + rank) % HISTORY] = values
        self.count += counts
