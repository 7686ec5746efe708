"""Precision kept: known answers, real rows, and what a model that cannot count cents scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.sources import load
from tabstep.data.table import Schema
from tabstep.metrics import rows
from tabstep.metrics.precision import precision

SCHEMA = Schema("binclass", "y", ("price", "days", "normal"), ())
RNG = np.random.default_rng(0)
TRAIN = pd.DataFrame(
    {
        "price": [0.25, 1.5, 3.75, 2.0],
        "days": [19_000, 19_001, 19_005, 19_002],  # since 1970
        "normal": RNG.normal(size=4),
        "y": ["a", "b", "a", "b"],
    }
)


@pytest.mark.parametrize(
    ("price", "days", "kept"),
    [
        ([0.25, 3.14], [19_003.0, 19_004.0], 1),
        ([0.255, 3.14], [19_003.0, 19_004.0], 3 / 4),
        ([0.255, np.pi], [19_003.0, 19_004.5], 1 / 4),
        ([np.nan, np.pi], [19_003.0, np.nan], 1 / 2),  # gaps have no decimals
        ([np.nan, np.nan], [19_003.5, 19_003.0], 1 / 2),
    ],
)
def test_known_answers(price: list[float], days: list[float], kept: float) -> None:
    drawn = pd.DataFrame({"price": price, "days": days, "normal": RNG.normal(size=2), "y": ["a", "b"]})
    assert precision(drawn, TRAIN, SCHEMA) == {"precision_kept": kept}


def test_columns_without_a_precision_say_nothing() -> None:
    schema = Schema("binclass", "y", ("normal",), ())
    assert precision(TRAIN.assign(normal=0.1), TRAIN, schema) == {"precision_kept": 1}


def test_real_rows_keep_it_and_noise_does_not() -> None:
    dataset = load("mlc-churn")
    assert rows.GROUPS["faults"](dataset.train, dataset)["precision_kept"] == 1
    numbers = list(dataset.schema.numeric)
    noisy = dataset.train.assign(
        **{c: dataset.train[c] + RNG.normal(size=len(dataset.train)) for c in numbers}
    )
    assert rows.GROUPS["faults"](noisy, dataset)["precision_kept"] == 0
