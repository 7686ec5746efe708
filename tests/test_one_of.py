"""Columns that stand for the labels of one: they are found, and drawn rows have one mark as training rows have."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tests.test_constraints import common
from tests.test_keeping import torn

N = 1500


def dummies(n: int = N, *, first: bool = True) -> pd.DataFrame:
    """A soil of six, without the first if not `first`, a sky of three as yes and no, and a number."""
    rng = np.random.default_rng(0)
    soil = rng.choice(list("uvwxyz"), n, p=[0.3, 0.2, 0.2, 0.15, 0.13, 0.02])
    sky = rng.choice(["sun", "rain", "fog"], n)
    columns = {f"soil_{s}": (soil == s).astype(int) for s in ("uvwxyz" if first else "vwxyz")}
    columns |= {f"sky_{s}": np.where(sky == s, "yes", "no").astype(object) for s in ("sun", "rain", "fog")}
    return pd.DataFrame(columns | {"x": rng.normal(size=n)})


@pytest.fixture(scope="module", params=[True, False], ids=["all", "without the first"])
def learned(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(dummies(first=request.param))
    return frame, find(frame)


def test_groups_are_found_once_and_in_words() -> None:
    sky = "exactly one of 3 columns, sky_sun, sky_rain, sky_fog, is yes"
    assert [str(rule) for rule in find(common(dummies()))] == [
        "exactly one of 6 columns, soil_u, soil_v, .. soil_z, is 1",
        sky,
    ]
    found = [str(rule) for rule in find(common(dummies(first=False)))]
    assert found[0].startswith(
        "at most one of 4 columns, soil_v, soil_w, .. soil_y, is 1"
    )  # z: a mark is too rare
    assert found[1:] == [sky]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_rows_have_one_mark_whatever_they_had(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int
) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    assert max(share_kept(rule, before) for rule in rules) < 0.9
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules)
    pd.testing.assert_frame_equal(keep(rules, after), after)
    for rule in rules:
        right = ~rule.breaks(before)  # type: ignore[union-attr]
        pd.testing.assert_frame_equal(after.loc[right, [*rule.columns]], before.loc[right, [*rule.columns]])
        several = (before[[*rule.columns]].isin(["1", "yes"])).sum(axis=1) > 0
        gone = before[[*rule.columns]].isin(["1", "yes"]) | ~after[[*rule.columns]].isin(["1", "yes"])
        assert gone[several].all(axis=None)  # of several marks one stays, and none comes
    pd.testing.assert_series_equal(after["x"], before["x"])


def test_a_mark_comes_as_often_as_it_did() -> None:
    frame = common(dummies(20_000))
    rule = find(frame)[0]
    none = frame.assign(**{name: "0" for name in rule.columns})
    shares = keep([rule], none)[[*rule.columns]].eq("1").mean()
    assert np.abs(shares - frame[[*rule.columns]].eq("1").mean()).max() < 0.015


@pytest.mark.parametrize("value", ["1", "0"])
def test_what_is_fixed_stays_and_the_others_follow(value: str) -> None:
    frame = common(dummies())
    rules = find(frame)
    before = torn(frame, 2).assign(soil_v=value)
    after = keep(rules, before, ("soil_v",))
    assert (after["soil_v"] == value).all()
    assert [share_kept(rule, after) for rule in rules] == [1.0, 1.0]
    both = before.assign(soil_w=value)
    held = keep(rules, both, ("soil_v", "soil_w"))
    assert (held[["soil_v", "soil_w"]] == value).all(axis=None)
    assert (share_kept(rules[0], held) == 1) == (value == "0")


def test_what_a_column_determines_is_not_said_again() -> None:
    rng = np.random.default_rng(0)
    soil = rng.choice(list("uvwx"), N)
    frame = pd.DataFrame({"soil": soil.astype(object)} | {f"is_{s}": (soil == s).astype(int) for s in "uvwx"})
    assert {str(rule) for rule in find(common(frame))} == {f"soil determines is_{s}" for s in "uvwx"}


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule)))) == rule


def test_models_keep_them() -> None:
    frame = dummies(600)
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    model = tabstep.fit(frame, "sky_rain", method=method, progress="none")
    rows = model.sample(400, steps=5)
    assert (rows.filter(like="soil_").sum(axis=1) == 1).all()
    assert (rows.filter(like="sky_").eq("yes").sum(axis=1) == 1).all()
    asked = model.sample(50, steps=5, where={"soil_w": 1})
    assert (asked.filter(like="soil_").sum(axis=1) == 1).all()
    assert (asked["soil_w"] == 1).all()
