"""Products of powers: found where planted, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, share_kept
from tabstep.data.powers import Powers, value
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "amount = quantity x price x (1 - discount)",
    "volume = length x width x height / 1000",
    "due = net x (1 + vat / 100)",
    "lift = weight / length / width^2",
}


def sold(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    quantity, price = (
        rng.integers(1, 40, n) * rng.choice([1, -1], n, p=[0.9, 0.1]),
        rng.lognormal(2, 0.8, n).round(2),
    )
    discount = rng.choice([0, 0.05, 0.1, 0.15, 0.25], n, p=[0.6, 0.1, 0.1, 0.1, 0.1])
    length, width, height = (rng.uniform(5, 80, n).round(1) for _ in range(3))
    net, vat, weight = (
        rng.lognormal(5, 1, n).round(2),
        rng.uniform(3, 25, n).round(1),
        rng.uniform(1, 9, n).round(3),
    )
    return pd.DataFrame(
        {
            "quantity": quantity,
            "price": price,
            "discount": discount,
            "amount": (quantity * price * (1 - discount)).round(2),
            "length": length,
            "width": width,
            "height": height,
            "volume": (length * width * height / 1000).round(3),
            "net": net,
            "vat": vat,
            "due": (net * (1 + vat / 100)).round(2),
            "weight": weight,
            "lift": (weight / length / width**2).round(8),
            "shop": rng.choice(["a", "b"], n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(sold())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Powers)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "quantity", "discount", "net", "shop"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    kept_when_torn(frame, rules, seed, fixed, ("shop",))


@settings(max_examples=60, deadline=None)
@given(
    powers=st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0]), min_size=1, max_size=4),
    left=st.sampled_from([(0.0, 1.0), (1.0, -0.01), (1.0, 0.01)]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_part_can_follow(powers: list[float], left: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"x{k}" for k in range(len(powers))]
    pairs = [left, *[(0.0, 1.0)] * 3]
    terms = tuple((name, *pair, power) for name, pair, power in zip(names, pairs, powers, strict=False))
    rule = Powers(terms, "y", 2.5, False, 0.0, (0.0,) * len(terms), ("y", *names))
    real, drawn = (pd.DataFrame(rng.uniform(1, 90, (20, len(names))), columns=names) for _ in range(2))
    made = rule.made(real)
    direct = 2.5 * np.prod([(a + b * real[name]) ** p for name, a, b, p in terms], axis=0)
    np.testing.assert_allclose(made, direct)
    for name in names:
        frame = real.assign(y=made, **{name: drawn[name]})
        np.testing.assert_allclose(rule.moved(name, frame), real[name], rtol=1e-6)


def test_a_product_of_two_is_no_such_rule_and_what_is_left_of_one_is() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.uniform(1, 9, N).round(2), "b": rng.uniform(1, 9, N).round(2)})
    frame["c"], frame["share"] = (frame["a"] * frame["b"]).round(4), rng.uniform(0, 0.6, N).round(3)
    frame["kept"] = (frame["a"] * (1 - frame["share"])).round(6)
    said = [str(rule) for rule in find(common(frame)) if isinstance(rule, Powers)]
    assert said == ["kept = a x (1 - share)"]


def test_one_row_that_says_otherwise_luck_and_gaps_are_none() -> None:
    frame = sold()
    frame.loc[7, "amount"] += 500
    rng = np.random.default_rng(1)
    frame["volume"] = (frame["volume"] * np.exp(rng.normal(0, 0.01, N))).round(3)
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Powers)}
    assert found == {"due", "lift"}
    rule = Powers((("a", 0.0, 1.0, -1.0),), "b", 1.0, False, 1.0, (1.0,), ("b", "a"))
    assert not broken(rule, pd.DataFrame({"a": [0.0, np.nan, 1], "b": [5.0, 5, np.nan]})).any()
    assert np.isinf(value(rule.terms[0], np.array([0.0]))).all()


def test_a_rule_that_is_none_is_refused() -> None:
    for terms in ((), (("a", 0.0, 0.0, 1.0),), (("a", 0.0, 1.0, 0.0),), (("a", np.nan, 1.0, 1.0),)):
        with pytest.raises(ValueError, match="a rule with terms"):
            Powers(terms, "b", 1.0, False, 1.0, (1.0,), ("b", "a"))


def test_models_keep_them() -> None:
    rows = tabstep.fit(sold(400), method="mixture", progress="none").sample(200, seed=1)
    amount = rows["quantity"] * rows["price"] * (1 - rows["discount"])
    assert (np.abs(rows["amount"] - amount) < 0.0051).all()
    volume = rows["length"] * rows["width"] * rows["height"] / 1000
    assert (np.abs(rows["volume"] - volume) < 0.00051).all()


def invoices(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    quantity, price = rng.integers(1, 20, n), rng.lognormal(2.5, 0.8, n).round(2)
    discount, rate = rng.choice([0, 5, 10, 15, 20], n), rng.choice([0, 7, 19], n)
    net = (quantity * price * (1 - discount / 100)).round(2)
    vat = (net * 0.19).round(2)
    return pd.DataFrame(
        {
            "quantity": quantity,
            "price": price,
            "discount": discount,
            "net": net,
            "vat": vat,
            "gross": (net + vat).round(2),
            "rate": rate,
            "due": (quantity * price * (1 - discount / 100) * (1 + rate / 100)).round(2),
        }
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("columns", [("vat", "gross"), ("gross", "vat"), ("gross",), ("vat",)])
def test_a_total_beside_a_product_does_not_hide_it(seed: int, columns: tuple[str, ...]) -> None:
    """The gross amount is 1.19 times the net one, up to rounding: a quantity of it would be right to a whole only."""
    frame = common(invoices(seed=seed)[["quantity", "price", "discount", "net", *columns]])
    rules = find(frame)
    assert [str(rule) for rule in rules if isinstance(rule, Powers)] == [
        "net = quantity x price x (1 - discount / 100)"
    ]
    kept_when_torn(frame, rules, seed, "", ())


@pytest.mark.parametrize("parts", [["quantity", "price"], ["price"]])
def test_one_share_may_be_taken_away_and_another_added(parts: list[str]) -> None:
    frame = invoices()
    frame["due"] = (
        frame[parts].prod(axis=1) * (1 - frame["discount"] / 100) * (1 + frame["rate"] / 100)
    ).round(2)
    (rule,) = find(common(frame[[*parts, "discount", "rate", "due"]]))
    assert str(rule) == f"due = {' x '.join(parts)} x (1 - discount / 100) x (1 + rate / 100)"
