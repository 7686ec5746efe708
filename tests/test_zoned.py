"""Times in writing whose offset from UTC changes with summer."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from tabstep.data import comparable, inference
from tabstep.data.columns import Number, from_json, to_json
from tabstep.data.wishes import Sampling, Wishes
from tabstep.data.zoned import ZonedMoments, zoned


def local(zone: str, n: int = 60, step: str = "151h7min13s") -> pd.DatetimeIndex:
    """Moments of a year and more, on the clock of a zone."""
    return pd.date_range("2024-01-03T06:04:28Z", periods=n, freq=step).tz_convert(zone)


def column(texts: list[str | None]) -> pd.Series:
    return pd.Series(texts, name="at", dtype=object)


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"]
)
@pytest.mark.parametrize("mark", ["", " "])
def test_times_come_back_with_the_offset_of_their_day(zone: str, mark: str) -> None:
    moments = local(zone)
    texts = [m.strftime("%Y-%m-%d %H:%M:%S") + mark + m.strftime("%z") for m in moments]
    form = zoned(texts, "object")
    assert form is not None
    known = Number.of(column([*texts, None]), form)
    counted = known.read(column([*texts, None]))
    assert np.diff(counted[:-1]).tolist() == [(151 * 60 + 7) * 60 + 13] * (len(texts) - 1)
    assert known.write(counted).tolist() == [*texts, None]
    assert from_json(to_json(known)) == known
    # what lies between is written with the offset that it has in the zone
    between = [m.astimezone(ZoneInfo(zone)) for m in moments[:-1] + (moments[1] - moments[0]) // 2]
    drawn = known.write(counted[:-2] + np.diff(counted[:-1]) // 2)
    assert [text[-5:] for text in drawn] == [m.strftime("%z") for m in between]


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    texts = [f"2024-10-27T02:30:00+0{hours}:00" for hours in (2, 1)]
    form = zoned([*texts, "2024-01-01T00:00:07+01:00"], "object")
    assert form is not None
    known = Number.of(column(texts), form)
    first, second = known.read(column(texts))
    assert second - first == 3600
    assert known.write(np.array([first, second])).tolist() == texts


def test_days_of_a_zone_are_counted_by_its_clock() -> None:
    days = [m.isoformat() for m in pd.date_range("2024-01-01", periods=300, tz="Europe/Berlin")]
    form = zoned(days, "object")
    assert form is not None
    assert (form.grain, form.clock) == ("D", "wall")
    known = Number.of(column(days), form)
    assert known.write(known.read(column(days))).tolist() == days


def test_a_moment_that_a_user_gives_is_written_as_the_column_is() -> None:
    form = zoned([m.isoformat() for m in local("Europe/Berlin")], "object")
    assert form is not None
    given = column(["2024-07-01", "2024-01-01T10:00:00Z", None, "2024-07-01T00:00:00+02:00"])
    summer = "2024-07-01T00:00:00+02:00"
    assert form.like(given).tolist() == [summer, "2024-01-01T11:00:00+01:00", None, summer]
    with pytest.raises(ValueError, match=r"got 2024-07-01T00:00:00\.5"):
        form.like(column(["2024-07-01T00:00:00.5"]))
    with pytest.raises(ValueError, match="is written as"):
        form.read(column(["2024-07-01T00:00:00+01:00"]))


def test_two_columns_are_held_against_each_other_in_time() -> None:
    made = local("Europe/Berlin")
    frame = pd.DataFrame(
        {
            "made": [m.isoformat() for m in made],
            "sent": [m.isoformat(timespec="minutes") for m in made + pd.Timedelta("90min")],
        }
    )
    columns, faults = inference.infer(frame, Wishes(), Sampling())
    assert not faults
    assert all(isinstance(c, Number) and isinstance(c.form, ZonedMoments) for c in columns)
    table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
    beside = comparable.frame(columns, table)
    assert (beside["sent"] > beside["made"]).all()


def test_offsets_of_no_one_zone_are_refused_with_what_mends_it() -> None:
    frame = pd.DataFrame({"at": [f"2024-01-03 10:{i:02}:28 +0{1 + i % 2}00" for i in range(60)]})
    (fault,) = inference.infer(frame, Wishes(), Sampling())[1]
    assert "several offsets from UTC, such as +0100 and +0200, that no one time zone has" in fault
    assert "--drop at leaves it out" in fault
    assert zoned(["2024-01-03T10:00:00+01:00", "2024-07-03T10:00:00+01:00"], "object") is None
    assert zoned(["2024-01-03T10:00:00+01:00", "2024-07-03T10:00:00Z"], "object") is None
