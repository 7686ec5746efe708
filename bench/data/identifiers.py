"""Columns that name rows: nothing is learned from them, and new ones are made, each once and none of the old."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from tabstep.data import dtypes
from tabstep.data.doubtful_text import EMAIL, UUID

_CODE = re.compile(r"(?P<head>.*?)(?P<digits>\d{1,100})", re.DOTALL)

LONGEST = 18  # digits that are counted

Kind = Literal["number", "text", "uuid", "UUID"]  # the last in capitals


@dataclass(frozen=True)
class Identifier:
    """How new names are written.

    place   of the column among all that are written
    kind    "number" and "text" count on from `first`; a text has `head`, digits filled up to `width`, and `tail`, and
            numbers of more than 18 digits have what stands before these as `head`
    gaps    share of rows without one, which are drawn by chance: nothing is learned of them either
    """

    name: str
    place: int
    dtype: str
    kind: Kind
    first: int = 1
    head: str = ""
    width: int = 0
    tail: str = ""
    gaps: float = 0.0

    @classmethod
    def of(cls, column: pd.Series[Any], place: int) -> Self:
        """Names like those of a column: the next numbers, the next codes, other UUIDs, or `<name>-1` for other texts.

        Raises ValueError for what is neither whole numbers nor text, and where no numbers are left.
        """
        return replace(cls._named(column, place), gaps=float(column.isna().mean()))

    @classmethod
    def _named(cls, column: pd.Series[Any], place: int) -> Self:
        if isinstance(column.dtype, pd.CategoricalDtype):
            raise ValueError("is of pandas' categories, which name no rows; drop it, or use .astype(str)")
        name, dtype, shown = str(column.name), dtypes.name(column.dtype), column.dropna()
        if pd.api.types.is_bool_dtype(column.dtype) or not len(shown):
            raise ValueError(f"is {column.dtype if len(shown) else 'empty'}, which names no rows; drop it")
        if column.dtype == object and all(type(v) is int for v in shown):
            head, first, width = _split(max(0, *shown) + 1)
            return cls(name, place, dtype, "number", first, head, width)
        if pd.api.types.is_numeric_dtype(column.dtype):
            if not bool((shown == np.round(shown.astype("float64"))).all()):
                raise ValueError("holds numbers that are not whole, which name no rows; drop it")
            found = cls(name, place, dtype, "number", int(shown.max()) + 1)
            if lack := found._lack(len(column)):
                raise ValueError(lack)
            return found
        texts = [str(text) for text in shown]
        if not all(isinstance(v, str) for v in shown):
            raise ValueError(
                f"is {column.dtype} with other values than text, which are not made anew; drop it"
            )
        if all(UUID.fullmatch(text) for text in texts):
            kind: Kind = "UUID" if all(text == text.upper() for text in texts) else "uuid"
            return cls(name, place, dtype, kind, tail="" if "-" not in texts[0] else "-")
        codes = [_CODE.fullmatch(text) for text in texts]
        if all(codes) and len({code["head"] for code in codes if code}) == 1:
            digits = [code["digits"] for code in codes if code]
            width = len(digits[0]) if len({len(d) for d in digits}) == 1 else 0
            before, first, least = _split(max(map(int, digits)) + 1, width)
            head = texts[0][: -len(digits[0])] + before
            return cls(name, place, dtype, "text", first, head, least)
        mails = sum(EMAIL.fullmatch(text) is not None for text in texts) * 2 > len(texts)
        head, tail = ("person", "@example.org") if mails else (f"{name}-", "")
        while any(text.startswith(head) for text in texts):
            head = f"new-{head}"
        return cls(name, place, dtype, "text", 1, head, 0, tail)

    def write(self, start: int, n: int, seed: int) -> Any:
        """The names of the rows start .. start + n of a draw (a Series). Raises ValueError where no more are left."""
        names = self._names(start, n, seed)
        if self.gaps:
            bits = np.random.PCG64(seed + self.place).advance(
                start
            )  # one draw a row, wherever a batch begins
            drawn = np.random.Generator(bits).random(n)
            names = [None if chance < self.gaps else name for name, chance in zip(names, drawn, strict=True)]
        return dtypes.restored(names, self.dtype)

    def _names(self, start: int, n: int, seed: int) -> list[Any]:
        if self.kind in ("uuid", "UUID"):
            return [self._uuid(seed, i) for i in range(start, start + n)]
        if lack := self._lack(start + n):
            raise ValueError(f"column {self.name!r} {lack}")
        numbers = range(self.first + start, self.first + start + n)
        if self.kind == "number" and not self.head:
            return list(numbers)
        found = map(self._text, numbers)
        return list(map(int, found)) if self.kind == "number" else list(found)

    @property
    def example(self) -> str:
        """The first of them."""
        return str(self._names(0, 1, 0)[0])

    def _lack(self, n: int) -> str:
        """What stands in the way of n numbers more of the dtype, each its own; empty where nothing does."""
        if self.kind != "number":
            return ""
        kind = dtypes.made(self.dtype)
        kind = getattr(kind, "numpy_dtype", kind)
        if kind.kind == "O":
            return ""
        most = 2 ** (np.finfo(kind).nmant + 1) if kind.kind == "f" else int(np.iinfo(kind).max)
        left = max(0, most - self.first + 1)
        if n <= left:
            return ""
        return (
            f"is {kind} with numbers up to {most}, of which {left} are new, for {n} rows; turn it into a wider dtype "
            "or text, or drop it"
        )

    def _text(self, number: int) -> str:
        return (
            f"{self.head}{number:0{self.width}d}{self.tail}"
            if self.width
            else f"{self.head}{number}{self.tail}"
        )

    def _uuid(self, seed: int, i: int) -> str:
        found = uuid.UUID(bytes=hashlib.sha256(f"{self.name}\n{seed}\n{i}".encode()).digest()[:16], version=4)
        text = str(found) if self.tail else found.hex
        return text.upper() if self.kind == "UUID" else text


def _split(number: int, width: int = 0) -> tuple[str, int, int]:
    """The digits of a number before the last 18, these, and how many are to be filled up: 64 bits hold no more."""
    digits = f"{number:0{width}d}" if width else str(number)
    if len(digits) <= LONGEST:
        return "", number, width
    return digits[:-LONGEST], int(digits[-LONGEST:]), LONGEST


def finished(rows: pd.DataFrame, identifiers: tuple[Identifier, ...], start: int, seed: int) -> pd.DataFrame:
    """Rows start .. of a draw with their names at their places."""
    if not identifiers:
        return rows
    whole = rows.copy(deep=False)
    for each in sorted(identifiers, key=lambda each: each.place):
        whole.insert(each.place, each.name, each.write(start, len(rows), seed).set_axis(rows.index))
    return whole
