"""Times in writing whose offset from UTC changes with summer: "2024-07-01T10:00+02:00", "2024-01-01T10:00+01:00".

They are instants, shown on the clock of one time zone. Any zone that has the offsets of all of them will do: what is
drawn lies between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from zoneinfo import available_timezones

import numpy as np
import pandas as pd

from tabstep.data.forms import Raw
from tabstep.data.moments import Moments
from tabstep.data.writing import written
from tabstep.data.written_dates import dated, dates, in_text, offset_of, parsed

AREAS = (
    "Europe",
    "America",
    "Asia",
    "Australia",
    "Africa",
    "Pacific",
    "Atlantic",
    "Indian",
)  # best known first


@dataclass(frozen=True)
class ZonedMoments:
    """Times as text, each with the offset of its day.

    form    of the time as strftime writes it, with what stands before the offset
    colon   whether the offset is +01:00, or +0100
    zone    whose offsets they are
    grain   the unit that is counted
    clock   whether the unit is one of the clock in the zone, or of UTC
    """

    dtype: str
    form: str
    colon: bool
    zone: str
    grain: str = "ns"
    clock: Literal["wall", "utc"] = "utc"

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        moments = self.parsed(column)
        if bool((moments.isna().to_numpy() & ~gap).any()):
            text = column.to_numpy()[moments.isna().to_numpy() & ~gap][0]
            raise ValueError(f"is written as {self.shown}, got {text!r}")
        return self._moments.read(moments)

    def write(self, raw: Raw) -> Any:
        return written(self._texts(self._moments.write(raw)), raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        gap = column.isna().to_numpy()
        moved = column.astype(object).to_numpy(copy=True)
        asis = self.parsed(column).isna().to_numpy() & ~gap
        if asis.any():
            moments = pd.Series([self._moment(value) for value in moved[asis]])
            moved[asis] = self._texts(moments)
            if (self.parsed(pd.Series(moved[asis], dtype=object)) != moments).any():
                raise ValueError(f"holds times as {self.shown}, got {column[asis].iloc[0]}")
        return written(list(moved), gap, self.dtype)

    @property
    def shown(self) -> str:
        """How they are written, in a few words."""
        return f"{self.form}{'+01:00' if self.colon else '+0100'}, offsets of {self.zone}"

    @property
    def _moments(self) -> Moments:
        kind = f"datetime64[ns, {self.zone}]"
        return Moments(kind, kind, self.grain, self.clock)

    def _moment(self, value: Any) -> pd.Timestamp:
        """A moment of a user's; one without an offset is on the clock of the zone."""
        given = pd.Timestamp(value).as_unit("ns")
        if given.tzinfo is not None:
            return given.tz_convert(self.zone)
        return given.tz_localize(self.zone, ambiguous=False, nonexistent="shift_forward")

    def parsed(self, column: pd.Series[Any]) -> Any:
        """Moments in the zone (a Series); NaT for a gap, and for what is not written so."""
        given = [v if isinstance(v, str) else None for v in column]
        moments = _instants(given, self.form).dt.tz_convert(self.zone)
        back = [again == text for again, text in zip(self._texts(moments), given, strict=True)]
        return moments.where(np.array(back, dtype=bool))

    def gives_back(self, texts: pd.Series[Any]) -> bool:
        """Whether all texts are written so, in the offsets of the zone."""
        return bool(self.parsed(texts).notna().all())

    def _texts(self, moments: Any) -> list[str | None]:
        local = in_text(moments.dt.tz_localize(None).to_numpy(dtype="M8[ns]"), self.form)
        offsets = moments.dt.strftime("%z")
        return [
            None if bare is None else f"{bare}{offset[:3]}:{offset[3:]}" if self.colon else f"{bare}{offset}"
            for bare, offset in zip(local, offsets, strict=True)
        ]


def zoned(texts: Sequence[str], dtype: str, form: str | None = None) -> ZonedMoments | None:
    """The way, `form` or found, in which these distinct texts are times with two offsets from UTC or more, or None.

    Raises Ambiguous, and ValueError where no one time zone has the offsets of all.
    """
    offsets = [offset_of(text).lstrip() for text in texts] if texts and offset_of(texts[0]) else []
    first: dict[str, str] = {}
    for text, offset in zip(texts, offsets, strict=False):
        first.setdefault(offset, text)
    if len(first) < 2 or not all(offset[:1] in ("+", "-") for offset in first):
        return None
    bare = [text.removesuffix(offset) for text, offset in zip(texts, offsets, strict=True)]
    space = " " if bare[0].endswith(" ") else ""
    plain = list(dict.fromkeys(text.removesuffix(space) for text in bare))
    found = dates(plain, dtype) if form is None else dated(pd.Series(plain), re.sub(" ?%z$", "", form))
    if found is None:
        return None
    whole = pd.Series(list(texts), dtype=object)
    for zone in _zones():
        way = ZonedMoments(dtype, f"{found.form}{space}", ":" in offsets[0], zone)
        if all(way.gives_back(few) for few in (pd.Series(list(first.values()), dtype=object), whole)):
            exact = Moments.of(way.parsed(whole))
            return replace(way, grain=exact.grain, clock=exact.clock)
    raise ValueError(
        f"holds times with several offsets from UTC, such as {' and '.join(sorted(first)[:2])}, that no one time zone "
        "has; write all in one zone"
    )


def _zones() -> Iterator[str]:
    known = available_timezones()
    for area in AREAS:
        yield from sorted(name for name in known if name.startswith(f"{area}/"))


def _instants(texts: Sequence[str | None], form: str) -> Any:
    """Moments in UTC (a Series) of times with offsets; NaT where there is none, or the time is not written so."""
    offsets = ["" if text is None else offset_of(text).lstrip() for text in texts]
    bare = [None if not o or t is None else t.removesuffix(o) for t, o in zip(texts, offsets, strict=True)]
    local = parsed(pd.Series(bare, dtype=object), form)
    return pd.Series(local - np.array([_length(offset) for offset in offsets])).dt.tz_localize("UTC")


def _length(offset: str) -> np.timedelta64:
    """How far a clock with an offset such as +01:00 is ahead of UTC; nothing for another text."""
    if offset[:1] not in ("+", "-"):
        return np.timedelta64(0, "ns")
    minutes = 60 * int(offset[1:3]) + int(offset[-2:])
    return np.timedelta64((-minutes if offset[0] == "-" else minutes) * 60 * 10**9, "ns")
