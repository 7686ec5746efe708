"""Bring your own table: CSV or Parquet in, a split and digested `Dataset` out, or an error that helps."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import bounds, cards, frames
from tabstep.data.cards import Card, DataError, Rows, suggest
from tabstep.data.frames import PARTS
from tabstep.data.table import TASKS, Dataset, Schema, Task

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
FEW_CLASSES = 20  # a whole-number target with at most this many values is taken for class labels
SMALLEST_CLASS = 3  # one row each for train, val and test
MANY_CATEGORIES = 100  # text with more values than this, in over half of the rows, is an id or prose
MOSTLY_NUMBERS = 0.9  # text of which this share reads as numbers is a number column with a stray mark

Role = Literal["numeric", "categorical", "target"]


def read(
    path: str | Path,
    target: str,
    task: Task | None = None,
    *,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> Dataset:
    """Read a CSV, TSV or Parquet file, infer its schema and split it by the rule of `frames.split`.

    Text, truth values, pandas categories and whole numbers with two distinct values are categorical, other
    numbers numeric. A target of text, truth values or at most 20 distinct whole numbers is a class label.
    `task`, `numeric` and `categorical` overrule this; `drop` leaves columns out. Missing values and constant
    columns are kept. Raises DataError for everything that cannot be benchmarked as it stands.
    """
    path = Path(path)
    if task is not None and task not in TASKS:
        raise DataError(f"task must be one of {', '.join(TASKS)}, found {task!r}")
    table = _drop(read_table(path), drop)
    for name in (target, *numeric, *categorical):
        if name not in table.columns:
            raise DataError(f"{path.name} has no column {name!r}: {suggest(name, list(table.columns))}")
    _check_columns(table, path.name)
    chosen = task or _task(table[target])
    features = [name for name in table.columns if name != target]
    kinds: dict[str, Role] = {name: _role(table[name]) for name in features}
    kinds.update(dict.fromkeys(numeric, "numeric"))
    kinds.update(dict.fromkeys(categorical, "categorical"))
    schema = Schema(
        task=chosen,
        target=target,
        numeric=tuple(name for name in features if kinds[name] == "numeric"),
        categorical=tuple(name for name in features if kinds[name] == "categorical"),
    )
    if not features:
        raise DataError(f"{path.name}: expected features beside the target {target!r}, found none")
    for name in schema.categorical:
        if name not in categorical:
            _check_text(table[name])
    return _dataset(path, table, schema)


def reread(path: str | Path, card: Card) -> Dataset:
    """Read a file with the roles on a card (see `card`), and hold it against the digest if the card has one.

    Columns that the card does not name are left out. Raises DataError when anything differs.
    """
    path = Path(path)
    schema = Schema(task=card.task, target=card.target, numeric=card.numeric, categorical=card.categorical)
    table = read_table(path)
    for name in schema.columns:
        if name not in table.columns:
            raise DataError(f"{path.name} has no column {name!r}: {suggest(name, list(table.columns))}")
    table = table[list(schema.columns)]
    _check_columns(table, path.name)
    dataset = _dataset(path, table, schema)
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


def read_table(path: Path) -> pd.DataFrame:
    """Read the file as it is, with its header checked. Raises DataError."""
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS and suffix not in PARQUET:
        raise DataError(f"{path.name}: expected a file ending in .csv, .tsv or .parquet")
    if not path.is_file():
        raise DataError(f"no file at {path}")
    bounds.check(path, SEPARATORS.get(suffix))
    try:
        table = _csv(path, SEPARATORS[suffix]) if suffix in SEPARATORS else _parquet(path)
    except DataError:
        raise
    except (ValueError, OSError, csv.Error, pd.errors.ParserWarning, pa.ArrowException) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if table.empty:
        raise DataError(f"{path.name}: expected rows, found none")
    return table


def _csv(path: Path, separator: str) -> pd.DataFrame:
    # pandas renames duplicate and empty names without a word, so the raw header is looked at first
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines, delimiter=separator), [])
    if not header:
        raise DataError(f"{path.name} is empty: expected a header line and rows")
    if len(header) == 1:
        other = next((mark for mark in ",;\t|" if mark != separator and mark in header[0]), None)
        if other:
            raise DataError(
                f"{path.name}: one column, {header[0]!r}: expected {separator!r} between, found {other!r}"
            )
    _check_names(header, path.name)
    with warnings.catch_warnings():
        # a row longer than the header would be cut off with no more than this warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(path, sep=separator, encoding="utf-8-sig", index_col=False, low_memory=False)


def _parquet(path: Path) -> pd.DataFrame:
    _check_names(pq.read_schema(path).names, path.name)
    return pd.read_parquet(path).reset_index(drop=True)


def _check_names(header: Sequence[str], file: str) -> None:
    counts = Counter(header)
    repeated = sorted(name for name, count in counts.items() if count > 1 and name.strip())
    if repeated:
        raise DataError(f"{file}: more than one column is called {repeated[0]!r}; rename or remove one")
    unnamed = [str(place) for place, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        raise DataError(
            f"{file}: column {', '.join(unnamed)} has no name (the index of pandas?); name or remove it"
        )


def _drop(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    for name in names:
        if name not in table.columns:
            raise DataError(
                f"cannot drop {name!r}, there is no such column: {suggest(name, list(table.columns))}"
            )
    return table.drop(columns=list(names))


def _check_columns(table: pd.DataFrame, file: str) -> None:
    """Refuse columns that hold nothing, or values that are neither finite numbers nor labels."""
    for name in table.columns:
        column = table[name]
        if column.isna().all():
            raise DataError(f"{file}: every value of {name!r} is missing; drop the column")
        found = ""
        if column.dtype == object:
            plain = str | bool | int | float | np.generic
            odd = {type(value).__name__ for value in column.dropna() if not isinstance(value, plain)}
            found = ", ".join(sorted(odd))
        elif getattr(column.dtype, "kind", "O") in "mMc":  # durations, dates, complex numbers
            found = str(column.dtype)
        if found:
            raise DataError(
                f"{file}: {name!r} holds {found}; turn it into numbers or text, or drop the column"
            )
        if _is_number(column):
            frames.numbers(column)  # raises for infinite values


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _is_whole(column: pd.Series[Any]) -> bool:
    values = column.dropna()
    return _is_number(column) and bool((values == np.round(values)).all())


def _role(column: pd.Series[Any]) -> Role:
    if not _is_number(column):
        return "categorical"
    return "categorical" if _is_whole(column) and column.nunique() == 2 else "numeric"


def _task(target: pd.Series[Any]) -> Task:
    distinct = target.nunique()
    if _is_number(target) and not (_is_whole(target) and distinct <= FEW_CLASSES):
        return "regression"
    return "binclass" if distinct <= 2 else "multiclass"


def _check_text(column: pd.Series[Any]) -> None:
    """Refuse a text column that is an identifier, prose, or numbers with a stray mark."""
    if _is_number(column):
        return
    present = column.dropna().astype(str)
    distinct = present.nunique()
    remedy = f"drop it (--drop {column.name!r}) or list it as categorical"
    if distinct == len(column):
        raise DataError(
            f"text column {column.name!r} has as many categories as rows, {distinct}, like an id; {remedy}"
        )
    readable = pd.to_numeric(present, errors="coerce").notna()
    if MOSTLY_NUMBERS <= readable.mean() < 1:
        stray = ", ".join(sorted(set(present[~readable]))[:3])
        raise DataError(
            f"column {column.name!r} holds numbers, but also {stray}; leave those empty "
            "or list it as categorical"
        )
    if distinct > MANY_CATEGORIES and 2 * distinct > len(present):
        raise DataError(
            f"text column {column.name!r} has {distinct} values in {len(present)} rows, like prose; {remedy}"
        )


def _check_target(frame: pd.DataFrame, schema: Schema, file: str) -> None:
    """Refuse a target with gaps, one that does not fit the task, or classes too small to split."""
    target = frame[schema.target]
    gaps = int(target.isna().sum())
    if gaps:
        raise DataError(f"{file}: the target {schema.target!r} is missing in {gaps} rows; remove those rows")
    counts = target.value_counts()
    if len(counts) < 2:
        raise DataError(f"{file}: the target {schema.target!r} has one value, {str(target.iloc[0])!r}")
    if schema.is_regression:
        return
    if (len(counts) == 2) != (schema.task == "binclass"):
        raise DataError(
            f"{file}: the target {schema.target!r} has {len(counts)} classes, which is not {schema.task}"
        )
    small = counts[counts < SMALLEST_CLASS]
    if len(small):
        shown = ", ".join(f"{name!r} ({count})" for name, count in small.head(3).items())
        raise DataError(
            f"{file}: {len(small)} of {len(counts)} classes of {schema.target!r} have fewer than "
            f"{SMALLEST_CLASS} rows, too few for train, val and test: {shown}; "
            "merge or remove them, or say task regression if they are quantities"
        )


def _dataset(path: Path, table: pd.DataFrame, schema: Schema) -> Dataset:
    frame = frames.canonical(table, schema)
    _check_target(frame, schema, path.name)
    target = None if schema.is_regression else frame[schema.target].to_numpy()
    parts = frames.divide(frame, frames.split(len(frame), target))
    return frames.assemble(path.stem, schema, parts, source=f"file {path.name}")
