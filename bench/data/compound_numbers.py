"""Columns that hold several numbers in a cell: "120/80", "(40.71, -74.01)", "10 x 20 x 30 cm"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import pandas as pd

from tabstep.data import dtypes, inference, writing
from tabstep.data.columns import GAPS, gap_of, marked
from tabstep.data.doubtful_text import OF_A_YEAR, is_personal, too_many
from tabstep.data.wishes import Speech

MOST = 4  # numbers in a cell
POINT, EITHER = r"\d+(?:\.\d+)?", r"\d+(?:[.,]\d+)?"
_BEFORE = re.compile(r"(?:POINT\s?)?[(\[]?\s?", re.IGNORECASE)
_UNIT = r"[A-Za-zµ°%'\"/²³]"
_BETWEEN = re.compile(rf"\s?{_UNIT}{{0,6}}\s?(?:[/x×@:;,|±–-]|by|to)?\s?", re.IGNORECASE)
_AFTER = re.compile(rf"\s?{_UNIT}{{0,8}}\s?[)\]]?")
NAMING = re.compile(r"\s?[-/–]\s?|")  # what stands in what names a row: 1024-2048


@dataclass(frozen=True)
class Numbers:
    """A column whose cells are numbers with the same texts around them.

    parts   names of the columns that have its numbers, in writing
    around  what stands before, between and behind them: one more than parts
    gap     how a gap stands in a column of objects
    """

    what: ClassVar = "numbers"

    name: str
    dtype: str
    parts: tuple[str, ...]
    around: tuple[str, ...]
    gap: str = "None"

    @classmethod
    def of(cls, column: pd.Series[Any], taken: Collection[str]) -> Self | None:
        """The column as one of several numbers, None where not all of its cells are that.

        taken  names that parts do not have
        """
        texts = [str(text) for text in column.dropna().unique()]
        around = _around(texts[0]) if texts else None
        if around is None:
            return None
        name = str(column.name)
        parts = tuple(f"{name} ({i})" for i in range(1, len(around)))
        found = cls(name, dtypes.name(column.dtype), parts, around, gap_of(column))
        told = [found._numbers(text) for text in texts]
        if not {*parts}.isdisjoint(taken) or any(numbers is None for numbers in told):
            return None
        for numbers in zip(*told, strict=True):  # type: ignore[arg-type]
            try:
                if writing.numbers([*dict.fromkeys(numbers)], found.dtype, mark_of(numbers)) is None:
                    return None
            except writing.Ambiguous:
                return None
        return found

    def apart(self, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
        """The numbers of each cell in writing, by part. Raises ValueError for another text."""
        codes, unique = pd.factorize(column)
        found: list[tuple[Any, ...]] = []
        for text in unique:
            numbers = self._numbers(str(text))
            if numbers is None:
                raise ValueError(f"column {self.name!r} is written as {self.example}, got {text!r}")
            found.append(numbers)
        found.append((None,) * len(self.parts))  # of gaps, whose code is -1
        return {
            part: dtypes.restored([found[code][i] for code in codes], self.dtype).set_axis(column.index)
            for i, part in enumerate(self.parts)
        }

    def together(self, rows: pd.DataFrame) -> Any:
        """The cells of rows that have its parts; one without a number is empty."""
        gap = rows[[*self.parts]].isna().any(axis=1).to_numpy()
        before, *behind = self.around
        texts = pd.Series(before, index=rows.index, dtype=object)
        for part, text in zip(self.parts, behind, strict=True):
            texts += rows[part].astype(str) + text
        return marked(writing.written([*texts], gap, self.dtype), gap, self.gap).set_axis(rows.index)

    @property
    def is_whole(self) -> bool:
        """Whether it is one that can be written."""
        texts = (self.name, self.dtype, *self.parts, *self.around)
        fits = len(self.around) == len(self.parts) + 1 > 1 and self.gap in GAPS
        return fits and all(isinstance(text, str) for text in texts)

    @property
    def example(self) -> str:
        """How its cells are written, N for each number."""
        return "N".join(self.around)

    def _numbers(self, text: str) -> tuple[str, ...] | None:
        """The numbers of a text, None where others stand around them."""
        number = POINT if any("," in part for part in self.around) else EITHER
        found = re.fullmatch(rf"([-+]?{number})".join(map(re.escape, self.around)), text)
        return found.groups() if found else None


def _around(text: str) -> tuple[str, ...] | None:
    """What stands around the numbers of a text, None where it is not several numbers and little else.

    A comma between numbers is none before decimals, if it stands between all of them.
    """
    by_point, by_either = (_told(text, number) for number in (POINT, EITHER))
    if by_point is not None and len({*by_point[1:-1]}) == 1:
        return by_point
    return by_either or by_point


def _told(text: str, number: str) -> tuple[str, ...] | None:
    # A sign is one where no digit stands before it: 10-20 are two numbers without.
    spans = [found.span() for found in re.finditer(rf"(?:(?<!\d)[-+])?{number}", text)]
    ends = [0, *(place for span in spans for place in span), len(text)]
    around = tuple(text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True))
    if not 2 <= len(spans) <= MOST:
        return None
    before, *between, behind = around
    plain = _BEFORE.fullmatch(before) and _AFTER.fullmatch(behind) and all(map(_stands_between, between))
    return around if plain else None


def _stands_between(text: str) -> bool:
    """Whether a text may stand between two numbers; 12A34 is a code."""
    is_code = text.isalpha() and not text.islower() and text != "X"
    return bool(text) and not is_code and _BETWEEN.fullmatch(text) is not None


def mark_of(numbers: Iterable[str]) -> str:
    """What stands before decimals in some numbers, a point where nothing does."""
    return "," if any("," in number for number in numbers) else "."


def numbers_of(column: pd.Series[Any], taken: Collection[str], speech: Speech) -> Numbers | None:
    """A column of text as one of several numbers that are neither labels, dates, somebody's own nor names of rows."""
    present = column.dropna()
    texts = [*present.unique()]
    if not too_many(len(texts), len(present)):
        return None
    found = Numbers.of(column, taken)
    if found is None or is_personal(texts) or any(map(OF_A_YEAR.fullmatch, texts)):
        return None
    if len(texts) == len(present) and all(map(NAMING.fullmatch, found.around)):
        parts = found.apart(present).values()
        if any(part.is_unique for part in parts):
            return None
    try:
        return found if inference.is_text(column, speech) else None
    except ValueError:  # it is refused, with what to do about it
        return None
