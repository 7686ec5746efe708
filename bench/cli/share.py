"""The commands for methods and results from elsewhere: score rows, hand results in, take them in and out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.options import (
    MOST_PROCESSES,
    Archive,
    Datasets,
    Many,
    Mirror,
    Results,
    console,
    errors,
    records_in,
    split,
    stop,
)


def score(
    rows: Annotated[
        Path, typer.Option(help="Synthetic rows, CSV or Parquet, with the columns of the dataset.")
    ],
    dataset: Annotated[str, typer.Option(help="The dataset whose training rows they stand for.")],
    name: Annotated[
        str | None, typer.Option(help="What to call them; the name of the file when left out.")
    ] = None,
    metric: Annotated[Many, typer.Option(help="Score these too, as in `tabstep run`.")] = None,
    evaluator: Annotated[str, typer.Option(help="default, fast, tuned or published.")] = "default",
    seeds: Annotated[int, typer.Option(help="Evaluator seeds.", min=1, max=1000)] = 5,
    fit_s: Annotated[float | None, typer.Option(help="Seconds that the fit took, as you say.", min=0)] = None,
    sample_s: Annotated[
        float | None, typer.Option(help="Seconds that drawing took, as you say.", min=0)
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads of the evaluators.", min=1, max=MOST_PROCESSES)] = 1,
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Score a file of rows by the protocol of the suites: for methods whose code cannot be shared.

    tabstep score --rows synthetic.parquet --dataset adult --name mine --metric fidelity,detection
    """
    from tabstep.data.cards import DataError, names
    from tabstep.engine import run
    from tabstep.engine.drawn_rows import Cost
    from tabstep.engine.executors import Local
    from tabstep.engine.filters import choose
    from tabstep.engine.folder import Folder
    from tabstep.engine.held import Busy
    from tabstep.engine.job import Source
    from tabstep.records import store
    from tabstep.report.numbers import table
    from tabstep.report.pages import readable
    from tabstep.sharing import scoring
    from tabstep.suite import EvaluatorSource, Metric

    folder = Folder(results / scoring.SUITE)
    source = Source(dataset, mirror=data_mirror, archive=data_archive)
    try:
        choose("dataset", dataset, names())
        choose("evaluator", evaluator, get_args(EvaluatorSource))
        asked = [cast("Metric", choose("metric", m, get_args(Metric))) for m in split(metric)]
        if not rows.is_file():
            stop(f"no file at {rows}")
        todo = scoring.prepare(
            rows,
            name or scoring.free_name(rows, dataset, folder),
            source,
            folder,
            evaluator=cast("EvaluatorSource", evaluator),
            eval_seeds=seeds,
            metrics=tuple(dict.fromkeys(("efficacy", *asked))),
            cost=Cost(fit_s=fit_s, sample_s=sample_s),
            threads=threads,
        )
    except (DataError, ValueError) as error:
        stop(str(error))
    except OSError as error:
        stop(f"{dataset} cannot be had: {error}")
    try:
        with console.status("scoring"):
            status = run.execute(todo, folder, stages=("score",), executor=Local(1, threads))
    except Busy as error:
        stop(str(error))
    (outcome,) = status.outcomes
    if outcome.status != "ok":
        stop(f"{outcome.status}: {outcome.reason}")
    record = store.look_up(folder.runs, todo.jobs[0].cell)
    readable.show(table.results([record]), console)
    found = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("score", "mean"):
        found.add_column(heading, justify="left" if heading == "score" else "right")
    for metric_name, values in record.scores.items():
        found.add_row(metric_name, f"{sum(values) / len(values):.4f}")
    console.print(found)
    if few := scoring.few(record, source.load()):
        console.print(f"[yellow]{escape(few)}[/]", soft_wrap=True)
    console.print(f"record: {escape(str(folder.runs / todo.jobs[0].cell.path))}", soft_wrap=True)


def submit(
    suite: Annotated[
        str, typer.Argument(help="The suite whose records to hand in; `scored` for rows of files.")
    ],
    name: Annotated[str, typer.Option(help="Of the submission: small letters, digits and -.")],
    about: Annotated[str, typer.Option(help="A line on what it is.")] = "",
    dataset: Datasets = None,
    method: Annotated[
        Many, typer.Option(help="Only these methods, by the name that the table gives them.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle; <name>.zip when left out.")] = None,
    results: Results = Path("results"),
) -> None:
    """Pack records, environment, digests and the first rows of each cell into a bundle for others.

    tabstep submit quick --name my-method --method MyMethod --about "a paragraph's worth in a line"
    """
    from tabstep.engine.folder import Folder
    from tabstep.sharing import submission

    folder, path = Folder(results / suite), out or Path(f"{name}.zip")
    records = records_in(folder.runs)
    kept = [
        r
        for r in records
        if (not dataset or r.cell.dataset in split(dataset))
        and (not method or r.cell.method in split(method))
    ]
    if not kept:
        known = sorted({r.cell.method for r in records})
        stop(f"no such records in {folder.runs}; there are methods {', '.join(known) or 'none'}")
    try:
        count = submission.pack(folder, kept, name, about, path)
    except submission.Rejected as error:
        stop(f"this would not be accepted: {error}")
    console.print(f"{len(kept)} records in {count} files: {escape(str(path))}", soft_wrap=True)


def accept(
    bundle: Annotated[Path, typer.Argument(help="A bundle of `tabstep submit`.")],
    results: Results = Path("results"),
) -> None:
    """Validate a bundle without trusting it, and take its records in as self-reported ones.

    Nothing in it is executed or unpickled. They show in the leaderboard, marked, from then on.
    """
    from tabstep.sharing import submission

    try:
        found = submission.accept(bundle, results / "submissions")
    except submission.Rejected as error:
        stop(f"refused: {error}")
    console.print(
        f"{len(found.records)} records of {escape(found.name)} taken in, as self-reported; "
        f"`tabstep leaderboard` shows them, `tabstep withdraw {found.name}` takes them out again",
        soft_wrap=True,
    )
    for line in found.notes:
        errors.print(f"[yellow]note[/] {escape(line)}", soft_wrap=True)


def withdraw(
    name: Annotated[str, typer.Argument(help="The submission, by the name that the leaderboard shows.")],
    results: Results = Path("results"),
) -> None:
    """Take a submission that was accepted out again; a leaderboard that is there is made anew without it."""
    from tabstep.cli.pages import write_leaderboard
    from tabstep.sharing import submission

    try:
        count = submission.withdraw(name, results / "submissions")
    except submission.Rejected as error:
        stop(str(error))
    console.print(f"{count} records of {escape(name)} taken out")
    page = results / "leaderboard.html"
    if page.exists():
        console.print(f"made anew: {escape(str(write_leaderboard(results, (), page)))}", soft_wrap=True)
