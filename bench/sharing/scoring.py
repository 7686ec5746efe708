"""Score a file of rows by the protocol of the suites: for those who cannot share their code."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from tabstep.data import frames
from tabstep.data.cards import DataError
from tabstep.data.files import read_table
from tabstep.data.table import Dataset
from tabstep.engine import drawn_rows
from tabstep.engine.drawn_rows import Cost, Drawn
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Source
from tabstep.engine.keys import with_keys
from tabstep.engine.plan import Plan, plan
from tabstep.external import Code
from tabstep.records import store
from tabstep.records.store import Cell, Malformed, Record
from tabstep.suite import Entry, EvaluatorSource, Metric, Suite

SUITE = "scored"
PARAMS = "rows"
GIVEN = Code("tabstep.baselines.given", "Given", "")


def read(path: Path, dataset: Dataset) -> pd.DataFrame:
    """Rows of a CSV or Parquet file in the form of the dataset. Raises DataError that names the column and the fix.

    Columns may be in any order; gaps may be where the training rows have some, and labels must be among theirs.
    """
    schema, train = dataset.schema, dataset.train
    table = read_table(path)
    extra = [str(name) for name in table.columns if name not in schema.columns]
    if extra:
        raise DataError(f"{path.name}: {dataset.name} has no column {extra[0]!r}; remove it")
    rows = frames.canonical(table, schema)
    for name in schema.columns:
        gaps = int(rows[name].isna().sum())
        if gaps and not train[name].isna().any():
            raise DataError(
                f"{path.name}: {name!r} is missing in {gaps} rows; the training rows have no gap there"
            )
    for name in schema.labels:
        unseen = sorted(set(rows[name].dropna()) - set(train[name].dropna()))
        if unseen:
            some = ", ".join(map(repr, unseen[:5]))
            raise DataError(f"{path.name}: {name!r} has labels that the training rows lack: {some}")
    return rows


def few(record: Record, dataset: Dataset) -> str | None:
    """What is to be said of fewer rows than there are test rows, with which scores of rows compare them; else None."""
    n, tested = record.rows or 0, len(dataset.test)
    if n >= tested:
        return None
    return (
        f"{n} rows beside {tested} test rows: scores of so few are not those of more; draw {tested} or more"
    )


def prepare(
    path: Path,
    name: str,
    source: Source,
    folder: Folder,
    *,
    evaluator: EvaluatorSource = "default",
    eval_seeds: int = 5,
    metrics: tuple[Metric, ...] = ("efficacy",),
    cost: Cost | None = None,
    threads: int = 1,
) -> Plan:
    """Put the rows where a suite keeps what it drew, and return the plan whose stage "score" is left.

    cost  what the stranger says of the seconds of fit and draw
    Raises DataError, also where another file was scored under the name, and `Refused` or ValueError for a name that
    no cell can have.
    """
    rows = read(path, source.load())
    digest = _digest(path)
    if _holder(folder, source.name, name) not in (None, digest):
        raise DataError(
            f"another file was scored as {name!r} on {source.name} already; choose another --name"
        )
    suite = Suite(
        name=SUITE,
        about="rows of files",
        datasets=(source.name,),
        entries=(Entry(name, PARAMS, {"sha256": digest}, code=GIVEN),),
        eval_seeds=eval_seeds,
        evaluator=evaluator,
        metrics=metrics,
    )
    todo = plan(suite, [source], threads=threads, tuned_in=folder.root.parent / "tuned")
    if not todo.jobs:
        raise DataError("; ".join(sorted({reason for _, reason in todo.skipped})))
    (job,) = todo.jobs
    job = with_keys(replace(job, rows=len(rows)))
    _keep(job, folder, rows, cost or Cost())
    return Plan(suite, (job,), ())


def free_name(path: Path, dataset: str, folder: Folder) -> str:
    """The name of the file, and where another file of that name was scored, the beginning of its digest too."""
    if _holder(folder, dataset, path.stem) in (None, _digest(path)):
        return path.stem
    return f"{path.stem}-{_digest(path)[:8]}"


def _holder(folder: Folder, dataset: str, name: str) -> str | None:
    """The digest of the file whose record has a name; None where there is no whole record."""
    cell = Cell(SUITE, dataset, name, PARAMS, None, None, None, 0, 0)
    try:
        method = store.look_up(folder.runs, cell).settings.get("method", {})
    except (FileNotFoundError, Malformed):
        return None
    return str(method.get("sha256")) if isinstance(method, dict) else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _keep(job: Job, folder: Folder, rows: pd.DataFrame, cost: Cost) -> None:
    done = Drawn(
        key=job.draw_key,
        cost=cost,
        env=job.environment(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    drawn_rows.write(folder.rows(job.cell), rows, done)
