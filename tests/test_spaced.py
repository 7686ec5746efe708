"""Ends of how far two columns are apart: edges are found and kept, tails are none."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tabstep.data.spaced import DAY, Spaced
from tests.test_constraints import common
from tests.test_keeping import torn

N = 3000


def staff(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Who is hired is 18 to 60; what is lent comes back within 30 days; a price has a mark-up of 5 or more."""
    rng = np.random.default_rng(seed)
    hired = pd.Timestamp("2000-01-01") + pd.to_timedelta(rng.integers(0, 8000, n), unit="D")
    lent = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 600 * 86400, n), unit="s")
    cost = rng.lognormal(3, 1, n).round(2)
    return pd.DataFrame(
        {
            "birth": hired - pd.to_timedelta(rng.integers(6575, 21915, n), unit="D"),
            "hired": hired,
            "left": hired + pd.to_timedelta(rng.exponential(900, n).round() + 1, unit="D"),
            "lent": lent,
            "back": lent + pd.to_timedelta(rng.integers(60, 30 * 86400, n), unit="s"),
            "cost": cost,
            "price": (cost + 5 + rng.exponential(10, n)).round(2),
            "night": (night := rng.normal(10, 8, n).round(1)),
            "noon": (night + rng.uniform(2, 12, n)).round(1),
        }
    )


SAID = {
    "hired < left",
    "hired is between 6574 days (18.0 years) and 21915 days (60.0 years) after birth",
    "back is between 1 second and 30 days after lent",
    "price is at least 5 more than cost",
    "noon is between 0.1 and 12 more than night",
}


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(staff())
    return frame, find(frame)


def test_edges_are_found_and_tails_are_not(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    """Exponential times to leave have no most, and are kept with the distance that ends where they begin."""
    frame, rules = learned
    assert {str(rule) for rule in rules} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    fresh = common(staff(20_000, seed=7))
    assert min(share_kept(rule, fresh) for rule in rules) > 0.9999


LAWS = {
    "exponential": lambda rng, n: rng.exponential(20, n),
    "lognormal": lambda rng, n: rng.lognormal(3, 0.7, n),
    "gamma": lambda rng, n: rng.gamma(3, 10, n),
    "normal": lambda rng, n: np.abs(rng.normal(100, 15, n)),
    "poisson": lambda rng, n: rng.poisson(12, n),
    "weibull": lambda rng, n: 30 * rng.weibull(1.5, n),
}


@pytest.mark.whole
@pytest.mark.parametrize("law", LAWS)
def test_tails_are_no_edges(law: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        n = int(rng.choice([300, 1000, 5000, 20_000]))
        day = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D")
        cost, count = rng.lognormal(4, 1, n).round(2), rng.integers(0, 500, n)
        days, money, number = (LAWS[law](rng, n) for _ in range(3))
        frame = pd.DataFrame(
            {
                "day": day,
                "later": day + pd.to_timedelta(np.round(days), unit="D"),
                "cost": cost,
                "price": (cost + money).round(2),
                "count": count,
                "more": count + np.round(number).astype(int),
            }
        )
        assert not [str(rule) for rule in find(common(frame)) if isinstance(rule, Spaced)], seed


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int
) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    assert max(share_kept(rule, before) for rule in rules) < 0.95
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules)
    pd.testing.assert_frame_equal(keep(rules, after), after)
    for name in frame.columns:
        assert after[name].between(frame[name].min(), frame[name].max()).all()
    for name in ("cost", "price", "night"):
        assert (after[name] == after[name].round(2)).all()
    assert (after["birth"] == after["birth"].dt.normalize()).all()
    wrong = np.any([broken(rule, before) for rule in rules if "cost" in rule.columns], axis=0)
    pd.testing.assert_frame_equal(after[["cost", "price"]][~wrong], before[["cost", "price"]][~wrong])


def test_distances_turn_at_their_ends() -> None:
    rule = Spaced("a", "b", 5.0, 20.0, ((0.0, 100.0), (5.0, 120.0)), (1.0, 1.0), "f")
    before = pd.DataFrame({"a": [50.0, 50.0, 50.0, 50.0, np.nan], "b": [53.0, 73.0, 10.0, 60.0, 7.0]})
    assert broken(rule, before).tolist() == [True, True, True, False, False]
    assert keep([rule], before)["b"].tolist() == [57.0, 67.0, 70.0, 60.0, 7.0]
    assert keep([rule], before, ("b",))["a"].iloc[:4].tolist() == [46.0, 56.0, 0.0, 50.0]
    pd.testing.assert_frame_equal(keep([rule], before, ("a", "b")), before)


def test_where_one_column_has_no_room_the_other_moves_and_both_where_neither_has() -> None:
    rule = Spaced("a", "b", 40.0, None, ((30.0, 80.0), (45.0, 100.0)), (1.0, 1.0), "f")
    before = pd.DataFrame({"a": [55.0, 61.0, 60.0, 80.0], "b": [90.0, 99.0, 46.0, 46.0]})
    after = keep([rule], before)
    assert after.to_numpy().tolist() == [[55.0, 100.0], [59.0, 99.0], [60.0, 100.0], [40.0, 86.0]]


def test_a_coarse_column_moves_on_its_grid() -> None:
    """Days beside times: three hours at least, so the day after or one that is far enough before."""
    rule = Spaced("at", "day", 3 * 3600.0, 10 * DAY, ((0.0, 1e9), (0.0, 1e9)), (1.0, DAY), "M")
    at = pd.to_datetime(["2000-01-01 22:30:00", "2000-01-01 10:00:00", "1999-12-15 01:00:00"])
    before = pd.DataFrame({"at": at, "day": pd.to_datetime(["2000-01-02"] * 3)})
    after = keep([rule], before, ("at",))
    assert after["day"].tolist() == [*pd.to_datetime(["2000-01-03", "2000-01-02", "1999-12-17"])]
    after = keep([rule], before, ("day",))
    assert share_kept(rule, after) == 1
    assert (after["day"] == before["day"]).all()


def test_continuous_numbers_and_lengths_of_time() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    took = pd.to_timedelta(rng.integers(0, 500, N), unit="s")
    frame = common(
        pd.DataFrame(
            {
                "x": x,
                "y": x + rng.uniform(0.5, 3, N),
                "took": took,
                "total": took + pd.to_timedelta(rng.integers(90, 7200, N), unit="s"),
            }
        )
    )
    rules = find(frame)
    assert {str(rule) for rule in rules} == {
        "y is between 0.5 and 3 more than x",
        "total is between 90 seconds and 2 hours longer than took",
    }
    after = keep(rules, torn(frame, 1))
    assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules)


def test_what_another_rule_makes_has_no_ends_of_its_own() -> None:
    """The tax is at least 5, so the gross is 5 more: that follows from the sum."""
    rng = np.random.default_rng(0)
    net, tax = rng.integers(100, 900, N), rng.integers(5, 60, N)
    rules = find(common(pd.DataFrame({"net": net, "tax": tax, "gross": net + tax})))
    assert [str(rule) for rule in rules] == ["net + tax = gross"]


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule), allow_nan=False))) == rule


@pytest.mark.whole
def test_models_keep_them() -> None:
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    model = tabstep.fit(staff(1500), None, method=method, progress="none")
    rows = model.sample(600, steps=5)
    assert (rows["hired"] - rows["birth"] >= pd.Timedelta(6574, "D")).all()
    assert ((rows["price"] - rows["cost"]).round(2) >= 5).all()
    young = model.sample(60, steps=5, where={"birth": ("1995-01-01", None)})
    assert (young["hired"] >= pd.Timestamp("2012-12-30")).all()


def test_a_rule_of_another_kind_of_column_is_refused(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]],
) -> None:
    with pytest.raises(ValueError, match="a rule with dtype 'O', expected one of f, M, m"):
        from_json({**to_json(learned[1][0]), "kind": "Spaced", "dtype": "O"})


@pytest.fixture(scope="module")
def model() -> Any:
    return tabstep.fit(staff(), method="marginals", progress="none")


@pytest.mark.parametrize(
    "where",
    [
        {"birth": "1990-01-01", "hired": "2005-01-01"},
        {"birth": ("1990-01-01", None), "hired": (None, "2005-01-01")},
        {"birth": (None, "1945-01-01"), "hired": ("2006-01-01", None)},
        {"cost": (20, None), "price": (None, 24)},
    ],
)
def test_what_is_too_near_or_too_far_is_refused(model: Any, where: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError,
        match=r"go against what holds in every row of the table: (hired is between|price is at least)",
    ):
        model.sample(3, where=where)


@pytest.mark.parametrize(
    "where",
    [
        {"birth": (None, "1990-01-01"), "hired": (None, "2005-01-01")},
        {"birth": ("1970-01-01", None), "hired": ("2006-01-01", None)},
        {"cost": (20, None), "price": (None, 25)},
    ],
)
def test_what_may_be_is_not(model: Any, where: dict[str, Any]) -> None:
    assert model._delivery(3, 0, where, None, {}).request
