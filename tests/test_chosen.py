"""Labels that say which of some columns another repeats: found, kept, and followed where it is fixed."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.chosen import Chosen
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, from_json, share_kept, to_json
from tabstep.data.keeping import keep
from tests.test_constraints import common
from tests.test_keeping import torn


def games(n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Who won, what was paid, where it was sent, when it is over; who did not lose a draw, and fees of one group."""
    rng = np.random.default_rng(seed)
    teams = np.array([f"team {i}" for i in range(12)], dtype=object)
    home = rng.integers(0, 12, n)
    away = (home + rng.integers(1, 12, n)) % 12
    scored, conceded = rng.poisson(1.5, n), rng.poisson(1.2, n)
    result = np.select([scored > conceded, scored == conceded], ["H", "D"], "A")
    price = rng.gamma(3, 20, n).round(2)
    member = np.maximum(0.01, (price * rng.uniform(0.5, 0.9, n)).round(2))
    is_member = rng.random(n) < 0.4
    street = np.array([f"{a}{b} street" for a in "ABCDEFGH" for b in "aeiou"], dtype=object)
    billed = street[rng.integers(0, 40, n)]
    same = rng.random(n) < 0.6
    due = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"))
    extended = due + pd.to_timedelta(rng.integers(3, 90, n), unit="D")
    granted = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "home": teams[home],
            "away": teams[away],
            "scored": scored,
            "conceded": conceded,
            "result": result.astype(object),
            "winner": np.select([result == "H", result == "A"], [teams[home], teams[away]], "none").astype(
                object
            ),
            "price": price,
            "member price": member,
            "member": np.where(is_member, 1, 0),
            "paid": np.where(is_member, member, price),
            "same": np.where(same, "yes", "no").astype(object),
            "billed": billed,
            "sent": np.where(same, billed, street[rng.integers(0, 40, n)]).astype(object),
            "due": due,
            "extended": extended,
            "granted": np.where(granted, "yes", "no").astype(object),
            "over": extended.where(granted, due),
        }
    )


SAID = {
    "winner is away where result is A, home where result is H, none where result is D",
    "paid is price where member is 0, member price where member is 1",
    "sent is billed where same is yes",
    "over is due where granted is no, extended where granted is yes",
}


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(games())
    return frame, find(frame)


def test_they_are_found(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Chosen)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)


def test_one_row_that_says_otherwise_and_luck_are_none() -> None:
    frame = games()
    row = int(np.flatnonzero(frame["member"] == 1)[0])
    frame.loc[row, "paid"] += 1
    few = np.flatnonzero((frame["same"] == "yes").to_numpy())[40:]
    frame.loc[few, ["billed", "sent"]] = "Aa street"  # of 40 rows at most 30 would differ
    frame.loc[few[:11], "same"] = "no"
    rare = np.flatnonzero((frame["same"] == "yes").to_numpy())[:12]
    frame.loc[:, "same"] = "no"
    frame.loc[rare, "same"] = "yes"
    assert {rule.of for rule in find(common(frame)) if isinstance(rule, Chosen)} == {"winner", "over"}


def test_labels_may_be_empty_texts_and_gaps() -> None:
    frame = games()
    frame["member"] = np.select([frame["member"] == 1, frame.index % 2 == 0], ["yes", ""], "no").astype(
        object
    )
    frame["member"] = frame["member"].where(frame["member"] != "no")
    frame["paid"] = frame["member price"].where(frame["member"] == "yes", frame["price"])
    (rule,) = (rule for rule in find(frame) if isinstance(rule, Chosen) and rule.of == "paid")
    assert rule.repeats == (("", "price"), ("yes", "member price"), (None, "price"))
    assert not rule.breaks(frame).any()


def test_what_one_column_always_is_and_what_arithmetic_says_is_no_choice() -> None:
    rng = np.random.default_rng(0)
    price, number = rng.gamma(3, 20, 1000).round(2), rng.integers(1, 5, 1000)
    frame = pd.DataFrame(
        {
            "price": price,
            "number": number,
            "total": (price * number).round(2),
            "again": price,
            "state": rng.choice(["paid", "returned"], 1000).astype(object),
        }
    )
    rules = find(common(frame))
    assert {"total = price x number", "price = again"} <= {str(rule) for rule in rules}
    assert not any(isinstance(rule, Chosen) for rule in rules)
    frame["refund"] = frame["price"].where(frame["state"] == "returned", 0.0)
    assert "refund is price where state is returned, 0 where state is paid" in map(str, find(common(frame)))


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int
) -> None:
    frame, rules = learned[0], [rule for rule in learned[1] if isinstance(rule, Chosen)]
    before = torn(frame, seed)
    for fixed in ((), ("winner",), ("result", "home"), ("paid", "same"), ("sent", "billed"), ("over", "due")):
        after = keep(rules, before, fixed)
        assert [share_kept(rule, after) for rule in rules] == [1.0] * len(rules), fixed
        pd.testing.assert_frame_equal(keep(rules, after, fixed), after)
        for name in fixed:
            pd.testing.assert_series_equal(after[name], before[name])
        for rule in rules:
            if rule.of not in fixed:  # what tells is as it was drawn
                for name in rule.columns[:-1]:
                    pd.testing.assert_series_equal(after[name], before[name])


def test_what_a_fixed_value_asks_for() -> None:
    rule = Chosen("result", "winner", (("H", "home"), ("A", "away")), (("D", "none"),))
    before = pd.DataFrame(
        {
            "home": ["a", "a", "a", "a", None],
            "away": ["b", "b", "b", "b", "b"],
            "result": ["H", "H", "D", "A", "H"],
            "winner": ["b", "c", "a", "none", "none"],
        },
        dtype=object,
    )
    assert keep([rule], before)["winner"].tolist() == ["a", "a", "none", "b", None]
    after = keep([rule], before, ("winner",))
    assert after["result"].tolist() == [
        "A",
        "H",
        "H",
        "D",
        "D",
    ]  # a label that says so, else the column goes along
    assert after["home"].tolist() == ["a", "c", "a", "a", None]
    after = keep([rule], before, ("winner", "result"))
    assert after["home"].tolist() == ["b", "c", "a", "a", "none"]
    assert after["away"].tolist() == ["b", "b", "b", "none", "b"]
    assert broken(rule, after).tolist() == [False, False, True, False, False]  # a draw has no winner
    partly = Chosen("same", "sent", (("yes", "billed"),))
    before = pd.DataFrame({"same": ["yes", "no"], "billed": ["x", "y"], "sent": ["z", "z"]}, dtype=object)
    assert keep([partly], before)["sent"].tolist() == ["x", "z"]
    assert keep([partly], before, ("sent",))["billed"].tolist() == ["z", "y"]
    assert keep([partly], before, ("sent", "billed"))["same"].tolist() == ["no", "no"]


@pytest.mark.whole
def test_what_a_column_never_has_is_not_put_into_it() -> None:
    frame = games()
    never = frame["winner"] == "team 3"
    frame.loc[never, ["home", "away"]] = frame.loc[never, ["away", "home"]].to_numpy()
    frame["winner"] = np.select(
        [frame["result"] == "H", frame["result"] == "A"], [frame["home"], frame["away"]], "none"
    )
    (rule,) = (rule for rule in find(common(frame)) if isinstance(rule, Chosen) and rule.of == "winner")
    assert dict(rule.lacking) == {
        "winner": ("team 3",),
        **dict.fromkeys(("home", "away"), ("none",)),
    }
    for fixed in ((), ("winner",)):
        after = keep([rule], torn(common(frame), 1), fixed)
        assert not broken(rule, after).any()
        assert "team 3" not in set(after["winner"])
        assert "none" not in {*after["home"], *after["away"]}


@pytest.mark.whole
def test_a_column_without_gaps_gets_none() -> None:
    """Where the label says so, the other column goes along, or the label does."""
    frame = games()
    frame["billed"] = frame["billed"].where((frame["same"] == "yes") | (np.arange(len(frame)) % 3 > 0))
    frame["price"] = frame["price"].where((frame["member"] == 0) | (np.arange(len(frame)) % 3 > 0))
    rules = [rule for rule in find(common(frame)) if isinstance(rule, Chosen) and rule.of in ("sent", "paid")]
    assert [dict(rule.lacking)[rule.of] for rule in rules] == [(None,), (None,)]
    for seed in range(3):
        after = keep(rules, torn(common(frame), seed))
        assert not any(broken(rule, after).any() for rule in rules)
        assert after[["sent", "paid"]].notna().all(axis=None)


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule), allow_nan=False))) == rule
    (rule, *_) = (rule for rule in learned[1] if isinstance(rule, Chosen))
    for repeats in ([], [["H", "home"], ["H", "away"]]):
        with pytest.raises(ValueError, match=r"a rule with labels .*, expected one or more, and none twice"):
            from_json({**to_json(rule), "repeats": repeats})


@pytest.mark.whole
@pytest.mark.parametrize("target", [None, "winner"])
def test_models_keep_them(target: str | None) -> None:
    method = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)
    frame = games().astype({"winner": "category", "sent": "category"})
    model = tabstep.fit(frame, target, method=method, progress="none")
    told = [rule for rule in model.constraints if isinstance(rule, Chosen)]
    assert {str(rule) for rule in told} == SAID
    rows = model.sample(500, steps=5)
    assert not any(broken(rule, common(rows)).any() for rule in told)
    won = model.sample(60, steps=5, where={"winner": "team 3"})
    at_home, away = (won[name] == "team 3" for name in ("home", "away"))
    assert (won["winner"] == "team 3").all()
    assert (at_home ^ away).all()
    assert (won["result"] == np.where(at_home, "H", "A")).all()
    assert np.where(at_home, won["scored"] > won["conceded"], won["scored"] < won["conceded"]).all()
    with pytest.raises(ValueError, match=r"winner is .*home where result is H"):
        model.sample(3, steps=5, where={"result": "H", "home": "team 1", "winner": "team 2"})
