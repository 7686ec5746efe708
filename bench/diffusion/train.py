"""The training loop: AdamW with linear decay, an exponential moving average beside the raw weights."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tabstep.diffusion.adamw import AdamW
from tabstep.diffusion.mixed import State

Loss = Callable[[State, torch.Generator], tuple[Tensor, ...]]
Progress = Callable[[int, int, float], None]
"""Called with (step, steps, loss) about every hundredth of the training."""

Judge = Callable[[nn.Module], float]
"""What an average is worth on rows that it is not trained on, a positive number; less is better."""
SLACK = 0.02
LEAST = 100


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


@dataclass(frozen=True)
class Training:
    """How long a network is trained, and how fast.

    steps       ended by `seconds` of the clock where given, however many steps that makes
    lr          falls linearly to 0
    patience    the share of the training, no less than `LEAST` steps, after which a judge that saw nothing as good ends
                it: of a few steps the first averages say nothing
    ema_warmup  the average forgets faster at first: step i enters it by 1 - min(ema_decay, (1 + i)/(ema_warmup + i))
    """

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    ema_decay: float
    ema_warmup: int = 1
    seconds: float | None = None
    patience: float = 1.0

    def clock(self) -> Callable[[int], float]:
        """From now on, the share of the training that is behind after a number of steps."""
        if self.seconds is None:
            return lambda step: step / self.steps
        budget, started = self.seconds, time.perf_counter()
        return lambda _: (time.perf_counter() - started) / budget

    def decay(self, step: int) -> float:
        """Of the moving average at a step, from 0."""
        return min(self.ema_decay, (1 + step) / (self.ema_warmup + step))


@dataclass
class Kept:
    """The last average that a judge found about as good as the best, and the share and the steps behind it.

    The learning rate is lower at the last one, which rows show and a bound does not; `SLACK` is what that is worth.
    """

    judge: Judge
    best: float = math.inf
    share: float = 0.0
    step: int = 0
    state: dict[str, Any] = field(default_factory=dict)

    def see(self, average: nn.Module, share: float, step: int) -> None:
        """Keep a copy of the average where its (positive) value is within `SLACK` of the best so far."""
        value = self.judge(average)
        self.best = min(self.best, value)
        if value <= (1 + SLACK) * self.best or not self.state:
            self.share, self.step = share, step
            self.state = copy.deepcopy(average.state_dict())

    def is_waiting(self, share: float, step: int, patience: float) -> bool:
        """Whether a better average may still come."""
        return share - self.share < patience or step - self.step < LEAST


def fit(
    network: nn.Module,
    loss: Loss,
    data: State,
    training: Training,
    *,
    generator: torch.Generator,
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Train `network` in place and return the state dict of its moving average.

    The learning rate is set after each update, so the first two updates share it. With a judge, which sees the
    average about every hundredth of the training, the one of `Kept` is returned.
    Raises `Diverged` within a hundred steps of a loss that is not finite.
    """
    average = copy.deepcopy(network).requires_grad_(False).eval()
    raw: list[Tensor] = list(network.parameters())
    ema: list[Tensor] = list(average.parameters())
    optimizer = AdamW(raw, training.lr, training.weight_decay)
    source, done = batches(data, training.batch_size, generator), training.clock()
    before = share = done(0)
    step, reported, kept = 0, -1, None if judge is None else Kept(judge)
    network.train()
    while step == 0 or (share < 1 and (kept is None or kept.is_waiting(share, step, training.patience))):
        optimizer.lr = training.lr * max(0.0, 1 - before)
        optimizer.zero_grad()
        total = torch.stack(loss(next(source), generator)).sum()
        total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, raw, 1 - training.decay(step))
        before, share, step = share, done(step + 1), step + 1
        due = int(100 * before) > reported or share >= 1
        if due or step % 100 == 0:
            value, expected = total.item(), max(step, round(step / share))
            if not math.isfinite(value):
                raise Diverged(
                    f"loss is {value} at step {step} of {expected}; lower lr (now {training.lr:g})"
                )
            if kept is not None and due:
                kept.see(average, share, step)
            if progress is not None and due:
                progress(step, expected, value)
            reported = int(100 * before)
    network.eval()
    return average.state_dict() if kept is None else kept.state
