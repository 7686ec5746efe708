"""Jobs to records: worker processes, resuming, and one row for whatever goes wrong."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pebble import ProcessExpired, ProcessPool

from tabstep import store, work
from tabstep.plan import Plan
from tabstep.work import Folder, Job, Outcome

POLL_S = 0.2


@dataclass(frozen=True)
class Task:
    """What one worker does at a time: the fit of a diffusion, one of its cells, or a whole baseline."""

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    jobs: tuple[Job, ...]  # the cells that are lost if the worker dies
    then: tuple[Task, ...] = ()  # to be started when this one is done
    cost: float = 1.0  # expected, relative; only for the order of work and the time left


@dataclass
class Status:
    """What a live view shows."""

    total: int
    outcomes: list[Outcome] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    cost_left: float = 0.0
    cost_done: float = 0.0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> float | None:
        """From the cost done so far; None before there is any."""
        spent = time.monotonic() - self.started
        return spent * self.cost_left / self.cost_done if self.cost_done > 0 else None


Watch = Callable[[Status, "Outcome | None"], None]
"""Called several times a second, and once for every finished cell."""


def _silent(status: Status, outcome: Outcome | None) -> None:
    """Watch nothing."""


def tasks(jobs: Sequence[Job], folder: Folder) -> list[Task]:
    """Group pending jobs so that every model is fitted once and its cells follow each other; dear ones first."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.fit_key].append(job)
    out: list[list[Task]] = []  # a list a model, which a worker then has in memory
    for members in groups.values():
        first = members[0]
        name = f"{first.cell.dataset} {first.cell.method} seed {first.cell.train_seed}"
        if not work.is_diffusion(first):
            cost = 4.0 + 2.0 * len(members)
            out.append([Task(name, work.run_baseline, (tuple(members), folder), tuple(members), cost=cost)])
            continue
        members.sort(key=lambda job: -(job.cell.steps or 0))
        cells = [
            Task(
                f"{name} {job.cell.sampler} {job.cell.grid} {job.cell.steps}",
                work.run_cell,
                (job, folder),
                (job,),
                cost=2.0 + 0.02 * (job.cell.steps or 0),
            )
            for job in members
        ]
        if folder.model(first).joinpath("fit.json").exists():
            out.append(cells)
        else:
            fit = Task(
                f"{name} fit", work.fit_diffusion, (first, folder), tuple(members), tuple(cells), cost=20.0
            )
            out.append([fit])
    return [task for group in sorted(out, key=lambda group: -group[0].cost) for task in group]


def execute(plan: Plan, folder: Folder, *, timeout_s: float | None = None, watch: Watch = _silent) -> Status:
    """Run what is not done yet and return how every cell of the plan ended.

    Finished cells are found by their keys and not repeated; failed and skipped ones are tried again. A worker
    that dies or outlasts `timeout_s` fails its own cells only. On KeyboardInterrupt workers are stopped and what
    is finished stays.
    """
    _clean(folder)
    status = Status(total=len(plan.jobs) + len(plan.skipped))
    for job, reason in plan.skipped:
        if not store.done(folder.runs, job.cell, job.key) and _finished_key(folder, job) is None:
            store.write(folder.runs, work.record(job, "skipped", reason))
        _finish(status, watch, Outcome(job.cell, "skipped", reason))
    pending = []
    for job in plan.jobs:
        if _finished_key(folder, job) == job.key:
            _finish(status, watch, Outcome(job.cell, "ok", "already done"))
        else:
            pending.append(job)
    if not pending:
        return status
    queue = tasks(pending, folder)
    status.cost_left = sum(task.cost + sum(t.cost for t in task.then) for task in queue)
    status.started = time.monotonic()
    workers, threads = pending[0].workers, pending[0].threads
    with _environment(threads):
        # The fork server of Python would inherit torch's thread pools; a spawned worker starts clean.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPool(workers, initializer=work.start_worker, initargs=(threads,), context=context)
        try:
            _drain(pool, queue, folder, status, timeout_s, watch)
            pool.close()  # type: ignore[no-untyped-call]
        except BaseException:
            pool.stop()  # type: ignore[no-untyped-call]
            raise
        finally:
            pool.join()
    return status


def _drain(
    pool: ProcessPool,
    queue: list[Task],
    folder: Folder,
    status: Status,
    timeout_s: float | None,
    watch: Watch,
) -> None:
    active: dict[Future[Any], Task] = {}

    def submit(task: Task) -> None:
        active[pool.submit(task.function, timeout_s, *task.arguments)] = task

    for task in queue:
        submit(task)
    while active:
        ready, _ = wait(active, timeout=POLL_S, return_when=FIRST_COMPLETED)
        for future in ready:
            task = active.pop(future)
            status.cost_left -= task.cost
            status.cost_done += task.cost
            error = future.exception()
            if error is not None:
                status.cost_left -= sum(t.cost for t in task.then)
                for job in task.jobs:
                    if _finished_key(folder, job) == job.key:
                        _finish(status, watch, Outcome(job.cell, "ok"))
                    else:
                        _finish(status, watch, work.fail(folder, job, _explain(error, timeout_s)))
                continue
            for following in task.then:
                submit(following)
            result = future.result()
            found = result if isinstance(result, list) else [result] if isinstance(result, Outcome) else []
            for outcome in found:
                _finish(status, watch, outcome)
        status.running = [task.label for future, task in active.items() if future.running()]
        watch(status, None)


def _finish(status: Status, watch: Watch, outcome: Outcome) -> None:
    status.outcomes.append(outcome)
    watch(status, outcome)


def _explain(error: BaseException, timeout_s: float | None) -> BaseException:
    if isinstance(error, ProcessExpired):
        return RuntimeError(f"worker process died (exit code {error.exitcode}); out of memory or a crash")
    if isinstance(error, TimeoutError):
        return TimeoutError(f"took longer than the limit of {timeout_s:g} s")
    return error


def _finished_key(folder: Folder, job: Job) -> str | None:
    """The key under which the cell was finished, perhaps where other data could be reached; None if it was not."""
    try:
        found = store.read(folder.runs / job.cell.path)
    except (FileNotFoundError, store.Malformed):
        return None
    return found.key if found.status == "ok" and found.cell == job.cell else None


def _clean(folder: Folder) -> None:
    """Remove what an interrupted run left half-written."""
    store.clean(folder.runs)
    store.clean(folder.root / "samples")
    for leftover in (folder.root / "models").glob("*.tmp"):
        shutil.rmtree(leftover)


@contextmanager
def _environment(threads: int) -> Iterator[None]:
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
