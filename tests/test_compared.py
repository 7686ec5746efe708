"""Labels that say which of two columns is larger: found, kept, and followed where they are fixed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.compared import Compared
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tests.test_constraints import common
from tests.test_keeping import torn


def season(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Who won, what came after the day that it was due, which budgets were not kept; some did not come yet."""
    rng = np.random.default_rng(seed)
    home, away = rng.poisson(1.5, n), rng.poisson(1.1, n)
    due = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"))
    came = (due + pd.to_timedelta(rng.normal(-1, 3, n) * 86400, unit="s")).dt.round("s")
    came = came.where(rng.random(n) < 0.9)
    budget = rng.gamma(3, 1000, n).round(2)
    spent = (budget * rng.lognormal(0, 0.2, n)).round(2)
    x, y = rng.normal(size=(2, n))
    return pd.DataFrame(
        {
            "home": home,
            "away": away,
            "result": np.select([home > away, home == away], ["H", "D"], "A").astype(object),
            "due": due,
            "came": came,
            "late": np.where(came.isna(), "open", np.where(came.dt.floor("D") > due, "yes", "no")).astype(
                object
            ),
            "budget": budget,
            "spent": spent,
            "over": np.where(spent > budget, 1, 0),
            "x": x,
            "y": y,
            "most": np.where(x > y, "x", "y").astype(object),
        }
    )


SAID = {
    "result is A where home < away, D where home = away, H where home > away",
    "late is yes where the day of due < the day of came, no where the day of due >= the day of came",
    "over is 1 where budget < spent, 0 where budget > spent",
    "most is y where x < y, x where x > y",
}


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(season())
    return frame, find(frame)


def test_they_are_found(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Compared)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)


def test_one_row_that_says_otherwise_and_other_labels_are_none() -> None:
    frame = season()
    frame.loc[7, "result"] = "A" if frame.loc[7, "result"] == "H" else "H"
    frame["most"] = np.random.default_rng(1).choice(["x", "y"], len(frame)).astype(object)
    frame["over"] = (frame["spent"] > 2000).astype(int)  # a band of one of them
    found = {rule.of for rule in find(common(frame)) if isinstance(rule, Compared)}
    assert found == {"late"}


def test_what_is_in_other_units_is_not_compared() -> None:
    rng = np.random.default_rng(0)
    hours, pay = rng.integers(1, 40, 500), rng.integers(1, 40, 500)
    frame = pd.DataFrame(
        {"a": hours * 1.0, "b": pay * 1.0, "more": np.where(hours > pay, "a", "b").astype(object)}
    )
    assert [rule.columns for rule in find(frame)] == [("a", "b", "more")]
    assert not find(frame, units={"a": "h", "b": "€"})


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int
) -> None:
    frame, rules = learned[0], [rule for rule in learned[1] if isinstance(rule, Compared)]
    before = torn(frame, seed)
    before["came"] = before["came"].where(before["late"] != "open")
    for fixed in ((), ("result", "over"), ("home",), ("late", "due"), ("most",)):
        after = keep(rules, before, fixed)
        assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules), fixed
        pd.testing.assert_frame_equal(keep(rules, after, fixed), after)
        for name in fixed:
            pd.testing.assert_series_equal(after[name], before[name])
        for name in ("home", "away", "came", "budget", "spent", "x"):
            shown = after[name].dropna()
            assert shown.between(frame[name].min(), frame[name].max()).all(), (fixed, name)
        assert (after["home"] == after["home"].round()).all()
        assert (after["spent"] == after["spent"].round(2)).all()


def test_the_label_follows_unless_it_is_fixed_and_then_numbers_change_places() -> None:
    pairs = ((-1, "A"), (0, "D"), (1, "H"))
    rule = Compared("home", "away", "result", pairs, 0.0, ((0.0, 9.0), (0.0, 9.0)), (1.0, 1.0))
    before = pd.DataFrame(
        {
            "home": [3.0, 1.0, 2.0, 2.0, 8.0, np.nan],
            "away": [1.0, 4.0, 2.0, 5.0, 1.0, 2.0],
            "result": ["A", "H", "H", "D", "A", "A"],
        }
    )
    assert keep([rule], before)["result"].tolist() == ["H", "A", "D", "A", "H", "A"]
    after = keep([rule], before, ("result",))
    assert after["home"].fillna(-1).tolist() == [1.0, 4.0, 3.0, 5.0, 1.0, -1.0]
    assert after["away"].tolist() == [3.0, 1.0, 2.0, 5.0, 8.0, 2.0]
    after = keep([rule], before, ("home", "result"))
    assert after["away"].tolist() == [5.0, 0.0, 1.0, 2.0, 9.0, 2.0]  # no less than 0, no more than 9
    none = before.assign(home=9.0, result="A")
    pd.testing.assert_frame_equal(keep([rule], none, ("home", "result")), none)  # there is no such row
    pd.testing.assert_frame_equal(keep([rule], before, ("home", "away", "result")), before)


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule), allow_nan=False))) == rule
    (rule, *_) = (rule for rule in learned[1] if isinstance(rule, Compared))
    with pytest.raises(ValueError, match="a rule with sign 2, expected one of -1, 0, 1"):
        from_json({**to_json(rule), "pairs": [[2, "H"]]})
    for pairs in ([], [[0, "H"]], [[0, "H"], [1, "H"]], [[0, "H"], [0, "A"]]):
        with pytest.raises(
            ValueError, match=r"a rule with labels .*, expected two or more, and one for each sign"
        ):
            from_json({**to_json(rule), "pairs": pairs})


@pytest.mark.whole
@pytest.mark.parametrize("target", [None, "result"])
def test_models_keep_them(target: str | None) -> None:
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    model = tabstep.fit(season(), target, method=method, progress="none")
    assert {*map(str, model.constraints)} >= SAID
    rows = model.sample(500, steps=5)
    told = [rule for rule in model.constraints if isinstance(rule, Compared)]
    assert not any(broken(rule, common(rows)).any() for rule in told)
    won = model.sample(60, steps=5, where={"result": "H"})
    assert (won["result"] == "H").all()
    assert (won["home"] > won["away"]).all()
    with pytest.raises(ValueError, match="result is A where home < away"):
        model.sample(3, steps=5, where={"result": "H", "home": 1, "away": 2})
