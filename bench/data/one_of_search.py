"""Columns that stand for the labels of one, each 0 or 1, as tables have them that were made ready for a model."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

from tabstep.data.classes import coded
from tabstep.data.comparable import plain
from tabstep.data.determined import LEAST
from tabstep.data.one_of import OneOf

FEWEST = 3  # columns; of two one is the opposite of the other, which codes say


def one_of(frame: pd.DataFrame, names: Sequence[str], told: Collection[str]) -> Iterator[OneOf]:
    """The groups of columns of two values of which no two have their mark in one row, in the order of the table.

    Such a column joins those before where by chance `LEAST` rows or more would have both marks, or where with it every
    row has one. The mark is the larger of the two values: 1, True, yes.

    told  columns that another determines, of which it need not be said
    """
    marks = {n: found for n in names if n not in told and (found := _marks(frame[n])) is not None}
    left = {name: coded(frame[name], [mark]) == 0 for name, (mark, _) in marks.items()}
    while left:
        first, covered = next(iter(left.items()))
        group = [first]
        for name, mine in list(left.items())[1:]:
            if (covered & mine).any():
                continue
            by_chance = covered.sum() * mine.sum() / len(mine)
            if by_chance >= LEAST or (covered | mine).all():
                group.append(name)
                covered = covered | mine
        if len(group) >= FEWEST:
            shares = tuple(float(left[name].mean()) for name in group)
            yield OneOf(tuple(group), tuple(marks[name] for name in group), shares, bool(covered.all()))
        else:
            group = [first]
        for name in group:
            del left[name]


def _marks(column: pd.Series[Any]) -> tuple[Any, Any] | None:
    """The larger and the smaller of the two values that a column without gaps has."""
    if column.dtype.kind in "mM" or column.isna().any() or column.nunique() != 2:
        return None
    low, high = sorted((plain(value) for value in column.unique()), key=lambda v: (isinstance(v, str), v))
    return high, low
