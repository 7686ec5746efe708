"""Numbers that are lines of others with bends, see `data.bent`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import slack
from tabstep.data.bent import Bent
from tabstep.data.counted import RELATIVE, roundest
from tabstep.data.lines import NEAR, digits, plainest, plainest_line, slopes, ways

MANY = 10  # values of a column that another is lines of
FEWEST = 4  # values of what is, and of the other within each line
MOST = 40  # columns that are looked at
MOST_LINES = 6
FIRST = 256  # rows that candidates are tried on before all are
BESIDE = 0.05  # of the numbers of a line, those beside its ends, which may be of the next one


def bent(frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float]) -> list[Bent]:
    """Rules that hold in all rows, those first that are said in the fewest digits: turned round they have more."""
    known = [name for name in numbers if frame[name].nunique() >= FEWEST][:MOST]
    x = frame[known].to_numpy(np.float64)
    grids = np.array([steps[name] for name in known])
    found = []
    for i, by in enumerate(known):
        if frame[by].nunique() < MANY:
            continue
        for k in np.flatnonzero(_may_be(x[:FIRST], i, grids)):
            of = known[k]
            # Down is to the nearest of half a step less: the plainer one is meant.
            for down in ways(steps[of]):
                ends, lines = _lines(x[:, i], x[:, k], steps[of], down=down) or ((), ())
                rule = Bent(by, of, ends, lines, down, steps[of], steps[by]) if ends else None
                found += [rule] if rule is not None and not rule.breaks(frame).any() else []
    return sorted(found, key=_length)


def _length(rule: Bent) -> int:
    return sum(map(digits, [*rule.ends, *np.ravel(rule.lines)]))


def _may_be(head: np.ndarray, i: int, steps: np.ndarray) -> np.ndarray:
    """Which columns (d,) of some rows (m, d) may be a few lines of column i: of three neighbours the middle one is
    hardly ever beside the line through the others."""
    rows = head[np.argsort(head[:, i], kind="stable")][: np.count_nonzero(~np.isnan(head[:, i]))]
    x, first = np.unique(rows[:, i], return_index=True)
    near = steps + RELATIVE * np.nan_to_num(np.abs(rows)).max(axis=0, initial=0)
    several = np.diff(rows[:, i]) == 0
    apart = (np.abs(np.diff(rows, axis=0)) > near) & several[:, None]
    y = rows[first]
    if len(x) < 3:
        return np.zeros(head.shape[1], bool)
    share = ((x[1:-1] - x[:-2]) / (x[2:] - x[:-2]))[:, None]
    off = np.abs(y[1:-1] - (1 - share) * y[:-2] - share * y[2:])
    good, bad = (off <= NEAR * near).sum(axis=0), (off > NEAR * near).sum(axis=0)
    may = ~apart.any(axis=0) & (bad <= 2 * (MOST_LINES - 1)) & (good > 0)
    may[i] = False
    return np.asarray(may)


def _lines(
    x: np.ndarray, y: np.ndarray, step: float, *, down: bool
) -> tuple[tuple[float, ...], tuple[tuple[float, float], ...]] | None:
    """The ends and the lines of `Bent` of y (n,) on the grid `step` by x (n,); None for none, or one."""
    there = ~np.isnan(x) & ~np.isnan(y)
    order = np.argsort(x[there], kind="stable")
    x, y = x[there][order], y[there][order]
    values, first = np.unique(x, return_index=True)
    if len(values) < MANY or (y != y[first][np.searchsorted(values, x)]).any():
        return None  # one number, and two that are made of it
    x, y = values, y[first]
    below, above = slack(y, step, down=down)
    low, high = y - above, y + below
    begins = [0]
    while begins[-1] < len(x):
        if len(begins) > MOST_LINES:
            return None
        begins.append(_longest(x, low, high, begins[-1]))
    if len(begins) < 3:
        return None
    inner = [_inner(a, b, len(x)) for a, b in pairwise(begins)]
    found = (_line(x[part], low[part], high[part], y[part], step) for part in inner)
    told = [line for line in found if line is not None]
    if len(told) < len(inner) or not any(factor for factor, _ in told):
        return None
    ends = list(_ends(x, begins, inner, told))
    return (tuple(ends), tuple(told)) if ends == sorted({*ends}) else None


def _longest(x: np.ndarray, low: np.ndarray, high: np.ndarray, at: int) -> int:
    """The end of the longest run from `at` that one line goes through, between low (n,) and high (n,)."""

    def fits(end: int) -> bool:
        least, most = slopes(x[at:end], low[at:end], high[at:end])
        return least <= most

    good, bad = at + 2, at + 4
    while bad <= len(x) and fits(bad):
        good, bad = bad, at + 2 * (bad - at)
    bad = min(bad, len(x) + 1)
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return min(good, len(x))


def _inner(begin: int, end: int, n: int) -> slice:
    """A run without what may be of the lines beside it: near a bend both are as good."""
    some = max(1, round(BESIDE * (end - begin)))
    return slice(begin + (some if begin else 0), end - (some if end < n else 0))


def _line(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, y: np.ndarray, step: float
) -> tuple[float, float] | None:
    """The plainest factor and offset between low (n,) and high (n,); None where rounding leaves open that it rises."""
    if len(x) < FEWEST:
        return None
    if (y == y[0]).all():
        return 0.0, float(y[0])
    least, most = slopes(x, low, high)
    if not least < most or least * most <= 0 or np.ptp(y) < FEWEST * step:
        return None
    return plainest_line(x, low, high, plainest(least, most))


def _ends(
    x: np.ndarray, begins: Sequence[int], inner: Sequence[slice], lines: Sequence[tuple[float, float]]
) -> Iterator[float]:
    """Where lines meet, if that is beside the end of a run; else between the runs."""
    for k, (one, other) in enumerate(pairwise(lines)):
        end, (a, b), (c, d) = begins[k + 1], one, other
        meet = round((d - b) / (a - c), 9) + 0.0 if a != c else np.nan
        if x[inner[k].stop - 1] <= meet <= x[inner[k + 1].start]:
            yield float(meet)
        else:
            yield roundest(float(x[end - 1]), float(x[end]))
