"""The command that compares entrants of a suite: a ranking of all, or a verdict on two."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli.options import Results, console, records_in, stop

if TYPE_CHECKING:
    from tabstep.report.numbers.compare import Ranking
    from tabstep.report.numbers.joint import Joint


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
    from tabstep.data import cards
    from tabstep.engine.folder import Folder
    from tabstep.report.numbers import compare as comparing
    from tabstep.report.numbers import joint

    records = records_in(Folder(results / suite).runs)
    if not records:
        stop(f"no records in {Folder(results / suite).runs}; `tabstep run {suite}` makes them")
    try:
        if first is None:
            _show_ranks(comparing.rank(records, missing))  # type: ignore[arg-type]  # checked there
            return
        if second is None:
            stop("compare takes two entrants, or none for a ranking")
        known = sorted({comparing.name_of(record) for record in records})
        for name in (first, second):
            if name not in known:
                stop(f"unknown entrant {name!r}; {cards.suggest(name, known)}")
        found = joint.jointly(records, first, second)
    except ValueError as error:
        stop(str(error))
    _show_verdicts(found, first, second)


def _show_verdicts(found: Joint, first: str, second: str) -> None:
    relation = {
        "better": "is better than",
        "worse": "is worse than",
        "equal": "is equal within the margins to",
        "mixed": "is better by some scores and worse by others than",
        "undecided": "is neither shown to differ from nor to equal",
    }[found.says]
    alone = f" (by {next(iter(found.by))} alone)" if len(found.by) == 1 else ""
    console.print(f"[bold]{escape(first)}[/] {relation} [bold]{escape(second)}[/]{alone}", soft_wrap=True)
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("score", no_wrap=True)
    for name in ("says", "difference", "95 % interval", "margin", "p same", "p not equal", "sample"):
        table.add_column(name, justify="left" if name in ("says", "sample") else "right", no_wrap=True)
    for name, v in found.by.items():
        interval = "no scatter" if math.isnan(v.low) else f"{v.low:+.4f} .. {v.high:+.4f}"
        tests = (f"{v.margin:.4f}", f"{v.p_different:.3g}", f"{v.p_equal:.3g}")
        table.add_row(name, v.says, f"{v.difference:+.4f}", interval, *tests, f"{v.size} {v.over}")
    console.print(table)
    pairs = sorted({(v.pairs, v.datasets) for v in found.by.values()})
    said = [
        "differences are better above 0, whatever the score; p same: that means are, by Holm's method over the scores; "
        "p not equal: that they differ by the margin or more",
        " or ".join(f"{n} pairs on {_counted(d, 'dataset')}" for n, d in pairs)
        + ", by the score" * (len(pairs) > 1),
    ]
    if found.without:
        said.append(f"nothing is claimed of {', '.join(found.without)}: fewer than two pairs have them")
    console.print("; ".join(said), soft_wrap=True)
    networks = [name for name, v in found.by.items() if v.over == "sampling seeds"]
    if networks:
        which = "this" if len(networks) == len(found.by) else f"what {', '.join(networks)} say"
        told = f"One training seed: {which} is of these two networks only, not of the two methods."
        console.print(told, soft_wrap=True)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _show_ranks(ranking: Ranking) -> None:
    table = Table(
        title="mean rank over datasets, 1 is best", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    table.add_column("entrant", no_wrap=True)
    table.add_column("rank", justify="right")
    scores = [str(score) for score in ranking.by_score] if ranking.by_score.shape[1] > 1 else []
    for score in scores:
        table.add_column(score.replace("_", " "), justify="right")
    by = ranking.by_score.to_dict("index")
    for name, value in ranking.mean_rank.items():
        table.add_row(escape(str(name)), f"{value:.2f}", *(f"{by[name][s]:.1f}" for s in scores))
    console.print(table)
    n = len(ranking.standing)
    said = [_counted(n, "dataset"), ranking.note]
    if not math.isnan(ranking.friedman):
        said.insert(1, f"Friedman's test that all are alike: p = {ranking.friedman:.2g}")
    console.print(escape("; ".join(said)), soft_wrap=True)
