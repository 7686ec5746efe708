"""Two columns of which one is at most the other: values in the wrong order change places, or one takes the other's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.constraints import Constraint, Order, broken
from tabstep.data.counted import RELATIVE, fits, on_grid

DAY = 86400.0


def around(rules: Sequence[Constraint]) -> list[tuple[Order, tuple[str, ...]]]:
    """The orders of two columns that have some of finer grids between them, and those.

    These take the value of either, back and forth, where the two are in the wrong order: times between two days.
    """
    orders = [rule for rule in rules if isinstance(rule, Order)]
    found: dict[tuple[str, ...], Order] = {}

    def go_on(chain: tuple[Order, ...]) -> None:
        low, finest = chain[0].steps[0], [order.steps[1] for order in chain[:-1]]
        high = chain[-1].steps[1]
        if finest and max(finest) < min(low, high):
            ends = Order(chain[0].low, chain[-1].high, any(o.strict for o in chain), (low, high))
            found[chain[0].low, *(order.high for order in chain)] = ends
        if high < low:
            for order in orders:
                if order.low == chain[-1].high and order.high not in [o.low for o in chain]:
                    go_on((*chain, order))

    for order in orders:
        go_on((order,))
    return [(ends, columns[1:-1]) for columns, ends in found.items()]


def ordered(rule: Order, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str]) -> pd.DataFrame:
    """The frame in order in rows that are `wrong`, by a move of what is not in `fixed`, if that stays on its grid."""
    low, high = frame[rule.low], frame[rule.high]
    below, above = rule.steps
    free = [name not in fixed for name in rule.columns]
    if all(free) and below == above:
        turned = wrong & np.asarray(low > high)
        frame = instead.put(instead.put(frame, rule.low, high, turned), rule.high, low, turned)
        wrong = wrong & broken(rule, frame)  # only those that are equal and must not be
        low, high = frame[rule.low], frame[rule.high]
    # Continuous numbers have no step: a tenth of one of the other grid is less than two values of that are apart.
    if free[1] and fits(below, above):
        by = above or 0.1 * below
        return instead.put(frame, rule.high, _moved(low, by if rule.strict else 0.0), wrong)
    if free[0] and fits(above, below):
        by = below or 0.1 * above
        return instead.put(frame, rule.low, _moved(high, -by if rule.strict else 0.0), wrong)
    if free[0] and 0 < below <= DAY:  # the coarser one, beside one that is fixed
        return instead.put(
            frame, rule.low, _floored(_moved(high, -above if rule.strict else 0.0), below), wrong
        )
    return frame


def _moved(values: Any, by: float) -> Any:
    """Values moved by a step of their grid; months and years have no such step, continuous numbers none either."""
    if by == 0 or (values.dtype.kind in "mM" and abs(by) > DAY):
        return values
    if values.dtype.kind in "mM":
        return values + pd.Timedelta(round(by * 1e9), "ns")
    return on_grid(values + by, abs(by))


def _floored(values: Any, step: float) -> Any:
    """The next lower values of a grid."""
    if values.dtype.kind in "mM":
        return values.dt.floor(pd.Timedelta(round(step * 1e9), "ns"))
    return on_grid(np.floor(on_grid(values / step, RELATIVE)) * step, step)
