"""Many records in one file: the text of each by its place, as a Parquet beside those that are files of their own.

A thousand records say almost the same; zstd keeps them in a twentieth of their size. Their texts come back byte by
byte. Columns beside the texts name the cells, for whoever opens the file with a tool of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from tabstep.data.replacing import replace
from tabstep.records.cell import Cell
from tabstep.records.record import MOST_BYTES, Malformed, decode

NAME = "records.parquet"
VERSION = "1"
MOST = 2**31  # bytes of all texts together
_MARK = b"tabstep records"
_TEXTS = ("place", "record")


def texts(root: Path) -> Mapping[str, bytes]:
    """The texts of the packed records below `root`, by their places. Raises `Malformed` for a file that is no pack."""
    path = root / NAME
    try:
        state = path.stat()
    except FileNotFoundError:
        return {}
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
        if sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)) > MOST:
            raise Malformed(f"{path} holds more than {MOST} bytes of records")
        place, record = (file.read([*_TEXTS])[name].to_pylist() for name in _TEXTS)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise Malformed(f"{path} is no pack of records: {error}") from error
    found = {}
    for at, text in zip(place, record, strict=True):
        if not isinstance(at, str) or not isinstance(text, str):
            raise Malformed(f"{path} is no pack of records: a place and a text are wanted in each row")
        content = text.encode()
        if len(content) > MOST_BYTES or at in found:
            raise Malformed(f"{path}: {at[:200]!r} is there twice, or of more than {MOST_BYTES} bytes")
        found[at] = content
    return MappingProxyType(found)


def write(root: Path, records: Mapping[str, bytes]) -> Path:
    """Put these texts of records, all there are, into the pack of `root`, whole or not at all; return its path.

    The same texts make the same bytes. Raises `Malformed` for a text that is no record.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = sorted(records)
    try:
        cells = [decode(records[place]).cell for place in places]
    except (ValueError, TypeError) as error:
        raise Malformed(f"not a record: {error}") from error
    named = {field.name: [getattr(cell, field.name) for cell in cells] for field in fields(Cell)}
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
