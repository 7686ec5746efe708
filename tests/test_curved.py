"""Logarithms, squares and such of other numbers: found where planted, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, share_kept
from tabstep.data.curved import CURVES, Curved
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 500
SAID = {
    "age2 = age^2",
    "root = sqrt(age)",
    "logged = log(income)",
    "digits = 0.434294482 x log(wealth)",
    "more = log(1 + visits)",
    "inverse = 100 / speed",
}


def people(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    age, visits = rng.integers(18, 80, n), rng.poisson(9, n)
    income, wealth, speed = (rng.lognormal(mean, 0.5, n).round(2) for mean in (10, 9, 3))
    return pd.DataFrame(
        {
            "age": age,
            "age2": age**2,
            "root": np.sqrt(age).round(4),
            "income": income,
            "logged": np.log(income),
            "wealth": wealth,
            "digits": np.log10(wealth).round(6),
            "visits": visits,
            "more": np.log1p(visits).round(5),
            "speed": speed,
            "inverse": (100 / speed).round(5),
            "noise": rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(people())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Curved)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "age", "age2", "digits", "logged"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    kept_when_torn(
        frame, rules, seed, fixed, () if fixed else ("age", "income", "wealth", "visits", "speed", "noise")
    )


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from([*CURVES]),
    factor=st.sampled_from([-3.0, 0.5, 1.0, 12.0]),
    offset=st.sampled_from([-2.0, 0.0, 7.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_way_back_leads_to_where_it_came_from(name: str, factor: float, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, drawn = rng.uniform(0.1, 9, 30), rng.uniform(0.1, 9, 30)
    rule = Curved("x", "y", name, factor, offset, False, 0.0, 0.0)
    frame = pd.DataFrame({"x": drawn, "y": rule.made(pd.DataFrame({"x": real}))})
    np.testing.assert_allclose(rule.moved("x", frame), real, rtol=1e-9)


def test_a_square_keeps_the_sign_and_where_there_is_no_curve_nothing_breaks() -> None:
    rule = Curved("x", "y", "{}^2", 1.0, 0.0, False, 1.0, 1.0)
    assert rule.moved("x", pd.DataFrame({"x": [-3.0, 3.0, 2.0], "y": [16.0, 16, -1]})).tolist() == [-4, 4, 2]
    logged = Curved("x", "y", "log({})", 1.0, 0.0, False, 0.0, 0.0)
    assert not broken(logged, pd.DataFrame({"x": [0.0, -1, np.nan, 1], "y": [5.0, 5, 5, np.nan]})).any()


def test_one_row_that_says_otherwise_and_luck_are_none() -> None:
    frame = people()
    frame.loc[7, "age2"] += 100
    frame.loc[8, "logged"] += 1e-4
    rng = np.random.default_rng(1)
    frame["near"] = (np.log(frame["wealth"]) + rng.normal(0, 0.01, N)).round(2)
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Curved)}
    assert found == {"root", "digits", "more", "inverse"}


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Curved("x", "y", "open({})", 1.0, 0.0, False, 1.0, 1.0)
    with pytest.raises(ValueError, match="factor"):
        Curved("x", "y", "log({})", 0.0, 0.0, False, 1.0, 1.0)


def test_models_keep_them() -> None:
    rows = tabstep.fit(people(400), method="mixture", progress="none").sample(200, seed=1)
    assert (rows["age2"] == rows["age"] ** 2).all()
    np.testing.assert_allclose(rows["logged"], np.log(rows["income"]), rtol=1e-6)
