"""A trial of a study: what is tuned, and how a suggestion is scored, on training and validation rows, never test rows.

A trial of a method is one training and, as in TabDDPM's script, a CatBoost fit on each of a few draws; its value is
their mean validation score (macro-F1 or R2). The same part stops and scores the evaluator, so the value only ranks. How
many rows to draw, a quarter to twice the training rows, is tuned along with every method, as the paper does.

A trial of a sampler is drawn from the one model that a suite fitted, at one step budget.

Before the dear draws a small one is scored by a fast evaluator: that proxy is the first value that the pruner sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar, Literal

import optuna
import pandas as pd
from optuna.trial import Trial

from tabstep.data import validity
from tabstep.data.completion import Completion
from tabstep.data.settings import told
from tabstep.data.table import Development
from tabstep.diffusion.model import Diffusion
from tabstep.engine.job import Source
from tabstep.metrics import efficacy
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.registry import GRIDS, METHODS, SAMPLERS
from tabstep.samplers import space
from tabstep.samplers.setting import Sampler, Setting, Table, path_for
from tabstep.tuning import search_space
from tabstep.tuning.rounds import Ended, outcome_of

VERSION = 1  # raise when the same settings lead to other trials: old studies are then left alone

PROXY_ROWS = 2000
SHARES = (-2, 1)  # rows to draw: training rows times 2 to this power, of the paper's tuning script


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

    def suggest(self, trial: Trial) -> tuple[Any, int]:
        """The method with its settings, and log2 of the rows to draw as a share of the training rows."""
        return METHODS[self.method].suggest(trial), trial.suggest_int("log2_rows", *SHARES)

    @property
    def spaces(self) -> tuple[search_space.Suggest, ...]:
        """All that a trial of this task may be suggested by."""
        return (self.suggest,)

    def candidate(self, trial: Trial, data: Development) -> Candidate:
        """Fit the method that the trial suggests."""
        method, log2_rows = self.suggest(trial)
        rows = max(1, round(len(data.train) * 2.0**log2_rows))
        draw = draws_of(method, data, self.sampler, self.grid, self.steps, seed=self.seed, device=self.device)
        return Candidate(told(method), rows, draw)

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
    model     folder of the model, as `engine.models.fit_diffusion` stored it
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

    @property
    def spaces(self) -> tuple[search_space.Suggest, ...]:
        """See `Task.spaces`: with categories and without, which only the model knows."""
        return (partial(space.suggest, categories=True), partial(space.suggest, categories=False))

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


def draws_of(
    method: Any, data: Development, sampler: str, grid: str, steps: int | None, *, seed: int, device: str
) -> Callable[[int, int], pd.DataFrame]:
    """Fit a method; return what draws rows, given their number and a seed. Of a diffusion by at most all its steps."""
    completion = Completion.fit(data.train, data.schema)
    train = completion.forward(data.train)
    model = method.fit(train.copy(), completion.inner, seed=seed, device=device)
    if isinstance(model, Diffusion):
        budget = min(steps or model.schedule.T, model.schedule.T)
        draw = _drawer(model, SAMPLERS[sampler], grid, budget, seed, completion, train, data)
    else:
        draw = lambda n, seed: model.sample(n, seed=seed)  # noqa: E731
    return _checked(draw, completion, train)


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
    """Run one trial, see `rounds.outcome_of`."""
    return outcome_of(partial(objective, trial, task, data))
