"""Lines with bends: found where planted, with the numbers of the rule, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.bent import Bent
from tabstep.data.bent_search import bent
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, share_kept
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "overtime by hours: 0 below 40, hours - 40 from there",
    "tax by income: income / 10 below 10000, income / 5 - 1000 below 40000, 0.4 x income - 9000 from there",
    "net = income - tax",
    "discount by goods: goods / 10 below 80, 8 from there",
    "total = goods + post - discount",
    "post is a band of goods",
    "late by days: 0 below 0, days from there",
    "fee = 2.5 x late",
}


def paid(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    hours = np.round(rng.normal(41, 5, n) * 4) / 4
    income = np.round(rng.lognormal(10.0, 0.8, n))
    tax = 0.1 * income.clip(None, 1e4) + 0.2 * (income - 1e4).clip(0, 3e4) + 0.4 * (income - 4e4).clip(0)
    goods = np.round(rng.lognormal(3.6, 0.7, n), 2)
    discount, post = np.round(np.minimum(0.1 * goods, 8), 2), np.where(goods >= 50, 0, 4.99)
    days = rng.integers(-10, 30, n)
    return pd.DataFrame(
        {
            "hours": hours,
            "overtime": (hours - 40).clip(0),
            "income": income,
            "tax": np.round(tax, 2),
            "net": np.round(income - np.round(tax, 2), 2),
            "goods": goods,
            "post": post,
            "discount": discount,
            "total": np.round(goods + post - discount, 2),
            "days": days,
            "late": days.clip(0),
            "fee": 2.5 * days.clip(0),
            "noise": rng.normal(size=n),
            "site": rng.choice(["a", "b"], n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(paid())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules} >= SAID
    assert not any(
        {*rule.columns} in ({"hours", "overtime"}, {"days", "late"})
        for rule in rules
        if not isinstance(rule, Bent)
    )
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fixed=st.sampled_from(["", "hours", "overtime", "tax", "fee", "days", "discount"]),
)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    kept_when_torn(frame, rules, seed, fixed, () if fixed else ("hours", "income", "goods", "noise", "site"))


@st.composite
def lines(draw: st.DrawFn) -> Bent:
    """A rule of whole numbers by such with two decimals, continuous or with jumps."""
    ends = sorted(draw(st.sets(st.integers(-300, 300), min_size=1, max_size=3)))
    factors = draw(
        st.lists(
            st.sampled_from([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 7.0]),
            min_size=len(ends) + 1,
            max_size=len(ends) + 1,
        )
    )
    offsets = draw(st.lists(st.integers(-50, 50), min_size=len(ends) + 1, max_size=len(ends) + 1))
    told = tuple((factor, float(offset)) for factor, offset in zip(factors, offsets, strict=True))
    return Bent("x", "y", tuple(map(float, ends)), told, draw(st.booleans()), 1.0, 0.01)


@settings(max_examples=60, deadline=None)
@given(rule=lines(), seed=st.integers(0, 2**32 - 1))
def test_what_was_made_moves_what_makes_it(rule: Bent, seed: int) -> None:
    """From any number the way back leads to one of which the other is made, and a gap leads nowhere."""
    rng = np.random.default_rng(seed)
    real, drawn = (np.round(rng.uniform(-400, 400, 50), 2) for _ in range(2))
    wanted = rule.made(pd.DataFrame({"x": real}))
    frame = pd.DataFrame({"x": drawn, "y": wanted})
    frame.loc[3, "x"], frame.loc[4, "y"] = np.nan, np.nan
    moved = rule.moved("x", frame)
    assert not broken(rule, frame.assign(x=moved)).any()
    assert np.isnan(moved[3])
    assert moved[4] == drawn[4]


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(rule=lines(), seed=st.integers(0, 2**32 - 1))
def test_what_is_found_says_what_was_planted(rule: Bent, seed: int) -> None:
    """By any rule that is found as many numbers are made right as rows say: all of the table, and nearly all others."""
    rng = np.random.default_rng(seed)
    x, other = (np.round(rng.uniform(-400, 400, 600), 2) for _ in range(2))
    frame = pd.DataFrame({"x": x, "y": rule.made(pd.DataFrame({"x": x}))})
    steps = {"x": 0.01, "y": 1.0}
    for found in (each for each in bent(frame, ["x", "y"], steps) if each.of == "y"):
        fresh = pd.DataFrame({"x": other})
        assert not broken(found, frame).any()
        assert (found.made(fresh) == rule.made(fresh)).mean() > 0.97


@pytest.mark.parametrize("down", [False, True])
def test_brackets_are_those_of_the_rule(down: bool) -> None:
    rule = Bent("x", "y", (40.0, 76.0), ((0.0, 0.0), (1.5, -60.0), (4.0, -250.0)), down, 0.1, 0.01)
    x = np.round(np.random.default_rng(0).uniform(0, 150, 900), 2)
    frame = pd.DataFrame({"x": x}).assign(y=rule.made(pd.DataFrame({"x": x})))
    assert bent(frame, ["x", "y"], {"x": 0.01, "y": 0.1})[0] == rule


def test_one_row_that_says_otherwise_and_luck_are_none() -> None:
    rng = np.random.default_rng(0)
    frame = paid()
    frame.loc[frame["hours"].idxmax(), "overtime"] += 1
    mostly_zero = np.where(rng.random(N) < 0.02, rng.integers(1, 900, N), 0)
    frame = frame.assign(
        gain=mostly_zero, coin=rng.integers(0, 2, N), near=(frame["noise"] + rng.normal(size=N) / 20).round(2)
    )
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Bent)}
    assert found == {"tax", "discount", "late"}


def test_a_rule_that_is_none_is_refused() -> None:
    line = (1.0, 0.0)
    for ends, told in (
        ((), (line,)),
        ((1.0,), (line,)),
        ((2.0, 1.0), (line,) * 3),
        ((1.0,), (line, (np.inf, 0.0))),
    ):
        with pytest.raises(ValueError, match="a rule"):
            Bent("x", "y", ends, told, False, 1.0, 1.0)


def test_models_keep_them() -> None:
    rows = tabstep.fit(paid(400), method="mixture", progress="none").sample(200, seed=1)
    assert (rows["overtime"] == (rows["hours"] - 40).clip(0)).all()
    assert (np.abs(rows["net"] - rows["income"] + rows["tax"]) < 0.0051).all()
    assert ((rows["post"] == 0) == (rows["goods"] >= 50)).mean() > 0.98
