"""Ends of a range finer or coarser than a column, values of another kind, and what is said where none is met."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api import told
from tabstep.api.ends import counted
from tabstep.data.columns import Number
from tabstep.data.inference import infer
from tabstep.data.wishes import Python, Wishes
from tests.test_asked import fitted

NOON = pd.Timestamp("2024-02-10 12:00")
DAYS = pd.Series(pd.date_range("2024-01-01", periods=120))
MINUTES = pd.Series(pd.date_range("2024-01-01", periods=120, freq="25h7min"))
COLUMNS: dict[str, pd.Series[Any]] = {
    "day": DAYS,
    "minute": MINUTES,
    "date": DAYS.dt.date,
    "text": DAYS.dt.strftime("%d.%m.%Y"),
    "arrow": DAYS.dt.date.astype("date32[pyarrow]"),
    "berlin": MINUTES.dt.tz_localize("Europe/Berlin"),
    "kolkata": pd.Series(pd.date_range("2024-01-01", periods=120, freq="31h", tz="Asia/Kolkata")),
    "far": pd.Series(DAYS.to_numpy().astype("M8[s]") - np.timedelta64(400 * 365, "D")),
    "month": pd.Series(pd.date_range("2020-01-01", periods=120, freq="MS")),
    "period": pd.Series(pd.period_range("2024-01-01", periods=120, freq="D")),
    "months": pd.Series(pd.period_range("2020-01", periods=120, freq="M")),
    "length": pd.Series(pd.to_timedelta(np.arange(120) * 13 - 200, unit="min")),
    "clock": pd.Series([datetime.time(i % 24, i % 60) for i in range(120)], dtype=object),
}


def column(name: str) -> Number:
    (found,), faults = infer(pd.DataFrame({name: COLUMNS[name]}), Wishes(), Python())
    assert not faults
    assert isinstance(found, Number)
    return found


def within(name: str, low: Any, high: Any) -> list[Any]:
    """The values of a column that lie between two ends."""
    of = column(name)
    counts = of.read(COLUMNS[name])
    met = np.ones(len(counts), dtype=bool)
    met &= True if low is None else counts >= counted(of, low, "low")
    met &= True if high is None else counts <= counted(of, high, "high")
    return list(COLUMNS[name][met])


def moments(name: str) -> pd.Series[Any]:
    values = COLUMNS[name]
    if name == "text":
        return pd.to_datetime(values, format="%d.%m.%Y")
    whole = (
        values.dt.start_time
        if isinstance(values.dtype, pd.PeriodDtype)
        else pd.to_datetime(values.astype(object))
    )
    return pd.Series(whole)


TIMES = [name for name in COLUMNS if name not in ("far", "length", "clock")]


@pytest.mark.parametrize("name", [name for name in TIMES if not name.startswith(("period", "months"))])
@pytest.mark.parametrize(
    "end", [NOON, "2024-02-10T12:00:30.25", NOON - pd.Timedelta(1), NOON.to_pydatetime()], ids=str
)
def test_an_end_finer_than_a_column_is_rounded_inwards(name: str, end: Any) -> None:
    values, zone = moments(name), getattr(moments(name).dt, "tz", None)
    at = pd.Timestamp(end).tz_localize(zone)
    assert within(name, end, None) == list(COLUMNS[name][(values >= at).to_numpy()])
    assert within(name, None, end) == list(COLUMNS[name][(values <= at).to_numpy()])
    if zone is not None:
        assert within(name, at.tz_convert("UTC"), None) == within(name, end, None)


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    ("end", "freq"),
    [
        ("2024-02", "M"),
        ("2024", "Y"),
        (2024, "Y"),
        (pd.Period("2024-02", "M"), "M"),
        (pd.Period("2024Q1", "Q"), "Q"),
        (pd.Period("2024-02-10", "D"), "D"),
        (np.datetime64("2024-02"), "M"),
        (datetime.date(2024, 2, 10), "D"),
    ],
    ids=str,
)
def test_an_end_coarser_than_a_column_is_all_of_it(name: str, end: Any, freq: str) -> None:
    values = moments(name)
    whole = pd.Period(str(end), freq)  # type: ignore[arg-type]
    local = values.dt.tz_localize(None) if values.dt.tz is not None else values
    inside = (local >= whole.start_time) & (local <= whole.end_time)
    if name == "months" and freq == "D":  # a month is not rounded: it holds the day
        inside = local == pd.Timestamp("2024-02-01")
    assert within(name, end, end) == list(COLUMNS[name][inside.to_numpy()])


def test_ends_that_nanoseconds_do_not_reach() -> None:
    assert len(within("far", "1624-05", "1624-06")) == 31 + 30
    assert len(within("far", pd.Timestamp("1624-04-10 12:00"), "1624-04-12")) == 2


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("length", pd.Timedelta("-30.5min"), pd.Timedelta("1.5h")),
        ("length", "-1 days 23:29:30", datetime.timedelta(minutes=90, seconds=1)),
        ("length", np.timedelta64(-1830, "s"), "01:30"),
        ("clock", datetime.time(9, 0, 1), datetime.time(17, 30, 30)),
        ("clock", "09:00:01", "17:30"),
    ],
    ids=str,
)
def test_lengths_and_times_of_day_are_rounded_inwards(name: str, low: Any, high: Any) -> None:
    values = COLUMNS[name]
    if name == "length":
        wanted = values[(values >= pd.Timedelta("-30.5min")) & (values <= pd.Timedelta("1.5h"))]
    else:
        wanted = values[[datetime.time(9, 0, 1) <= v <= datetime.time(17, 30, 30) for v in values]]
    assert within(name, low, high) == list(wanted)


@pytest.mark.parametrize("hour", ["2024-10-27 02:30", "2024-03-31 02:30"], ids=["twice", "never"])
def test_an_hour_that_is_not_there_once_is_taken(hour: str) -> None:
    """As an end of a range the one that is there twice is all of it."""
    values = pd.Series(pd.date_range("2024-01-01", "2025-01-01", freq="30min", tz="Europe/Berlin"))
    model = fitted(
        pd.DataFrame({"t": values, "x": np.arange(len(values)) % 7 / 8}).sample(600, random_state=0)
    )
    of = model.columns[0]
    assert isinstance(of, Number)
    counts = of.read(values)
    shown = values.dt.tz_localize(None)
    low, high = (counted(of, hour, side) for side in ("low", "high"))  # type: ignore[arg-type]
    there = counts[(shown == pd.Timestamp(hour)).to_numpy()]
    after = counts[(values == pd.Timestamp("2024-03-31 03:00", tz="Europe/Berlin")).to_numpy()]
    assert (low, high) == ((there.min(), there.max()) if len(there) else (after[0], after[0]))
    some = model.sample(2, steps=1)
    edited = model.edit(some, {"t": hour}, steps=2, particles=2)["t"]
    assert set(of.read(edited)) == {high}
    filled = model.impute(some.assign(t=[hour, None]), steps=2, particles=2)["t"]
    assert of.read(filled)[0] == high
    assert len(model.sample(2, steps=1, where={"t": (None, hour)})) == 2


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    rng = np.random.default_rng(0)
    return fitted(
        pd.DataFrame(COLUMNS).drop(columns=["far"]).assign(
            gone=np.nan,
            only=pd.Timestamp("2024-05-06"),
            small=rng.integers(0, 250, 120).astype("uint8"),
            nullable=pd.array(rng.integers(0, 99, 120), dtype="Int8"),
            bit=rng.integers(0, 2, 120),
            flag=rng.integers(0, 2, 120).astype(bool),
            arrow_flag=pd.array(rng.integers(0, 2, 120).astype(bool), dtype="bool[pyarrow]"),
            key=[f"k{i}" for i in range(120)],
        ),
        id="key",
    )  # fmt: skip


def test_a_period_alone_is_its_range(model: tabstep.Synthesizer) -> None:
    rows = model.sample(30, steps=1, where={"day": pd.Period("2024-02", "M"), "period": pd.Period("2024Q1")})
    assert set(rows["day"].dt.month) == {2}
    assert rows["period"].dt.month.max() <= 3
    assert (
        model.sample(2, steps=1, where={"months": pd.Period("2021-03", "M")})["months"] == "2021-03"
    ).all()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"gone": (1, 2)}, "'gone' is missing in all training rows"),
        ({"gone": 5}, "gone = 5.0: it is missing in all training rows"),
        (
            {"only": "2024-05-07"},
            "only = 2024-05-07 00:00:00: it is 2024-05-06 00:00:00 in all training rows",
        ),
        ({"only": ("2025", None)}, "training rows lie within 2024-05-06"),
        ({"small": 300}, "'small': holds numbers in 0 .. 255, got 300"),
        ({"small": -1}, "'small': holds numbers in 0 .. 255, got -1"),
        ({"nullable": 300}, "'nullable': holds numbers in -128 .. 127, got 300"),
        ({"small": 3.5}, "'small': holds whole numbers, got 3.5"),
        ({"day": "soon"}, "holds dates or times, such as 2024-01-31, got 'soon'$"),
        ({"day": ("soon", None)}, "holds dates or times, such as 2024-01-31, got 'soon'$"),
        ({"day": NOON.tz_localize("UTC")}, "holds times without a zone, got 2024-02-10"),
        ({"day": (NOON.tz_localize("UTC"), None)}, "holds times without a zone, got 2024-02-10"),
        ({"day": (NOON, NOON)}, "is in no row, it lies between two values"),
        ({"day": ("2024-02-02", "2024-02-01")}, "its ends are out of order"),
        ({"length": "soon"}, "holds lengths of time, such as 1:30:00, got 'soon'$"),
        ({"length": 5.5}, "holds lengths of time, such as 1:30:00, got 5.5$"),
        ({"length": pd.Timedelta("65.5s")}, "(finer|is in no row)"),
        ({"clock": ("soon", None)}, "holds times of day, such as 14:05:00, got 'soon'$"),
        ({"period": "soon"}, "holds periods of D, got 'soon'$"),
        ({"key": "k1"}, "where: 'key' names rows, and new names are made"),
        ({"flag": 2}, "flag = 2: training rows have False, True"),
    ],
    ids=str,
)
def test_what_cannot_be_met_says_what_the_column_holds(
    model: tabstep.Synthesizer, where: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        model.sample(1, steps=1, where=where)


def test_ids_say_that_they_are_made_anew(model: tabstep.Synthesizer) -> None:
    with pytest.raises(ValueError, match="balance: 'key' names rows"):
        model.sample(2, balance="key")
    with pytest.raises(ValueError, match="columns: 'key' names rows"):
        model.impute(model.sample(2, steps=1), columns="key")
    boot = tabstep.fit(pd.DataFrame({"key": ["a", "b", *map(str, range(30))], "x": np.arange(32) / 8}), id="key",
                       method="bootstrap", progress="none")  # fmt: skip
    with pytest.raises(ValueError, match="where: 'key' names rows"):
        boot.sample(2, where={"key": "a"})


def test_equal_values_are_meant_whatever_their_kind(model: tabstep.Synthesizer) -> None:
    where = {"bit": True, "flag": 1, "arrow_flag": [np.int64(0)]}
    rows = model.sample(4, steps=1, where=where)
    assert set(rows["bit"]) == {1}
    assert set(rows["flag"]) == {True}
    assert not rows["arrow_flag"].any()
    assert rows.dtypes.equals(model.sample(1, steps=1).dtypes)
    edited = model.edit(rows, {"bit": [True, False, True, False], "flag": 0.0}, steps=2, particles=2)
    assert edited["bit"].tolist() == [1, 0, 1, 0]
    assert edited["flag"].tolist() == [False] * 4
    holes = rows.assign(bit=rows["bit"] == 1, arrow_flag=None)
    assert model.impute(holes, steps=2, particles=2)["bit"].tolist() == [1] * 4


def test_a_constant_is_told_as_its_user_has_it(model: tabstep.Synthesizer) -> None:
    said = list(told.changed(model.columns, model.completion, model.origin, model.encoder))
    assert "only is 2024-05-06 in all training rows: it is set aside, and every drawn row has it." in said


@pytest.mark.parametrize("changes", ["day", pd.Series({"day": 1}), ["day"]], ids=["text", "series", "list"])
def test_changes_are_a_mapping(model: tabstep.Synthesizer, changes: Any) -> None:
    with pytest.raises(ValueError, match=r"changes must be columns with their new values, such as {'day'"):
        model.edit(model.sample(2, steps=1), changes)
