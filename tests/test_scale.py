"""How far one process goes that plans cells and gives them out: workers that sleep, and thousands of them.

The figures of the README are those of CELLS = 1_000_000 (7 minutes).
"""

from __future__ import annotations

import heapq
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tabstep import run, work
from tabstep.job import Folder, Outcome, Source
from tabstep.plan import plan
from tests.test_run import TINY, small_table

CELLS = 20_000
WORKERS = 1_000
TASK_S = 0.1


class Sleepers:
    """An executor whose tasks take TASK_S, and do nothing, once one of its workers is free."""

    def __init__(self) -> None:
        self.places = WORKERS
        self.free = [0.0] * WORKERS
        self.asleep: list[tuple[float, int, Future[Any], Any]] = []
        self.told = 0
        self.lock = threading.Lock()
        self.over = threading.Event()

    def __enter__(self) -> Sleepers:
        self.began = time.monotonic()
        threading.Thread(target=self._wake, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.took_s = time.monotonic() - self.began
        self.over.set()

    def submit(self, function: Any, arguments: Any, timeout_s: float | None) -> Future[Any]:
        future: Future[Any] = Future()
        _, _, what, (job, *_) = arguments
        outcome = Outcome(job.cell, "ok") if what is work.run_cell else None
        with self.lock:
            end = max(time.monotonic(), heapq.heappop(self.free)) + TASK_S
            heapq.heappush(self.free, end)
            heapq.heappush(self.asleep, (end, self.told, future, outcome))
            self.told += 1
        return future

    def running(self, future: Future[Any]) -> bool:
        return not future.done()

    def _wake(self) -> None:
        while not self.over.is_set():
            due = []
            with self.lock:
                while self.asleep and self.asleep[0][0] <= time.monotonic():
                    due.append(heapq.heappop(self.asleep))
            for _, _, future, outcome in due:
                future.set_result(outcome)
            if not due:
                time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_thousand_workers_are_kept_busy(tmp_path: Path) -> None:
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    entries = tuple(e for e in TINY.entries if e.method == "tabddpm")
    suite = replace(TINY, entries=entries, train_seeds=1000, sample_seeds=CELLS // 2000)
    begun, before = time.monotonic(), psutil.Process().memory_info().rss
    todo = plan(suite, [source])
    planned_s = time.monotonic() - begun
    assert len(todo.jobs) == CELLS
    place, begun = Sleepers(), time.monotonic()
    status = run.execute(todo, Folder(tmp_path / "results"), executor=place)
    waited_s = time.monotonic() - begun - place.took_s
    grown = (psutil.Process().memory_info().rss - before) / 2**20
    busy = place.told * TASK_S / WORKERS / place.took_s
    print(  # noqa: T201  the figures, for `pytest -s`
        f"\n{CELLS} cells: planned in {planned_s:.0f} s, {waited_s:.0f} s to the first task, "
        f"{place.told / place.took_s:.0f} tasks/s, workers {busy:.0%} busy, {grown:.0f} MB more"
    )
    assert len(status.outcomes) == CELLS
    assert {o.status for o in status.outcomes} == {"ok"}
    assert busy > 0.5
    assert grown < 100
