"""Features of rows from a network that completes them: its last hidden layer sees how columns depend on each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tabstep.diffusion import train
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.initial import seeded
from tabstep.diffusion.mixed import State
from tabstep.diffusion.noise import stream

HIDDEN_SHARE = 0.5  # of the columns in training


class RowNetwork(nn.Module):
    """Predict hidden columns, and the label, from the others; `features` are what it predicts from.

    A row enters as numbers and one-hot classes, zero where hidden, and one flag a column that says so.
    """

    def __init__(self, d_num: int, blocks: Blocks, classes: int, width: int) -> None:
        super().__init__()
        self.d_num, self.blocks, self.columns = d_num, blocks, d_num + len(blocks.sizes)
        d = d_num + blocks.width
        self.hidden = nn.Sequential(
            nn.Linear(d + self.columns, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.out = nn.Linear(width, d + classes)

    def features(self, x: Tensor, one_hot: Tensor, hide: Tensor | None = None) -> Tensor:
        """(n, width) of rows x (n, d_num), one_hot (n, sum K); `hide` (n, columns) marks columns with 1."""
        if hide is None:
            hide = x.new_zeros(len(x), self.columns)
        sizes = torch.tensor(self.blocks.sizes, dtype=torch.int64, device=x.device)
        classes = hide[:, self.d_num :].repeat_interleave(sizes, 1)
        shown = [x * (1 - hide[:, : self.d_num]), one_hot * (1 - classes), hide]
        found: Tensor = self.hidden(torch.cat(shown, 1))
        return found

    def loss(self, rows: State, hide: Tensor) -> Tensor:
        """Squared error of hidden numbers, cross-entropy of hidden classes and of the label, per row and column."""
        one_hot = self.blocks.one_hot(rows.c, rows.x.dtype)
        out = self.out(self.features(rows.x, one_hot, hide))
        d, end = self.d_num, self.d_num + self.blocks.width
        total = (hide[:, :d] * (out[:, :d] - rows.x) ** 2).sum()
        if self.blocks.sizes:
            log_p = self.blocks.log_softmax(out[:, d:end])
            chosen = log_p.gather(1, rows.c + self.blocks.offsets(rows.c.device))
            total = total - (hide[:, d:] * chosen).sum()
        if rows.y is not None:
            total = total + F.cross_entropy(out[:, end:], rows.y, reduction="sum")
        mean: Tensor = total / (len(rows.x) * self.columns)
        return mean


@dataclass(frozen=True)
class RowFeatures:
    """Settings of the network and of its training."""

    width: int = 64
    steps: int = 1000
    batch_size: int = 256
    lr: float = 2e-3

    def build(self, data: State, blocks: Blocks) -> RowNetwork:
        classes = 0 if data.y is None else int(data.y.max()) + 1
        network = RowNetwork(data.x.shape[1], blocks, classes, self.width)
        return network.to(data.x.device, data.x.dtype)

    def train(self, data: State, blocks: Blocks, *, seed: int) -> Mapping[str, Tensor]:
        """Weights after training on encoded training rows."""
        with seeded(seed):
            network = self.build(data, blocks)

        def loss(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
            shape = len(batch.x), network.columns
            hide = (torch.rand(shape, generator=generator) < HIDDEN_SHARE).to(batch.x)
            return (network.loss(batch, hide),)

        return train.fit(
            network,
            loss,
            data,
            train.Training(self.steps, self.batch_size, self.lr, weight_decay=0.0, ema_decay=0.99),
            generator=stream(seed, 5000),
        )

    def restore(
        self, weights: Mapping[str, Tensor], data: State, blocks: Blocks
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The features (n, width) of rows x, one_hot: deviation 1 together over the training rows, the same share of it
        each, but for those that are constant."""
        network = self.build(data, blocks)
        network.load_state_dict(dict(weights))
        network.eval().requires_grad_(False)
        with torch.no_grad():
            spread = network.features(data.x, blocks.one_hot(data.c, data.x.dtype)).std(0)
        scale = torch.where(spread > 1e-6, 1 / (spread.clamp(min=1e-6) * self.width**0.5), 0.0)
        return lambda x, one_hot: network.features(x, one_hot) * scale
