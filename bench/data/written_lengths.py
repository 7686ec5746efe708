"""Lengths of time in writing: "35:26:42", "1 day, 11:26:42", "1h 30m".

A text column is lengths only if one way of writing gives every one of its texts back, see `writing`. Of a clock the
hours may be any number, so times of a day that has 24:00 are lengths too.

A way is a format: {D}, {H}, {M}, {S} and {F} are days, hours, minutes, seconds and fractions of a second, {F:03} has as
many digits, {D:+} has the sign of the whole, from which the rest is counted up as Python does, and {s} is an s unless
the number before it is 1. What stands in square brackets is left out where its number is 0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.forms import INT64
from tabstep.data.writing import InText

SECONDS = {"D": 86_400, "H": 3_600, "M": 60, "S": 1}
EXAMPLE = 93_784  # seconds
LONGEST = 60  # characters of a length
GRAINS = {"D": "D", "H": "h", "M": "m", "S": "s", "3": "ms", "6": "us", "9": "ns"}
CLOCKS = ("{H}:{M:02}:{S:02}", "{H:02}:{M:02}:{S:02}", "{H}:{M:02}", "{H:02}:{M:02}")
PYTHON = "[{D:+} day{s}, ]{H}:{M:02}:{S:02}"  # str() of a timedelta
WAYS = (
    *CLOCKS,
    *("{H}:{M:02}:{S:02}.{F:03}", "{H:02}:{M:02}:{S:02}.{F:03}", "{D} days {H:02}:{M:02}:{S:02}"),
    *("{D} days {H:02}:{M:02}:{S:02}.{F:06}", "P{D}DT{H}H{M}M{S}S", "PT{H}H{M}M{S}S", "PT{H}H{M}M"),
    *("{H}h {M}m", "{H}h {M:02}m", "{H}h{M}m", "{H}h{M:02}", "{H} h {M} min", "{H}h {M}min"),
    *("{M}m {S}s", "{M} min {S} s", PYTHON, f"{PYTHON}[.{{F:06}}]", "PT[{H}H][{M}M][{S}S]"),
    *("[{D}d ][{H}h ][{M}m ][{S}s]", "[{D}d][{H}h][{M}m][{S}s]", "[{H} h ][{M} min ][{S} s]"),
    *(
        "[{H}h ]{M}m",
        "[{H}h]{M}m",
        "[{H} h ]{M} min",
        "[{D}d ]{H}h {M}m",
        "[{M}m ]{S}s",
        "[{H}h ][{M}m ]{S}s",
    ),
    *("[{H}h ][{M}m ][{S}s]", "[{H}h][{M}m][{S}s]", "[{H} hour{s} ][{M} minute{s} ][{S} second{s}]"),
    *("[{D} day{s} ][{H} hour{s} ][{M} minute{s} ][{S} second{s}]", "[{H} hr{s} ][{M} min{s}]"),
    *("[{D} day{s}, ][{H} hour{s}, ][{M} minute{s}, ][{S} second{s}]", "[{H} hr ][{M} min]"),
)
_PART = re.compile(r"\{([DHMSF])(?::(?:0(\d)|(\+)))?\}")
_PIECE = re.compile(r"\[([^]]+)\]|[^[]+")


@dataclass(frozen=True)
class WrittenLengths(InText):
    """Lengths of time as text; `form` is one of `WAYS`, `grain` its last unit, in which they are counted."""

    dtype: str
    form: str
    grain: str

    @classmethod
    def of(cls, form: str, dtype: str) -> WrittenLengths:
        """Those of one way."""
        mark, digits, _ = _PART.findall(form)[-1]
        return cls(dtype, form, GRAINS[digits if mark == "F" else mark])

    def parse(self, text: str) -> int | None:
        """The length in grains, None where it is not written so."""
        found = None if len(text) > LONGEST else _pattern(self.form).fullmatch(text)
        if found is None:
            return None
        sign, *numbers = found.groups()
        value = sum(int(number or 0) * size for number, (_, size) in zip(numbers, self._sizes, strict=True))
        value = -value if sign else value
        return value if abs(value) <= INT64.max and self.text(value) == text else None

    def text(self, number: int) -> str:
        """How a length in grains is written."""
        counted_up = "{D:+}" in self.form
        rest, parts = number if counted_up else abs(number), {}
        for mark, size in self._sizes:
            parts[mark], rest = divmod(rest, size)
        pieces = _pieces(self.form)
        shown = [
            _filled(piece, parts)
            for piece, optional in pieces
            if not optional or any(parts[found[1]] for found in _PART.finditer(piece))
        ]
        if not re.search(r"\d", "".join(shown)):
            shown.append(_filled(pieces[-1][0], parts))  # no time at all is written in the last unit
        return ("-" if number < 0 and not counted_up else "") + "".join(shown).rstrip(", ")

    @property
    def example(self) -> str:
        """How a day, two hours, three minutes and four seconds are written."""
        mark, size = self._sizes[0]
        return self.text(EXAMPLE * size // SECONDS[mark])

    @property
    def _sizes(self) -> list[tuple[str, int]]:
        """The parts of a length, each with how many grains it counts."""
        parts = _PART.findall(self.form)
        fine = 10 ** int(parts[-1][1]) if parts[-1][0] == "F" else 1
        last = 1 if parts[-1][0] == "F" else SECONDS[parts[-1][0]]
        return [(mark, 1 if mark == "F" else SECONDS[mark] * fine // last) for mark, *_ in parts]

    def _counted(self, value: Any) -> int:
        """A length of time in grains. Raises ValueError."""
        if not isinstance(value, str | timedelta | np.timedelta64):
            raise ValueError(f"holds lengths of time such as {self.example}, got {value!r}")
        exact = pd.Timedelta(value)
        unit = pd.Timedelta(1, unit=self.grain)  # type: ignore[arg-type]
        if exact % unit != pd.Timedelta(0):
            raise ValueError(f"holds lengths of time such as {self.example}, got {value!r}")
        return int(exact // unit)


def lengths(texts: Sequence[str], dtype: str) -> WrittenLengths | None:
    """The first way in which these distinct texts are lengths of time, None for none."""
    for way in WAYS if texts and re.search(r"\d", texts[0]) else ():
        form = WrittenLengths.of(way, dtype)
        if all(form.parse(text) is not None for text in texts):
            return form
    return None


@cache
def _pieces(form: str) -> list[tuple[str, bool]]:
    """The pieces of a way of writing, each with whether it may be left out."""
    return [(found[1] or found[0], bool(found[1])) for found in _PIECE.finditer(form)]


def _filled(piece: str, parts: dict[str, int]) -> str:
    """A piece with its numbers."""
    numbers = [parts[found[1]] for found in _PART.finditer(piece)]
    text = _PART.sub(lambda found: f"{parts[found[1]]:0{found[2] or 1}}", piece)
    return text.replace("{s}", "" if numbers and abs(numbers[-1]) == 1 else "s")


@cache
def _pattern(form: str) -> re.Pattern[str]:
    """What texts of this way look like: its sign, and the numbers of `_PART` in their order."""
    shown = ["()" if "{D:+}" in form else "(-?)"]
    for piece, optional in _pieces(form):
        plain = "".join(map(_as_pattern, re.split(r"(\{[^}]+\})", piece)))
        shown.append(f"(?:{plain})?" if optional else plain)
    return re.compile("".join(shown), re.ASCII)


def _as_pattern(token: str) -> str:
    if token == "{s}":
        return "s?"
    if token.startswith("{"):
        return r"(-?\d+)" if "+" in token else r"(\d+)"
    return re.sub(r"(\\ |,)", r"\1?", re.escape(token))  # none at the end of a text
