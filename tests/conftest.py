"""One thread for every test: results do not depend on the machine, and small operators are fastest so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from tabstep import executors, run, tuning
from tabstep.executors import Local


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@dataclass
class Kept:
    """An executor that goes on when a run ends."""

    inner: Local

    @property
    def places(self) -> int:
        return self.inner.places

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], timeout_s: float | None
    ) -> Future[Any]:
        return self.inner.submit(function, arguments, timeout_s)

    def running(self, future: Future[Any]) -> bool:
        return self.inner.running(future)


@pytest.fixture(scope="session")
def worker() -> Iterator[Kept]:
    """A worker process for the runs of many tests: each takes seconds to start."""
    with Local(1, 1) as inner:
        yield Kept(inner)


def _use(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (executors, run, tuning):
        monkeypatch.setattr(module, "Local", lambda *_, **__: kept)


@pytest.fixture
def shared_worker(worker: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and studies of the test go to `worker`."""
    _use(worker, monkeypatch)


@pytest.fixture
def own_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One worker process for all runs and studies of the test, started in its folder."""
    with Local(1, 1) as inner:
        _use(Kept(inner), monkeypatch)
        yield
