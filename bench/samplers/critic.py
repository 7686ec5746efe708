"""A critic: a network that tells drawn rows from real ones, and that rows are moved by."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import State

SOME = 20_000  # training rows that quantiles are of
NARROWEST = 1e-3  # in units of encoded numbers, of what lies between two quantiles
BEYOND = 0.2  # of it, how far numbers outside are told apart

BETAS = (0.5, 0.99)  # of Adam: moving averages shorter than usual, for the other side moves too


class Critic(nn.Module):
    """How much rows look like real ones, as a logit (n,); of classes that are one-hot it has a gradient.

    Numbers enter as they are and by piecewise linear codes, how far each is from one quantile of the training rows to
    the next (Gorishniy et al. 2022): with these a small network sees edges and gaps, as trees do.
    """

    def __init__(self, data: State, blocks: Blocks, width: int, bins: int) -> None:
        super().__init__()
        at = torch.linspace(0, 1, bins + 1, dtype=data.x.dtype, device=data.x.device)
        edges = torch.quantile(data.x[:SOME], at, dim=0)
        self.low, self.spread = edges[:-1], (edges[1:] - edges[:-1]).clamp(min=NARROWEST)
        self.blocks, self.labels = blocks, 0 if data.y is None else int(data.y.max()) + 1
        d = data.x.shape[1] * (1 + bins) + blocks.width + self.labels
        self.layers = nn.Sequential(
            nn.Linear(d, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )
        self.to(data.x.device, data.x.dtype)

    def forward(self, rows: State) -> Tensor:
        x = rows.x
        codes = ((x.unsqueeze(1) - self.low) / self.spread).clamp(-BEYOND, 1 + BEYOND).flatten(1)
        labels = [] if rows.y is None else [F.one_hot(rows.y, self.labels).to(x.dtype)]
        found: Tensor = self.layers(torch.cat([x, codes, self.blocks.one_hot(rows.c, x.dtype), *labels], 1))
        return found[:, 0]


def telling(critic: Critic, real: State, drawn: State, penalty: float) -> Tensor:
    """What a critic loses that tells real rows from drawn ones, ().

    The logistic loss of both, and `penalty` times the squared gradient at real numbers, R1 of Mescheder et al. 2018:
    without it a critic is soon so sure that its gradient says nothing.
    """
    x = real.x.detach().requires_grad_(True)
    is_real = critic(State(x, real.c, real.y))
    (slope,) = torch.autograd.grad(is_real.sum(), x, create_graph=True)
    return (
        F.softplus(-is_real).mean()
        + F.softplus(critic(drawn)).mean()
        + penalty * slope.square().sum(1).mean()
    )


def told(critic: Critic, drawn: State) -> Tensor:
    """What rows lose that a critic tells from real ones, (): the non-saturating loss of Goodfellow et al. 2014."""
    return F.softplus(-critic(drawn)).mean()


def descended(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step down a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
