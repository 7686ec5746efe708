"""Sums whose parts come to what no training row had: everything stays within the ends, and the sum holds."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Sum, broken, from_json, share_kept, to_json
from tabstep.data.counted import seen_of
from tabstep.data.keeping import keep
from tabstep.data.reach import within
from tests.test_constraints import common
from tests.test_keeping import torn

N = 400


def accounts(seed: int = 0) -> pd.DataFrame:
    """Sums of two and of more, with parts of both signs, and a time that is so much later."""
    rng = np.random.default_rng(seed)
    earned, spent = rng.integers(1000, 90_000, N), rng.integers(1000, 90_000, N)
    parts = {name: rng.uniform(0, 100, N).round(2) for name in ("a", "b", "c")}
    came = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, N), unit="D"))
    stayed = pd.Series(pd.to_timedelta(rng.integers(1, 90, N), unit="D"))
    frame = pd.DataFrame({"earned": earned, "spent": spent, "kept": earned - spent} | parts)
    return frame.assign(
        t=(frame["a"] - frame["b"] + frame["c"]).round(2), came=came, stayed=stayed, left=came + stayed
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_parts_come_to_stays_where_training_rows_are(seed: int) -> None:
    frame = common(accounts(seed))
    rules = find(frame)
    assert {"spent + kept = earned", "t = a - b + c", "came + stayed = left"} <= {str(rule) for rule in rules}
    drawn = frame.apply(lambda column: column.sample(frac=1, random_state=len(column.name)).to_numpy())
    outside = drawn["spent"] + drawn["kept"]
    assert ((outside < frame["earned"].min()) | (outside > frame["earned"].max())).mean() > 0.2
    after = keep(rules, drawn)
    for rule in rules:
        assert share_kept(rule, after) == 1.0, str(rule)
    for name in frame:
        assert after[name].between(frame[name].min(), frame[name].max()).all(), name


@dataclass(frozen=True)
class Plain:
    terms: tuple[tuple[str, int, float], ...]
    seen: tuple[tuple[str, float, float], ...]
    whole: tuple[str, float] = ("t", 1.0)

    def exact(self, rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(sum(sign * rows[name] for name, sign, _ in self.terms), float)


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_all_within_ends_comes_out_wherever_rows_are_drawn_in_their_box(data: st.DataObject) -> None:
    """A point of the box that keeps the sum is there, so one is found from any other with a total that was seen."""
    width = data.draw(st.integers(2, 5))
    whole = st.lists(st.integers(-50, 50), min_size=width, max_size=width)
    seen = pd.DataFrame(data.draw(st.lists(whole, min_size=2, max_size=6)), columns=list("abcde")[:width])
    seen = seen.astype(float)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    signs = [data.draw(st.sampled_from([1, -1])) for _ in seen]
    total = sum(sign * seen[name] for sign, name in zip(signs, seen, strict=True))
    frame = seen.assign(t=total)
    low, high = frame.min(), frame.max()
    drawn = pd.DataFrame({name: rng.integers(low[name], high[name] + 1, 40) for name in frame}).astype(float)

    rule = Plain(
        tuple((name, sign, 1.0) for name, sign in zip(seen, signs, strict=True)), seen_of(frame, [*frame])
    )
    wrong = rule.exact(drawn) != drawn["t"].to_numpy()
    after = within(rule, drawn, wrong, ())
    out = (rule.exact(drawn) < low["t"]) | (rule.exact(drawn) > high["t"])
    assert (rule.exact(after)[out] == drawn["t"][out]).all()
    assert ((after >= low - 1e-9) & (after <= high + 1e-9)).all(axis=None)
    assert after[~out].equals(drawn[~out])
    assert within(rule, drawn, wrong, [*seen]).equals(drawn)  # nothing is free


def test_one_part_makes_up_for_it_where_it_can_alone_and_gaps_are_not_filled() -> None:
    frame = pd.DataFrame({"a": [0.0, 10.0, 3.0], "b": [-5.0, 5.0, 2.0]}).assign(c=lambda f: f["a"] + f["b"])
    rule = Sum("a", "b", "c", (1.0, 1.0, 1.0), ("a",), seen_of(frame, "abc"))
    assert from_json(json.loads(json.dumps(to_json(rule)))) == rule
    drawn = pd.DataFrame(
        {"a": [0.0, 1.0, np.nan, 10.0], "b": [-7.0, -8.0, -9.0, 2.0], "c": [1.0, 2.0, 0.0, 9.0]}
    )
    after = within(rule, drawn, broken(rule, drawn), ())
    # b alone; b alone; b, as a gap stays one; 12 was seen, and the sum is what it makes
    assert after["b"].tolist() == [1.0, 1.0, 0.0, 2.0]
    assert after["a"].fillna(-1).tolist() == [0.0, 1.0, -1.0, 10.0]
    held = within(rule, drawn, broken(rule, drawn), ("b",))
    assert held["a"].fillna(-1).tolist() == [8.0, 10.0, -1.0, 10.0]  # 10 of the 10 at the most
    older = Sum("a", "b", "c", (1.0, 1.0, 1.0))  # of a file that does not say what was seen
    assert within(older, drawn, broken(older, drawn), ()).equals(drawn)


def test_fixed_totals_and_what_they_are_made_of_stay() -> None:
    frame = common(accounts())
    rules = find(frame)
    drawn = torn(frame, 2)
    for fixed in (("earned",), ("earned", "spent"), ("t",)):
        after = keep(rules, drawn, fixed)
        assert after[list(fixed)].equals(drawn[list(fixed)])
        assert {share_kept(rule, after) for rule in rules} == {1.0}


def test_a_model_draws_no_takings_that_its_table_does_not_have() -> None:
    rng = np.random.default_rng(3)
    home, away = rng.poisson(1.5, N), rng.poisson(1.1, N)
    won = np.where(home > away, "H", np.where(home < away, "A", "D"))
    frame = pd.DataFrame({"home": home, "away": away, "won": won, "by": home - away})
    rows = tabstep.fit(frame, method="mixture", progress="none").sample(300, seed=1)
    assert (rows["home"] - rows["away"] == rows["by"]).all()
    assert rows["home"].between(0, home.max()).all()
    assert (
        np.where(rows["home"] > rows["away"], "H", np.where(rows["home"] < rows["away"], "A", "D"))
        == rows["won"]
    ).all()
