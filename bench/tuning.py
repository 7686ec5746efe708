"""Tune a method on one data set with Optuna: the objective reads training and validation rows, never test rows.

A trial is one training and, as in TabDDPM's script, a CatBoost fit on each of a few draws; its value is their mean
validation score (macro-F1 or R2). The same part stops and scores the evaluator, so the value only ranks. How many rows
to draw, a quarter to twice the training rows, is tuned along with every method, as the paper does.

Before the dear draws a small one is scored by a fast evaluator: that proxy is the first value that the pruner sees.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import numpy as np
import optuna
import pandas as pd
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState
from pebble import ProcessExpired, ProcessPool

from tabstep import store, studies, validity, work
from tabstep.complete import Completion
from tabstep.contracts import Unsupported
from tabstep.diffusion.model import Diffusion
from tabstep.metrics import efficacy
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.provenance import environment
from tabstep.registry import GRIDS, METHODS, SAMPLERS
from tabstep.samplers.setting import Setting, Table, path_for
from tabstep.table import Development
from tabstep.work import Source

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
class Task:
    """What is tuned, and how a trial of it is scored. A diffusion is drawn with `sampler` on `grid`.

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

    def study_name(self, digest: str) -> str:
        """Changes with everything that changes a value, so that no study goes on under other conditions."""
        facts = asdict(replace(self, source=Source(self.source.name), evaluator={})) | {
            "evaluator": dict(self.evaluator),
            "digest": digest,
            "versions": [VERSION, efficacy.VERSION, work.FIT_VERSION, work.DRAW_VERSION],
        }
        del facts["threads"], facts["device"]
        key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
        return f"{self.source.name}-{self.method}-{key[:12]}"


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


def objective(trial: Trial, task: Task, data: Development) -> float:
    """Fit and score the method that the trial suggests. Raises `optuna.TrialPruned`, and what the method raises."""
    method = METHODS[task.method].suggest(trial)
    rows = max(1, round(len(data.train) * 2.0 ** trial.suggest_int("log2_rows", *SHARES)))
    trial.set_user_attr("settings", asdict(method))
    completion = Completion.fit(data.train, data.schema)
    train = completion.forward(data.train)
    model = method.fit(train.copy(), completion.inner, seed=task.seed, device=task.device)
    draw = _drawer(model, task, completion, train, data)

    def drawn(n: int, seed: int) -> pd.DataFrame:
        found = draw(n, seed)
        validity.check(found, train, completion.inner, n)
        return completion.inverse(found)

    def report(value: float, step: int) -> None:
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    proxy = drawn(min(rows, PROXY_ROWS), 0)
    report(score(proxy, data, CatBoostParams.fast(), seed=0, threads=task.threads), 0)
    params = CatBoostParams.of(task.evaluator)
    scores: list[float] = []
    for seed in range(task.draws):
        scores.append(score(drawn(rows, seed), data, params, seed=seed, threads=task.threads))
        if len(scores) < task.draws:
            report(fmean(scores), len(scores))
    trial.set_user_attr("scores", scores)
    return fmean(scores)


def _drawer(
    model: Any, task: Task, completion: Completion, train: pd.DataFrame, data: Development
) -> Callable[[int, int], pd.DataFrame]:
    if not isinstance(model, Diffusion):
        return lambda n, seed: model.sample(n, seed=seed)
    held = completion.forward(data.val)
    sampler = SAMPLERS[task.sampler]
    setting = Setting(
        model.process,
        train=model.encode(train),
        held=model.encode(held[model.encoder.known(held)]),
        seed=task.seed,
        table=Table(train, model.encoder),
    ).seen_by(sampler)
    path = path_for(sampler, GRIDS[task.grid], setting, min(task.steps or setting.T, setting.T))
    prepared = sampler.prepare(setting, path)
    return lambda n, seed: model.generate(prepared, n, seed=seed).rows


def attempt(trial: Trial, task: Task, data: Development) -> Ended:
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


def _in_worker(place: Path | str, name: str, trial_id: int, position: int, task: Task) -> Ended:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Seeded by position, so that a study that was interrupted asks for the trials it would have asked for.
    sampler = TPESampler(seed=int(np.random.SeedSequence([task.seed, position]).generate_state(1)[0]))
    study = optuna.load_study(study_name=name, storage=_storage(place), sampler=sampler, pruner=_pruner())
    return attempt(Trial(study, trial_id), task, _development(task.source))


Watch = Callable[[int, int, Ended], None]
"""Called for every trial that ended, with (trials that count, trials asked, how it ended)."""


def tune(
    task: Task,
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
    name = task.study_name(data.digest)
    study = optuna.create_study(
        storage=studies.open_storage(place),
        study_name=name,
        direction="maximize",
        pruner=_pruner(),
        load_if_exists=True,
    )
    active: dict[Future[Any], Trial] = {}

    def may_start() -> bool:
        ended = studies.counted(study)
        elsewhere = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        in_budget = budget.seconds is None or studies.seconds(ended) < budget.seconds
        return in_budget and len(ended) + elsewhere < budget.trials

    studies.release_dead(study, timeout_s=budget.trial_s)
    with work.thread_limits(task.threads):
        context = multiprocessing.get_context("spawn")
        pool = ProcessPool(workers, initializer=work.start_worker, initargs=(task.threads,), context=context)
        try:
            while True:
                while len(active) < workers and may_start():
                    position = len(studies.counted(study)) + len(active)
                    trial = study.ask()
                    trial.set_user_attr(studies.OWNER, studies.owner())
                    arguments = (place, name, trial._trial_id, position, task)
                    active[pool.submit(_in_worker, budget.trial_s, *arguments)] = trial
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
            pool.close()  # type: ignore[no-untyped-call]
        except BaseException:
            pool.stop()  # type: ignore[no-untyped-call]
            for trial in active.values():  # not counted: they ended for no reason of their own
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise
        finally:
            pool.join()
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


def _result(study: optuna.Study, task: Task, budget: Budget, data: Development) -> dict[str, Any]:
    statistics = studies.statistics(study)
    best = study.best_trial
    return {
        "dataset": data.name,
        "digest": data.digest,
        "method": task.method,
        "settings": best.user_attrs["settings"],
        "log2_rows": best.params["log2_rows"],
        "params": best.params,
        "score": best.value,
        "metric": f"catboost_{metric(data)}, validation",
        "best_trial": best.number,
        **statistics,
        "budget": asdict(budget),
        "sampler": task.sampler,
        "grid": task.grid,
        "steps": task.steps,
        "draws": task.draws,
        "seed": task.seed,
        "evaluator": dict(task.evaluator),
        "study": study.study_name,
        "tuning_version": VERSION,
        "efficacy_version": efficacy.VERSION,
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(folder: Path, found: Mapping[str, Any]) -> Path:
    """Put a result at `folder`/<dataset>/<method>.json."""
    path = folder / str(found["dataset"]) / f"{found['method']}.json"
    store.replace(path, (json.dumps(dict(found), indent=1, allow_nan=False) + "\n").encode())
    return path
