"""Lengths of time that look like times of day: told by the other columns, and kept in drawn rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api.preparing import Prepared, prepare
from tabstep.data.columns import Number
from tabstep.data.wishes import Python, Wishes
from tabstep.data.written_lengths import WrittenLengths

N = 400


def clock(minutes: np.ndarray) -> list[str]:
    return [f"{m // 60:02d}:{m % 60:02d}" for m in minutes % 1440]


def length(minutes: np.ndarray) -> list[str]:
    return [f"{m // 60}:{m % 60:02d}" for m in minutes]


def minutes(column: pd.Series) -> np.ndarray:
    parts = column.str.split(":", expand=True).astype(int)
    return np.asarray(60 * parts[0] + parts[1])


def calls(rng: np.random.Generator) -> dict[str, object]:
    begin, took = rng.integers(480, 1000, N), rng.integers(1, 300, N)
    return {"from": clock(begin), "to": clock(begin + took), "took": length(took)}


def nights(rng: np.random.Generator) -> dict[str, object]:
    begin, took = rng.integers(1200, 1600, N), rng.integers(240, 600, N)
    return {"bed": clock(begin), "up": clock(begin + took), "slept": length(took)}


def shifts(rng: np.random.Generator) -> dict[str, object]:
    begin, pause = rng.choice([360, 840, 1320], N) + 5 * rng.integers(-3, 4, N), rng.choice([0, 30, 45], N)
    took = rng.choice([420, 480, 550], N) + 5 * rng.integers(0, 9, N)
    return {
        "in": clock(begin),
        "out": clock(begin + took),
        "pause": length(pause),
        "worked": length(took - pause),
    }


def shifts_by_number(rng: np.random.Generator) -> dict[str, object]:
    told = shifts(rng)
    return told | {"pause": [int(text[-2:]) for text in told["pause"]]}  # type: ignore[attr-defined]


def trips(rng: np.random.Generator) -> dict[str, object]:
    begin = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 60 * 24 * 90, N), unit="min")
    took = rng.integers(5, 900, N)
    there = begin + pd.to_timedelta(took, unit="min")
    return {"left": begin, "home": there.strftime("%Y-%m-%d %H:%M"), "took": clock(took)}


CASES: dict[Callable[[np.random.Generator], dict[str, object]], tuple[set[str], str]] = {
    calls: ({"took"}, "from + took = to"),
    nights: ({"slept"}, "slept = time from bed to up, past midnight too"),
    shifts: ({"pause", "worked"}, "worked = time from in to out, past midnight too, less pause"),
    shifts_by_number: ({"worked"}, "worked = time from in to out, past midnight too, less pause"),
    trips: ({"took"}, "left + took = home"),
}


def table(make: Callable[[np.random.Generator], dict[str, object]]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({**make(rng), "who": rng.choice(["a", "b", "c"], N)})


def prepared(frame: pd.DataFrame) -> Prepared:
    return prepare(frame, None, Wishes(), Python(), 0)


def lengths(ready: Prepared) -> set[str]:
    return {c.name for c in ready.columns if isinstance(c, Number) and isinstance(c.form, WrittenLengths)}


@pytest.mark.parametrize("make", CASES)
def test_a_clock_that_others_tell_is_a_length(
    make: Callable[[np.random.Generator], dict[str, object]],
) -> None:
    ready = prepared(table(make))
    wanted, rule = CASES[make]
    assert lengths(ready) == wanted
    assert rule in [str(found) for found in ready.constraints]


@pytest.mark.parametrize("make", CASES)
def test_gaps_hide_no_length(make: Callable[[np.random.Generator], dict[str, object]]) -> None:
    frame = table(make)
    for k, name in enumerate(frame.columns[:3]):
        frame.loc[np.arange(N) % 23 == k, name] = None
    assert lengths(prepared(frame)) >= CASES[make][0] - {"pause"}


def test_clocks_that_nothing_is_told_of_stay_times_of_day() -> None:
    frame = table(calls)
    rng = np.random.default_rng(4)
    assert lengths(prepared(frame.assign(took=rng.permutation(frame["took"])))) == set()
    off = frame.copy()
    off.loc[7, "took"] = "4:59"
    assert lengths(prepared(off)) == set()
    assert lengths(prepared(frame.drop(columns="to"))) == set()
    assert lengths(prepared(frame.assign(took="0:42", to=clock(minutes(frame["from"]) + 42)))) == set()


def test_what_a_user_calls_a_time_is_one() -> None:
    ready = prepare(table(calls), None, Wishes(date={"took": "%H:%M"}), Python(), 0)
    assert lengths(ready) == set()


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (calls, lambda r: minutes(r["to"]) - minutes(r["from"]) - minutes(r["took"])),
        (nights, lambda r: minutes(r["up"]) - minutes(r["bed"]) - minutes(r["slept"])),
        (shifts, lambda r: minutes(r["out"]) - minutes(r["in"]) - minutes(r["pause"]) - minutes(r["worked"])),
        (
            shifts_by_number,
            lambda r: minutes(r["out"]) - minutes(r["in"]) - r["pause"] - minutes(r["worked"]),
        ),
    ],
)
def test_drawn_rows_keep_it_and_are_written_as_the_table_is(
    make: Callable[[np.random.Generator], dict[str, object]],
    kept: Callable[[pd.DataFrame], np.ndarray],
) -> None:
    frame = table(make)
    rows = tabstep.fit(frame, method="mixture", progress="none").sample(300, seed=1)
    assert (np.asarray(kept(rows)) % 1440 == 0).all()
    for name in frame.columns[frame.dtypes == frame["who"].dtype].drop("who"):
        assert rows[name].str.fullmatch(r"\d?\d:\d\d").all()
