"""The commands of studies: a suite, what is measured beside it, and a page."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.carrying import carry_out, summary
from tabstep.cli.options import (
    Archive,
    Datasets,
    Many,
    Mirror,
    Results,
    Workers,
    console,
    device_named,
    errors,
    records_in,
    split,
    stop,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Job
    from tabstep.engine.plan import Plan
    from tabstep.study.perf import Line
    from tabstep.suite import Suite

BUSY = 0.05  # of the cores, taken by others: what is timed beside that is not to be trusted

app = typer.Typer(help="Studies: a suite, what is measured beside it, and a page.", no_args_is_help=True)


@app.command("samplers")
def study_samplers(
    workers: Workers = 0,
    dataset: Datasets = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Every sampler on every grid at every budget: tables, verdicts on the papers' claims, figures (hours; resumes)."""
    from tabstep.report.numbers import table
    from tabstep.study import page, samplers

    todo, folder = _run_suite("samplers", dataset, workers, data_mirror, data_archive, results)
    measured = samplers.measure(todo.jobs, folder, lambda text: console.print(escape(text)))
    records = records_in(folder.runs)
    written = page.write(records, table.results(records), measured, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@app.command("recipe")
def study_recipe(
    workers: Workers = 0,
    dataset: Datasets = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """tabstep beside TabDDPM of the same size: six scores a table, arithmetic of training (hours; resumes)."""
    from tabstep.study import recipe

    todo, folder = _run_suite("recipe", dataset, workers, data_mirror, data_archive, results)
    written = recipe.write(records_in(folder.runs), recipe.costs(todo.jobs), folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


PAGES = {
    "few-steps": "tabstep at one to fifty evaluations beside all steps, by every score: what to use (hours).",
    "families": "tabstep from every start, T' chosen and swept, and by learned coefficients, by every score (hours).",
    "parts": "What each part of tabstep is worth: tabstep without one at a time, by six scores (hours; resumes).",
    "rivals": "tabstep on the tables and by the scores of the papers of TabSyn, TabDiff and TabPC (hours; resumes).",
}
"""Studies that are a suite and a page of its records, made by the module of that name, and what they are about."""


def _suite_and_page(name: str) -> Callable[..., None]:
    def study(
        workers: Workers = 0,
        dataset: Datasets = None,
        data_mirror: Mirror = None,
        data_archive: Archive = None,
        results: Results = Path("results"),
    ) -> None:
        module = import_module(f"tabstep.study.{name.replace('-', '_')}")
        _, folder = _run_suite(name, dataset, workers, data_mirror, data_archive, results)
        written = module.write(records_in(folder.runs), folder.root / "report")
        console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)

    return study


for _name, _about in PAGES.items():
    app.command(_name, help=_about)(_suite_and_page(_name))


@app.command("authors")
def study_authors(
    workers: Workers = 0,
    dataset: Datasets = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """tabstep by the protocol of TabDDPM's authors, beside their configuration trained in full (hours; resumes).

    Real rows and what was trained in full here come from the suites `ceiling` and `reproduce`, how near to training
    rows ours come from `few-steps`, where they were run.
    """
    from tabstep.study import authors, nearness

    _, folder = _run_suite("authors", dataset, workers, data_mirror, data_archive, results)
    beside = [r for name in authors.BESIDE for r in records_in(results / name / "runs")]
    few = records_in(results / nearness.SUITE / "runs")
    written = authors.write(records_in(folder.runs), beside, few, folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@app.command("race")
def study_race(
    workers: Workers = 0,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Every sampler on every grid raced in five heats: tried cheaply, the best measured well (many hours; resumes)."""
    from tabstep.engine.folder import Folder
    from tabstep.study import race

    folder = Folder(results / race.RACE.name)
    for i, heat in enumerate(race.HEATS):
        running = race.entrants(records_in(folder.runs))[i]
        console.print(
            f"heat {i + 1}: " + ", ".join(f"{len(p)} pairs at {steps}" for steps, p in running.items())
        )
        for suite in race.suites(heat, running):
            _carry_on(suite, workers, data_mirror, data_archive, results)
        written = race.write(records_in(folder.runs), folder.root / "report")
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


@app.command("findings")
def study_findings(results: Results = Path("results")) -> None:
    """What all studies together say, from their records alone: FINDINGS.md in the results folder (seconds)."""
    import pandas as pd

    from tabstep.sharing import verify
    from tabstep.study import findings

    found = {name: records_in(results / name / "runs") for name in findings.SUITES}
    for name, records in found.items():
        if not records:
            stop(f"no records in {results / name}; `tabstep run {name}` makes them")
    said = results / "samplers" / "report" / "claims.csv"
    if not said.is_file():
        stop(f"no {said}; `tabstep study samplers` makes it")
    suites = sorted(path.parent.name for path in results.glob(f"*/{verify.NOTED}"))
    again = verify.tally(results, {name: records_in(results / name / "runs") for name in suites})
    written = findings.write(found, pd.read_csv(said), again, results / "FINDINGS.md")
    console.print(f"written: {escape(str(written))}", soft_wrap=True)


@app.command("package")
def study_package(results: Results = Path("results")) -> None:
    """Describe all tables of the results folder for archives: datapackage.json, with types and digests (seconds)."""
    from tabstep.study import package

    if not results.is_dir():
        stop(f"no folder {results}; name one with --results")
    console.print(f"written: {escape(str(package.write(results)))}", soft_wrap=True)


@app.command("perf")
def study_perf(
    compare: Annotated[
        str | None, typer.Option(help="A git revision of this project to measure as well, in turns.")
    ] = None,
    shape: Annotated[Many, typer.Option(help="Shapes of table and network; all when left out.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    results: Results = Path("results"),
) -> None:
    """Training steps, draws and encoding beside the arithmetic that they cannot do without (minutes; one thread)."""
    import json
    from dataclasses import asdict

    from tabstep.records import store, where
    from tabstep.records.clock import calibrate, torch_threads
    from tabstep.records.provenance import environment
    from tabstep.study import perf, revisions

    on = device_named(device)
    if compare and (on != "cpu" or shape):
        stop("--compare measures all shapes on the CPU; leave out --device and --shape")
    with torch_threads(1):
        machine = calibrate(on)
    env = environment() | {"device": on}
    name = where.named(env) or on
    console.print(
        f"{name}, one thread: {machine.gemm_gflops:.0f} GFLOP/s in matrix products, "
        f"{machine.copy_gb_s:.0f} GB/s in copies; other work took {machine.busy:.0%} of the cores"
        + (", so no ratio below is to be trusted" if machine.busy > BUSY else "")
    )
    path = results / "perf" / ("perf.json" if on == "cpu" else f"perf-{where.slug(name)}.json")

    def keep(lines: Sequence[Line]) -> None:
        told = {"machine": asdict(machine), "env": env, "lines": [asdict(x) for x in lines]}
        store.replace(path, json.dumps(told, indent=1).encode())

    try:
        one_by_one = perf.measure(split(shape), on)
        before, lines = revisions.compare(compare) if compare else ([], told_one_by_one(one_by_one, keep))
    except ValueError as error:
        stop(str(error))
    keep(lines)
    console.print(perf_table(before, lines))
    console.print(f"written: {escape(str(path))}", soft_wrap=True)


def told_one_by_one(lines: Iterable[Line], keep: Callable[[Sequence[Line]], None]) -> list[Line]:
    """The lines, each path said and those so far kept when it is measured: all of them take minutes."""
    out = []
    for line in lines:
        console.print(f"measured: {line.path}", highlight=False)
        out.append(line)
        keep(out)
    return out


def perf_table(before: Sequence[Line], lines: Sequence[Line]) -> Table:
    """Paths with their seconds, their limit and their bar, beside those of another revision where it was measured."""
    out = Table(box=None, padding=(0, 2, 0, 0))
    out.add_column("path")
    for name in ("ms", "limit ms", "ratio", "bar", *(["ms before", "now / before"] if before else [])):
        out.add_column(name, justify="right")
    for i, line in enumerate(lines):
        over = line.bar is not None and line.measure > line.bar
        limit = "" if line.limit is None else f"{1e3 * line.limit:.2f}"
        ratio = "" if line.limit is None else f"{line.measure:.2f}"
        bar = (
            ""
            if line.bar is None
            else f"{line.bar:g}" + (" s" if line.limit is None else "") + (" missed" if over else "")
        )
        old = [f"{1e3 * before[i].seconds:.2f}", f"{line.seconds / before[i].seconds:.2f}"] if before else []
        out.add_row(line.path, f"{1e3 * line.seconds:.2f}", limit, ratio, bar, *old)
    return out


@app.command("deq")
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


@app.command("inversion")
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
    from tabstep.engine.filters import Filters, narrow, suite_named
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Source
    from tabstep.engine.plan import plan

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
    from tabstep.engine.filters import Filters, narrow, suite_named

    try:
        narrowed = narrow(suite_named(name), Filters(datasets=split(dataset)))
    except ValueError as error:
        stop(str(error))
    return _carry_on(narrowed, workers, mirror, archive, results)


def _carry_on(
    suite: Suite, workers: int, mirror: Path | None, archive: str | None, results: Path
) -> tuple[Plan, Folder]:
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Source
    from tabstep.engine.plan import plan

    count = workers or os.cpu_count() or 1
    try:
        sources = [Source(d, mirror=mirror, archive=archive) for d in suite.datasets]
        todo = plan(suite, sources, workers=count, tuned_in=results / "tuned")
    except ValueError as error:
        stop(str(error))
    if not todo.jobs:
        stop("none of its datasets can be reached; give --data-mirror")
    folder = Folder(results / suite.name)
    summary(todo, carry_out(todo, folder, None), folder)
    return todo, folder
