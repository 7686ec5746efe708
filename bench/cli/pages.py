"""The commands that make pages of what is there: tables for papers, and the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tabstep.cli.options import (
    Archive,
    Categorical,
    Csv,
    Datasets,
    Drop,
    Literal,
    Many,
    Methods,
    Mirror,
    Numeric,
    Results,
    Samplers,
    Suites,
    Target,
    TaskName,
    console,
    errors,
    leave_out,
    own_source,
    parse_steps,
    records_in,
    refuse_without_csv,
    split,
    stop,
)

if TYPE_CHECKING:
    from tabstep.records.store import Record

ASKED_FOR = frozenset({"smoke", "race"})
"""Suites that pages of all suites lack: fits of `smoke` are too short to be compared, and the ways of `race` ran on
different tables and seeds."""


def tables(
    suite: Suites = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; results/tables when left out.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """The tables of the TabDDPM paper with ours beside, and efficacy, fidelity and seconds by step budget.

    Markdown, LaTeX (booktabs) and CSV, from the records alone; what was not run is said to be missing.
    """
    from tabstep.records.gather import apart
    from tabstep.report.numbers import table
    from tabstep.report.pages import paper
    from tabstep.report.pages import tables as making

    every = [r for of_suite in _records(results, split(suite)).values() for r in of_suite]
    records, others = apart(every)
    leave_out(others)
    if not records:
        stop(f"no records in {results}; `tabstep run quick` makes some")
    frame = table.results(records)
    folder = out or results / "tables"
    written = making.write(records, frame, folder)
    counts = paper.summary(paper.compared(frame))
    console.print(counts.to_string(index=False))
    console.print(f"{len(written)} files in {escape(str(folder))}; start with paper.md and budgets.md")


def profile(
    what: Annotated[
        str, typer.Argument(help="A suite, or a results.csv that a report left, whose folder is written to.")
    ] = "quick",
    results: Results = Path("results"),
) -> None:
    """Which budgets are enough by every score of the vector: a page, its figure and tables.

    tabstep profile quick

    tabstep profile results/example/results.csv
    """
    import pandas as pd

    from tabstep.report.numbers import table
    from tabstep.report.pages import enough

    if what.endswith(".csv"):
        path = Path(what)
        if not path.is_file():
            stop(f"no file {path}; `tabstep report quick` leaves results/quick/report/results.csv")
        frame, folder = pd.read_csv(path), path.parent
        lacking = [name for name in (*table.GROUP, "metric", "mean", "std", "task") if name not in frame]
        if lacking:
            stop(f"{path} is no results.csv of a report: it has no column {lacking[0]!r}")
    else:
        frame = table.results(_records(results, (what,))[what])
        folder = results / what / "report"
    written = enough.write(frame, folder)
    found = pd.read_csv(folder / "steps.csv")
    console.print(escape(enough.headline(found) if len(found) else "no network has a measure at all steps"))
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


def leaderboard(
    suite: Suites = None,
    out: Annotated[
        Path | None, typer.Option(help="The page; results/leaderboard.html when left out.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """One HTML page to sort, filter, plot and compare all records, and the self-reported ones that were accepted.

    It holds its data, loads nothing, and opens from a file or any server.
    """
    path = write_leaderboard(results, split(suite), out or results / "leaderboard.html")
    console.print(f"{escape(str(path))}: {path.stat().st_size / 2**20:.1f} MB", soft_wrap=True)


def write_leaderboard(results: Path, suites: tuple[str, ...], path: Path) -> Path:
    """The page of the records of some suites, or of all but `ASKED_FOR`, and of all that was accepted."""
    from tabstep.engine.folder import Folder
    from tabstep.report.pages import leaderboard as making
    from tabstep.sharing import submission, verify

    parts = []
    for name, records in _records(results, suites).items():
        leave_out(verify.noted(Folder(results / name))[1])
        parts.append(making.Part(records, verified=verify.verified(Folder(results / name), records)))
    others, problems = submission.looked_through(results / "submissions")
    leave_out(problems)
    parts += [making.Part(records, origin=name) for name, (_, records) in others.items()]
    return making.write(parts, path)


def rows(
    suite: Annotated[
        str | None, typer.Argument(help="The suite that drew the rows.", show_default="quick")
    ] = None,
    dataset: Datasets = None,
    method: Methods = None,
    sampler: Samplers = None,
    grid: Annotated[Many, typer.Option(help="Only these timestep grids.")] = None,
    steps: Annotated[Many, typer.Option(help="Only these step budgets.")] = None,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    csv: Csv = None,
    target: Target = None,
    task: TaskName = None,
    drop: Drop = None,
    numeric: Numeric = None,
    categorical: Categorical = None,
    literal: Literal = None,
    results: Results = Path("results"),
) -> None:
    """Look at rows: marginals of each column and associations of each pair, real and drawn, a figure a dataset.

    Shows the four entrants with the best scores among those that the options leave, by their first seeds.

    tabstep rows quick --dataset mlc-churn --method tabddpm --sampler ddim --steps 2,10

    tabstep rows --csv my.csv --target price
    """
    from tabstep.data.cards import DataError
    from tabstep.data.sources import Unreachable
    from tabstep.engine import drawn_rows
    from tabstep.engine.folder import Folder
    from tabstep.engine.job import Source
    from tabstep.report.figures import look
    from tabstep.report.figures.hues import colour
    from tabstep.report.numbers.compare import entrants

    budgets = parse_steps(steps)
    if "T" in budgets:
        stop("--steps takes numbers here, as results.csv has them, got T")
    own = {}
    if csv is not None:
        source = own_source(
            csv,
            target,
            task,
            suite,
            dataset,
            drop=drop,
            numeric=numeric,
            categorical=categorical,
            literal=literal,
        )
        suite, own[source.name] = "own", source
    else:
        refuse_without_csv(
            target=target, task=task, drop=drop, numeric=numeric, categorical=categorical, literal=literal
        )
        suite = suite or "quick"
    folder = Folder(results / suite)
    asked: dict[str, tuple[Any, ...]] = {
        "dataset": (*own, *split(dataset)),
        "method": split(method),
        "sampler": (*split(sampler), None) if sampler else (),  # methods without steps are there beside any
        "grid": (*split(grid), None) if grid else (),
        "steps": (*budgets, None) if budgets else (),
    }
    records = [
        r
        for r in _records(results, (suite,))[suite]
        if all(not names or getattr(r.cell, field) in names for field, names in asked.items())
    ]
    found = entrants(records)
    if not found:
        stop(f"no finished cell in {folder.runs} that the options leave")
    drew = 0
    for name, best in found.items():
        try:
            table = own.get(name, Source(name, mirror=data_mirror, archive=data_archive)).load()
        except (DataError, Unreachable, OSError) as error:
            hint = (
                "; a table of your own is named by --csv and --target" if suite == "own" and not own else ""
            )
            errors.print(f"[yellow]left out[/] {name}: {escape(str(error))}{hint}", soft_wrap=True)
            continue
        shown = {}
        for entrant, record in list(best.items())[: look.MOST_DRAWN]:
            if record.dataset_digest != table.digest:
                leave_out([f"{entrant} on {name}: of other data than what is there now; run it again"])
                continue
            try:
                frame = drawn_rows.kept(folder.rows(record.cell), table.schema)
            except drawn_rows.Missing as gap:
                again = f"`tabstep run {suite} --until draw` draws rows again"
                leave_out([f"{entrant} on {name}: {gap}; {again}"])
                continue
            shown[entrant] = look.Rows(frame, colour(record.cell.method, record.cell.sampler or ""))
        if not shown:
            continue
        written = look.write(table.train, shown, table.schema, folder.root / "report" / "rows", name)
        others = len(best) - len(shown)
        console.print(
            f"{name}: {', '.join(shown)}"
            + (f"; {others} more entrants, choose with --method, --sampler, --steps" if others else ""),
            soft_wrap=True,
            highlight=False,
        )
        console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)
        drew += 1
    raise typer.Exit(0 if drew else 1)


def _records(results: Path, only: tuple[str, ...]) -> dict[str, list[Record]]:
    """Records of each suite with a folder of runs; of `ASKED_FOR` when asked for, or where there are no others."""
    known = sorted(path.parent.name for path in results.glob("*/runs") if path.parent.name != "submissions")
    for name in only:
        if name not in known:
            stop(f"no records of a suite {name!r} in {results}; there are {', '.join(known) or 'none'}")
    chosen = only or [name for name in known if name not in ASKED_FOR] or known
    leave_out(
        f"{name}: not to be compared with others; --suite {name} shows it"
        for name in known
        if not only and name not in chosen
    )
    return {name: records_in(results / name / "runs") for name in known if name in chosen}
