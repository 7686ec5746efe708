"""What a cell costs: wall-clock seconds, peak memory, and evaluations counted at the network."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass
class Span:
    """Filled in when the span ends: wall-clock seconds, and the process' peak resident bytes so far."""

    seconds: float = 0.0
    peak_bytes: int = 0


def synchronize(device: str | torch.device) -> None:
    """Wait for queued work of an accelerator; the CPU has none."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def timed(device: str | torch.device = "cpu") -> Iterator[Span]:
    """Time a block, with the device synchronised at both ends."""
    span = Span()
    synchronize(device)
    start = time.perf_counter()
    yield span
    synchronize(device)
    span.seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    span.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
