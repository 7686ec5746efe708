"""Jobs to records: worker processes, resuming, and one row for whatever goes wrong."""

from __future__ import annotations

import os
import shutil
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tabstep.contracts import Unsupported
from tabstep.engine import apart, cells, drawn_rows, models, outcomes
from tabstep.engine.executors import Executor, Local, explained
from tabstep.engine.folder import Folder
from tabstep.engine.held import held
from tabstep.engine.job import STAGES, Job, Outcome, Stages, is_diffusion
from tabstep.engine.plan import Plan
from tabstep.engine.tasklog import in_log
from tabstep.records import store, where

POLL_S = 0.2
AHEAD = 2  # tasks handed over for each place, so that none waits for this process


@dataclass(frozen=True)
class Task:
    """What one worker does at a time: the fit of a diffusion, one of its cells, or a whole baseline."""

    label: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    jobs: tuple[Job, ...]  # the cells that are lost if the worker dies
    then: tuple[Task, ...] = ()  # to be started when this one is done
    cost: float = 1.0  # expected, relative; only for the order of work and the time left
    log: Path = Path(os.devnull)


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


def tasks(jobs: Sequence[Job], folder: Folder, stages: Stages = STAGES) -> list[Task]:
    """Group pending jobs so that every model is fitted once and its cells follow each other; dear ones first."""
    groups: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        groups[job.fit_key].append(job)
    out: list[list[Task]] = []  # a list a model, which a worker then has in memory
    for members in groups.values():
        first = members[0]
        name = f"{first.cell.dataset} {first.cell.method} seed {first.cell.train_seed}"
        if not is_diffusion(first):
            cost = 4.0 + 2.0 * len(members)
            if stages != ("fit",):  # these models are not kept: they are fitted when rows are drawn
                todo = (tuple(members), folder, stages)
                log = folder.log(first.cell)
                run = apart.run_baseline if first.foreign else cells.run_baseline
                out.append([Task(name, run, todo, tuple(members), cost=cost, log=log)])
            continue
        members.sort(key=lambda job: -(job.cell.steps or 0))
        own = [
            Task(
                f"{name} {job.cell.sampler} {job.cell.grid} {job.cell.steps}",
                apart.run_cell if job.led else cells.run_cell,
                (job, folder, stages),
                (job,),
                cost=2.0 + 0.02 * (job.cell.steps or 0),
                log=folder.log(job.cell),
            )
            for job in members
            if stages != ("fit",)
        ]
        whole = models.sound(folder.model(first)) or all(_drawn(folder, job) for job in members)
        if whole or "fit" not in stages:
            out.append(own)
        else:
            log = folder.log(first.cell).with_name(f"fit-t{first.cell.train_seed}.log")
            function = apart.fit_diffusion if first.foreign else models.fit_diffusion
            fit = Task(f"{name} fit", function, (first, folder), tuple(members), tuple(own), 20.0, log)
            out.append([fit])
    return [task for group in sorted(filter(None, out), key=lambda group: -group[0].cost) for task in group]


def cost(some: Sequence[Task]) -> float:
    """Of tasks and of those that follow them, relative, see `Task`."""
    return sum(task.cost + sum(then.cost for then in task.then) for task in some)


def execute(
    plan: Plan,
    folder: Folder,
    *,
    stages: Stages = STAGES,
    executor: Executor | None = None,
    timeout_s: float | None = None,
    watch: Watch = _silent,
) -> Status:
    """Run what is not done yet of some stages that follow each other; return how every cell of the plan ended.

    Finished cells are found by their keys and not repeated; failed and skipped ones are tried again. A worker
    that dies or outlasts `timeout_s` fails its own cells only. On KeyboardInterrupt workers are stopped and what
    is finished stays. Raises `Busy` while another run works on the folder, and OSError where it cannot be written.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    folder = Folder(folder.root.resolve())  # the same place wherever a process goes
    with held(folder):
        _clean(folder)
        return _execute(plan, folder, stages, executor, timeout_s, watch)


def _execute(
    plan: Plan,
    folder: Folder,
    stages: Stages,
    executor: Executor | None,
    timeout_s: float | None,
    watch: Watch,
) -> Status:
    status = Status(total=len(plan.jobs) + len(plan.skipped))
    for job, reason in plan.skipped:
        if not store.done(folder.runs, job.cell, job.key) and outcomes.finished_key(folder, job) is None:
            store.write(folder.runs, outcomes.record(job, "skipped", reason))
        _finish(status, watch, Outcome(job.cell, "skipped", reason))
    pending = []
    for job in plan.jobs:
        # A finished cell needs its rows no more, unless they are what is asked for.
        scored = stages[-1] != "draw" and outcomes.finished_key(folder, job) == job.key
        if scored or ("score" not in stages and _drawn(folder, job)):
            _finish(status, watch, Outcome(job.cell, "ok", "already done"))
        else:
            pending.append(job)
    if "fit" in stages:
        pending = _of_one_network(plan, pending, folder, status, watch)
    queue = tasks(pending, folder, stages)
    started = {job.cell for task in queue for job in task.jobs}
    for job in pending:
        if job.cell not in started:  # of the fits alone that are asked for, its own is done or not kept
            _finish(status, watch, Outcome(job.cell, "ok", "already done"))
    if not queue:
        return status
    status.cost_left = cost(queue)
    status.started = time.monotonic()
    first = pending[0]
    with executor or Local(first.workers, first.threads) as place:
        _drain(place, queue, folder, status, timeout_s, watch)
    return status


def _drain(
    executor: Executor,
    queue: list[Task],
    folder: Folder,
    status: Status,
    timeout_s: float | None,
    watch: Watch,
) -> None:
    left = deque(queue)
    active: dict[Future[Any], Task] = {}
    ended: SimpleQueue[Future[Any]] = SimpleQueue()
    shown = time.monotonic()
    while left or active:
        # Few in flight: a million tasks need not all be told to workers, or looked at when one ends.
        while left and len(active) < AHEAD * executor.places:
            task = left.popleft()
            wrapped = (task.log, task.label, task.function, task.arguments)
            future = executor.submit(in_log, wrapped, timeout_s)
            active[future] = task
            future.add_done_callback(ended.put)
        try:
            future = ended.get(timeout=POLL_S)
        except Empty:
            pass
        else:
            task = active.pop(future)
            status.cost_left -= task.cost
            status.cost_done += task.cost
            error = future.exception()
            if error is not None:
                status.cost_left -= sum(t.cost for t in task.then)
                for outcome in _lost(task, folder, explained(error, timeout_s)):
                    _finish(status, watch, outcome)
            else:
                left.extend(task.then)
                for outcome in _outcomes(task, future.result()):
                    _finish(status, watch, outcome)
        if time.monotonic() - shown >= POLL_S:
            shown = time.monotonic()
            status.running = [task.label for future, task in active.items() if executor.running(future)]
            watch(status, None)


def _outcomes(task: Task, result: Any) -> list[Outcome]:
    """The cells that end with a task: its own, or none where it is a fit that cells follow."""
    if isinstance(result, Outcome):
        return [result]
    if isinstance(result, list):
        return result
    return [] if task.then else [Outcome(job.cell, "ok") for job in task.jobs]


def _lost(task: Task, folder: Folder, error: BaseException) -> list[Outcome]:
    """The cells of a task whose worker is gone: what it had finished before stays."""
    return [
        Outcome(job.cell, "ok")
        if outcomes.finished_key(folder, job) == job.key
        else outcomes.fail(folder, job, error)
        for job in task.jobs
    ]


def _finish(status: Status, watch: Watch, outcome: Outcome) -> None:
    status.outcomes.append(outcome)
    watch(status, outcome)


def _of_one_network(
    plan: Plan, pending: list[Job], folder: Folder, status: Status, watch: Watch
) -> list[Job]:
    """The pending cells without those whose network was trained on another device, left rows here, and is not here.

    The same seed trains another network on this device: a training seed is one network.
    """
    first = {job.fit_key: job for job in pending if is_diffusion(job)}
    lacking = {key for key, job in first.items() if not models.sound(folder.model(job))}
    found: dict[str, str] = {}
    for job in plan.jobs:
        on = drawn_rows.trained_on(folder.rows(job.cell), job.draw_key) if job.fit_key in lacking else None
        if on is not None and on != where.named(job.environment()):
            found[job.fit_key] = on
    for job in pending:
        if job.fit_key in found:
            on = found[job.fit_key]
            reason = f"its network was trained on {on} and is not here: draw it there, or remove its rows"
            _finish(status, watch, outcomes.fail(folder, job, Unsupported(reason)))
    return [job for job in pending if job.fit_key not in found]


def _drawn(folder: Folder, job: Job) -> bool:
    """Whether the rows of a cell are there, and whole."""
    return drawn_rows.there(folder.rows(job.cell), job.draw_key)


def _clean(folder: Folder) -> None:
    """Remove what an interrupted run left half-written."""
    store.clean(folder.runs)
    store.clean(folder.root / "samples")
    for place in (folder.root / "models", folder.apart):
        for leftover in place.glob("*.tmp"):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
