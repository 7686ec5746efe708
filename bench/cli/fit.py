"""The command that fits a model of a user's table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tabstep.cli import table
from tabstep.cli.options import console


def fit(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV or Parquet.")],
    save: Annotated[Path, typer.Option(help="Folder to keep the model in.")],
    target: table.Target = None,
    numeric: table.Numeric = None,
    categorical: table.Categorical = None,
    date: table.Date = None,
    id: table.Id = None,
    drop: table.Drop = None,
    literal: table.Literal = None,
    missing: table.Missing = None,
    seconds: table.Seconds = None,
    distill: table.Distill = None,
    method: table.Method = "tabstep",
    set_: table.Set = None,
    seed: table.Seed = 0,
    device: table.Device = "cpu",
) -> None:
    """Fit a model of your own table, and keep it.

    Shows what each column was taken for; what cannot be learned from, such as ids or prose, is told at once.

    Examples:

      tabstep fit my.csv --save model/ --seconds 60

      tabstep fit my.csv --save model/ --target class --id customer --date "due=%d/%m/%Y" --drop notes

      tabstep sample model/ --rows 5000 --out rows.parquet

      tabstep fit my.csv --save model/ --distill 1,2    # for rows by one or two evaluations
    """
    started = time.perf_counter()
    said = table.Said(numeric, categorical, date, id, drop, literal, missing)
    found = table.gathered()
    with found.faults():
        settings = table.settings(method, set_, seconds)
        table.refuse_to_keep(settings)
        budgets = table.budgets(distill, settings)
    with found.faults():
        frame = table.read(source, literal, missing, table.as_written(numeric))
        with found.faults(source.name):
            ready = table.prepared(frame, target, said, seed)
    found.end()
    table.show(source, ready)
    model = table.fitted(ready, settings, device)
    table.keep(model, save, budgets)
    took = time.perf_counter() - started
    console.print(f"model: {escape(str(save))} ({took:.0f} s)", soft_wrap=True, highlight=False)
