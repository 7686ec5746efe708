"""The columns of a table that arithmetic makes of others, see `data.arithmetic`.

A factor is the one with the fewest digits, its own or its inverse's, that no row contradicts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import POWERS, Product, Rated, Scaled, Total, power, slack
from tabstep.data.comparable import plain
from tabstep.data.constraints import Sum, broken
from tabstep.data.counted import RELATIVE, counted, roundest
from tabstep.data.labelled import labelled
from tabstep.data.lines import (
    FEWEST,
    bounds,
    factor_of,
    independent,
    is_none_of,
    on_lines,
    plainest,
    through,
    ways,
)
from tabstep.data.strongest import one_of_each
from tabstep.data.together import together

MOST = 40  # columns among which products are looked for: their number grows with the third power
MANY = 10  # values of what is a multiple by label
FEW = 4  # values of what it is one of
MOST_SUMMED = 60  # columns that are looked at for totals
BLANK = 10  # rows in which a part of a sum is missing beside another, and in which it is not
FIRST = 256  # rows that candidates are tried on before all are
COARSE = 5  # steps of its grid that a number must vary by, to be a line in a product
SAME = 1e-9  # of its size, by which a column is off those that tell it


def scaled(frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float]) -> Iterator[Scaled]:
    """Numbers that are multiples of others, with an offset or without: of two the one with fewer values is made."""
    distinct = {name: frame[name].nunique() for name in numbers}
    times = {name for name in numbers if frame[name].dtype.kind in "mM"}
    known = sorted(
        (name for name in numbers if distinct[name] >= FEWEST),
        key=lambda name: (name not in times, -distinct[name]),
    )
    x = {name: counted(frame[name]) for name in known}
    head = np.column_stack([x[name][:FIRST] for name in known]) if known else np.empty((0, 0))
    for i, by in enumerate(known):
        near = on_lines(head[:, i], head, np.array([steps[name] for name in known]))
        for k in np.flatnonzero(near):
            of = known[k]
            if of == by or of in times or not _is_finer(x[by], x[of], same=bool(k > i)):
                continue
            if line := through(x[by], x[of], steps[of]):
                rule = Scaled(by, of, *line, steps[of], steps[by])
                if not rule.breaks(frame).any():
                    yield rule


def _is_finer(x: np.ndarray, y: np.ndarray, *, same: bool) -> bool:
    """Whether x (n,) has more values than y (n,) where both are there; where it has as many, what is said."""
    there = ~np.isnan(x) & ~np.isnan(y)
    own, other = len(np.unique(x[there])), len(np.unique(y[there]))
    return own > other or (own == other and same)


def totals(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], given: Collection[str]
) -> Iterator[Total]:
    """Numbers that are what smaller ones come to, none of which is such a total itself.

    The coefficients of an exact regression on all smaller columns are 1, 0 and -1. Columns that others determine are
    left out, or they would not be told: totals, and of those that are `given` the ones that no rounding sets apart, as
    it does a tax in cents from a tenth of the price.
    """
    known = [name for name in numbers if frame[name].dtype.kind in "iuf"][:MOST_SUMMED]
    x = frame[known].to_numpy(np.float64)
    with np.errstate(all="ignore"):
        size = np.nanmean(np.abs(x), axis=0)
    order = sorted(range(len(known)), key=lambda k: size[k])
    taken: set[str] = set()
    for place, k in enumerate(order):
        if known[k] in given:
            continue
        smaller = [j for j in order[:place] if known[j] not in taken and size[j] > 0]
        own = [j for j in smaller if known[j] not in given]
        others = [j for j in smaller if known[j] in given]
        for among, found in _told(x, k, own, others, steps[known[k]]):
            parts = [(known[j], sign) for j, sign in zip(among, found[0], strict=True) if sign]
            if len(parts) < 2 + (found[1] == 0):
                continue
            parts.sort(key=lambda part: known.index(part[0]))
            names, signs = zip(*parts, strict=True)
            gives = sorted(names, key=lambda name: -size[known.index(name)])  # the largest has most room
            grids = tuple(steps[name] for name in names)
            rule = Total(names, signs, found[1], known[k], steps[known[k]], grids, (known[k], *gives))
            rule = replace(rule, zero=zeros(rule, frame))
            if not rule.breaks(frame).any():
                taken.add(known[k])
                yield rule
                break


def _told(
    x: np.ndarray, k: int, own: list[int], others: list[int], step: float
) -> Iterator[tuple[list[int], tuple[tuple[int, ...], float]]]:
    """Columns of x (n, d) and their coefficients by which they may come to column k: by whole rows, then with 0 for
    gaps."""
    tried = [(x, {*own, *others})]
    if np.isnan(x[:, own + others]).any():
        there = {(own + others)[i] for i in together(x[~np.isnan(x[:, k])][:, own + others])[0]}
        tried += [(x, there), (np.nan_to_num(x), {*own, *others})]
    for filled, names in tried:
        first, last = ([j for j in every if j in names] for every in (own, others))
        apart = [(first + last)[i] for i in _apart(filled[:, first + last])]
        # Of rounded totals small columns of others are not told.
        for among in (apart, first) if apart != first else (first,):
            found = _signs(filled[:, among], x[:, k], step) if len(among) > 1 else None
            if found is not None:
                yield among, found


def _apart(x: np.ndarray) -> list[int]:
    """Which columns of x (n, d), in order, are no combination of a constant and those before them."""
    return independent(x[~np.isnan(x).any(axis=1)][: FIRST + 4 * x.shape[1]], SAME)


def zeros(rule: Sum | Total, frame: pd.DataFrame) -> tuple[str, ...]:
    """The parts of a sum whose gaps count as 0 in every row, where `BLANK` rows show it, and as many that it is one."""
    parts = [rule.first, rule.second] if isinstance(rule, Sum) else list(rule.parts)
    names = tuple(name for name in parts if frame[name].dtype.kind in "iuf" and frame[name].isna().any())
    if not names:
        return ()
    there = frame[parts].notna() & frame[[rule.columns[-1]]].notna().to_numpy()
    for name in names:
        beside = there.drop(columns=name).any(axis=1)
        if min((beside & there[name]).sum(), (beside & ~there[name]).sum()) < BLANK:
            return ()
    return () if broken(replace(rule, zero=names), frame).any() else names


def _signs(x: np.ndarray, y: np.ndarray, step: float) -> tuple[tuple[int, ...], float] | None:
    """The coefficients (d,) of y (n,) on x (n, d), each 1, -1 or 0, and what is added; None where these do not do."""
    there = np.flatnonzero(~np.isnan(x).any(axis=1) & ~np.isnan(y))[: FIRST + 4 * x.shape[1]]
    if len(there) < 2 * x.shape[1]:
        return None
    x, y = x[there], y[there]
    scale = np.append(np.abs(x).mean(axis=0) + 1e-300, max(float(np.abs(y).mean()), 1e-300))
    whole = np.column_stack([x, np.full(len(x), scale[-1])]) / scale
    try:
        found = np.linalg.lstsq(whole, y, rcond=None)[0] / scale
    except np.linalg.LinAlgError:
        return None
    signs, base = np.round(found[:-1]), float(found[-1] * scale[-1])
    if not np.abs(found[:-1] - signs).max() <= 1e-3 or np.abs(signs).max() != 1:
        return None
    near = max(0.5 * step, RELATIVE * float(scale[-1]))
    base = 0.0 if abs(base) <= near else roundest(base - near, base + near)
    return tuple(int(sign) for sign in signs), base


def rated(
    frame: pd.DataFrame, numbers: Sequence[str], few: Sequence[str], steps: Mapping[str, float]
) -> Iterator[Rated]:
    """Numbers that are others times a factor by a label or a number of few values, and by no shuffled one."""
    distinct = {name: frame[name].nunique() for name in numbers if frame[name].dtype.kind in "iuf"}
    many = [name for name in distinct if distinct[name] >= FEW]
    many = sorted(many, key=lambda name: distinct[name] < MANY)[:MOST]
    every = frame[many].to_numpy(np.float64)
    for on, marks, values in labelled(frame, few):
        y, codes = every[marks >= 0], marks[marks >= 0]
        by_step = np.array([steps[name] for name in many]) + RELATIVE * np.abs(y)
        if not 2 <= len(values) <= len(codes) - max(MANY, len(values)):
            continue  # of each value one row says its factor
        head = slice(FIRST)
        shuffled = np.random.default_rng(0).permutation(codes)
        for i, by in enumerate(many):
            x = y[:, i]
            near = in_all(_levels_fit(x[head], y[head], by_step[head], codes[head]), len(many))
            near = near & np.array([name not in (on, by) and distinct[name] >= MANY for name in many])
            if not near.any() or not _vary(x, codes):
                continue
            for k in np.flatnonzero(near):
                of = many[k]
                others = np.array([*_levels_fit(x, y[:, [k]], by_step[:, [k]], shuffled)])
                if by == on or others.mean() > 0.5 or not _vary(y[:, k], codes):
                    continue  # what the label tells alone is no multiple by it
                for down in ways(steps[of]):
                    factors = [
                        _rate(x[codes == c], y[codes == c, k], steps[of], down) for c in range(len(values))
                    ]
                    if any(f is None for f in factors) or len(set(factors)) < 2:
                        continue
                    pairs = tuple((plain(v), f) for v, f in zip(values, factors, strict=True))
                    rule = Rated(on, by, of, pairs, down, steps[of], steps[by])  # type: ignore[arg-type]
                    if not rule.breaks(frame).any():
                        yield rule
                        break


def _vary(x: np.ndarray, codes: np.ndarray) -> bool:
    """Whether x (n,) has values enough within some codes (n,) to show factors: of each code one says its factor.

    A city's people and its wages are a multiple of one another in every city, whatever they are.
    """
    shown = ~np.isnan(x) & (x != 0)
    pairs = len(np.unique(np.column_stack([codes, x])[shown], axis=0))
    told = len(np.unique(codes[shown]))
    return pairs - told >= max(MANY, told)


def _levels_fit(x: np.ndarray, y: np.ndarray, by: np.ndarray, codes: np.ndarray) -> Iterator[np.ndarray]:
    """For each value of some codes (n,), which columns y (n, d) can be within `by` (n, d) of a multiple of x (n,)."""
    for at in places(codes):
        yield np.less_equal(*bounds(x[at, None], y[at] - by[at], y[at] + by[at]))


def in_all(found: Iterable[np.ndarray], d: int) -> np.ndarray:
    """Which of d columns are in all of what is found (d,), no more of which is looked at than says so."""
    all_ = np.ones(d, bool)
    for each in found:
        all_ &= each
        if not all_.any():
            break
    return all_


def places(codes: np.ndarray) -> list[np.ndarray]:
    """The rows of each of some codes (n,)."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def _rate(x: np.ndarray, y: np.ndarray, step: float, down: bool) -> float | None:
    """A factor of y (n,) on the grid `step` as a multiple of x (n,), 0 where that does; None for none."""
    there = ~np.isnan(x) & ~np.isnan(y)
    if not there.any():
        return 1.0
    below, above = slack(y[there], step, down=down)
    low, high = (
        float(bound[0])
        for bound in bounds(x[there, None], (y[there] - above)[:, None], (y[there] + below)[:, None])
    )
    if low > high:
        return None
    if low <= 0 <= high:
        return 0.0
    return plainest(low, high)


def products(frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float]) -> list[Product]:
    """Numbers that are products, ratios or such with a square of two others, first those without a factor, and last
    those to which something is added: a change in percent, a bill with a fee."""
    known = [name for name in numbers if frame[name].dtype.kind != "M" and frame[name].nunique() >= FEWEST]
    known = known[:MOST]
    x = {name: counted(frame[name]) for name in known}
    made = [name for name in known if frame[name].dtype.kind != "m"]
    if len(known) < 3:
        return []
    median = {name: max(float(np.nanmedian(np.abs(x[name]))), 1e-300) for name in known}
    head = (
        np.column_stack([x[name][:FIRST] for name in made]) if made else np.empty((min(FIRST, len(frame)), 0))
    )
    grids = np.array([steps[name] for name in made])
    varied = np.array([float(np.nanstd(x[name])) > COARSE * steps[name] for name in made], dtype=bool)
    found: list[Product] = []
    for powers in POWERS:
        pairs = combinations(known, 2) if powers == (1, 1) else permutations(known, 2)
        for first, second in pairs:
            few = power(x[first][:FIRST], x[second][:FIRST], powers)
            for k in np.flatnonzero(_may_be_made(few, head, grids, varied)):
                of = made[k]
                if of in (first, second):
                    continue
                both = power(x[first], x[second], powers)
                if is_none_of(x[of], both, x[first], x[second]):
                    continue
                line = _made_of(both, x[of], steps[of])
                if line:
                    factor, offset, down = line
                    grid = steps[first], steps[second]
                    coarse = abs(powers[1]) * grid[1] / median[second] - grid[0] / median[first]
                    gives = (of, first, second) if coarse >= 0 else (of, second, first)
                    rule = Product(
                        first, second, of, powers, factor, down, steps[of], grid, gives, offset=offset
                    )
                    found += [] if rule.breaks(frame).any() else [rule]
    found.sort(key=lambda rule: (rule.offset != 0, abs(rule.factor) != 1))  # stable
    return one_of_each(found, frame)


def _made_of(x: np.ndarray, y: np.ndarray, step: float) -> tuple[float, float, bool] | None:
    """Factor, offset and whether it rounds down, of y (n,) as a multiple of x (n,) or else a line in it; None for none.

    A line has two numbers to choose: of what rounding leaves little it says nothing.
    """
    if multiple := factor_of(x, y, step):
        return multiple[0], 0.0, multiple[1]
    shown = y[~np.isnan(y) & ~np.isnan(x)]
    if not len(shown) or shown.std() < COARSE * step:
        return None
    return through(x, y, step)


def _may_be_made(x: np.ndarray, head: np.ndarray, steps: np.ndarray, varied: np.ndarray) -> np.ndarray:
    """Which columns (d,) of some rows (m, d) can be one multiple of x (m,), or a line in it where they are `varied`
    (d,), up to a step of their grids."""
    by = steps + RELATIVE * np.abs(head)
    low, high = bounds(x[:, None], head - by, head + by)
    found = (low <= high) & (np.sign(low) == np.sign(high)) & (low != 0)
    lines = np.flatnonzero(varied & ~found)
    found[lines] = on_lines(x, head[:, lines], steps[lines])
    return np.asarray(found)
