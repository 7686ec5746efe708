"""Where tasks run: worker processes of this machine. `tabstep.cluster` has the same for a Ray cluster."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self

from pebble import ProcessExpired, ProcessPool

from tabstep import work


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
    """Worker processes of this machine, each with its threads and its memory; one that dies is replaced."""

    def __init__(self, workers: int, threads: int, memory_bytes: int | None = None) -> None:
        self.places, self.threads, self.memory_bytes = workers, threads, memory_bytes
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.stack.enter_context(work.thread_limits(self.threads))
        # The fork server of Python would inherit torch's thread pools; a spawned worker starts clean.
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPool(
            self.places,
            initializer=work.start_worker,
            initargs=(self.threads, self.memory_bytes),
            context=context,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.pool.close()  # type: ignore[no-untyped-call]
        else:
            self.pool.stop()  # type: ignore[no-untyped-call]
        self.pool.join()
        self.stack.close()

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float | None
    ) -> Future[Any]:
        """See `Executor`."""
        future: Future[Any] = self.pool.submit(function, timeout_s, *arguments)
        return future

    def running(self, future: Future[Any]) -> bool:
        """See `Executor`."""
        return future.running()


def explained(error: BaseException, timeout_s: float | None) -> BaseException:
    """What befell a worker, in words."""
    if isinstance(error, ProcessExpired):
        return RuntimeError(f"worker process died (exit code {error.exitcode}); out of memory or a crash")
    if isinstance(error, TimeoutError) and timeout_s is not None:
        return TimeoutError(f"took longer than the limit of {timeout_s:g} s")
    return error
