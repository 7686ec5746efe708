"""The commands that look into a results folder."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tabstep.cli.options import (
    Archive,
    Datasets,
    Many,
    Methods,
    Mirror,
    Results,
    Samplers,
    console,
    leave_out,
    split,
    stop,
)

if TYPE_CHECKING:
    from tabstep.engine.filters import Filters
    from tabstep.engine.plan import Plan

app = typer.Typer(help="What a results folder holds, and why a run repeats something.", no_args_is_help=True)


def _plan(suite: str, filters: Filters, mirror: Path | None, archive: str | None, results: Path) -> Plan:
    from tabstep.data.cards import DataError
    from tabstep.engine.filters import Refused, narrow, suite_named
    from tabstep.engine.job import Source
    from tabstep.engine.plan import plan

    try:
        narrowed = narrow(suite_named(suite), filters)
        sources = [Source(d, mirror=mirror, archive=archive) for d in narrowed.datasets]
        return plan(narrowed, sources, tuned_in=results / "tuned")
    except (Refused, DataError, ValueError) as error:
        stop(str(error))


@app.command("why")
def why(
    suite: Annotated[str, typer.Argument(help="The suite of the cells.")],
    dataset: Datasets = None,
    method: Methods = None,
    sampler: Samplers = None,
    metric: Annotated[Many, typer.Option(help="Scores beside the suite's, as given to run.")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Say of each cell which of its stages are done and, of those that are not, what differs.

    Example:

      tabstep cache why quick --dataset mlc-churn --method tabddpm --sampler ddim
    """
    from tabstep.cli.progress import name_of
    from tabstep.engine import cache
    from tabstep.engine.filters import Filters
    from tabstep.engine.folder import Folder

    filters = Filters(split(dataset), split(method), split(sampler), metrics=split(metric))
    todo, folder = _plan(suite, filters, data_mirror, data_archive, results), Folder(results / suite)
    for job in todo.jobs:
        console.print(escape(name_of(job.cell)), highlight=False, soft_wrap=True)
        for state in cache.why(job, folder):
            word = "[green]done[/]" if state.done else "[yellow]to do[/]"
            console.print(f"  {state.stage:<5} {word}  {escape(state.why)}", highlight=False, soft_wrap=True)
    for job, reason in todo.skipped:
        console.print(f"{escape(name_of(job.cell))}\n  skipped  {escape(reason)}", highlight=False)


@app.command("pack")
def pack(
    suite: Annotated[str, typer.Argument(help="The suite whose records to pack.")],
    results: Results = Path("results"),
) -> None:
    """Move the records of a suite into one file, runs/records.parquet, far smaller; nothing else changes.

    Reports, resumed runs and checks read packed records as they read files; what is run again is a file once more.
    """
    from tabstep.engine.folder import Folder
    from tabstep.engine.held import Busy, held
    from tabstep.records import store

    folder = Folder(results / suite)
    if not folder.runs.is_dir():
        stop(f"no records in {folder.runs}; `tabstep run {suite}` makes them")
    before = _size(folder.runs)
    try:
        with held(folder):
            leave_out(store.read_all(folder.runs)[1])
            count = store.packed(folder.runs)
    except (Busy, store.Malformed) as error:
        stop(str(error))
    after = _size(folder.runs)
    console.print(
        f"{count:,} records in {escape(str(folder.runs))}: {before / 2**20:.1f} MiB, now {after / 2**20:.1f} MiB",
        soft_wrap=True,
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@app.command("gc")
def collect(
    suite: Annotated[str, typer.Argument(help="The suite whose folder to clean.")],
    delete: Annotated[bool, typer.Option("--delete", help="Do it; without this it is only shown.")] = False,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Find fitted models and drawn rows that no cell of the suite refers to any more; records are never touched.

    Cells that were added to the suite by --method, --sampler, --steps or --params are not of it: their rows go.
    """
    from tabstep.engine import cache
    from tabstep.engine.filters import Filters
    from tabstep.engine.folder import Folder
    from tabstep.engine.held import Busy, held

    todo, folder = _plan(suite, Filters(), data_mirror, data_archive, results), Folder(results / suite)
    if todo.skipped:
        gone = ", ".join(sorted({job.cell.dataset for job, _ in todo.skipped}))
        stop(f"cannot tell what {gone} still needs, as it cannot be read: {todo.skipped[0][1]}")
    try:
        # What a run leaves half-written for a moment looks like waste.
        with held(folder) if delete and folder.root.is_dir() else nullcontext():
            found = cache.waste(todo.jobs, folder)
            if delete:
                cache.remove(found)
    except Busy as error:
        stop(str(error))
    for each in found:
        size = f"{each.size / 2**20:8.1f} MiB"
        console.print(f"{size}  {escape(str(each.path))}  {each.why}", highlight=False, soft_wrap=True)
    total = sum(each.size for each in found) / 2**20
    console.print(
        f"{total:.1f} MiB in {len(found)} places {'deleted' if delete else 'could be deleted (--delete)'}"
    )
