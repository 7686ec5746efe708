"""Columns that may not be what they are drawn as: numbers that name rows, are days or gaps; ids that recur."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from tabstep.data.columns import Category, Column, Number
from tabstep.data.comparable import scaled
from tabstep.data.doubtful_text import CARD_DIGITS, CARDS, is_card
from tabstep.data.doubtful_writing import FEW
from tabstep.data.files import WRITTEN, Writing
from tabstep.data.forms import Objects, Plain
from tabstep.data.identifiers import Identifier
from tabstep.data.wishes import COMMA, Speech
from tabstep.data.writing import WrittenNumbers
from tabstep.data.written_dates import numbered

NINES = re.compile(r"-?9{2,}")  # numbers that stand for gaps in many a table, as 999 for an age
NOTHING = re.compile(r"[-–—?.*/]{1,3}")
DIGITS = 6  # of account numbers and their like, which all have as many


def doubts(
    frame: pd.DataFrame, columns: Sequence[Column], identifiers: Sequence[Identifier], speech: Speech
) -> Iterator[str]:
    """One line for each such column of a user's table, with what to say of it."""
    for each in identifiers:
        rows, names = frame[each.name].count(), frame[each.name].nunique()
        if names < rows:
            yield (
                f"{each.name} has {names:,} names in {rows:,} rows, and new ones come once each: which rows belong "
                "together is not learned"
            )
    writings = frame.attrs.get(WRITTEN, {})
    for column in columns:
        name, values = column.name, frame[column.name]
        looks = _looks_like(column, values)
        if not looks and (reason := _names_rows(column, values)):
            yield (
                f"{name} {reason}, and is drawn as a number: {speech.anew(name)}{speech.advise('drop', name)} "
                "leaves it out"
            )
        for label, times in _labels_like_gaps(column, values):
            yield f"{name} is {label!r} in {times} rows, which is drawn as a label: {speech.gap(f'{name}={label}')}"
        if grouped := writings.get(name, Writing()).grouped:
            yield (
                f"{name} is drawn with decimals, and {grouped} beside whole numbers looks like thousands: "
                f"{speech.counted(name, COMMA)} says so"
            )
        if looks:
            yield f"{name} is drawn as a number, and looks like {looks}: {speech.advise('date', name)}"
        for mark, times, low, high in _marks(column, values):
            yield f"{name} is {mark} in {times} rows, and else within {low} .. {high}: {speech.gap(f'{name}={mark}')}"


def check_numbers(column: Column, values: pd.Series[Any], speech: Speech) -> None:
    """Refuse numbers most of which are those of cards, which have a digit that the others tell."""
    if not isinstance(column, Number) or not isinstance(column.form, Plain | Objects | WrittenNumbers):
        return
    numbers = _plain_numbers(column, values)[0].drop_duplicates()
    if (
        len(numbers) < CARDS
        or not (numbers >= 10 ** (CARD_DIGITS.start - 1)).all()
        or (numbers % 1 != 0).any()
    ):
        return
    if 2 * sum(is_card(str(int(number))) for number in numbers) > len(numbers):
        raise ValueError(
            f"holds card numbers; {speech.anew(column.name)}{speech.advise('drop', column.name)} leaves it out, "
            f"{speech.advise('numeric', column.name)} draws them as numbers"
        )


def _looks_like(column: Column, values: pd.Series[Any]) -> str:
    """Whether numbers look like days or times; empty where they do not."""
    if not isinstance(column, Number) or not isinstance(column.form, Plain | WrittenNumbers):
        return ""
    return numbered(_plain_numbers(column, values)[0])


def _labels_like_gaps(column: Column, values: pd.Series[Any]) -> Iterator[tuple[str, int]]:
    """Labels of dashes, dots and question marks alone, as people write where they have no value."""
    labels = column.values if isinstance(column, Category) else {}
    for label, value in labels.items():
        if isinstance(value, str) and len(labels) > 1 and NOTHING.fullmatch(value):
            yield label, int((values == value).sum())


def _marks(column: Column, values: pd.Series[Any]) -> Iterator[tuple[str, int, str, str]]:
    """Nines at an end of a column that come again, further from all other numbers than these are from one another."""
    if not isinstance(column, Number) or not isinstance(column.form, Plain):
        return
    numbers, _ = _plain_numbers(column, values)
    for end in {float(numbers.min()), float(numbers.max())} if len(numbers) else ():
        rest, text = numbers[numbers != end], f"{end:.15g}"
        if len(rest) == 0 or len(numbers) - len(rest) < 2 or not NINES.fullmatch(text):
            continue
        low, high = float(rest.min()), float(rest.max())
        if max(low - end, end - high) > high - low:
            yield text, len(numbers) - len(rest), f"{low:.15g}", f"{high:.15g}"


def _names_rows(column: Column, values: pd.Series[Any]) -> str:
    """Why a column of numbers may hold names of rows; empty where it does not look so."""
    if not isinstance(column, Number) or not isinstance(column.form, Plain | Objects | WrittenNumbers):
        return ""
    numbers, gaps = _plain_numbers(column, values)
    if gaps or len(numbers) <= FEW or not numbers.is_unique or (numbers % 1 != 0).any():
        return ""
    if counts_rows(numbers):
        return "numbers the rows"
    if numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing:
        return "rises or falls with every row"
    digits = {len(str(abs(int(number)))) for number in numbers}
    if len(digits) == 1 and min(digits) >= DIGITS:
        return f"has another number of {min(digits)} digits in every row"
    return ""


def counts_rows(numbers: pd.Series[Any]) -> bool:
    """Whether distinct whole numbers are without a hole between."""
    return int(numbers.max()) - int(numbers.min()) == len(numbers) - 1


def _plain_numbers(column: Number, values: pd.Series[Any]) -> tuple[pd.Series[Any], bool]:
    """The numbers of a user's column, whatever their dtype, and whether there are gaps among them."""
    raw = column.form.read(values)
    shown, scale = raw.values[~raw.gap], scaled(column)
    return pd.Series(shown / 10.0**scale if scale else shown), bool(raw.gap.any())
