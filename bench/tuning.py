"""Tune a method, or the sampler of a fitted one, with Optuna: the objective reads training and validation rows, never
test rows.

A trial is one training and, as in TabDDPM's script, a CatBoost fit on each of a few draws; its value is their mean
validation score (macro-F1 or R2). The same part stops and scores the evaluator, so the value only ranks. How many rows
to draw, a quarter to twice the training rows, is tuned along with every method, as the paper does.

A trial of a sampler is drawn from the one model that a suite fitted, at one step budget.

Before the dear draws a small one is scored by a fast evaluator: that proxy is the first value that the pruner sees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

import numpy as np
import optuna
import pandas as pd
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState
from pebble import ProcessExpired

from tabstep import store, studies, validity
from tabstep.complete import Completion
from tabstep.contracts import Unsupported
from tabstep.diffusion.model import Diffusion
from tabstep.executors import Local, gpus
from tabstep.job import DRAW_VERSION, FIT_VERSION, Source
from tabstep.metrics import efficacy
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.provenance import environment
from tabstep.registry import GRIDS, METHODS, SAMPLERS
from tabstep.samplers import space
from tabstep.samplers.setting import Sampler, Setting, Table, path_for
from tabstep.table import Development

VERSION = 1  # raise when the same settings lead to other trials: old studies are then left alone

PROXY_ROWS = 2000
SHARES = (-2, 1)  # rows to draw: training rows times 2 to this power, of the paper's tuning script
POLL_S = 0.2


@dataclass(frozen=True)
class Budget:
    """The same for every method: trials, and seconds of all of them together, after which none starts."""

    trials: int = 50
    seconds: float | None = None
    trial_s: float = 3600.0  # a trial that takes longer is stopped and fails

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")
        for name in ("seconds", "trial_s"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class Candidate:
    """What a trial suggests: plain settings, how many rows to draw, and how, given their number and a seed."""

    settings: dict[str, Any]
    rows: int
    draw: Callable[[int, int], pd.DataFrame]


@dataclass(frozen=True)
class Task:
    """A method that is tuned, and how a trial of it is scored. A diffusion is drawn with `sampler` on `grid`.

    steps  network evaluations a row, at most the T of the trial; None takes all T, as the paper does
    draws  sampling seeds 0, 1, ... that a trial is averaged over
    """

    source: Source
    method: str
    evaluator: Mapping[str, Any]
    sampler: str = "ancestral"
    grid: str = "trailing"
    steps: int | None = None
    draws: int = 5
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    first: ClassVar[Mapping[str, Any] | None] = None

    @property
    def name(self) -> str:
        """Of the files of its study and result, below the folder of the dataset."""
        return self.method

    def candidate(self, trial: Trial, data: Development) -> Candidate:
        """Fit the method that the trial suggests."""
        method = METHODS[self.method].suggest(trial)
        rows = max(1, round(len(data.train) * 2.0 ** trial.suggest_int("log2_rows", *SHARES)))
        completion = Completion.fit(data.train, data.schema)
        train = completion.forward(data.train)
        model = method.fit(train.copy(), completion.inner, seed=self.seed, device=self.device)
        if isinstance(model, Diffusion):
            steps = min(self.steps or model.schedule.T, model.schedule.T)
            draw = _drawer(
                model, SAMPLERS[self.sampler], self.grid, steps, self.seed, completion, train, data
            )
        else:
            draw = lambda n, seed: model.sample(n, seed=seed)  # noqa: E731
        return Candidate(asdict(method), rows, _checked(draw, completion, train))

    def facts(self) -> dict[str, Any]:
        """What was tuned under which conditions, for the result."""
        return {
            "method": self.method,
            "sampler": self.sampler,
            "grid": self.grid,
            "steps": self.steps,
        }


@dataclass(frozen=True)
class SamplerTask:
    """The sampler of a fitted diffusion at one step budget; see `samplers.space` for what is searched.

    params    label of the method's settings in the suite that fitted it
    model     folder of the model, as `work.fit_diffusion` stored it
    fit_key   content hash of that model
    rows      to draw in a trial, those that the suite draws
    """

    source: Source
    method: str
    evaluator: Mapping[str, Any]
    params: str
    model: Path
    fit_key: str
    steps: int
    rows: int
    draws: int = 5
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    first: ClassVar[Mapping[str, Any] | None] = space.FIRST

    @property
    def name(self) -> str:
        """See `Task.name`."""
        return space.file_name(self.method, self.params, self.steps)

    def candidate(self, trial: Trial, data: Development) -> Candidate:
        """Prepare the sampler that the trial suggests."""
        model = _model(self.model, self.device)
        completion = Completion.fit(data.train, data.schema)
        train = completion.forward(data.train)
        found = space.suggest(trial, categories=bool(model.process.blocks.sizes))
        drawer = _drawer(
            model, space.built(found), found["grid"], self.steps, self.seed, completion, train, data
        )
        return Candidate(found, self.rows, _checked(drawer, completion, train))

    def facts(self) -> dict[str, Any]:
        """See `Task.facts`."""
        return {
            "method": self.method,
            "method_params": self.params,
            "fit_key": self.fit_key,
            "steps": self.steps,
            "rows": self.rows,
        }


AnyTask = Task | SamplerTask


def study_name(task: AnyTask, digest: str) -> str:
    """Changes with everything that changes a value, so that no study goes on under other conditions."""
    facts = asdict(replace(task, source=Source(task.source.name), evaluator={})) | {
        "evaluator": dict(task.evaluator),
        "digest": digest,
        "versions": [VERSION, efficacy.VERSION, FIT_VERSION, DRAW_VERSION],
    }
    for name in ("threads", "device", "model"):  # where and how fast
        facts.pop(name, None)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{task.source.name}-{task.name}-{key[:12]}"


@dataclass(frozen=True)
class Ended:
    """How a trial ended: its value or, for a failure, the reason."""

    state: TrialState
    value: float | None = None
    reason: str | None = None


def metric(data: Development) -> Literal["r2", "f1_macro"]:
    return "r2" if data.schema.is_regression else "f1_macro"


def score(rows: pd.DataFrame, data: Development, params: CatBoostParams, *, seed: int, threads: int) -> float:
    """Validation macro-F1 or R2 of CatBoost trained on synthetic rows; raises `efficacy.Degenerate`."""
    fitted = efficacy.fit_evaluator(
        params, rows, data.val, data.schema, classes=data.classes, seed=seed, threads=threads
    )
    return fitted.scores(data.val)[metric(data)]


def objective(trial: Trial, task: AnyTask, data: Development) -> float:
    """Score what the trial suggests. Raises `optuna.TrialPruned`, and what the method raises."""
    candidate = task.candidate(trial, data)
    trial.set_user_attr("settings", candidate.settings)

    def report(value: float, step: int) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    proxy = candidate.draw(min(candidate.rows, PROXY_ROWS), 0)
    report(score(proxy, data, CatBoostParams.fast(), seed=0, threads=task.threads), 0)
    params = CatBoostParams.of(task.evaluator)
    scores: list[float] = []
    for seed in range(task.draws):
        drawn = candidate.draw(candidate.rows, seed)
        scores.append(score(drawn, data, params, seed=seed, threads=task.threads))
        if len(scores) < task.draws:
            report(fmean(scores), len(scores))
    trial.set_user_attr("scores", scores)
    return fmean(scores)


def _checked(
    draw: Callable[[int, int], pd.DataFrame], completion: Completion, train: pd.DataFrame
) -> Callable[[int, int], pd.DataFrame]:
    def drawn(n: int, seed: int) -> pd.DataFrame:
        found = draw(n, seed)
        validity.check(found, train, completion.inner, n)
        return completion.inverse(found)

    return drawn


def _drawer(
    model: Diffusion,
    sampler: Sampler,
    grid: str,
    steps: int,
    seed: int,
    completion: Completion,
    train: pd.DataFrame,
    data: Development,
) -> Callable[[int, int], pd.DataFrame]:
    held = completion.forward(data.val)
    setting = Setting(
        model.process,
        train=model.encode(train),
        held=model.encode(held[model.encoder.known(held)]),
        seed=seed,
        table=Table(train, model.encoder),
    ).seen_by(sampler)
    prepared = sampler.prepare(setting, path_for(sampler, GRIDS[grid], setting, steps))
    return lambda n, seed: model.generate(prepared, n, seed=seed).rows


@lru_cache(maxsize=1)
def _model(path: Path, device: str) -> Diffusion:
    return Diffusion.load(path, device)


def attempt(trial: Trial, task: AnyTask, data: Development) -> Ended:
    """Run one trial. Whatever a method raises is a failed trial with its reason, never a score.

    `Unsupported` is passed on: it would be the end of every trial.
    """
    try:
        value = objective(trial, task, data)
    except optuna.TrialPruned:
        return Ended(TrialState.PRUNED)
    except Unsupported:
        raise
    except Exception as error:  # noqa: BLE001  see above
        return Ended(TrialState.FAIL, reason=f"{type(error).__name__}: {error}")
    if not np.isfinite(value):
        return Ended(TrialState.FAIL, reason=f"the score is {value}")
    return Ended(TrialState.COMPLETE, value)


@lru_cache(maxsize=1)
def _development(source: Source) -> Development:
    return Development.of(source.load())


@lru_cache(maxsize=1)
def _storage(place: Path | str) -> optuna.storages.BaseStorage:
    return studies.open_storage(place)


def _pruner() -> BasePruner:
    return MedianPruner(n_startup_trials=5)


def _in_worker(place: Path | str, name: str, trial_id: int, position: int, task: AnyTask) -> Ended:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Seeded by position, so that a study that was interrupted asks for the trials it would have asked for.
    sampler = TPESampler(seed=int(np.random.SeedSequence([task.seed, position]).generate_state(1)[0]))
    study = optuna.load_study(study_name=name, storage=_storage(place), sampler=sampler, pruner=_pruner())
    return attempt(Trial(study, trial_id), task, _development(task.source))


Watch = Callable[[int, int, Ended], None]
"""Called for every trial that ended, with (trials that count, trials asked, how it ended)."""


def tune(
    task: AnyTask,
    budget: Budget,
    place: Path | str,
    *,
    workers: int = 1,
    watch: Watch = lambda done, asked, ended: None,
) -> dict[str, Any]:
    """Go on with the study of `task` in `place` until its budget is spent; return its result as plain JSON values.

    Several calls, on one machine or many, may share a study: a trial in flight anywhere counts towards the budget.
    Raises `Unsupported` where the method is, and `studies.NothingFound` when no trial completed.
    """
    data = _development(task.source)
    name = study_name(task, data.digest)
    study = optuna.create_study(
        storage=studies.open_storage(place),
        study_name=name,
        direction="maximize",
        pruner=_pruner(),
        load_if_exists=True,
    )
    if task.first is not None:
        study.enqueue_trial(dict(task.first), skip_if_exists=True)
    active: dict[Future[Any], Trial] = {}

    def may_start() -> bool:
        ended = studies.counted(study)
        elsewhere = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        in_budget = budget.seconds is None or studies.seconds(ended) < budget.seconds
        return in_budget and len(ended) + elsewhere < budget.trials

    studies.release_dead(study, timeout_s=budget.trial_s)
    with Local(workers, task.threads, gpus=gpus() if task.device == "cuda" else ()) as pool:
        try:
            while True:
                while len(active) < workers and may_start():
                    position = len(studies.counted(study)) + len(active)
                    trial = study.ask()
                    trial.set_user_attr(studies.OWNER, studies.owner())
                    arguments = (place, name, trial._trial_id, position, task)
                    active[pool.submit(_in_worker, arguments, budget.trial_s)] = trial
                if not active:
                    break
                ready, _ = wait(active, timeout=POLL_S, return_when=FIRST_COMPLETED)
                for future in ready:
                    trial = active.pop(future)
                    ended = _outcome(future, budget.trial_s)
                    if ended.reason is not None:
                        trial.set_user_attr(studies.REASON, ended.reason)
                    study.tell(trial, ended.value, ended.state)
                    watch(len(studies.counted(study)), budget.trials, ended)
        except BaseException:
            for trial in active.values():  # not counted: they ended for no reason of their own
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
    return _result(study, task, budget, data)


def _outcome(future: Future[Any], limit_s: float) -> Ended:
    error = future.exception()
    if error is None:
        ended: Ended = future.result()
        return ended
    if isinstance(error, ProcessExpired):
        return Ended(TrialState.FAIL, reason=f"worker process died (exit code {error.exitcode})")
    if isinstance(error, TimeoutError):
        return Ended(TrialState.FAIL, reason=f"took longer than the limit of {limit_s:g} s")
    raise error


def _result(study: optuna.Study, task: AnyTask, budget: Budget, data: Development) -> dict[str, Any]:
    statistics = studies.statistics(study)
    best = study.best_trial
    return {
        "dataset": data.name,
        "digest": data.digest,
        **task.facts(),
        "settings": best.user_attrs["settings"],
        "log2_rows": best.params.get("log2_rows"),
        "params": best.params,
        "score": best.value,
        "metric": f"catboost_{metric(data)}, validation",
        "best_trial": best.number,
        **statistics,
        "budget": asdict(budget),
        "draws": task.draws,
        "seed": task.seed,
        "evaluator": dict(task.evaluator),
        "study": study.study_name,
        "tuning_version": VERSION,
        "efficacy_version": efficacy.VERSION,
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(folder: Path, name: str, found: Mapping[str, Any]) -> Path:
    """Put the result of the task of this name at `folder`/<dataset>/<name>.json."""
    path = folder / str(found["dataset"]) / f"{name}.json"
    store.replace(path, (json.dumps(dict(found), indent=1, allow_nan=False) + "\n").encode())
    return path
