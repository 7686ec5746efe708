"""Whole numbers that name things: labels where other columns describe them, amounts where they are in order."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.api.preparing import prepare
from tabstep.data import naming
from tabstep.data.columns import Number
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Codes, from_json, to_json
from tabstep.data.doubtful_text import COME_BACK
from tabstep.data.wishes import Python, Wishes
from tests.test_asked import fitted
from tests.test_cli import call
from tests.test_constraints import common

N, SHOPS = 900, 30


def shops(n: int = N) -> pd.DataFrame:
    """Sales of shops, each with a number, a city, a size and a day on which it opened."""
    rng = np.random.default_rng(1)
    k = rng.integers(0, SHOPS, n)
    opened = pd.Timestamp("2001-05-01") + pd.to_timedelta(rng.integers(0, 5000, SHOPS), unit="D")
    return pd.DataFrame(
        {
            "sales": np.round(rng.lognormal(4, 1, n), 2),
            "shop": 101 + k,
            "city": rng.choice(["Rome", "Oslo", "Lima", "Bern"], SHOPS)[k],
            "area": rng.integers(100, 3000, SHOPS)[k],
            "opened": opened[k],
            "sold": rng.integers(1, 40, n),
        }
    )


def things(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    whole = [str(name) for name in frame.columns if frame[name].dtype.kind == "i"]
    return naming.described(common(frame), whole)


def test_a_number_that_says_what_others_hold_names_things() -> None:
    assert things(shops()) == {"shop": ("city", "area", "opened")}


@pytest.mark.whole
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), values=st.integers(3, 90))
def test_amounts_are_not(seed: int, values: int) -> None:
    """What rises, falls, has bands or is drawn by itself is no description."""
    rng = np.random.default_rng(seed)
    years = rng.integers(0, values, N)
    frame = pd.DataFrame(
        {
            "years": years,
            "bonus": np.cumsum(rng.uniform(0, 9, values))[years],
            "left": -years // 3,
            "class": pd.Series(years * 3 // values).map({0: "new", 1: "known", 2: "old"}),
            "name": [f"{y} years" for y in years],
            "window": np.where((years > values // 3) & (years < values // 2), "yes", "no"),
            "color": rng.choice(["red", "blue"], N),
            "x": rng.normal(size=N),
        }
    )
    assert not things(frame)


@pytest.mark.parametrize("kind", ["float64", "Int64"])
def test_a_number_with_gaps_names_things_too(kind: str) -> None:
    """And the gap itself says something: who is of the board has no manager."""
    rng = np.random.default_rng(0)
    k = rng.integers(0, 9, N)
    frame = pd.DataFrame(
        {
            "manager": rng.permutation(np.arange(1000, 3000, 37))[:9][k],
            "team": rng.choice(["IT", "Law", "Sales"], 9)[k],
            "pay": np.round(rng.lognormal(8, 1, N), 2),
        }
    ).astype({"manager": kind})
    frame.loc[:5, ["manager", "team"]] = [pd.NA if kind == "Int64" else np.nan, "Board"]
    with pytest.warns(UserWarning, match="manager is drawn as labels, which say what team holds"):
        rows = fitted(frame).sample(400, steps=2, seed=0)
    assert rows.dtypes.equals(frame.dtypes)
    of = {tuple(map(str, pair)) for pair in frame[["manager", "team"]].itertuples(index=False)}
    assert {tuple(map(str, pair)) for pair in rows[["manager", "team"]].itertuples(index=False)} <= of


def test_postcodes_of_cities_far_apart_are_names_and_dense_ones_have_bands() -> None:
    codes = {
        "Munich": range(80331, 80336),
        "Cologne": range(50667, 50672),
        "Zurich": range(8001, 8004),
        "Bern": [3011],
    }
    pairs = [(city, code) for city, each in codes.items() for code in each]
    k, x = np.random.default_rng(0).integers(0, [[len(pairs)], [5]], (2, N))
    frame = pd.DataFrame({"city": [pairs[i][0] for i in k], "code": [pairs[i][1] for i in k], "x": x})
    assert things(frame) == {"code": ("city",)}
    rows = tabstep.fit(frame, method="marginals").sample(300, seed=0)
    assert set(zip(rows["city"], rows["code"], strict=True)) <= set(pairs)
    dense = frame.assign(code=k, city=pd.cut(k, [-1, 4, 9, 20], labels=["a", "b", "c"]).astype(str))
    assert not things(dense)
    prices = frame.assign(
        code=np.array([10, 20, 30, 40, 50, 60, 70, 500])[k % 8], city=np.where(k % 8 < 4, "a", "b")
    )
    assert not things(prices)
    counts = frame.assign(code=np.array([1, 18, 19, 20, 21, 22])[k % 6], city=np.where(k % 6 < 1, "a", "b"))
    assert not things(counts)


def test_few_rows_of_a_thing_may_be_those_of_a_person() -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(100), COME_BACK - 1)
    frame = pd.DataFrame(
        {"who": who, "born": rng.integers(1900, 2000, 100)[who], "y": rng.normal(size=len(who))}
    )
    assert "who" not in things(frame)


def known(frame: pd.DataFrame) -> set[Any]:
    return set(frame[["shop", "city", "area", "opened"]].itertuples(index=False, name=None))


@pytest.mark.whole
def test_rows_are_of_things_that_are_there(tmp_path: Path) -> None:
    frame = shops()
    with pytest.warns(
        UserWarning, match=r"shop is drawn as labels, .* city, area and opened .*numeric=\['shop'\]"
    ):
        model = fitted(frame)
    rows = model.sample(200, steps=2, seed=0)
    assert rows.dtypes.equals(frame.dtypes)
    assert known(rows) <= known(frame)
    model.save(tmp_path / "model")
    assert tabstep.load(tmp_path / "model").sample(200, steps=2, seed=0).equals(rows)
    moved = model.edit(frame.head(20), {"shop": 103}, steps=2)
    assert set(moved["shop"]) == {103}
    assert known(moved) <= known(frame)


@pytest.mark.whole
@pytest.mark.parametrize(
    "options", [{"numeric": ["shop", "area"]}, {"numeric": ["area"], "target": "shop"}], ids=str
)
def test_a_user_has_the_last_word(options: dict[str, Any]) -> None:
    frame = shops()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = fitted(frame, **options).sample(200, steps=2, seed=0)
    assert not known(rows) <= known(frame)


@pytest.mark.whole
def test_the_command_says_so(tmp_path: Path) -> None:
    shops().to_csv(tmp_path / "my.csv", index=False)
    tiny = ("--set", "T=20", "--set", "steps=2", "--set", "layers=8,8")
    done = call("fit", tmp_path / "my.csv", "--save", tmp_path / "model", *tiny)
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "shop is drawn as labels, which say what city, area and opened hold: --numeric shop" in said
    assert "in every row: shop determines city" in said


def test_labels_determine_days_too() -> None:
    """Of a project its begin; through JSON and back."""
    frame = shops().assign(shop=lambda table: "S" + table["shop"].astype(str))
    (rule,) = (rule for rule in find(common(frame)) if isinstance(rule, Codes) and rule.of == "opened")
    assert from_json(to_json(rule)) == rule
    assert not naming.described(common(frame), ["area"]), "the shop says it"
    rows = tabstep.fit(frame, method="marginals").sample(300, seed=0)
    assert known(rows) <= known(frame)


def discounts(n: int = N) -> pd.DataFrame:
    """Orders with a discount in percent, in few labels, and sizes that nothing is made of."""
    rng = np.random.default_rng(2)
    quantity, price = rng.integers(1, 20, n), rng.lognormal(2.5, 0.8, n).round(2)
    discount = rng.choice([0, 5, 10, 15, 20], n)
    return pd.DataFrame(
        {
            "quantity": quantity,
            "price": price,
            "discount": [f"{d} %" for d in discount],
            "size": rng.choice(["250 ml", "500 ml", "1000 ml"], n),
            "rating": rng.choice(["1", "2", "3"], n),
            "total": (quantity * price * (1 - discount / 100)).round(2),
        }
    )


def columns_of(frame: pd.DataFrame, target: str | None = None, wishes: Wishes | None = None) -> set[str]:
    """Those that are numbers."""
    ready = prepare(frame, target, wishes or Wishes(), Python(), 0)
    return {c.name for c in ready.columns if isinstance(c, Number)}


def test_labels_that_are_numbers_in_arithmetic_are_amounts() -> None:
    frame = discounts()
    assert columns_of(frame) == {"quantity", "price", "discount", "total"}
    assert columns_of(frame.assign(total=frame["total"].sample(frac=1, random_state=0).to_numpy())) == {
        "quantity",
        "price",
        "total",
    }
    for said in (Wishes(categorical=("discount",)), Wishes(drop=("total",))):
        assert "discount" not in columns_of(frame, wishes=said)
    assert "discount" in columns_of(frame, target="discount")  # as a condition on it chooses


@pytest.mark.parametrize("target", ["discount", "points", "sum", "kind"])
def test_a_target_of_few_whole_numbers_is_an_amount_where_others_are_made_of_it(target: str) -> None:
    frame = discounts()
    rng = np.random.default_rng(3)
    frame = frame.assign(
        discount=frame["discount"].str.removesuffix(" %").astype(int),
        points=rng.integers(0, 6, N),
        more=rng.integers(0, 9, N),
        kind=rng.integers(0, 6, N),
    )
    frame["sum"] = frame["points"] + frame["more"]
    assert (target in columns_of(frame, target=target)) == (target != "kind")
    rows = tabstep.fit(frame, target=target, method="mixture", progress="none").sample(300, seed=0)
    assert (rows["sum"] == rows["points"] + rows["more"]).all()
    made = (rows["quantity"] * rows["price"] * (1 - rows["discount"] / 100)).round(2)
    assert (rows["total"] == made).mean() > 0.99


def test_rows_keep_what_is_made_of_them_and_write_them_as_they_were() -> None:
    frame = discounts()
    for target in (None, "discount"):
        model = tabstep.fit(frame, target=target, method="mixture", progress="none")
        for where in (None, {"discount": "10 %"}):
            rows = model.sample(300, seed=0, where=where)
            assert {*rows["discount"]} == ({*where.values()} if where else {*frame["discount"]})
            rate = rows["discount"].str.removesuffix(" %").astype(float)
            made = (rows["quantity"] * rows["price"] * (1 - rate / 100)).round(2)
            assert (rows["total"] == made).mean() > 0.99
