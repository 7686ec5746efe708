"""Numbers that are payments of loans, see `data.instalment`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Pairs, slack
from tabstep.data.comparable import plain
from tabstep.data.counted import RELATIVE, counted
from tabstep.data.instalment import RATES, TERMS, Instalment, payments
from tabstep.data.labelled import labelled
from tabstep.data.lines import ways

MANY = 10  # values of a loan and of a payment
FEWEST = 3  # values of an interest
MOST = 20  # columns that are looked at
MOST_INTEREST = 0.1  # a payment
MOST_TIMES = 600.0
FIRST = 64  # rows that candidates are tried on before all are


def instalments(
    frame: pd.DataFrame, numbers: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Instalment]:
    """Rules that hold in all rows of a frame in common units.

    numbers  columns of plain numbers
    few      columns of few values, which may say how long it takes
    """
    x = {name: counted(frame[name]) for name in list(numbers)[:MOST]}
    amounts = [name for name in x if frame[name].nunique() >= MANY and np.nanmin(x[name]) >= 0]
    rates = [(name, scale) for name, scale in product(x, RATES) if _is_interest(scale * x[name])]
    labels = [name for name in few if frame[name].dtype == object]
    if len(amounts) < 2:
        return
    head = np.column_stack([x[name][:FIRST] for name in amounts])
    near = np.array([steps[name] for name in amounts]) + RELATIVE * np.abs(head)
    for rate, scale in rates:
        interest = scale * x[rate]
        for i, k in _may_be(interest[:FIRST], head, near):
            by, of = amounts[i], amounts[k]
            if len({rate, by, of}) < 3:
                continue
            for down in ways(steps[of]):
                below, above = slack(x[of], steps[of], down=down)
                ends = _times(interest, x[by], x[of] + below), _times(interest, x[by], x[of] - above)
                told = _told(frame, *ends, [name for name in x if name not in (rate, by, of)], labels)
                if told is not None:
                    term, times, pairs = told
                    rule = Instalment(by, rate, term, of, (scale, times), pairs, down, steps[of], steps[by])
                    if not rule.breaks(frame).any():
                        yield rule
                        break


def _is_interest(rates: np.ndarray) -> bool:
    """Whether numbers (n,) may be interest a payment."""
    return (
        bool(np.nanmin(rates) >= 0 and 0 < np.nanmax(rates) <= MOST_INTEREST)
        and len(np.unique(rates)) >= FEWEST
    )


def _times(interest: np.ndarray, loans: np.ndarray, paid: np.ndarray) -> np.ndarray:
    """How many payments pay back loans at such interest, NaN at gaps."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return payments(interest, paid / loans)


def _may_be(interest: np.ndarray, rows: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Of which loans (k, 0) payments (k, 1) may be: of rows (m, d) that are rounded within (m, d), in all rows some
    whole number of payments does, and in most only one."""
    interest, loans = interest[:, None, None], rows[:, :, None]
    low = np.ceil(_times(interest, loans, (rows + near)[:, None, :]))
    high = np.floor(_times(interest, loans, (rows - near)[:, None, :]))
    there = ~np.isnan(low) & ~np.isnan(high)
    good = ~there | ((low <= high) & (low >= 1) & (low <= MOST_TIMES))
    told = (there & (low == high)).sum(axis=0) > 0.5 * there.sum(axis=0)
    return np.argwhere(good.all(axis=0) & told)


def _told(
    frame: pd.DataFrame, least: np.ndarray, most: np.ndarray, numbers: Sequence[str], labels: Sequence[str]
) -> tuple[str, float, Pairs] | None:
    """The column that says how many payments, from `least` to `most` (n,), its scale, and what its labels say."""
    there = ~np.isnan(least) & ~np.isnan(most)
    for name, scale in product(numbers, TERMS):
        times = scale * counted(frame[name])
        known = there & ~np.isnan(times)
        if known.any() and ((least <= times) & (times <= most))[known].all():
            return name, scale, ()
    for name, codes, values in labelled(frame, labels):
        own = (np.flatnonzero(there & (codes == code)) for code in range(len(values)))
        said = [_whole(least[at], most[at]) for at in own]
        if None not in said:
            return name, 1.0, tuple((plain(value), n) for value, n in zip(values, said, strict=True))  # type: ignore[misc]
    return None


def _whole(least: np.ndarray, most: np.ndarray) -> float | None:
    """The only whole number between those (m,) and those (m,); None where there is none, or are several."""
    low, high = np.ceil(least.max(initial=-np.inf)), np.floor(most.min(initial=np.inf))
    return float(low) if low == high else None
