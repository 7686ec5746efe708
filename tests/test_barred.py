"""Values of two columns that never come together: planted ones are found and kept, and no others are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data import instead
from tabstep.data.barred import Barred
from tabstep.data.barred_search import ABSENT
from tabstep.data.classes import OTHER, classes, coded
from tabstep.data.constraint_search import LEAST, find
from tabstep.data.constraints import Constraint, broken, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tests.test_constraints import common
from tests.test_keeping import torn

N = 2000


def customers(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Contracts, visits, places and families: each has what another column leaves no room for."""
    rng = np.random.default_rng(seed)
    status = rng.choice(["active", "ended", "paused"], n, p=[0.6, 0.3, 0.1])
    why = rng.choice(["price", "moved", "other"], n)
    visits, kids = rng.poisson(2, n), rng.poisson(0.9, n)
    mail = rng.choice(["Y", "N"], n, p=[0.7, 0.3])
    place = rng.normal(45, 2, (n, 3)).round(4)
    place[rng.random(n) < 0.2] = np.nan
    return pd.DataFrame(
        {
            "status": status.astype(object),
            "why": np.where(status == "ended", why, None),
            "visits": visits,
            "spent": np.where(visits > 0, rng.gamma(2, 20, n).round(2), 0.0),
            "lat": place[:, 0],
            "lon": place[:, 1],
            "height": place[:, 2],
            "kids": kids,
            "youngest": np.where(kids > 0, rng.integers(0, 18, n), np.nan),
            "mail": mail.astype(object),
            "clicks": np.where(mail == "Y", rng.poisson(3, n), 0),
            "noise": rng.normal(size=n),
        }
    )


SAID = {
    "where status is active or paused, why is missing; where status is ended, why is never missing",
    "where visits is 0, spent is 0; where visits is not 0, spent is not 0",
    "where lat is missing, lon is missing; where lat is not missing, lon is not missing",
    "where lat is missing, height is missing; where lat is not missing, height is not missing",
    "where kids is 0, youngest is missing; where kids is not 0, youngest is not missing",
    "where mail is N, clicks is 0",
}


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(customers())
    return frame, find(frame)


def test_planted_ones_are_found_and_no_others(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int
) -> None:
    frame, rules = learned
    before = torn(frame, seed, share=0.3)
    assert max(share_kept(rule, before) for rule in rules) < 0.99
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules)
    pd.testing.assert_frame_equal(keep(rules, after), after)
    right = ~np.logical_or.reduce([broken(rule, before) for rule in rules])
    pd.testing.assert_frame_equal(after[right], before[right])
    pd.testing.assert_series_equal(after["noise"], before["noise"])
    for name in ("visits", "clicks", "kids", "spent"):  # no number is made up
        new = after[name] != before[name]
        assert (after[name][new] == 0).all()


def test_each_of_the_two_gives_way_about_as_often(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]],
) -> None:
    frame, rules = learned
    (rule,) = (r for r in rules if r.columns == ("mail", "clicks"))
    before = frame.assign(mail=torn(frame, 1)["mail"])
    wrong = broken(rule, before)
    after = keep([rule], before)
    moved = [int((after[name] != before[name]).sum()) for name in rule.columns]
    assert sum(moved) == wrong.sum() > 300  # one of them, never both
    assert abs(moved[0] - moved[1]) < 4 * np.sqrt(wrong.sum())


@pytest.mark.parametrize("fixed", [("mail",), ("clicks",), ("mail", "clicks")], ids=str)
def test_what_is_fixed_stays(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], fixed: tuple[str, ...]
) -> None:
    frame, rules = learned
    (rule,) = (r for r in rules if r.columns == ("mail", "clicks"))
    before = frame.assign(mail=torn(frame, 1)["mail"])
    after = keep([rule], before, fixed)
    pd.testing.assert_frame_equal(after[[*fixed]], before[[*fixed]])
    assert (share_kept(rule, after) == 1) == (len(fixed) == 1)


def trips(n: int = N) -> pd.DataFrame:
    """Cities lie in countries, which have one currency; parts of a trade go to some of the countries."""
    rng = np.random.default_rng(0)
    city = rng.choice(["Rome", "Bari", "Oslo", "Bergen", "Lima", "Cusco"], n)
    country = pd.Series(city).map(
        {"Rome": "IT", "Bari": "IT", "Oslo": "NO", "Bergen": "NO", "Lima": "PE", "Cusco": "PE"}
    )
    part = rng.choice(["p1", "p2", "q1", "q2"], n)
    part = np.where((country == "NO") & (part >= "q"), "p1", part)
    trade = np.char.upper(part.astype(str)).astype("U1")
    columns = {"city": city, "country": country, "part": part, "trade": trade}
    return pd.DataFrame({name: np.asarray(values, dtype=object) for name, values in columns.items()})


def test_what_follows_from_codes_is_said_once_and_labels_go_along() -> None:
    frame = common(trips())
    rules = find(frame)
    assert {str(rule) for rule in rules} == {
        "city determines country",
        "part determines trade",
        "where country is NO, trade is P",
    }
    before = frame.assign(part=torn(frame, 1)["part"])
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0] * 3
    for fixed in ("city", "country", "part", "trade"):
        held = keep(rules, before, (fixed,))
        assert [share_kept(rule, held) for rule in rules] == [1.0] * 3
        pd.testing.assert_series_equal(held[fixed], before[fixed])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_independent_columns_bar_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"a": rng.choice(list("uvwxyz"), 500), "b": rng.choice(list("pq"), 500, p=[0.9, 0.1])}
    )
    frame["c"] = np.where(rng.random(500) < 0.4, 0.0, rng.normal(size=500))
    frame["d"] = np.where(rng.random(500) < 0.4, np.nan, rng.normal(size=500))
    assert not find(common(frame))


@pytest.mark.parametrize("n", [8 * LEAST, 8 * LEAST - 8], ids=str)
def test_fewer_rows_than_say_anything_say_nothing(n: int) -> None:
    """Half of the rows are x and a quarter q, so by chance an eighth has both; y comes with both labels."""
    frame = pd.DataFrame({"a": ["x", "y"] * (n // 2), "b": ["p", "p", "p", "q"] * (n // 4)})
    said = [str(rule) for rule in find(common(frame))]
    assert said == (["where a is x, b is p"] if n // 8 == LEAST else [])


@pytest.mark.parametrize("n", [8 * ABSENT, 8 * ABSENT - 8], ids=str)
def test_of_values_that_are_missing_or_there_fewer_rows_say_it(n: int) -> None:
    """Half are dead and a quarter of all are back, none of them dead: by chance an eighth would be."""
    days = np.where(np.arange(n) % 4 == 1, 1.0 + np.arange(n) % 19, np.nan)
    frame = pd.DataFrame({"died": ["Y", "N"] * (n // 2), "back": days})
    said = [str(rule) for rule in find(common(frame))]
    assert said == (["where died is Y, back is missing"] if n // 8 == ABSENT else [])


def test_classes_of_columns() -> None:
    many = np.array([f"l{i}" for i in range(60)] * 5, dtype=object)
    assert classes(pd.Series(["b", "a", None] * 100)) == [None, "a", "b"]
    assert classes(pd.Series(many)) == [OTHER]
    assert classes(pd.Series(np.where(np.arange(300) % 9, many, None))) == [None, OTHER]
    assert classes(pd.Series(np.arange(300.0))) == [OTHER]
    assert classes(pd.Series(np.maximum(np.arange(300.0) - 99, 0))) == [0.0, OTHER]
    assert classes(pd.Series(np.maximum(np.arange(300.0), 99) - 100)) == [-1.0, OTHER]
    assert classes(pd.Series(np.where(np.arange(300) % 3, np.nan, 1.0 * (np.arange(300) % 2)))) == [
        None,
        0.0,
        OTHER,
    ]
    days = pd.Series(pd.date_range("2020-01-01", periods=300))
    assert classes(days.where(days.index % 2 == 0)) == [None, OTHER]


def test_codes_of_values() -> None:
    kinds = [None, 0.0, OTHER]
    assert coded(pd.Series([0.0, 2.0, np.nan, -0.0]), kinds).tolist() == [1, 2, 0, 1]
    assert coded(pd.Series([0.0, np.nan]), [0.0]).tolist() == [0, -1]
    labels = pd.Series(["a", "z", None], dtype=object)
    assert coded(labels, ["a", "b"]).tolist() == [0, -1, -1]
    assert coded(labels, [None, OTHER]).tolist() == [1, 1, 0]


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    import json

    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule)))) == rule


def test_many_pairs_are_counted_in_words() -> None:
    kinds: Any = tuple((label, 0.1) for label in "abcdefgh")
    pairs = tuple((a, b) for a in "abcdefgh" for b in "abcdefgh" if a < b)
    assert (
        str(Barred("x", "y", (kinds, kinds), pairs))
        == "x and y have 28 pairs of values that never come together"
    )


def test_the_place_of_another_value_is_as_weights_say_and_the_same_for_the_same_row() -> None:
    rows = pd.DataFrame({"a": np.arange(20_000), "b": list("pq") * 10_000})
    weights = np.tile([0.5, 0.0, 1.5, 0.0], (20_000, 1))
    found = instead.places(rows, weights)
    assert set(found) == {0, 2}
    assert (found == 0).mean() == pytest.approx(0.25, abs=0.015)
    assert (instead.places(rows.iloc[7:9], weights[7:9]) == found[7:9]).all()
    last = np.tile([0.0, 1.0], (20_000, 1))
    assert (instead.places(rows, last) == 1).all()


@pytest.mark.whole
@pytest.mark.parametrize("target", [None, "mail", "clicks"])
def test_models_keep_them(target: str | None) -> None:
    """By a network that learned next to nothing: without the rules, rows break almost every one."""
    frame = customers(600)
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    model = tabstep.fit(frame, target, method=method, progress="none")
    rules = [rule for rule in model.constraints if isinstance(rule, Barred)]
    assert len(rules) == len(SAID)
    rows, free = model.sample(500, steps=5), replace(model, constraints=()).sample(500, steps=5)
    assert sum(share_kept(rule, common(free)) < 0.99 for rule in rules) >= len(SAID) - 1
    assert [share_kept(rule, common(rows)) for rule in rules] == [1.0] * len(SAID)
    asked = model.sample(60, steps=5, where={"kids": 2})
    assert asked["youngest"].notna().all()
    assert asked["youngest"].between(0, 17).all()
    known = frame.head(40).assign(noise=np.nan)
    filled = model.impute(known, steps=3, particles=2)
    pd.testing.assert_frame_equal(filled[["why", "youngest"]], frame.head(40)[["why", "youngest"]])


def test_a_number_is_made_where_nothing_else_may_be(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]],
) -> None:
    frame, rules = learned
    (rule,) = (r for r in rules if r.columns == ("visits", "spent"))
    before = frame.assign(spent=0.0)
    after = keep([rule], before, ("visits",))
    made = after["spent"][after["visits"] > 0]
    real = frame["spent"][frame["visits"] > 0]
    assert (after["spent"] > 0).equals(frame["visits"] > 0)
    assert set(made) == set(rule.deciles[1])  # type: ignore[union-attr]
    assert made.mean() == pytest.approx(real.mean(), rel=0.6)
    assert (keep([rule], before)["spent"] == 0).all()  # where both are free, no visit is the same
