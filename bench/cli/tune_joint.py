"""The command that tunes one setting for several tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.options import (
    Archive,
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
    split,
    stop,
)
from tabstep.cli.tune import Watching, reach


def tune_joint(
    method: Annotated[str, typer.Argument(help="A diffusion, as tabstep.")],
    dataset: Annotated[list[str], typer.Option(help="Two datasets or more (repeat or separate by commas).")],
    trials: Trials = 50,
    seconds: TrialSeconds = None,
    timeout: TrialTimeout = 36000.0,
    workers: TrialWorkers = 1,
    storage: Storage = None,
    sampler: Annotated[str, typer.Option(help="Draws the rows of a trial.")] = "dpmpp-2m-sde",
    grid: Annotated[str | None, typer.Option(help="Its timestep grid.")] = None,
    steps: Annotated[int, typer.Option(help="Its step budget.", min=1)] = 50,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Tune one setting for several tables, on validation rows: C2ST of its rows against arithmetic of its trainings.

    A trial is a training on each table, cheapest first; it ends early where a finished one that costs no more was
    better by more than the margin of a C2ST. What comes out is the front of settings that no other beats in both, as
    JSON and as a picture in results/tuned/joint. Resumable: the same command goes on.

      tabstep tune-joint tabstep --dataset abalone,churn2,diabetes --trials 40 --workers 2
    """
    import optuna

    from tabstep.contracts import Unsupported
    from tabstep.data.cards import DataError, names
    from tabstep.data.sources import Unreachable
    from tabstep.engine.filters import choose
    from tabstep.engine.job import Source
    from tabstep.registry import GRIDS, METHODS, SAMPLERS, UNTUNED
    from tabstep.tuning import joint, studies
    from tabstep.tuning.rounds import Budget

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place = storage or results / "tuned" / "joint" / f"{method}.journal"
    try:
        choose("method", method, set(METHODS) - UNTUNED)
        choose("sampler", sampler, SAMPLERS)
        chosen = [choose("dataset", name, names()) for name in split(dataset)]
        task = joint.Joint(
            tuple(Source(name, mirror=data_mirror, archive=data_archive) for name in dict.fromkeys(chosen)),
            method,
            sampler,
            choose("grid", grid or SAMPLERS[sampler].grid, GRIDS),
            steps,
            device=device_named(device),
        )
        budget = Budget(trials, seconds, timeout)
    except ValueError as error:
        stop(str(error))
    reach(storage)
    console.print(
        f"[bold]{', '.join(chosen)} {method}[/]: study in {escape(studies.shown(place))}", soft_wrap=True
    )
    try:
        found = joint.tune(task, budget, place, workers=workers or os.cpu_count() or 1, watch=Watching())
    except KeyboardInterrupt:
        errors.print("stopped; ended trials are kept, the same command goes on from here")
        raise typer.Exit(130) from None
    except (DataError, Unreachable) as error:
        stop(str(error))
    except (Unsupported, studies.NothingFound) as error:
        errors.print(f"[yellow]without a result[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None
    console.print(_table(found))
    written = joint.write(results / "tuned" / "joint", found)
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


def _table(found: dict[str, Any]) -> Table:
    """The front: what it costs, what trees see of it, and by what."""
    table = Table("trial", "TFLOP", "C2ST", *found["tables"], "settings", box=None)
    for line in found["front"]:
        shown = ", ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in line["params"].items()
        )
        areas = [f"{line['areas'][name]:.3f}" for name in found["tables"]]
        table.add_row(
            str(line["trial"]),
            f"{line['arithmetic'] / 1e12:.2f}",
            f"{line['area']:.3f}",
            *areas,
            escape(shown),
        )
    return table
