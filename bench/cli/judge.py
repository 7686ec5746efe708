"""The commands about a table of one's own: a report of a model of it, and how many steps it needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tabstep.cli import table
from tabstep.cli.options import Many, console, parse_steps, stop

if TYPE_CHECKING:
    from tabstep.api.advice import Advice
    from tabstep.api.report import Report

PAGE = Path("report.html")


def is_model(folder: Path) -> bool:
    """Whether a folder holds a fitted model."""
    from tabstep.named import MODEL

    return (folder / MODEL).is_file()


def of_model(
    folder: Path,
    real: Path | None,
    holdout: Path | None,
    out: Path | None,
    steps: int,
    seed: int,
) -> None:
    """Write the report of a model: the page, and beside it the same as JSON and as a model card."""
    if real is None:
        stop(f"{folder} is a model: its report needs --real, the table that it was fitted on")
    from tabstep.api.fitting import load
    from tabstep.data import columns

    model = load(folder)
    # These files write gaps and numbers as the first did.
    said = model.origin.literal, model.origin.missing, columns.as_written(model.columns)
    rows = table.read(real, *said)
    held = None if holdout is None else table.read(holdout, *said)
    given = [(path, part) for path, part in ((real, rows), (holdout, held)) if part is not None]
    for path, part in given:
        absent = [c.name for c in model.columns if c.name not in part.columns]
        if absent:
            stop(f"{path}: the table lacks columns of the model: {', '.join(absent)}")
    console.print("drawing and scoring rows; this takes up to a few minutes", highlight=False)
    try:
        report = model.report(rows, held, steps=steps, seed=seed, title=folder.resolve().name)
    except ValueError as error:
        stop(str(error))
    say(report)
    page = out or PAGE
    written = (
        report.to_html(page),
        report.to_json(page.with_suffix(".json")),
        report.to_card(page.with_suffix(".md")),
    )
    console.print("written: " + ", ".join(escape(str(path)) for path in written), soft_wrap=True)


def say(report: Report) -> None:
    console.print(escape(str(report)), soft_wrap=True, highlight=False)


def advise(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet.")],
    target: table.Target = None,
    steps: Annotated[Many, typer.Option(help="Step budgets; 1,2,5,10,20,50 when left out.")] = None,
    seconds: Annotated[float, typer.Option(help="Of the clock to train for.", min=1)] = 60,
    numeric: table.Numeric = None,
    categorical: table.Categorical = None,
    date: table.Date = None,
    id: table.Id = None,
    drop: table.Drop = None,
    literal: table.Literal = None,
    missing: table.Missing = None,
    seed: table.Seed = 0,
) -> None:
    """How many steps a table needs: fits briefly on a part of it, sweeps budgets, and judges them by several scores.

    tabstep advise my.csv --target price

    A budget is enough where every score is as good as with all steps, within the margins of `tabstep profile`.
    """
    budgets = parse_steps(steps)
    if "T" in budgets:
        stop("--steps takes numbers here: all steps are the measure, and are drawn anyway")
    from tabstep.api import advice

    settings = table.settings("tabstep", None, seconds)
    frame = table.read(source, literal, missing, table.as_written(numeric))
    known, held = advice.apart(frame, seed)
    said = table.Said(numeric, categorical, date, id, drop, literal, missing)
    found = table.gathered()
    with found.faults(source.name):
        ready = table.prepared(known, target, said, seed)
    found.end()
    table.show(source, ready)
    from tabstep.api.synthesizer import Synthesizer

    model = table.fitted(ready, settings, "cpu")
    assert isinstance(model, Synthesizer)
    console.print("drawing and scoring rows", highlight=False)
    with table.noted():
        show(advice.swept(model, known, held, budgets or advice.BUDGETS))


def show(found: Advice) -> None:
    """The scores of every budget, those that are as with all steps in green, and the advice."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("steps", *(score.short for score in found.scores), "draw s"):
        shown.add_column(heading, justify="right")
    for line in found.lines:
        cells = []
        for score in found.scores:
            value = line.means.get(score.name)
            text = "" if value is None else f"{value:.3f}"
            cells.append(f"[green]{text}[/]" if line.kept.get(score.name) else text)
        shown.add_row(str(line.steps), *cells, f"{line.seconds:.2f}")
    console.print(shown)
    console.print("Green: as good as with all steps, within the margin of the score.", highlight=False)
    console.print(escape(str(found)), soft_wrap=True, highlight=False)
