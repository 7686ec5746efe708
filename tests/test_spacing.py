"""Distances that are kept at once: bounds by closed forms, and rows of any chains and trees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data import spacing
from tabstep.data.constraint_search import find
from tabstep.data.constraints import share_kept
from tabstep.data.keeping import keep
from tabstep.data.spaced import Spaced
from tests.test_constraints import common
from tests.test_keeping import torn


def apart(low: str, high: str, least: float, most: float | None, end: float = 100.0) -> Spaced:
    return Spaced(low, high, least, most, ((0.0, end), (0.0, end)), (1.0, 1.0), "f")


def test_rules_are_tied_by_the_columns_that_they_share() -> None:
    rules = [apart(*pair, 1.0, None) for pair in ("ab", "cd", "xy", "bc")]
    assert [{rule.columns for rule in group} for group in spacing.groups(rules)] == [
        {("x", "y")},
        {("a", "b"), ("b", "c"), ("c", "d")},
    ]


def test_bounds_are_the_shortest_ways_between_columns() -> None:
    """a and c are 5 to 12 apart by way of b; what c may be at most says so of a."""
    bounds = spacing._bounds(["a", "b", "c"], [apart("a", "b", 2.0, 5.0), apart("b", "c", 3.0, 7.0)])
    a, _, c, origin = range(4)
    assert (bounds[a, c], -bounds[c, a]) == (12.0, 5.0)
    assert (bounds[origin, a], -bounds[c, origin]) == (95.0, 5.0)


def test_what_is_far_beyond_is_folded_between_the_ends() -> None:
    x = np.array([4.0, 2.0, -1.0, -9.0, 15.0, 23.0, 7.0])
    ends = np.full(7, 5.0), np.full(7, 11.0)
    assert spacing._folded(x, *ends, 1.0, 0.49).tolist() == [6.0, 8.0, 11.0, 5.0 + 2.0, 7.0, 11.0, 7.0]
    open_ = np.full(7, 5.0), np.full(7, np.inf)
    assert spacing._folded(x, *open_, 1.0, 0.49).tolist() == [6.0, 8.0, 11.0, 19.0, 15.0, 23.0, 7.0]
    assert spacing._folded(x, ends[0], ends[0], 1.0, 0.49).tolist() == [5.0] * 7
    assert spacing._folded(x, ends[1], ends[0], 1.0, 0.49).tolist() == x.tolist()  # there is none


def test_chains_that_have_no_room_at_their_end_move_from_there() -> None:
    rules = [apart("a", "b", 10.0, 20.0), apart("b", "c", 30.0, 40.0)]
    before = pd.DataFrame(
        {"a": [90.0, 10.0, np.nan, 10.0], "b": [95.0, 5.0, 90.0, np.nan], "c": [99.0, 45.0, 99.0, 99.0]}
    )
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0, 1.0]
    # c is at most 100, so a at most 60 and b at most 70: 90 is turned there, and what follows between its own ends.
    assert after.loc[0].tolist() == [30.0, 45.0, 79.0]
    assert after.loc[1].tolist() == [10.0, 25.0, 65.0]
    assert after.loc[2].tolist()[1:] == [50.0, 81.0]
    pd.testing.assert_series_equal(after.loc[3], before.loc[3])  # without b nothing ties a and c
    held = keep(rules, before, ("a",))
    pd.testing.assert_series_equal(held["a"], before["a"])
    assert share_kept(rules[0], held.iloc[1:]) == 1


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_rows_of_any_chains_and_trees_keep_all_of_them(seed: int) -> None:
    """Days and minutes, numbers of other grids, an order beside them, and a label that says which is larger."""
    rng = np.random.default_rng(seed)
    n = 1200
    times = [pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")]
    for _ in range(int(rng.integers(2, 6))):
        low = int(rng.integers(0, 40))
        high = low + int(rng.integers(5, 200))
        by = (
            rng.integers(low, high, n)
            if rng.random() < 0.6
            else rng.integers(low * 1440, high * 1440, n) / 1440
        )
        times.append(times[int(rng.integers(len(times)))] + pd.to_timedelta((by * 1440).round(), unit="min"))
    frame = pd.DataFrame({f"t{i}": time for i, time in enumerate(times)})
    frame["x"] = rng.gamma(3, 30, n).round(2)
    frame["y"] = (frame["x"] + rng.uniform(5, 60, n)).round(int(rng.integers(1, 3)))
    frame["z"] = (frame["y"] + rng.integers(0, 9, n)).round(2)
    frame["first"] = np.where(frame["t0"] < times[-1].floor("D"), "yes", "no").astype(object)
    frame = common(frame[list(rng.permutation(frame.columns))])
    rules = find(frame)
    assert any(isinstance(rule, Spaced) for rule in rules)
    after = keep(rules, torn(frame, seed))
    assert [(str(rule), share_kept(rule, after)) for rule in rules] == [(str(rule), 1.0) for rule in rules]
    for name in frame.columns.drop("first"):
        assert after[name].between(frame[name].min(), frame[name].max()).all(), name
    pd.testing.assert_frame_equal(keep(rules, after), after)
