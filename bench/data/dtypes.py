"""Names of dtypes, for files without pickle: every name that is given makes the same dtype again."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabstep.data import zones

_STAMP = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")
_DECIMAL = re.compile(r"decimal128\((\d+), (-?\d+)\)")
_CODED = re.compile(r"dictionary<values=(\w+), indices=(\w+), ordered=([01])>")


def name(dtype: Any) -> str:
    """The name of a dtype. Raises ValueError for one that no name gives back."""
    if isinstance(dtype, pd.StringDtype):
        found = f"string:{dtype.storage}:{'nan' if dtype.na_value is np.nan else 'NA'}"
    elif isinstance(dtype, pd.ArrowDtype):
        found = f"arrow:{dtype.pyarrow_dtype}"
    else:
        found = str(dtype)
    if isinstance(dtype, pd.DatetimeTZDtype) and not _is_made(found, dtype):
        found = f"zoned:{dtype.unit}:{zones.name(dtype.tz)}"
    if not _is_made(found, dtype):
        raise ValueError(f"no name gives the dtype {dtype} back")
    return found


def _is_made(name: str, dtype: Any) -> bool:
    try:
        return bool(made(name) == dtype)
    except (TypeError, ValueError, NotImplementedError, LookupError, pa.ArrowException):
        return False


def made(name: str) -> Any:
    """The dtype of a name that `name` gave."""
    kind, _, rest = name.partition(":")
    if kind == "string":
        storage, _, missing = rest.partition(":")
        return pd.StringDtype(storage, na_value=np.nan if missing == "nan" else pd.NA)
    if kind == "arrow":
        return pd.ArrowDtype(_arrow(rest))
    if kind == "zoned":
        unit, _, zone = rest.partition(":")
        return pd.DatetimeTZDtype(unit, zones.made(zone))  # type: ignore[call-overload]
    return pd.api.types.pandas_dtype(name)


def _arrow(name: str) -> pa.DataType:
    if found := _STAMP.fullmatch(name):
        return pa.timestamp(found[1], found[2])
    if found := _DECIMAL.fullmatch(name):
        return pa.decimal128(int(found[1]), int(found[2]))
    if found := _CODED.fullmatch(name):
        return pa.dictionary(_arrow(found[2]), _arrow(found[1]), found[3] == "1")
    return pa.type_for_alias(name)


def restored(values: list[Any], dtype: str) -> pd.Series[Any]:
    """A Series of the dtype called `dtype`; None in `values` stands for a gap."""
    kind = made(dtype)
    if isinstance(kind, pd.ArrowDtype):
        # through Arrow itself, which takes Python's dates, decimals and texts for what they are
        return pd.Series(pd.arrays.ArrowExtensionArray(_filled(values, kind.pyarrow_dtype)))
    return pd.Series(values, dtype=object).astype(kind)


def _filled(values: list[Any], kind: pa.DataType) -> pa.ChunkedArray:
    if pa.types.is_dictionary(kind):
        plain = pa.array(values, type=kind.value_type, from_pandas=True).dictionary_encode()
        return pa.chunked_array([plain.cast(kind)])
    return pa.chunked_array([pa.array(values, type=kind, from_pandas=True)])
