"""What is wrong with synthetic rows on the face of it; reported, never patched."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.table import Schema


def faults(synthetic: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """Shares of rows, 0 where nothing is wrong unless said otherwise.

    out_of_range         with a number outside the range of the training rows
    unseen               with a label that the training rows lack
    new_gaps             with a gap in a column where the training rows have none
    fractions            with a fraction in a column whose training values are whole
    duplicates           equal to an earlier synthetic row
    duplicates_expected  the same of the training rows
    copies_exact         equal to a training row in every column
    """
    columns = list(schema.columns)
    rows, known = synthetic[columns], train[columns]
    wrong = {
        name: np.zeros(len(rows), dtype=bool) for name in ("out_of_range", "unseen", "new_gaps", "fractions")
    }
    for name in columns:
        gap = rows[name].isna().to_numpy()
        if not known[name].isna().any():
            wrong["new_gaps"] |= gap
        if name in schema.numbers:
            x, seen = rows[name].to_numpy(np.float64), known[name].to_numpy(np.float64)
            wrong["out_of_range"] |= ~gap & ((x < np.nanmin(seen)) | (x > np.nanmax(seen)))
            if name in schema.integer:
                wrong["fractions"] |= ~gap & (x != np.round(x))
        else:
            wrong["unseen"] |= ~gap & ~rows[name].isin(known[name].unique()).to_numpy()
    shares = {name: float(where.mean()) for name, where in wrong.items()}
    own, real = _codes(rows, known, schema)
    return shares | {
        "duplicates": float(own.duplicated().mean()),
        "duplicates_expected": float(real.duplicated().mean()),
        "copies_exact": float(own.isin(set(real)).mean()),
    }


def copies(rows: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> float:
    """Share of rows that are equal to a training row in every column."""
    columns = list(schema.columns)
    own, real = _codes(rows[columns], train[columns], schema)
    return float(own.isin(set(real)).mean())


def _codes(rows: pd.DataFrame, known: pd.DataFrame, schema: Schema) -> tuple[pd.Series, pd.Series]:
    """A number for each distinct row of the two tables together."""
    both = pd.concat([rows, known], ignore_index=True)
    numbers = dict.fromkeys(schema.numbers, "float64")  # 1 and 1.0 are the same number
    codes = both.astype(numbers).groupby(list(both.columns), sort=False, dropna=False, observed=True).ngroup()
    return codes.iloc[: len(rows)], codes.iloc[len(rows) :]
