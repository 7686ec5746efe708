"""The commands that check: a method against the contract, records against a second run, results against others."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.options import (
    Archive,
    Datasets,
    Methods,
    Mirror,
    Results,
    Workers,
    console,
    device_named,
    errors,
    leave_out,
    records_in,
    split,
    stop,
)

if TYPE_CHECKING:
    from tabstep.sharing.verify import Verdict

MARKS = {
    "ok": "[green]ok[/]",
    "warning": "[yellow]warning[/]",
    "wrong": "[red]wrong[/]",
    "not tried": "[dim]not tried[/]",
}


def check(
    method: Annotated[
        str,
        typer.Argument(
            help="path/to/mine.py, path/to/mine.py:MyMethod, package.module:MyMethod, or a known name."
        ),
    ],
    timeout: Annotated[
        float, typer.Option(help="Seconds that a point may take before it counts as wrong.", min=1)
    ] = 300,
) -> None:
    """Try the contract of a method on two small tables, and say what to change.

    tabstep check mine.py

    tabstep run quick --method mine.py --dataset mlc-churn    # then benchmark it
    """
    from tabstep import external
    from tabstep.sharing import conformance

    try:
        name = conformance.title(method)
    except external.NotLoaded as error:
        stop(str(error))
    table = Table(title=escape(f"{name} of {method}"), title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("point", no_wrap=True)
    table.add_column("")
    table.add_column("what was seen")
    found = []
    with console.status("trying") as status:
        for finding in conformance.apart(
            method, timeout, lambda point: status.update(escape(f"trying: {point}"))
        ):
            found.append(finding)
            table.add_row(escape(finding.point), MARKS[finding.state], escape(finding.said))
    console.print(table)
    wrong = sum(f.state == "wrong" for f in found)
    if wrong:
        console.print(
            f"[red]points of the contract that do not hold: {wrong}[/]; docs/adding-a-method.md has it in full"
        )
        raise typer.Exit(1)
    console.print("[green]the contract holds[/]; `tabstep run quick --method ...` benchmarks it")


def verify(
    suites: Annotated[
        list[str] | None, typer.Argument(help="Suites whose records to check.  [default: quick]")
    ] = None,
    sample: Annotated[
        str, typer.Option(help="Cells of each to do again, drawn at random: a number, or a part such as 2%.")
    ] = "3",
    seed: Annotated[int, typer.Option(help="Of the choice of cells.", min=0)] = 0,
    dataset: Datasets = None,
    method: Methods = None,
    workers: Workers = 0,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that one fit or cell may take.", min=1)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "cpu",
    data_mirror: Mirror = None,
    data_archive: Archive = None,
    results: Results = Path("results"),
) -> None:
    """Do random cells again from nothing and compare: bit for bit on the same platform, within the scatter elsewhere.

    tabstep verify race few-steps --sample 2%    # killed, it goes on with the cells that are left

    It goes on by the same commit without changes. Suites share the networks that they have in common. Verdicts go to
    results/<suite>/verified.json, each when its cell is done, and to the leaderboard. The exit code is 1 where a cell
    differs.
    """
    from tabstep.cli.progress import View
    from tabstep.engine.executors import Local
    from tabstep.engine.filters import Filters, Refused, narrow, suite_named
    from tabstep.engine.folder import Folder
    from tabstep.engine.held import Busy
    from tabstep.engine.job import Job, Source
    from tabstep.engine.plan import Plan, plan
    from tabstep.sharing import verify as verifying

    count, where = workers or os.cpu_count() or 1, device_named(device)

    def cells(suite: str) -> list[Job]:
        """The cells of a suite that are done again."""
        try:
            chosen = suite_named(suite)
        except Refused as error:
            stop(str(error))

        def planned(filters: Filters) -> Plan:
            return plan(
                narrow(chosen, filters),
                [Source(d, mirror=data_mirror, archive=data_archive) for d in filters.datasets],
                seeds=filters.seeds,
                device=where,
                workers=count,
                tuned_in=results / "tuned",
            )

        runs = Folder(results / suite).runs
        wanted = [
            r
            for r in records_in(runs)
            if (not dataset or r.cell.dataset in split(dataset))
            and (not method or r.cell.method in split(method))
        ]
        try:
            size = verifying.size(sample, sum(r.status == "ok" for r in wanted))
        except ValueError as error:
            stop(f"--sample: {error}")
        jobs, unfit = verifying.sample(wanted, planned, size, seed)
        if unfit:
            errors.print(
                f"[yellow]{len(unfit)} records cannot be made again[/], such as {escape(unfit[0])}",
                soft_wrap=True,
            )
        if not jobs:
            stop(f"no record in {runs} that this code could make again")
        return jobs

    drawn = {suite: cells(suite) for suite in suites or ["quick"]}
    wrong = False
    with tempfile.TemporaryDirectory(prefix="tabstep-verify-") as place:
        for suite, jobs in drawn.items():
            folder = Folder(results / suite)
            verdicts = verifying.again(folder, jobs)
            old = {verdict.cell for verdict in verdicts}
            todo = tuple(job for job in jobs if str(job.cell.path) not in old)
            if old:
                console.print(
                    f"{len(old)} of {len(jobs)} cells of {suite} were done again by this commit before and are not "
                    "repeated; --seed draws others"
                )
            with View(console) as view:
                try:
                    verdicts += verifying.verify(
                        Plan(suite_named(suite), todo, ()),
                        folder,
                        verifying.scratch(Path(place), suite),
                        executor=Local(count, 1),
                        timeout_s=timeout,
                        watch=view,
                    )
                except Busy as error:
                    stop(str(error))
            _show(verdicts)
            leave_out(verifying.noted(folder)[1])
            counts = Counter(v.how for v in verdicts)
            said = ", ".join(f"{counts[how]} {how}" for how in get_args(verifying.How) if counts[how])
            console.print(
                f"{suite}: {said}; noted in {escape(str(folder.root / verifying.NOTED))}", soft_wrap=True
            )
            wrong = wrong or any(v.how in ("differs", "failed") for v in verdicts)
    raise typer.Exit(1 if wrong else 0)


def _show(verdicts: Sequence[Verdict]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("cell", "done again", "largest difference", ""):
        table.add_column(heading)
    colours = {"bitwise": "green", "equivalent": "green", "differs": "red", "failed": "red"}
    for v in verdicts:
        largest = "" if v.largest is None else f"{v.largest:.3g}"
        table.add_row(escape(v.cell), f"[{colours[v.how]}]{v.how}[/]", largest, escape(v.said))
    console.print(table)


def diff(
    a: Annotated[Path, typer.Argument(help="A suite's folder of results, such as results/quick.")],
    b: Annotated[Path, typer.Argument(help="Another one.")],
    tolerance: Annotated[
        float, typer.Option(help="Differences of a score up to this do not count.", min=0)
    ] = 0.0,
    every: Annotated[bool, typer.Option("--all", help="Show cells that are the same too.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write every cell to this file.")] = None,
) -> None:
    """Compare two folders of results cell by cell; the exit code is 1 where they differ.

    tabstep diff results/quick elsewhere/quick
    """
    from tabstep.records import store
    from tabstep.report.numbers import diff as differing
    from tabstep.report.numbers.table import csv as text_of

    (left, wrong), (right, also) = (store.read_all(path / "runs") for path in (a, b))
    leave_out([*(f"{a}: {each}" for each in wrong), *(f"{b}: {each}" for each in also)])
    for path, records in ((a, left), (b, right)):
        if not records:
            stop(f"no records in {path / 'runs'}; name a suite's folder, such as results/quick")
    found = differing.diff(left, right, tolerance)
    if csv is not None:
        store.replace(csv, text_of(found).encode())
    shown = found if every else found[~found["what"].isin(["same", "within"])]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("cell", "", "score", "A", "B", "largest", "also"):
        justify: Literal["left", "right"] = "right" if heading in ("A", "B", "largest") else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    for row in shown.to_dict("records"):
        numbers = [
            "" if row[n] is None or row[n] != row[n] else f"{row[n]:.4g}" for n in ("a", "b", "difference")
        ]
        table.add_row(escape(row["cell"]), row["what"], row["metric"] or "", *numbers, escape(row["said"]))
    if len(shown):
        console.print(table)
    counts = found["what"].value_counts()
    console.print("; ".join(f"{count} {what}" for what, count in counts.items()))
    raise typer.Exit(0 if set(counts.index) <= {"same", "within"} else 1)
