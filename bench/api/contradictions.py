"""Conditions that no row can meet, since they go against a rule that holds in every row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from tabstep.api.conditions import Condition
from tabstep.data import comparable
from tabstep.data.chosen import Chosen
from tabstep.data.columns import Category, Number
from tabstep.data.constraints import Constraint, Gaps, Order, broken
from tabstep.data.counted import counted
from tabstep.data.derived import Bands
from tabstep.data.spaced import Spaced

MOST = 10_000  # combinations of values that are tried


def check(conditions: Sequence[Condition], rules: Sequence[Constraint]) -> None:
    """Raises ValueError with the conditions and the rule: no row would ever be kept.

    Single values are held against every rule, ranges against orders, distances, bands and gaps.
    """
    of = {condition.name: condition for condition in conditions}
    for rule in rules:
        asks = {rule.on, rule.of} if isinstance(rule, Chosen) else {*rule.columns}
        if asks <= of.keys() and _excludes(rule, of):
            asked = " and ".join(of[name].said for name in rule.columns if name in of)
            raise ValueError(f"where: {asked} go against what holds in every row of the table: {rule}")


def _excludes(rule: Constraint, of: Mapping[str, Condition]) -> bool:
    if isinstance(rule, Order):
        return _in_wrong_order(rule, of[rule.low], of[rule.high])
    if isinstance(rule, Spaced):
        return _too_near_or_far(rule, of[rule.low], of[rule.high])
    if isinstance(rule, Bands) and not of[rule.by].values:
        return _is_in_no_band(rule, of[rule.by], of[rule.of])
    if isinstance(rule, Gaps):
        missing = rule.missing(of[rule.on].values)
        gap, value = None in of[rule.of].values, set(of[rule.of].values) != {None}
        return not (gap and missing.any()) and not (value and not missing.all())
    if isinstance(rule, Chosen):
        return _is_no_choice(rule, of)
    values = [of[name].values for name in rule.columns]
    if not 0 < math.prod(map(len, values)) <= MOST:
        return False
    rows = zip(*product(*values), strict=True)
    table = pd.DataFrame(
        {name: _column(of[name], list(found)) for name, found in zip(rule.columns, rows, strict=True)}
    )
    return bool(broken(rule, comparable.frame([of[name].column for name in rule.columns], table)).all())


def _column(condition: Condition, values: Sequence[object]) -> pd.Series:
    """Canonical values, a gap as the column has it."""
    if isinstance(condition.column, Category):
        return pd.Series(values, dtype=object)
    return pd.Series([np.nan if value is None else value for value in values], dtype=np.float64)


def _is_in_no_band(rule: Bands, by: Condition, of: Condition) -> bool:
    """Whether no value between two ends is in a band that may be."""
    assert isinstance(by.column, Number)  # labels have no range
    if not of.values or (not all(map(math.isfinite, by.ends)) and comparable.is_time(by.column)):
        return False
    ends = comparable.frame([by.column], pd.DataFrame({rule.by: list(by.ends)}))
    first, last = rule.places(ends[rule.by])
    may = {comparable.plain(value) for value in of.values}
    return not any(comparable.plain(value) in may for value, *_ in rule.ranges[first : last + 1])


def _is_no_choice(rule: Chosen, of: Mapping[str, Condition]) -> bool:
    """Whether no label that may be says what the column may be; that of a range may be anything."""
    if not of[rule.on].values or not of[rule.of].values:
        return False
    sources, single = dict(rule.repeats), dict(rule.values)
    wanted = _common(of[rule.of])
    for label in _common(of[rule.on]):
        source = of.get(sources[label]) if label in sources else None
        others = {single[label]} if label in single else _common(source) if source is not None else set()
        if not others or wanted & others:
            return False
    return True


def _common(condition: Condition) -> set[Any]:
    """The single values of a condition in common units, None of a gap."""
    table = pd.DataFrame({condition.name: _column(condition, list(condition.values))})
    return {comparable.plain(value) for value in comparable.frame([condition.column], table)[condition.name]}


def _in_wrong_order(rule: Order, low: Condition, high: Condition) -> bool:
    if None in (*low.values, *high.values):
        return False  # a gap is in no order
    ends = _pair(low, high, _least(low), _most(high))
    return ends is not None and bool(broken(rule, ends).any())


def _too_near_or_far(rule: Spaced, low: Condition, high: Condition) -> bool:
    """Whether no two values between the ends are as far apart as they must be."""
    if None in (*low.values, *high.values):
        return False  # a gap is at no distance
    nearest, farthest = (
        -sign * math.inf if two is None else float(counted(two[rule.high])[0] - counted(two[rule.low])[0])
        for sign, two in (
            (1, _pair(low, high, _most(low), _least(high))),
            (-1, _pair(low, high, _least(low), _most(high))),
        )
    )
    return not rule.reaches(nearest, farthest)


def _least(condition: Condition) -> float:
    return float(min(condition.values, default=condition.ends[0]))


def _most(condition: Condition) -> float:
    return float(max(condition.values, default=condition.ends[1]))


def _pair(low: Condition, high: Condition, a: float, b: float) -> pd.DataFrame | None:
    """Two canonical values in common units, None where one is no number."""
    if not math.isfinite(a) or not math.isfinite(b):
        return None
    return comparable.frame([low.column, high.column], pd.DataFrame({low.name: [a], high.name: [b]}))
