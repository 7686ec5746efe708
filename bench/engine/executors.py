"""Where tasks run: worker processes of this machine. `tabstep.engine.cluster` has the same for a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from pebble import ProcessExpired, ProcessPool

from tabstep.engine.worker import start_worker, thread_limits


class Executor(Protocol):
    """Runs functions elsewhere; used as a context manager, which stops what runs when it is left by an exception.

    places  how many it runs at a time, known once the context is entered
    """

    places: int

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float | None
    ) -> Future[Any]:
        """Start when there is room. A worker that dies or takes too long is an exception that says so."""
        ...

    def running(self, future: Future[Any]) -> bool:
        """Whether it runs now, as far as that is known."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Local:
    """Worker processes of this machine, each with its threads, its memory and its GPU; one that dies is replaced.

    gpus  names of GPUs as CUDA has them; workers are dealt out to them, and each sees its own alone, as `cuda:0`
    """

    def __init__(
        self, workers: int, threads: int, memory_bytes: int | None = None, gpus: Sequence[str] = ()
    ) -> None:
        self.places, self.threads, self.memory_bytes, self.gpus = workers, threads, memory_bytes, tuple(gpus)
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.stack.enter_context(thread_limits(self.threads))
        resource_tracker.ensure_running()  # begun by the first worker it would let that one hear Ctrl-C (`_deaf`)
        # The fork server of Python would inherit torch's thread pools; a spawned worker starts clean.
        context = multiprocessing.get_context("spawn")
        # A pool for each GPU: the worker that replaces a dead one begins with the same arguments.
        shares: list[tuple[str | None, int]] = [
            (gpu, len(range(i, self.places, len(self.gpus)))) for i, gpu in enumerate(self.gpus)
        ]
        self.pools = [
            ProcessPool(
                count,
                initializer=start_worker,
                initargs=(self.threads, self.memory_bytes, gpu),
                context=context,
            )
            for gpu, count in shares or [(None, self.places)]
            if count
        ]
        self.waiting = [0] * len(self.pools)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self.pools:
            if kind is None:
                pool.close()  # type: ignore[no-untyped-call]
            else:
                pool.stop()  # type: ignore[no-untyped-call]
        for pool in self.pools:
            pool.join()
        self.stack.close()

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float | None
    ) -> Future[Any]:
        """See `Executor`. The pool with the fewest tasks gets it."""
        least = min(range(len(self.pools)), key=self.waiting.__getitem__)
        self.waiting[least] += 1

        def ended(_: Future[Any]) -> None:
            self.waiting[least] -= 1

        with _deaf():  # the first one starts workers, and the threads that replace those that die
            future: Future[Any] = self.pools[least].submit(function, timeout_s, *arguments)
        future.add_done_callback(ended)
        return future

    def running(self, future: Future[Any]) -> bool:
        """See `Executor`."""
        return future.running()


@contextmanager
def _deaf() -> Iterator[None]:
    """Ctrl-C is for the run alone: processes and threads that begin here never hear it. Workers end with the run."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def gpus() -> tuple[str, ...]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(part.strip() for part in chosen.split(",") if part.strip())
    return tuple(map(str, range(torch.cuda.device_count())))


def explained(error: BaseException, timeout_s: float | None) -> BaseException:
    """What befell a worker, in words."""
    if isinstance(error, ProcessExpired):
        return RuntimeError(f"worker process died (exit code {error.exitcode}); out of memory or a crash")
    if isinstance(error, TimeoutError) and timeout_s is not None:
        return TimeoutError(f"took longer than the limit of {timeout_s:g} s")
    return error
