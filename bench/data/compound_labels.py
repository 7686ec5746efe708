"""Columns that hold several labels in a cell: "Drama|Comedy", "wifi, parking", in one order throughout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tabstep.data import dtypes, writing
from tabstep.data.columns import GAPS, gap_of, marked
from tabstep.data.doubtful_text import RECURS, check_categories, is_personal
from tabstep.data.wishes import Speech

SEPARATORS = ("|", ";", ", ", ",", " / ", "/", " & ", " + ", "; ", " | ", "\n")
MOST = 40  # labels
LONGEST = 40  # characters of one
SEVERAL = 0.2  # share of cells that hold more than one
OTHERS = 0.05  # share of cells that hold another number of them than most do: "Smith, Ann" are always two


@dataclass(frozen=True)
class Labels:
    """A column whose cells are some of a few labels, always in the same order.

    parts    names of the columns that say whether a cell has a label
    labels   in their order, and what stands between them
    usual    the label that a cell without any has, None where that is a gap
    gap      how a gap stands in a column of objects
    """

    what: ClassVar = "labels"

    name: str
    dtype: str
    parts: tuple[str, ...]
    labels: tuple[str, ...]
    between: str
    usual: str | None = None
    gap: str = "None"

    def apart(self, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
        """Whether each cell has a label, by part; a gap has none. Raises ValueError for another text."""
        codes, unique = pd.factorize(column)
        has = np.zeros(
            (len(unique) + 1, len(self.labels)), dtype=bool
        )  # the last is of gaps, whose code is -1
        places = {label: i for i, label in enumerate(self.labels)}
        for row, text in zip(has, unique, strict=False):
            found = [places.get(label, -1) for label in str(text).split(self.between)]
            if -1 in found or sorted(set(found)) != found:
                raise ValueError(f"column {self.name!r} is written as {self.example}, got {text!r}")
            row[found] = True
        return {part: pd.Series(has[codes, i], index=column.index) for i, part in enumerate(self.parts)}

    def together(self, rows: pd.DataFrame) -> Any:
        """The cells of rows that have its parts."""
        has = rows[[*self.parts]].to_numpy(bool, copy=True)
        if self.usual is not None:
            has[~has.any(axis=1), self.labels.index(self.usual)] = True
        ways, codes = np.unique(has, axis=0, return_inverse=True)
        texts = [
            self.between.join(label for label, there in zip(self.labels, way, strict=True) if there)
            for way in ways
        ]
        gap = np.asarray(~has.any(axis=1))
        cells = writing.written([texts[i] for i in codes.ravel()], gap, self.dtype)
        return marked(cells, gap, self.gap).set_axis(rows.index)

    @property
    def is_whole(self) -> bool:
        """Whether it is one that can be written."""
        texts = (self.name, self.dtype, self.between, *self.parts, *self.labels)
        fits = (
            len(self.labels) == len(self.parts) > 0
            and self.usual in (None, *self.labels)
            and self.gap in GAPS
        )
        return fits and all(isinstance(text, str) for text in texts) and bool(self.between)

    @property
    def example(self) -> str:
        """How its cells are written."""
        return self.between.join(self.labels[:2])


def labels_of(column: pd.Series[Any], taken: Collection[str], speech: Speech) -> Labels | None:
    """A column of text as one of several labels, where whole cells are too many to be labels themselves; None where
    some label is seldom, cells have them in no order, or they are somebody's own."""
    present = column.dropna()
    texts = [*present.unique()]
    between = next(
        (mark for mark in SEPARATORS if 2 * sum(mark in text for text in texts) > len(texts)), None
    )
    if between is None or is_personal(texts):
        return None
    counts: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for text, count in present.value_counts().items():
        cell = str(text).split(between)
        if len({*cell}) < len(cell):
            return None
        counts.update(dict.fromkeys(cell, int(count)))
        sizes[len(cell)] += int(count)
        if len(counts) > MOST:
            return None
    plain = all(label and label == label.strip() and len(label) <= LONGEST for label in counts)
    varies = sizes[1] <= (1 - SEVERAL) * len(present) and max(sizes.values()) <= (1 - OTHERS) * len(present)
    if not plain or not varies or min(counts.values()) < RECURS or _is_accepted(column, speech):
        return None
    order = _order(text.split(between) for text in texts)
    name = str(column.name)
    parts = tuple(f"{name} ({label})" for label in order or ())
    if order is None or not {*parts}.isdisjoint(taken):
        return None
    usual = None if len(present) < len(column) else counts.most_common(1)[0][0]
    return Labels(name, dtypes.name(column.dtype), parts, order, between, usual, gap_of(column))


def _is_accepted(column: pd.Series[Any], speech: Speech) -> bool:
    """Whether whole cells are labels."""
    try:
        check_categories(column, speech)
    except ValueError:
        return False
    return True


def _order(cells: Iterable[Sequence[str]]) -> tuple[str, ...] | None:
    """One order of labels that all cells keep, None where there is none."""
    before: dict[str, set[str]] = {}
    for cell in cells:
        for first, second in pairwise(cell):
            before.setdefault(second, set()).add(first)
        before.setdefault(cell[0], set())
    try:
        return tuple(
            TopologicalSorter({label: sorted(of) for label, of in sorted(before.items())}).static_order()
        )
    except CycleError:
        return None
