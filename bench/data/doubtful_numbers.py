"""Columns of whole numbers that are drawn as numbers and may be something else: names of rows or accounts, days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from tabstep.data.columns import Column, Number
from tabstep.data.doubtful_text import counts_rows
from tabstep.data.doubtful_writing import FEW
from tabstep.data.forms import Objects, Plain
from tabstep.data.wishes import Speech
from tabstep.data.writing import WrittenNumbers
from tabstep.data.written_dates import is_day

DIGITS = 6  # of account numbers and their like, which all have as many


def doubts(frame: pd.DataFrame, columns: Sequence[Column], speech: Speech) -> Iterator[str]:
    """One line for each such column of a user's table, with what to say if it is no number."""
    for column in columns:
        name, values = column.name, frame[column.name]
        if reason := _names_rows(column, values):
            yield (
                f"{name} {reason}, and is drawn as a number: {speech.anew(name)}{speech.advise('drop', name)} "
                "leaves it out"
            )
        if isinstance(column, Number) and is_day(values):
            yield f"{name} is drawn as a number, and looks like days: {speech.advise('date', name)}"


def _names_rows(column: Column, values: pd.Series[Any]) -> str:
    """Why a column of numbers may hold names of rows; empty where it does not look so."""
    if not isinstance(column, Number) or not isinstance(column.form, Plain | Objects | WrittenNumbers):
        return ""
    numbers = pd.to_numeric(values, errors="coerce")
    if counts_rows(numbers):
        return "numbers the rows"
    if len(numbers) <= FEW or numbers.isna().any() or not numbers.is_unique or (numbers % 1 != 0).any():
        return ""
    if numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing:
        return "rises or falls with every row"
    digits = {len(str(abs(int(number)))) for number in numbers}
    if len(digits) == 1 and min(digits) >= DIGITS:
        return f"has another number of {min(digits)} digits in every row"
    return ""
