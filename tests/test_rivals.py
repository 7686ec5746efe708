"""What TabSyn, TabDiff and TabPC are published with: scores against all training rows, and our page beside theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.metrics.rivals import rivals

SCHEMA = Schema("binclass", "y", ("a", "b", "c"), ("k",))


def rows(n: int, seed: int, *, shift: float = 0.0, rho: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 3))
    b = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
    kinds, labels = (rng.choice(list(found), n) for found in ("uvw", "np"))
    return pd.DataFrame({"a": z[:, 0] + shift, "b": b, "c": np.exp(z[:, 2]), "k": kinds, "y": labels})


TRAIN = rows(3000, 0)


def test_copies_win_everything() -> None:
    found = rivals(TRAIN.sample(frac=1, random_state=0), TRAIN, SCHEMA, seed=0)
    assert found.pop("rivals_rows") == 3000
    assert len(found) == 5
    assert all(value == pytest.approx(1, abs=0.03) for value in found.values())


def test_independent_columns_deceive_all_but_trees() -> None:
    rng = np.random.default_rng(1)
    apart = pd.DataFrame({c: rng.permutation(TRAIN[c].to_numpy()) for c in TRAIN})
    found = rivals(apart, TRAIN, SCHEMA, seed=0)
    assert found["rivals_shape"] == 1
    assert found["rivals_c2st_logistic"] > 0.95
    assert found["rivals_c2st_xgboost"] < 0.65


def test_the_more_rows_the_more_trees_tell() -> None:
    """Why all training rows enter, and not a fixed part."""
    many, few = (rivals(rows(n, 5, rho=0.5), TRAIN.head(n), SCHEMA, seed=0) for n in (3000, 300))
    assert many["rivals_rows"] == 3000
    assert few["rivals_rows"] == 300
    assert many["rivals_c2st_xgboost"] < few["rivals_c2st_xgboost"] - 0.02


def test_the_linear_one_agrees_with_sdmetrics() -> None:
    pytest.importorskip("sdmetrics")
    from sdmetrics.single_table import LogisticDetection

    synthetic = rows(3000, 2, shift=0.5)
    columns = {name: {"sdtype": "categorical" if name in "ky" else "numerical"} for name in TRAIN}
    np.random.seed(0)  # noqa: NPY002  its folds are drawn from here
    theirs = LogisticDetection.compute(TRAIN, synthetic, {"columns": columns})
    found = rivals(synthetic, TRAIN, SCHEMA, seed=0)
    assert found["rivals_c2st_logistic"] == pytest.approx(theirs, abs=0.02)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 10 rows, got 9"):
        rivals(TRAIN.head(9), TRAIN, SCHEMA, seed=0)
