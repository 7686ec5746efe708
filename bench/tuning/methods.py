"""Tune a method, or the sampler of a fitted one, with Optuna: a study of trials within a budget, by several workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState
from pebble import ProcessExpired

from tabstep.data.table import Development
from tabstep.engine.executors import Local, gpus
from tabstep.engine.job import DRAW_VERSION, FIT_VERSION, STEPS_VERSION, Source
from tabstep.metrics import efficacy
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.registry import METHODS, walks
from tabstep.tuning import search_space, studies
from tabstep.tuning.trials import VERSION, AnyTask, Ended, attempt, metric

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


def study_name(task: AnyTask, digest: str) -> str:
    """Changes with everything that changes a value, so that no study goes on under other conditions."""
    facts = asdict(replace(task, source=Source(task.source.name), evaluator={})) | {
        "evaluator": dict(task.evaluator),
        "digest": digest,
        "space": search_space.digest(*task.spaces),
        "versions": [VERSION, efficacy.VERSION, FIT_VERSION, DRAW_VERSION],
    }
    if walks(METHODS[task.method]):
        facts["steps_version"] = STEPS_VERSION
    for name in ("threads", "device", "model"):  # where and how fast
        facts.pop(name, None)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return f"{task.source.name}-{task.name}-{key[:12]}"


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
    Raises `Unsupported` where the method is, `studies.NothingFound` when no trial completed, and ValueError for a
    first trial outside the search space. After a change of that space another study starts.
    """
    data = _development(task.source)
    if task.first is not None:
        search_space.require(task.first, *task.spaces)
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
