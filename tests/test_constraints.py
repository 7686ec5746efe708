"""Rules between columns: those that were planted are found, those that any columns show are not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data import comparable, inference
from tabstep.data.barred import Barred
from tabstep.data.constraint_search import LEAST, find
from tabstep.data.constraints import (
    Codes,
    Constraint,
    Gaps,
    Order,
    Same,
    Sum,
    Unlike,
    broken,
    from_json,
    share_kept,
    to_json,
)
from tabstep.data.wishes import Python, Wishes

N = 400


def shop(n: int = N, seed: int = 0) -> pd.DataFrame:
    """A table of orders, as a user has it: dates, cents, a sum, codes, a copy."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    net = np.round(rng.gamma(2, 30, n), 2)
    tax = np.round(net * rng.choice([0.07, 0.19], n), 2)
    city = rng.choice(["Rome", "Oslo", "Lima", "Bern"], n)
    return pd.DataFrame(
        {
            "ordered": start,
            "sent": start + pd.to_timedelta(rng.integers(0, 40, n), unit="D"),
            "net": net,
            "tax": tax,
            "gross": np.round(net + tax, 2),
            "city": city,
            "code": pd.Series(city).map({"Rome": "R", "Oslo": "O", "Lima": "L", "Bern": "B"}),
            "country": pd.Series(city).map({"Rome": "IT", "Oslo": "NO", "Lima": "PE", "Bern": "IT"}),
            "people": pd.Series(city).map({"Rome": 2.8, "Oslo": 0.7, "Lima": 10.0, "Bern": 0.1}),
            "net_again": net,
            "noise": rng.normal(size=n),
        }
    )


def through_json(rules: Iterable[Constraint]) -> list[Constraint]:
    """The rules as they are read after they were written."""
    return [from_json(json.loads(json.dumps(to_json(rule)))) for rule in rules]


def common(frame: pd.DataFrame) -> pd.DataFrame:
    columns, faults = inference.infer(frame, Wishes(), Python())
    assert not faults
    return comparable.frame(columns, pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns}))


def test_planted_rules_are_found_and_none_beside_them() -> None:
    found = find(common(shop()))
    assert {str(rule) for rule in found} == {
        "sent is between 0 days and 39 days after ordered",
        "net + tax = gross",
        "net = net_again",
        "city and code are codes of one another",
        "city and people are codes of one another",
        "city determines country",
    }


def test_a_broken_row_is_counted_and_makes_a_rule_none() -> None:
    frame = common(shop())
    rules = {str(rule): rule for rule in find(frame)}
    worse = frame.copy()
    worse.loc[:9, "gross"] += 0.01
    worse.loc[:3, "sent"] = worse.loc[:3, "ordered"] - pd.Timedelta(1, "D")
    worse.loc[:1, "code"] = "R"
    assert share_kept(rules["net + tax = gross"], worse) == pytest.approx(1 - 10 / N)
    assert share_kept(rules["sent is between 0 days and 39 days after ordered"], worse) == pytest.approx(
        1 - 4 / N
    )
    codes = rules["city and code are codes of one another"]
    assert broken(codes, worse).sum() == (worse.loc[:1, "city"] != "Rome").sum()
    left = {str(rule) for rule in find(worse)}
    assert not left & {"net + tax = gross", "sent is between 0 days and 39 days after ordered", str(codes)}
    assert "net = net_again" in left


def test_what_follows_from_ranges_or_zeros_or_few_rows_is_no_rule() -> None:
    rng = np.random.default_rng(0)
    apart = pd.DataFrame({"age": rng.integers(18, 90, N) * 1.0, "pay": rng.uniform(1e3, 1e5, N)})
    assert find(apart) == ()
    zero = pd.DataFrame({name: np.zeros(N) for name in "abc"})
    zero.loc[0, "a"] = zero.loc[0, "c"] = 1.0
    assert find(zero) == ()
    assert find(common(shop(LEAST - 1))) == ()
    names = pd.DataFrame({"id": [f"k{i}" for i in range(N)], "city": rng.choice(["a", "b"], N)})
    assert find(names) == ()  # every id is seen once, so it would determine anything


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_independent_columns_have_no_rules(seed: int, places: int) -> None:
    rng = np.random.default_rng(seed)
    kinds: list[Any] = [
        np.round(rng.normal(size=N), places),
        np.round(rng.gamma(1, size=N), places),
        rng.poisson(1, N) * 1.0,
        np.where(rng.random(N) < 0.9, 0, np.round(rng.random(N), places)),
    ]
    frame = pd.DataFrame({f"x{i}": values for i, values in enumerate(kinds)})
    frame["a"], frame["b"] = (rng.choice(list("uvwxyz"), N).astype(object) for _ in range(2))
    assert find(frame) == ()


@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.floats(1e-3, 1e6))
@settings(max_examples=30, deadline=None)
def test_sums_of_decimals_are_exact_whatever_floats_round(seed: int, places: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = (np.round(rng.uniform(-scale, scale, N), places) + 10.0**-places * k for k in (1, 2))
    a, b = np.round(a, places), np.round(b, places)
    frame = pd.DataFrame({"a": a, "b": b, "c": np.round(a + b, places)})
    rule = Sum("a", "b", "c", (10.0**-places,) * 3)
    assert share_kept(rule, frame) == 1
    frame["c"] = np.round(frame["c"] + 10.0**-places, places)  # by one unit of the last decimal
    assert share_kept(rule, frame) == 0


def test_gaps_break_no_order_and_are_labels_of_codes() -> None:
    frame = shop()
    frame.loc[:50, "gross"] = np.nan
    frame.loc[frame["city"] == "Lima", "code"] = None
    found = {str(rule) for rule in find(common(frame))}
    assert {"net + tax = gross", "city and code are codes of one another"} <= found


@pytest.mark.whole
def test_columns_that_are_never_there_together_make_no_rule() -> None:
    """What was and what is forecast: of every sum and product of the two there is no row that could break it."""
    rng = np.random.default_rng(0)
    past = np.arange(N) < N - 60
    size = rng.uniform(1e12, 2e13, (N, 6))
    frame = pd.DataFrame(size, columns=["was", "trend", "will", "low", "high", "far"])
    frame.loc[~past, ["was", "far"]] = np.nan
    frame.loc[past, ["will", "low", "high"]] = np.nan
    gaps = {rule for rule in find(common(frame)) if isinstance(rule, Barred)}
    assert "where was is missing, will is not missing; where was is not missing, will is missing" in map(
        str, gaps
    )
    assert set(find(common(frame))) == gaps
    frame["high"] = frame["low"] + frame["trend"]
    found = find(common(frame))
    assert {str(rule) for rule in found if not isinstance(rule, Barred)} == {"trend + low = high"}


def test_times_and_lengths_add_up_and_units_do_not_matter() -> None:
    frame = shop()
    frame["took"] = frame["sent"] - frame["ordered"] + pd.Timedelta(90, "s")
    frame["sent"] = (frame["ordered"] + frame["took"]).astype("datetime64[us]")
    frame["ordered"] = frame["ordered"].dt.strftime("%d.%m.%Y")
    found = {str(rule) for rule in find(common(frame))}
    assert "ordered + took = sent" in found
    assert not {"ordered <= sent", "ordered < sent"} & found  # follows from the sum


def test_orders_that_others_imply_are_left_out() -> None:
    rng = np.random.default_rng(1)
    low, mid, high = np.sort(rng.normal(size=(N, 3)), axis=1).T
    found = find(pd.DataFrame({"low": low, "mid": mid, "high": high}))
    assert [str(rule) for rule in found] == ["low < mid", "mid < high"]


@pytest.mark.parametrize(
    "rule",
    [
        Order("a", "b", True, (1.0, 0.0)),
        Sum("a", "b", "c", (0.1, 0.1, 0.0)),
        Same("a", "b"),
        Codes("a", "b", (("x", 1.0), (None, None)), False),
        Gaps("a", "b", ("x", None)),
        Sum("a", "b", "c", (0.1, 0.1, 0.0), ("a",)),
        Unlike("a", "b", (("x", 0.75), ("y", 0.25))),
    ],
)
def test_rules_through_json(rule: Any) -> None:
    assert from_json(json.loads(json.dumps(to_json(rule)))) == rule
    with pytest.raises(ValueError, match="no rule"):
        from_json({"kind": type(rule).__name__, "a": 1})


def test_a_label_that_says_where_numbers_are_missing_is_a_rule() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"status": rng.choice(["sent", "back", "open", "void", None], N), "x": rng.normal(size=N)}
    )
    frame["sent"] = frame["x"].where(frame["status"].isin(["sent", "back"])) + 1
    (rule,) = (rule for rule in find(frame) if isinstance(rule, Gaps))
    assert (rule.on, rule.of) == ("status", "sent")
    assert set(rule.labels) == {"open", "void", None}
    assert not broken(rule, frame).any()
    frame.loc[[0, 1], "sent"] = [np.nan, 1.0] if frame["sent"].notna()[0] else [1.0, 1.0]
    assert broken(rule, frame)[0]
    # one row that does otherwise, and there is no rule; nor where luck alone may have made it
    assert not [rule for rule in find(frame) if isinstance(rule, Gaps)]
    few = pd.DataFrame({"name": [str(i) for i in range(N)], "x": rng.normal(size=N)})
    few.loc[::3, "x"] = np.nan
    assert not find(few)
