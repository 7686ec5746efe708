"""Sums with factors: found where planted, whichever columns come first, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find, step
from tabstep.data.constraints import Constraint, broken, share_kept
from tabstep.data.weighted import Weighted
from tabstep.data.weighted_search import weighted
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
SAID = {
    "points = 3 x won + drawn",
    "fare = 2.5 + 1.15 x km + 0.35 x minutes + bags",
    "total = wait / 2 + fare",
    "energy = 4 x protein + 9 x fat, rounded down",
}


def sums(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    won, drawn, lost = rng.integers(0, 20, n), rng.integers(0, 12, n), rng.integers(0, 20, n)
    km, minutes, bags = rng.gamma(2, 4, n).round(1), rng.integers(3, 60, n), rng.integers(0, 4, n)
    wait, protein, fat = rng.integers(0, 20, n), rng.gamma(2, 5, n).round(1), rng.gamma(2, 6, n).round(1)
    fare = (2.5 + 1.15 * km + 0.35 * minutes + bags).round(2)
    return pd.DataFrame(
        {
            "points": 3 * won + drawn,
            "played": won + drawn + lost,
            "won": won,
            "drawn": drawn,
            "lost": lost,
            "total": (fare + 0.5 * wait).round(2),
            "km": km,
            "minutes": minutes,
            "bags": bags,
            "wait": wait,
            "fare": fare,
            "protein": protein,
            "fat": fat,
            "energy": np.floor((40 * protein + 90 * fat).round() / 10),
            "driver": rng.choice(["a", "b"], n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(sums())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Weighted)} == SAID
    assert "played = won + drawn + lost" in {str(rule) for rule in rules}
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "won", "km", "points", "driver"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    kept_when_torn(frame, rules, seed, fixed, ("driver",))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), data=st.data())
def test_the_order_of_columns_says_nothing(seed: int, data: st.DataObject) -> None:
    frame = common(sums(400, seed=seed)).drop(columns="driver")
    names = data.draw(st.permutations(list(frame.columns)))
    found = {rule.of: rule for rule in weighted(frame, names, {n: step(frame[n]) for n in names}, {"played"})}
    assert {"points", "fare", "total", "energy"} == {*found}
    factors = dict(zip(found["fare"].parts, found["fare"].factors, strict=True))
    assert factors == {"km": 1.15, "minutes": 0.35, "bags": 1.0}


@settings(max_examples=60, deadline=None)
@given(
    factors=st.lists(st.floats(-9, 9).filter(lambda f: abs(f) > 0.01), min_size=2, max_size=6),
    base=st.sampled_from([0.0, -7.5, 100.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_part_can_follow(factors: list[float], base: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"x{k}" for k in range(len(factors))]
    rule = Weighted(tuple(names), tuple(factors), base, "y", False, 0.0, (0.0,) * len(names), ("y", *names))
    real, drawn = (pd.DataFrame(rng.uniform(1, 90, (20, len(names))), columns=names) for _ in range(2))
    made = rule.made(real)
    np.testing.assert_allclose(made, base + sum(f * real[x] for f, x in zip(factors, names, strict=True)))
    for name in names:
        frame = real.assign(y=made, **{name: drawn[name]})
        np.testing.assert_allclose(rule.moved(name, frame), real[name], rtol=1e-6, atol=1e-6)


def test_long_factors_are_told_from_rounded_numbers() -> None:
    """The basal rate of Harris and Benedict, to whole kilocalories: no regression tells its factors to the digit."""
    rng = np.random.default_rng(0)
    kg, cm, years = rng.normal(75, 12, N).round(1), rng.integers(150, 200, N), rng.integers(18, 90, N)
    rate = (88.362 + 13.397 * kg + 4.799 * cm - 5.677 * years).round()
    (rule,) = (
        rule
        for rule in find(common(pd.DataFrame({"kg": kg, "cm": cm, "years": years, "rate": rate})))
        if isinstance(rule, Weighted)
    )
    assert rule.of == "rate"
    np.testing.assert_allclose(rule.factors, [13.397, 4.799, -5.677], atol=2e-3)


def test_one_row_that_says_otherwise_noise_and_gaps_are_none() -> None:
    frame, rng = sums(), np.random.default_rng(1)
    frame.loc[N - 1, "points"] += 5
    frame["total"] = (frame["total"] + rng.normal(0, 0.5, N)).round(2)
    frame["energy"] = frame["energy"].mask(rng.random(N) < 0.2)
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Weighted)}
    assert found == {"fare", "energy"}
    rule = Weighted(("a", "b"), (2.0, 0.5), 1.0, "c", False, 1.0, (1.0, 1.0), ("c", "a", "b"))
    gaps = pd.DataFrame({"a": [np.nan, 1.0], "b": [1.0, 1.0], "c": [9.0, np.nan]})
    assert not broken(rule, gaps).any()


def test_labels_that_a_plane_parts_are_none() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(N, 4)), columns=[*"abcd"])
    frame["yes"] = (frame["a"] + 2 * frame["b"] > 0).astype(float)
    frame["stars"] = np.floor((frame["a"] - frame["c"]).clip(-2, 2.9)) + 3
    assert not any(isinstance(rule, Weighted) for rule in find(common(frame)))
    far = pd.DataFrame(rng.normal(size=(N, 3)) * 1e300, columns=[*"abc"])
    assert not any(isinstance(rule, Weighted) for rule in find(common(far)))


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a rule with parts"):
        Weighted(("a",), (2.0,), 0.0, "c", False, 1.0, (1.0,), ("c", "a"))
    for factors, base in (((2.0, 0.0), 0.0), ((2.0, np.inf), 0.0), ((2.0, 1.0), np.nan)):
        with pytest.raises(ValueError, match="a rule with factors"):
            Weighted(("a", "b"), factors, base, "c", False, 1.0, (1.0, 1.0), ("c", "a", "b"))


def test_models_keep_them() -> None:
    rows = tabstep.fit(sums(400), method="mixture", progress="none").sample(200, seed=1)
    assert (rows["points"] == 3 * rows["won"] + rows["drawn"]).all()
    fare = 2.5 + 1.15 * rows["km"] + 0.35 * rows["minutes"] + rows["bags"]
    assert (np.abs(rows["fare"] - fare) < 0.0051).all()
    assert (np.abs(rows["total"] - rows["fare"] - rows["wait"] / 2) < 0.0051).all()
