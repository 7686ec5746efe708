"""The MLP evaluator: a network as the last judge, since trees do not see what smooth models do.

Numbers go through the quantiles of the normal distribution, labels are one-hot; two hidden layers, AdamW, batches of
256; training ends 16 epochs after the best loss on the watched rows and goes back to that epoch, as in TabDDPM's
evaluation. Depth, width, dropout and rates are ours: the reference tunes them for each table.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from tabstep.diffusion.initial import seeded
from tabstep.metrics.dense import encoder
from tabstep.metrics.efficacy import Problem


@dataclass(frozen=True)
class MLPParams:
    """Settings of the network and of its training."""

    layers: tuple[int, ...] = (256, 256)
    dropout: float = 0.1
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 256
    epochs: int = 200  # the most
    patience: int = 16

    def __call__(self, problem: Problem) -> MLPModel:
        encode = encoder(problem.schema, "quantile", rows=len(problem.x), seed=problem.seed)
        x, x_watched = _tensor(encode.fit_transform(problem.x)), _tensor(encode.transform(problem.x_watched))
        target = torch.float32 if problem.k == 0 else torch.int64
        y, y_watched = (torch.as_tensor(part).to(target) for part in (problem.y, problem.y_watched))
        # The reference counts epochs; so do we, but with batches of at least 1/200 of the rows, which keeps 200,000
        # rows from taking a hundred times longer than they need to settle.
        batch = max(self.batch_size, len(x) // 200)
        with seeded(problem.seed):
            net = self._network(x.shape[1], max(problem.k, 1))
            optimizer = torch.optim.AdamW(net.parameters(), self.lr, weight_decay=self.weight_decay)
            best, since, kept = float("inf"), 0, net.state_dict()
            for _ in range(self.epochs):
                net.train()
                for rows in torch.randperm(len(x)).split(batch):
                    optimizer.zero_grad(set_to_none=True)
                    _loss(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                net.eval()
                with torch.no_grad():
                    loss = float(_loss(net(x_watched), y_watched))
                since += 1
                if loss < best:
                    best, since, kept = loss, 0, copy.deepcopy(net.state_dict())
                if since >= self.patience:
                    break
        net.load_state_dict(kept)
        return MLPModel(encode, net.eval(), problem.k)

    def _network(self, inputs: int, outputs: int) -> nn.Sequential:
        parts: list[nn.Module] = []
        for width in self.layers:
            parts += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(self.dropout)]
            inputs = width
        return nn.Sequential(*parts, nn.Linear(inputs, outputs))


@dataclass(frozen=True)
class MLPModel:
    """A trained network as a predictor."""

    encode: Any
    net: nn.Sequential
    k: int

    @torch.no_grad()
    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        out = self.net(_tensor(self.encode.transform(features)))
        return np.asarray((out[:, 0] if self.k == 0 else out.softmax(1)).double())


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float32))


def _loss(out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(out, y) if y.dtype == torch.int64 else F.mse_loss(out[:, 0], y)
