"""Lengths of time in writing: "35:26:42", "1 days 11:26:42", "1h 30m".

A text column is lengths only if one way of writing gives every one of its texts back, see `writing`. Of a clock the
hours may be any number, so times of a day that has 24:00 are lengths too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.forms import INT64, Raw
from tabstep.data.writing import written

SECONDS = {"D": 86_400, "H": 3_600, "M": 60, "S": 1}
GRAINS = {"D": "D", "H": "h", "M": "m", "S": "s", "3": "ms", "6": "us", "9": "ns"}
CLOCKS = ("{H}:{M:02}:{S:02}", "{H:02}:{M:02}:{S:02}", "{H}:{M:02}", "{H:02}:{M:02}")
WAYS = (
    *CLOCKS,
    *("{H}:{M:02}:{S:02}.{F:03}", "{H:02}:{M:02}:{S:02}.{F:03}", "{D} days {H:02}:{M:02}:{S:02}"),
    *("{D} days {H:02}:{M:02}:{S:02}.{F:06}", "P{D}DT{H}H{M}M{S}S", "PT{H}H{M}M{S}S", "PT{H}H{M}M"),
    *(
        "{H}h {M}m",
        "{H}h {M:02}m",
        "{H}h{M}m",
        "{H}h{M:02}",
        "{H} h {M} min",
        "{H}h {M}min",
        "{M}m {S}s",
        "{M} min {S} s",
    ),
)
_PART = re.compile(r"\{([DHMSF])(?::0(\d))?\}")


@dataclass(frozen=True)
class WrittenLengths:
    """Lengths of time as text; `form` is one of `WAYS`, `grain` its last unit, in which they are counted."""

    dtype: str
    form: str
    grain: str

    @classmethod
    def of(cls, form: str, dtype: str) -> WrittenLengths:
        """Those of one way."""
        mark, digits = _PART.findall(form)[-1]
        return cls(dtype, form, GRAINS[digits if mark == "F" else mark])

    def parse(self, text: str) -> int | None:
        """The length in grains, None where it is not written so."""
        found = _pattern(self.form).fullmatch(text.removeprefix("-"))
        if found is None or len(text) > 40:
            return None
        value = sum(int(number) * size for number, (_, size) in zip(found.groups(), self._sizes, strict=True))
        value = -value if text.startswith("-") else value
        return value if abs(value) <= INT64.max and self.text(value) == text else None

    def text(self, value: int) -> str:
        """How a length in grains is written."""
        rest, parts = abs(value), {}
        for mark, size in self._sizes:
            parts[mark], rest = divmod(rest, size)
        return ("-" if value < 0 else "") + self.form.format(**parts)

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        codes, unique = pd.factorize(column)
        values = [self.parse(text) for text in unique]
        if None in values:
            raise ValueError(f"is written as {self.text(0)}, got {unique[values.index(None)]!r}")
        return Raw(np.array([*values, 0], dtype=np.int64)[codes], gap)

    def write(self, raw: Raw) -> Any:
        return written([self.text(int(v)) for v in raw.values], raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        moved = [v if pd.isna(v) or self._is_written(v) else self.text(self._counted(v)) for v in column]
        return written(moved, column.isna().to_numpy(), self.dtype)

    @property
    def _sizes(self) -> list[tuple[str, int]]:
        """The parts of a length, each with how many grains it counts."""
        parts = _PART.findall(self.form)
        fine = 10 ** int(parts[-1][1]) if parts[-1][0] == "F" else 1
        last = 1 if parts[-1][0] == "F" else SECONDS[parts[-1][0]]
        return [(mark, 1 if mark == "F" else SECONDS[mark] * fine // last) for mark, _ in parts]

    def _is_written(self, value: Any) -> bool:
        return isinstance(value, str) and self.parse(value) is not None

    def _counted(self, value: Any) -> int:
        """A length of time in grains. Raises ValueError."""
        if not isinstance(value, str | timedelta | np.timedelta64):
            raise ValueError(f"holds lengths of time such as {self.text(0)}, got {value!r}")
        exact = pd.Timedelta(value)
        unit = pd.Timedelta(1, unit=self.grain)  # type: ignore[arg-type]
        if exact % unit != pd.Timedelta(0):
            raise ValueError(f"holds lengths of time such as {self.text(0)}, got {value!r}")
        return int(exact // unit)


def lengths(texts: Sequence[str], dtype: str) -> WrittenLengths | None:
    """The first way in which these distinct texts are lengths of time, None for none."""
    for way in WAYS if texts and re.search(r"\d", texts[0]) else ():
        form = WrittenLengths.of(way, dtype)
        if all(form.parse(text) is not None for text in texts):
            return form
    return None


def _pattern(form: str) -> re.Pattern[str]:
    return re.compile(_PART.sub(r"(\\d+)", re.sub(r"([.])", r"[.]", form)), re.ASCII)
