"""The interval of an area: what it is worth on rows of one law."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.metrics.areas import area_interval
from tabstep.metrics.detection import CLASSIFIERS, out_of_fold, sides


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trials", "held"), [("logistic", 200, 0.835), ("xgboost", 100, 0.82)])
def test_the_interval_holds_one_half_for_fresh_rows_in_five_cases_of_six(
    name: str, trials: int, held: float
) -> None:
    schema = Schema("regression", "c0", ("c1", "c2", "c3", "c4"), ())
    holds = []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        parts = [
            pd.DataFrame(rng.normal(size=(300, 5)), columns=[f"c{i}" for i in range(5)]) for _ in range(3)
        ]
        x, label = sides(*parts, schema, seed=0)
        _, low, high = area_interval(list(out_of_fold(x, label, CLASSIFIERS[name], 0)))
        holds.append(low <= 0.5 <= high)
    assert np.mean(holds) == pytest.approx(held, abs=0.05)
