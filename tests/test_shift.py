"""Time from one clock to another, past midnight and without pauses: found, kept, and followed where it is fixed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.constraint_search import find
from tabstep.data.constraints import Constraint, broken, share_kept
from tabstep.data.shift import Shift
from tests.test_constraints import common, through_json
from tests.test_keeping import kept_when_torn

N = 800
SAID = {
    "worked = hours from clock in to clock out, past midnight too, less pause",
    "night = minutes from bed to up, past midnight too",
    "drive = hours from left to home, less rests",
}


def clock(minutes: np.ndarray) -> pd.Series:
    return pd.Series(pd.Timestamp("2000-01-01") + pd.to_timedelta(minutes % 1440, unit="min"))


def sheet(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Shifts of a day, which may end on the next one; nights; drives by date and time, with rests in hours."""
    rng = np.random.default_rng(seed)
    begin, length = (
        rng.choice([360, 840, 1320], n) + rng.integers(-3, 4, n) * 5,
        rng.choice([420, 480, 550], n),
    )
    pause = rng.choice([0, 30, 45, 60], n)
    bed, night = rng.integers(1200, 1560, n), rng.integers(240, 600, n)
    left = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 60 * 24 * 90, n), unit="min")
    drive, rests = rng.integers(40, 900, n), rng.choice([0, 0.25, 0.5, 1.0], n)
    return pd.DataFrame(
        {
            "clock in": clock(begin),
            "clock out": clock(begin + length),
            "pause": pause,
            "worked": ((length - pause) / 60).round(2),
            "bed": clock(bed),
            "up": clock(bed + night),
            "night": night,
            "left": left,
            "home": left + pd.to_timedelta(drive + 60 * rests, unit="min"),
            "rests": rests,
            "drive": (drive / 60).round(2),
            "who": rng.choice(["a", "b"], n),
        }
    )


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Constraint, ...]]:
    frame = common(sheet())
    return frame, find(frame)


def test_they_are_found_and_through_json(learned: tuple[pd.DataFrame, tuple[Constraint, ...]]) -> None:
    frame, rules = learned
    assert {str(rule) for rule in rules if isinstance(rule, Shift)} == SAID
    assert all(share_kept(rule, frame) == 1 for rule in rules)
    assert through_json(rules) == [*rules]


@pytest.mark.whole
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    fixed=st.sampled_from(["", "clock in", "worked", "clock out", "pause", "night", "who"]),
)
def test_rows_keep_them_whatever_they_were(
    learned: tuple[pd.DataFrame, tuple[Constraint, ...]], seed: int, fixed: str
) -> None:
    frame, rules = learned
    after = kept_when_torn(frame, rules, seed, fixed)
    for name in ("clock in", "clock out", "bed", "up"):
        assert (after[name].dt.normalize() == pd.Timestamp("2000-01-01")).all()
        assert (after[name].dt.second == 0).all()


@settings(max_examples=60, deadline=None)
@given(
    begin=st.integers(0, 1439),
    length=st.integers(1, 1439),
    pause=st.integers(0, 60),
    name=st.sampled_from(["start", "end", "pause"]),
)
def test_any_part_can_follow(begin: int, length: int, pause: int, name: str) -> None:
    rule = Shift(
        "start", "end", "pause", "of", True, 3600.0, 60.0, False, 0.0, (60.0, 60.0, 1.0),
        ((0.0, 0.0), (0.0, 0.0)), ("end", "of", "start", "pause"),
    )  # fmt: skip
    frame = pd.DataFrame(
        {
            "start": clock(np.array([begin])),
            "end": clock(np.array([begin + length])),
            "pause": [float(pause)],
            "of": [(length - pause) / 60],
        }
    )
    assert not broken(rule, frame).any()
    torn_off = {"start": clock(np.array([7])), "end": clock(np.array([3])), "pause": 99.0}
    before = frame.assign(**{name: torn_off[name]})
    pd.testing.assert_frame_equal(frame.assign(**{name: rule.moved(name, before)}), frame, check_dtype=False)


@pytest.mark.whole
def test_one_row_that_says_otherwise_and_spans_within_a_day_are_none() -> None:
    frame = sheet()
    frame.loc[5, "worked"] += 1
    frame["night"] = np.random.default_rng(1).permutation(frame["night"])
    assert {rule.of for rule in find(common(frame)) if isinstance(rule, Shift)} == {"drive"}
    rng = np.random.default_rng(0)
    begin, length = rng.integers(300, 600, N), rng.integers(60, 600, N)
    day = pd.DataFrame({"from": clock(begin), "to": clock(begin + length), "minutes": length})
    assert not any(isinstance(rule, Shift) for rule in find(common(day)))


def test_a_rule_that_is_none_is_refused() -> None:
    for unit in (0.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="a rule in units of"):
            Shift("a", "b", "", "c", True, unit, 1.0, False, 1.0, (60.0, 60.0, 0.0), ((0, 0), (0, 0)), ("c",))


@pytest.mark.whole
def test_models_of_text_keep_them() -> None:
    frame = sheet(400)
    frame = frame.assign(**{n: frame[n].dt.strftime("%H:%M") for n in ("clock in", "clock out", "bed", "up")})
    rows = tabstep.fit(frame, method="mixture", progress="none").sample(200, seed=1)
    at = {
        n: pd.to_timedelta(rows[n] + ":00").dt.total_seconds() for n in ("clock in", "clock out", "bed", "up")
    }
    passed = (at["clock out"] - at["clock in"]) % 86400
    assert (np.abs(passed / 3600 - rows["pause"] / 60 - rows["worked"]) < 0.0051).all()
    assert ((at["up"] - at["bed"]) % 86400 == 60 * rows["night"]).all()


@pytest.mark.whole
def test_whole_hours_are_whole_in_drawn_rows_too() -> None:
    """A room is booked from any quarter of an hour, for whole hours, a ward has shifts of whole hours past midnight."""
    rng = np.random.default_rng(0)
    begin, hours = rng.integers(28, 60, 600) * 15, rng.choice([1, 2, 2, 3, 4], 600)
    late, shift = rng.integers(0, 96, 600) * 15, rng.choice([6, 8, 8, 12], 600)
    frame = pd.DataFrame(
        {
            "from": clock(begin),
            "to": clock(begin + 60 * hours),
            "hours": hours,
            "starts": clock(late),
            "ends": clock(late + 60 * shift),
            "shift": shift,
            "room": rng.choice(["a", "b"], 600),
        }
    )
    frame = frame.assign(**{n: frame[n].dt.strftime("%H:%M") for n in ("from", "to", "starts", "ends")})
    model = tabstep.fit(frame, method="mixture", progress="none")
    for rows in (model.sample(200, seed=1), model.sample(50, seed=1, where={"hours": 3})):
        at = {
            n: pd.to_timedelta(rows[n] + ":00").dt.total_seconds() for n in ("from", "to", "starts", "ends")
        }
        assert (at["to"] - at["from"] == 3600 * rows["hours"]).all()
        assert ((at["ends"] - at["starts"]) % 86400 == 3600 * rows["shift"]).all()
    assert (rows["hours"] == 3).all()
