"""Whole numbers of files: where there are gaps pandas makes floats of them, and those beyond 2**53 would change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tabstep.data.forms import EXACT, INT64, UINT64

NULLABLE: dict[Any, Any] = {
    pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
    for name in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
}
DIGITS = r"[+-]?\d+"
ZEROS = r"[+-]?0\d+"  # a code, and no number


def may_differ(column: pd.Series[Any], marks: Collection[str]) -> bool:
    """Whether a column of a CSV, as pandas read it, may hold whole numbers that floats do not tell apart.

    Where they do not fit into int64 pandas leaves texts, and among them some of the `marks` of gaps.
    """
    shown = column.dropna()
    if column.dtype.kind == "f":
        return bool((shown.abs() >= EXACT).any() and (shown % 1 == 0).all())
    texts = [v.strip() for v in shown if isinstance(v, str) and v not in marks]
    whole = pd.Series(texts if column.dtype == object else [], dtype=object)
    return bool(whole.str.fullmatch(DIGITS).all() and (whole.str.len() >= len(str(INT64.max))).any())


def exact(texts: pd.Series[Any], marks: Collection[str]) -> pd.Series[Any] | None:
    """The numbers of texts, of which `marks` are gaps; None where some are no whole numbers.

    In a dtype of 64 bits, or as Python has them where they do not fit.
    """
    gap = texts.isin(marks)
    shown = texts[~gap].str.strip()
    if not shown.str.fullmatch(DIGITS).all() or shown.str.fullmatch(ZEROS).any():
        return None
    values = [None if empty else int(text) for text, empty in zip(texts, gap, strict=True)]
    known = [v for v in values if v is not None]
    low, high = min(known), max(known)
    if low < INT64.min or high > (INT64.max if low < 0 else UINT64.max):
        return pd.Series(values, dtype=object)
    fits = "Int64" if high <= INT64.max else "UInt64"
    found = pd.Series(values, dtype=fits)
    return found if gap.any() else found.astype(np.dtype(fits.lower()))
