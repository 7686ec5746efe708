"""The mark before decimals where a column alone does not say it, as $78,000 and $101,300: that of the other columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import writing
from tabstep.data.doubtful_writing import FEW
from tabstep.data.files import WRITTEN, Writing
from tabstep.data.wishes import COMMA, DECIMALS, POINT, Speech, Wishes

OTHER = {",": ".", ".": ","}
_UNSURE = re.compile(r"\D*\d{1,3}(?:[.,]\d{3})?\D*")  # one mark at most, and three digits behind it
_SURE = 3  # digits behind a mark by which it may be either


def decimals(frame: pd.DataFrame, wishes: Wishes) -> dict[str, str]:
    """By name the mark before decimals of columns of text that can be read in two ways, where others say which; empty
    where none does, or where they do not agree."""
    said = {*wishes.drop, *wishes.id, *wishes.categorical, *wishes.date}
    texts = {
        name: found
        for name in frame.columns
        if name not in said and name not in wishes.decimal and (found := _texts(frame[name]))
    }
    unsure = [name for name, found in texts.items() if _is_unsure(found)]
    others = (
        [name for name in frame.columns if name not in unsure and name not in wishes.drop] if unsure else []
    )
    marks = {
        mark
        for name in others
        if (mark := wishes.decimal.get(name) or _mark(frame, name, texts.get(name, ())))
    }
    return dict.fromkeys(unsure, marks.pop()) if len(marks) == 1 else {}


def told(frame: pd.DataFrame, wishes: Wishes, speech: Speech) -> Iterator[str]:
    """What a user should know of it: one line for each such column, with what to say where it is meant otherwise."""
    by_mark = {mark: form for form, mark in DECIMALS.items()}
    for name, mark in decimals(frame, wishes).items():
        number = next(text for text in _texts(frame[name]) if set(text) & set(OTHER))
        meant = "separates thousands" if mark not in number else "stands before decimals"
        other = POINT if by_mark[mark] == COMMA else COMMA
        way = speech.counted(name, other)
        yield (
            f"{name}: the {'comma' if ',' in number else 'point'} of {number!r} {meant}, by how other columns are "
            f"written{f'; {way} says otherwise' if way else ''}"
        )


def _texts(column: pd.Series[Any]) -> list[str]:
    """The distinct texts of a column of text that is not one of labels, else none."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return []
    present = column.dropna()
    if not all(isinstance(text, str) for text in present):
        return []
    found = [*present.unique()]
    return [] if len(found) <= FEW and 2 * len(found) <= len(present) else found


def _is_unsure(texts: list[str]) -> bool:
    if not all(map(_UNSURE.fullmatch, texts[: writing.FIRST])):
        return False
    try:
        writing.numbers(texts, "object")
    except writing.Ambiguous:
        return True
    return False


def _mark(frame: pd.DataFrame, name: str, texts: list[str] | tuple[()]) -> str | None:
    """What stands before the decimals of a column that says it; None for one that does not."""
    if frame[name].dtype.kind == "f":
        way = frame.attrs.get(WRITTEN)
        return "." if way is not None and _has_decimals(frame[name], way.get(name, Writing())) else None
    try:
        form = writing.numbers(texts, "object") if texts else None
    except writing.Ambiguous:
        return None
    if form is None:
        return None
    if form.places:
        return form.decimal
    return OTHER.get(form.thousands)


def _has_decimals(column: pd.Series[Any], way: Writing) -> bool:
    """Whether the points of a file's floats stand before decimals, and do not separate thousands as in 1.250."""
    if way.grouped or way.places == _SURE:
        return False
    x = column.dropna().to_numpy(np.float64)
    part = x[np.isfinite(x) & (x % 1 != 0)]
    short = np.round(part * 100) == part * 100
    long = np.round(part * 1000) != part * 1000
    return bool((short | long | (np.abs(part) < 1) | (np.abs(part) >= 1000)).any())
