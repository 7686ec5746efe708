"""The loss of a batch and its gradient: run operation by operation, or on a card as one recorded graph.

A step has a few hundred kernels of microseconds, and launching them one by one takes several times as long as they run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tabstep.diffusion.mixed import State

Loss = Callable[[State, torch.Generator], tuple[Tensor, ...]]
WARM = 3  # batches before a graph is recorded, so that what is made once is there


@dataclass(eq=False)
class Stepwise:
    """Operation by operation. A call returns the sum of the losses, (), and leaves its gradient with the parameters."""

    params: Sequence[Tensor]
    loss: Loss
    generator: torch.Generator

    def __call__(self, batch: State) -> Tensor:
        for p in self.params:
            p.grad = None
        total = torch.stack(self.loss(batch, self.generator)).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total


@dataclass(eq=False)
class Graphed:
    """As `Stepwise`, which it records once for batches as long as the first one; others go operation by operation.

    The generator is on the card, and so are the batches; the loss must not look at a number on its way.
    """

    stepwise: Stepwise
    rows: State = field(init=False)
    graph: torch.cuda.CUDAGraph | None = field(init=False, default=None)

    def __call__(self, batch: State) -> Tensor:
        if self.graph is None:
            self._record(batch)
        assert self.graph is not None
        if len(batch.x) != len(self.rows.x):
            return self.stepwise(batch)
        for fixed, new in zip(self.rows, batch, strict=True):
            if fixed is not None and new is not None:
                fixed.copy_(new)
        self.graph.replay()
        for p, gradient in zip(self.stepwise.params, self.gradients, strict=True):
            p.grad = gradient
        return self.total

    def _record(self, batch: State) -> None:
        x, c, y = batch
        self.rows = State(x.clone(), c.clone(), None if y is None else y.clone())
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM):
                self.stepwise(self.rows)
        torch.cuda.current_stream().wait_stream(beside)
        for p in self.stepwise.params:
            p.grad = None
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(self.stepwise.generator)
        with torch.cuda.graph(self.graph):
            self.total = self.stepwise(self.rows).detach()
        self.gradients = [p.grad for p in self.stepwise.params]


def gradient(params: Sequence[Tensor], loss: Loss, generator: torch.Generator) -> Callable[[State], Tensor]:
    """How the gradient of a batch is found where the noise is drawn."""
    stepwise = Stepwise(params, loss, generator)
    return Graphed(stepwise) if generator.device.type == "cuda" else stepwise
