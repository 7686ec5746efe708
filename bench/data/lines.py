"""Lines that rounded numbers may lie on, and of all that may the plainest: the one that a person would write."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from tabstep.data.arithmetic import DIGITS, slack
from tabstep.data.counted import RELATIVE, roundest

# Factors of units that are known, or a part of one.
KNOWN = (1.0, 1024.0, 1024.0**2, 1024.0**3, 7.0, 12.0, 24.0, 60.0, 3600.0, 86400.0, 365.25, 365.0)

FEWEST = 3  # values of a column, below which every relation is one of labels
NEAR = 1.05  # steps of a grid that a number may be off a fitted line: floats may round it down by a whole one


def on_lines(x: np.ndarray, head: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Which columns (d,) of some rows (m, d) are near a line in x (m,)."""
    there = ~np.isnan(head) & ~np.isnan(x[:, None])
    count = np.maximum(1, there.sum(axis=0))
    y, by = np.where(there, head, 0), np.where(there, x[:, None], 0)
    by = np.where(there, by - by.sum(axis=0) / count, 0)
    middle = y.sum(axis=0) / count
    factor = (by * (y - middle)).sum(axis=0) / np.maximum((by**2).sum(axis=0), 1e-300)
    off = np.abs(np.where(there, y - middle - factor * by, 0)).max(axis=0)
    return np.asarray(off <= NEAR * steps + RELATIVE * np.abs(y).max(axis=0))


def through(x: np.ndarray, y: np.ndarray, step: float) -> tuple[float, float, bool] | None:
    """Factor, offset and whether it rounds down, of y (n,) on the grid `step` as a line in x (n,); None for no line."""
    there = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[there], y[there]
    if len(np.unique(x)) < FEWEST or (step == 0 and y.std() < 1e3 * RELATIVE * np.abs(y).max()):
        return None  # any two columns that hardly vary are on a line
    if multiple := factor_of(x, y, step):
        return multiple[0], 0.0, multiple[1]
    for down in ways(step):
        below, above = slack(y, step, down=down)
        low, high = slopes(x, y - above, y + below)
        if low < high and low * high > 0:
            found = plainest_line(x, y - above, y + below, plainest(low, high))
            if found is not None:
                return *found, down
    return None


def plainest_line(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, factor: float
) -> tuple[float, float] | None:
    """The factor and the plainest offset with which a line in x (n,) is from `low` to `high` (n,); None for none."""
    least, most = float((low - factor * x).max()), float((high - factor * x).min())
    return (factor, roundest(least, most)) if least < most else None


def slopes(x: np.ndarray, least: np.ndarray, most: np.ndarray) -> tuple[float, float]:
    """The slopes between which lines in x (n,) can be from `least` to `most` (n,); the corners of the hull bind.

    A line with slope f has an offset if least_j - f x_j <= most_i - f x_i for all i and j.
    """
    middle = (x - x.mean()) / x.std()
    # What is left of a flat hull has the same corners.
    off = least - least.mean() - (middle * least).mean() * middle
    try:
        corners = ConvexHull(np.column_stack([middle, off / max(float(np.abs(off).max()), 1e-300)])).vertices
    except (QhullError, ValueError):  # all on one line, or beyond what floats hold
        corners = np.array([x.argmin(), x.argmax()])
    x, least, most = x[corners], least[corners], most[corners]
    run = x[:, None] - x
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (least[:, None] - most) / run
    return float(found[run > 0].max()), float(found[run < 0].min())


def independent(x: np.ndarray, same: float) -> list[int]:
    """Which columns of x (n, d), in order, are off all combinations of a constant and those before them, by more than
    this part of their size."""
    basis, found = np.full((len(x), 1), max(1, len(x)) ** -0.5), []
    for k, column in enumerate(x.T):
        size = np.linalg.norm(column)
        rest = column / size if size > 0 else column
        for _ in range(2):  # once more, for what rounding left
            rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > same:
            found.append(k)
            basis = np.column_stack([basis, rest / length])
    return found


def ways(step: float) -> tuple[bool, ...]:
    """To the nearest, and on a grid down."""
    return (False, True) if step else (False,)


def bounds(x: np.ndarray, least: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Between which factors (d,) all multiples of x (m, 1) are between (m, d) and (m, d); an empty range for none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = least / x, most / x
    away = (x == 0) & ((least > 0) | (most < 0))
    there = ~np.isnan(one) & (x != 0)
    low = np.where(there, np.minimum(one, other), -np.inf).max(axis=0)
    high = np.where(there, np.maximum(one, other), np.inf).min(axis=0)
    none = away.any(axis=0)
    return np.where(none, np.inf, low), np.where(none, -np.inf, high)


def factor_of(x: np.ndarray, y: np.ndarray, step: float) -> tuple[float, bool] | None:
    """The factor of y (n,) on the grid `step` as a multiple of x (n,), and whether it rounds down; None for none."""
    there = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[there], y[there]
    for down in ways(step) if len(x) else ():
        below, above = slack(y, step, down=down)
        low, high = bounds(x[:, None], y[:, None] - above[:, None], y[:, None] + below[:, None])
        if low[0] < high[0] and low[0] * high[0] > 0:
            return plainest(float(low[0]), float(high[0])), down
    return None


def is_none_of(y: np.ndarray, x: np.ndarray, *of: np.ndarray) -> bool:
    """Whether some y (n,) is there where x (n,) is no number, though the columns (n,) that it is of are there: a ratio
    to 0 is none."""
    there = ~np.isnan(y)
    for column in of:
        there &= ~np.isnan(column)
    return bool(np.isnan(x[there]).any())


def plainest(low: float, high: float) -> float:
    """A factor between two: of units that are known, or else one with few digits, its own or its inverse's."""
    for known in KNOWN:
        for factor in (known, 1 / known, -known, -1 / known):
            if low < factor < high:
                return factor
    own, inverse = roundest(low, high), roundest(1 / high, 1 / low)
    return own if digits(own) <= digits(inverse) else 1 / inverse


def digits(x: float) -> int:
    """Digits of a number that are not zeros around it."""
    return len(f"{abs(x):.{DIGITS - 1}e}".split("e")[0].replace(".", "").rstrip("0"))
