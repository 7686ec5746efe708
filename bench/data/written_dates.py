"""Dates and times in writing: "31.12.2024", "2024-12-31T23:59:00+01:00".

A text column is dates only if one way of writing gives every one of its texts back, see `writing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tabstep.data import dtypes, moments, tongues
from tabstep.data.forms import Raw
from tabstep.data.writing import FIRST, Ambiguous, shortest, written

DATES = (
    *("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m"),
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%-d %b %Y", "%b %-d, %Y", "%b %Y"),
    *("%d %B %Y", "%B %d, %Y", "%-d %B %Y", "%B %-d, %Y", "%B %Y"),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%-m/%-d/%y", "%-d/%-m/%y"),
    *("%a, %d %b %Y", "%a, %-d %b %Y", "%a %d %b %Y", "%a %-d %b %Y", "%a %b %d %Y", "%a %-d %b, %Y"),
    *("%a, %b %d, %Y", "%a, %b %-d, %Y", "%A, %B %d, %Y", "%A, %B %-d, %Y", "%A, %d %B %Y", "%A, %-d %B %Y"),
    *("%a, %d.%m.%Y", "%a %d.%m.%Y", "%a %d/%m/%Y", "%a %m/%d/%Y"),
    *("%d-%m-%y", "%m-%d-%y", "%y-%m-%d", "%d %b %y", "%-d %b %y"),
    *("%-d-%b-%Y", "%d-%b-%y", "%-d-%b-%y", "%d%b%Y"),  # as spreadsheets and statistics packages write them
    *("%d-%^b-%Y", "%d-%^b-%y", "%d%^b%Y"),  # as databases do
    *("%d/%b/%Y", "%-d/%b/%Y", "%Y-%b-%d", "%b-%d-%Y", "%b %d %Y", "%b %-d %Y", "%B %d %Y", "%B %-d %Y"),
    *("%b. %d, %Y", "%b. %-d, %Y", "%d. %B %Y", "%-d. %B %Y", "%d. %m. %Y", "%-d. %-m. %Y", "%Y_%m_%d"),
    *("%Y年%m月%d日", "%Y年%-m月%-d日"),
    *("%d. %b %Y", "%-d. %b %Y", "%d. %b. %Y", "%-d. %b. %Y", "%b. %Y", "%A, %d. %B %Y", "%A, %-d. %B %Y"),
    *("%A %d %B %Y", "%A %-d %B %Y", "%d de %B de %Y", "%-d de %B de %Y", "%B de %Y", "%A, %-d de %B de %Y"),
    *("%G-W%V", "%GW%V", "W%V %G", "W%V-%G", "W%V/%G"),  # weeks, by their Monday
    *("%Y/%m", "%m/%Y", "%-m/%Y", "%m-%Y", "%Y %b", "%Y %B", "%Y-%b", "%b-%Y", "%B-%Y", "%b-%y", "%^b-%Y"),
)
TIMES = (
    *("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H:%M:%S.%3f", "%I:%M %p", "%I:%M:%S %p"),
    *("%-H:%M", "%-H:%M:%S", "%-I:%M %p", "%-I:%M:%S %p"),
)
STAMPS = (
    *DATES,
    *(f"{d}{mark}{t}{z}" for d in DATES for t in (*TIMES, "%H") for mark in " T" for z in ("", "Z")),
    *TIMES,
    *("%a %b %_d %H:%M:%S %Y", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S"),  # as ctime and logs
)
_ZONE = re.compile(
    r"(?:\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?|%[-#\d]?[MSfp])(?P<zone> ?(?:UTC|GMT|[+-]\d\d:?\d\d))$"
)
MOST_WAYS = 4  # in which the dates of one column are written
LONGEST = 60  # characters of a date
NONE = "holds no dates in one of the ways that are known"
_ALONE = re.compile(r"%-[dmHIf]|%_d|%[1-5]f|%[\^#][aAbBp]")
"""Our own marks: numbers without a zero, or with a space for it; parts of a second; names in capitals, or in none."""
_NAME = re.compile(r"%[\^#]?([aAbB])")
_OFFSET = re.compile(r" ?%[zZ]$")
VARIED = (  # how what one mark of strptime reads may be written, marks that vary together in one
    (re.compile(r"%([dm])"), (r"%\1", r"%-\1")),
    (re.compile(r"%([HI])"), (r"%\1", r"%-\1")),
    (re.compile(r"%([aAbB])"), (r"%\1", r"%^\1", r"%#\1")),
    (re.compile(r"%p"), ("%p", "%#p")),
    (re.compile(r"%f"), ("%f", "%3f", "%-f", "%1f", "%2f", "%4f", "%5f")),
)


_CLOCK = re.compile(r"[ T]+%[HI]")


@dataclass(frozen=True)
class WrittenMoments:
    """Dates, times of day or both as text.

    form    that of strftime in which they are written
    grain   the unit that is counted
    others  forms in which some are read too
    """

    dtype: str
    form: str
    grain: str
    others: tuple[str, ...] = ()

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        values = _first(_as_text(column), (self.form, *self.others))
        if np.isnat(values[~gap]).any():
            text = column.to_numpy()[~gap][np.isnat(values[~gap])][0]
            raise ValueError(f"is written as {self.form}, got {text!r}")
        return Raw(np.where(gap, 0, moments.counts(values, self.grain)), gap)

    def write(self, raw: Raw) -> Any:
        values = raw.values.astype(np.int64).astype(f"M8[{self.grain}]").astype("M8[ns]")
        return written(in_text(values, self.form), raw.gap, self.dtype)

    def like(self, column: pd.Series[Any]) -> Any:
        gap = column.isna().to_numpy()
        moved = column.astype(object).to_numpy(copy=True)
        texts = pd.Series([v if isinstance(v, str) else None for v in moved], dtype=object)
        asis = np.isnat(parsed(texts, self.form)) & ~gap
        day = _CLOCK.split(self.form)[0]
        if asis.any() and day != self.form:  # a day alone is its midnight
            begins = parsed(texts.where(asis), day)
            there = ~np.isnat(begins)
            moved[there] = in_text(begins[there], self.form)
            asis &= ~there
        if asis.any():
            try:
                given = pd.to_datetime(pd.Series(moved[asis]), format="ISO8601")
            except (ValueError, TypeError):
                raise ValueError(
                    f"holds dates or times as {self.form}, got {column[asis].iloc[0]!r}"
                ) from None
            if given.dt.tz is not None:
                zone = offset_of(self.form).strip()
                offset = f"{zone[:3]}:{zone[-2:]}" if zone[:1] in ("+", "-") else "UTC"
                given = given.dt.tz_convert(offset).dt.tz_localize(None)
            values = given.to_numpy(dtype="M8[ns]")
            moved[asis] = in_text(values, self.form)
            if (parsed(pd.Series(moved[asis], dtype=object), self.form) != values).any():
                raise ValueError(f"holds dates or times as {self.form}, got {column[asis].iloc[0]}")
        return written(list(moved), gap, self.dtype)


def _first(texts: Any, forms: Sequence[str]) -> np.ndarray:
    """Moments (n,) of texts by the first of some forms that reads each."""
    values = parsed(texts, forms[0])
    for form in forms[1:]:
        values = np.where(np.isnat(values), parsed(texts, form), values)
    return values


def mixed(texts: Sequence[str], dtype: str, form: str | None = None) -> WrittenMoments | None:
    """The ways in which these distinct texts are dates or times, one for each shape that they have; None for none.

    They are written as `form`, or as most of them are. Raises Ambiguous.
    """
    shapes: dict[str, list[str]] = {}
    for text in texts:
        shapes.setdefault(_shape(text), []).append(text)
        if len(shapes) > MOST_WAYS:
            return None
    ways = [form] if form is not None else []
    for group in sorted(shapes.values(), key=len, reverse=True):
        found = dates(group, dtype)
        if found is None or offset_of(found.form):
            return None
        ways.append(found.form)
    values = _first(pd.Series(texts, dtype=object), ways)
    return WrittenMoments(dtype, ways[0], moments.grain(values), tuple(ways[1:]))


def dates(texts: Sequence[str], dtype: str) -> WrittenMoments | None:
    """The way in which these distinct texts are dates or times, None for none.

    Raises Ambiguous. Times with several offsets from UTC are those of `zoned`.
    """
    if not texts or not re.search(r"\d", texts[0]) or len(texts[0]) > LONGEST:
        return None
    zones = {offset_of(text) for text in texts} if offset_of(texts[0]) else set()
    if len(zones) == 1:
        (zone,) = zones
        found = dates([text.removesuffix(zone) for text in texts], dtype)
        return found and replace(found, form=f"{found.form}{zone}")
    form = _in_english(texts) or _abroad(texts, _in_english)
    return None if form is None else _in_form(texts, dtype, form)


def _in_english(texts: Sequence[str]) -> str | None:
    """The one of the known forms that distinct texts have, None for none. Raises Ambiguous."""
    read: dict[bytes, str] = {}
    few, shape = pd.Series(texts[:FIRST], dtype=object), _shape(texts[0])
    for form in STAMPS:
        if _SHAPES[form] != shape or not _gives_back(few, form):
            continue
        whole = pd.Series(texts, dtype=object)
        if _gives_back(whole, form):
            read.setdefault(parsed(whole, form).tobytes(), form)
    if len(read) > 1:
        forms = [*read.values()]
        raise Ambiguous(f"{shortest(texts)} may be written {' or '.join(forms)}", forms)
    return next(iter(read.values()), None)


def _abroad(texts: Sequence[str], form_of: Callable[[list[str]], str | None]) -> str | None:
    """The form of distinct texts that have names of another language, by that of the texts with English ones."""
    for english, marks in tongues.ways(texts):
        if (found := form_of(english)) is None:
            continue
        for case in ("", "#", "^"):
            form = _NAME.sub(partial(_marked, case, marks), found)
            if not _unread(texts, form):
                return form
    return None


def _marked(case: str, marks: Mapping[str, str], name: re.Match[str]) -> str:
    return f"%{case}{marks.get(name[1].lower(), name[1])}"


def _in_form(texts: Sequence[str], dtype: str, form: str) -> WrittenMoments:
    return WrittenMoments(dtype, form, moments.grain(parsed(pd.Series(texts, dtype=object), form)))


NUMBERED = ("%Y%m%d", "%Y%m", "%Y%m%d%H%M%S", "%Y%m%d%H%M")


def numbered(column: pd.Series[Any]) -> str:
    """What whole numbers look like, as days (20240131) or times (20240131235900) of our time; empty for others."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or not len(column):
        return ""
    for form, digits, what in (
        (NUMBERED[0], 8, "days"),
        (NUMBERED[2], 14, "times"),
        (NUMBERED[3], 12, "times"),
    ):
        if column.between(19 * 10 ** (digits - 2), 21 * 10 ** (digits - 2), inclusive="left").all():
            texts = pd.Series(list(dict.fromkeys(_as_text(column.round()))), dtype=object)
            return what if bool((column % 1 == 0).all()) and _gives_back(texts, form) else ""
    return ""


def dated(column: pd.Series[Any], form: str | None) -> WrittenMoments:
    """The way in which a column of text or of whole numbers, such as 20240131, holds dates or times: `form`, or found.

    Raises ValueError for a value that is not written so, Ambiguous.
    """
    dtype, present = dtypes.name(column.dtype), _as_text(column.dropna())
    texts = list(dict.fromkeys(present))
    if form is None and all(text.isascii() and text.isdecimal() for text in texts):
        form = next((way for way in NUMBERED if _gives_back(pd.Series(texts, dtype=object), way)), None)
    if form is not None:
        way, odd = _nearest(texts, _with_offset(form, texts))
        if odd and (abroad := _abroad(texts, lambda english: _throughout(english, form))) is not None:
            way, odd = abroad, []
        if not odd:
            return _in_form(texts, dtype, way)
        several = mixed(odd, dtype, way) if len(odd) < len(texts) else None
        if several is None:
            raise ValueError(_not_written(odd[0], form, way))
        return replace(
            several, grain=moments.grain(_first(pd.Series(texts, dtype=object), (way, *several.others)))
        )
    found = dates(texts, dtype) or mixed(texts, dtype)
    if found is None:
        raise ValueError(f"{NONE}, such as {texts[0]!r}")
    return found


def _not_written(text: str, form: str, way: str) -> str:
    """Why a text is not taken for one of a form: it is none, or what is read of it would be written otherwise."""
    (again,) = in_text(parsed(pd.Series([text], dtype=object), way), way)
    if again is None:
        return f"is not written as {form} throughout, as in {text!r}"
    return f"is read by {form}, but {text!r} would come back as {again!r}; write all in one way, or turn it into dates"


def guessed(texts: Sequence[str]) -> str | None:
    """A form in which distinct texts may be dates, though in no way that is known; None for none."""
    for there in (
        (texts, *(english for english, _ in tongues.ways(texts))) if len(texts[0]) <= LONGEST else ()
    ):
        for first in (False, True):
            form = guess_datetime_format(there[0], dayfirst=first)
            if form is not None and _throughout(there, form) is not None:
                return form
    return None


def _with_offset(form: str, texts: Sequence[str]) -> str:
    """A form with the one offset from UTC that all texts have in place of its mark."""
    offsets = {offset_of(text) or ("Z" if text.endswith("Z") else "") for text in texts}
    if len(offsets) != 1 or not all(offsets):
        return form
    return _OFFSET.sub(lambda _: next(iter(offsets)), form)


def _nearest(texts: Sequence[str], form: str) -> tuple[str, list[str]]:
    """The way of writing what a form reads that fits most texts, and those that are not written so."""
    ways = [form]
    for mark, others in VARIED:
        ways = [
            mark.sub(other, way) for way in ways for other in (others if mark.search(form) else others[:1])
        ]
    few = {way: len(_unread(texts[:FIRST], way)) for way in ways}
    best = [way for way in ways if few[way] == min(few.values())]
    odd: dict[str, list[str]] = {}
    for way in best:
        odd[way] = _unread(texts, way)
        if not odd[way]:
            break
    nearest = min(odd, key=lambda way: len(odd[way]))
    return nearest, odd[nearest]


def _throughout(texts: Sequence[str], form: str) -> str | None:
    """The way of writing what a form reads that all texts have, None for none."""
    way, odd = _nearest(texts, _with_offset(form, texts))
    return None if odd else way


def _unread(texts: Sequence[str], form: str) -> list[str]:
    """The texts that are not written so."""
    back = in_text(parsed(pd.Series(texts, dtype=object), form), form)
    return [text for text, again in zip(texts, back, strict=True) if text != again]


def _as_text(column: pd.Series[Any]) -> Any:
    """Texts as they are, whole numbers in digits, None for gaps."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        column = column.astype("Int64").astype(str)
        return column.astype(object).where(column != "<NA>", None)
    return column.astype(object).where(column.notna(), None)


def _shape(text: str) -> str:
    """A text with one mark for each run of digits, letters or spaces."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", re.sub(r" +", " ", text)))


_SHAPES = {
    form: _shape(re.sub(r"%\^?[aAbBp]", "a", re.sub(r"%[-_3]?[YmdyHMSfIGV]", "9", form))) for form in STAMPS
}


def offset_of(text: str) -> str:
    """The offset from UTC at the end of a time, or of a form of one; empty where there is none."""
    found = _ZONE.search(text)
    return found["zone"] if found else ""


def _plain(form: str) -> str:
    """The form as it is parsed: what is written in a way of our own is read by the same mark."""
    return _ALONE.sub(lambda found: f"%{found[0][-1]}", form)


def _gives_back(texts: pd.Series[Any], form: str) -> bool:
    values = parsed(texts, form)
    return not np.isnat(values).any() and in_text(values, form) == list(texts)


def parsed(texts: Any, form: str) -> np.ndarray:
    """Moments (n,) of texts (a Series, None for gaps); NaT for what is not written so."""
    if zone := offset_of(form):
        # All have the same one, so times in it are as good as any.
        bare = [t.removesuffix(zone) if isinstance(t, str) and t.endswith(zone) else None for t in texts]
        return parsed(pd.Series(bare, dtype=object), form.removesuffix(zone))
    texts, form = tongues.read(texts, form)
    plain = _plain(form)
    if "%V" in plain:
        texts, plain = texts.map(lambda text: f"{text} 1" if isinstance(text, str) else None), f"{plain} %u"
    found = pd.to_datetime(texts, format=plain, errors="coerce", utc=plain.endswith("Z"))
    values: np.ndarray = (found.dt.tz_localize(None) if plain.endswith("Z") else found).to_numpy(
        dtype="M8[ns]"
    )
    return values


def in_text(values: np.ndarray, form: str) -> list[Any]:
    """Texts of moments (n,), None of NaT: the inverse of `parsed`."""
    unique, places = np.unique(values, return_inverse=True)
    found: list[str | None] = []
    for moment in pd.DatetimeIndex(unique):
        if pd.isna(moment):
            found.append(None)
            continue
        known = tongues.write(form, moment)
        found.append(moment.strftime(_ALONE.sub(lambda mark, at=moment: _alone(mark[0], at), known)))  # type: ignore[misc]
    return [found[place] for place in places]


def _alone(mark: str, moment: pd.Timestamp) -> str:
    """What one of our own marks writes."""
    how, what = mark[1], mark[-1]
    if what == "f":
        digits = f"{moment.microsecond:06}"
        return digits.rstrip("0") or "0" if how == "-" else digits[: int(how)]
    if how in "^#":
        name = moment.strftime(f"%{what}")
        return name.upper() if how == "^" else name.lower()
    number = {"d": moment.day, "m": moment.month, "H": moment.hour, "I": moment.hour % 12 or 12}[what]
    return f"{number:2}" if how == "_" else str(number)
