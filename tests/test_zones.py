"""Time zones of every kind come back as they were, in a draw and after a model was saved."""

from __future__ import annotations

import datetime
import importlib.resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dateutil.tz
import pandas as pd
import pyarrow as pa
import pytest
import pytz

import tabstep
from tabstep.data import dtypes, zones
from tests.test_asked import fitted

HOUR = datetime.timedelta(hours=1)
ZONES: dict[str, tuple[Any, str]] = {
    "text": ("Europe/Berlin", "Europe/Berlin"),
    "zoneinfo": (ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
    "zoneinfo Tokyo": (ZoneInfo("Asia/Tokyo"), "Asia/Tokyo"),
    "zoneinfo UTC": (ZoneInfo("UTC"), "UTC"),
    "pytz": (pytz.timezone("Europe/Berlin"), "Europe/Berlin"),
    "pytz offset": (pytz.FixedOffset(-90), "UTC-01:30"),
    "dateutil": (dateutil.tz.gettz("Europe/Berlin"), "Europe/Berlin"),
    "dateutil UTC": (dateutil.tz.tzutc(), "UTC"),
    "dateutil offset": (dateutil.tz.tzoffset("A", 5400), "UTC+01:30"),
    "offset": (datetime.timezone(HOUR), "UTC+01:00"),
    "named offset": (datetime.timezone(HOUR, "here"), "UTC+01:00"),
}


@pytest.mark.parametrize(("zone", "name"), ZONES.values(), ids=ZONES)
@pytest.mark.parametrize("unit", ["ns", "s"])
def test_a_zone_has_a_name_that_gives_it_back(zone: Any, name: str, unit: str) -> None:
    kind = pd.Series(pd.date_range("2024-01-01", periods=2, tz=zone, unit=unit)).dtype
    assert dtypes.made(dtypes.name(kind)) == kind
    assert isinstance(kind, pd.DatetimeTZDtype)
    assert zones.called(kind.tz) == name


@pytest.mark.parametrize(
    "zone", [ZONES[name][0] for name in ("zoneinfo", "dateutil", "pytz offset", "dateutil offset")]
)
@pytest.mark.parametrize("kind", ["dtype", "objects"])
def test_times_come_back_in_their_zone(zone: Any, kind: str, tmp_path: Path) -> None:
    times = pd.Series(pd.date_range("2024-01-01", periods=60, freq="7h", tz=zone))
    given = times if kind == "dtype" else pd.Series(list(times), dtype=object)
    frame = pd.DataFrame({"t": given, "x": range(60)})
    model = fitted(frame)
    rows = model.sample(9, steps=1)
    assert rows["t"].dtype == given.dtype
    assert pd.Series(list(rows["t"])).dtype == times.dtype
    model.save(tmp_path / "model")
    pd.testing.assert_frame_equal(tabstep.load(tmp_path / "model").sample(9, steps=1), rows)


@pytest.mark.parametrize("zone", ["+01:00", "-03:30", "UTC", "Europe/Berlin"])
def test_times_of_arrow_come_back_in_their_zone(zone: str) -> None:
    kind = pd.ArrowDtype(pa.timestamp("us", zone))
    times = pd.Series(pd.date_range("2024-01-01", periods=60, freq="7h", tz="UTC")).astype(kind)
    rows = fitted(pd.DataFrame({"t": times, "x": range(60)})).sample(9, steps=1)
    assert rows["t"].dtype == kind
    assert rows["t"].between(times.min(), times.max()).all()


@pytest.mark.parametrize("whose", ["dateutil", "zoneinfo"])
@pytest.mark.parametrize("which", ["{file}", "../../{file}", "Europe/Nowhere"])
def test_a_zone_of_a_saved_model_opens_no_file(whose: str, which: str, tmp_path: Path) -> None:
    """A valid file of a zone stands there: it is refused for its name, and not for what it holds."""
    source = importlib.resources.files("tzdata.zoneinfo.Europe") / "Berlin"
    file = tmp_path / "own"
    file.write_bytes(source.read_bytes())
    with pytest.raises(ValueError, match="there is no time zone"):
        zones.made(f"{whose} {which.format(file=file)}")
    with pytest.raises(ValueError, match="no name gives the time zone"):
        zones.name(dateutil.tz.tzfile(str(file)))
