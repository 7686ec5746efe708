"""Rules between columns that hold in every row: one below another, and how far below, sums, copies, codes of one
another, labels that are never the same, gaps by label, values that never come together, numbers within ends by label.

They are told from a frame in which columns compare (`data.comparable`): numbers, times and lengths of time, and labels
of any kind. Rules are found by `constraint_search.find` and kept by `keeping.keep`. Those of columns that dates or
numbers make are in `data.derived`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import counted_as_zero
from tabstep.data.barred import Barred
from tabstep.data.comparable import plain
from tabstep.data.counted import RELATIVE, Seen, counted
from tabstep.data.derived import Derived
from tabstep.data.one_of import OneOf
from tabstep.data.spaced import Spaced
from tabstep.data.within import Within

MOST_SHOWN = 4  # labels in words


@dataclass(frozen=True)
class Order:
    """`low` is at most `high`, or below it where `strict`.

    steps  of the two grids: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    """

    low: str
    high: str
    strict: bool
    steps: tuple[float, float]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.low, self.high

    def __str__(self) -> str:
        return f"{self.low} {'<' if self.strict else '<='} {self.high}"


@dataclass(frozen=True)
class Sum:
    """`first` + `second` = `total`; a length of time may be added to a time. `steps` as of `Order`, of all three.

    zero  the parts whose gaps count as 0
    seen  (name, least, largest) of the three, of times in seconds
    """

    first: str
    second: str
    total: str
    steps: tuple[float, float, float]
    zero: tuple[str, ...] = ()
    seen: Seen = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second, self.total

    def __str__(self) -> str:
        return f"{self.first} + {self.second} = {self.total}{counted_as_zero(self.zero)}"

    def parts(self, frame: pd.DataFrame) -> tuple[Any, Any]:
        """Both parts, with 0 for the gaps that count as it."""
        first, second = (
            frame[n].fillna(0) if n in self.zero else frame[n] for n in (self.first, self.second)
        )
        return first, second

    @property
    def terms(self) -> tuple[tuple[str, int, float], ...]:
        return (self.second, 1, self.steps[1]), (self.first, 1, self.steps[0])

    @property
    def whole(self) -> tuple[str, float]:
        return self.total, self.steps[2]

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        """What the two come to (n,), of times in seconds; NaN for gaps."""
        first, second = self.parts(frame)
        return np.asarray(counted(first) + counted(second))


@dataclass(frozen=True)
class Same:
    """Two columns of equal numbers or times, gaps included."""

    first: str
    second: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second

    def __str__(self) -> str:
        return f"{self.first} = {self.second}"


@dataclass(frozen=True)
class Codes:
    """The labels of `on` determine `of`, a column of labels or numbers.

    pairs       (label, value) of every label that was seen, None for a gap
    one_to_one  whether `of` determines `on` as well
    gaps        whether a gap says nothing: beside a label that has a value it may be missing
    """

    on: str
    of: str
    pairs: tuple[tuple[str | None, str | float | None], ...]
    one_to_one: bool
    gaps: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return self.on, self.of

    def __str__(self) -> str:
        where = ", where both are there" if self.gaps else ""
        if self.one_to_one:
            return f"{self.on} and {self.of} are codes of one another{where}"
        return f"{self.on} determines {self.of}{where}"


@dataclass(frozen=True)
class Unlike:
    """`first` and `second` never have the same label: the teams of a match, the two ends of a journey.

    shares  (label, share) of those that both have, over both columns
    """

    first: str
    second: str
    shares: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if len(self.shares) < 2:
            raise ValueError(f"a rule with labels {self.shares}, expected two or more")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second

    def __str__(self) -> str:
        return f"{self.first} is never {self.second}"


@dataclass(frozen=True)
class Gaps:
    """`of`, numbers or times, is missing where `on` is one of `labels`, None for a gap, and nowhere else."""

    on: str
    of: str
    labels: tuple[str | None, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.on, self.of

    def missing(self, labels: Iterable[Any]) -> np.ndarray:
        """Where the rule wants a gap, (n,) bool."""
        return np.array([plain(label) in self.labels for label in labels], dtype=bool)

    def __str__(self) -> str:
        if len(self.labels) > MOST_SHOWN:
            return f"{self.on} says where {self.of} is missing"
        shown = " or ".join("missing" if label is None else label for label in self.labels)
        return f"{self.of} is missing where {self.on} is {shown}, and nowhere else"


Constraint = Order | Spaced | Sum | Same | Codes | Unlike | Gaps | Barred | OneOf | Within | Derived
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Constraint)}


def broken(constraint: Constraint, frame: pd.DataFrame) -> np.ndarray:
    """Which rows of a frame in common units break a rule (n,) bool; one with a gap breaks no order, and no sum in which
    it does not count as 0."""
    match constraint:
        case Order(low, high, strict, _):
            a, b = frame[low], frame[high]
            return np.asarray(((a >= b) if strict else (a > b)) & a.notna() & b.notna())
        case Sum(_, _, total, steps):
            (a, b), c = constraint.parts(frame), frame[total]
            there = (a.notna() & b.notna() & c.notna()).to_numpy()
            return np.asarray(there & ~equal(a + b, c, _slack(steps, (a, b, c))))
        case Same(first, second):
            a, b = frame[first], frame[second]
            return np.asarray(~((a == b) | (a.isna() & b.isna())))
        case Codes(on, of, pairs, _, gaps):
            codes, labels = pd.factorize(frame[on], use_na_sentinel=False)
            found, values = pd.factorize(frame[of], use_na_sentinel=False)
            place = {plain(value): i for i, value in enumerate(values)}
            wanted = [place.get(value, -1) for value in told(labels, pairs)]
            known = [value is not UNSEEN for value in told(labels, pairs)]
            off = np.array(known, bool)[codes] & (np.array(wanted, int)[codes] != found)
            return np.asarray(off & frame[of].notna().to_numpy() if gaps else off)
        case Unlike(first, second, _):
            a, b = frame[first], frame[second]
            return np.asarray((a == b) & a.notna() & b.notna())
        case Gaps(on, of, _):
            return np.asarray(constraint.missing(frame[on]) != frame[of].isna().to_numpy())
        case _:
            return constraint.breaks(frame)


def made(rules: Iterable[Constraint]) -> set[str]:
    """The columns that others make: what dates, numbers and arithmetic tell, and sums."""
    return {
        rule.total if isinstance(rule, Sum) else rule.of for rule in rules if isinstance(rule, Derived | Sum)
    }


def share_kept(constraint: Constraint, frame: pd.DataFrame) -> float:
    """Share of rows that keep a rule; see `broken`. 1 where there are no rows."""
    wrong = broken(constraint, frame)
    return 1.0 - float(wrong.mean()) if len(wrong) else 1.0


UNSEEN = object()


def told(labels: Iterable[Any], pairs: tuple[tuple[Any, Any], ...]) -> list[Any]:
    """What each label determines, `UNSEEN` for a label that the training rows lack."""
    known = dict(pairs)
    return [known.get(plain(label), UNSEEN) for label in labels]


def equal(a: Any, b: Any, slack: Any) -> np.ndarray:
    """Where two Series are the same: times exactly, numbers up to `slack`."""
    if a.dtype.kind in "mM":
        return np.asarray(a == b)
    return np.asarray((a - b).abs() <= slack)


def _slack(steps: tuple[float, ...], of: tuple[Any, ...]) -> Any:
    """How far a sum of floats may be off: less than half a step of the grid, which says that it is exact there."""
    if of[0].dtype.kind in "mM":
        return 0
    if min(steps) > 0:
        return 0.49 * min(steps)
    return RELATIVE * np.max([column.abs() for column in of], axis=0)


def to_json(constraint: Constraint) -> dict[str, Any]:
    """A rule as plain values."""
    return {"kind": type(constraint).__name__, **asdict(constraint)}


def from_json(data: Mapping[str, Any]) -> Constraint:
    """The inverse of `to_json`. Raises ValueError for what it did not write."""
    fields = {key: _tuples(value) for key, value in data.items() if key != "kind"}
    try:
        made: Constraint = KINDS[data["kind"]](**fields)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no rule as this version writes them: {error!r}") from error
    return made


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
