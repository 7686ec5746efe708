"""AdamW in a few lines: the first use of torch's own class imports torch's compiler, seconds of every process."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim.adamw import adamw


@dataclass(eq=False)
class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2); to the bit that of torch, fused.

    params  leaves that require a gradient, changed in place; `lr` may be set anew before each step
    """

    params: list[Tensor]
    lr: float
    weight_decay: float
    mean: list[Tensor] = field(init=False)  # moving averages of gradients and of their squares
    square: list[Tensor] = field(init=False)
    counts: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.mean, self.square = ([torch.zeros_like(p) for p in self.params] for _ in range(2))
        self.counts = [torch.zeros((), device=p.device) for p in self.params]

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        found = [
            (p, p.grad, *rest)
            for p, *rest in zip(self.params, self.mean, self.square, self.counts, strict=True)
            if p.grad is not None
        ]
        params, gradients, mean, square, counts = map(list, zip(*found, strict=True))
        adamw(
            params, gradients, mean, square, [], counts,
            fused=True, amsgrad=False, beta1=0.9, beta2=0.999, eps=1e-8, maximize=False,
            lr=self.lr, weight_decay=self.weight_decay,
        )  # fmt: skip
