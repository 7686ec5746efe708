"""What a training costs, whatever the machine: the arithmetic of its matrix products."""

from __future__ import annotations

import torch

from tabstep.data.encode import Encoder
from tabstep.diffusion.model import build
from tabstep.diffusion.tabddpm import TabDDPM


def arithmetic(method: TabDDPM, encoder: Encoder, rows: int) -> float:
    """Multiplications and additions of the matrix products of a whole training of `steps` on rows like these.

    Six for every weight and row: two forward, four backward. What is ended early takes less.
    """
    with torch.random.fork_rng(devices=[]):
        network = build(encoder, method.architecture)
    weights = sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, torch.nn.Linear))
    return 6.0 * weights * min(method.batch_size, rows) * method.steps
