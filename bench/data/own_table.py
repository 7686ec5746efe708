"""Bring your own table: CSV or Parquet in, a split and digested `Dataset` out, or an error that helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from tabstep.data import cards, frames, inference
from tabstep.data.cards import Card, DataError, Rows, suggest
from tabstep.data.columns import Category, Number
from tabstep.data.files import read_table, taken_for_gaps, told
from tabstep.data.frames import PARTS
from tabstep.data.table import TASKS, Dataset, Schema, Task
from tabstep.data.wishes import CommandLine, Wishes, check_wishes, named, refuse

SMALLEST_CLASS = 3  # one row each for train, val and test
SPEECH = CommandLine()

Role = Literal["numeric", "categorical", "target"]


def read(
    path: str | Path,
    target: str,
    task: Task | None = None,
    *,
    numeric: str | Sequence[str] = (),
    categorical: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    literal: str | Sequence[str] = (),
) -> Dataset:
    """Read a CSV, TSV or Parquet file, infer its schema and split it by the rule of `frames.split`.

    What columns are is inferred by `inference.infer`; `task`, `numeric` and `categorical` overrule it, `drop` leaves
    columns out, and in those of `literal` a text such as NA or None is no gap. Dates are counted in the coarsest unit
    that all keep to. Missing values and constant columns are kept. Raises DataError with everything that stands in
    the way of a benchmark.
    """
    path = Path(path)
    if task is not None and task not in TASKS:
        raise DataError(f"task must be one of {', '.join(TASKS)}, found {task!r}")
    table = read_table(path, literal)
    names = list(table.columns)
    wishes = Wishes(named(numeric, names), named(categorical, names), named(drop, names))
    return _dataset(path, table, wishes, target, task)


def reread(path: str | Path, card: Card) -> Dataset:
    """Read a file with the roles on a card (see `card`), and hold it against the digest if the card has one.

    Columns that the card does not name are left out. Raises DataError when anything differs.
    """
    path = Path(path)
    schema = Schema(task=card.task, target=card.target, numeric=card.numeric, categorical=card.categorical)
    table = read_table(path)
    others = tuple(name for name in table.columns if name not in schema.columns)
    dataset = _dataset(
        path, table, Wishes(card.numeric, card.categorical, others), card.target, card.task, schema
    )
    if card.digest and card.digest != dataset.digest:
        raise DataError(f"{path.name}: digest: expected {card.digest}, found {dataset.digest}")
    return dataset


def card(dataset: Dataset) -> str:
    """Return the card of a data set as TOML, to be kept beside the file, edited, and used by `reread`."""
    schema = dataset.schema
    return cards.text(
        Card(
            name=dataset.name,
            source=dataset.source,
            url="",
            licence="unclear",
            citation="",
            task=schema.task,
            target=schema.target,
            numeric=schema.numeric,
            categorical=schema.categorical,
            rows=Rows(**{part: len(getattr(dataset, part)) for part in PARTS}),
            authors_split=False,
            digest=dataset.digest,
        )
    )


@dataclass(frozen=True)
class Column:
    """One line of a schema as shown; `distinct` present and `missing` values are of all parts together."""

    column: str
    role: Role
    dtype: str
    distinct: int
    missing: int

    @property
    def is_constant(self) -> bool:
        """Whether the column has one value, which every method's rows will carry."""
        return self.distinct == 1 and not self.missing


def columns(dataset: Dataset) -> list[Column]:
    """Return the columns of a data set in canonical order."""
    frame = pd.concat([getattr(dataset, part) for part in PARTS], ignore_index=True)
    schema = dataset.schema
    found = []
    for name in schema.columns:
        role: Role = "target"
        if name != schema.target:
            role = "numeric" if name in schema.numeric else "categorical"
        dtype = "text" if name in schema.labels else str(frame[name].dtype)
        column = frame[name]
        found.append(Column(name, role, dtype, int(column.nunique()), int(column.isna().sum())))
    return found


def kinds(path: Path, dataset: Dataset, literal: str | Sequence[str] = ()) -> dict[str, str]:
    """What number columns of the file are to its user, such as dates, where they are no plain numbers."""
    numbers = dataset.schema.numbers
    table = read_table(path, literal)[list(numbers)]
    found, _ = inference.infer(table, Wishes(numeric=numbers), SPEECH)
    return {c.name: c.shown for c in found if isinstance(c, Number) and c.shown is not None}


def _dataset(
    path: Path,
    table: pd.DataFrame,
    wishes: Wishes,
    target: str,
    task: Task | None,
    schema: Schema | None = None,
) -> Dataset:
    """The data set of a table; its schema is inferred where there is none. Raises DataError with all faults."""
    refuse(check_wishes(list(table.columns), wishes, target, SPEECH), path.name)
    if schema is not None:
        lost = [name for name in schema.columns if name not in table.columns]
        refuse([f"no column {name!r}: {suggest(name, list(table.columns))}" for name in lost], path.name)
    empty = [c for c in table.columns if c not in wishes.drop and table[c].isna().all()]
    faults = [f"every value of {c!r} is missing; drop the column ({SPEECH.advise('drop', c)})" for c in empty]
    rest = table.drop(columns=[*empty, *wishes.drop])
    labels = None if task is None else task != "regression"
    columns, found = inference.infer(rest, wishes, SPEECH, target, labels=labels)
    faults += found
    features = [c for c in columns if c.name != target]
    if not faults and not features:
        faults.append(f"expected features beside the target {target!r}, found none")
    aim = next((c for c in columns if c.name == target), None)
    if aim is not None:
        faults += _target_faults(path, aim, table[target], task)
    refuse(faults, path.name)
    assert aim is not None
    schema = schema or _schema(columns, aim, task or _task(aim, table[target]))
    frame = pd.DataFrame({c.name: c.read(table[c.name]) for c in columns})[list(schema.columns)]
    labelled = None if schema.is_regression else frame[target].to_numpy()
    parts = frames.divide(frame, frames.split(len(frame), labelled))
    return frames.assemble(path.stem, schema, parts, source=f"file {path.name}")


def _schema(columns: Sequence[Number | Category], aim: Number | Category, task: Task) -> Schema:
    kinds = {
        kind: tuple(c.name for c in columns if isinstance(c, kind) and c is not aim)
        for kind in (Number, Category)
    }
    return Schema(task=task, target=aim.name, numeric=kinds[Number], categorical=kinds[Category])


def _task(aim: Number | Category, target: pd.Series[Any]) -> Task:
    if isinstance(aim, Number):
        return "regression"
    return "binclass" if target.nunique() <= 2 else "multiclass"


def _target_faults(
    path: Path, aim: Number | Category, target: pd.Series[Any], task: Task | None
) -> list[str]:
    """A target with gaps, one that does not fit the task, classes too small to split."""
    name, faults = aim.name, []
    gaps = int(target.isna().sum())
    if gaps:
        marks = taken_for_gaps(path, [name]).get(name)
        read = (
            f"{_counted(marks)} read as missing: {SPEECH.advise('literal', name)} takes such texts as values; "
            if marks
            else ""
        )
        faults.append(f"the target {name!r} is missing in {gaps} rows; {read}remove those rows")
    counts = target.value_counts()
    if len(counts) < 2:
        return [*faults, f"the target {name!r} has one value, {str(target.dropna().iloc[0])!r}"]
    if isinstance(aim, Number):
        return faults
    if task is not None and (len(counts) == 2) != (task == "binclass"):
        faults.append(f"the target {name!r} has {len(counts)} classes, which is not {task}")
    small = counts[counts < SMALLEST_CLASS]
    if len(small):
        shown = ", ".join(f"{str(label)!r} ({count})" for label, count in small.head(3).items())
        faults.append(
            f"{len(small)} of {len(counts)} classes of {name!r} have fewer than {SMALLEST_CLASS} rows, too few for "
            f"train, val and test: {shown}; merge or remove them, or say task regression if they are quantities"
        )
    return faults


def _counted(marks: Mapping[str, int]) -> str:
    return ", ".join(f"{text!r} in {count} rows" for text, count in marks.items())


def notes(path: Path, dataset: Dataset, literal: str | Sequence[str] = ()) -> list[str]:
    """What a user should know of a table that was read: its encoding, texts that were taken for gaps."""
    asis = named(literal, dataset.schema.columns)
    whole = pd.concat([getattr(dataset, part) for part in PARTS])
    gappy = [c for c in dataset.schema.labels if c not in asis and whole[c].isna().any()]
    return told(path) + [
        f"{name}: {_counted(marks)} read as missing; {SPEECH.advise('literal', name)} takes such texts as values"
        for name, marks in taken_for_gaps(path, gappy).items()
    ]
