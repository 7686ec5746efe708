"""Lines by label: found where planted, with what all labels share, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.constraint_search import find, step
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.naming import described
from tabstep.data.tariff import Tariff
from tabstep.data.tariff_search import tariffs
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 700
RATES = {"A": 2.1, "B": 2.6, "C": 3.45, "D": 0.0}
SAID = {
    "freight by kg, as zone says (A: 2.1 x kg + 5, B: 2.6 x kg + 5, C: 3.45 x kg + 5, D: 5)",
    "rent by m2, as district says (east: 12.5 x m2, north: 12.5 x m2 + 100, south: 12.5 x m2 + 250)",
    "bill by kwh, as plan says (day: 0.3123 x kwh + 9.9, eco: 0.3391 x kwh + 7, night: 0.2487 x kwh + 12.5)",
}


def tariff(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    zone, kg = rng.choice([*RATES], n, p=[0.4, 0.3, 0.2, 0.1]), rng.gamma(2, 4, n).round(1)
    district, m2 = rng.choice(["north", "south", "east"], n), rng.integers(25, 160, n)
    plan, kwh = rng.choice(["day", "night", "eco"], n, p=[0.5, 0.3, 0.2]), rng.integers(50, 900, n)
    fee, rate = {"day": 9.9, "night": 12.5, "eco": 7}, {"day": 0.3123, "night": 0.2487, "eco": 0.3391}
    base = pd.Series(district).map({"north": 100, "south": 250, "east": 0})
    return pd.DataFrame(
        {
            "freight": (5 + kg * pd.Series(zone).map(RATES)).round(2),
            "zone": zone,
            "kg": kg,
            "m2": m2,
            "district": district,
            "rent": 12.5 * m2 + base,
            "plan": plan,
            "kwh": kwh,
            "bill": (pd.Series(plan).map(fee) + kwh * pd.Series(plan).map(rate)).round(2),
            "warmth": rng.normal(20, 5, n).round(1),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(tariff())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "zone", "m2", "kwh", "bill", "rent"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    if fixed == "bill":  # not every amount to the cent is one of a whole kWh
        rules = tuple(rule for rule in rules if isinstance(rule, Tariff) and rule.of != "bill")
    kept_when_torn(frame, rules, seed, fixed, ("warmth", "plan"))


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.tuples(st.floats(-50, 50).filter(lambda f: abs(f) > 0.01), st.floats(-1e4, 1e4)),
        min_size=2,
        max_size=6,
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_made_tells_what_made_it(lines: list[tuple[float, float]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    on = rng.choice(len(lines), 30).astype(float)
    told = tuple((float(k), *each) for k, each in enumerate(lines))
    rule = Tariff("on", "x", "y", told, False, 0.0, 0.0)
    real = pd.DataFrame({"on": on, "x": rng.uniform(1, 90, 30)})
    factors, feet = np.array(lines)[on.astype(int)].T
    made = rule.made(real)
    np.testing.assert_allclose(made, factors * real["x"] + feet)
    other = real.assign(y=made, x=rng.uniform(1, 90, 30))
    np.testing.assert_allclose(rule.moved("x", other), real["x"], rtol=1e-6, atol=1e-6)


@settings(max_examples=15, deadline=None)
@given(
    labels=st.integers(2, 8),
    places=st.sampled_from([0, 1, 2]),
    shared=st.sampled_from(["foot", "slope", "none"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_lines_that_were_planted_are_told(labels: int, places: int, shared: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    on = rng.permutation(np.arange(600) % labels)
    slope = rng.permutation(np.arange(3, 3 + labels)) * 1.5
    foot = rng.permutation(np.arange(1, 1 + labels)) * 20.0
    slope, foot = (
        (slope[0] + 0 * slope if shared == "slope" else slope),
        (0 * foot + 7 if shared == "foot" else foot),
    )
    x = rng.uniform(-20, 100, 600).round(2)
    y = (slope[on] * x + foot[on]).round(places)
    frame = common(pd.DataFrame({"x": x, "y": y, "on": [f"l{k}" for k in on]}))
    (rule,) = (
        rule
        for rule in tariffs(frame, ["x", "y"], ["on"], {"x": step(frame["x"]), "y": step(frame["y"])})
        if rule.of == "y"
    )
    told = np.array([numbers for _, *numbers in rule.lines])
    np.testing.assert_allclose(told[:, 0], slope, rtol=0.02)
    np.testing.assert_allclose(told[:, 1], foot, atol=10.0**-places)
    assert len({*told[:, 0]}) == 1 or shared != "slope"
    assert len({*told[:, 1]}) == 1 or shared != "foot"


def test_lines_that_few_rows_tell_are_no_discovery() -> None:
    rng = np.random.default_rng(0)
    few = pd.DataFrame(
        {"x": rng.uniform(1, 30, 60), "y": rng.uniform(0, 12, 60), "on": [f"l{k % 30}" for k in range(60)]}
    )
    assert not any(isinstance(rule, Tariff) for rule in find(few.astype({"on": object})))


def test_one_line_for_all_labels_is_no_tariff() -> None:
    frame = tariff()
    frame["bill"] = (9.9 + 0.3123 * frame["kwh"]).round(2)
    frame["freight"], frame["rent"] = frame["kg"] * 2, frame["m2"] + 40.0
    assert not any(isinstance(rule, Tariff) for rule in find(common(frame)))


def test_a_line_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="expected finite numbers"):
        Tariff("on", "x", "y", (("a", np.inf, 0.0),), False, 0.0, 0.0)


def test_amounts_by_label_are_no_labels() -> None:
    """Whole amounts of few values that come back would else be drawn as labels, each of which says its zone."""
    rng = np.random.default_rng(0)
    zone, kg = rng.choice(["A", "B", "C"], 2000), rng.integers(1, 12, 2000)
    cost = pd.Series(zone).map({"A": 5, "B": 8, "C": 11}) + kg * pd.Series(zone).map({"A": 2, "B": 3, "C": 4})
    frame = pd.DataFrame({"kg": kg.astype(float), "cost": cost.astype(float), "zone": zone.astype(object)})
    assert described(frame, ("kg", "cost")) == {}
