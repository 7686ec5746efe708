"""One setting for several tables: what trees see of its rows, held against what its training costs.

A recipe is for tables that nobody has tuned for, so its settings are chosen on several at once, and by two measures:
the mean C2ST of its rows against validation rows, and the arithmetic of its trainings. No weight between the two is
asked for; what comes out is the front of settings that no other beats in both.

Tables are visited cheapest first. A trial ends early where, on the tables that it has seen, a finished one was better
by more than the margin of a C2ST and costs no more: on the others it would have to make up for that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pandas as pd
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, Trial, TrialState

from tabstep.data.completion import Completion
from tabstep.data.settings import told
from tabstep.data.table import Development
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.work import arithmetic
from tabstep.engine.job import DRAW_VERSION, FIT_VERSION, STEPS_VERSION, Source
from tabstep.metrics import detection, margins
from tabstep.metrics.rows import VERSIONS
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.registry import METHODS
from tabstep.report.figures import drawing
from tabstep.tuning import rounds, search_space, studies
from tabstep.tuning.rounds import Budget, Ended, Watch
from tabstep.tuning.trials import draws_of

VERSION = 1  # raise when the same settings lead to other trials: old studies are then left alone
AREAS, COST, SETTINGS = "areas", "arithmetic", "settings"  # what a trial says of itself


@dataclass(frozen=True)
class Joint:
    """A diffusion that is tuned on several tables at once.

    sampler, grid, steps  by which rows are drawn that are held against validation rows; from noise and with many
                          steps they show the network
    """

    sources: tuple[Source, ...]
    method: str
    sampler: str = "dpmpp-2m-sde"
    grid: str = "trailing"
    steps: int = 50
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        names = [source.name for source in self.sources]
        if len(set(names)) < 2:
            raise ValueError(
                f"a setting for several tables needs two of them, got {', '.join(names) or 'none'}"
            )
        if not issubclass(METHODS[self.method], TabDDPM):
            raise ValueError(f"what a training of {self.method} costs is not known; choose a diffusion")

    def in_order(self) -> list[Source]:
        """The tables, cheapest first."""
        return sorted(self.sources, key=lambda source: (_development(source).train.size, source.name))


@cache
def _development(source: Source) -> Development:
    return Development.of(source.load())


def study_name(task: Joint) -> str:
    """Changes with everything that changes a value."""
    facts = {name: getattr(task, name) for name in ("method", "sampler", "grid", "steps", "seed")} | {
        "tables": {source.name: _development(source).digest for source in task.sources},
        "space": search_space.digest(METHODS[task.method].suggest),
        "versions": [VERSION, VERSIONS["detection"], FIT_VERSION, DRAW_VERSION, STEPS_VERSION],
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
    return f"joint-{task.method}-{key[:12]}"


def objective(
    trial: Trial, task: Joint, tables: Sequence[Development], finished: Sequence[FrozenTrial]
) -> tuple[float, float]:
    """Mean area and arithmetic of what the trial suggests; `trial` says of itself what it knows, table by table.

    tables    cheapest first
    finished  trials that were not ended early

    Raises `optuna.TrialPruned`, and what the method raises.
    """
    method = METHODS[task.method].suggest(trial)
    trial.set_user_attr(SETTINGS, told(method))
    ready = [Completion.fit(table.train, table.schema) for table in tables]
    trains = [completion.forward(table.train) for completion, table in zip(ready, tables, strict=True)]
    cost = sum(
        arithmetic(method, method.encoder(train, completion.inner), len(train))
        for completion, train in zip(ready, trains, strict=True)
    )
    trial.set_user_attr(COST, cost)
    areas: dict[str, float] = {}
    for table in tables:
        areas[table.name] = area(method, table, task)
        trial.set_user_attr(AREAS, areas)
        if len(areas) < len(tables) and is_beaten(areas, cost, finished):
            raise optuna.TrialPruned
    return fmean(areas.values()), cost


def area(method: TabDDPM, table: Development, task: Joint) -> float:
    """The C2ST of as many drawn rows as there are validation rows, 10,000 at most; below .5 counts as .5."""
    draw = draws_of(method, table, task.sampler, task.grid, task.steps, seed=task.seed, device=task.device)
    rows = draw(min(len(table.val), detection.MOST), 0)
    found = detection.c2st_xgboost(rows, table.val, table.train, table.schema, seed=0)
    return max(0.5, found["c2st_xgboost"])


def is_beaten(areas: Mapping[str, float], cost: float, finished: Sequence[FrozenTrial]) -> bool:
    """Whether a finished trial that costs no more was better on these tables by more than the margin of a C2ST."""
    mean = fmean(areas.values())
    return any(
        trial.user_attrs[COST] <= cost
        and fmean(trial.user_attrs[AREAS][name] for name in areas) + margins.C2ST < mean
        for trial in finished
    )


def _in_worker(place: Path | str, name: str, trial_id: int, position: int, task: Joint) -> Ended:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = rounds.proposing(task.seed, position)
    study = optuna.load_study(study_name=name, storage=rounds.storage(place), sampler=sampler)
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    tables = [_development(source) for source in task.in_order()]
    return rounds.outcome_of(partial(objective, Trial(study, trial_id), task, tables, finished))


def tune(
    task: Joint,
    budget: Budget,
    place: Path | str,
    *,
    workers: int = 1,
    watch: Watch = lambda done, asked, ended: None,
) -> dict[str, Any]:
    """Go on with the study of `task` in `place` until its budget is spent; return its front as plain JSON values.

    The first trial is the point of the space next to the default of the method. Raises `Unsupported` where the method
    is, and `studies.NothingFound` when no trial completed.
    """
    kind = METHODS[task.method]
    study = optuna.create_study(
        storage=studies.open_storage(place),
        study_name=study_name(task),
        directions=["minimize", "minimize"],  # mean area, arithmetic
        load_if_exists=True,
    )
    if (first := getattr(kind, "USUAL", None)) is not None:
        search_space.require(first, kind.suggest)
        study.enqueue_trial(dict(first), skip_if_exists=True)
    rounds.carry_on(study, place, budget, _in_worker, task, workers=workers, watch=watch)
    return {
        "method": task.method,
        "tables": {source.name: _development(source).digest for source in task.in_order()},
        **{name: getattr(task, name) for name in ("sampler", "grid", "steps", "seed")},
        "measures": ["mean C2ST of XGBoost against validation rows", "arithmetic of all trainings"],
        "front": front(study),
        "trials": [said(trial) for trial in studies.counted(study) if AREAS in trial.user_attrs],
        **studies.statistics(study),
        "budget": asdict(budget),
        "study": study.study_name,
        "tuning_version": VERSION,
        "environment": environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def front(study: optuna.Study) -> list[dict[str, Any]]:
    """The trials that no other beats in both measures, the cheapest first, with their settings."""
    best = sorted(study.best_trials, key=lambda trial: trial.values[1])
    return [said(trial) | {SETTINGS: trial.user_attrs[SETTINGS], "params": trial.params} for trial in best]


def said(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial found, on those of the tables that it came to."""
    areas = trial.user_attrs[AREAS]
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        COST: trial.user_attrs[COST],
        "area": fmean(areas.values()),
        AREAS: areas,
    }


def write(folder: Path, found: Mapping[str, Any]) -> list[Path]:
    """Put what `tune` found at `folder`/<method>.json, and a picture of it beside that; return the paths."""
    path = folder / f"{found['method']}.json"
    store.replace(path, (json.dumps(dict(found), indent=1, allow_nan=False) + "\n").encode())
    shown = pd.DataFrame(
        {
            "trial": [trial["trial"] for trial in found["trials"]],
            "state": [trial["state"] for trial in found["trials"]],
            "tflop": [trial[COST] / 1e12 for trial in found["trials"]],
            "c2st": [trial["area"] for trial in found["trials"]],
            "front": [
                trial["trial"] in {line["trial"] for line in found["front"]} for trial in found["trials"]
            ],
        }
    )
    return [
        path,
        *drawing.save({found["method"]: (partial(picture, shown, len(found["tables"])), shown)}, folder),
    ]


def picture(shown: pd.DataFrame, tables: int) -> Figure:
    """The finished trials by what they cost and what trees see of them, with the front."""
    figure = Figure(figsize=(4.2, 3.0), layout="constrained")
    axes = figure.subplots()
    finished = shown[shown["state"] == "complete"]
    best = finished[finished["front"]].sort_values("tflop")
    axes.plot(finished["tflop"], finished["c2st"], "o", color="0.65", markersize=4, label="finished trials")
    axes.step(best["tflop"], best["c2st"], where="post", color="C0", marker="o", markersize=5, label="front")
    axes.set_xscale("log")
    axes.set_xlabel(f"arithmetic of a training on each of {tables} tables, TFLOP")
    axes.set_ylabel("mean C2ST (0.5 is undetected)")
    axes.legend(frameon=False)
    return figure
