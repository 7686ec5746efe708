"""Time zones by name: those of pytz, zoneinfo and dateutil, and fixed offsets, which pandas tells from one another."""

from __future__ import annotations

import datetime
import re
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import dateutil.tz  # type: ignore[import-untyped]
import pytz  # type: ignore[import-untyped]

_FILE = re.compile(r"tzfile\('(?:.*zoneinfo/)?(.+)'\)")


def name(zone: Any) -> str:
    """The name of a zone that pandas does not read by its text: whose it is, and which. Raises ValueError."""
    if isinstance(zone, ZoneInfo) and zone.key:
        return f"zoneinfo {zone.key}"
    found = _FILE.fullmatch(repr(zone)) if isinstance(zone, dateutil.tz.tzfile) else None
    if found and found[1] in available_timezones():
        return f"dateutil {found[1]}"
    offset = _offset(zone)
    if offset is None:
        raise ValueError(f"no name gives the time zone {zone} back")
    made_by = type(zone).__module__.partition(".")[0]
    own = made_by in ("pytz", "dateutil") and not isinstance(zone, dateutil.tz.tzutc)  # that is any other UTC
    whose = made_by if own else "datetime"
    return f"{whose} {offset // datetime.timedelta(seconds=1)}"


def made(name: str) -> Any:
    """The zone of a name that `name` gave. Raises ValueError or LookupError for another."""
    whose, _, which = name.partition(" ")
    if not re.fullmatch(r"-?\d+", which):
        if which not in available_timezones():  # dateutil would open any file of this name
            raise ValueError(f"there is no time zone {which!r}")
        zone: Any = {"zoneinfo": ZoneInfo, "dateutil": dateutil.tz.gettz}[whose](which)
        return zone
    seconds = int(which)
    if whose == "pytz":
        return pytz.FixedOffset(seconds // 60)
    if whose == "dateutil":
        return dateutil.tz.tzoffset(None, seconds)
    return datetime.timezone(datetime.timedelta(seconds=seconds))


def called(zone: Any) -> str:
    """Its name among all zones, such as Europe/Berlin, or its offset as UTC+01:00."""
    offset = _offset(zone)
    if offset is None:
        found = _FILE.fullmatch(repr(zone))
        return found[1] if found else str(zone)
    return str(datetime.timezone(offset))


def _offset(zone: Any) -> datetime.timedelta | None:
    """How far clocks of a zone are ahead of UTC, None where that changes."""
    if isinstance(zone, ZoneInfo | dateutil.tz.tzfile) or not isinstance(zone, datetime.tzinfo):
        return None
    return None if isinstance(zone, pytz.tzinfo.DstTzInfo | dateutil.tz.tzlocal) else zone.utcoffset(None)
