"""Many records in one file: the text of each by its place, as a Parquet beside those that are files of their own.

A thousand records say almost the same; zstd keeps them in a twentieth of their size. Their texts come back byte by
byte. Columns beside the texts name the cells, for whoever opens the file with a tool of their own.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tabstep.data.replacing import replace
from tabstep.records.cell import Cell
from tabstep.records.record import MOST_BYTES, Malformed, decode

NAME = "records.parquet"
VERSION = "1"
MOST = 2**31  # bytes of all texts together
AT_ONCE = 64  # texts
_MARK = b"tabstep records"
_TEXTS = ("place", "record")


def texts(root: Path) -> Mapping[str, bytes]:
    """The texts of the packed records below `root`, by their places. Raises `Malformed` for a file that is no pack."""
    path = root / NAME
    try:
        state = path.stat()
    except FileNotFoundError:
        return {}
    if not stat.S_ISREG(state.st_mode):
        raise Malformed(f"{path} is no plain file")
    return _texts(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=16)
def _texts(path: Path, changed: int, size: int) -> Mapping[str, bytes]:
    """Read once for each state of the file: whether a cell is done is asked thousands of times."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        version = (file.schema_arrow.metadata or {}).get(_MARK, b"").decode(errors="replace")
        if version != VERSION:
            raise Malformed(f"{path} is no pack of records of version {VERSION}")
        # By what is read, a little at a time: a text that is said once may stand in every row.
        rows: list[tuple[Any, Any]] = []
        total = 0
        for batch in file.iter_batches(AT_ONCE, columns=[*_TEXTS]):
            part = [batch.column(name).to_pylist() for name in _TEXTS]
            total += sum(len(text) for column in part for text in column if isinstance(text, str))
            if total > MOST:
                raise Malformed(f"{path} holds more than {MOST} bytes of records")
            rows += zip(*part, strict=True)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise Malformed(f"{path} is no pack of records: {error}") from error
    found = {}
    for at, text in rows:
        if not isinstance(at, str) or not isinstance(text, str):
            raise Malformed(f"{path} is no pack of records: a place and a text are wanted in each row")
        content = text.encode()
        if len(content) > MOST_BYTES or at in found:
            raise Malformed(f"{path}: {at[:200]!r} is there twice, or of more than {MOST_BYTES} bytes")
        found[at] = content
    return MappingProxyType(found)


def write(root: Path, records: Mapping[str, bytes]) -> Path:
    """Put these texts of records, all there are, into the pack of `root`, whole or not at all; return its path.

    The same texts make the same bytes. A text that is no record, as of a later version, has no cell beside it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = sorted(records)
    cells = [_cell(records[place]) for place in places]
    named = {field.name: [getattr(cell, field.name, None) for cell in cells] for field in fields(Cell)}
    types = {str: pa.string(), int: pa.int64()}
    columns = {
        name: pa.array(values, types[type(next((v for v in values if v is not None), ""))])
        for name, values in named.items()
    }
    told = [records[place].decode() for place in places]
    table = pa.table(
        {**columns, "place": pa.array(places, pa.string()), "record": pa.array(told, pa.string())}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata({_MARK: VERSION.encode()}),
        sink,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
    )
    path = root / NAME
    replace(path, sink.getvalue().to_pybytes())
    return path


def _cell(text: bytes) -> Cell | None:
    try:
        return decode(text).cell
    except (ValueError, TypeError):
        return None
