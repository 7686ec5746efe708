"""What generated rows must satisfy before they are scored; nothing is patched."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema


class Invalid(ValueError):
    """Rows that break the contract of a method; the cell fails with this reason."""


def check(rows: pd.DataFrame, train: pd.DataFrame, schema: Schema, n: int) -> None:
    """Raise `Invalid` unless rows are n complete rows of `schema` with known categories and finite numbers.

    `train` is the complete training frame the method was given.
    """
    if not isinstance(rows, pd.DataFrame):
        raise Invalid(f"sample must return a DataFrame, got {type(rows).__name__}")
    if list(rows.columns) != list(schema.columns):
        missing = [c for c in schema.columns if c not in rows.columns]
        extra = [c for c in rows.columns if c not in schema.columns]
        raise Invalid(f"wrong columns: missing {missing}, unexpected {extra}, or out of order")
    if len(rows) != n:
        raise Invalid(f"asked for {n} rows, got {len(rows)}")
    for name in schema.numbers:
        if rows[name].dtype.kind not in "iuf":
            raise Invalid(f"column {name!r} must hold numbers, got {rows[name].dtype}")
        bad = int((~np.isfinite(rows[name].to_numpy(np.float64, na_value=np.nan))).sum())
        if bad:
            raise Invalid(f"column {name!r} has {bad} values that are NaN or infinite, of {n}")
    for name in schema.labels:
        unseen = set(rows[name].unique()) - set(train[name].unique())
        if unseen:
            some = ", ".join(repr(v) for v in sorted(unseen, key=str)[:5])
            raise Invalid(f"column {name!r} has categories that the training rows lack: {some}")
