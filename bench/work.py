"""One piece of work, as a worker process does it: fit a method, or draw and score a cell."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from tabstep import own, store, validity
from tabstep.clock import timed
from tabstep.complete import Completion
from tabstep.contracts import Unsupported
from tabstep.data import load
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Diffusion
from tabstep.metrics import evaluators, likelihood
from tabstep.metrics import rows as rows_metrics
from tabstep.metrics.catboost_trees import catboost_efficacy
from tabstep.metrics.efficacy import Split
from tabstep.provenance import environment
from tabstep.registry import DIFFUSIONS, GRIDS, SAMPLERS, make_method
from tabstep.samplers.setting import Artifacts, Sampler, Setting, Steps, Table, path_for
from tabstep.store import Cell, Record
from tabstep.suites import Metric
from tabstep.table import Dataset, Task

FIT_VERSION = 1  # raise when the same settings, data and seed give another model
DRAW_VERSION = 1  # raise when the same model gives other rows

WARM_ROWS = 64
PARENT_POLL_S = 1.0


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from: a card by name, or a file of the user's own with its target."""

    name: str
    mirror: Path | None = None
    archive: str | None = None
    file: Path | None = None
    target: str | None = None
    task: Task | None = None
    drop: tuple[str, ...] = ()

    def load(self) -> Dataset:
        """Raises `data.Unreachable` or `cards.DataError`."""
        return _dataset(self)


@lru_cache(maxsize=4)
def _dataset(source: Source) -> Dataset:
    if source.file is not None:
        assert source.target is not None
        return own.read(source.file, source.target, source.task, drop=source.drop)
    return load(source.name, mirror=source.mirror, archive=source.archive)


@dataclass(frozen=True)
class Evaluator:
    """Parameters of an evaluator and where they come from ("default", "fast", "tuned", "published")."""

    source: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A cell and everything that determines its numbers.

    evaluator     CatBoost; `beside` are the others that score, by name
    fit_key, key  content hashes: of the fitted model, and of the finished cell
    """

    cell: Cell
    source: Source
    settings: Mapping[str, Any]
    rows: int
    evaluator: Evaluator
    eval_seeds: tuple[int, ...]
    task: Task
    dataset_digest: str
    fit_key: str
    key: str
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    metrics: tuple[Metric, ...] = ("efficacy",)
    beside: Mapping[str, Evaluator] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Settings for the record: method, sampler and grid fields, evaluator parameters."""
        sampler = SAMPLERS[self.cell.sampler] if self.cell.sampler else None
        grid = GRIDS[self.cell.grid] if self.cell.grid else None
        return {
            "method": asdict(make_method(self.cell.method, self.settings)),  # type: ignore[call-overload]
            "sampler": None if sampler is None else asdict(sampler),
            "evaluator": {"source": self.evaluator.source, **self.evaluator.params},
            "rows": self.rows,
            **(
                {"beside": {n: {"source": e.source, **e.params} for n, e in self.beside.items()}}
                if self.beside
                else {}
            ),
            **({"grid": asdict(grid)} if is_dataclass(grid) and not isinstance(grid, type) else {}),
        }


@dataclass(frozen=True)
class Cost:
    """What has been paid so far for a cell."""

    fit_s: float | None = None
    prepare_s: float | None = None
    sample_s: float | None = None
    nfe: float | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Folder:
    """The folder of a suite's results and the places in it."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def model(self, job: Job) -> Path:
        return self.root / "models" / job.fit_key

    def rows(self, cell: Cell) -> Path:
        return (self.root / "samples" / cell.path).with_suffix(".parquet")

    def log(self, cell: Cell) -> Path:
        return (self.root / "logs" / cell.path).with_suffix(".log")


@dataclass(frozen=True)
class Outcome:
    """What a worker tells the parent of a finished cell."""

    cell: Cell
    status: store.Status
    reason: str | None = None


def record(
    job: Job, status: store.Status, reason: str | None = None, cost: Cost | None = None, **more: Any
) -> Record:
    """A record of a cell with the environment of this process."""
    paid = cost or Cost()
    return Record(
        cell=job.cell,
        status=status,
        reason=reason,
        traceback=more.get("traceback"),
        task=job.task,
        key=job.key,
        settings=job.describe(),
        rows=job.rows or None,
        nfe=paid.nfe,
        fit_s=paid.fit_s,
        prepare_s=paid.prepare_s,
        sample_s=paid.sample_s,
        peak_bytes=paid.peak_bytes,
        scores=more.get("scores", {}),
        eval_seeds=list(job.eval_seeds) if status == "ok" else [],
        dataset_digest=job.dataset_digest or None,
        env=environment() | {"device": job.device, "threads": job.threads, "workers": job.workers},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def fail(folder: Folder, job: Job, error: BaseException, cost: Cost | None = None) -> Outcome:
    """Write the record of a cell that could not be finished: skipped by design, or failed with a traceback."""
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, Unsupported):
        store.write(folder.runs, record(job, "skipped", str(error), cost))
        return Outcome(job.cell, "skipped", str(error))
    log = folder.log(job.cell)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    where = str(log.relative_to(folder.root))
    store.write(folder.runs, record(job, "failed", reason, cost, traceback=where))
    return Outcome(job.cell, "failed", reason)


def fit_diffusion(job: Job, folder: Folder) -> None:
    """Fit the denoiser that serves all cells of (dataset, method, params, train seed), and store it.

    The folder appears whole or not at all; the fit's own cost and environment lie in `fit.json`.
    """
    target = folder.model(job)
    if (target / "fit.json").exists():
        return
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    method = make_method(job.cell.method, job.settings)
    with timed(job.device) as span:
        model: Diffusion = method.fit(train, completion.inner, seed=job.cell.train_seed, device=job.device)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save(fresh)
    facts = {
        "fit_s": span.seconds,
        "peak_bytes": span.peak_bytes,
        "dataset": job.cell.dataset,
        "dataset_digest": job.dataset_digest,
        "method": job.cell.method,
        "settings": job.describe()["method"],
        "train_seed": job.cell.train_seed,
        "env": environment() | {"device": job.device, "threads": job.threads, "workers": job.workers},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (fresh / "fit.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)


@dataclass
class Fitted:
    """A model in this process and what it cost; for a diffusion also encoded training, validation and test rows."""

    model: Any
    completion: Completion
    train: pd.DataFrame
    fit_s: float
    encoded: State | None = None
    held: State | None = None
    test: State | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=Artifacts)


class Prepared(NamedTuple):
    """A sampler ready to draw along `path`, and the seconds paid for that, by this process or another one."""

    sampler: Sampler
    draw: Draw
    path: Steps
    setting: Setting
    seconds: float


@lru_cache(maxsize=2)
def fitted_diffusion(path: Path, source: Source, device: str) -> Fitted:
    """The model that `fit_diffusion` stored in `path`. Raises FileNotFoundError where there is none."""
    dataset = source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    facts = json.loads((path / "fit.json").read_text(encoding="utf-8"))
    fitted_at = {
        "commit": facts["env"]["commit"],
        "dirty": facts["env"]["dirty"],
        "created": facts["created"],
    }
    model = Diffusion.load(path, device)
    train = completion.forward(dataset.train)
    held, test = (_known(model, completion.forward(part)) for part in (dataset.val, dataset.test))
    return Fitted(
        model,
        completion,
        train,
        facts["fit_s"],
        model.encode(train),
        held,
        test,
        fitted_at,
        Artifacts(path / "artifacts"),
    )


def _known(model: Diffusion, rows: pd.DataFrame) -> State:
    """Encoded rows, without those that hold a category which the training rows lack."""
    return model.encode(rows[model.encoder.known(rows)])


def prepare(job: Job, fitted: Fitted, process: Process) -> Prepared:
    """The sampler of a cell on a process of the fitted model. Raises `Unsupported`."""
    cell = job.cell
    assert cell.sampler is not None
    assert cell.grid is not None
    assert cell.steps is not None
    sampler = SAMPLERS[cell.sampler]
    artifacts = fitted.artifacts.reader()
    setting = Setting(
        process,
        train=fitted.encoded,
        held=fitted.held,
        seed=cell.train_seed,
        artifacts=artifacts,
        table=Table(fitted.train, fitted.model.encoder),
    ).seen_by(sampler)
    with timed(job.device) as preparing:
        path = path_for(sampler, GRIDS[cell.grid], setting, cell.steps)
        draw = sampler.prepare(setting, path)
    # A table that another cell built and this one read was paid for as well.
    return Prepared(sampler, draw, path, setting, preparing.seconds + artifacts.borrowed_s)


def run_cell(job: Job, folder: Folder) -> Outcome:
    """Draw and score one cell of a fitted diffusion, and write its record."""
    cost = Cost()
    try:
        fitted = fitted_diffusion(folder.model(job), job.source, job.device)
        cost = Cost(fit_s=fitted.fit_s)
        model: Diffusion = fitted.model
        sampler, draw, path, setting, seconds = prepare(job, fitted, model.process)
        cost = replace(cost, prepare_s=seconds)
        # The first calls of a process allocate and choose kernels.
        model.generate(draw, min(job.rows, WARM_ROWS), seed=job.cell.sample_seed)
        with timed(job.device) as sampling:
            rows, nfe = model.generate(draw, job.rows, seed=job.cell.sample_seed)
        cost = replace(cost, sample_s=sampling.seconds, nfe=nfe, peak_bytes=sampling.peak_bytes)
        bound = {}
        if "nelbo" in job.metrics and hasattr(sampler, "variance") and fitted.test is not None:
            bound = likelihood.nelbo(
                model.process,
                fitted.test,
                path,
                setting.variance,
                clip_x0=setting.clip_x0,
                seed=job.cell.sample_seed,
            )
        return _score(job, folder, rows, fitted, cost, bound)
    except Exception as error:  # noqa: BLE001  whatever a competitor raises is one row, not the end of the run
        return fail(folder, job, error, cost)


def fit_baseline(job: Job) -> Fitted:
    """Fit a method without steps; its models are not kept."""
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    method = make_method(job.cell.method, job.settings)
    with timed(job.device) as fitting:
        model = method.fit(train.copy(), completion.inner, seed=job.cell.train_seed, device=job.device)
    return Fitted(model, completion, train, fitting.seconds)


def run_baseline(jobs: Sequence[Job], folder: Folder) -> list[Outcome]:
    """Fit a baseline once, then draw and score its cells, which differ in the sampling seed only."""
    try:
        fitted = fit_baseline(jobs[0])
    except Exception as error:  # noqa: BLE001  see run_cell
        return [fail(folder, job, error) for job in jobs]
    model = fitted.model
    outcomes = []
    for job in jobs:
        cost = Cost(fit_s=fitted.fit_s, prepare_s=0.0)
        try:
            model.sample(min(job.rows, WARM_ROWS), seed=job.cell.sample_seed)
            with timed(job.device) as sampling:
                rows = model.sample(job.rows, seed=job.cell.sample_seed)
            cost = replace(cost, sample_s=sampling.seconds, peak_bytes=sampling.peak_bytes)
            outcomes.append(_score(job, folder, rows, fitted, cost))
        except Exception as error:  # noqa: BLE001  see run_cell
            outcomes.append(fail(folder, job, error, cost))
    return outcomes


def _score(
    job: Job,
    folder: Folder,
    rows: pd.DataFrame,
    fitted: Fitted,
    cost: Cost,
    single: Mapping[str, float] | None = None,
) -> Outcome:
    """Check and keep the rows, score them, write the record; `single` are scores without an evaluator."""
    validity.check(rows, fitted.train, fitted.completion.inner, job.rows)
    synthetic = fitted.completion.inverse(rows)
    target = folder.rows(job.cell)
    target.parent.mkdir(parents=True, exist_ok=True)
    synthetic.to_parquet(target.with_suffix(".tmp"), compression="zstd", index=False)
    target.with_suffix(".tmp").replace(target)
    scores = {name: [value] for name, value in (single or {}).items()}
    dataset = job.source.load()
    for group, score in rows_metrics.GROUPS.items():
        if group in job.metrics:
            scores |= {name: [value] for name, value in score(synthetic, dataset).items()}
    for seed in job.eval_seeds:
        split: Split = "both" if "validation" in job.metrics else "test"
        found = catboost_efficacy(
            synthetic, dataset, seed=seed, params=job.evaluator.params, split=split, threads=job.threads
        )
        for name, evaluator in job.beside.items():
            found |= evaluators.score(
                name, evaluator.params, synthetic, dataset, seed=seed, split=split, threads=job.threads
            )
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
    done = record(job, "ok", None, cost, scores=scores)
    if fitted.provenance:
        done = replace(done, settings=done.settings | {"fitted": fitted.provenance})
    store.write(folder.runs, done)
    return Outcome(job.cell, "ok")


def is_diffusion(job: Job) -> bool:
    return job.cell.method in DIFFUSIONS


def _end_with_parent(parent: int) -> None:
    """Leave when the run was killed: a worker in the middle of an hour of training would go on for nobody."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def start_worker(threads: int) -> None:
    """Limit the threads of a fresh worker process, so that workers together use the cores once."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    environment()  # the commit is the one whose code was loaded, not whatever is checked out when work ends
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    threadpool_limits(threads)
