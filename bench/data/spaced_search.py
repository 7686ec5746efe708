"""Ends of how far two columns in order are apart, where they are edges and no thin tails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tabstep.data.barred_search import MOST_COLUMNS
from tabstep.data.constraints import Constraint, Order, made
from tabstep.data.counted import LENGTHS, counted, extent, roundest
from tabstep.data.determined import LEAST
from tabstep.data.edges import Rounding, edge, is_edge
from tabstep.data.spaced import DAY, YEAR, Spaced


def spaced(
    frame: pd.DataFrame, shuffled: pd.DataFrame, orders: Sequence[Order], rules: Sequence[Constraint]
) -> Iterator[Spaced]:
    """For each of some orders that hold in a frame in common units how near and how far two values are, if that says
    more than the order.

    shuffled  the same columns, each in an order of its own: at least `LEAST` rows of it are beyond an end
    rules     what else is known: columns that one of these holds together are left out, and so is what others make,
              whose distances follow from theirs
    """
    for order in _free(orders, rules)[:MOST_COLUMNS]:
        step, plain = min(order.steps), _as_spaced(order, frame)
        own, other = _apart(order, frame), _apart(order, shuffled)
        to = roundest if plain.dtype == "f" else _length(step)
        least, most = _end(own, other, step, to), _end(-own[::-1], -other[::-1], step, to)
        rule = replace(
            plain,
            least=plain.least if least is None else max(least, plain.least),
            most=None if most is None else -most,
        )
        if rule != plain:
            yield rule


def beside(
    frame: pd.DataFrame, orders: Sequence[Order], rules: Sequence[Constraint], apart: Sequence[Spaced]
) -> list[Spaced]:
    """The orders that share columns with distances, or with others that do, as rules that are kept with these."""
    found: list[Spaced] = []
    names = {name for rule in apart for name in rule.columns}
    known = {rule.columns for rule in apart}
    left = [order for order in _free(orders, rules) if order.columns not in known]
    while more := [order for order in left if names & {*order.columns}]:
        found += [_as_spaced(order, frame) for order in more]
        names |= {name for order in more for name in order.columns}
        left = [order for order in left if order not in more]
    return found


def _free(orders: Sequence[Order], rules: Sequence[Constraint]) -> list[Order]:
    """Orders of columns that no other rule holds together or makes; months and years have no one length."""
    held = [set(rule.columns) for rule in rules]
    others = made(rules)
    return [
        order
        for order in orders
        if max(order.steps) <= DAY
        and not others & {*order.columns}
        and not any({*order.columns} <= columns for columns in held)
    ]


def _as_spaced(order: Order, frame: pd.DataFrame) -> Spaced:
    """An order as a rule of distances that says no more."""
    least = min(order.steps) if order.strict else 0.0
    ends = extent(frame[order.low]), extent(frame[order.high])
    kind = frame[order.low].dtype.kind
    return Spaced(order.low, order.high, least, None, ends, order.steps, kind if kind in "mM" else "f")


def _apart(order: Order, frame: pd.DataFrame) -> np.ndarray:
    """How far two columns are apart (n,), ascending, without gaps; on the finer grid."""
    found = counted(frame[order.high]) - counted(frame[order.low])
    step = min(order.steps)
    found = np.round(found / step) * step if step else found
    return np.sort(found[~np.isnan(found)])


def _end(own: np.ndarray, other: np.ndarray, step: float, to: Rounding) -> float | None:
    """Where distances begin, if that is an edge and others are below."""
    if not is_edge(own) or np.searchsorted(other, own[0]) < LEAST:
        return None
    end = edge(own, step, to)
    return float(end) if np.searchsorted(other, end) >= LEAST else None


def _length(step: float) -> Rounding:
    """Of two lengths of time in seconds one between them that is a whole number of years, days, hours, ..."""

    def roundest_of(low: float, high: float) -> float:
        for length in (YEAR * DAY, *LENGTHS.values()):
            count = roundest(low / length, high / length)
            found = float(np.floor(count * length / step) * step) if step else count * length
            if count == round(count) and low < found:
                return found
        return roundest(low, high)

    return roundest_of
