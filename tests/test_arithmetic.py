"""Columns that arithmetic makes of others: found where planted, kept whatever was drawn, followed where fixed."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tabstep.data.arithmetic import Made, Product, Rated, Scaled, Total
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Sum, broken, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tabstep.data.powers import Powers
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn, torn

N = 800
Learned = tuple[pd.DataFrame, tuple[Any, ...]]


def office(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    qty, price = rng.integers(1, 9, n), np.round(rng.lognormal(3, 1, n), 2)
    height, weight = np.round(rng.normal(1.7, 0.1, n), 2), np.round(rng.normal(75, 12, n), 1)
    size = rng.integers(1000, 9_000_000, n)
    at = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, n), unit="s"))
    celsius, x = np.round(rng.normal(15, 8, n), 1), rng.normal(size=n)
    watt, hours, net = rng.integers(100, 2000, n), np.round(rng.uniform(0, 9, n), 1), rng.lognormal(4, 1, n)
    net = np.round(net, 2)
    return pd.DataFrame(
        {
            "qty": qty,
            "price": price,
            "total": np.round(qty * price, 2),
            "cents": np.round(price * 100).astype(int),
            "bytes": size,
            "kb": np.round(size / 1024, 1),
            "mb": size // 2**20,
            "celsius": celsius,
            "fahrenheit": np.round(celsius * 1.8 + 32, 1),
            "height": height,
            "weight": weight,
            "bmi": np.round(weight / height**2, 1),
            "at": at,
            "epoch": (at - pd.Timestamp(0)) // pd.Timedelta("1s"),
            "watt": watt,
            "hours": hours,
            "kwh": np.round(watt * hours / 1000, 2),
            "net": net,
            "vat": np.round(0.19 * net, 2),
            "gross": np.round(net + np.round(0.19 * net, 2), 2),
            "x": x,
            "z": (x - 0.5) / 0.25,
            "noise": rng.normal(size=n),
        }
    )


MADE = {
    "epoch = at",
    "kb = bytes / 1024",
    "mb = bytes / 1048576, rounded down",
    "z = 4 x x - 2",
    "vat = 0.19 x net",
    "cents = 100 x price",
    "fahrenheit = 1.8 x celsius + 32",
    "total = qty x price",
    "bmi = weight / height^2",
    "kwh = watt x hours / 1000",
}


@pytest.fixture(scope="module")
def learned() -> Learned:
    frame = common(office())
    return frame, find(frame)


def made(rules: tuple[Any, ...]) -> set[str]:
    return {str(rule) for rule in rules if isinstance(rule, Scaled | Product)}


def test_what_arithmetic_makes_is_found_and_no_more(learned: Learned) -> None:
    frame, rules = learned
    assert made(rules) == MADE
    assert "net + vat = gross" in {str(rule) for rule in rules}
    assert not any(broken(rule, frame).any() for rule in rules)
    assert not made(find(torn(frame, 1)))


def test_rules_through_json_and_odd_ones_are_refused(learned: Learned) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule)))) == rule
    scaled, product = (
        next(to_json(r) for r in learned[1] if isinstance(r, kind)) for kind in (Scaled, Product)
    )
    for odd in (0.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a rule with factor"):
            from_json(scaled | {"factor": odd})
    with pytest.raises(ValueError, match="a rule with powers"):
        from_json(product | {"powers": [3, 1]})


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_rows_keep_what_is_made_whatever_was_drawn(learned: Learned, seed: int) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    after = keep(rules, before)
    assert {str(rule): share_kept(rule, after) for rule in rules} == {str(rule): 1.0 for rule in rules}
    near = ~beyond(rules, before)
    for name in ("qty", "price", "bytes", "celsius", "height", "weight", "at", "watt", "hours", "x", "noise"):
        assert after[name][near].equals(before[name][near]), name
    assert keep(rules, after) is after


def beyond(rules: tuple[Any, ...], frame: pd.DataFrame) -> np.ndarray:
    """Rows (n,) of which something that arithmetic makes would lie outside what was seen of it."""
    found = [rule.beyond(rule.of, rule.made(frame)) for rule in rules if isinstance(rule, Made)]
    return np.any(found, axis=0)


def test_what_is_made_stays_within_what_was_seen_where_a_part_has_room() -> None:
    """Shares of a whole are no more than one, an age that a career makes is one of the table's."""
    rng = np.random.default_rng(0)
    whole = rng.integers(10, 90, N)
    good = rng.binomial(whole, rng.uniform(0.2, 0.9, N))
    school, work = rng.integers(8, 19, N), rng.integers(0, 26, N)
    table = pd.DataFrame({"whole": whole, "good": good, "share": good / whole})
    table = table.assign(school=school, work=work, x=rng.normal(size=N), age=6 + school + work)
    table = table[(table["age"] >= 24) & (table["age"] <= 34)].reset_index(drop=True)
    frame = common(table)
    rules = find(frame)
    assert {"share = good / whole", "age = 6 + school + work"} <= {str(rule) for rule in rules}
    before = torn(frame, 1)
    assert beyond(rules, before).mean() > 0.2
    after = keep(rules, before)
    assert {share_kept(rule, after) for rule in rules} == {1.0}
    for name in frame.columns:
        assert after[name].between(frame[name].min(), frame[name].max()).mean() > 0.99, name
    for fixed in (("good", "whole"), ("school", "work")):
        assert keep(rules, before, fixed)[list(fixed)].equals(before[list(fixed)])


@pytest.mark.parametrize("fixed", ["kb", "mb", "fahrenheit", "cents", "vat", "epoch", "z", "total", "bmi"])
def test_what_is_fixed_stays_and_what_makes_it_follows(learned: Learned, fixed: str) -> None:
    frame, rules = learned
    before = torn(frame, 3)
    after = keep(rules, before, (fixed,))
    pd.testing.assert_series_equal(after[fixed], before[fixed])
    found = {str(rule): share_kept(rule, after) for rule in rules}
    # No price of whole cents makes every total of several pieces, no weight of 100 g every bmi.
    rounded = {"total": "total = qty x price", "bmi": "bmi = weight / height^2"}.get(fixed, "")
    least = 0.2 if rounded == "total = qty x price" else 0.9
    assert found.pop(rounded, 1.0) > least
    assert set(found.values()) == {1.0}, found


def ledger(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    money = {name: np.round(rng.lognormal(4, 1, n), 2) for name in ("base", "bonus", "over", "tax", "fee")}
    quarters = {f"q{k}": rng.integers(0, 40, n) for k in range(1, 5)}
    frame = pd.DataFrame(money | quarters).assign(noise=rng.normal(size=n), other=rng.integers(0, 90, n))
    return frame.assign(
        year=frame[[*quarters]].sum(axis=1),
        gross=(frame["base"] + frame["bonus"] + frame["over"]).round(2),
        net=(frame["base"] + frame["bonus"] + frame["over"] - frame["tax"] - frame["fee"]).round(2),
    )


TOTALS = {
    "year = q1 + q2 + q3 + q4",
    "gross = base + bonus + over",
    "net = base + bonus + over - tax - fee",
}


@pytest.mark.whole
def test_totals_of_three_and_more_are_found_kept_and_followed() -> None:
    frame = common(ledger())
    rules = find(frame)
    assert {str(rule) for rule in rules if isinstance(rule, Total)} == TOTALS
    assert from_json(json.loads(json.dumps(to_json(rules[-1])))) == rules[-1]
    before = torn(frame, 1)
    after = keep(rules, before)
    assert {share_kept(rule, after) for rule in rules} == {1.0}
    assert after[["base", "q1", "noise"]].equals(before[["base", "q1", "noise"]])
    around = keep(rules, before, ("year", "net"))
    assert {share_kept(rule, around) for rule in rules} == {1.0}
    assert around[["year", "net"]].equals(before[["year", "net"]])
    assert not any(isinstance(rule, Total) for rule in find(before))
    gaps = common(ledger().assign(fee=lambda f: f["fee"].where(f["other"] > 9)))
    assert {str(rule) for rule in find(gaps) if isinstance(rule, Total)} == TOTALS
    with pytest.raises(ValueError, match="a rule with signs"):
        Total(("a", "b", "c"), (1, 2, 1), 0.0, "d", 1.0, (1.0, 1.0, 1.0), ("d", "a", "b", "c"))


def invoices(n: int = 1200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "country": rng.choice(["DE", "AT", "US"], n),
            "listed": np.round(rng.lognormal(4, 1, n), 2),
            "off": rng.choice([0, 5, 10, 20], n),
            "rate": rng.choice([0.07, 0.19], n),
            "price": np.round(rng.lognormal(3, 1, n), 2),
            "spend": rng.integers(0, 60, n),
            "save": rng.integers(0, 40, n),
            "noise": rng.normal(size=n),
            "count": rng.poisson(3, n),
            "side": rng.choice(list("abcdefgh"), n),
        }
    )
    net = np.round(frame["listed"] * (1 - frame["off"] / 100), 2)
    return frame.assign(
        net=net,
        vat=np.round(net * frame["country"].map({"DE": 0.19, "AT": 0.2, "US": 0.0}), 2),
        tax=np.round(frame["price"] * frame["rate"], 2),
        other=100 - frame["spend"] - frame["save"],
    )


RATES = {
    "vat = net times a factor by country",
    "tax = price times a factor by rate",
}


@pytest.mark.whole
def test_rates_by_label_and_shares_of_a_whole_are_found_and_kept() -> None:
    frame = common(invoices())
    rules = find(frame)
    assert {str(rule).partition(" (")[0] for rule in rules if isinstance(rule, Rated)} == RATES
    assert {str(rule) for rule in rules if isinstance(rule, Total)} == {"other = 100 - spend - save"}
    assert {str(rule) for rule in rules if isinstance(rule, Powers)} == {"net = listed x (1 - off / 100)"}
    assert any("AT: 0.2" in str(rule) and "US: 0" in str(rule) for rule in rules)
    assert through_json(rules) == [*rules]
    before = torn(frame, 1)
    after = keep(rules, before)
    assert {share_kept(rule, after) for rule in rules} == {1.0}
    near = ~beyond(rules, before)
    for name in ("country", "listed", "off", "rate", "price", "spend", "save"):
        assert after[name][near].equals(before[name][near])
    around = keep(rules, before, ("net", "tax", "other"))
    assert min(share_kept(rule, around) for rule in rules) > 0.99
    assert not any(isinstance(rule, Rated | Total) for rule in find(before))


def test_a_column_for_each_rate_has_its_tax_and_tells_no_rate() -> None:
    """Of 7 % and 19 % the one or the other: which is more says the rate too, and would leave the amounts untold."""
    rng = np.random.default_rng(0)
    net, rate = np.round(rng.lognormal(4, 1, N), 2), rng.choice([0, 7, 19], N, p=[0.1, 0.4, 0.5])
    tax = np.round(net * rate / 100, 2)
    bill = pd.DataFrame(
        {"net": net, "rate": rate} | {f"at {k}": np.where(rate == k, tax, 0.0) for k in (7, 19)}
    )
    frame = common(bill.assign(gross=np.round(net + tax, 2)))
    rules = find(frame)
    assert {str(rule).partition(" (")[0] for rule in rules if isinstance(rule, Rated)} == {
        "at 7 = net times a factor by rate",
        "at 19 = net times a factor by rate",
    }
    after = keep(rules, torn(frame, 1))
    assert {share_kept(rule, after) for rule in rules} == {1.0}
    for k in (7, 19):
        owed = np.where(after["rate"] == k, after["net"] * k / 100, 0)
        assert (np.abs(after[f"at {k}"] - owed) < 0.0051).all()
    two = find(frame[frame["rate"] > 0].reset_index(drop=True))  # whether there is one says the rate
    assert sum(isinstance(rule, Rated) for rule in two) == 2


def test_a_rate_of_one_row_a_label_is_no_discovery() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"x": rng.integers(1, 30, 60), "y": rng.integers(0, 12, 60), "on": [f"l{k % 30}" for k in range(60)]}
    )
    assert not any(
        isinstance(rule, Rated) for rule in find(frame.astype({"x": float, "y": float, "on": object}))
    )


def test_numbers_that_a_label_fixes_are_no_multiples_by_it() -> None:
    """People and wages of a city are one factor apart in each, whatever they are."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, 26, N)
    frame = pd.DataFrame(
        {name: rng.uniform(1, high, 26)[k] for name, high in (("people", 1e7), ("wage", 3e4))}
    )
    frame = frame.assign(city=[f"c{i}" for i in k], x=rng.normal(size=N))
    assert not any(isinstance(rule, Rated) for rule in find(frame.astype({"city": object})))


@pytest.mark.whole
def test_gaps_break_nothing() -> None:
    table = office()
    table.loc[::7, "price"] = np.nan
    table.loc[::7, ["total", "cents"]] = np.nan
    table.loc[::5, "bytes"] = np.nan
    table.loc[::5, ["kb", "mb"]] = np.nan
    frame = common(table)
    rules = find(frame)
    assert made(rules) == MADE
    after = keep(rules, torn(frame, 2))
    assert {share_kept(rule, after) for rule in rules} == {1.0}


def test_a_ratio_of_nothing_is_none() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"sum": np.round(rng.uniform(0, 99, N), 2), "count": rng.integers(0, 9, N)})
    table["mean"] = np.round(table["sum"] / table["count"].where(table["count"] > 0), 3)
    frame = common(table)
    rules = find(frame)
    assert made(rules) == {"mean = sum / count"}
    after = keep(rules, torn(frame, 0))
    assert {share_kept(rule, after) for rule in rules} == {1.0}


@pytest.mark.parametrize("seed", range(3))
def test_columns_of_few_values_and_related_ones_are_no_products(seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = {f"s{k}": rng.poisson(0.3, N) for k in range(6)}
    zero = {f"z{k}": np.where(rng.random(N) < 0.9, 0, rng.integers(1, 4, N)) for k in range(4)}
    near = {"a": np.round(rng.normal(50, 9, N), 1)}
    near["b"] = np.round(near["a"] * 2 + rng.normal(0, 0.2, N), 1)
    assert not made(find(common(pd.DataFrame(small | zero | near))))


@pytest.mark.whole
@given(st.floats(1e-3, 1e3), st.floats(-50, 50), st.integers(0, 3), st.booleans())
@example(0.2, 0.0, 2, True)  # multiples that floats round down by a whole step
@settings(max_examples=40, deadline=None)
def test_any_line_is_found_and_holds(factor: float, offset: float, places: int, down: bool) -> None:
    x = np.random.default_rng(0).integers(0, 10**5, N) / 10
    exact = (factor * x + offset) * 10**places
    y = (np.floor(exact) if down else np.round(exact)) / 10**places
    assume((x != y).any())  # which is another rule
    frame = common(pd.DataFrame({"x": x, "y": y}))
    rules = [rule for rule in find(frame) if isinstance(rule, Scaled)]
    assert len(rules) == 1
    assert not rules[0].breaks(frame).any()
    assert rules[0].factor == pytest.approx(factor, rel=2e-2 / min(1, factor))


def test_a_sum_of_numbers_whose_squares_are_none_is_found() -> None:
    rng = np.random.default_rng(0)
    a, b = 1e160 * rng.random(50), 1e160 * rng.random(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (rule,) = (rule for rule in find(pd.DataFrame({"a": a, "b": b, "c": a + b})) if isinstance(rule, Sum))
    assert set(rule.columns) == {"a", "b", "c"}


@pytest.mark.whole
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_column_is_too_odd_to_be_looked_at(data: st.DataObject) -> None:
    n = data.draw(st.integers(10, 60))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))

    def odd() -> np.ndarray:
        scale = 10.0 ** data.draw(st.integers(-200, 200))
        values = scale * rng.choice(
            [rng.normal(size=n), rng.integers(-3, 3, n), np.full(n, 2.0), rng.poisson(0.1, n)]
        )
        values[rng.random(n) < data.draw(st.sampled_from([0.0, 0.5, 0.97, 1.0]))] = np.nan
        return np.asarray(values)

    frame = pd.DataFrame({f"x{k}": odd() for k in range(data.draw(st.integers(1, 5)))})
    frame["label"] = pd.Series(rng.choice(["a", "b", "c"], n)).astype(object)
    frame["at"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, n), unit="D")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rule in find(frame):
            assert not broken(rule, frame).any()
            assert from_json(json.loads(json.dumps(to_json(rule)))) == rule
            assert str(rule)


@pytest.mark.whole
@pytest.mark.parametrize("size", [1, 10_000])
def test_a_total_is_found_whose_parts_make_each_other(size: int) -> None:
    """A tax in cents is told by the price but for rounding, a price in another currency to the last digit."""
    rng = np.random.default_rng(0)
    price, post = np.round(size * rng.lognormal(3, 1, 900), 2), rng.choice([0, 4.9, 9.9], 900)
    tax = np.round(0.08 * price, 2)
    table = {"price": price, "post": post, "tax": tax, "total": np.round(price + post + tax, 2)}
    frame = pd.DataFrame({**table, "dollars": price * 1.0837})
    rules = find(frame)
    assert {str(rule) for rule in rules if isinstance(rule, Total | Scaled)} == {
        "tax = 0.08 x price",
        "dollars = 1.0837 x price",
        "total = price + post + tax",
    }
    before = torn(frame, 1)
    for fixed in ((), ("tax",), ("post",)):
        after = keep(rules, before, fixed)
        assert {str(rule): share_kept(rule, after) for rule in rules} == {str(rule): 1.0 for rule in rules}
    about = keep(rules, before, ("total",))
    assert about["total"].equals(before["total"])
    assert min(share_kept(rule, about) for rule in rules) > 0.9  # a total below the postage has no price


@pytest.mark.parametrize("places", [0, 1])
def test_of_a_share_and_its_parts_the_rule_is_the_one_that_tells_the_other(places: int) -> None:
    """4 of 10 are 40 %, but 37 % of 10 make 4 as well."""
    rng = np.random.default_rng(0)
    of = rng.integers(1, 60, 900)
    part = rng.binomial(of, 0.4)
    frame = pd.DataFrame({"of": 1.0 * of, "part": 1.0 * part, "share": np.round(100 * part / of, places)})
    (rule,) = (rule for rule in find(frame) if isinstance(rule, Product))
    assert str(rule) == "share = 100 x part / of"


def test_columns_of_which_no_row_has_all_are_looked_at_for_totals() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.lognormal(size=(300, 3)).round(2), columns=list("abc"))
    gaps = frame.assign(
        d=frame["a"] + 5,
        e=2 * frame["b"],
        a=frame["a"].where(frame.index < 150),
        b=frame["b"].where(frame.index >= 150),
    )
    assert not any(isinstance(rule, Total) for rule in find(gaps))


def prices(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    opened, cost = rng.lognormal(4, 0.3, n).round(2), rng.lognormal(3, 0.5, n).round(2)
    closed, price = (
        (opened * np.exp(rng.normal(0, 0.02, n))).round(2),
        (cost * rng.uniform(1.05, 2.5, n)).round(2),
    )
    kwh, tariff = rng.integers(50, 900, n), rng.choice([0.21, 0.235, 0.28, 0.31], n)
    return pd.DataFrame(
        {
            "opened": opened,
            "closed": closed,
            "change": ((closed / opened - 1) * 100).round(2),
            "cost": cost,
            "price": price,
            "margin": ((price - cost) / price * 100).round(1),
            "markup": ((price - cost) / cost).round(3),
            "kwh": kwh,
            "tariff": tariff,
            "bill": (8.5 + kwh * tariff).round(2),
        }
    )


@pytest.fixture(scope="module")
def priced() -> Learned:
    frame = common(prices())
    return frame, find(frame)


def test_a_change_a_margin_and_a_bill_with_a_fee_are_found(priced: Learned) -> None:
    _, rules = priced
    found = {str(rule) for rule in rules if isinstance(rule, Product)}
    assert found == {
        "change = 100 x closed / opened - 100",
        "margin = -100 x cost / price + 100",
        "markup = price / cost - 1",
        "bill = kwh x tariff + 8.5",
    }
    assert through_json(rules) == [*rules]
    with pytest.raises(ValueError, match="a rule with offset nan"):
        Product("a", "b", "c", (1, 1), 2.0, False, 1.0, (1.0, 1.0), ("c", "a", "b"), offset=float("nan"))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "opened", "cost", "tariff"]))
def test_rows_keep_products_to_which_something_is_added(priced: Learned, seed: int, fixed: str) -> None:
    frame, rules = priced
    kept_when_torn(frame, rules, seed, fixed)


@settings(max_examples=40, deadline=None)
@given(
    powers=st.sampled_from([(1, 1), (1, -1), (1, 2), (1, -2)]),
    factor=st.sampled_from([-100.0, 0.5, 3.0]),
    offset=st.sampled_from([-1.0, 0.0, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_either_part_of_a_product_and_an_offset_can_follow(
    powers: tuple[int, int], factor: float, offset: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rule = Product("a", "b", "c", powers, factor, False, 0.0, (0.0, 0.0), ("c", "a", "b"), offset=offset)
    real, drawn = (pd.DataFrame(rng.uniform(1, 90, (20, 2)), columns=["a", "b"]) for _ in range(2))
    made = rule.made(real)
    np.testing.assert_allclose(made, offset + factor * real["a"] ** powers[0] * real["b"] ** powers[1])
    for name in ("a", "b"):
        frame = real.assign(c=made, **{name: drawn[name]})
        np.testing.assert_allclose(rule.moved(name, frame), real[name], rtol=1e-6)


FEES = {
    "share": ("payout = 0.78 x amount", "fee = amount - payout"),
    "and a little": ("payout = 0.971 x amount - 0.3", "fee = amount - payout"),
    "by plan": ("fee = amount times a factor by plan (gold: 0.014, std: 0.029)", "payout = amount - fee"),
    "by rate": ("fee = amount x rate / 100", "payout = amount - fee"),
    "both": (
        "fee by amount, as plan says (gold: 0.014 x amount + 0.25, std: 0.029 x amount + 0.3)",
        "payout = amount - fee",
    ),
    "of goods": ("amount = goods x price", "payout = amount - fee"),
    "of goods off": ("amount = goods x price x (1 - off / 100)", "payout = amount - fee"),
}


@pytest.mark.parametrize("kind", FEES)
def test_what_makes_a_part_of_a_sum_or_all_of_it_turns_the_sum_round(kind: str) -> None:
    """A fee by the amount, and the payout: as a sum of the two the amount would leave the fee untold."""
    rng = np.random.default_rng(0)
    plan, rate = rng.choice(["std", "gold"], N), rng.choice([1.4, 1.9, 2.9, 3.4], N)
    goods, price = rng.integers(1, 20, N), rng.lognormal(2, 1, N).round(2)
    off, amount = rng.choice([0, 5, 10, 20], N), rng.lognormal(4, 1, N).round(2)
    if kind.startswith("of goods"):
        amount = (goods * price * (1 - off / 100 if "off" in kind else 1.0)).round(2)
    by_plan = pd.Series(plan).map({"std": 0.029, "gold": 0.014}).to_numpy()
    fee = {
        "share": amount * 0.22,
        "and a little": amount * 0.029 + 0.3,
        "by plan": amount * by_plan,
        "by rate": amount * rate / 100,
        "both": amount * by_plan + np.where(plan == "std", 0.3, 0.25),
    }.get(kind, amount * rng.beta(1, 5, N))
    frame = common(
        pd.DataFrame(
            {
                "amount": amount,
                "plan": plan,
                "rate": rate,
                "goods": goods,
                "price": price,
                "off": off,
                "fee": fee.round(2),
            }
        ).assign(payout=(amount - fee.round(2)).round(2))
    )
    rules = find(frame)
    assert {*FEES[kind]} <= {str(rule) for rule in rules}
    assert "fee + payout = amount" not in {str(rule) for rule in rules}
    after = keep(rules, torn(frame, 1))
    assert {share_kept(rule, after) for rule in rules} == {1.0}
    np.testing.assert_allclose(after["fee"] + after["payout"], after["amount"], atol=1e-6)
