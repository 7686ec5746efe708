"""What rows teach of every column, and what they add to real ones: of copies, fresh rows, and independent columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Dataset, Schema
from tabstep.metrics.augmentation import augmentation
from tabstep.metrics.utility import utility

SCHEMA = Schema("regression", "y", ("a", "b [<]"), ("c",))  # names that XGBoost does not take


def table(n: int, seed: int) -> pd.DataFrame:
    """y from a, c from a, and b of nothing at all."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    c = np.where(a + 0.5 * rng.normal(size=n) > 0, "high", "low").astype(object)
    return pd.DataFrame({"a": a, "b [<]": rng.normal(size=n), "c": c, "y": a**2 + 0.2 * rng.normal(size=n)})


TRAIN, TEST, FRESH = table(1500, 0), table(1000, 1), table(1500, 2)


def of(synthetic: pd.DataFrame) -> dict[str, float]:
    return utility(synthetic, TEST, TRAIN, SCHEMA, seed=0)


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({c: rows[c].to_numpy()[rng.permutation(len(rows))] for c in rows.columns})


def test_copies_keep_all_and_independent_columns_nothing() -> None:
    assert of(TRAIN) == {"global_utility": 1, "utility_columns": 3}
    assert of(FRESH)["global_utility"] > 0.97
    assert of(shuffled(TRAIN))["global_utility"] < 0.05


def test_every_column_counts_alike() -> None:
    """One target in three without its dependence: no target alone would say so but that one."""
    rng = np.random.default_rng(0)
    broken = of(FRESH.assign(y=FRESH["y"].to_numpy()[rng.permutation(len(FRESH))]))
    # The target is lost, and what it says of `a`; `c` is still there. Efficacy alone would say 0.
    assert 1 / 3 < broken["global_utility"] < 2 / 3


def test_gaps_foreign_labels_and_constants_are_no_crash() -> None:
    odd = FRESH.assign(c=None, y=np.nan)
    assert 0 <= of(odd)["global_utility"] < 0.5
    odd = FRESH.assign(c="never seen", a=1.0)
    assert 0 <= of(odd)["global_utility"] < 0.5
    nothing = TRAIN.assign(a=1.0, c="p", y=1.0)
    assert utility(nothing, TEST, nothing, SCHEMA, seed=0) == {"global_utility": 1, "utility_columns": 0}


def test_synthetic_rows_help_few_real_ones() -> None:
    schema = Schema("regression", "y", ("a", "b"), ("c",))
    parts = [part.rename(columns={"b [<]": "b"}) for part in (TRAIN.head(300), table(300, 7), TEST)]
    dataset = Dataset("d", schema, *parts, digest="", source="")
    fresh = FRESH.rename(columns={"b [<]": "b"})
    found = augmentation(fresh, dataset, seed=0)
    for share in (10, 100):
        gain = found[f"augment_{share}"] - found[f"augment_{share}_real"]
        assert found[f"augment_{share}_gain"] == pytest.approx(gain)
    assert found["augment_10_gain"] > found["augment_100_gain"] > 0
    assert found["augment_100_real"] > found["augment_10_real"]
    spoiled = augmentation(shuffled(fresh), dataset, seed=0)
    assert spoiled["augment_100_gain"] < 0
