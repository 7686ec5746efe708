"""Columns that dates and numbers make: found where planted, kept whatever was drawn, followed where they are fixed."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data import comparable, inference
from tabstep.data.arithmetic_search import products
from tabstep.data.constraint_search import find
from tabstep.data.constraints import broken, from_json, share_kept, to_json
from tabstep.data.counted import roundest
from tabstep.data.derived import YEARS, Bands, Begins, Calendar, Elapsed
from tabstep.data.keeping import keep
from tabstep.data.later import Later
from tabstep.data.wishes import Python, Wishes
from tests.test_constraints import common, through_json
from tests.test_keeping import torn

N = 600


def ward(n: int = N, seed: int = 0) -> pd.DataFrame:
    """A table of stays in a hospital, as a user has it."""
    rng = np.random.default_rng(seed)
    came = pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, n), unit="D"))
    born = pd.Series(pd.Timestamp("1950-03-01") + pd.to_timedelta(rng.integers(0, 15_000, n), unit="D"))
    days = rng.integers(0, 20, n)
    start = came + pd.to_timedelta(rng.integers(0, 86_400, n), unit="s")
    end = start + pd.to_timedelta(rng.integers(0, 100_000, n), unit="s")
    hours = (end - start).dt.total_seconds() / 3600
    age = [b.year - a.year - ((b.month, b.day) < (a.month, a.day)) for a, b in zip(born, came, strict=True)]
    return pd.DataFrame(
        {
            "born": born,
            "came": came,
            "left": came + pd.to_timedelta(days, unit="D"),
            "days": days,
            "age": age,
            "group": pd.cut(age, [0, 40, 50, 60, 100], labels=["D", "A", "C", "B"]).astype(str),
            "weekday": came.dt.day_name(),
            "month": came.dt.month,
            "year": came.dt.year,
            "start": start,
            "end": end,
            "hours": hours.round(2),
            "full": hours // 1,
            "shift": start.dt.hour.map(lambda hour: "night" if hour < 6 or hour >= 22 else "day"),
            "noise": rng.normal(size=n),
            "side": rng.choice(["left", "right"], n),
        }
    )


MADE = {
    "age = full years from born to came",
    "days = days from came to left",
    "hours = hours from start to end",
    "full = full hours from start to end",
    "weekday is told by the weekday of came",
    "month is told by the month of came",
    "shift is told by the hour of start",
    "year is told by the year of came",
    "came is the day of start",
    "group is a band of age",
}


@pytest.fixture(scope="module")
def learned() -> tuple[pd.DataFrame, tuple[Any, ...]]:
    frame = common(ward())
    return frame, find(frame)


def made(rules: tuple[Any, ...]) -> list[Any]:
    return [rule for rule in rules if isinstance(rule, Elapsed | Calendar | Begins | Bands)]


def test_what_dates_and_numbers_make_is_found_and_no_more(
    learned: tuple[pd.DataFrame, tuple[Any, ...]],
) -> None:
    frame, rules = learned
    assert {str(rule) for rule in made(rules)} == MADE
    assert not any(broken(rule, frame).any() for rule in rules)
    shuffled = torn(frame, 1)
    assert not made(find(shuffled))


def test_rules_through_json(learned: tuple[pd.DataFrame, tuple[Any, ...]]) -> None:
    for rule in learned[1]:
        assert from_json(json.loads(json.dumps(to_json(rule)))) == rule


@pytest.mark.parametrize(("kind", "field"), [("Elapsed", "unit"), ("Calendar", "part"), ("Begins", "unit")])
def test_a_rule_of_a_file_that_says_what_there_is_not_is_refused(
    learned: tuple[pd.DataFrame, tuple[Any, ...]], kind: str, field: str
) -> None:
    said = next(to_json(rule) for rule in learned[1] if type(rule).__name__ == kind)
    with pytest.raises(ValueError, match=f"a rule with {field} 'moons'"):
        from_json(said | {field: "moons"})


@pytest.mark.whole
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=5, deadline=None)
def test_rows_keep_what_is_made_whatever_was_drawn(
    learned: tuple[pd.DataFrame, tuple[Any, ...]], seed: int
) -> None:
    frame, rules = learned
    before = torn(frame, seed)
    after = keep(rules, before)
    assert {str(rule): share_kept(rule, after) for rule in rules} == {str(rule): 1.0 for rule in rules}
    for name in ("born", "noise", "side"):
        assert after[name].equals(before[name])
    for name in ("days", "hours", "weekday", "shift"):  # a date near the last one has no room to move
        assert (after[name] == before[name]).mean() > 0.95
    for name in ("came", "left", "start", "end"):
        assert after[name].between(frame[name].min(), frame[name].max()).mean() > 0.99
    assert keep(rules, after) is after


@pytest.mark.whole
@pytest.mark.parametrize(
    "fixed",
    [("age",), ("group",), ("weekday",), ("days", "month"), ("hours",), ("full",), ("shift",), ("year",)],
)
def test_what_is_fixed_stays_and_what_makes_it_follows(
    learned: tuple[pd.DataFrame, tuple[Any, ...]], fixed: tuple[str, ...]
) -> None:
    frame, rules = learned
    before = torn(frame, 3)
    after = keep(rules, before, fixed)
    pd.testing.assert_frame_equal(after[list(fixed)], before[list(fixed)])
    assert {str(rule): share_kept(rule, after) for rule in rules} == {str(rule): 1.0 for rule in rules}


@pytest.mark.whole
def test_times_move_no_farther_than_they_must(learned: tuple[pd.DataFrame, tuple[Any, ...]]) -> None:
    frame, rules = learned
    before = torn(frame, 4)
    moved = keep(rules, before, ("weekday",))["came"] - before["came"]
    assert moved.abs().quantile(0.99) == pd.Timedelta(days=3)
    assert keep(rules, before)["came"].between(frame["came"].min(), frame["came"].max()).all()


def test_numbers_keep_their_place_within_a_band() -> None:
    rule = Bands("x", "band", (("low", 0.0, 9.0), ("high", 10.0, 109.0)), 1.0)
    frame = pd.DataFrame({"x": [0.0, 9.0, 3.0, 40.0, np.nan], "band": ["high", "high", "low", "low", "low"]})
    after = keep((rule,), frame, ("band",))
    assert after["x"].tolist()[:4] == [10.0, 109.0, 3.0, 3.0]
    assert np.isnan(after["x"].iloc[4])
    assert keep((rule,), frame)["band"].tolist() == ["low", "low", "low", "high", "low"]


def test_a_label_may_be_on_both_sides_of_another() -> None:
    """Tickets that cost less for the young and the old, hours of little traffic."""
    rng = np.random.default_rng(0)
    age, hour = rng.integers(3, 95, N), rng.integers(0, 24, N)
    frame = common(
        pd.DataFrame(
            {
                "age": age,
                "cheap": np.where((age < 18) | (age >= 65), "yes", "no"),
                "hour": hour,
                "peak": (hour >= 7) & (hour < 20),
                "x": rng.normal(size=N),
            }
        )
    )
    rules = find(frame)
    assert {str(rule) for rule in rules} == {"cheap is a band of age", "peak is a band of hour"}
    assert tuple(from_json(to_json(rule)) for rule in rules) == rules
    before = torn(frame, 1)
    for fixed in ((), ("cheap", "peak"), ("age", "hour")):
        after = keep(rules, before, fixed)
        assert not any(broken(rule, after).any() for rule in rules)
        assert after[list(fixed)].equals(before[list(fixed)])
        assert after["age"].between(3, 94).all()
    moved = keep(rules, before, ("cheap",))
    old = (before["age"] >= 60) & (before["age"] < 65) & (before["cheap"] == "yes")
    assert (moved["age"][old] >= 65).all(), "to the nearer side"


def test_labels_of_clusters_are_no_bands() -> None:
    rng = np.random.default_rng(0)
    kind = rng.choice(["low", "mid", "high"], N)
    x = np.round(rng.normal(0, 1, N) + np.select([kind == "low", kind == "mid"], [10, 20], 30), 2)
    assert find(pd.DataFrame({"x": x, "kind": kind.astype(object)})) == ()


def test_a_band_ends_at_the_roundest_number_between() -> None:
    assert [
        roundest(*ends) for ends in ((24.97, 25.3), (25.0, 26.0), (0.12, 0.13), (-3.2, -2.9), (99.0, 1001.0))
    ] == [
        25.0,
        26.0,
        0.13,
        -3.0,
        1000.0,
    ]


@given(st.dates(date(1930, 1, 1), date(2024, 12, 31)), st.dates(date(1930, 1, 1), date(2024, 12, 31)))
def test_full_years_are_birthdays(born: date, day: date) -> None:
    frame = pd.DataFrame({"a": pd.to_datetime([born]), "b": pd.to_datetime([day]), "n": [0.0]})
    age = sum(
        (year, born.month, born.day) <= (day.year, day.month, day.day) for year in range(born.year + 1, 2030)
    )
    age -= sum(
        (year, born.month, born.day) > (day.year, day.month, day.day) for year in range(1920, born.year + 1)
    )
    assert Elapsed("a", "b", "n", YEARS, True, 1.0, ((0.0, 0.0), (0.0, 0.0)), ("n",)).made(
        frame
    ).tolist() == [age]


@pytest.mark.whole
def test_gaps_break_nothing_and_are_labels_of_what_is_made() -> None:
    table = ward()
    table.loc[::9, "left"] = pd.NaT
    table.loc[::7, "came"] = pd.NaT
    table["days"] = table["days"].astype("Int64").where(table["left"].notna())
    table["group"] = table["group"].where(table["age"] < 60, None)
    frame = common(table)
    rules = find(frame)
    found = {str(rule) for rule in rules}
    assert {
        "days = days from came to left",
        "group is a band of age",
        "month is told by the month of came",
    } <= found
    assert not any(broken(rule, frame).any() for rule in rules)
    after = keep(rules, torn(frame, 2))
    assert [share_kept(rule, after) for rule in made(rules)] == [1.0] * len(made(rules))


def test_a_date_at_its_last_day_stays_there() -> None:
    """Many ends are the day of the export: starts move, and where they have no room the count gives way."""
    rng = np.random.default_rng(0)
    start = np.datetime64("2008-01-01") + rng.integers(0, 365 * 16, 1000)
    end = np.minimum(start + rng.integers(30, 2500, 1000), np.datetime64("2024-06-30"))
    frame = common(pd.DataFrame({"start": start, "end": end, "days": (end - start).astype(int)}))
    rules = find(frame)
    (rule,) = made(rules)
    assert rule.gives == ("start", "end", "days")
    before = torn(frame, 0)
    after = keep(rules, before)
    assert share_kept(rule, after) == 1
    assert after["start"].between(frame["start"].min(), frame["start"].max()).all()
    assert (after["end"] == frame["end"].max()).mean() > 0.1


def test_nights_are_counted_between_days_whatever_the_time_of_day() -> None:
    rng = np.random.default_rng(0)
    came = pd.Series(pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 500_000, N), unit="min"))
    nights = rng.geometric(0.2, N) - 1
    left = came.dt.floor("D") + pd.to_timedelta(nights, unit="D")
    frame = common(pd.DataFrame({"came": came, "left": left, "nights": nights}))
    (rule,) = made(find(frame))
    assert str(rule) == "nights = nights from came to left"
    assert share_kept(rule, keep((rule,), torn(frame, 1))) == 1


def test_weeks_by_the_year_they_belong_to_and_days_of_the_year_are_told() -> None:
    rng = np.random.default_rng(0)
    day = pd.Series(pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 1460, N), unit="D"))
    iso = day.dt.isocalendar()
    of_week = [f"{year} week {week}" for year, week in zip(iso.year, iso.week, strict=True)]
    frame = common(pd.DataFrame({"day": day, "of week": of_week, "nth": day.dt.dayofyear}))
    rules = find(frame)
    assert {str(rule) for rule in rules} == {
        "of week is told by the year and week of day",
        "nth is told by the day of the year of day",
    }
    (nth,) = (rule for rule in rules if isinstance(rule, Calendar) and rule.of == "nth")
    assert frame["nth"].nunique() < len(nth.pairs) <= 366  # also of days that came in no row
    before = frame.assign(day=frame["day"] + pd.Timedelta(1, "D"), nth=torn(frame, 1)["nth"])
    after = keep(rules, before)
    assert [share_kept(rule, after) for rule in rules] == [1.0, 1.0]
    inside = before["day"] <= frame["day"].max()
    assert (after["nth"] == after["day"].dt.dayofyear)[inside].all()


def test_weeks_as_the_standard_writes_them_begin_on_a_monday() -> None:
    rng = np.random.default_rng(0)
    day = pd.Series(pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 1460, N), unit="D"))
    frame = common(pd.DataFrame({"day": day, "of week": day.dt.strftime("%G-W%V")}))
    (rule,) = find(frame)
    assert str(rule) == "of week is the first day of the week of day"
    assert share_kept(rule, keep((rule,), torn(frame, 1))) == 1


def test_years_quarters_and_months_of_a_date_are_told() -> None:
    rng = np.random.default_rng(0)
    day = pd.Series(pd.Timestamp("2008-01-01") + pd.to_timedelta(rng.integers(0, 365 * 16, N), unit="D"))
    table = pd.DataFrame(
        {
            "day": day,
            "period": [f"{d.year}-Q{d.quarter}" for d in day],
            "month": day.dt.strftime("%Y-%m"),
            "week": day.dt.isocalendar().week.astype(int),
            "x": rng.normal(size=N),
        }
    )
    frame = common(table)
    rules = find(frame)
    assert {str(rule) for rule in rules} == {
        "period is told by the year and quarter of day",
        "week is told by the week of day",
        "month is the month of day",
    }
    after = keep(rules, torn(frame, 1), ("month",))
    assert [share_kept(rule, after) for rule in rules] == [1.0] * 3


def test_times_of_two_offsets_are_not_held_against_each_other() -> None:
    moments = pd.date_range("2023-01-01", "2023-12-01", periods=N, tz="UTC").round("min")
    table = pd.DataFrame(
        {
            "utc": [m.isoformat() for m in moments],
            "local": [m.tz_convert("Asia/Tokyo").isoformat() for m in moments],
            "hour": [m.tz_convert("Asia/Tokyo").hour for m in moments],
        }
    )
    columns, faults = inference.infer(table, Wishes(), Python())
    assert not faults
    canonical = pd.DataFrame({c.name: c.read(table[c.name]) for c in columns})
    rules = find(comparable.frame(columns, canonical), comparable.units(columns))
    assert [str(rule) for rule in rules] == ["hour is told by the hour of local"]


def test_a_near_copy_is_no_band() -> None:
    days = np.random.default_rng(0).geometric(0.2, N)
    assert find(pd.DataFrame({"days": days * 1.0, "charged": np.maximum(days, 2) * 1.0})) != ()
    assert not made(find(pd.DataFrame({"days": days * 1.0, "charged": np.maximum(days, 2) * 1.0})))


def test_a_number_goes_into_the_band_that_a_label_tells() -> None:
    """The sign of an amount is its direction, which the kind of booking tells as well."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["pay", "rent", "food"], N)
    amount = np.round(rng.lognormal(3, 1, N), 2) * np.where(kind == "pay", 1, -1)
    table = pd.DataFrame({"amount": amount, "way": np.where(amount > 0, "H", "S"), "kind": kind})
    frame = common(table)
    rules = find(frame)
    assert {str(rule) for rule in rules} == {"kind determines way", "way is a band of amount"}
    before = torn(frame, 1)
    after = keep(rules, before)
    assert ((after["amount"] > 0) == (after["kind"] == "pay")).all()
    assert after["kind"].equals(before["kind"])
    assert after["amount"].between(frame["amount"].min(), frame["amount"].max()).all()


def test_a_product_with_zeros_is_found_and_no_error() -> None:
    """Where the quantity is 0, price is no multiple of a total that is 0 as well."""
    rng = np.random.default_rng(0)
    quantity, price = rng.integers(0, 5, 400), rng.gamma(2, 100, 400).round(2)
    frame = pd.DataFrame({"quantity": quantity, "price": price, "total": (quantity * price).round(2)})
    steps = {"quantity": 1.0, "price": 0.01, "total": 0.01}
    (rule,) = products(frame.astype(float), list(frame), steps)
    assert str(rule) == "total = quantity x price"


def test_few_rows_of_durations_alone_have_no_products() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({c: pd.to_timedelta(rng.integers(0, 9000, 100), unit="m") for c in "abc"})
    assert products(frame, list(frame), dict.fromkeys("abc", 60.0)) == []


def office(zone: str) -> pd.DataFrame:
    """What the clocks of a zone say of moments, of visits and of lives; some of them within a day of summer time."""
    rng = np.random.default_rng(0)
    moments = pd.Series(pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 700_000, N), unit="min"))
    at = moments.dt.tz_localize("UTC").dt.tz_convert(zone)
    nights = rng.geometric(0.2, N) - 1
    left = at + pd.to_timedelta(nights * 1440 + rng.integers(-600, 600, N), unit="min")
    shown, gone = (times.dt.tz_localize(None) for times in (at, left))
    return pd.DataFrame(
        {
            "at": at,
            "left": left,
            "nights": (gone.dt.normalize() - shown.dt.normalize()).dt.days,
            "hours": ((left - at).dt.total_seconds() / 3600).round(2),
            "weekday": at.dt.day_name(),
            "hour": at.dt.hour,
            "day": shown.dt.normalize(),
            "noise": rng.normal(size=N),
        }
    )


@pytest.mark.whole
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "UTC+09:00"])
@pytest.mark.parametrize("as_text", [False, True])
def test_the_calendar_is_that_of_the_zone(zone: str, *, as_text: bool) -> None:
    table = office(zone)
    if as_text:
        table = table.assign(**{name: table[name].map(pd.Timestamp.isoformat) for name in ("at", "left")})
    columns, faults = inference.infer(table, Wishes(), Python())
    assert not faults
    frame = comparable.frame(columns, pd.DataFrame({c.name: c.read(table[c.name]) for c in columns}))
    rules = find(frame, comparable.units(columns), comparable.zones(columns))
    assert {str(rule) for rule in made(rules)} == {
        "nights = nights from at to left",
        "hours = hours from at to left",
        "weekday is told by the weekday of at",
        "hour is told by the hour of at",
        "day is the day of at",
    }
    assert through_json(rules) == [*rules]
    before = torn(frame, 1)
    for fixed in ((), ("day",), ("weekday",), ("nights",)):
        after = keep(rules, before, fixed)
        assert min(share_kept(rule, after) for rule in rules) > 0.995
        assert after[list(fixed)].equals(before[list(fixed)])


def test_a_rule_of_a_file_with_a_zone_that_there_is_not_is_refused() -> None:
    said = to_json(Begins("at", "day", "day", ("day", "at"), "Europe/Berlin"))
    assert from_json({key: value for key, value in said.items() if key != "zone"}).zone == ""  # type: ignore[union-attr]
    with pytest.raises(
        ValueError, match="a rule with zone 'Mars/Olympus', expected one such as Europe/Berlin"
    ):
        from_json(said | {"zone": "Mars/Olympus"})


def days(seed: int = 0) -> pd.Series[Any]:
    rng = np.random.default_rng(seed)
    return pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"))


APART: dict[str, Any] = {
    "of = by + 30 days": lambda day: day + pd.Timedelta(days=30),
    "of = by + 1 day": lambda day: day + pd.Timedelta(days=1),
    "of = by - 14 days": lambda day: day - pd.Timedelta(days=14),
    "of = by + 3 months": lambda day: day + pd.DateOffset(months=3),
    "of = by + 1 month": lambda day: day + pd.DateOffset(months=1),
    "of = by + 1 year": lambda day: day + pd.DateOffset(years=1),
    "of = by + 2 years - 1 day": lambda day: day + pd.DateOffset(years=2) - pd.Timedelta(days=1),
    "of is the last day of the month of by": lambda day: day + pd.offsets.MonthEnd(0),
    "of is the last day of the month after that of by": lambda day: (
        day + pd.offsets.MonthEnd(0) + pd.offsets.MonthEnd(1)
    ),
    "of is the first day of the month after that of by": lambda day: day + pd.offsets.MonthBegin(1),
    "of is the last day of the quarter of by": lambda day: day + pd.offsets.QuarterEnd(0),
    "of is the first day of the quarter of by": lambda day: day.dt.to_period("Q").dt.start_time,
    "of is the last day of the year of by": lambda day: day + pd.offsets.YearEnd(0),
    "of is the first day of the year of by": lambda day: day.dt.to_period("Y").dt.start_time,
    "of is the last day of the week of by": lambda day: day.dt.to_period("W").dt.end_time.dt.normalize(),
    "of is the first day of the week of by": lambda day: day.dt.to_period("W").dt.start_time,
    "of is the last day of the week from Saturday of by": lambda day: day + pd.offsets.Week(weekday=4, n=0),
}


@pytest.mark.parametrize("gaps", ["none", "of", "both"])
@pytest.mark.parametrize("rule", APART)
def test_days_that_another_says_are_found_and_kept(rule: str, gaps: str) -> None:
    """Those that are always as much later, and ends of periods; through JSON, with gaps, and where one is fixed."""
    by = days()
    table = pd.DataFrame({"by": by, "of": APART[rule](by).astype(by.dtype), "x": np.arange(N) % 7})
    gone = np.random.default_rng(1).random((2, N)) < (0.1 if gaps != "none" else 0)
    table["of"] = table["of"].mask(gone[0])
    table["by"] = table["by"].mask(gone[1] if gaps == "both" else gone[1] & False)
    frame = common(table)
    (found,) = (each for each in find(frame) if each.columns != ("x",))
    said = {"of = by - 14 days": "by = of + 14 days"}
    assert str(found) == said.get(rule, rule)
    assert from_json(json.loads(json.dumps(to_json(found)))) == found
    before = torn(frame, 2)
    after = keep((found,), before)
    assert share_kept(found, before) < 0.9
    assert share_kept(found, after) == 1
    assert after.isna().equals(before.isna())
    assert share_kept(found, keep((found,), before, ("by",))) == 1
    if "month" not in rule and "year" not in rule:
        around = keep((found,), before, ("of",))
        assert share_kept(found, around) == 1
        assert around["of"].equals(before["of"])


def test_a_day_counts_from_the_day_of_a_time_and_on_the_clock_of_its_zone() -> None:
    times = days() + pd.to_timedelta(np.random.default_rng(1).integers(0, 86_400, N), unit="s")
    frame = common(pd.DataFrame({"by": times, "of": times.dt.floor("D") + pd.Timedelta(days=30)}))
    (rule,) = find(frame)
    assert str(rule) == "of = the day of by + 30 days"
    for fixed in ((), ("of",)):
        assert share_kept(rule, keep((rule,), torn(frame, 1), fixed)) == 1
    moved = keep((rule,), torn(frame, 1), ("of",))
    assert (moved["by"].dt.time == torn(frame, 1)["by"].dt.time).all()
    zone = times.dt.tz_localize("Europe/Berlin", ambiguous=np.ones(N, bool), nonexistent="shift_forward")
    table = pd.DataFrame({"by": zone, "of": zone + pd.DateOffset(months=1)})
    columns, _ = inference.infer(table, Wishes(), Python())
    frame = comparable.frame(columns, pd.DataFrame({c.name: c.read(table[c.name]) for c in columns}))
    (rule,) = find(frame, comparable.units(columns), comparable.zones(columns))
    assert isinstance(rule, Later)
    assert (str(rule), rule.zone) == ("of = by + 1 month", "Europe/Berlin")


@pytest.mark.whole
def test_what_is_later_follows_weekdays_orders_and_lengths() -> None:
    """The invoice has its due date, whatever else is told of either."""
    invoice = days()
    due = invoice + pd.Timedelta(days=30)
    paid = due + pd.to_timedelta(np.random.default_rng(3).integers(0, 9, N), unit="D")
    table = pd.DataFrame(
        {
            "invoice": invoice,
            "due": due,
            "paid": paid,
            "late": (paid - due).dt.days,
            "weekday": due.dt.day_name(),
            "month": due + pd.offsets.MonthEnd(0),
        }
    )
    frame = common(table)
    rules = find(frame)
    assert {str(rule) for rule in rules} >= {
        "due = invoice + 30 days",
        "late = days from due to paid",
        "weekday is told by the weekday of invoice",
        "month is the last day of the month of due",
    }
    after = keep(rules, torn(frame, 4))
    assert {str(rule): share_kept(rule, after) for rule in rules} == {str(rule): 1.0 for rule in rules}


def test_days_apart_by_luck_or_nearly_are_no_rule() -> None:
    by = days()
    off = by + pd.to_timedelta(np.where(np.arange(N) == N - 1, 31, 30), unit="D")
    few = (by + pd.Timedelta(days=30)).where(np.arange(N) < 20)
    for of in (off, few, days(1)):
        rules = find(common(pd.DataFrame({"by": by, "of": of})))
        assert not [rule for rule in rules if isinstance(rule, Later | Begins)]


def test_texts_of_dates_keep_their_distance() -> None:
    day = days()
    frame = pd.DataFrame(
        {f"{i}": (day + pd.Timedelta(days=30 * i)).dt.strftime("%d.%m.%Y") for i in range(2)}
        | {"x": day.dt.day}
    )
    rows = tabstep.fit(frame, method="marginals").sample(500, seed=0)
    one, other = (pd.to_datetime(rows[name], format="%d.%m.%Y") for name in "01")
    assert ((other - one).dt.days == 30).all()
