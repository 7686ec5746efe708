"""What lies between two columns that vary far more than their difference: days from a booking to its value date.

A network that is off by a hundredth of a year in both dates would draw any difference. So it learns the difference as a
column of its own beside the two, which no user sees, and one of the two goes where the other and the difference say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np
import pandas as pd

from tabstep.data import columns as data_columns
from tabstep.data import comparable, constraints
from tabstep.data.apart import Apart
from tabstep.data.columns import Column, Number
from tabstep.data.constraint_search import step
from tabstep.data.constraints import Constraint, Order, Sum
from tabstep.data.counted import counted, extent
from tabstep.data.derived import UNITS, Begins, Calendar, Derived, Elapsed
from tabstep.data.derived_search import MOST_TIMES, is_spiked
from tabstep.data.determined import LEAST
from tabstep.data.forms import Plain
from tabstep.data.spaced import Spaced

NARROW = 0.1  # of the lesser deviation of two columns, below which that of their difference is small
DAY = UNITS["days"]


@dataclass(frozen=True)
class Span:
    """A column for what lies between two others, and the rule that ties the three."""

    column: Number
    rule: Apart

    @property
    def name(self) -> str:
        return self.column.name

    def __str__(self) -> str:
        return f"what lies between {self.rule.low} and {self.rule.high} is learned by itself"

    @property
    def parts(self) -> tuple[str, str]:
        return self.rule.low, self.rule.high

    def between(self, columns: Sequence[Column], table: pd.DataFrame) -> np.ndarray:
        """Canonical numbers (n,) float64 of a canonical table that holds the two, NaN where one is missing."""
        two = [column for column in columns if column.name in self.parts]
        return self.rule.passed(comparable.frame(two, table))

    def filled(self, columns: Sequence[Column], table: pd.DataFrame, seed: int) -> np.ndarray:
        """The same without gaps: numbers drawn from the others stand where one of the two is missing."""
        found = self.between(columns, table)
        gap = np.isnan(found)
        found[gap] = np.random.default_rng(seed).choice(found[~gap], int(gap.sum()))
        return found

    def to_json(self) -> dict[str, Any]:
        return {"column": data_columns.to_json(self.column), "rule": constraints.to_json(self.rule)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse. Raises ValueError for what is none."""
        column, rule = data_columns.from_json(data["column"]), constraints.from_json(data["rule"])
        if not isinstance(column, Number) or not isinstance(rule, Apart) or rule.of != column.name:
            raise ValueError(f"no span as this version writes them: {data}")
        return cls(column, rule)


def find(
    columns: Sequence[Column], table: pd.DataFrame, rules: Sequence[Constraint]
) -> tuple[tuple[Span, ...], tuple[Constraint, ...]]:
    """The spans of a canonical table, those first that others begin at; and the rules beside them.

    Looked at are pairs of times, and of numbers one of which is never above the other. A weekday follows a date that
    a span moves, in place of moving it.
    """
    frame = comparable.frame(columns, table)
    taken = {
        rule.gives[0]
        for rule in rules
        if isinstance(rule, Derived) and not isinstance(rule, Calendar | Begins)
    }
    taken |= {rule.total for rule in rules if isinstance(rule, Sum)}
    made = {  # columns that move, with those that they follow
        rule.gives[0]: rule.gives[1]
        for rule in rules
        if isinstance(rule, Elapsed) and rule.gives[0] != rule.of
    }
    found: dict[str, Span] = {}
    for low, high in _pairs(columns, frame, rules):
        for moves, stays in ((high, low), (low, high)):
            fits = step(frame[moves]) <= step(frame[stays])
            if (
                moves in (*taken, *made)
                or not fits
                or is_spiked(frame[moves])
                or moves in _before(stays, made)
            ):
                continue
            span = _span(frame, low, high, (moves, stays))
            if span is not None and span.name not in table:
                made[moves], found[moves] = stays, span
                break
    order = sorted(found, key=lambda name: len(_before(name, made)))
    settled = tuple(
        replace(rule, gives=(rule.of, rule.by))
        if isinstance(rule, Calendar | Begins) and rule.gives[0] in found
        else rule
        for rule in rules
    )
    return tuple(found[name] for name in order), settled


def _pairs(
    columns: Sequence[Column], frame: pd.DataFrame, rules: Sequence[Constraint]
) -> list[tuple[str, str]]:
    """Pairs of columns, the lesser first, that differ by little beside what they vary by; the narrowest first."""
    units = comparable.units(columns)
    times = [str(name) for name in frame.columns if frame[name].dtype.kind == "M"][:MOST_TIMES]
    pairs = [(a, b) for a, b in combinations(times, 2) if units.get(a) == units.get(b)]
    pairs += [
        (rule.low, rule.high)
        for rule in rules
        if isinstance(rule, Order | Spaced) and frame[rule.low].dtype.kind in "iuf"
    ]
    tied = [set(rule.columns) for rule in rules if not isinstance(rule, Order | Spaced)]
    width = {}
    for one, other in pairs:
        if any({one, other} <= names for names in tied):
            continue
        a, b = counted(frame[one]), counted(frame[other])
        there = ~np.isnan(a) & ~np.isnan(b)
        if there.sum() < LEAST:
            continue
        a, b = a[there], b[there]
        between, least = float(np.std(b - a)), float(min(np.std(a), np.std(b)))
        if 0 < between < NARROW * least:
            width[(one, other) if np.median(b - a) >= 0 else (other, one)] = between / least
    return sorted(width, key=lambda pair: width[pair])


def _span(frame: pd.DataFrame, low: str, high: str, moves: tuple[str, str]) -> Span | None:
    """The span of two columns; None for times in months and years, whose lengths differ."""
    steps = step(frame[low]), step(frame[high])
    unit = min(steps)
    if frame[low].dtype.kind == "M":
        if unit > DAY:
            return None
        unit = max(unit, 1e-6)
    whole = unit > 0
    name = f"{low} .. {high}"
    ends = extent(frame[low]), extent(frame[high])
    rule = Apart(low, high, name, unit or 1.0, whole, ends, (*moves, name))
    return Span(Number(name, Plain("float64", 0 if whole else None)), rule)


def _before(name: str, made: Mapping[str, str]) -> list[str]:
    """The columns that one follows, at whatever remove; itself first."""
    chain = [name]
    while chain[-1] in made:
        chain.append(made[chain[-1]])
    return chain
