"""Generated rows in the form of the training table: order of columns, whole numbers, dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import frames
from tabstep.data.table import Schema


def conform(rows: pd.DataFrame, like: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return `rows` with `schema.columns` in order, `schema.integer` rounded, and the dtypes of `like`.

    Raises ValueError for a missing value: a generator that makes one has failed and is not repaired here.
    """
    columns = list(schema.columns)
    incomplete = [column for column in columns if rows[column].isna().any()]
    if incomplete:
        raise ValueError(f"generated rows must be complete, got missing values in {', '.join(incomplete)}")
    dtypes = {column: like[column].dtype for column in columns}
    whole: dict[str, Any] = {c: rows[c].astype("float64").round() for c in columns if c in schema.integer}
    whole |= {c: frames.int64(values.to_numpy()) for c, values in whole.items() if dtypes[c] == np.int64}
    return rows[columns].assign(**whole).astype(dtypes).reset_index(drop=True)
