"""One piece of work, as a worker process does it: fit a method, or draw and score a cell."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch

from tabstep import drawn, own, store, validity
from tabstep.clock import timed
from tabstep.complete import Completion
from tabstep.contracts import Method, Unsupported
from tabstep.data import load
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Diffusion
from tabstep.drawn import Cost, Drawn, Missing
from tabstep.external import Code
from tabstep.metrics import evaluators, likelihood
from tabstep.metrics import rows as rows_metrics
from tabstep.metrics.catboost_trees import catboost_efficacy
from tabstep.metrics.efficacy import Split
from tabstep.provenance import environment
from tabstep.registry import GRIDS, METHODS, SAMPLERS, make_method, walks
from tabstep.samplers import space
from tabstep.samplers.setting import Artifacts, Sampler, Setting, Steps, Table, path_for
from tabstep.store import Cell, Record
from tabstep.suites import Metric
from tabstep.table import Dataset, Task

FIT_VERSION = 1  # raise when the same settings, data and seed give another model
DRAW_VERSION = 1  # raise when the same model gives other rows

WARM_ROWS = 64
MOST_TIMES = (
    101  # of a path in a record; a longer one leaves out next to no time and would be most of the file
)

Stage = Literal["fit", "draw", "score"]
Stages = tuple[Stage, ...]
STAGES: Stages = ("fit", "draw", "score")
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
    tuned         what `tabstep tune-sampler` found, for a cell whose sampler is "tuned"
    code          where a method from outside comes from; None for one of the registry
    fit_key, draw_key, key  content hashes: of the fitted model, of the rows, and of the finished cell
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
    draw_key: str
    key: str
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    metrics: tuple[Metric, ...] = ("efficacy",)
    beside: Mapping[str, Evaluator] = field(default_factory=dict)
    tuned: Mapping[str, Any] | None = None
    code: Code | None = None

    @property
    def kind(self) -> type[Any]:
        """The class of the method. Raises `external.NotLoaded`."""
        return METHODS[self.cell.method] if self.code is None else self.code.load()

    @property
    def method(self) -> Method:
        """The method with its settings."""
        return make_method(self.kind, self.settings)

    @property
    def sampler(self) -> Sampler | None:
        """That of the cell; None for a method without steps."""
        if self.tuned is not None:
            return space.built(self.tuned)
        return SAMPLERS[self.cell.sampler] if self.cell.sampler else None

    def describe(self) -> dict[str, Any]:
        """Settings for the record: method, sampler and grid fields, evaluator parameters."""
        sampler = self.tuned or self.sampler
        grid = GRIDS[self.cell.grid] if self.cell.grid else None
        return {
            "method": asdict(self.method),  # type: ignore[call-overload]
            "sampler": asdict(sampler) if is_dataclass(sampler) else sampler,
            "evaluator": {"source": self.evaluator.source, **self.evaluator.params},
            "rows": self.rows,
            **({} if self.code is None else {"code": {"file": self.code.shown, "sha256": self.code.digest}}),
            **(
                {"beside": {n: {"source": e.source, **e.params} for n, e in self.beside.items()}}
                if self.beside
                else {}
            ),
            **({"grid": asdict(grid)} if is_dataclass(grid) and not isinstance(grid, type) else {}),
        }


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
    with log.open("a", encoding="utf-8") as file:
        file.writelines(traceback.format_exception(error))
    where = str(log.relative_to(folder.root))
    store.write(folder.runs, record(job, "failed", reason, cost, traceback=where))
    return Outcome(job.cell, "failed", reason)


def fit_diffusion(job: Job, folder: Folder) -> None:
    """Fit the denoiser that serves all cells of (dataset, method, params, train seed), and store it.

    The folder appears whole or not at all; the fit's own cost and environment lie in `fit.json`.
    """
    target = folder.model(job)
    if sound(target):
        return
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    method = job.method
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
        "digests": {path.name: _digest(path) for path in sorted(fresh.iterdir())},
        "train_seed": job.cell.train_seed,
        "env": environment() | {"device": job.device, "threads": job.threads, "workers": job.workers},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (fresh / "fit.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    try:
        fresh.rename(target)
    except OSError:  # a worker of a killed run was faster
        if not sound(target):
            raise
        shutil.rmtree(fresh, ignore_errors=True)


def sound(path: Path) -> bool:
    """Whether `path` holds a whole model as it was stored."""
    try:
        facts = json.loads((path / "fit.json").read_text(encoding="utf-8"))
        return bool(facts["digests"]) and all(
            _digest(path / PurePath(name).name) == digest for name, digest in facts["digests"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    """The model that `fit_diffusion` stored in `path`. Raises FileNotFoundError where there is no whole one."""
    if not sound(path):
        raise FileNotFoundError(f"no whole model in {path.parent.name}/{path.name}; `--until fit` fits it")
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
    sampler = job.sampler
    assert sampler is not None
    assert cell.grid is not None
    assert cell.steps is not None
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


def run_cell(job: Job, folder: Folder, stages: Stages = STAGES) -> Outcome:
    """Draw one cell of a fitted diffusion if that has not been done, score it, and write its record."""
    cost = Cost()
    try:
        try:
            rows, found = _kept(job, folder)
        except Missing as gap:
            if "draw" not in stages:
                raise Unsupported(f"{gap}; `--until draw` draws them") from None
            fitted = fitted_diffusion(folder.model(job), job.source, job.device)
            cost = Cost(fit_s=fitted.fit_s)
            model: Diffusion = fitted.model
            _, draw, path, setting, seconds = prepare(job, fitted, model.process)
            cost = replace(cost, prepare_s=seconds)
            # The first calls of a process allocate and choose kernels.
            model.generate(draw, min(job.rows, WARM_ROWS), seed=job.cell.sample_seed)
            with timed(job.device) as sampling:
                fresh, nfe = model.generate(draw, job.rows, seed=job.cell.sample_seed)
            cost = replace(cost, sample_s=sampling.seconds, nfe=nfe, peak_bytes=sampling.peak_bytes)
            bound = {}
            if "nelbo" in job.metrics and bounded(job) and fitted.test is not None:
                bound = likelihood.nelbo(
                    model.process,
                    fitted.test,
                    path,
                    setting.variance,
                    clip_x0=setting.clip_x0,
                    seed=job.cell.sample_seed,
                )
            rows, found = _keep(job, folder, fresh, fitted, cost, bound, path)
        cost = found.cost
        return _score(job, folder, rows, found) if "score" in stages else Outcome(job.cell, "ok")
    except Exception as error:  # noqa: BLE001  whatever a competitor raises is one row, not the end of the run
        return fail(folder, job, error, cost)


def fit_baseline(job: Job) -> Fitted:
    """Fit a method without steps; its models are not kept."""
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    method = job.method
    with timed(job.device) as fitting:
        model = method.fit(train.copy(), completion.inner, seed=job.cell.train_seed, device=job.device)
    return Fitted(model, completion, train, fitting.seconds)


def run_baseline(jobs: Sequence[Job], folder: Folder, stages: Stages = STAGES) -> list[Outcome]:
    """Fit a baseline once, if rows are missing, then draw and score its cells, which differ in the sampling seed."""
    fitted: Fitted | None = None
    outcomes = []
    for job in jobs:
        cost = Cost()
        try:
            try:
                rows, found = _kept(job, folder)
            except Missing as gap:
                if "draw" not in stages:
                    raise Unsupported(f"{gap}; `--until draw` draws them") from None
                fitted = fitted or fit_baseline(job)
                cost = Cost(fit_s=fitted.fit_s, prepare_s=0.0)
                fitted.model.sample(min(job.rows, WARM_ROWS), seed=job.cell.sample_seed)
                with timed(job.device) as sampling:
                    fresh = fitted.model.sample(job.rows, seed=job.cell.sample_seed)
                cost = replace(cost, sample_s=sampling.seconds, peak_bytes=sampling.peak_bytes)
                rows, found = _keep(job, folder, fresh, fitted, cost)
            cost = found.cost
            outcomes.append(
                _score(job, folder, rows, found) if "score" in stages else Outcome(job.cell, "ok")
            )
        except Exception as error:  # noqa: BLE001  see run_cell
            outcomes.append(fail(folder, job, error, cost))
            if fitted is None and not isinstance(error, Unsupported):
                return [*outcomes, *(fail(folder, other, error) for other in jobs[len(outcomes) :])]
    return outcomes


def _kept(job: Job, folder: Folder) -> tuple[pd.DataFrame, Drawn]:
    """The rows of a cell that an earlier run drew. Raises `Missing`."""
    return drawn.read(folder.rows(job.cell), job.draw_key, job.source.load().schema)


def _keep(
    job: Job,
    folder: Folder,
    rows: pd.DataFrame,
    fitted: Fitted,
    cost: Cost,
    scores: Mapping[str, float] | None = None,
    path: Steps = (),
) -> tuple[pd.DataFrame, Drawn]:
    """Check and keep the rows; `scores` are those that need the model. They are read again, to be what is scored."""
    validity.check(rows, fitted.train, fitted.completion.inner, job.rows)
    done = Drawn(
        key=job.draw_key,
        cost=cost,
        env=environment() | {"device": job.device, "threads": job.threads, "workers": job.workers},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        scores=scores or {},
        fitted=fitted.provenance,
        path=path,
    )
    drawn.write(folder.rows(job.cell), fitted.completion.inverse(rows), done)
    return _kept(job, folder)


def _score(job: Job, folder: Folder, rows: pd.DataFrame, done: Drawn) -> Outcome:
    """Score kept rows and write the record."""
    scores = {name: [value] for name, value in done.scores.items()}
    dataset = job.source.load()
    for group, score in rows_metrics.GROUPS.items():
        if group in job.metrics:
            scores |= {name: [value] for name, value in score(rows, dataset).items()}
    split: Split = "both" if "validation" in job.metrics else "test"
    for seed in job.eval_seeds:
        found = catboost_efficacy(
            rows, dataset, seed=seed, params=job.evaluator.params, split=split, threads=job.threads
        )
        for name, evaluator in job.beside.items():
            found |= evaluators.score(
                name, evaluator.params, rows, dataset, seed=seed, split=split, threads=job.threads
            )
        for name, value in found.items():
            scores.setdefault(name, []).append(value)
    result = record(job, "ok", None, done.cost, scores=scores)
    more: dict[str, Any] = {"drawn": {"env": dict(done.env), "created": done.created}}
    if done.fitted:
        more["fitted"] = dict(done.fitted)
    if 0 < len(done.path) <= MOST_TIMES:
        more["drawn"]["path"] = [*done.path]
    store.write(folder.runs, replace(result, settings=result.settings | more))
    return Outcome(job.cell, "ok")


def bounded(job: Job) -> bool:
    """Whether the sampler has a bound on the likelihood: one with a variance, and the classes as the model has them."""
    return job.tuned is None and hasattr(job.sampler, "variance")


def is_diffusion(job: Job) -> bool:
    return walks(job.kind)


def _end_with_parent(parent: int) -> None:
    """Leave when the run was killed: a worker in the middle of an hour of training would go on for nobody."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def start_worker(threads: int, memory_bytes: int | None = None, gpu: str | None = None) -> None:
    """Limit a fresh worker process to its threads, so that workers use the cores once, its memory, and its GPU.

    Memory is what it may write to (RLIMIT_DATA); beyond that an allocation fails, and the cell with it.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # read when torch first calls CUDA, which no import does
    environment()  # the commit is the one whose code was loaded, not whatever is checked out when work ends
    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    threadpool_limits(threads)
    if memory_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


@contextmanager
def thread_limits(threads: int) -> Iterator[None]:
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
