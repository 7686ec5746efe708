"""Payments of loans: the closed form, its limits and its inverse; found where planted, and kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.instalment import Instalment, payments, share
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn, torn

N = 700
rates = st.floats(0, 0.09).filter(lambda r: r == 0 or r > 1e-6)
times = st.integers(1, 480)


def loans(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Of two banks: one names months as labels, the other years; one rounds to cents, the other to the unit below."""
    rng = np.random.default_rng(seed)
    loan, percent = rng.integers(20, 1600, n) * 25, rng.uniform(5, 28, n).round(2)
    months, years = rng.choice([36, 60], n), rng.integers(5, 31, n)
    price, interest = rng.integers(80, 900, n) * 1000, rng.choice([0.0, 0.021, 0.0325, 0.041, 0.0555], n)
    paid = [loan[k] / annuity(percent[k] / 1200, months[k]) for k in range(n)]
    monthly = [price[k] / annuity(interest[k] / 12, 12 * years[k]) for k in range(n)]
    return pd.DataFrame(
        {
            "instalment": np.round(paid, 2),
            "loan": loan,
            "term": [f"{m} months" for m in months],
            "percent": percent,
            "price": price,
            "years": years,
            "interest": interest,
            "monthly": np.floor(monthly),
            "grade": rng.choice([*"ABC"], n),
        }
    )


def annuity(interest: float, n: int) -> float:
    """What payments of 1 are worth today, one by one."""
    return float(sum((1 + interest) ** -k for k in range(1, n + 1)))


@settings(max_examples=60, deadline=None)
@given(interest=rates, n=times)
def test_payments_are_worth_the_loan(interest: float, n: int) -> None:
    part = share(np.array([interest]), np.array([float(n)]))
    np.testing.assert_allclose(part * annuity(interest, n), 1, rtol=1e-9)
    if n * interest < 10:  # beyond, a payment is hardly more than the interest
        np.testing.assert_allclose(payments(np.array([interest]), part), n, rtol=1e-6)


def test_limits() -> None:
    one = np.array([1.0])
    np.testing.assert_allclose(share(np.array([0.05]), one), 1.05)  # all at once, with what it earned
    np.testing.assert_allclose(share(np.array([0.0]), 12 * one), 1 / 12)
    np.testing.assert_allclose(share(np.array([1e-12]), 12 * one), 1 / 12)
    np.testing.assert_allclose(share(np.array([0.05]), 1e9 * one), 0.05)  # for ever the interest
    assert np.isnan(share(np.array([0.05, np.nan]), np.array([0.0, 3.0]))).all()
    assert np.isinf(
        payments(np.array([0.05]), np.array([0.04]))
    ).all()  # less than the interest pays nothing back


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(loans())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Instalment)} == {
        "instalment pays back loan at percent (% a year) over term (36 months: 36, 60 months: 60)",
        "monthly pays back price at interest (a year) over years (years), rounded down",
    }
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "loan", "percent", "term", "years"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    kept_when_torn(*learned, seed, fixed, ("grade", "term", "percent", "interest", "years"))


def test_a_payment_that_is_asked_for_has_a_loan(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]],
) -> None:
    frame, rules = learned
    (rule,) = (rule for rule in rules if isinstance(rule, Instalment) and rule.of == "monthly")
    before = torn(frame, 1)
    after = before.assign(price=rule.moved("price", before))
    assert not rule.breaks(after).any()


def test_other_amounts_are_no_payments() -> None:
    frame = loans()
    rng = np.random.default_rng(1)
    frame["instalment"] = (frame["instalment"] * rng.uniform(0.99, 1.01, N)).round(2)
    frame["monthly"] = frame["monthly"] + rng.integers(0, 2, N)
    assert not any(isinstance(rule, Instalment) for rule in find(common(frame)))


def test_scales_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="expected of"):
        Instalment("loan", "rate", "term", "paid", (0.5, 1.0), (), False, 0.01, 1.0)
