"""Initial weights, which torch draws from its one generator for all: seeded, by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_ALONE = threading.RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draws inside from torch's global generator follow `seed`, whatever other threads fit; then it is as before."""
    with _ALONE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
