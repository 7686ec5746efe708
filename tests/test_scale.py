"""How far one process goes that plans cells and gives them out: workers that sleep, and thousands of them.

The figures of docs/cluster.md are those of CELLS = 1_000_000 (7 minutes).
"""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tabstep.engine import cells, outcomes, run
from tabstep.engine.drawn_rows import Cost
from tabstep.engine.folder import Folder
from tabstep.engine.job import Outcome, Source
from tabstep.engine.plan import Plan, plan
from tabstep.records import store
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
        outcome = Outcome(job.cell, "ok") if what is cells.run_cell else None
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


def planned(table: Path, cells: int) -> Plan:
    """Cells of one network with two budgets, 1,000 training seeds and as many sampling seeds as it takes."""
    source = Source("small", file=small_table(table), target="label")
    entries = tuple(e for e in TINY.entries if e.method == "tabddpm")
    return plan(
        replace(TINY, entries=entries, train_seeds=1000, sample_seeds=cells // 2000), [source], workers=2
    )


RESUME = """
import sys, time
from pathlib import Path
import psutil
from tabstep.engine import run
from tabstep.engine.folder import Folder
from tests.test_scale import planned

if __name__ == "__main__":
    begun = time.monotonic()
    todo = planned(Path(sys.argv[1]), 10_000)
    planned_s = time.monotonic() - begun
    begun = time.monotonic()
    status = run.execute(todo, Folder(Path(sys.argv[2])))
    found_s = time.monotonic() - begun
    assert {(o.status, o.reason) for o in status.outcomes} == {("ok", "already done")}
    print(len(status.outcomes), planned_s, found_s, psutil.Process().memory_info().rss / 2**20)
"""


@pytest.mark.slow
def test_ten_thousand_finished_cells_are_found_so_in_seconds(tmp_path: Path) -> None:
    table, folder = tmp_path / "small.csv", Folder(tmp_path / "results")
    for job in planned(table, 10_000).jobs:
        store.write(
            folder.runs, outcomes.record(job, "ok", cost=Cost(1.0, 0.0, 1.0, 2.0, 2**30), scores={"a": [1.0]})
        )
    command = [sys.executable, "-c", RESUME, str(table), str(folder.root)]
    root = Path(__file__).resolve().parents[1]
    printed = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)}
    ).stdout
    cells, planned_s, found_s, megabytes = map(float, printed.split()[-4:])
    print(f"\n{cells:.0f} cells: planned in {planned_s:.1f} s, found in {found_s:.1f} s, {megabytes:.0f} MB")  # noqa: T201
    assert cells == 10_000
    assert found_s < 5
    assert megabytes < 1024


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_thousand_workers_are_kept_busy(tmp_path: Path) -> None:
    begun, before = time.monotonic(), psutil.Process().memory_info().rss
    todo = planned(tmp_path / "small.csv", CELLS)
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
