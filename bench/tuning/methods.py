"""Tune a method, or the sampler of a fitted one, with Optuna: a study of trials within a budget, by several workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, MedianPruner
from optuna.trial import Trial

from tabstep.data.table import Development
from tabstep.engine.job import DRAW_VERSION, FIT_VERSION, STEPS_VERSION, Source
from tabstep.metrics import efficacy
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.registry import METHODS, walks
from tabstep.tuning import rounds, search_space, studies
from tabstep.tuning.rounds import Budget, Ended, Watch
from tabstep.tuning.trials import VERSION, AnyTask, attempt, metric


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


def _pruner() -> BasePruner:
    return MedianPruner(n_startup_trials=5)


def _in_worker(place: Path | str, name: str, trial_id: int, position: int, task: AnyTask) -> Ended:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = rounds.proposing(task.seed, position)
    study = optuna.load_study(
        study_name=name, storage=rounds.storage(place), sampler=sampler, pruner=_pruner()
    )
    return attempt(Trial(study, trial_id), task, _development(task.source))


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
    rounds.carry_on(study, place, budget, _in_worker, task, workers=workers, watch=watch)
    return _result(study, task, budget, data)


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
