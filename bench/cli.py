"""The command line: run suites, rebuild reports, list what there is, check data, tune the evaluator."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tabstep import cli_cache, cli_pages, cli_share, cli_tune
from tabstep.options import (
    Archive,
    Many,
    Mirror,
    Results,
    console,
    device_named,
    errors,
    parse_steps,
    split,
    stop,
)

if TYPE_CHECKING:
    from tabstep.executors import Executor
    from tabstep.plan import Plan
    from tabstep.report.compare import Ranking
    from tabstep.run import Status
    from tabstep.suites import Params
    from tabstep.table import Task
    from tabstep.work import Folder, Job, Source, Stages

# Heavy imports (torch, CatBoost) are inside the commands, so that --help answers at once.
# Text from outside (names, paths, reasons) is escaped: rich reads "[...]" as markup and stops at "[/...]".

app = typer.Typer(
    help="Benchmark of tabular diffusion and its accelerated samplers, scored per step budget.\n\n"
    "Start with `tabstep run smoke` (a minute) or `tabstep run quick` (ten minutes).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
data_app = typer.Typer(
    help="Datasets: where they come from and whether they are what they should be.", no_args_is_help=True
)
app.add_typer(data_app, name="data")
study_app = typer.Typer(
    help="Studies: a suite, what is measured beside it, and a page.", no_args_is_help=True
)
app.add_typer(study_app, name="study")
app.add_typer(cli_cache.app, name="cache")
app.command()(cli_tune.tune)
app.command("tune-sampler")(cli_tune.tune_sampler)
app.command("tune-evaluator")(cli_tune.tune_evaluator)
for _command in (
    cli_pages.tables,
    cli_pages.leaderboard,
    cli_pages.rows,
    cli_share.check,
    cli_share.score,
    cli_share.submit,
    cli_share.accept,
    cli_share.verify,
    cli_share.diff,
):
    app.command()(_command)


def _seeds(values: Many) -> tuple[int, ...]:
    for part in split(values):
        if not part.isdecimal():
            stop(f"--seed takes integers from 0, got {part!r}")
    return tuple(int(part) for part in split(values))


@app.command()
def run(
    suite: Annotated[
        str | None, typer.Argument(help="smoke, quick (the default), paper, ...: see `tabstep list suites`.")
    ] = None,
    dataset: Annotated[Many, typer.Option(help="Only these datasets (repeat or separate by commas).")] = None,
    method: Annotated[Many, typer.Option(help="Only these methods.")] = None,
    sampler: Annotated[Many, typer.Option(help="Only these samplers.")] = None,
    grid: Annotated[Many, typer.Option(help="Timestep grids, instead of the suite's.")] = None,
    steps: Annotated[Many, typer.Option(help="Step budgets; T is all steps of the model.")] = None,
    seed: Annotated[Many, typer.Option(help="Training seeds.")] = None,
    metric: Annotated[
        Many,
        typer.Option(
            help="Score these too: validation, nelbo, fidelity, coverage, detection, privacy, faults, xgboost, mlp, "
            "simple."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(help="Worker processes; 0 takes as many as the cores allow, or one a GPU.", min=0),
    ] = 0,
    threads: Annotated[
        int,
        typer.Option(
            help="Threads of a worker. Rows and scores are the same for any number of workers, not of threads.",
            min=1,
        ),
    ] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    executor: Annotated[str, typer.Option(help="local, or ray for a cluster.")] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster, host:port or auto; without it --executor ray starts one here."),
    ] = None,
    until: Annotated[
        str, typer.Option(help="The last stage: fit, draw or score. The first two need no evaluators.")
    ] = "score",
    from_: Annotated[
        str, typer.Option("--from", help="The first stage: what comes before must be there already.")
    ] = "fit",
    params: Annotated[
        str | None, typer.Option(help="tuned, published or default settings, instead of the suite's.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that one fit or cell may take before it fails.", min=1)
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(help="GiB that a worker may take before what it works on fails.", min=0.1),
    ] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    csv: Annotated[
        Path | None, typer.Option(help="A table of your own, CSV or Parquet; needs --target.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column to predict, with --csv.")] = None,
    task: Annotated[
        str | None, typer.Option(help="binclass, multiclass or regression, if the guess is wrong.")
    ] = None,
    drop: Annotated[Many, typer.Option(help="Columns of --csv to leave out, such as ids.")] = None,
    card: Annotated[Path | None, typer.Option(help="Write the inferred card of --csv to this file.")] = None,
    results: Results = Path("results"),
) -> None:
    """Fit, sample and score a suite; what is done already is not repeated.

    Examples:

      tabstep run quick --dataset diamonds-price --method tabddpm --sampler ddim --steps 5,10

      tabstep run --csv my.csv --target price

      tabstep run paper --until draw --device cuda    # on one machine, without evaluators

      tabstep run paper --from score                  # on another one, with the results folder of the first
    """
    from tabstep import executors
    from tabstep import plan as planning
    from tabstep.cards import DataError
    from tabstep.work import STAGES, Folder, Source

    where = device_named(device)
    # A device with a number is the one that all workers share.
    gpus = executors.gpus() if where == "cuda" and executor == "local" else ()
    count = workers or len(gpus) or max(1, (os.cpu_count() or 1) // threads)
    try:
        first, last = (STAGES.index(planning.choose("stage", s, STAGES)) for s in (from_, until))  # type: ignore[arg-type]
        if first > last:
            stop(f"--from {from_} comes after --until {until}; the stages are {', '.join(STAGES)}")
        stages = STAGES[first : last + 1]
        planning.choose("executor", executor, ("local", "ray"))
        if executor == "ray":
            # Other machines have other working folders.
            results = results.resolve()
            data_mirror = data_mirror and data_mirror.resolve()
        elif address is not None:
            stop("--address only with --executor ray")
        if csv is not None:
            if target is None:
                stop("--csv needs --target, the name of the column to predict")
            if suite not in (None, "own") or dataset:
                stop("--csv runs the suite own on that file alone; leave out the suite and --dataset")
            chosen_task = cast("Task | None", task)  # any other text is refused where the file is read
            own_source = Source(
                csv.stem, file=csv.resolve(), target=target, task=chosen_task, drop=split(drop)
            )
            _show_own(own_source, card)
            chosen = planning.suite_named("own")
            sources = [own_source]
            narrowed = planning.narrow(
                chosen,
                planning.Filters(
                    *((), split(method), split(sampler), split(grid), parse_steps(steps), _seeds(seed)),
                    metrics=split(metric),
                    params=cast("Params | None", params),
                ),
            )
        else:
            unused = [
                f"--{n}" for n, v in (("target", target), ("task", task), ("drop", drop), ("card", card)) if v
            ]
            if unused:
                stop(f"{', '.join(unused)} only with --csv")
            filters = planning.Filters(
                *(
                    split(dataset),
                    split(method),
                    split(sampler),
                    split(grid),
                    parse_steps(steps),
                    _seeds(seed),
                ),
                metrics=split(metric),
                params=cast("Params | None", params),  # any other text is refused where it is chosen
            )
            narrowed = planning.narrow(planning.suite_named(suite or "quick"), filters)
            if not narrowed.datasets:
                stop(f"suite {suite!r} names no datasets; give --dataset or --csv")
            sources = [Source(d, mirror=data_mirror, archive=data_archive) for d in narrowed.datasets]
        todo = planning.plan(
            narrowed,
            sources,
            seeds=_seeds(seed),
            device=where,
            threads=threads,
            workers=count,
            tuned_in=results / "tuned",
        )
    except (planning.Refused, DataError, ValueError) as error:
        stop(str(error))
    folder = Folder(results / narrowed.name)
    console.print(
        f"[bold]{narrowed.name}[/]: {len(todo.jobs)} cells on {len({j.cell.dataset for j in todo.jobs})} datasets, "
        f"{count} workers of {threads} thread{'s' * (threads > 1)}, {where}; records in {escape(str(folder.runs))}"
    )
    limit = None if memory is None else int(memory * 2**30)
    place = _place(executor, address, count, threads, where, limit, gpus)
    status = _execute(todo, folder, timeout, stages, place)
    if until == "score":
        _report(folder, console)
    _summary(todo, status, folder)


def _place(
    executor: str,
    address: str | None,
    workers: int,
    threads: int,
    device: str,
    memory_bytes: int | None,
    gpus: Sequence[str],
) -> Executor:
    from importlib.util import find_spec

    from tabstep.executors import Local

    if executor == "local":
        return Local(workers, threads, memory_bytes, gpus)
    if find_spec("ray") is None:
        stop('--executor ray needs Ray: pip install -e ".[ray]"')
    from tabstep.cluster import Cluster

    return Cluster(address, workers, threads, device, memory_bytes)


def _execute(
    todo: Plan,
    folder: Folder,
    timeout_s: float | None = None,
    stages: Stages | None = None,
    executor: Executor | None = None,
) -> Status:
    from tabstep.progress import View
    from tabstep.run import Busy, execute
    from tabstep.work import STAGES

    try:
        with View(console) as view:
            chosen = stages or STAGES
            return execute(todo, folder, stages=chosen, executor=executor, timeout_s=timeout_s, watch=view)
    except KeyboardInterrupt:
        errors.print("stopped; finished cells are kept, the same command goes on from here")
        raise typer.Exit(130) from None
    except Busy as error:
        stop(str(error))
    except ConnectionError as error:
        stop(f"no cluster to run on: {error}")
    except OSError as error:
        stop(f"{error}; finished cells are kept, the same command goes on once {folder.root} can be written")


def _show_own(source: Source, card: Path | None) -> None:
    from tabstep import own, store

    loaded = source.load()
    table = Table(
        title=escape(f"{loaded.name}: {loaded.schema.task}, target {loaded.schema.target}"),
        title_justify="left",
    )
    for heading in ("column", "role", "type", "distinct", "missing"):
        table.add_column(heading, justify="right" if heading in ("distinct", "missing") else "left")
    for column in own.columns(loaded):
        table.add_row(
            escape(column.column), column.role, column.dtype, str(column.distinct), str(column.missing)
        )
    console.print(table)
    console.print(
        f"rows: {len(loaded.train)} train, {len(loaded.val)} validation, {len(loaded.test)} test (seed 0)"
    )
    if card is not None:
        store.replace(card, own.card(loaded).encode())
        console.print(f"card written to {escape(str(card))}")


def _summary(todo: Plan, status: Status, folder: Any) -> None:
    counts = {kind: sum(o.status == kind for o in status.outcomes) for kind in ("ok", "failed", "skipped")}
    console.print(f"{counts['ok']} cells done, {counts['failed']} failed, {counts['skipped']} skipped")
    shown: set[tuple[str, str]] = set()
    for outcome in status.outcomes:
        key = (outcome.cell.dataset, outcome.reason or "")
        if outcome.status != "ok" and key not in shown:
            shown.add(key)
            console.print(
                escape(f"  {outcome.status}: {outcome.cell.dataset} {outcome.cell.method}: {outcome.reason}")
            )
    if counts["failed"]:
        console.print(f"tracebacks are in {escape(str(folder.root / 'logs'))}")
        raise typer.Exit(1)


def _report(folder: Any, out: Console) -> None:
    from tabstep import store
    from tabstep.report import against, plots, readable, scores, statistics, table, timesteps

    records, problems = store.read_all(folder.runs)
    for problem in problems:
        errors.print(f"[yellow]ignored[/] {escape(f'{problem.path}: {problem.reason}')}", soft_wrap=True)
    if not records:
        stop(f"no records in {folder.runs}; `tabstep run {folder.root.name}` makes them")
    report = folder.root / "report"
    written = readable.write(records, report)
    frame = table.results(records)
    if (frame["status"] != "skipped").any() and frame["mean"].notna().any():
        written += plots.quality_against_cost(frame, report)
        written += statistics.write(records, frame, report)
    written += timesteps.write(records, report)
    written += scores.write(frame, report)
    readable.show(frame, out)
    compared = against.against(frame)
    if not compared.empty:
        written += against.write(compared, report)
        against.show(compared, out)
    out.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@app.command()
def report(
    suite: Annotated[str, typer.Argument(help="The suite whose records to read.")] = "quick",
    results: Results = Path("results"),
) -> None:
    """Rebuild tables and plots of a suite from its records alone."""
    from tabstep.work import Folder

    _report(Folder(results / suite), console)


@app.command()
def compare(
    suite: Annotated[str, typer.Argument(help="The suite whose records to read.")],
    first: Annotated[str | None, typer.Argument(help="An entrant, as this command prints them.")] = None,
    second: Annotated[str | None, typer.Argument(help="Another one.")] = None,
    missing: Annotated[
        str,
        typer.Option(help="A missing score: drop its dataset, worst rank there, or the floor's score there."),
    ] = "drop",
    results: Results = Path("results"),
) -> None:
    """Rank the entrants of a suite over its datasets, or say of two which is better, or that they are equal.

    Examples:

      tabstep compare quick

      tabstep compare quick "tabddpm quick ddim trailing 5" "tabddpm quick ancestral trailing 5"
    """
    from tabstep import cards, store
    from tabstep.report import compare as comparing
    from tabstep.work import Folder

    records, _ = store.read_all(Folder(results / suite).runs)
    if not records:
        stop(f"no records in {Folder(results / suite).runs}; `tabstep run {suite}` makes them")
    scores = comparing.units(records)
    try:
        if first is None:
            _show_ranks(comparing.rank(records, missing))  # type: ignore[arg-type]  # checked there
            return
        if second is None:
            stop("compare takes two entrants, or none for a ranking")
        for name in (first, second):
            if name not in scores:
                stop(f"unknown entrant {name!r}; {cards.suggest(name, list(scores))}")
        verdict = comparing.versus(scores[first], scores[second])
    except ValueError as error:
        stop(str(error))
    relation = {
        "better": "is better than",
        "worse": "is worse than",
        "equal": "is equal within 1 % to",
        "undecided": "is neither shown to differ from nor to equal",
    }[verdict.says]
    console.print(f"[bold]{escape(first)}[/] {relation} [bold]{escape(second)}[/]", soft_wrap=True)
    console.print(
        f"difference {verdict.difference:+.4f}, 95 % interval {verdict.low:+.4f} .. {verdict.high:+.4f}, "
        f"effect size {verdict.effect:+.2f}; {verdict.pairs} pairs on {verdict.datasets} datasets\n"
        f"p = {verdict.p_different:.3g} that they are the same, "
        f"p = {verdict.p_equal:.3g} that they differ by {verdict.margin:.4f} or more",
        soft_wrap=True,
    )


def _show_ranks(ranking: Ranking) -> None:
    table = Table(
        title="mean rank over datasets, 1 is best", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("entrant", no_wrap=True)
    table.add_column("rank", justify="right")
    for name, value in ranking.mean_rank.items():
        table.add_row(escape(str(name)), f"{value:.2f}")
    console.print(table)
    n = len(ranking.scores)
    said = [f"{n} dataset{'s' * (n != 1)}", ranking.note]
    if not math.isnan(ranking.friedman):
        said.insert(1, f"Friedman's test that all are alike: p = {ranking.friedman:.2g}")
    console.print(escape("; ".join(said)), soft_wrap=True)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(help="datasets, methods, samplers, grids, suites, or all.")] = "all",
) -> None:
    """What there is, a line each."""
    from tabstep import cards
    from tabstep.registry import GRIDS, METHODS, SAMPLERS, about, options
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
        "methods": ((name, about(kind)) for name, kind in METHODS.items()),
        "samplers": ((name, f"{about(s)} [{options(s)}]") for name, s in SAMPLERS.items()),
        "grids": ((name, about(function)) for name, function in GRIDS.items()),
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
    from tabstep import data

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("dataset", "task", "train/val/test", "num", "cat", "licence", "source", "status"):
        table.add_column(heading, justify="right" if heading in ("num", "cat") else "left")
    bad = 0
    for line in data.check(split(dataset) or None, mirror=data_mirror, archive=data_archive):
        colour = (
            "green" if line.status == "ok" else "yellow" if line.status.startswith("unreachable") else "red"
        )
        bad += colour == "red"
        table.add_row(
            line.dataset,
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
    dataset: Annotated[Many, typer.Option(help="Only these datasets (repeat or separate by commas).")] = None,
    method: Annotated[Many, typer.Option(help="Only these methods.")] = None,
    sampler: Annotated[Many, typer.Option(help="Only these samplers.")] = None,
    grid: Annotated[Many, typer.Option(help="Timestep grids, instead of the suite's.")] = None,
    steps: Annotated[Many, typer.Option(help="Step budgets; T is all steps of the model.")] = None,
    batch: Annotated[Many, typer.Option(help="Rows drawn at once; 1, 1000 and 100000 when left out.")] = None,
    repeats: Annotated[
        int, typer.Option(help="Timed draws of each batch, after one that does not count.")
    ] = 5,
    limit: Annotated[float, typer.Option(help="Seconds that all draws of one batch may take.")] = 300,
    threads: Annotated[int, typer.Option(help="Threads of an operator; 0 takes all cores.", min=0)] = 0,
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
    from tabstep import plan as planning
    from tabstep import timing
    from tabstep.cards import DataError
    from tabstep.report import times
    from tabstep.work import Folder, Source

    for part in split(batch):
        if not part.isdecimal():
            stop(f"--batch takes positive integers, got {part!r}")
    try:
        clock = timing.Clock(tuple(map(int, split(batch))) or timing.BATCHES, repeats, limit)
        filters = planning.Filters(
            split(dataset), split(method), split(sampler), split(grid), parse_steps(steps)
        )
        narrowed = planning.narrow(planning.suite_named(suite), filters)
        sources = [Source(d, mirror=data_mirror, archive=data_archive) for d in narrowed.datasets]
        todo = planning.plan(
            narrowed,
            sources,
            device=device_named(device),
            threads=threads or os.cpu_count() or 1,
            tuned_in=results / "tuned",
        )
    except (planning.Refused, DataError, ValueError) as error:
        stop(str(error))
    if not todo.jobs:
        stop("nothing to time: " + "; ".join(sorted({reason for _, reason in todo.skipped})))
    folder = Folder(results / suite)
    timing.run(todo.jobs, folder, clock, lambda text: console.print(escape(text), highlight=False))
    found = timing.table(folder)
    written = times.write(found, folder.root / "report")
    times.show(found, console)
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@study_app.command("samplers")
def study_samplers(
    workers: Annotated[int, typer.Option(help="Worker processes; 0 takes one a core.", min=0)] = 0,
    dataset: Annotated[Many, typer.Option(help="Only these datasets (repeat or separate by commas).")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Every sampler on every grid at every budget: tables, verdicts on the papers' claims, figures (hours; resumes)."""
    from tabstep import store
    from tabstep.report import table
    from tabstep.study import page, samplers

    todo, folder = _run_suite("samplers", dataset, workers, data_mirror, data_archive, results)
    measured = samplers.measure(todo.jobs, folder, lambda text: console.print(escape(text)))
    records, _ = store.read_all(folder.runs)
    written = page.write(records, table.results(records), measured, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@study_app.command("families")
def study_families(
    workers: Annotated[int, typer.Option(help="Worker processes; 0 takes one a core.", min=0)] = 0,
    dataset: Annotated[Many, typer.Option(help="Only these datasets (repeat or separate by commas).")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Early-stopped and learned samplers beside the best others: T' sweep, gains, prices (hours; resumes).

    Scores are shown in parts of those with all T steps, which the suite `samplers` holds: run that first.
    """
    from tabstep import store
    from tabstep.study import families

    full = families.references(store.read_all(results / "samplers" / "runs")[0])
    if not full:
        stop(f"no records with all T steps in {results / 'samplers'}; `tabstep run samplers` makes them")
    _, folder = _run_suite("families", dataset, workers, data_mirror, data_archive, results)
    records, _ = store.read_all(folder.runs)
    written = families.write(records, full, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@study_app.command("deq")
def study_deq(
    dataset: Annotated[Many, typer.Option(help="Datasets; adult, churn2 and buddy when left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """DEQ-DDIM: calls in a row, evaluations and latency by batch beside DDIM, on a machine with nothing else to do."""
    from tabstep.study import latency
    from tabstep.study.measured import measure

    jobs, folder = _networks("deq", dataset, device, data_mirror, data_archive, results)
    measured = measure(
        jobs,
        folder,
        lambda fitted: latency.lines(fitted.model),
        latency.VERSION,
        lambda text: console.print(escape(text)),
    )
    written = latency.write(measured, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@study_app.command("inversion")
def study_inversion(
    dataset: Annotated[Many, typer.Option(help="Datasets; adult, churn2 and buddy when left out.")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Real rows to noise and back, by each method of inversion: how near they come (minutes)."""
    from tabstep.study import inverting
    from tabstep.study.measured import measure

    jobs, folder = _networks("inversion", dataset, "cpu", data_mirror, data_archive, results)
    measured = measure(
        jobs, folder, inverting.lines, inverting.VERSION, lambda text: console.print(escape(text))
    )
    written = inverting.write(measured, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


def _networks(
    name: str, dataset: Many, device: str, mirror: Path | None, archive: str | None, results: Path
) -> tuple[list[Job], Folder]:
    """The short fits of the study of samplers, one job each, and the folder of the study `name`."""
    from tabstep.plan import Filters, narrow, plan, suite_named
    from tabstep.work import Folder, Source

    try:
        names = split(dataset) or ("adult", "churn2", "buddy")
        narrowed = narrow(suite_named("samplers"), Filters(names, ("tabddpm",), ("ddim",), (), (2,)))
        sources = [Source(d, mirror=mirror, archive=archive) for d in narrowed.datasets]
        todo = plan(
            narrowed,
            sources,
            device=device_named(device),
            threads=os.cpu_count() or 1,
            tuned_in=results / "tuned",
        )
    except ValueError as error:
        stop(str(error))
    for reason in sorted({reason for _, reason in todo.skipped}):
        errors.print(f"[yellow]skipped[/] {escape(reason)}", soft_wrap=True)
    if not todo.jobs:
        stop("none of these datasets can be reached; give --data-mirror")
    return list({job.fit_key: job for job in todo.jobs}.values()), Folder(results / name)


def _run_suite(
    name: str, dataset: Many, workers: int, mirror: Path | None, archive: str | None, results: Path
) -> tuple[Plan, Folder]:
    """Run what is left of a suite, on some or all of its datasets."""
    from tabstep.plan import Filters, narrow, plan, suite_named
    from tabstep.work import Folder, Source

    count = workers or os.cpu_count() or 1
    try:
        narrowed = narrow(suite_named(name), Filters(datasets=split(dataset)))
        sources = [Source(d, mirror=mirror, archive=archive) for d in narrowed.datasets]
        todo = plan(narrowed, sources, workers=count, tuned_in=results / "tuned")
    except ValueError as error:
        stop(str(error))
    if not todo.jobs:
        stop("none of its datasets can be reached; give --data-mirror")
    folder = Folder(results / name)
    _summary(todo, _execute(todo, folder, None), folder)
    return todo, folder
