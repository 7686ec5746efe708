"""Numbers that are products of powers of others, see `data.powers`: sums, of logarithms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import POWERS
from tabstep.data.lines import factor_of, independent, is_none_of
from tabstep.data.powers import Powers, Term, value

FEWEST = 3  # values of a column
MOST = 40  # columns that are looked at
MOST_TERMS = 4
FIRST = 4096  # rows among which powers are told
ROWS = 256  # of them, and 4 for each column: those in which rounding hides least
THERE = 0.9  # share of numbers that are not 0, of what has a logarithm
NEAR = 0.1  # by which fitted powers may be off multiples of a half; whether they are right, all rows say
SAME = 1e-6  # of its size, by which a column is off those that tell it


def powers(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    steps: Mapping[str, float],
    made: Callable[[str], bool],
    told: Callable[[str], bool],
) -> Iterator[Powers]:
    """Rules that hold in all rows, at most one for each column; none that is of another kind.

    made  whether others make a column
    told  whether they do, or it is a total of a sum that may be turned round: such are tried as factors where those
          that make them do not do, and before them. The gross amount says nearly what the net one does, and what is
          made of quantity and price is hard to see beside it
    """
    known = [n for n in numbers if frame[n].dtype.kind in "iuf" and frame[n].nunique() >= FEWEST][:MOST]
    x = {name: frame[name].to_numpy(np.float64) for name in known}
    plain = {name: term for name in known if _has_logarithm(value(term := (name, 0.0, 1.0, 1.0), x[name]))}
    left = {sign: _left(x, sign) for sign in (-1.0, 1.0)}
    logs = {term: _log(term, x) for terms in (plain, *left.values()) for term in terms.values()}
    taken: set[str] = set()
    for of in sorted(plain, key=lambda name: -len(np.unique(x[name]))):
        if made(of) or of in taken:
            continue
        own = [name for name in known if name != of and name not in taken]
        first = [name for name in own if not told(name)]
        after = [name for name in own if told(name)]
        tried = [
            [terms[name] for terms in (plain, *beside) for name in among if name in terms]
            for among in (first, [*after, *first])
            for beside in ((), (left[-1.0],), (left[1.0],), tuple(left.values()))
        ]
        for terms in (terms for k, terms in enumerate(tried) if terms and terms not in tried[:k]):
            rule = _rule(frame, of, terms, np.column_stack([logs[t] for t in terms]), logs[plain[of]], steps)
            if rule is not None:
                taken.add(of)
                yield rule
                break


def _log(term: Term, x: Mapping[str, np.ndarray]) -> np.ndarray:
    """The logarithm of the size of a term in the first rows: what sign a product has, all rows say."""
    with np.errstate(all="ignore"):
        return np.asarray(np.log(np.abs(value(term, x[term[0]][:FIRST]))))


def _has_logarithm(x: np.ndarray) -> bool:
    return bool((x[~np.isnan(x)] != 0).mean() >= THERE)


def _left(x: Mapping[str, np.ndarray], sign: float) -> dict[str, Term]:
    """Of shares and of percentages what is left of one, or one and what is added."""
    found = {}
    for name, column in x.items():
        low, high = float(np.nanmin(column)), float(np.nanmax(column))
        if low >= 0 and high < 100:
            found[name] = (name, 1.0, sign if high < 1 else sign / 100, 1.0)
    return found


def _rule(
    frame: pd.DataFrame,
    of: str,
    terms: Sequence[Term],
    logs: np.ndarray,
    target: np.ndarray,
    steps: Mapping[str, float],
) -> Powers | None:
    """The rule by which a column is a product of some of the terms, of which these are the logarithms (m, d) and (m,)
    in the first rows."""
    there = np.flatnonzero(np.isfinite(logs).all(axis=1) & np.isfinite(target))
    there = there[np.argsort(-target[there], kind="stable")][: ROWS + 4 * len(terms)]
    if len(there) < 2 * (len(terms) + 1):
        return None
    found = _fitted(logs[there], target[there])
    told = (
        [(*term[:3], float(p)) for term, p in zip(terms, found, strict=True) if p]
        if found is not None
        else []
    )
    if not told or len(told) > MOST_TERMS or _is_known(told):
        return None
    x, y = [frame[term[0]].to_numpy(np.float64) for term in told], frame[of].to_numpy(np.float64)
    product = np.prod([value(term, column) for term, column in zip(told, x, strict=True)], axis=0)
    product = np.where(np.isfinite(product), product, np.nan)
    line = None if is_none_of(y, product, *x) else factor_of(product, y, steps[of])
    if line is None:
        return None
    names = list(dict.fromkeys(name for name, *_ in told))
    if len(names) < len(told):
        return None
    fine = sorted(told, key=lambda term: _coarse(term, frame[term[0]], steps))
    grids = tuple(steps[name] for name in names)
    rule = Powers(tuple(told), of, *line, steps[of], grids, (of, *(term[0] for term in fine)))
    return None if rule.breaks(frame).any() else rule


def _fitted(logs: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """The powers (d,), multiples of a half, of what a logarithm (n,) is of others (n, d); None where they are none.

    Of columns that tell one another those that come first count.
    """
    among = independent(logs, SAME)
    whole = np.column_stack([logs[:, among], np.ones(len(logs))])
    try:
        raw = np.linalg.lstsq(whole, target, rcond=None)[0][:-1]
    except np.linalg.LinAlgError:
        return None
    found = np.round(2 * raw) / 2
    if not (np.abs(raw - found) <= NEAR).all() or np.abs(found).max(initial=0) > 3:
        return None
    powers = np.zeros(logs.shape[1])
    powers[among] = found
    return powers


def _is_known(terms: Sequence[Term]) -> bool:
    """Whether such a rule is one of another kind: of one column, or a product or ratio of two."""
    own = tuple(sorted((power for *_, power in terms), key=lambda power: power != 1))
    return len(own) == 1 or (all(term[1:3] == (0.0, 1.0) for term in terms) and own in POWERS)


def _coarse(term: Term, column: pd.Series[float], steps: Mapping[str, float]) -> float:
    """By which part `of` changes with a step of a column."""
    name, a, b, power = term
    return abs(power * b) * steps[name] / max(abs(a + b * float(column.median())), 1e-300)
