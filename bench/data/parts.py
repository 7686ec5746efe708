"""A table of any length in a file: made part by part in a folder beside it, so that a killed run goes on.

A part is there as a whole or not at all, and so is what its maker wants to know to go on after it. When all are there
they become one file, of Parquet with a row group for each or of CSV, in place of an older one; the folder goes.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import parquet, plain
from tabstep.data.files import PARQUET
from tabstep.data.layout import CSV, SEPARATORS
from tabstep.data.replacing import replace

PLAN = "plan.json"
ENDINGS = (*PARQUET, *SEPARATORS)

Known = dict[str, Any]
Make = Callable[[Known], Iterator[tuple[pd.DataFrame, Known]]]
"""Given what is known after the parts that are there, {} where there is none, those that follow, each with what is
known after it: `rows`, how many there are so far, among it."""

Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all)."""


def check(path: Path) -> None:
    """Raise ValueError for a name that says no format, OSError where no file can take the place."""
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path.name}: expected a name ending in {', '.join(ENDINGS)}")
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is no plain file and is not replaced; name another one")


def write(
    path: Path,
    plan: Mapping[str, Any],
    n: int,
    make: Make,
    progress: Progress | None = None,
    separator: str = SEPARATORS[CSV],
    types: Mapping[str, str] | None = None,
) -> Known:
    """Write `n` rows to `path`, and return what is known after the last part.

    plan  all that determines the rows, as JSON has it: parts of another plan are thrown away
    make  its frames go into a CSV as they are, so their texts must not depend on the other rows of a part

    separator  what stands between the values of a .csv
    types      of columns of a .parquet that pandas forgets, see `data.parquet`

    Raises ValueError and OSError as `check`, and ValueError for values that the format does not hold.
    """
    check(path)
    suffix = path.suffix.lower()
    marks = {**SEPARATORS, CSV: separator}
    folder = path.with_name(f"{path.name}.parts")
    _begin(folder, json.dumps(plan, sort_keys=True))
    said = sorted(p for p in folder.glob("*.json") if p.name != PLAN)
    parts = [p.with_suffix(suffix) for p in said]
    known = plain.table(said[-1]) if said else {}
    following = make(known)
    while (done := known.get("rows", 0)) < n:
        if progress is not None:
            progress(done, n)
        frame, known = next(following)
        part = folder / f"{len(parts):08}{suffix}"
        content = _parquet(frame) if suffix in PARQUET else _text(frame, marks[suffix], not parts)
        replace(part, content)
        replace(part.with_suffix(".json"), json.dumps(known).encode())  # from now on the part counts
        parts.append(part)
    if progress is not None:
        progress(n, n)
    whole = folder / f"whole{suffix}"
    if suffix in PARQUET:
        _join(parts, whole, types or {})
    else:
        _append(parts, whole)
    os.replace(whole, path)
    shutil.rmtree(folder)
    return known


def _begin(folder: Path, plan: str) -> None:
    """Make the folder of a plan, unless it is there; one of another plan is emptied."""
    said = folder / PLAN
    if said.is_file() and said.read_text(encoding="utf-8") == plan:
        return
    if folder.exists():
        if not said.is_file():
            raise FileExistsError(f"{folder} is in the way, and no folder of parts of rows; move it away")
        shutil.rmtree(folder)
    replace(said, plan.encode())


def _parquet(frame: pd.DataFrame) -> bytes:
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    except pa.ArrowException as error:
        raise ValueError(
            f"Parquet does not hold these values, a file of CSV does: {' '.join(map(str, error.args))}"
        ) from error
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _text(frame: pd.DataFrame, separator: str, header: bool) -> bytes:
    buffer = io.StringIO()
    frame.to_csv(buffer, sep=separator, index=False, header=header, lineterminator="\n")
    return buffer.getvalue().encode()


def _join(parts: list[Path], whole: Path, types: Mapping[str, str]) -> None:
    """One Parquet file, a row group for each part, with the types that some columns are to have.

    What Arrow makes of a column of objects depends on its rows: without a value it is of no type, and a decimal is as
    wide as the widest. So types are made one first.
    """
    schema = pa.unify_schemas([pq.read_schema(part) for part in parts], promote_options="permissive")
    schema = parquet.typed(schema, types)
    with pq.ParquetWriter(whole, schema) as writer:
        for part in parts:
            table = pq.read_table(part)
            writer.write_table(table.cast(schema), row_group_size=max(1, table.num_rows))


def _append(parts: list[Path], whole: Path) -> None:
    with whole.open("wb") as file:
        for part in parts:
            with part.open("rb") as content:
                shutil.copyfileobj(content, file)
