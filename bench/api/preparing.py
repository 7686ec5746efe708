"""What a fit learns from before it trains: the columns of a table, its complete rows, and the rules between columns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.api import asked
from tabstep.data import clocked, comparable, compound, constraint_search, frames, inference, naming, spans
from tabstep.data.cards import suggest
from tabstep.data.columns import Category, Column, Number
from tabstep.data.completion import Completion
from tabstep.data.compound import Compound
from tabstep.data.constraints import Constraint
from tabstep.data.files import SEPARATED, read_table, told
from tabstep.data.gap_marks import without
from tabstep.data.identifiers import Identifier
from tabstep.data.layout import CSV, SEPARATORS
from tabstep.data.parquet import TYPES
from tabstep.data.spans import Span
from tabstep.data.table import Schema, Task
from tabstep.data.wishes import (
    Gaps,
    Speech,
    Wishes,
    check_names,
    check_wishes,
    dates,
    gaps,
    marks,
    named,
    numbers,
    refuse,
)

FEWEST_ROWS = 10


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table that is ready for a fit.

    identifiers  columns that name rows
    constraints  rules that hold in every row
    spans        what lies between columns, which is learned beside them
    things       by columns of whole numbers that are labels what they determine (`data.naming`)
    train        complete rows of `completion.inner`
    target       as it was asked for
    wishes       what was said of columns
    seed         of the fit
    seconds      that this took
    frame        the rows that it is of, numbered from 0, with a column for each part of `compounds`
    compounds    columns that hold several numbers or labels in a cell
    separator    of the .csv that the table was in, a comma for others
    types        of columns of the Parquet that it was in, where pandas forgets them
    """

    columns: tuple[Column, ...]
    identifiers: tuple[Identifier, ...]
    completion: Completion
    constraints: tuple[Constraint, ...]
    spans: tuple[Span, ...]
    things: Mapping[str, tuple[str, ...]]
    train: pd.DataFrame
    target: str | None
    wishes: Wishes
    seed: int
    seconds: float
    frame: pd.DataFrame
    compounds: tuple[Compound, ...]
    separator: str
    types: Mapping[str, str]


def frame_of(table: Any, literal: str | Sequence[str], missing: Gaps, written: Collection[str] = ()) -> Any:
    """The rows of a frame or of a file, with texts that stand for gaps taken for such. Raises ValueError.

    written  columns of a file whose texts are not to be read as numbers
    """
    texts = gaps(missing)
    if isinstance(table, str | Path):
        rows = read_table(Path(table), literal, texts, written)
        for note in told(Path(table)):
            warnings.warn(note, UserWarning, stacklevel=3)
        _check_named(missing, rows)
        return rows
    _check_named(missing, table)
    if named(literal, ()):
        raise ValueError(
            "literal is for the path of a CSV; in a DataFrame a text such as NA is a value already"
        )
    if not isinstance(table, pd.DataFrame) or not table.columns.is_unique:
        return table  # is refused below
    return without(table, marks(texts, [name for name in table.columns if isinstance(name, str)]))


def _check_named(missing: Gaps, rows: Any) -> None:
    """Raises ValueError where a mapping names a column that is not there."""
    for name in missing if isinstance(missing, Mapping) and isinstance(rows, pd.DataFrame) else ():
        if name not in rows.columns:
            raise ValueError(
                f"missing: no column {name!r}: {suggest(str(name), [str(c) for c in rows.columns])}"
            )


def tell_of_index(table: Any) -> None:
    """Warn of an index that holds something: rows are fitted without it."""
    index = getattr(table, "index", None)
    names = [str(name) for name in getattr(index, "names", ()) if name is not None]
    if names or (isinstance(index, pd.Index) and index.dtype.kind not in "iu"):
        shown = f"the index {', '.join(names)}" if names else f"an index such as {index[0]!r}"  # type: ignore[index]
        warnings.warn(
            f"{shown} is left out, rows have a fresh one from 0; frame.reset_index() makes a column of it",
            UserWarning,
            stacklevel=3,
        )


def again(what: str, rows: Any, missing: Sequence[str], known: Sequence[str]) -> pd.DataFrame:
    """Rows of the table that a fit had, numbered from 0, with the gaps that it was told of.

    known  the columns of that table, of which the rows may have some

    Raises ValueError for what is no frame.
    """
    frame = asked.frame(what, rows)
    return without(
        frame, {name: texts for name, texts in marks(missing, known).items() if name in frame.columns}
    )


def wishes_of(
    frame: Any,
    *,
    numeric: str | Sequence[str] | Mapping[str, str | None],
    categorical: str | Sequence[str],
    drop: str | Sequence[str],
    date: str | Sequence[str] | Mapping[str, str | None],
    id: str | Sequence[str],
    literal: str | Sequence[str] = (),
    missing: Gaps = (),
) -> Wishes:
    """What is said of the columns of a frame, names told apart where several stand in one text."""
    known = [*getattr(frame, "columns", ())]
    counted = numbers(numeric, known)
    labels, gone, ids = (named(given, known) for given in (categorical, drop, id))
    return Wishes(
        tuple(counted),
        labels,
        gone,
        dates(date, known),
        ids,
        named(literal, known),
        gaps(missing),
        {name: mark for name, mark in counted.items() if mark is not None},
    )


def prepare(frame: Any, target: str | None, wishes: Wishes, speech: Speech, seed: int) -> Prepared:
    """Raises ValueError with all that stands in the way, and what to do about it."""
    started = time.perf_counter()
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame must be a DataFrame or the path of a table, got {type(frame).__name__}")
    if target is not None and not isinstance(target, str):
        raise ValueError(f"target must be the name of a column, got {target!r}")
    if len(frame) and not len(frame.columns):
        raise ValueError(f"frame has {len(frame)} rows and no column: nothing to model")
    refuse(check_names(frame))
    if len(frame) < FEWEST_ROWS:
        raise ValueError(f"fit needs at least {FEWEST_ROWS} rows, got {len(frame)}")
    faults = check_wishes(list(frame.columns), wishes, target, speech)
    frame = frame.reset_index(drop=True)
    identifiers = []
    for place, name in enumerate(name for name in frame.columns if name not in wishes.drop):
        if name in wishes.id:
            try:
                identifiers.append(Identifier.of(frame[name], place))
            except ValueError as error:
                faults.append(f"column {name!r} {error}")
    frame, compounds = compound.spread(frame, wishes, speech, target)
    wishes = compound.told(frame, compounds, wishes)
    columns, found = _columns(frame, wishes, speech, target)
    faults += found
    if target in frame.columns and (gaps := int(frame[target].isna().sum())):
        faults.append(f"target {target!r} is missing in {gaps} rows; drop them")
    refuse(faults)
    if not columns:
        raise ValueError("nothing to model: every column is an id, or dropped")
    taken = replace(wishes, numeric=(*wishes.numeric, *_amounts(columns, frame, wishes, speech, target)))
    if taken != wishes:
        columns, _ = _columns(frame, taken, speech, target)
    table = _read(columns, frame)
    common = comparable.frame(columns, table)
    may_be = [n for n in naming.whole(columns, common) if n != target and n not in taken.numeric]
    things = naming.described(common, may_be)
    if things:
        labels = replace(taken, categorical=(*taken.categorical, *things))
        columns, _ = _columns(frame, labels, speech, target)
        table = _read(columns, frame)
    rules = constraint_search.find(
        comparable.frame(columns, table), comparable.units(columns), comparable.zones(columns)
    )
    between, constraints = spans.find(columns, table, rules)
    table = table.assign(**{span.name: span.filled(columns, table, seed) for span in between})
    schema = _schema(table, (*columns, *(span.column for span in between)), target)
    completion = Completion.fit(table, schema)
    _check_varies(completion)
    train = completion.forward(table[list(schema.columns)], seed=seed)
    return Prepared(
        columns,
        tuple(identifiers),
        completion,
        constraints,
        between,
        things,
        train,
        target,
        wishes,
        seed,
        time.perf_counter() - started,
        frame,
        compounds,
        frame.attrs.get(SEPARATED, SEPARATORS[CSV]),
        frame.attrs.get(TYPES, {}),
    )


def _columns(
    frame: pd.DataFrame, wishes: Wishes, speech: Speech, target: str | None
) -> tuple[tuple[Column, ...], list[str]]:
    """The columns of a frame, and what stands in the way of those that are left out."""
    columns, faults = inference.infer(frame, wishes, speech, target)
    return clocked.told(columns, frame, wishes.date), faults


def _amounts(
    columns: Sequence[Column], frame: pd.DataFrame, wishes: Wishes, speech: Speech, target: str | None
) -> list[str]:
    """The columns of labels that are numbers in arithmetic with others, taken for such; the target too, so that rows
    for one label of it keep to that as others do."""
    may_be = [name for name in naming.counting(columns, frame) if name not in wishes.categorical]
    if not may_be:
        return []
    tried, _ = _columns(frame, replace(wishes, numeric=(*wishes.numeric, *may_be)), speech, target)
    amounts = naming.reckoned(comparable.frame(tried, _read(tried, frame)))
    return [name for name in may_be if name in amounts]


def _read(columns: Sequence[Column], frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})


def _schema(table: pd.DataFrame, columns: Sequence[Column], target: str | None) -> Schema:
    numbers = [c.name for c in columns if isinstance(c, Number)]
    labels = [c.name for c in columns if isinstance(c, Category)]
    if target is None:
        # A regression target is only one more numeric column and a class label is drawn from its training
        # frequencies, so any column that varies may take that place in a joint model; gaps of one are modelled.
        varying = [c for c in (*numbers, *labels) if table[c].nunique(dropna=False) > 1]
        if not varying:
            raise ValueError("every column is constant: nothing to model")
        target = next((c for c in varying if table[c].notna().all()), varying[-1])
    task: Task = (
        "regression" if target in numbers else "binclass" if table[target].nunique() == 2 else "multiclass"
    )
    schema = Schema(
        task,
        target,
        tuple(c for c in numbers if c != target),
        tuple(c for c in labels if c != target),
    )
    return replace(schema, integer=frames.whole(table, schema))


def _check_varies(completion: Completion) -> None:
    """A class label alone is drawn from its frequencies, and nothing is left to denoise."""
    inner = completion.inner
    if not inner.features and not inner.is_regression:
        raise ValueError(
            f"nothing to diffuse: only {inner.target!r} varies, a column of classes; "
            f"frame[{inner.target!r}].sample(n, replace=True) draws from its frequencies"
        )
