"""Numbers that others grow to, see `data.growth`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import slack
from tabstep.data.counted import RELATIVE, counted, roundest
from tabstep.data.growth import RATES, TERMS, Growth, logarithm
from tabstep.data.lines import bounds, ways

MANY = 10  # values of what grows and of what it grows to
FEWEST = 3  # values of a rate and of a time
MOST = 20  # columns that are looked at
MOST_TIMES = 600.0
MOST_RATE = 0.5  # a time
FIRST = 64  # rows that candidates are tried on before all are


def growths(frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float]) -> Iterator[Growth]:
    """Rules that hold in all rows of a frame in common units.

    numbers  columns of plain numbers
    """
    x = {name: counted(frame[name]) for name in list(numbers)[:MOST] if frame[name].nunique() >= FEWEST}
    amounts = [name for name in x if frame[name].nunique() >= MANY and np.nanmin(x[name]) > 0]
    if len(amounts) < 2:
        return
    terms = [name for name in x if np.nanmin(x[name]) >= 0 and np.nanmax(x[name]) <= MOST_TIMES]
    rates = [(name, scale) for name, scale in product(x, RATES) if _is_rate(scale * x[name])]
    head = np.column_stack([x[name][:FIRST] for name in amounts])
    near = np.array([steps[name] for name in amounts]) + RELATIVE * head
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (np.log((head + by)[:, None, :] / head[:, :, None]) for by in (-near, near))
    low = np.where(np.isnan(low) & ~np.isnan(high), -np.inf, low)  # 0 is rounded from as little as one likes
    for term in terms:
        for i, k in _may_be(x[term][:FIRST], low, high):
            if len({amounts[i], amounts[k], term}) == 3:
                yield from _constant(frame, amounts[i], term, amounts[k], steps)
        for (rate, scale), times in product(rates, TERMS):
            power = times * x[term][:FIRST] * logarithm(scale, x[rate][:FIRST])
            shown = power[~np.isnan(power)]
            if not len(shown) or shown.std() == 0:
                continue
            at = power[:, None, None]
            good = ((low <= at) & (at <= high)).sum(axis=0) >= FEWEST
            for i, k in np.argwhere(good & ~((at < low) | (at > high)).any(axis=0)):
                by, of = amounts[i], amounts[k]
                if len({by, of, term, rate}) < 4:
                    continue
                for down in ways(steps[of]):
                    rule = Growth(by, (rate,), term, of, 1.0, (scale, times), down, steps[of], steps[by])
                    if not rule.breaks(frame).any():
                        yield rule
                        break


def _is_rate(rates: np.ndarray) -> bool:
    return bool(np.nanmax(np.abs(rates)) <= MOST_RATE)


def _may_be(times: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which of some pairs (k, 2) may grow by one ratio: their logarithms are between (m, d, d) and (m, d, d)."""
    least, most = bounds(times[:, None], low.reshape(len(low), -1), high.reshape(len(high), -1))
    told = (least <= most) & (least * most > 0) & np.isfinite(least * most)
    return np.argwhere(told.reshape(low.shape[1:]))


def _constant(
    frame: pd.DataFrame, by: str, term: str, of: str, steps: Mapping[str, float]
) -> Iterator[Growth]:
    """The rule by which one ratio makes a number of another, if there is one."""
    x, y, times = (counted(frame[name]) for name in (by, of, term))
    for down in ways(steps[of]):
        below, above = slack(y, steps[of], down=down)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = np.log((y - above) / x), np.log((y + below) / x)
        low = np.where(np.isnan(low) & ~np.isnan(high), -np.inf, low)
        least, most = (np.exp(float(end[0])) for end in bounds(times[:, None], low[:, None], high[:, None]))
        if not least < most or least <= 1 <= most:
            continue
        rule = Growth(by, (), term, of, roundest(least, most), (1.0, 1.0), down, steps[of], steps[by])
        if not rule.breaks(frame).any():
            yield rule
            return
