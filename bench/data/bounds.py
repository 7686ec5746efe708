"""How much a table of a user may be, found before its body is read: every reader of a user's file asks here first."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data.cards import DataError
from tabstep.data.encodings import UTF8, opened

MOST_COLUMNS = 10_000
MOST_VALUES = 10**8  # rows times columns; as numbers 0.8 GB
MOST_BYTES = 2 * 2**30  # of a file, and of what it unfolds to
MOST_HEADER = 4 * 2**20  # bytes of the first line of a text file
CHUNK = 2**24

_LINE = re.compile(rb"[\r\n]")


def check_file(path: Path) -> None:
    """Raise DataError for a pipe, a device or a folder, and for a file of too many bytes."""
    if not path.is_file():
        raise DataError(f"no file at {path}" if not path.exists() else f"{path} is no plain file")
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path.name}: {path.stat().st_size} bytes, more than {MOST_BYTES}")


def check_text(path: Path, separator: str, above: int = 0, encoding: str = UTF8) -> None:
    """By the columns of the line of names, below `above` others, and the number of lines: a short line is filled up
    when it is read."""
    check_file(path)
    lines = 1
    with opened(path, encoding) as file:
        first = _LINE.split(file.read(MOST_HEADER + 1).replace(b"\r\n", b"\n"), maxsplit=above + 1)
        header = first[min(above, len(first) - 1)]
        if len(header) > MOST_HEADER:
            raise DataError(
                f"{path.name}: its line of names has more than {MOST_HEADER} bytes, which is no header"
            )
        columns = header.count(separator.encode()) + 1
        if columns > MOST_COLUMNS:
            raise DataError(f"{path.name}: {columns} columns, more than {MOST_COLUMNS}")
        file.seek(0)
        while chunk := file.read(CHUNK):
            lines += max(chunk.count(b"\n"), chunk.count(b"\r"))
            if lines * columns > MOST_VALUES:
                raise DataError(
                    f"{path.name}: more than {MOST_VALUES} values, {columns} columns in over {lines} lines"
                )


def check_parquet(path: Path) -> None:
    """By what the file says of itself, and where that is little, by what its texts unfold to, a batch at a time."""
    check_file(path)
    try:
        with pq.ParquetFile(path) as file:
            _check_said(path.name, file.metadata)
            _check_unfolded(path.name, file)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path.name} cannot be read as Parquet: {str(error)[:200]}") from error


def _check_said(name: str, about: pq.FileMetaData) -> None:
    if about.num_columns > MOST_COLUMNS:
        raise DataError(f"{name}: {about.num_columns} columns, more than {MOST_COLUMNS}")
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    values = sum(max(group.column(i).num_values, 0) for group in groups for i in range(group.num_columns))
    values = max(values, about.num_rows * about.num_columns)
    if values > MOST_VALUES or about.num_rows > MOST_VALUES:
        raise DataError(
            f"{name}: {about.num_rows} rows of {about.num_columns} columns, more than {MOST_VALUES} values"
        )
    unfolded = sum(max(group.total_byte_size, 0) for group in groups)
    if unfolded > MOST_BYTES:
        raise DataError(f"{name}: it unfolds to {unfolded} bytes, more than {MOST_BYTES}")


def _check_unfolded(name: str, file: pq.ParquetFile) -> None:
    """A text that is written once may stand in every row: texts alone are counted as they are read."""
    schema = file.schema_arrow
    texts = [field.name for field in schema if not _is_fixed(field.type)]
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    longest = max(
        (group.column(i).total_uncompressed_size for group in groups for i in range(group.num_columns)),
        default=0,
    )
    if not texts or longest * file.metadata.num_rows <= MOST_BYTES:
        return
    total = 0
    for batch in file.iter_batches(batch_size=max(1, min(65_536, MOST_BYTES // longest)), columns=texts):
        total += batch.nbytes
        if total > MOST_BYTES:
            raise DataError(f"{name}: its texts unfold to more than {MOST_BYTES} bytes")


def _is_fixed(kind: pa.DataType) -> bool:
    """Whether each value takes the same few bytes."""
    return bool(pa.types.is_primitive(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind))
