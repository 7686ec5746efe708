"""The training loop: AdamW with linear decay, an exponential moving average beside the raw weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from tabstep.diffusion.mixed import State

Loss = Callable[[State, torch.Generator], tuple[Tensor, ...]]
Progress = Callable[[int, int, float], None]
"""Called with (step, steps, loss) about every hundredth of the training."""


class Diverged(FloatingPointError):
    """The loss is not a finite number."""


def batches(data: State, size: int, generator: torch.Generator) -> Iterator[State]:
    """Endless minibatches: reshuffled every epoch, the short last batch kept, as in the reference."""
    n = len(data.x)
    if size >= n:
        while True:
            yield data
    while True:
        order = torch.randperm(n, generator=generator).to(data.x.device)
        x, c = data.x[order], data.c[order]
        y = None if data.y is None else data.y[order]
        for i in range(0, n, size):
            yield State(x[i : i + size], c[i : i + size], None if y is None else y[i : i + size])


def fit(
    network: nn.Module,
    loss: Loss,
    data: State,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    weight_decay: float,
    ema_decay: float,
    generator: torch.Generator,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train `network` in place and return the state dict of its moving average.

    The learning rate falls linearly and is set after each update, so the first two updates share `lr`.
    Raises `Diverged` within a hundred steps of a loss that is not finite.
    """
    average = copy.deepcopy(network).requires_grad_(False)
    raw: list[Tensor] = list(network.parameters())
    ema: list[Tensor] = list(average.parameters())
    optimizer = torch.optim.AdamW(raw, lr=lr, weight_decay=weight_decay, fused=True)
    report_every = max(1, steps // 100)
    network.train()
    for step, batch in zip(range(steps), batches(data, batch_size, generator), strict=False):
        optimizer.param_groups[0]["lr"] = lr * (1 - max(step - 1, 0) / steps)
        optimizer.zero_grad(set_to_none=True)
        total = torch.stack(loss(batch, generator)).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, raw, 1 - ema_decay)
        if step % 100 == 99 or step == steps - 1 or step % report_every == 0:
            value = total.item()
            if value != value or value in (float("inf"), float("-inf")):
                raise Diverged(f"loss is {value} at step {step + 1} of {steps}; lower lr (now {lr:g})")
            if progress is not None and (step % report_every == 0 or step == steps - 1):
                progress(step + 1, steps, value)
    network.eval()
    return average.state_dict()
