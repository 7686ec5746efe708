"""What is the largest or the least of others: found where planted, kept whatever was drawn, and no luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, Order, broken, share_kept
from tabstep.data.extreme import Extreme
from tabstep.data.keeping import keep
from tests.test_constraints import common, through_json
from tests.test_keeping import torn

N = 600
SAID = {
    "best = the largest of run1, run2 and run3",
    "cheapest = the least of shop and web",
    "last = the largest of opened, paid and sent",
}
DAYS = ["opened", "paid", "sent"]


def tries(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Some have run less than three times; the last of three dates is when something happened last."""
    rng = np.random.default_rng(seed)
    runs = pd.DataFrame({f"run{k}": rng.normal(70, 10, n).round(1) for k in (1, 2, 3)})
    runs["run3"] = runs["run3"].where(rng.random(n) < 0.8)
    shop, web = (rng.lognormal(3, 0.4, n).round(2) for _ in range(2))
    days = pd.DataFrame(
        {
            name: pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
            for name in DAYS
        }
    )
    frame = runs.assign(best=runs.max(axis=1), shop=shop, web=web, cheapest=np.minimum(shop, web))
    return frame.assign(**days, last=days.max(axis=1), noise=rng.normal(size=n))


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(tries())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Extreme)} == SAID
    assert not [rule for rule in rules if isinstance(rule, Order)]  # they go without saying
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@pytest.mark.whole
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fixed=st.sampled_from([(), ("best",), ("run1",), ("cheapest", "last"), ("run1", "run2", "best")]),
)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: tuple[str, ...]
) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    if "run1" in fixed:  # a user's values are possible ones
        before["best"] = np.maximum(before["best"], before[["run1", "run2"]].max(axis=1))
    after = keep(rules, before, fixed)
    broken_ = {str(rule): share_kept(rule, after) for rule in rules if share_kept(rule, after) < 1}
    # Where two of three runs are given, and the best, the third is none or the best.
    lone = after["run3"].isna() & (after["best"] > after[["run1", "run2"]].max(axis=1))
    assert broken_ == {} or (len(fixed) == 3 and lone.any())
    for name in fixed or ("run1", "run2", "shop", "web", *DAYS, "noise"):
        pd.testing.assert_series_equal(after[name], before[name])


@pytest.mark.whole
def test_one_row_that_says_otherwise_and_luck_are_none() -> None:
    frame, rng = tries(), np.random.default_rng(1)
    frame.loc[7, "best"] += 1
    frame.loc[9, "last"] = frame.loc[9, DAYS].min()
    # A bound that is met in a few rows is none of two.
    frame["above"] = frame["web"] + rng.integers(1, 5, N) * (np.arange(N) > 5)
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Extreme)}
    assert found == {"cheapest"}


def test_gaps_count_as_nothing() -> None:
    rule = Extreme(("a", "b"), "c", True, (1.0, 1.0))
    frame = pd.DataFrame({"a": [1.0, np.nan, np.nan, 4], "b": [2.0, 3, np.nan, 1], "c": [2.0, 3, 5, np.nan]})
    assert broken(rule, frame).tolist() == [False] * 4
    assert broken(rule, frame.assign(c=9.0)).tolist() == [True, True, False, True]
    shared = rule.shared(pd.DataFrame({"a": [1.0, 9], "b": [2.0, 8], "c": [5.0, 7]}), ["a", "b"])
    assert shared["a"].tolist() == [1, 7]
    assert shared["b"].tolist() == [5, 7]


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected two or more"):
        Extreme(("a",), "b", True, (1.0,))


@pytest.mark.whole
def test_models_keep_them() -> None:
    rows = tabstep.fit(tries(400), method="mixture", progress="none").sample(200, seed=1)
    assert (rows["best"] == rows[["run1", "run2", "run3"]].max(axis=1)).all()
    assert (rows["cheapest"] == rows[["shop", "web"]].min(axis=1)).all()
    assert (rows["last"] == rows[DAYS].max(axis=1)).all()
