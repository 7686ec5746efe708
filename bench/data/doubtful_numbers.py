"""Columns of whole numbers that are drawn as numbers and may be something else: names of rows, days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from tabstep.data.columns import Column, Number
from tabstep.data.doubtful_text import counts_rows
from tabstep.data.wishes import Speech
from tabstep.data.written_dates import is_day


def doubts(frame: pd.DataFrame, columns: Sequence[Column], speech: Speech) -> Iterator[str]:
    """One line for each such column of a user's table, with what to say if it is no number."""
    for column in columns:
        name, values = column.name, frame[column.name]
        if counts_rows(values):
            yield (
                f"{name} numbers the rows, and is drawn as a number: {speech.anew(name)}{speech.advise('drop', name)} "
                "leaves it out"
            )
        if isinstance(column, Number) and is_day(values):
            yield f"{name} is drawn as a number, and looks like days: {speech.advise('date', name)}"
