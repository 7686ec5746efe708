"""One thread for every test: results do not depend on the machine, and small operators are fastest so."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a library counts cores, and for the processes of tests

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tabstep.engine import executors, run
from tabstep.engine.executors import Local
from tabstep.tuning import rounds


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are put together and not drawn: a report has seconds of them, and the test looks at none."""
    from matplotlib.figure import Figure

    monkeypatch.setattr(Figure, "draw_without_rendering", lambda _: None)
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: None)


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
    for module in (executors, run, rounds):
        monkeypatch.setattr(module, "Local", lambda *_, **__: kept)


@pytest.fixture
def shared_worker(worker: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs and studies of the test go to `worker`."""
    _use(worker, monkeypatch)


@pytest.fixture
def worker_here(worker: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """As `shared_worker`, for a test of relative paths: it and the worker are in `tmp_path` while it runs."""
    before = Path.cwd()
    monkeypatch.chdir(tmp_path)
    worker.submit(os.chdir, (tmp_path,), None).result()
    _use(worker, monkeypatch)
    yield
    worker.submit(os.chdir, (before,), None).result()
