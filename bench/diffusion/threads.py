"""How many threads an operator takes: on cores that others keep busy all of them wait for the one that has no core."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

ROWS, WIDTH, LAYERS = 1024, 256, 5  # of a small network, as a training step has them
SLOWER = 1.25  # times one thread's time, from which several are no help; on idle cores they take less than it


def seconds(threads: int) -> float:
    """Of a pass through some layers with so many threads, the median of five."""
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, w = torch.ones(ROWS, WIDTH), torch.full((WIDTH, WIDTH), 1 / WIDTH)
        found = []
        for _ in range(5):
            started = time.perf_counter()
            y = x
            for _ in range(LAYERS):
                y = torch.relu(y @ w)
            found.append(time.perf_counter() - started)
        return sorted(found)[2]
    finally:
        torch.set_num_threads(usual)


@contextmanager
def as_many_as_help() -> Iterator[int]:
    """One thread for what is done inside, where all of them are far slower here and now; else as many as there were."""
    usual = torch.get_num_threads()
    chosen = 1 if usual > 1 and seconds(usual) > SLOWER * seconds(1) else usual
    torch.set_num_threads(chosen)
    try:
        yield chosen
    finally:
        torch.set_num_threads(usual)
