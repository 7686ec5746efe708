"""Rows that meet conditions: by the label exactly, by choice exactly, by particles nearly; and what is said of it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep import TabDDPM
from tabstep.api import conditions, drawing
from tabstep.api.editing import GapsStay, RulesBroken
from tabstep.api.ends import is_day
from tabstep.api.how import PoorlyMet
from tabstep.api.quota import Quota
from tests.test_asked import fitted

WORDS = ["a", "b", "c"]


def table(n: int = 1500) -> pd.DataFrame:
    """`city` goes with `class`, `spent` with `city`; `phone` is missing just in Lima."""
    rng = np.random.default_rng(0)
    kind = rng.choice(WORDS, n, p=[0.6, 0.3, 0.1])
    city = np.where(
        rng.random(n) < 0.9, np.select([kind == "a", kind == "b"], ["Oslo", "Rome"], "Lima"), "Rome"
    )
    spent = np.round(rng.normal(0, 1, n) + np.select([city == "Oslo", city == "Rome"], [10, 20], 30), 2)
    return pd.DataFrame(
        {
            "class": kind,
            "city": city,
            "age": rng.integers(18, 90, n),
            "spent": spent,
            "phone": np.where(city == "Lima", None, rng.choice(["old", "new"], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "fee": [f"${v:.2f}" for v in rng.integers(100, 9999, n) / 100],
        }
    )


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    method = TabDDPM(T=50, steps=500, layers=(96, 96), batch_size=512, lr=3e-3)
    return tabstep.fit(table(), "class", method=method, progress="none")


def test_a_condition_on_the_label_is_met_by_the_network(model: tabstep.Synthesizer) -> None:
    rows = model.sample(400, steps=10, where={"class": "c"})
    assert set(rows["class"]) == {"c"}
    assert (rows["city"] == "Lima").mean() == pytest.approx(0.9, abs=0.07)  # 0.1 of all training rows
    how = rows.attrs["conditions"]
    assert how["by_label"] == ["class = c"]
    assert how["drawn"] == 0
    some = model.sample(400, steps=10, where={"class": ["a", "c"]})
    assert (some["class"] == "c").mean() == pytest.approx(1 / 7, abs=0.07)
    assert set(some["class"]) == {"a", "c"}


@pytest.mark.whole
def test_rows_that_meet_a_condition_are_those_of_all_rows(model: tabstep.Synthesizer) -> None:
    where = {"age": (30, 50), "city": ["Rome", "Lima"], "since": ("2020-06-01", None)}
    rows = model.sample(150, steps=5, seed=3, where=where)
    every = model.sample(4096, steps=5, seed=3)
    met = every[
        every["age"].between(30, 50)
        & every["city"].isin(["Rome", "Lima"])
        & (every["since"] >= pd.Timestamp("2020-06-01"))
    ].head(150)
    exact = ["class", "city", "age", "since", "phone"]
    pd.testing.assert_frame_equal(rows[exact], met[exact].reset_index(drop=True))
    how = rows.attrs["conditions"]
    assert how["drawn"] < 4096
    assert how["kept"] >= 150
    assert how["kept"] / how["drawn"] == pytest.approx(150 / len(every.loc[: met.index[-1]]), abs=0.03)
    again = model.sample(40, steps=5, seed=3, where=where)
    pd.testing.assert_frame_equal(again, rows.head(40))  # no matter how many are asked for


def test_conditions_on_writing_gaps_and_values(model: tabstep.Synthesizer) -> None:
    rows = model.sample(60, steps=5, where={"fee": (10, 50.5), "phone": None})
    amounts = rows["fee"].str.removeprefix("$").astype(float)
    assert amounts.between(10, 50.5).all()
    assert rows["phone"].isna().all()
    assert (rows["city"] == "Lima").mean() > 0.7


@pytest.mark.parametrize("name", ["class", "city"])
def test_balanced_counts_are_exact(model: tabstep.Synthesizer, name: str, tmp_path: Path) -> None:
    rows = model.sample(301, steps=5, balance=name)
    assert sorted(rows[name].value_counts()) == [100, 100, 101]
    two = model.sample(
        101, steps=5, balance=name, where={name: ["Rome", "Lima"] if name == "city" else ["b", "c"]}
    )
    assert sorted(two[name].value_counts()) == [50, 51]
    how = model.sample_to(tmp_path / "rows.csv", 301, steps=5, balance=name)
    assert sorted(pd.read_csv(tmp_path / "rows.csv")[name].value_counts()) == [100, 100, 101]
    assert how is not None
    assert (how.drawn > 0) == (name == "city")


@pytest.mark.whole
def test_where_few_rows_meet_single_values_particles_go_on(
    model: tabstep.Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "LOOK", 512)
    monkeypatch.setattr(drawing, "SELDOM", 1.0)
    monkeypatch.setattr(drawing, "NEVER", 10**6)
    rows = model.sample(120, steps=5, where={"city": "Lima", "age": (18, 60)})
    how = rows.attrs["conditions"]
    assert how["by_particles"] == ["city = Lima"]
    assert 1 < how["effective"] <= 64
    assert set(rows["city"]) == {"Lima"}
    assert rows["age"].between(18, 60).all()
    assert rows["spent"].mean() == pytest.approx(30, abs=1.5)
    assert (rows["class"] == "c").mean() > 0.8
    assert rows["phone"].isna().mean() > 0.8


@pytest.mark.whole
@pytest.mark.parametrize("where", [{"age": (18, 40), "city": "Rome"}, {"city": "Lima"}], ids=str)
def test_a_killed_run_with_conditions_goes_on_to_the_same_bytes(
    model: tabstep.Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: dict[str, object]
) -> None:
    """The second by particles, after the first look."""
    monkeypatch.setattr(drawing, "PART_ROWS", 64)
    monkeypatch.setattr("tabstep.diffusion.model.batch_rows", lambda _: 512)
    if where == {"city": "Lima"}:
        monkeypatch.setattr(drawing, "LOOK", 512)
        monkeypatch.setattr(drawing, "SELDOM", 1.0)
        monkeypatch.setattr("tabstep.api.completing.PARTICLES", 8)
        monkeypatch.setattr("tabstep.api.delivery.PARTICLES", 8)
    whole, path = tmp_path / "whole.parquet", tmp_path / "rows.parquet"
    first = model.sample_to(whole, 230, steps=2, where=where)

    def die(done: int, n: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.sample_to(path, 230, steps=2, where=where, progress=die)
    second = model.sample_to(path, 230, steps=2, where=where)
    assert path.read_bytes() == whole.read_bytes()
    assert first == second


def test_rare_rows_cost_a_warning_and_hopeless_ones_an_error(
    model: tabstep.Synthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.warns(PoorlyMet, match="times the work of rows without it"):
        model.sample(5, steps=2, where={"fee": (50, 51)})
    monkeypatch.setattr(drawing, "NEVER", 1024)
    with pytest.raises(
        ValueError, match=r"none of 1,024 drawn rows met spent in 14.9 .. 14.91 and age in 18 .. 18"
    ):
        model.sample(5, steps=2, where={"spent": (14.9, 14.91), "age": (18, 18)})
    quota = Quota(model.columns[1], ("Lima", "Oslo"), 10)
    assert quota.lacking({"Lima": 5, "Oslo": 2}) == ["Oslo"]


def test_gaps_are_filled_with_what_goes_with_the_rest(model: tabstep.Synthesizer) -> None:
    frame = table().sample(120, random_state=1)  # with an index of its own
    holes = frame.astype({"age": "float64"})
    lima = holes["city"] == "Lima"
    holes.loc[holes.index[:60], "city"] = None
    holes.loc[holes.index[30:90], "age"] = np.nan
    holes.loc[lima, "phone"] = "old"  # which no training row has there, but a row may be asked for
    whole = model.impute(holes, steps=15)
    assert whole.dtypes.equals(frame.dtypes)
    assert whole.index.equals(frame.index)
    assert not whole.isna().any().any()
    there = holes.notna()
    for name in frame.columns:
        assert whole.loc[there[name], name].tolist() == holes.loc[there[name], name].tolist()
    oslo = frame.index[:60][frame["spent"].iloc[:60] < 14]
    assert (whole.loc[oslo, "city"] == "Oslo").mean() > 0.85  # told by what was spent and by the class


@pytest.mark.whole
def test_gaps_that_belong_there_stay_with_a_warning(model: tabstep.Synthesizer) -> None:
    rows = table().query("city == 'Lima'").head(30)
    with pytest.warns(GapsStay, match="rows keep gaps in phone"):
        left = replace(model, constraints=()).impute(rows, steps=5, particles=8)["phone"].isna().sum()
    assert left > 0
    assert any(str(rule).startswith("where city is Lima, phone is missing") for rule in model.constraints)
    with warnings.catch_warnings():
        warnings.simplefilter("error", GapsStay)  # a rule tells that there is nothing to fill
        assert model.impute(rows, steps=5, particles=8)["phone"].isna().all()


@pytest.mark.parametrize(
    ("where", "balance", "message"),
    [
        ({"clas": "a"}, None, "where: no column 'clas'; did you mean 'class'"),
        ({"class": "d"}, None, "class = d: training rows have a, b, c"),
        ({"age": 200}, None, r"age = 200: training rows lie within 18 \.\. 89"),
        ({"age": (90, 200)}, None, r"where: age in 90 \.\. 200: training rows lie within 18 \.\. 89"),
        ({"age": (30, 20)}, None, "ends are out of order"),
        ({"age": (1, 2, 3)}, None, r"the range of 'age' must be \(low, high\)"),
        ({"age": 18.5}, None, "holds whole numbers, got 18.5"),
        ({"city": ("Lima", "Oslo")}, None, r"give a list, where=\{'city': \['Lima', 'Oslo'\]\}"),
        ({"city": []}, None, "'city' is given no value"),
        ({"age": None}, None, "in no training row it is"),
        (None, "age", "'age' holds numbers or dates, not categories"),
        (None, "cty", "balance: no column 'cty'"),
        (None, "", "balance: no column ''"),
        ({"": 3}, None, "where: no column ''"),
        ({"city": "Lima"}, "city", "has 1 value that may come"),
    ],
)
def test_what_no_training_row_has_is_refused(
    model: tabstep.Synthesizer, where: dict[str, object] | None, balance: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.sample(5, where=where, balance=balance)


def test_conditions_of_a_command_line(model: tabstep.Synthesizer) -> None:
    texts = ["class=a", "age=18..30", "since=..2020-06-30", "fee=10..", "city=Lima", "city=Rome"]
    assert conditions.written(texts, model.columns) == {
        "class": "a",
        "age": (18, 30),
        "since": (None, "2020-06-30"),
        "fee": (10, None),
        "city": ["Lima", "Rome"],
    }
    for text, message in (
        ("class", "expected COLUMN=VALUE"),
        ("clas=a", "no column 'clas'"),
        ("=1+1", "no column ''"),
        ("age,city=3", "no column 'age,city'"),
    ):
        with pytest.raises(ValueError, match=message):
            conditions.written([text], model.columns)
    with pytest.raises(ValueError, match="a range and more"):
        conditions.written(["age=1..2", "age=3"], model.columns)


def test_a_label_with_gaps_is_one_more_label() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"k": rng.choice(["a", "b", None], 90), "j": rng.choice(["u", None], 90)})
    model = fitted(frame)
    assert model.completion.inner.target in ("k", "j")
    for name in ("k", "j"):
        assert model.sample(30, steps=2, where={name: None})[name].isna().all()
    assert sorted(model.sample(31, steps=2, balance="k")["k"].value_counts()) == [15, 16]
    numbers = pd.DataFrame({"x": np.where(rng.random(90) < 0.3, np.nan, rng.integers(0, 9, 90)), "z": 1.0})
    only = fitted(numbers)
    assert only.sample(40, steps=2, where={"x": None})["x"].isna().all()
    assert only.sample(40, steps=2, where={"x": (0, 8)})["x"].between(0, 8).all()


@pytest.mark.whole
def test_a_balanced_label_stays_balanced_beside_other_conditions() -> None:
    rng = np.random.default_rng(0)
    kind = rng.choice(WORDS, 1500)
    frame = pd.DataFrame({"kind": kind, "n": rng.integers(0, 9, 1500) + np.where(kind == "c", 6, 0)})
    fit = tabstep.fit(frame, "kind", method=TabDDPM(T=20, steps=300, layers=(64, 64)), progress="none")
    rows = fit.sample(91, steps=5, where={"n": (4, 9)}, balance="kind")
    assert sorted(rows["kind"].value_counts()) == [30, 30, 31]
    assert rows["n"].between(4, 9).all()


def test_gaps_of_other_columns_stay_and_count(model: tabstep.Synthesizer) -> None:
    rows = table(60)
    rows.loc[:29, "spent"] = np.nan
    filled = model.impute(rows, columns="spent", steps=5, particles=4)
    assert filled["spent"].notna().all()
    pd.testing.assert_series_equal(filled["phone"], rows["phone"])
    with pytest.raises(ValueError, match="columns: no column 'spend'; did you mean 'spent'"):
        model.impute(rows, columns="spend")


def test_rows_around_what_breaks_a_rule_are_told_of() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"low": rng.integers(0, 50, 400), "city": rng.choice(["Oslo", "Rome"], 400)})
    frame["high"] = frame["low"] + rng.integers(1, 50, 400)
    frame["land"] = frame["city"].map({"Oslo": "N", "Rome": "I"})
    fit = fitted(frame)
    with pytest.warns(
        RulesBroken,
        match=r"high is between 1 and 49 more than low \(not in 5 of 5\); city and land are codes of one",
    ):
        fit.edit(frame.head(5), {"low": 40, "high": 30, "city": "Oslo", "land": "I"}, steps=2, particles=2)


@pytest.mark.parametrize("name", ["written", "plain", "zoned"])
def test_the_last_day_of_a_range_of_times_is_all_of_it(name: str) -> None:
    rng = np.random.default_rng(0)
    at = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 30 * 86_400, 500), unit="s")
    at = at.append(pd.DatetimeIndex(["2024-03-10 23:59:59"]))
    frame = pd.DataFrame(
        {
            "written": at.strftime("%d/%m/%Y %H:%M:%S"),
            "plain": at,
            "zoned": at.tz_localize("UTC"),
            "n": range(501),
        }
    )
    model = tabstep.fit(frame, method="bootstrap", progress="none")
    known = {c.name: c for c in model.columns}
    for ends in (("2024-03-02", "2024-03-10"), ("02/03/2024", "10/03/2024")):
        if name == "written" or "/" not in ends[0]:
            (condition,) = conditions.read({name: ends}, [known[name]], model.completion, model.encoder)
            met = frame.loc[condition.holds(frame), "plain"]
            assert met.max() == pd.Timestamp("2024-03-10 23:59:59")
            assert met.min() >= pd.Timestamp("2024-03-02")
    with pytest.raises(ValueError, match=r"holds dates or times as %d/%m/%Y %H:%M:%S, got 'soon'"):
        model.sample(1, where={"written": ("02/03/2024", "soon")})


@pytest.mark.parametrize(
    ("end", "day"),
    [
        ("2024-03-10", True),
        ("10/03/2024", True),
        ("10 Oct 2024", True),
        (date(2024, 3, 10), True),
        ("2024-03-10 14:05", False),
        ("10/03/2024 14", False),
        ("20240310T1405", False),
        (datetime(2024, 3, 10), False),
        (pd.Timestamp("2024-03-10"), False),
        (None, False),
    ],
)
def test_an_end_is_a_day_where_it_says_no_time(end: object, day: bool) -> None:
    assert is_day(end) is day


def test_floats_beyond_64_bits_are_floats_in_conditions_and_edits() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"mass": rng.normal(6e24, 1e24, 60), "kind": rng.choice(list("ab"), 60)})
    model = fitted(frame)
    rows = model.sample(20, steps=2, where={"mass": (5e24, 7e24)})
    assert rows["mass"].between(5e24, 7e24).all()
    assert (model.edit(frame.head(3), {"mass": 6e24}, steps=2)["mass"] == 6e24).all()


def test_a_day_of_numpy_is_all_of_that_day() -> None:
    assert is_day(np.datetime64("2024-02-10"))
    assert not is_day(np.datetime64("2024-02-10T00:00"))


def test_ends_of_a_range_of_whole_numbers_may_lie_between_and_beyond(model: tabstep.Synthesizer) -> None:
    inf = float("inf")
    for ends, low, high in (((50.5, None), 51, 89), ((-inf, 20.5), 18, 20), ((30.5, inf), 31, 89)):
        assert model.sample(40, steps=5, where={"age": ends})["age"].between(low, high).all()
    fees = model.sample(40, steps=5, where={"fee": (10.295, 30)})["fee"].str.removeprefix("$").astype(float)
    assert fees.between(10.3, 30).all()
    assert model.sample(40, steps=5, where={"spent": (12, inf)})["spent"].min() >= 12
    with pytest.raises(ValueError, match=r"age in 20.1 .. 20.0 is no range, its ends are out of order"):
        model.sample(4, where={"age": (20.1, 20.0)})
