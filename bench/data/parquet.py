"""Parquet files to frames: whatever a file says of itself, it is read or refused in a line."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import whole_numbers
from tabstep.data.cards import DataError

TYPES = "types of Parquet"  # among the attributes of a frame
_FORGOTTEN = re.compile(
    r"(?P<kind>decimal128|time32)(?:\((?P<digits>\d\d?), (?P<scale>\d\d?)\)|\[(?P<unit>s|ms)\])"
)


def type_of(text: str) -> pa.DataType:
    """A type that pandas forgets, by its name in Arrow. Raises ValueError for another text."""
    found = _FORGOTTEN.fullmatch(text)
    if found is None:
        raise ValueError(f"no type as decimal128(12, 3) or time32[ms]: {text!r}")
    if found["kind"] == "decimal128" and found["digits"]:
        return pa.decimal128(int(found["digits"]), int(found["scale"]))
    if found["kind"] == "time32" and found["unit"]:
        return pa.time32(found["unit"])
    raise ValueError(f"no type as decimal128(12, 3) or time32[ms]: {text!r}")


def typed(schema: pa.Schema, types: Mapping[str, str]) -> pa.Schema:
    """A schema with the types that some columns had in the file that was read; decimals that need more stay as wide."""
    for name, text in types.items():
        if name in schema.names and _has_room(schema.field(name).type, type_of(text)):
            schema = schema.set(schema.get_field_index(name), pa.field(name, type_of(text)))
    return schema


def _has_room(drawn: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type are some of another: a total may have more digits than any that was read."""
    if not pa.types.is_decimal(drawn) or not pa.types.is_decimal(wanted):
        return True
    digits = drawn.precision - drawn.scale <= wanted.precision - wanted.scale
    return bool(digits and drawn.scale <= wanted.scale)


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
    rows.attrs[TYPES] = {
        field.name: str(field.type)
        for field in table.schema
        if field.name in rows and _FORGOTTEN.fullmatch(str(field.type))
    }
    for field in table.schema:
        # whole numbers with gaps would be floats, which do not tell all of them apart
        if field.name in rows and pa.types.is_integer(field.type) and rows[field.name].dtype.kind == "f":
            rows[field.name] = table[field.name].to_pandas(types_mapper=whole_numbers.NULLABLE.get)
    return rows
