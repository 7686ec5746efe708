"""Labels that name the largest or the least of several columns: found, kept, and followed where they are fixed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, share_kept
from tabstep.data.foremost import Foremost
from tabstep.data.keeping import keep
from tests.test_constraints import common, through_json
from tests.test_keeping import torn

N = 900
PARTIES = ("red", "blue", "green", "other")


def votes(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Who has most votes, who asks least where not all do, which class a classifier takes."""
    rng = np.random.default_rng(seed)
    of = np.column_stack([rng.poisson(rate * rng.uniform(5, 60, n)) for rate in (5, 4, 4, 3)])
    asks = rng.lognormal(3, 0.4, (n, 3)).round(2)
    asks[rng.random((n, 3)) < 0.1] = np.nan
    asks[np.isnan(asks).all(axis=1)] = 20.0
    shares = rng.dirichlet([2, 1, 1], n).round(3)
    classes = {f"p_{name}": shares[:, k] for k, name in enumerate(("cat", "dog", "owl"))}
    frame = pd.DataFrame(
        {name: of[:, k] for k, name in enumerate(PARTIES)}
        | {"winner": np.array(PARTIES)[of.argmax(axis=1)].astype(object)}
        | {f"shop {k}": asks[:, k] for k in range(3)}
        | {"buy at": np.nan_to_num(asks, nan=1e9).argmin(axis=1)}
        | classes
        | {"class": np.array(["cat", "dog", "owl"], object)[shares.argmax(axis=1)]}
    )
    return frame.assign(valid=frame[[*PARTIES]].sum(axis=1))


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(votes())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    found = {rule.of: rule for rule in rules if isinstance(rule, Foremost)}
    assert {of: dict(zip(rule.names, rule.parts, strict=True)) for of, rule in found.items()} == {
        "winner": {name: name for name in PARTIES},
        "buy at": {float(k): f"shop {k}" for k in range(3)},
        "class": {name: f"p_{name}" for name in ("cat", "dog", "owl")},
    }
    assert not found["buy at"].most
    assert str(found["class"]).startswith("class names the largest of p_")
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@pytest.mark.whole
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fixed=st.sampled_from([(), ("winner",), ("class",), ("red", "valid"), ("winner", "red"), ("buy at",)]),
)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: tuple[str, ...]
) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    after = keep(rules, before, fixed)
    for rule in rules:
        wrong = broken(rule, after)
        if isinstance(rule, Foremost) and rule.of in fixed:  # what is asked for may have no number
            named = [rule.parts[k] for k in rule.there(after)]
            wrong &= np.array([pd.notna(after.loc[i, name]) for i, name in enumerate(named)])
        assert not wrong.any(), str(rule)
    for name in fixed:
        pd.testing.assert_series_equal(after[name], before[name])


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), most=st.booleans(), data=st.data())
def test_a_fixed_label_is_obeyed_by_parts_alone(seed: int, most: bool, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    rule = Foremost(("a", "b", "c"), ("A", "B", "C"), "of", most, (1.0, 1.0, 0.0))
    frame = pd.DataFrame(rng.integers(0, 6, (40, 3)).astype(float), columns=["a", "b", "c"])
    frame["of"] = rng.choice(np.array(["A", "B", "C"], object), 40)
    held = data.draw(st.sampled_from([(), ("a",), ("b",)]))
    after = rule.mended(frame, broken(rule, frame), {"of", *held})
    assert share_kept(rule, after) == 1
    for name in held:
        pd.testing.assert_series_equal(after[name], frame[name])
    was = broken(rule, frame)
    pd.testing.assert_frame_equal(after[~was], frame[~was])
    free = rule.mended(frame, was, ())
    pd.testing.assert_frame_equal(free[["a", "b", "c"]], frame[["a", "b", "c"]])
    assert share_kept(rule, free) == 1


def test_ties_and_gaps_break_nothing_and_a_gap_is_never_named() -> None:
    rule = Foremost(("a", "b", "c"), ("A", "B", "C"), "of", True, (1.0, 1.0, 1.0))
    frame = pd.DataFrame(
        {
            "a": [2.0, 2.0, np.nan, np.nan],
            "b": [2.0, 1.0, 1.0, np.nan],
            "c": [0.0, np.nan, 0.0, np.nan],
            "of": ["B", "A", "A", "C"],
        }
    )
    assert broken(rule, frame).tolist() == [False, False, True, False]
    assert rule.made(frame).tolist() == ["B", "A", "B", "C"]


def test_one_row_that_says_otherwise_and_luck_are_none() -> None:
    frame = votes()
    at = int(np.flatnonzero(frame["winner"] == "red")[0])
    frame.loc[at, "red"] = 0
    frame["class"] = np.random.default_rng(5).permutation(frame["class"])
    assert {rule.of for rule in find(common(frame)) if isinstance(rule, Foremost)} == {"buy at"}


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a rule with parts"):
        Foremost(("a",), ("A",), "of", True, (1.0,))
    with pytest.raises(ValueError, match="a rule with labels"):
        Foremost(("a", "b"), ("A", "A"), "of", True, (1.0, 1.0))


def test_models_keep_them_and_obey_a_label_that_is_asked_for() -> None:
    model = tabstep.fit(votes(400), method="mixture", progress="none")
    for rows in (model.sample(200, seed=1), model.sample(50, seed=2, where={"winner": "green"})):
        top = rows[[*PARTIES]].max(axis=1)
        named = rows[[*PARTIES]].to_numpy()[np.arange(len(rows)), [PARTIES.index(w) for w in rows["winner"]]]
        assert (named == top).all()
    assert (rows["winner"] == "green").all()
