"""The commands that tune: methods on validation rows, evaluators on training rows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from rich.markup import escape

from tabstep.cli.options import (
    Archive,
    Datasets,
    Many,
    Methods,
    Mirror,
    Results,
    Storage,
    Trials,
    TrialSeconds,
    TrialTimeout,
    TrialWorkers,
    console,
    device_named,
    errors,
    parse_steps,
    split,
    stop,
)
from tabstep.cli.waiting import SILENCE_S, duration

if TYPE_CHECKING:
    from tabstep.suite import EvaluatorSource
    from tabstep.tuning.rounds import Ended


def tune(
    method: Annotated[list[str], typer.Argument(help="Methods, in this order.")],
    dataset: Annotated[list[str], typer.Option(help="Datasets (repeat or separate by commas).")],
    trials: Trials = 50,
    seconds: TrialSeconds = None,
    timeout: TrialTimeout = 3600.0,
    workers: TrialWorkers = 1,
    storage: Storage = None,
    sampler: Annotated[str, typer.Option(help="Draws the rows of a diffusion's trial.")] = "ancestral",
    grid: Annotated[str | None, typer.Option(help="Its timestep grid.")] = None,
    steps: Annotated[int | None, typer.Option(help="Its step budget; all steps if left out.", min=1)] = None,
    draws: Annotated[int, typer.Option(help="Sampling seeds that a trial is averaged over.", min=1)] = 5,
    evaluator: Annotated[str, typer.Option(help="default, fast, tuned or published.")] = "default",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Tune methods on validation rows; the best settings lie in results/tuned, for `run --params tuned`.

    Resumable: the same command goes on. Several calls on one --storage share their studies.

      tabstep tune tabddpm smote --dataset abalone --trials 50 --workers 2
    """
    import optuna

    from tabstep.contracts import Unsupported
    from tabstep.data.cards import DataError, names
    from tabstep.data.sources import Unreachable
    from tabstep.engine import tuned
    from tabstep.engine.filters import choose
    from tabstep.engine.job import Source
    from tabstep.registry import GRIDS, METHODS, SAMPLERS, UNTUNED
    from tabstep.suite import EvaluatorSource
    from tabstep.tuning import methods as tuning
    from tabstep.tuning import studies
    from tabstep.tuning.rounds import Budget
    from tabstep.tuning.trials import Task

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count = workers or os.cpu_count() or 1
    try:
        methods = [choose("method", m, set(METHODS) - UNTUNED) for m in method]
        datasets = [choose("dataset", d, names()) for d in split(dataset)]
        choose("evaluator", evaluator, get_args(EvaluatorSource))
        choose("sampler", sampler, SAMPLERS)
        on = choose("grid", grid or SAMPLERS[sampler].grid, GRIDS)
        budget = Budget(trials, seconds, timeout)
    except ValueError as error:
        stop(str(error))
    reach(storage)

    where, without = device_named(device), 0
    for name in datasets:
        source = Source(name, mirror=data_mirror, archive=data_archive)
        for chosen in methods:
            place = storage or results / "tuned" / name / f"{chosen}.journal"
            console.print(
                f"[bold]{name} {chosen}[/]: study in {escape(studies.shown(place))}", soft_wrap=True
            )
            try:
                scored_by = tuned.evaluator(
                    cast("EvaluatorSource", evaluator), source.load(), results / "tuned"
                )
                task = Task(
                    source,
                    chosen,
                    scored_by.params,
                    sampler=sampler,
                    grid=on,
                    steps=steps,
                    draws=draws,
                    device=where,
                )
                found = tuning.tune(task, budget, place, workers=count, watch=Watching())
            except KeyboardInterrupt:
                errors.print("stopped; ended trials are kept, the same command goes on from here")
                raise typer.Exit(130) from None
            except DataError as error:
                stop(str(error))
            except (Unreachable, Unsupported, studies.NothingFound) as error:
                errors.print(f"[yellow]without a result[/] {escape(str(error))}", soft_wrap=True)
                without += 1
                continue
            path = tuning.write(results / "tuned", task.name, found)
            console.print(
                f"best {found['score']:.4f} in {found['seconds']:.0f} s: {escape(str(path))}", soft_wrap=True
            )
    raise typer.Exit(1 if without else 0)


def tune_sampler(
    suite: Annotated[str, typer.Argument(help="The suite whose fitted models to draw from.")] = "quick",
    dataset: Datasets = None,
    method: Methods = None,
    steps: Annotated[
        Many, typer.Option(help="Step budgets, a study each; the suite's when left out.")
    ] = None,
    trials: Trials = 50,
    seconds: TrialSeconds = None,
    timeout: TrialTimeout = 3600.0,
    workers: TrialWorkers = 1,
    storage: Storage = None,
    draws: Annotated[int, typer.Option(help="Sampling seeds that a trial is averaged over.", min=1)] = 3,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Tune update, grid, eta, clipping and class temperature of the sampler, on validation rows, a study a budget.

    One fitted model serves all trials. What is found runs as `--sampler tuned`:

      tabstep tune-sampler quick --dataset mlc-churn --steps 5,10 --trials 40 --workers 2

      tabstep run quick --dataset mlc-churn --method tabddpm --sampler tuned --steps 5,10
    """
    import optuna

    from tabstep.engine.filters import Filters, narrow, suite_named
    from tabstep.engine.folder import Folder
    from tabstep.engine.held import Busy
    from tabstep.engine.job import Source, is_diffusion
    from tabstep.engine.plan import Plan, plan
    from tabstep.engine.run import execute
    from tabstep.tuning import methods as tuning
    from tabstep.tuning import studies
    from tabstep.tuning.rounds import Budget
    from tabstep.tuning.trials import SamplerTask

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count = workers or os.cpu_count() or 1
    try:
        budget = Budget(trials, seconds, timeout)
        budgets = parse_steps(steps)
        filters = Filters(split(dataset), split(method), ("ddim",), (), budgets, (0,))
        narrowed = narrow(suite_named(suite), filters)
        sources = [Source(d, mirror=data_mirror, archive=data_archive) for d in narrowed.datasets]
        todo = plan(
            narrowed,
            sources,
            seeds=(0,),
            device=device_named(device),
            workers=count,
            tuned_in=results / "tuned",
        )
    except ValueError as error:
        stop(str(error))
    reach(storage)
    jobs = [job for job in todo.jobs if is_diffusion(job) and job.cell.sample_seed == 0]
    for reason in sorted({reason for _, reason in todo.skipped}):
        errors.print(f"[yellow]skipped[/] {escape(reason)}", soft_wrap=True)
    if not jobs:
        stop("no fitted diffusion to tune a sampler for; choose another suite, --dataset or --method")
    folder = Folder(results / suite)
    try:
        fits = Plan(narrowed, tuple({job.fit_key: job for job in jobs}.values()), ())
        console.print(
            f"{len(fits.jobs)} models in {escape(str(folder.root / 'models'))}, fitted where missing"
        )
        failed = [o for o in execute(fits, folder, stages=("fit",)).outcomes if o.status != "ok"]
        if failed:
            stop(f"{failed[0].cell.dataset} {failed[0].cell.method} cannot be fitted: {failed[0].reason}")
        without = 0
        for job in jobs:
            cell = job.cell
            assert cell.steps is not None
            task = SamplerTask(
                job.source,
                cell.method,
                job.evaluator.params,
                params=cell.params,
                model=folder.model(job).resolve(),
                fit_key=job.fit_key,
                steps=cell.steps,
                rows=job.rows,
                draws=draws,
                device=job.device,
            )
            place = storage or results / "tuned" / cell.dataset / f"{task.name}.journal"
            console.print(
                f"[bold]{cell.dataset} {cell.method} {cell.params}, {cell.steps} steps[/]: study in "
                f"{escape(studies.shown(place))}",
                soft_wrap=True,
            )
            try:
                found = tuning.tune(task, budget, place, workers=count, watch=Watching())
            except studies.NothingFound as error:
                errors.print(f"[yellow]without a result[/] {escape(str(error))}", soft_wrap=True)
                without += 1
                continue
            path = tuning.write(results / "tuned", task.name, found)
            console.print(
                f"best {found['score']:.4f} by {_said(found['settings'])}: {escape(str(path))}",
                soft_wrap=True,
                highlight=False,
            )
    except KeyboardInterrupt:
        errors.print("stopped; ended trials are kept, the same command goes on from here")
        raise typer.Exit(130) from None
    except Busy as error:
        stop(str(error))
    raise typer.Exit(1 if without else 0)


def _said(found: dict[str, Any]) -> str:
    options = {**found["settings"], **{k: v for k, v in found.items() if k == "temperature"}}
    shown = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in options.items())
    return f"{found['update']} on {found['grid']} ({shown})"


def reach(storage: str | None) -> None:
    """Open what --storage names, so that a wrong address is told before work starts."""
    from tabstep.tuning import studies

    try:
        if storage is not None:
            studies.open_storage(storage)
    except (ValueError, ImportError) as error:
        stop(f"--storage: {error}")


class Watching:
    """Says how trials end, one of so many asked for, and once a minute how long it is since one did."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._spoke = clock()

    def __call__(self, done: int, asked: int, ended: Ended | None) -> None:
        now = self._clock()
        if ended is not None:
            values = (ended.value,) if isinstance(ended.value, float) else ended.value or ()
            value = ", ".join(f"{value:.4g}" for value in values) or escape(ended.reason or "")
            self._say(done, asked, f"{ended.state.name.lower()} {value}")
            self._began = now
        elif now - self._spoke > SILENCE_S:
            self._say(done, asked, f"running ({duration(now - self._began)})")

    def _say(self, done: int, asked: int, what: str) -> None:
        console.print(f"[{done:>4}/{asked}] {what}", soft_wrap=True, markup=False)
        self._spoke = self._clock()


def tune_evaluator(
    dataset: Annotated[list[str], typer.Argument(help="Datasets, in this order.")],
    evaluator: Annotated[str, typer.Option(help="catboost or xgboost.")] = "catboost",
    trials: Annotated[
        int, typer.Option(help="Optuna trials in all, those of earlier runs counted.", min=1)
    ] = 100,
    max_seconds: Annotated[
        float | None, typer.Option(help="No trial starts after this, per dataset.", min=0.0)
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    data_mirror: Mirror = None,
    results: Results = Path("results"),
) -> None:
    """Tune an evaluator on real training rows (5-fold CV); stored in results/tuned, resumable."""
    from tabstep.data import cards
    from tabstep.engine.filters import Refused, choose
    from tabstep.tuning import evaluators as evaluator_tuning

    try:
        names = tuple(choose("dataset", name, cards.names()) for name in dataset)
        which = choose("evaluator", evaluator, evaluator_tuning.TUNED)
    except Refused as error:
        stop(str(error))
    evaluator_tuning.tune_tables(
        names,
        results / "tuned",
        evaluator=which,
        mirror=data_mirror,
        trials=trials,
        threads=threads,
        max_seconds=max_seconds,
    )
