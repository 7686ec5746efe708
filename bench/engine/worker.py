"""A worker process: its threads, its memory, its GPU, and its end when the run that it works for is gone."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tabstep.records.provenance import environment

PARENT_POLL_S = 1.0


def _end_with_parent(parent: int) -> None:
    """Leave when the run was killed: a worker in the middle of an hour of training would go on for nobody."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def start_worker(threads: int, memory_bytes: int | None = None, gpu: str | None = None) -> None:
    """Limit a fresh worker process to its threads, so that workers use the cores once, its memory, and its GPU.

    Memory is what it may write to (RLIMIT_DATA); beyond that an allocation fails, and the cell with it.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # read when torch first calls CUDA, which no import does
    environment()  # the commit is the one whose code was loaded, not whatever is checked out when work ends
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    threadpool_limits(threads)
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


@contextmanager
def thread_limits(threads: int) -> Iterator[None]:
    """Thread limits that numerical libraries read when a worker imports them."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
