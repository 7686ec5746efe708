"""Numbers and dates in writing: "$1,200.50", "12,5 %", "31.12.2024".

A text column is numbers or dates only if one way of writing gives every one of its texts back, so nothing is lost, and
what is drawn is written as the column is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import dtypes, moments
from tabstep.data.forms import INT64, Raw

FIRST = 50  # distinct texts that a way of writing is tried on before all are
CURRENCY = r"(?:[A-Z]{0,2}[$€£¥₹₽₩₺₪฿₫₴₦₱]|[A-Z]{3}(?= ))"
_PREFIX = re.compile(rf"(?:{CURRENCY} ?)?")
_SUFFIX = re.compile(r"(?:\s?(?:[%‰°$€£¥₹₽₩₺₪฿₫₴₦₱]|[A-Za-zµ°%/²³]{1,8}))?")
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<head>[^\d.,+-]*)(?P<inner>[-+]?)(?P<body>\d[\d.,'\u00a0\u202f _]*)(?P<tail>.*)"
)


class Ambiguous(ValueError):
    """Texts that can be read in two ways which differ; `forms` are those of dates."""

    def __init__(self, message: str, forms: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.forms = tuple(forms)


@dataclass(frozen=True)
class WrittenNumbers:
    """Whole numbers of the last decimal, with what stands around them.

    places   decimals; `exact` has all of them written, else trailing zeros are left out
    signed   where a minus stands: "outside" of the prefix or "inside"
    """

    dtype: str
    prefix: str
    suffix: str
    thousands: str
    decimal: str
    places: int
    exact: bool = True
    outside: bool = True

    def parse(self, text: str) -> int | None:
        """The number in units of the last decimal, None where it is not written so."""
        found = _NUMBER.fullmatch(text)
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
        number = -number if "-" in (found["sign"], found["inner"]) else number
        return number if self.text(number) == text else None

    def text(self, number: int) -> str:
        """How a number in units of the last decimal is written."""
        digits = str(abs(number)).rjust(self.places + 1, "0")
        whole, part = (digits[: -self.places], digits[-self.places :]) if self.places else (digits, "")
        if not self.exact:
            part = part.rstrip("0")
        body = f"{int(whole):,}".replace(",", self.thousands) + (self.decimal + part if part else "")
        sign = "-" if number < 0 else ""
        return (
            f"{sign}{self.prefix}{body}{self.suffix}"
            if self.outside
            else f"{self.prefix}{sign}{body}{self.suffix}"
        )

    def read(self, column: pd.Series[Any]) -> Raw:
        return _read(column, self.parse)

    def write(self, raw: Raw) -> Any:
        return _written([self.text(int(v)) for v in raw.values], raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        moved = []
        for value in column:
            if isinstance(value, str) or pd.isna(value):
                moved.append(value)
            else:
                moved.append(self.text(round(float(value) * 10**self.places)))
        return _written(moved, column.isna().to_numpy(), self.dtype)


def numbers(texts: Sequence[str], dtype: str) -> WrittenNumbers | None:
    """The way in which these distinct texts are numbers, None for none. Raises Ambiguous."""
    read: dict[tuple[int | None, ...], WrittenNumbers] = {}
    for form in _forms(texts[:FIRST], texts, dtype):
        values = tuple(form.parse(text) for text in texts)
        if None in values or max(map(abs, values)) > INT64.max:  # type: ignore[arg-type]
            continue
        read.setdefault(tuple(v * 10 ** (12 - form.places) for v in values), form)  # type: ignore[operator]
    if len(read) > 1:
        raise Ambiguous(f"{_shortest(texts)} may have a decimal comma or separate thousands")
    return next(iter(read.values()), None)


def _forms(few: Sequence[str], texts: Sequence[str], dtype: str) -> Iterator[WrittenNumbers]:
    """Ways of writing that fit the first texts, the plainest first."""
    first = _NUMBER.fullmatch(few[0]) if few else None
    if first is None:
        return
    trimmed = first["body"].rstrip("., '\u00a0\u202f_")
    prefix, suffix = first["head"], first["body"][len(trimmed) :] + first["tail"]
    if not _PREFIX.fullmatch(prefix) or not _SUFFIX.fullmatch(suffix):
        return
    marks = set("".join(few)) & set(".,'\u00a0\u202f _")
    for decimal, thousands in product(".,", ("", ",", ".", "'", "\u00a0", "\u202f", " ", "_")):
        if decimal == thousands or (thousands and thousands not in marks):
            continue
        decimals = {len(t[: len(t) - len(suffix)].rpartition(decimal)[2]) for t in texts if decimal in t}
        places = max(decimals, default=0)
        if places > 12 or (decimal == "," and not decimals and thousands != "."):
            continue
        thousand = decimals == {3} and decimal == ","  # 85 and 9,926 are whole: decimals would vary in number
        written = (True, False) if decimals and not thousand else (True,)
        for exact, outside in product(written, (True, False) if prefix else (True,)):
            form = WrittenNumbers(dtype, prefix, suffix, thousands, decimal, places, exact, outside)
            if all(form.parse(text) is not None for text in few):
                yield form


DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%-d %b %Y", "%b %-d, %Y", "%b %Y"),
    *("%d %B %Y", "%B %d, %Y", "%-d %B %Y", "%B %-d, %Y", "%B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%-m/%-d/%y", "%-d/%-m/%y"),
)
TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
STAMPS = (
    *DATES,
    *(f"{d}{mark}{t}{z}" for d in DATES for t in TIMES for mark in " T" for z in ("", "Z")),
    *TIMES,
)
_ALONE = re.compile(r"%-[dm]")


@dataclass(frozen=True)
class WrittenMoments:
    """Dates, times of day or both as text; `form` is that of strftime, `grain` the unit that is counted."""

    dtype: str
    form: str
    grain: str

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        values = _parsed(_as_text(column), self.form)
        if np.isnat(values[~gap]).any():
            text = column.to_numpy()[~gap][np.isnat(values[~gap])][0]
            raise ValueError(f"is written as {self.form}, got {text!r}")
        return Raw(np.where(gap, 0, moments.counts(values, self.grain)), gap)

    def write(self, raw: Raw) -> Any:
        values = raw.values.astype(np.int64).astype(f"M8[{self.grain}]").astype("M8[ns]")
        return _written(_texts(values, self.form), raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        gap = column.isna().to_numpy()
        asis = np.isnat(_parsed(column.astype(object), self.form)) & ~gap
        moved = column.astype(object).to_numpy(copy=True)
        if asis.any():
            given = pd.to_datetime(pd.Series(moved[asis]), format="ISO8601")
            moved[asis] = _texts(given.to_numpy(dtype="M8[ns]"), self.form)
        return _written(list(moved), gap, self.dtype)


def dates(texts: Sequence[str], dtype: str) -> WrittenMoments | None:
    """The way in which these distinct texts are dates or times, None for none. Raises Ambiguous."""
    if not texts or not re.search(r"\d", texts[0]) or len(texts[0]) > 40:
        return None
    read: dict[bytes, WrittenMoments] = {}
    few, shape = pd.Series(texts[:FIRST], dtype=object), _shape(texts[0])
    for form in STAMPS:
        if _SHAPES[form] != shape or not _gives_back(few, form):
            continue
        whole = pd.Series(texts, dtype=object)
        if _gives_back(whole, form):
            values = _parsed(whole, form)
            unit = moments.grain(values)
            read.setdefault(values.tobytes(), WrittenMoments(dtype, form, unit))
    if len(read) > 1:
        forms = [form.form for form in read.values()]
        raise Ambiguous(f"{_shortest(texts)} may be written {' or '.join(forms)}", forms)
    return next(iter(read.values()), None)


NUMBERED = ("%Y%m%d", "%Y%m", "%Y%m%d%H%M%S", "%Y%m%d%H%M")


def dated(column: pd.Series[Any], form: str | None) -> WrittenMoments:
    """The way in which a column of text or of whole numbers, such as 20240131, holds dates or times: `form`, or found.

    Raises ValueError for a value that is not written so, Ambiguous.
    """
    dtype, present = dtypes.name(column.dtype), _as_text(column.dropna())
    texts = list(dict.fromkeys(present))
    if form is None and pd.api.types.is_numeric_dtype(column.dtype):
        form = next((way for way in NUMBERED if _gives_back(pd.Series(texts, dtype=object), way)), None)
    if form is not None:
        back = _texts(_parsed(pd.Series(texts, dtype=object), form), form)
        odd = next((text for text, again in zip(texts, back, strict=True) if text != again), None)
        if odd is not None:
            raise ValueError(f"is not written as {form} throughout, as in {odd!r}")
        return WrittenMoments(dtype, form, moments.grain(_parsed(pd.Series(texts, dtype=object), form)))
    found = dates(texts, dtype)
    if found is None:
        raise ValueError(
            f"holds no dates in one of the ways that are known, such as {texts[0]!r}; say how they are written, as "
            f"{column.name}=%d.%m.%Y"
        )
    return found


def _as_text(column: pd.Series[Any]) -> Any:
    """Texts as they are, whole numbers in digits, None for gaps."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("Int64").astype(str)
        return column.astype(object).where(column != "<NA>", None)
    return column.astype(object).where(column.notna(), None)


def _shape(text: str) -> str:
    """A text with one mark for each run of digits or letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text))


_SHAPES = {form: _shape(re.sub(r"%[bBp]", "a", re.sub(r"%-?[YmdyHMSfI]", "9", form))) for form in STAMPS}


def _plain(form: str) -> str:
    """The form as it is parsed: a day without its zero is read by the same mark."""
    return _ALONE.sub(lambda found: f"%{found[0][-1]}", form)


def _gives_back(texts: pd.Series[Any], form: str) -> bool:
    values = _parsed(texts, form)
    return not np.isnat(values).any() and _texts(values, form) == list(texts)


def _parsed(texts: Any, form: str) -> np.ndarray:
    plain = _plain(form)
    found = pd.to_datetime(texts, format=plain, errors="coerce", utc=plain.endswith("Z"))
    values: np.ndarray = (found.dt.tz_localize(None) if plain.endswith("Z") else found).to_numpy(
        dtype="M8[ns]"
    )
    return values


def _texts(values: np.ndarray, form: str) -> list[Any]:
    unique, places = np.unique(values, return_inverse=True)
    written: list[str | None] = []
    for moment in pd.DatetimeIndex(unique):
        if pd.isna(moment):
            written.append(None)
            continue
        alone = {"%-d": str(moment.day), "%-m": str(moment.month)}
        written.append(moment.strftime(_ALONE.sub(lambda found, alone=alone: alone[found[0]], form)))  # type: ignore[misc]
    return [written[place] for place in places]


def _read(column: pd.Series[Any], parse: Any) -> Raw:
    gap = column.isna().to_numpy()
    codes, unique = pd.factorize(column)
    values = [parse(text) for text in unique]
    if None in values:
        raise ValueError(f"is written otherwise, got {unique[values.index(None)]!r}")
    return Raw(np.array([*values, 0], dtype=np.int64)[codes], gap)


def _written(texts: Sequence[Any], gap: np.ndarray, dtype: str) -> Any:
    return dtypes.restored([None if empty else t for t, empty in zip(texts, gap, strict=True)], dtype)


def _shortest(texts: Sequence[str]) -> str:
    return repr(min(texts, key=len))
