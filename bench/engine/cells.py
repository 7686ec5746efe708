"""Cells, as a worker does them: prepare the sampler, draw rows and keep them, score them, write the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pandas as pd

from tabstep.baselines.holdout import halves
from tabstep.contracts import Dense, Unsupported
from tabstep.data import validity
from tabstep.diffusion.mixed import Draw, Process
from tabstep.diffusion.model import Diffusion
from tabstep.engine import drawn_rows, outcomes
from tabstep.engine.drawn_rows import Cost, Drawn, Missing
from tabstep.engine.folder import Folder
from tabstep.engine.job import STAGES, Job, Outcome, Stages
from tabstep.engine.models import Fitted, fit_baseline, fitted_diffusion
from tabstep.engine.outcomes import fail, record
from tabstep.metrics import evaluators, likelihood
from tabstep.metrics import rows as rows_metrics
from tabstep.metrics.catboost_trees import catboost_efficacy
from tabstep.metrics.efficacy import Split
from tabstep.metrics.faults import copies
from tabstep.records import store
from tabstep.records.clock import timed
from tabstep.samplers.setting import Sampler, Setting, Steps, Table, path_for

WARM_ROWS = 64
# Of a path in a record: a longer one leaves out next to no time and would be most of the file.
MOST_TIMES = 101


class Prepared(NamedTuple):
    """A sampler ready to draw along `path`, and the seconds paid for that, by this process or another one."""

    sampler: Sampler
    draw: Draw
    path: Steps
    setting: Setting
    seconds: float


def prepare(job: Job, fitted: Fitted, process: Process) -> Prepared:
    """The sampler of a cell on a process of the fitted model. Raises `Unsupported`."""
    cell = job.cell
    sampler, grid = job.sampler, job.grid
    assert sampler is not None
    assert grid is not None
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
        path = path_for(sampler, grid, setting, cell.steps)
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
                rows, found = _keep(job, folder, fresh, fitted, cost, _exact(job, fitted))
            cost = found.cost
            outcomes.append(
                _score(job, folder, rows, found) if "score" in stages else Outcome(job.cell, "ok")
            )
        except Exception as error:  # noqa: BLE001  see run_cell
            outcomes.append(fail(folder, job, error, cost))
            if fitted is None and not isinstance(error, Unsupported):
                return [*outcomes, *(fail(folder, other, error) for other in jobs[len(outcomes) :])]
    return outcomes


def _exact(job: Job, fitted: Fitted) -> dict[str, float]:
    """Exact nats of the test rows that a diffusion's bound is taken on, where the model has a density."""
    if "nelbo" not in job.metrics or not isinstance(fitted.model, Dense):
        return {}
    return likelihood.exact(fitted.model.nats(fitted.completion.forward(job.source.load().test)))


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
        env=job.environment(),
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
    if job.hands_out_fresh_rows:
        dataset = halves(dataset)[1]
    unscored: dict[str, str] = {}
    for group, score in rows_metrics.GROUPS.items():
        if group in job.metrics:
            try:
                scores |= {name: [value] for name, value in score(rows, dataset).items()}
            except Exception as error:  # noqa: BLE001  each score stands alone: its reason is kept
                unscored[group] = outcomes.reason_of(error)
    split: Split = "both" if "validation" in job.metrics else "test"
    by_evaluator: dict[str, dict[str, list[float]]] = {name: {} for name in ("catboost", *job.beside)}
    for seed in job.eval_seeds:
        found = {
            "catboost": catboost_efficacy(
                rows, dataset, seed=seed, params=job.evaluator.params, split=split, threads=job.threads
            )
        }
        for name, evaluator in job.beside.items():
            if name not in unscored:  # of a score that fails at one seed there is no mean to compare
                try:
                    found[name] = evaluators.score(
                        name, evaluator.params, rows, dataset, seed=seed, split=split, threads=job.threads
                    )
                except Exception as error:  # noqa: BLE001  as above
                    unscored[name] = outcomes.reason_of(error)
        for evaluator_name, values in found.items():
            for name, value in values.items():
                by_evaluator[evaluator_name].setdefault(name, []).append(value)
    for name, of_seeds in by_evaluator.items():
        if name not in unscored:
            scores |= of_seeds
    result = record(job, "ok", None, done.cost, scores=scores)
    copied = {
        "share": copies(rows, dataset.train, dataset.schema),
        "expected": copies(dataset.test, dataset.train, dataset.schema),
    }
    more: dict[str, Any] = {"drawn": {"env": dict(done.env), "created": done.created, "copies": copied}}
    if unscored:
        more["unscored"] = unscored
    if done.fitted:
        more["fitted"] = dict(done.fitted)
    if 0 < len(done.path) <= MOST_TIMES:
        more["drawn"]["path"] = [*done.path]
    store.write(folder.runs, replace(result, settings=result.settings | more))
    return Outcome(job.cell, "ok", "; ".join(f"no {name}: {why}" for name, why in unscored.items()) or None)


def bounded(job: Job) -> bool:
    """Whether the sampler has a bound on the likelihood: one with a variance, and the classes as the model has them."""
    return job.tuned is None and job.sampler_code is None and hasattr(job.sampler, "variance")
