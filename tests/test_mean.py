"""Columns that are the mean of others: found by their weights, kept whatever was drawn; no other relation is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.mean import Mean
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 500
SAID = {
    "middle = the mean of low and high",
    "mark = 0.6 x exam + 0.4 x work",
    "year = the mean of q1, q2 and q3",
}


def marks(n: int = N, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    low = np.round(rng.normal(5, 5, n), 1)
    frame = pd.DataFrame(
        {"low": low, "high": np.round(low + rng.gamma(3, 2, n), 1), "noise": rng.normal(size=n)}
        | {name: rng.integers(0, 101, n) for name in ("exam", "work")}
        | {name: rng.uniform(0, 9, n) for name in ("q1", "q2", "q3")}
    )
    gap = rng.random(n) < 0.3
    return frame.assign(
        middle=np.round((frame["low"] + frame["high"]) / 2, 1),
        mark=np.round(0.6 * frame["exam"] + 0.4 * frame["work"]),
        year=(frame["q1"] + frame["q2"] + frame["q3"]) / 3,
        seldom=np.where(gap, np.nan, rng.normal(size=n)),
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(marks())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    found = [rule for rule in rules if isinstance(rule, Mean)]
    assert {str(rule) for rule in found} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert "low < high" in {str(rule) for rule in rules}  # by which their mean is between them
    assert through_json(found) == [*found]
    with pytest.raises(ValueError, match="a rule with weights"):
        Mean(("a", "b"), (0.6, 0.6), "c", 1.0, (1.0, 1.0), ("c", "a", "b"))


@pytest.mark.whole
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), fixed=st.sampled_from(["", "mark", "year", "exam"]))
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    kept_when_torn(frame, rules, seed, fixed)


def test_gaps_of_a_mean_and_its_parts_go_together_and_do_not_hide_it() -> None:
    frame = marks()
    gap = np.arange(N) % 3 == 0
    for name in ("mark", "exam"):
        frame[name] = frame[name].where(~gap)
    assert {str(rule) for rule in find(common(frame))} >= SAID


def test_other_relations_are_no_means() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 101, N), rng.integers(0, 101, N)
    frame = pd.DataFrame(
        {"a": a, "b": b, "half": np.round(0.5 * a + 0.3 * b), "more": 0.7 * a - 0.3 * b + 30}
    )
    frame["near"] = np.round(0.5 * a + 0.5 * b)
    frame.loc[3, "near"] += 2
    assert not any(isinstance(rule, Mean) for rule in find(common(frame)))
    far = pd.DataFrame({"a": a * 1e299, "b": b * 1e299, "c": rng.normal(size=N)})
    assert not any(isinstance(rule, Mean) for rule in find(common(far)))
    few = pd.DataFrame({"a": a, "b": b, "yes": np.round((a + b) / 2) > 50}).astype(float)
    assert not any(isinstance(rule, Mean) for rule in find(common(few)))


def test_models_keep_them() -> None:
    rows = tabstep.fit(marks(300), method="mixture", progress="none").sample(200, seed=1)
    assert (np.abs(rows["mark"] - 0.6 * rows["exam"] - 0.4 * rows["work"]) < 0.5001).all()
    assert (np.abs(rows["middle"] - (rows["low"] + rows["high"]) / 2) < 0.0501).all()
