"""Text that reads as numbers or dates and is in no one way of writing: refused, lest amounts be categories.

As categories such texts would be repeated as they are, as many as there are, and nothing between them would be drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.wishes import Speech
from tabstep.data.writing import CURRENCY

FEW = 20  # a text column with at most so many values that come back is one of categories
MOSTLY = 0.9  # text of which this share reads as numbers or dates is such a column
MOST_MARKS = 5  # different texts that may stand for gaps among many that are numbers or dates
LONGEST = 40  # characters of a number or a date
SHOWN = 24  # characters of a stray text that a message repeats

_MARK = r"[.,'’\u00a0\u202f _]"
_GROUPS = rf"\d{{1,3}}(?P<m>{_MARK})(?:\d{{3}}(?P=m))*\d{{3}}(?:[.,]\d+)?"
_BODY = rf"(?!0\d)(?:{_GROUPS}|\d{{1,3}}(?:,\d\d)+,\d{{3}}|\d*[.,]?\d+)"
_SIGN = r"[-+−(<>~≤≥=\s]*"
_UNIT = r"(?:\s[A-Za-zµ°%²³/]{1,8}|\s?[%‰°$€£¥₹₽₩₺₪฿₫₴₦₱]|[A-Za-zµ]{2,8})?"
QUANTITY = re.compile(rf"{_SIGN}(?:{CURRENCY})?{_SIGN}{_BODY}(?:[eE][-+]?\d+)?\)?{_UNIT}[)\-\s]*")
_CLOCK = r"\d{1,3}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?"
_DAY = r"(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:\d{4}|\d\d))"
_MONTH = r"(?:[^\W\d_]{3,9},? )?(?:\d{1,2}\.?[ -][^\W\d_]{3,9}|[^\W\d_]{3,9} \d{1,2})[.,]?[ -]\d{2,4}"
MOMENT = re.compile(rf"(?:{_CLOCK}|(?:{_DAY}|{_MONTH})(?:[ T,]+{_CLOCK}.*)?)")
BOUNDS = tuple("<>≤≥~≈")  # before a number that was not measured, as <0.01
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
YEARS = (1678, 2261)  # that 64 bits of nanoseconds hold
_CODE = re.compile(r"0\d+")


def check_stray(present: pd.Series[Any], name: str, speech: Speech) -> None:
    """Refuse text most of which is numbers or dates, by its rows or, with few marks among many, by its values."""
    texts = present.astype(str)
    for what, readable in (
        ("numbers", texts.map(lambda text: reads(QUANTITY, text) or _CODE.fullmatch(text) is not None)),
        ("dates", texts.map(lambda text: reads(MOMENT, text) and _in_reach(text))),
    ):
        odd = sorted({str(text) for text in texts[~readable]})
        distinct = texts.nunique()
        by_value = distinct > FEW and len(odd) <= MOST_MARKS and len(odd) <= (1 - MOSTLY) * distinct
        if odd and (readable.mean() >= MOSTLY or by_value):
            stray = ", ".join(text[:SHOWN] for text in odd[:MOST_MARKS])
            raise ValueError(
                f"holds {what}, but also {stray}; {speech.gap(*odd[:MOST_MARKS])}, or "
                f"{speech.advise('categorical', name)} takes all as categories"
            )


def check_one_way(texts: Sequence[str], name: str, speech: Speech) -> None:
    """Refuse distinct texts that are numbers or dates, in no way that is known; not where they are few, or codes."""
    if len(texts) <= FEW or any(_CODE.fullmatch(text) for text in texts):
        return
    bounds = [text for text in texts if text[:1] in BOUNDS]
    if 0 < len(bounds) <= MOST_MARKS and all(reads(QUANTITY, text) for text in texts):
        raise ValueError(
            f"holds numbers, but also {', '.join(bounds)}; {speech.gap(*bounds)}, or "
            f"{speech.advise('categorical', name)} takes all as categories"
        )
    years = f", in years of {YEARS[0]}..{YEARS[1]}"
    for what, form, limits in (("numbers", QUANTITY, ""), ("dates or times", MOMENT, years)):
        if np.mean([reads(form, text) for text in texts]) >= MOSTLY:
            shown = " and ".join(repr(text[:SHOWN]) for text in _unlike(texts))
            raise ValueError(
                f"holds {what}, but not in one way of writing that is known, such as {shown}; write all in one way"
                f"{limits}, {speech.advise('drop', name)} leaves it out, or {speech.advise('categorical', name)} takes "
                "all as categories"
            )


def reads(form: re.Pattern[str], text: str) -> bool:
    """Whether a text is written so."""
    return len(text) <= LONGEST and form.fullmatch(text) is not None


def _in_reach(text: str) -> bool:
    """Whether all years in a text are such as dates can have; 0000 and 9999 often stand for none."""
    return all(YEARS[0] <= int(year) <= YEARS[1] for year in _YEAR.findall(text))


def _unlike(texts: Sequence[str]) -> list[str]:
    """One text, and another of another shape if there is one."""
    shapes: dict[str, str] = {}
    for text in texts:
        shapes.setdefault(re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "9", text)), text)
    return list(shapes.values())[:2]
