"""The command line: run suites, rebuild reports, list what there is, check data, tune the evaluator."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli import cache, checks, compare, fit, judge, pages, run, sample, share, study, tune, tune_joint
from tabstep.cli.carrying import make_report
from tabstep.cli.door import behind_door
from tabstep.cli.options import (
    MOST_PROCESSES,
    MOST_SEED,
    MOST_STEPS,
    Archive,
    Datasets,
    Many,
    Methods,
    Mirror,
    Results,
    Samplers,
    console,
    device_named,
    leave_out,
    parse_steps,
    split,
    stop,
    whole,
)

MOST_ROWS = 10**8

# Heavy imports (torch, CatBoost) are inside the commands, so that --help answers at once.
# Text from outside (names, paths, reasons) is escaped: rich reads "[...]" as markup and stops at "[/...]".

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(
    help="Datasets: where they come from and whether they are what they should be.", no_args_is_help=True
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        console.print(f"tabstep {version('tabstep')}", highlight=False)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Benchmark of tabular diffusion and its accelerated samplers, scored per step budget.

    Start with `tabstep run smoke` (a minute) or `tabstep run quick` (ten minutes). Rows of a table of your own:
    `tabstep sample my.csv --rows 5000 --out rows.parquet`.
    """


app.add_typer(data_app, name="data")
app.add_typer(study.app, name="study")
app.add_typer(cache.app, name="cache")
for _command in (
    fit.fit,
    sample.sample,
    run.run,
    pages.tables,
    pages.profile,
    pages.leaderboard,
    pages.rows,
    checks.check,
    share.score,
    share.submit,
    share.accept,
    share.withdraw,
    checks.verify,
    checks.diff,
    compare.compare,
    judge.advise,
):
    app.command()(_command)
app.command()(tune.tune)
app.command("tune-sampler")(tune.tune_sampler)
app.command("tune-joint")(tune_joint.tune_joint)
app.command("tune-evaluator")(tune.tune_evaluator)


@app.command()
def report(
    what: Annotated[
        str,
        typer.Argument(help="A suite, or the folder of a model that `save` wrote.", metavar="SUITE|MODEL"),
    ] = "quick",
    real: Annotated[
        Path | None, typer.Option(help="Of a model: the table that it was fitted on, CSV or Parquet.")
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(
            help="Of a model: rows of the same table that it was not fitted on; needed to judge leaks."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Of a model: the page, report.html when left out; JSON and a model card lie beside it."
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Of a model: steps a drawn row takes, 20 when left out.", min=1, max=MOST_STEPS),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of a model: of the draw, 0 when left out.", min=0, max=MOST_SEED)
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Rebuild tables and plots of a suite from its records, or report on a model of your own table.

    tabstep report quick

    tabstep report model/ --real my.csv --holdout rest.csv --out report.html
    """
    from tabstep.engine.folder import Folder

    if judge.is_model(Path(what)):
        judge.of_model(Path(what), real, holdout, out, steps or 20, seed or 0)
        return
    given: dict[str, object] = {"real": real, "holdout": holdout, "out": out, "steps": steps, "seed": seed}
    if unused := [f"--{name}" for name, value in given.items() if value is not None]:
        stop(f"{what} holds no model, and {', '.join(unused)} is for the report of a model")
    make_report(Folder(results / what), console)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="datasets, methods, samplers, grids, suites, or all.")] = "all",
) -> None:
    """What there is, a line each."""
    from tabstep.data import cards
    from tabstep.registry import GRIDS, METHODS, SAMPLERS
    from tabstep.suites import SUITES

    def datasets() -> Iterable[tuple[str, str]]:
        for name in cards.names():
            c = cards.find(name)
            yield (
                name,
                f"{c.task}, {c.rows} rows, {len(c.numeric)} numeric, {len(c.categorical)} categorical; {c.source}",
            )

    kinds: dict[str, Iterable[tuple[str, str]]] = {
        "datasets": datasets(),
        "methods": ((name, METHODS.about(name)) for name in METHODS),
        "samplers": ((name, f"{SAMPLERS.about(name)} [{SAMPLERS.options(name)}]") for name in SAMPLERS),
        "grids": ((name, GRIDS.about(name)) for name in GRIDS),
        "suites": ((name, s.about) for name, s in SUITES.items()),
    }
    if what != "all" and what not in kinds:
        stop(f"unknown kind {what!r}; known: {', '.join(kinds)}, all")
    for kind, lines in kinds.items():
        if what in (kind, "all"):
            table = Table(title=kind, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
            table.add_column(no_wrap=True, style="bold")
            table.add_column()
            for name, line in lines:
                table.add_row(name, escape(line))
            console.print(table)


@data_app.command()
def check(
    dataset: Annotated[list[str] | None, typer.Argument(help="Names; all when left out.")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
) -> None:
    """Verify every reachable dataset by digest and print what was found."""
    from tabstep.data import sources

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("dataset", "task", "train/val/test", "num", "cat", "licence", "source", "status"):
        table.add_column(heading, justify="right" if heading in ("num", "cat") else "left")
    bad = 0
    for line in sources.check(split(dataset) or None, mirror=data_mirror, archive=data_archive):
        colour = (
            "green" if line.status == "ok" else "yellow" if line.status.startswith("unreachable") else "red"
        )
        bad += colour == "red"
        table.add_row(
            escape(line.dataset),
            line.task,
            line.rows,
            str(line.numeric),
            str(line.categorical),
            line.licence,
            line.source,
            f"[{colour}]{escape(line.status)}[/]",
        )
    console.print(table)
    raise typer.Exit(1 if bad else 0)


@app.command("time")
def time_(
    suite: Annotated[str, typer.Argument(help="The suite whose fitted models to time.")] = "quick",
    dataset: Datasets = None,
    method: Methods = None,
    sampler: Samplers = None,
    grid: Annotated[Many, typer.Option(help="Timestep grids, instead of the suite's.")] = None,
    steps: Annotated[Many, typer.Option(help="Step budgets; T is all steps of the model.")] = None,
    batch: Annotated[Many, typer.Option(help="Rows drawn at once; 1, 1000 and 100000 when left out.")] = None,
    repeats: Annotated[
        int, typer.Option(help="Timed draws of each batch, after one that does not count.")
    ] = 5,
    limit: Annotated[float, typer.Option(help="Seconds that all draws of one batch may take.")] = 300,
    threads: Annotated[
        int, typer.Option(help="Threads of an operator; 0 takes all cores.", min=0, max=MOST_PROCESSES)
    ] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Time fitted models one after the other, in this process, on a machine that should have nothing else to do.

    Examples:

      tabstep time quick --sampler ddim --steps 5,20 --batch 1,1000

      tabstep time samplers --dataset adult --device cuda
    """
    from tabstep.data.cards import DataError
    from tabstep.engine import measuring, timing
    from tabstep.engine.filters import Filters, Refused, narrow, suite_named
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Source
    from tabstep.engine.plan import plan
    from tabstep.report.pages import times

    batches = tuple(whole("--batch", part, low=1, most=MOST_ROWS) for part in split(batch))
    try:
        clock = measuring.Clock(batches or measuring.BATCHES, repeats, limit)
        filters = Filters(split(dataset), split(method), split(sampler), split(grid), parse_steps(steps))
        narrowed = narrow(suite_named(suite), filters)
        sources = [Source(d, mirror=data_mirror, archive=data_archive) for d in narrowed.datasets]
        todo = plan(
            narrowed,
            sources,
            device=device_named(device),
            threads=threads or os.cpu_count() or 1,
            tuned_in=results / "tuned",
        )
    except (Refused, DataError, ValueError) as error:
        stop(str(error))
    if not todo.jobs:
        stop("nothing to time: " + "; ".join(sorted({reason for _, reason in todo.skipped})))
    folder = Folder(results / suite)
    timing.run(todo.jobs, folder, clock, lambda text: console.print(escape(text), highlight=False))
    leave_out(timing.damaged(folder))
    timed = timing.table(folder)
    written = times.write(timed, folder.root / "report")
    times.show(timed, console)
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


behind_door(app)
