"""One piece of work, as a worker process does it: fit a method, or draw and score a cell."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import pandas as pd

from tabstep.contracts import Unsupported
from tabstep.data import validity
from tabstep.data.completion import Completion
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Diffusion
from tabstep.engine import drawn_rows
from tabstep.engine.drawn_rows import Cost, Drawn, Missing
from tabstep.engine.job import STAGES, Folder, Job, Outcome, Source, Stages
from tabstep.metrics import evaluators, likelihood
from tabstep.metrics import rows as rows_metrics
from tabstep.metrics.catboost_trees import catboost_efficacy
from tabstep.metrics.efficacy import Split
from tabstep.records import store
from tabstep.records.clock import timed
from tabstep.records.provenance import environment
from tabstep.records.store import Record
from tabstep.registry import GRIDS
from tabstep.samplers.setting import Artifacts, Sampler, Setting, Steps, Table, path_for

WARM_ROWS = 64
# Of a path in a record: a longer one leaves out next to no time and would be most of the file.
MOST_TIMES = 101


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
    return drawn_rows.read(folder.rows(job.cell), job.draw_key, job.source.load().schema)


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
    drawn_rows.write(folder.rows(job.cell), fitted.completion.inverse(rows), done)
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
