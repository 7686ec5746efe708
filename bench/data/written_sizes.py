"""Numbers whose unit goes with their size: "850", "10.9k", "7.1M"; "512 KB", "1.5 GB"; "90 cm", "1.8 m".

A text column is such numbers only if one way of writing gives every one of its texts back, see `writing`. A number is
written in the largest unit of which it is one or more, so what is drawn is rounded as the column is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tabstep.data.forms import INT64
from tabstep.data.writing import InText

LONGEST = 30  # characters of a number with its unit
MOST_PLACES = 6
_TEXT = re.compile(
    r"(?P<sign>-?)(?P<whole>\d+)(?:(?P<decimal>[.,])(?P<part>\d+))?(?P<gap> ?)(?P<unit>[A-Za-zµ]*)", re.ASCII
)
_PREFIXES = ("", "k", "M", "G", "T")
FAMILIES: tuple[Mapping[str, int], ...] = (
    {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "m": 10**6, "B": 10**9, "b": 10**9, "bn": 10**9, "G": 10**9},
    {"": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12},
    {"mm": 1, "cm": 10, "m": 10**3, "km": 10**6},
    {"mg": 1, "g": 10**3, "kg": 10**6, "t": 10**9},
    {"ml": 1, "mL": 1, "cl": 10, "l": 10**3, "L": 10**3},
    {"KB": 1, "kB": 1, "K": 1, "MB": 1000, "M": 1000, "GB": 10**6, "G": 10**6, "TB": 10**9},
    {"KB": 1, "kB": 1, "K": 1, "MB": 1024, "M": 1024, "GB": 1024**2, "G": 1024**2, "TB": 1024**3},
)
"""How many of the smallest a unit is. Prefixes of any other unit are told by what follows them, see `_families`."""


@dataclass(frozen=True)
class WrittenSizes(InText):
    """Numbers in text, counted in the last decimal of the smallest unit.

    names, factors, places  of each unit that occurs, the smallest first: how many of the smallest it is, and with how
                            many decimals it is written
    exact   whether all of these are written, or zeros at the end are left out
    gap     what stands between number and unit
    """

    dtype: str
    names: tuple[str, ...]
    factors: tuple[int, ...]
    places: tuple[int, ...]
    exact: bool
    decimal: str
    gap: str

    @property
    def grains(self) -> int:
        """How many of what is counted the smallest unit is."""
        return int(10 ** max(self.places))

    def parse(self, text: str) -> int | None:
        """The number in grains, None where it is not written so."""
        found = None if len(text) > LONGEST else _TEXT.fullmatch(text)
        if found is None or found["unit"] not in self.names:
            return None
        size = self.factors[self.names.index(found["unit"])] * self.grains
        value = Fraction(f"{found['whole']}.{found['part'] or 0}") * size
        if value.denominator != 1 or value > INT64.max:
            return None
        number = -int(value) if found["sign"] else int(value)
        return number if self.text(number) == text else None

    def text(self, number: int) -> str:
        """How a number in grains is written, rounded to the decimals of its unit."""
        size, last = abs(number), len(self.names) - 1
        place = max((i for i, factor in enumerate(self.factors) if size >= factor * self.grains), default=0)
        shown = self._rounded(size, place)
        if (
            place < last
            and shown >= self.factors[place + 1] // self.factors[place] * 10 ** self.places[place]
        ):
            place, shown = place + 1, self._rounded(size, place + 1)  # 999.96 k is 1 M
        digits = str(shown).rjust(self.places[place] + 1, "0")
        cut = len(digits) - self.places[place]
        part = digits[cut:] if self.exact else digits[cut:].rstrip("0")
        name = self.names[place]
        sign = "-" if number < 0 and shown else ""
        return f"{sign}{digits[:cut]}{self.decimal * bool(part)}{part}{self.gap * bool(name)}{name}"

    def _rounded(self, size: int, place: int) -> int:
        return round(Fraction(size * 10 ** self.places[place], self.factors[place] * self.grains))

    @property
    def example(self) -> str:
        """How one and a half of the second unit is written."""
        return self.text(self.factors[1] * self.grains * 3 // 2)

    def _counted(self, value: Any) -> int:
        """A number of the smallest unit in grains. Raises ValueError."""
        try:
            exact = Fraction(str(value)) * self.grains  # 12.3 as it is said, not as a float has it
        except ValueError:
            exact = Fraction(1, 2)
        if isinstance(value, str) or exact.denominator != 1:
            raise ValueError(f"holds numbers such as {self.example}, got {value!r}")
        return int(exact)


def sizes(texts: Sequence[str], dtype: str) -> WrittenSizes | None:
    """The way in which these distinct texts are numbers with several units, None for none."""
    found = [match for text in texts if len(text) <= LONGEST and (match := _TEXT.fullmatch(text))]
    names = {match["unit"] for match in found}
    gaps = {match["gap"] for match in found if match["unit"]}
    marks = {match["decimal"] for match in found if match["decimal"]} or {"."}
    if len(found) < len(texts) or len(names) < 2 or len(gaps) != 1 or len(marks) != 1:
        return None
    parts = {name: {len(m["part"] or "") for m in found if m["unit"] == name} for name in names}
    exact = all(len(lengths) == 1 for lengths in parts.values())
    if max(map(max, parts.values())) > MOST_PLACES:
        return None
    for family in _families(names):
        known = sorted(names, key=lambda name: family[name])
        factors = tuple(family[name] // family[known[0]] for name in known)
        if len(set(factors)) < len(known):
            continue
        places = tuple(max(parts[name]) for name in known)
        form = WrittenSizes(
            dtype, tuple(known), factors, places, exact, marks.copy().pop(), gaps.copy().pop()
        )
        if all(form.parse(text) is not None for text in texts):
            return form
    return None


def _families(names: set[str]) -> Iterator[Mapping[str, int]]:
    """Those in which all these units are: of `FAMILIES`, and prefixes of a unit, by 1000 and by 1024."""
    yield from (family for family in FAMILIES if names <= family.keys())
    base = min(names, key=len)
    for step in (1000, 1024):
        family = {f"{prefix}{base}": step**i for i, prefix in enumerate(_PREFIXES)}
        family |= {f"K{base}": step}
        if base and names <= family.keys():
            yield family
