"""Numbers in writing: "$1,200.50", "12,5 %", "(1,200.50)".

A text column is numbers, or dates (`written_dates`), only if one way of writing gives every one of its texts back, so
nothing is lost, and what is drawn is written as the column is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from tabstep.data import dtypes
from tabstep.data.forms import INT64, Raw

FIRST = 50  # distinct texts that a way of writing is tried on before all are
CURRENCY = r"(?:[A-Z]{0,2}[$€£¥₹₽₩₺₪฿₫₴₦₱]|[A-Z]{3}(?= ))"
_PREFIX = re.compile(rf"(?:{CURRENCY} ?)?")
_SUFFIX = re.compile(r"(?:\s?(?:[%‰°$€£¥₹₽₩₺₪฿₫₴₦₱]|[A-Za-zµ°%/²³]{1,8}|/\s?\d{1,4}))?")
_NUMBER = re.compile(
    r"(?P<sign>[-−+]?)(?P<head>[^\d.,+−-]*)(?P<inner>[-−+]?)(?P<body>\d[\d.,'’\u00a0\u202f _]*)(?P<tail>.*)"
)


_BEHIND = re.compile(r"\d-$")


class Ambiguous(ValueError):
    """Texts that can be read in two ways which differ; `forms` are those of dates."""

    def __init__(self, message: str, forms: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.forms = tuple(forms)


@dataclass(frozen=True)
class WrittenNumbers:
    """Whole numbers of the last decimal, with what stands around them.

    places    decimals; `exact` has all of them written, else trailing zeros beyond the `least` are left out
    outside   whether a minus stands before the prefix, or after it
    brackets  whether negative numbers stand in brackets in place of a minus, as in accounts
    width     digits of codes, with zeros before them
    plus      whether a plus stands before positive numbers, and before zero too
    minus     the sign of negative numbers, or that it stands behind them, as in some ledgers
    lakh      whether digits above the last three stand in pairs: 12,34,567

    A zero with a minus, what rounding makes of a small negative number, is read as zero.
    """

    dtype: str
    prefix: str
    suffix: str
    thousands: str
    decimal: str
    places: int
    exact: bool = True
    outside: bool = True
    brackets: bool = False
    width: int = 0
    least: int = 0
    plus: Literal["never", "positive", "always"] = "never"
    minus: Literal["-", "−", "behind"] = "-"
    lakh: bool = False

    def parse(self, text: str) -> int | None:
        """The number in units of the last decimal, None where it is not written so."""
        bare = _bare(text, self.brackets, self.minus == "behind")
        found = _NUMBER.fullmatch(bare)
        if found is None:
            return None
        body = found["body"] + found["tail"]
        body = (
            body[: len(body) - len(self.suffix)].replace(self.thousands, "")
            if self.thousands
            else (body[: len(body) - len(self.suffix)])
        )
        whole, _, part = body.partition(self.decimal)
        if not (whole.isascii() and whole.isdecimal()) or len(part) > self.places:
            return None
        if part and not (part.isascii() and part.isdecimal()):
            return None
        number = int(whole + part.ljust(self.places, "0"))
        minus = bare != text or self.minus in (found["sign"], found["inner"])
        wanted = self._text(number, minus)
        return (-number if minus else number) if wanted == text else None

    def text(self, number: int) -> str:
        """How a number in units of the last decimal is written."""
        return self._text(abs(number), number < 0)

    def _text(self, size: int, minus: bool) -> str:
        digits = str(size).rjust(self.places + 1, "0")
        whole, part = (digits[: -self.places], digits[-self.places :]) if self.places else (digits, "")
        if not self.exact:
            part = part.rstrip("0").ljust(self.least, "0")
        whole = _grouped(whole.lstrip("0") or "0", self.thousands, self.lakh).rjust(self.width, "0")
        body = whole + (self.decimal + part if part else "")
        if minus and self.brackets:
            return f"({self.prefix}{body}{self.suffix})"
        if minus and self.minus == "behind":
            return f"{self.prefix}{body}{self.suffix}-"
        plus = self.plus == "always" or (self.plus == "positive" and size > 0)
        sign = self.minus if minus else "+" if plus else ""
        return (
            f"{sign}{self.prefix}{body}{self.suffix}"
            if self.outside
            else f"{self.prefix}{sign}{body}{self.suffix}"
        )

    def read(self, column: pd.Series[Any]) -> Raw:
        return _read(column, self.parse)

    def write(self, raw: Raw) -> Any:
        return written([self.text(int(v)) for v in raw.values], raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        moved = []
        for value in column:
            asis = pd.isna(value) or (isinstance(value, str) and self.parse(value) is not None)
            moved.append(value if asis else self.text(self._scaled(value)))
        return written(moved, column.isna().to_numpy(), self.dtype)

    def _scaled(self, value: Any) -> int:
        """A number, or a text of one in plain digits or nearly as the column's, such as €100 for €100.00, in units of
        the last decimal. Raises ValueError."""
        bare = str(value).strip().removeprefix(self.prefix.strip()).removesuffix(self.suffix.strip()).strip()
        if self.decimal in bare or (isinstance(value, str) and bare != value):
            bare = bare.replace(self.thousands, "").replace(self.decimal, ".")
        try:
            exact = Decimal(bare).scaleb(self.places)
            whole = int(exact)
        except (ArithmeticError, ValueError):
            raise ValueError(f"holds numbers such as {self.text(0)}, got {value!r}") from None
        if whole != exact:
            raise ValueError(f"holds at most {self.places} decimals, got {value}")
        return whole


def numbers(texts: Sequence[str], dtype: str, decimal: str | None = None) -> WrittenNumbers | None:
    """The way in which these distinct texts are numbers, None for none; `decimal` is the mark that is known.

    Raises Ambiguous.
    """
    read: dict[tuple[int | None, ...], WrittenNumbers] = {}
    for form in _forms(texts[:FIRST], texts, dtype):
        if decimal not in (None, form.decimal):
            continue
        values = tuple(form.parse(text) for text in texts)
        if None in values or max(map(abs, values)) > INT64.max:  # type: ignore[arg-type]
            continue
        read.setdefault(tuple(v * 10 ** (12 - form.places) for v in values), form)  # type: ignore[operator]
    if len(read) > 1:
        raise Ambiguous(f"{shortest(texts)} may have a decimal comma or separate thousands")
    return next(iter(read.values()), None)


def are_signed(texts: Sequence[str]) -> bool:
    """Whether some of these texts begin with a plus, and others with a minus, as numbers do and no codes."""
    return any(text.startswith("+") for text in texts) and any(text.startswith(("-", "−")) for text in texts)


def codes(texts: Sequence[str], dtype: str) -> WrittenNumbers | None:
    """The way in which these distinct texts are digits with zeros before them, all as long; None for none."""
    widths = {len(text) for text in texts}
    if len(widths) != 1 or max(widths) > 18 or not all(text.isascii() and text.isdecimal() for text in texts):
        return None
    return WrittenNumbers(dtype, "", "", "", ".", 0, width=widths.pop())


def _forms(few: Sequence[str], texts: Sequence[str], dtype: str) -> Iterator[WrittenNumbers]:
    """Ways of writing that fit the first texts, the plainest first."""
    brackets, behind = any(map(_is_bracketed, texts)), any(map(_BEHIND.search, texts))
    few, texts = ([_bare(text, brackets, behind) for text in side] for side in (few, texts))
    minus: Literal["-", "−", "behind"] = "behind" if behind else "−" if "−" in "".join(texts) else "-"
    plus = _plus(texts)
    first = _NUMBER.fullmatch(few[0]) if few else None
    if first is None:
        return
    trimmed = first["body"].rstrip("., '’\u00a0\u202f_")
    prefix, suffix = first["head"], first["body"][len(trimmed) :] + first["tail"]
    if not _PREFIX.fullmatch(prefix) or not _SUFFIX.fullmatch(suffix):
        return
    # The first texts may all be below a thousand.
    marks = set("".join(texts)) & set(".,'’\u00a0\u202f _")
    for decimal, thousands in product(".,", ("", ",", ".", "'", "’", "\u00a0", "\u202f", " ", "_")):
        if decimal == thousands or (thousands and thousands not in marks):
            continue
        decimals = {len(t[: len(t) - len(suffix)].rpartition(decimal)[2]) for t in texts if decimal in t}
        places = max(decimals, default=0)
        if places > 12 or (decimal == "," and not decimals and thousands != "."):
            continue
        thousand = decimals == {3} and decimal == ","  # 85 and 9,926 are whole: decimals would vary in number
        # All decimals, none that are zeros, or of those the first, as programs write floats.
        ways = ((True, 0), (False, 0), (False, 1)) if decimals and not thousand else ((True, 0),)
        places_of_sign = (True, False) if prefix and not brackets else (True,)
        for (exact, least), outside, lakh in product(
            ways, places_of_sign, (False, True) if thousands else (False,)
        ):
            form = WrittenNumbers(
                *(dtype, prefix, suffix, thousands, decimal, places, exact, outside, brackets),
                least=least,
                plus=plus,
                minus=minus,
                lakh=lakh,
            )
            if all(form.parse(text) is not None for text in few):
                yield form


def _plus(texts: Sequence[str]) -> Literal["never", "positive", "always"]:
    """Where these numbers have a plus: before zero too if one of them is a zero that has it."""
    signed = [
        text
        for text in texts
        if (found := _NUMBER.fullmatch(text)) and "+" in (found["sign"], found["inner"])
    ]
    if not signed:
        return "never"
    return "always" if any(not set(text) & set("123456789") for text in signed) else "positive"


def _bare(text: str, brackets: bool, behind: bool) -> str:
    """A text without the brackets, or without the minus behind it, that make it negative."""
    if brackets and _is_bracketed(text):
        return text[1:-1]
    return text[:-1] if behind and _BEHIND.search(text) else text


def _grouped(digits: str, mark: str, lakh: bool) -> str:
    """Digits with a mark between groups of three, or of two above the last three."""
    size, rest, groups = 2 if lakh else 3, digits[:-3], [digits[-3:]]
    while rest:
        rest, group = rest[:-size], rest[-size:]
        groups.append(group)
    return mark.join(reversed(groups))


def _is_bracketed(text: str) -> bool:
    return text.startswith("(") and text.endswith(")")


def _read(column: pd.Series[Any], parse: Any) -> Raw:
    gap = column.isna().to_numpy()
    codes, unique = pd.factorize(column)
    values = [parse(text) for text in unique]
    if None in values:
        raise ValueError(f"is written otherwise, got {unique[values.index(None)]!r}")
    return Raw(np.array([*values, 0], dtype=np.int64)[codes], gap)


def written(texts: Sequence[Any], gap: np.ndarray, dtype: str) -> Any:
    """Texts, and gaps among them, of a dtype."""
    return dtypes.restored([None if empty else t for t, empty in zip(texts, gap, strict=True)], dtype)


class InText:
    """What forms have in common whose numbers are written one by one, in a way that `example` shows."""

    dtype: str

    def parse(self, text: str) -> int | None:
        """The number in grains, None where it is not written so."""
        raise NotImplementedError

    def text(self, number: int) -> str:
        """How a number in grains is written."""
        raise NotImplementedError

    @property
    def example(self) -> str:
        raise NotImplementedError

    def _counted(self, value: Any) -> int:
        """What a user means by a value, in grains. Raises ValueError."""
        raise NotImplementedError

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        codes, unique = pd.factorize(column)
        values = [self.parse(text) for text in unique]
        if None in values:
            raise ValueError(f"is written as {self.example}, got {unique[values.index(None)]!r}")
        return Raw(np.array([*values, 0], dtype=np.int64)[codes], gap)

    def write(self, raw: Raw) -> Any:
        return written([self.text(int(v)) for v in raw.values], raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        moved = [v if pd.isna(v) or self._is_written(v) else self.text(self._counted(v)) for v in column]
        return written(moved, column.isna().to_numpy(), self.dtype)

    def _is_written(self, value: Any) -> bool:
        return isinstance(value, str) and self.parse(value) is not None


def count(value: Any) -> int | None:
    """A whole number that is not negative, None for any other value."""
    if not isinstance(value, int | float | np.integer | np.floating) or value < 0 or value % 1 != 0:
        return None
    return int(value)


def shortest(texts: Sequence[str]) -> str:
    """The shortest text, as a message shows it."""
    return repr(min(texts, key=len))
