"""A one-class embedding: a map that draws real rows together around a centre (Ruff et al. 2018, Deep SVDD)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

HIDDEN = 64
OUT = 8
STEPS = 500
BATCH = 512
RATE = 1e-3
DECAY = 1e-4


def one_class(points: np.ndarray, *, seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Learn from points (n, d) a map to (n, 8) that is near 0 on their like.

    Layers have no bias and the centre is the untrained map's mean, so that no constant map solves the task. Same seed,
    same map.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(points).float()
    mean, spread = x.mean(0), x.std(0).clamp(min=1e-6)
    widths = (x.shape[1], HIDDEN, HIDDEN, OUT)
    weights = [
        (torch.randn(a, b, generator=generator) * (2 / a) ** 0.5).requires_grad_()
        for a, b in pairwise(widths)
    ]

    def network(rows: torch.Tensor) -> torch.Tensor:
        hidden = (rows - mean) / spread
        for weight in weights[:-1]:
            hidden = torch.nn.functional.leaky_relu(hidden @ weight, 0.1)
        out: torch.Tensor = hidden @ weights[-1]
        return out

    with torch.no_grad():
        centre = network(x).mean(0)
    adam = torch.optim.AdamW(weights, lr=RATE, weight_decay=DECAY)
    for _ in range(STEPS):
        some = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        loss = (network(x[some]) - centre).square().sum(1).mean()
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()

    @torch.no_grad()
    def learned(rows: np.ndarray) -> np.ndarray:
        return (network(torch.from_numpy(rows).float()) - centre).double().numpy()

    return learned
