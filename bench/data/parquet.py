"""Parquet files to frames: whatever a file says of itself, it is read or refused in a line."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import whole_numbers
from tabstep.data.cards import DataError


def frame(source: Path | bytes, name: str) -> pd.DataFrame:
    """Rows of a file of this name, or of its content, with a fresh index; one that has names becomes columns again.

    Raises DataError.
    """
    try:
        table = pq.read_table(source if isinstance(source, Path) else io.BytesIO(source), partitioning=None)
        rows: pd.DataFrame = table.to_pandas()
        unnamed = [level for level, name in enumerate(rows.index.names) if name is None]
        rows = rows.reset_index(level=unnamed, drop=True).reset_index(drop=rows.index.nlevels == len(unnamed))
    except Exception as error:  # what pandas wrote of a frame may say anything, and pandas believes it
        shown = f"{type(error).__name__}: {str(error)[:200]}"
        raise DataError(f"{name} cannot be read as Parquet: {shown}") from error
    for field in table.schema:
        # whole numbers with gaps would be floats, which do not tell all of them apart
        if field.name in rows and pa.types.is_integer(field.type) and rows[field.name].dtype.kind == "f":
            rows[field.name] = table[field.name].to_pandas(types_mapper=whole_numbers.NULLABLE.get)
    return rows
