"""Numbers that are so much of each of several others, see `data.weighted`: an exact regression with plain factors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from tabstep.data.arithmetic import slack
from tabstep.data.counted import RELATIVE, roundest
from tabstep.data.lines import NEAR, digits, independent, plainest, ways
from tabstep.data.strongest import one_of_each
from tabstep.data.together import together
from tabstep.data.weighted import Weighted

MANY = 10  # values of what is made of others
MOST = 40  # columns that are looked at
MOST_PARTS = 12
FIRST = 4096  # rows that factors are told from
HEAD = 256  # of them, and 4 for each column: those that candidates are tried on
COARSE = 20  # times what rounding leaves that a number must vary by, or a plane through such ones says little
SURE = 6.0  # deviations from 0 of the factor of a part
ENDS = 256  # rows that are furthest on either side, which bind
SAME = 1e-9  # of its size, by which a column is off those that tell it


def weighted(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], made: Collection[str]
) -> list[Weighted]:
    """Rules that hold in all rows, at most one for each column.

    What is made of others is a part only where they do not tell: so the total of a fare and what was paid for waiting
    does not hide of what the fare is made.

    made  columns that others make
    """
    known = [n for n in numbers if frame[n].dtype.kind in "iuf" and frame[n].nunique() > 1][:MOST]
    many = {name for name in known if name not in made and frame[name].nunique() >= MANY}
    found: dict[str, Weighted] = {}
    while True:
        left = [name for name in known if name not in found]
        told = [
            frozenset((of, *parts(frame, [n for n in left if n != of], of, steps, made)))
            for of in left
            if of in many
        ]
        turned = [
            _rule(frame, [name for name in left if name in names - {of}], of, steps)
            for names in dict.fromkeys(told)
            if 2 < len(names) <= MOST_PARTS + 1
            for of in left
            if of in names & many
        ]
        rules = [rule for rule in turned if rule is not None]
        rules.sort(key=lambda rule: _length(rule, frame))
        new = {rule.of: rule for rule in reversed(one_of_each(rules, frame))}
        if not new:
            return list(found.values())
        found |= new


def _length(rule: Weighted, frame: pd.DataFrame) -> tuple[int, int, float]:
    """How long a rule is: turned round most have more digits, or take away, or make what is smaller."""
    less = sum(factor < 0 for factor in rule.factors)
    return sum(map(digits, [*rule.factors, rule.base])), less, -float(frame[rule.of].abs().mean())


def parts(
    frame: pd.DataFrame, names: Sequence[str], of: str, steps: Mapping[str, float], made: Collection[str]
) -> list[str]:
    """Which columns have a factor, where a plane in them is as near a column as rounding is; none where none is.

    Of columns that tell one another those that come first count, and those that others make come last. Columns that
    have gaps where the number is there are parts only where the others do not tell.
    """
    whole = frame[[*names, of]].to_numpy(np.float64)
    whole = whole[~np.isnan(whole[:, -1])]
    there = np.flatnonzero(~np.isnan(whole[:, :-1]).any(axis=0)).tolist()
    found = _parts(whole[:, [*there, -1]], [names[j] for j in there], of, steps, made)
    among, rows = together(whole[:, :-1])
    if found or among == there:
        return found
    return _parts(whole[rows][:, [*among, -1]], [names[j] for j in among], of, steps, made)


def _parts(
    whole: np.ndarray, names: Sequence[str], of: str, steps: Mapping[str, float], made: Collection[str]
) -> list[str]:
    """The same of columns without gaps, (n, d + 1) with the number last."""
    order = sorted(range(len(names)), key=lambda j: names[j] in made)
    names = [names[j] for j in order]
    x, y = whole[:FIRST, order], whole[:FIRST, -1]
    near = NEAR * steps[of] + RELATIVE * float(np.abs(y).max())
    rows = HEAD + 4 * len(names)
    if len(y) < 4 * len(names) or len(names) < 2 or furthest(x[:rows], y[:rows, None])[0] > near:
        return []
    among = independent(x[:rows], SAME)
    x = x[:, among]
    away = float(furthest(x, y[:, None])[0])
    if away > near or COARSE * away > y.std():
        return []
    factors, deviations = _fitted(x, y)
    told = (np.abs(factors) > SURE * deviations) & (np.abs(factors) * x.std(axis=0) > RELATIVE * y.std())
    return [names[j] for j, part in zip(among, told, strict=True) if part]


def _rule(frame: pd.DataFrame, names: Sequence[str], of: str, steps: Mapping[str, float]) -> Weighted | None:
    """The rule by which a column is made of all of some others, if there is one that is no total of them."""
    rule = fitted(frame, names, of, steps)
    # Totals: see `arithmetic_search.totals`.
    return None if rule is None or all(abs(factor) == 1 for factor in rule.factors) else rule


def fitted(frame: pd.DataFrame, names: Sequence[str], of: str, steps: Mapping[str, float]) -> Weighted | None:
    """The rule by which a column is made of all of some others, if there is one."""
    shown, step = frame[[*names, of]].dropna(), steps[of]
    x, y = shown[list(names)].to_numpy(np.float64), shown[of].to_numpy(np.float64)
    if not len(x):
        return None
    factors, off = _fitted(x[:FIRST], y[:FIRST])
    grids, found = tuple(steps[name] for name in names), []
    # Down is to the nearest of half a step less: the plainer one is meant.
    for down in ways(step):
        room = slack(y, step, down=down)
        for plain in (partial(_near, factors, off), partial(_within, x, y, factors, room)):
            told = plain()
            base = _base(x, y, told, room) if told is not None else None
            if told is None or base is None:
                continue
            own = tuple(map(float, told))
            fine = sorted(names, key=lambda name: steps[name] * abs(own[names.index(name)]))
            rule = Weighted(tuple(names), own, base, of, down, step, grids, (of, *fine))
            if not rule.breaks(frame).any():
                found.append(rule)
                break
    return min(found, key=lambda rule: _length(rule, frame), default=None)


def furthest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The most (k,) that the columns of y (n, k) are off the nearest planes in those of x (n, d)."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    size = np.sqrt((x**2).mean(axis=0)) + 1e-300
    try:
        factors = np.linalg.lstsq(x / size, y, rcond=None)[0]
    except np.linalg.LinAlgError:  # beyond what floats hold
        return np.full(y.shape[1], np.inf)
    return np.asarray(np.abs(y - (x / size) @ factors).max(axis=0, initial=0))


def _fitted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The factors (d,) of a regression of y (n,) on the columns of x (n, d), and their standard deviations."""
    x, y = x - x.mean(axis=0), y - y.mean()
    size = np.sqrt((x**2).mean(axis=0)) + 1e-300
    factors = np.linalg.lstsq(x / size, y, rcond=None)[0]
    rest = y - (x / size) @ factors
    variance = (rest**2).sum() / max(1, len(y) - x.shape[1] - 1)
    off = np.sqrt(variance * np.diag(np.linalg.pinv((x / size).T @ (x / size))).clip(0))
    return factors / size, off / size + 1e-12 * np.abs(factors / size)


def _near(factors: np.ndarray, off: np.ndarray) -> np.ndarray | None:
    """Plain factors (d,) as near as two deviations `off` (d,), without what may be 0."""
    if not (np.abs(factors) > 2 * off).all():
        return None
    return np.array([plainest(f - 2 * by, f + 2 * by) for f, by in zip(factors, off, strict=True)])


def _base(
    x: np.ndarray, y: np.ndarray, factors: np.ndarray, room: tuple[np.ndarray, np.ndarray]
) -> float | None:
    """What is added to the columns of x (n, d) times factors (d,), so that y (n,) is as little below and above it as
    it may be; None where nothing does."""
    rest = y - x @ factors
    least, most = float((rest - room[1]).max()), float((rest + room[0]).min())
    if least > most:
        return None
    return 0.0 if least <= 0 <= most else roundest(least, most)


def _within(
    x: np.ndarray, y: np.ndarray, near: np.ndarray, room: tuple[np.ndarray, np.ndarray]
) -> np.ndarray | None:
    """The same factors (d,), of all that rounding leaves open: None where it leaves none.

    They are a polytope around `near` (d,), far smaller than the deviations of a regression say. What is open least is
    told first, and each as plain as those before it allow.
    """
    middle, size = x.mean(axis=0), x.std(axis=0) + 1e-300
    rest = y - y.mean() - (x - middle) @ near
    order = np.argsort(rest, kind="stable")
    rows = np.unique(np.concatenate([order[:ENDS], order[-ENDS:]]))
    planes = np.column_stack([(x[rows] - middle) / size, np.ones(len(rows))])
    unit = max(float((room[0] + room[1]).max()), 1e-300)
    limits = np.concatenate([rest[rows] + room[0][rows], room[1][rows] - rest[rows]]) / unit
    sides, d = np.concatenate([planes, -planes]), x.shape[1]
    fixed: list[tuple[float | None, float | None]] = [(None, None)] * (d + 1)

    def ends(j: int) -> tuple[float, float] | None:
        """Between which numbers a factor can be, beside those that are fixed."""
        cost = np.eye(d + 1)[j]
        found = [linprog(sign * cost, sides, limits, bounds=fixed, method="highs") for sign in (1, -1)]
        if not all(each.success for each in found):
            return None
        low, high = (float(near[j] + np.asarray(each.x)[j] * unit / size[j]) for each in found)
        return (low, high) if low * high > 0 else None

    open_: dict[int, tuple[float, float]] = {}
    for j in range(d):
        if (found := ends(j)) is None:
            return None
        open_[j] = found
    plain = near.copy()
    for j in sorted(open_, key=lambda j: np.ptp(open_[j]) / abs(near[j])):
        if (found := ends(j)) is None:
            return None
        plain[j] = plainest(*found)
        fixed[j] = (float((plain[j] - near[j]) * size[j] / unit),) * 2
    return plain
