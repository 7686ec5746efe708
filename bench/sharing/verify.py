"""Do a random sample of cells again from nothing, and compare with the records: bit for bit, or as samples.

Each verdict is noted as soon as its cell is done, so that a sample of many hours can be done in parts.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from tabstep.data import plain
from tabstep.engine import run
from tabstep.engine.executors import Executor
from tabstep.engine.filters import Filters
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Outcome
from tabstep.engine.plan import Plan
from tabstep.metrics import facts
from tabstep.records import store, where
from tabstep.records.provenance import environment
from tabstep.records.store import Cell, Problem, Record
from tabstep.samplers import space
from tabstep.suite import Metric, Params

How = Literal["bitwise", "equivalent", "differs", "failed"]

MACHINE = ("platform", "cpu", "cpu_kind", "python", "gpu")
PLATFORM = (*MACHINE, "torch_threads", "device", "threads")
LIBRARIES = ("torch", "numpy", "pandas", "scikit-learn", "catboost", "xgboost", "sdv", "imbalanced-learn")
SIGMAS = 4.0  # of the scatter over seeds, that a cell done elsewhere may lie apart
LEAST = 0.01  # and this part of the score in any case, where no scatter is known
AT_ONCE = 2  # networks for each worker before the next ones begin
NOTED = "verified.json"

Group = tuple[Any, ...]
Scatters = Mapping[tuple[Group, str], float]
"""The standard deviation of a score over seeds, by group of records and name of the score."""


@dataclass(frozen=True)
class Verdict:
    """How a cell came out when it was done again.

    how      bitwise: the same scores and evaluations to the last bit; equivalent: on another platform, within the
             scatter over seeds; differs; failed
    key      of the record that was checked: with another one the verdict says nothing
    largest  largest difference of a score
    """

    cell: str
    how: How
    key: str
    largest: float | None
    said: str
    created: str
    env: dict[str, Any]


def asked(record: Record) -> tuple[Metric, ...]:
    """The metrics that a record was scored by, efficacy apart, which always is."""
    found = {fact.metric for name in record.scores if (fact := facts.known(name)) is not None}
    return tuple(metric for metric in get_args(Metric) if metric in found - {"efficacy"})


def size(text: str, records: int) -> int:
    """How many cells a text such as 3, or 2% of all that are finished, asks for. Raises ValueError."""
    bare = text.strip()
    try:
        found = math.ceil(float(bare[:-1]) / 100 * records) if bare.endswith("%") else int(bare)
    except (ValueError, OverflowError):
        found = 0
    if found < 1:
        raise ValueError(f"expected a number of cells such as 3, or a part of them such as 2%, got {text!r}")
    return found


def sample(
    records: Sequence[Record], planned: Callable[[Filters], Plan], n: int, seed: int
) -> tuple[list[Job], list[str]]:
    """Jobs of n finished records, drawn at random, that this code and these data make; and why others cannot be made.

    planned  the plan of the records' suite under filters, as `tabstep run` makes it
    """
    order = sorted((r for r in records if r.status == "ok"), key=lambda r: r.cell.path)
    random.Random(seed).shuffle(order)
    jobs: list[Job] = []
    unfit = []
    for record in order:
        if len(jobs) == n:
            break
        job = _job_of(record, planned)
        if isinstance(job, str):
            unfit.append(f"{record.cell.path}: {job}")
        else:
            jobs.append(job)
    return jobs, unfit


def _job_of(record: Record, planned: Callable[[Filters], Plan]) -> Job | str:
    """The job that makes a record, or why there is none."""
    c = record.cell
    narrow = Filters(
        datasets=(c.dataset,),
        methods=(c.method,),
        samplers=() if c.sampler is None else (c.sampler,),
        grids=() if c.grid is None or c.sampler == space.TUNED else (c.grid,),
        steps=() if c.steps is None else (c.steps,),
        seeds=(c.train_seed,),
        metrics=asked(record),
    )
    ways = [narrow, *(replace(narrow, params=p) for p in get_args(Params) if p == c.params)]
    why = "settings, data or code have changed since"
    if commit := record.env.get("commit"):
        why = f"{why} commit {commit[:12]}, which made it"
    for filters in ways:
        try:
            found = planned(filters)
        except ValueError as error:
            why = str(error)
            continue
        for job in found.jobs:
            if job.key == record.key:
                return job
        why = next((reason for job, reason in found.skipped if job.cell == c), why)
    return why


def again(folder: Folder, jobs: Sequence[Job]) -> list[Verdict]:
    """The verdicts on these cells that this very code came to on this platform, which need not be found once more; a
    cell that failed may do better."""
    here, found = environment(), known(folder)
    if here["commit"] is None or here["dirty"]:
        return []
    old = [(job, Verdict(**found[str(job.cell.path)])) for job in jobs if str(job.cell.path) in found]
    same = ("commit", "dirty", "libraries", *MACHINE)
    return [
        verdict
        for job, verdict in old
        if verdict.key == job.key
        and verdict.how != "failed"
        and all(verdict.env.get(name) == here.get(name) for name in same)
    ]


def scratch(place: Path, suite: str) -> Folder:
    """An empty folder for the cells of a suite, which has its networks in common with the other suites of a place."""
    models, folder = place / "models", Folder(place / suite)
    models.mkdir(exist_ok=True)
    folder.root.mkdir()
    (folder.root / models.name).symlink_to(models, target_is_directory=True)
    return folder


def verify(
    todo: Plan,
    folder: Folder,
    scratch: Folder,
    *,
    executor: Executor | None = None,
    timeout_s: float | None = None,
    watch: run.Watch | None = None,
) -> list[Verdict]:
    """Fit, draw and score the cells of a plan in the empty folder `scratch`; compare with the records of `folder`.

    A verdict is noted when its cell is done, and cells are done by a few networks at a time: what ends this early, a
    KeyboardInterrupt too, loses no more than those.
    """
    records, _ = store.read_all(folder.runs)
    places = executor.places if executor is not None else max((job.workers for job in todo.jobs), default=1)
    parts = _parts(todo.jobs, AT_ONCE * places)
    costs = [run.cost(run.tasks(part, scratch)) for part in parts]
    judge = _Judge(folder, scratch, {job.cell: job for job in todo.jobs}, scattered(records), watch)
    for i, part in enumerate(parts):
        judge.cost_before, judge.cost_after = sum(costs[:i]), sum(costs[i + 1 :])
        some = replace(todo, jobs=part)
        run.execute(some, scratch, executor=executor, timeout_s=timeout_s, watch=judge)
    return judge.verdicts


def _parts(jobs: Sequence[Job], networks: int) -> list[tuple[Job, ...]]:
    """Jobs in parts of so many networks each."""
    keys = list(dict.fromkeys(job.fit_key for job in jobs))
    shares = [keys[i : i + networks] for i in range(0, len(keys), networks)]
    return [tuple(job for job in jobs if job.fit_key in share) for share in shares]


@dataclass
class _Judge:
    """A watcher of the runs of parts, one after the other, that notes verdicts and shows all parts as one run."""

    folder: Folder
    scratch: Folder
    jobs: Mapping[Cell, Job]
    scatters: Scatters
    watch: run.Watch | None
    cost_before: float = 0.0
    cost_after: float = 0.0
    verdicts: list[Verdict] = field(default_factory=list)
    whole: run.Status = field(default_factory=lambda: run.Status(0))

    def __call__(self, status: run.Status, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.whole.outcomes.append(outcome)
            self.verdicts.append(_verdict(self.jobs[outcome.cell], self.folder, self.scratch, self.scatters))
            note(self.folder, self.verdicts[-1:])
        self.whole.total, self.whole.running = len(self.jobs), status.running
        self.whole.cost_done = self.cost_before + status.cost_done
        self.whole.cost_left = self.cost_after + status.cost_left
        if self.watch is not None:
            self.watch(self.whole, outcome)


def _verdict(job: Job, folder: Folder, scratch: Folder, scatters: Scatters) -> Verdict:
    before, after = (store.look_up(f.runs, job.cell) for f in (folder, scratch))
    how, largest, said = judged(before, after, scatters)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Verdict(str(job.cell.path), how, before.key, largest, said, now, environment())


def scattered(records: Iterable[Record]) -> Scatters:
    """How far scores lie apart over seeds, of each group of records that differ in seeds alone.

    A group has few seeds, so its own deviation may be small by chance: that within the groups of its data set, method
    and budget, pooled over their degrees of freedom, counts where it is larger.
    """
    scores: dict[tuple[Group, str], list[float]] = defaultdict(list)
    for record in records:
        for metric, values in record.scores.items():
            scores[kin(record), metric] += values
    own = {key: float(np.var(values, ddof=1)) for key, values in scores.items() if len(values) > 1}
    alike: dict[tuple[Group, str], list[tuple[Group, str]]] = defaultdict(list)
    for group, metric in own:
        alike[_budget(group), metric].append((group, metric))
    pooled = {
        name: float(np.average([own[key] for key in keys], weights=[len(scores[key]) - 1 for key in keys]))
        for name, keys in alike.items()
    }
    return {
        (group, metric): max(own.get((group, metric), 0.0), pooled[_budget(group), metric]) ** 0.5
        for group, metric in scores
        if (_budget(group), metric) in pooled
    }


def kin(record: Record) -> Group:
    """What records have in common that differ in seeds alone."""
    c = record.cell
    return (c.dataset, c.method, c.params, c.sampler, c.grid, c.steps)


def _budget(group: Group) -> Group:
    dataset, method, *_, steps = group
    return (dataset, method, steps)


def platform_differs(a: Record, b: Record) -> list[str]:
    """What differs between two machines and their libraries, or is not known; empty where bits must be the same."""
    differing = [name for name in PLATFORM if a.env.get(name) != b.env.get(name)]
    first, second = (record.env.get("libraries", {}) for record in (a, b))
    own = sorted((set(first) & set(second)) - set(LIBRARIES))  # of a method from outside
    return differing + [name for name in (*LIBRARIES, *own) if first.get(name) != second.get(name)]


def judged(before: Record, after: Record, scatters: Scatters) -> tuple[How, float | None, str]:
    """How a cell came out, the largest difference of a score, and what is to be said of it."""
    if after.status != "ok":
        return "failed", None, after.reason or after.status
    if set(after.scores) != set(before.scores):
        return "differs", None, f"other scores: {', '.join(sorted(set(after.scores) ^ set(before.scores)))}"
    apart = {
        metric: float(np.max(np.abs(np.subtract(values, after.scores[metric]))))
        for metric, values in before.scores.items()
    }
    worst = max(apart, key=lambda metric: apart[metric])
    largest = apart[worst]
    if largest == 0 and before.nfe == after.nfe:
        return "bitwise", 0.0, ""
    if before.nfe is not None and after.nfe is not None and abs(before.nfe - after.nfe) > 0.01 * before.nfe:
        return "differs", largest, f"evaluations: {before.nfe:g} in the record, {after.nfe:g} now"
    elsewhere = platform_differs(before, after)
    if not elsewhere:
        return "differs", largest, f"{worst} by {largest:.3g} on the same platform"
    where = f"elsewhere: {', '.join(elsewhere)}"
    beyond = [
        metric
        for metric, difference in apart.items()
        if not _is_cut(metric, apart) and difference > _allowed(metric, before, scatters)
    ]
    if beyond:
        return "differs", largest, f"{', '.join(beyond)} beyond the scatter; {where}"
    return "equivalent", largest, f"largest in {worst}; {where}"


def _is_cut(metric: str, scores: Iterable[str]) -> bool:
    """Whether a score is made from another, which is judged: a C2ST's is cut at 1, where it has no scatter to see."""
    return metric.endswith("_score") and metric.removesuffix("_score") in scores


def _allowed(metric: str, before: Record, scatters: Scatters) -> float:
    size = float(np.mean(np.abs(before.scores[metric])))
    return max(SIGMAS * scatters.get((kin(before), metric), 0.0), LEAST * max(size, 1e-12))


def note(folder: Folder, verdicts: Sequence[Verdict]) -> Path:
    """Add verdicts to verified.json of a suite's folder, the newest of each cell; return its path."""
    path = folder.root / NOTED
    found = known(folder) | {v.cell: asdict(v) for v in verdicts}
    store.replace(path, (json.dumps(found, indent=1, sort_keys=True) + "\n").encode())
    return path


def known(folder: Folder) -> dict[str, dict[str, Any]]:
    """What is noted, by the path of a cell's record; without what is damaged."""
    return noted(folder)[0]


def noted(folder: Folder) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """What is noted, by the path of a cell's record, and what of the file does not count."""
    try:
        found = plain.table(folder.root / NOTED)
    except FileNotFoundError:
        return {}, []
    except (plain.NotPlain, OSError) as error:
        return {}, [Problem(Path(NOTED), str(error))]
    right = {cell: verdict for cell, verdict in found.items() if _is_verdict(cell, verdict)}
    wrong = [cell for cell in found if cell not in right]
    return right, [Problem(Path(NOTED), f"no verdict of {plain.shown(cell)}") for cell in wrong]


def _is_verdict(cell: str, verdict: Any) -> bool:
    return (
        isinstance(verdict, dict)
        and set(verdict) == set(Verdict.__dataclass_fields__)
        and verdict["cell"] == cell
        and verdict["how"] in get_args(How)
        and isinstance(verdict["key"], str)
        and isinstance(verdict["env"], dict)
    )


def verified(folder: Folder, records: Sequence[Record]) -> dict[str, How]:
    """How the cells of these records came out, where the verdict is on the very record."""
    return {verdict.cell: verdict.how for verdict in _standing(folder, records)}


def _standing(folder: Folder, records: Sequence[Record]) -> list[Verdict]:
    found = known(folder)
    keys = {str(r.cell.path): r.key for r in records}
    return [Verdict(**found[cell]) for cell in sorted(found) if keys.get(cell) == found[cell]["key"]]


def tally(results: Path, records: Mapping[str, Sequence[Record]]) -> pd.DataFrame:
    """By suite that has verdicts: how many cells are finished, how those came out that were done again, and where.

    Columns: suite, finished, bitwise, equivalent, differs, failed, processors, commits.
    """
    rows = []
    for suite, own in records.items():
        verdicts = _standing(Folder(results / suite), own)
        if verdicts:
            counts = {how: sum(v.how == how for v in verdicts) for how in get_args(How)}
            processors = sorted({where.processor(v.env) for v in verdicts})
            commits = sorted({str(v.env.get("commit"))[:12] for v in verdicts})
            rows.append(
                {"suite": suite, "finished": sum(r.status == "ok" for r in own)}
                | counts
                | {"processors": processors, "commits": commits}
            )
    return pd.DataFrame(rows, columns=["suite", "finished", *get_args(How), "processors", "commits"])
