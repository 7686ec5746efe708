"""Columns that arithmetic makes of others: other units and zeros, products and ratios, rates by label, totals.

They are rules as those of `data.derived`: `breaks` says which rows are off, `made` what the last column
must be, `moved` where a column that makes it must go.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain
from tabstep.data.counted import RELATIVE, Seen, counted, fits, on_grid, seen_of, shifted

MOST_SHOWN = 4  # values in words
DIGITS = 12  # that are shown of a factor
POWERS = ((1, 1), (1, -1), (1, 2), (1, -2))
Pairs = tuple[tuple[str | float | None, float], ...]
"""Values of a column, None for a gap, and the number that each says."""

SIGNS = {(1, 1): "{} x {}", (1, -1): "{} / {}", (1, 2): "{} x {}^2", (1, -2): "{} / {}^2"}


class Made:
    """A rule by which numbers `of` are others, to the nearest on their grid, or the next lower where `down`.

    step  of that grid, 10^-decimals; 0 for continuous numbers
    seen  (name, least, largest) of columns of numbers, in seconds of lengths of time; those of others may be any
    """

    of: str
    down: bool
    step: float
    seen: Seen

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that make it, and `of`."""
        raise NotImplementedError

    def beyond(self, name: str, values: pd.Series[Any]) -> np.ndarray:
        """Which numbers (n,) of a column lie outside those that were seen."""
        x, found = counted(values), np.zeros(len(values), bool)
        for low, high in (ends for of, *ends in self.seen if of == name):
            near = RELATIVE * max(abs(low), abs(high))
            found |= (x < low - near) | (x > high + near)
        return found

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        """The numbers (n,) before they are rounded, NaN for gaps and where there are none."""
        raise NotImplementedError

    def aimed(self, frame: pd.DataFrame) -> np.ndarray:
        """Numbers (n,) that are surely rounded to those of `of`: the middle of what is rounded down to them."""
        wanted = counted(frame[self.of])
        return wanted + 0.5 * self.step if self.down else wanted

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        exact, shown = self.exact(frame), counted(frame[self.of])
        low, high = slack(exact, self.step, down=self.down)
        off = (shown < exact - low) | (shown > exact + high)
        return np.asarray(off & ~np.isnan(exact) & ~np.isnan(shown))

    def made(self, frame: pd.DataFrame) -> pd.Series[Any]:
        exact = self.exact(frame)
        if self.down:
            exact = np.floor(exact / self.step + RELATIVE) * self.step
        return pd.Series(on_grid(pd.Series(exact, index=frame.index), self.step))


class MadeOfOne(Made):
    """The same of numbers of one other column, `by`."""

    by: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.by, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.by


class ByLabel:
    """A rule by which another column, `by`, makes `of`, as the value of `on` says, a label or a number."""

    on: str
    by: str
    of: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.on, self.by, self.of

    @property
    def gives(self) -> tuple[str, ...]:
        return self.of, self.by


class MadeByLabel(ByLabel, Made):
    """The same of numbers."""


@dataclass(frozen=True)
class Scaled(MadeOfOne):
    """`of` is `factor` times the numbers, or the seconds of the times, of `by`, and `offset`."""

    by: str
    of: str
    factor: float
    offset: float
    down: bool
    step: float
    grid: float  # of `by`
    seen: Seen = ()

    def __post_init__(self) -> None:
        check(self.factor)

    def __str__(self) -> str:
        return f"{self.of} = {line(self.factor, self.by, self.offset)}{rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return self.factor * counted(frame[self.by]) + self.offset

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; what was left over by rounding stays, where the grid of `by` has room."""
        exact, wanted = self.exact(frame), frame[self.of].to_numpy(np.float64)
        low, high = (0.0, self.step) if self.down else (-0.5 * self.step, 0.5 * self.step)
        room = min(0.5 * self.grid * abs(self.factor), 0.5 * self.step)
        left = np.clip(exact - self.made(frame).to_numpy(np.float64), low + room, high - room)
        by = (wanted + left - exact) / self.factor
        if frame[name].dtype.kind in "mM":
            return shifted(frame[name], by)
        return pd.Series(on_grid(frame[name] + by, self.grid))


@dataclass(frozen=True)
class Product(Made):
    """`of` is `offset` and `factor` times `first` times a power, by `powers`, of `second`; lengths of time count in
    seconds.

    gives  `of`, and then first the one of the two whose grid leaves the smaller steps of `of`
    """

    first: str
    second: str
    of: str
    powers: tuple[int, int]
    factor: float
    down: bool
    step: float
    grids: tuple[float, float]  # of the other two
    gives: tuple[str, ...]
    seen: Seen = ()
    offset: float = 0.0

    def __post_init__(self) -> None:
        check(self.factor)
        if not math.isfinite(self.offset):
            raise ValueError(f"a rule with offset {self.offset!r}, expected a finite number")
        if self.powers not in POWERS:
            raise ValueError(f"a rule with powers {self.powers}, expected one of {POWERS}")

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second, self.of

    def __str__(self) -> str:
        both = SIGNS[self.powers].format(self.first, self.second)
        return f"{self.of} = {line(self.factor, both, self.offset)}{rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        both = power(counted(frame[self.first]), counted(frame[self.second]), self.powers)
        return self.factor * both + self.offset

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """One of the two so that `of` is as it is; it stays where no number would do."""
        k = (self.first, self.second).index(name)
        own, column = self.powers[k], frame[name]
        wanted = self.aimed(frame) - self.offset
        others = counted(frame[self.columns[1 - k]]), 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = self.factor * power(*others, (self.powers[1 - k], 1))
            to = (wanted / rest) ** (1 / own)
        now = counted(column)
        to = np.where(np.isfinite(to), np.copysign(to, now) if own % 2 == 0 else to, now)
        if column.dtype.kind in "mM":
            return shifted(column, to - now)
        return pd.Series(on_grid(pd.Series(to, index=frame.index), self.grids[k]))


@dataclass(frozen=True)
class Rated(MadeByLabel):
    """`of` is `by` times a factor that the value of `on`, a label or a number, tells: a tax by country, a discount.

    pairs  (value, factor) of every value that was seen, None for a gap
    """

    on: str
    by: str
    of: str
    pairs: Pairs
    down: bool
    step: float
    grid: float  # of `by`
    seen: Seen = ()

    def __str__(self) -> str:
        shown = ", ".join(
            f"{value_in_words(value)}: {factor:.{DIGITS}g}" for value, factor in self.pairs[:MOST_SHOWN]
        )
        more = ", .." if len(self.pairs) > MOST_SHOWN else ""
        return f"{self.of} = {self.by} times a factor by {self.on} ({shown}{more}){rounded(self.down)}"

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(said(frame[self.on], self.pairs) * counted(frame[self.by]))

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """`by` so that `of` is as it is; it stays where the factor is 0."""
        factors, wanted = said(frame[self.on], self.pairs), self.aimed(frame)
        with np.errstate(divide="ignore", invalid="ignore"):
            to = wanted / factors
        return pd.Series(on_grid(frame[name].where(~np.isfinite(to), to), self.grid))


@dataclass(frozen=True)
class Total(Made):
    """`of` is `base` and what two columns of numbers or more come to, each with its sign.

    Of two without a base it is `constraints.Sum`.

    zero  the parts whose gaps count as 0
    """

    parts: tuple[str, ...]
    signs: tuple[int, ...]
    base: float
    of: str
    step: float
    grids: tuple[float, ...]  # of the parts
    gives: tuple[str, ...]
    seen: Seen = ()
    zero: tuple[str, ...] = ()
    down = False

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.signs) or not set(self.signs) <= {-1, 1}:
            raise ValueError(f"a rule with signs {self.signs}, expected 1 or -1 for each of {self.parts}")

    @property
    def columns(self) -> tuple[str, ...]:
        return *self.parts, self.of

    def __str__(self) -> str:
        signed = zip(self.signs, self.parts, strict=True)
        shown = "".join(f" {'+' if sign > 0 else '-'} {name}" for sign, name in signed)
        told = f"{self.base:.{DIGITS}g}{shown}" if self.base else shown.removeprefix(" + ").strip()
        return f"{self.of} = {told}{counted_as_zero(self.zero)}"

    def turned(self) -> Iterator[Total]:
        """The same rule with a part as what is made, the largest first, where its grid has room and no gap is 0."""
        for part in (name for name in self.gives if name != self.of and not self.zero):
            k = self.parts.index(part)
            sign, others = self.signs[k], [j for j in range(len(self.parts)) if j != k]
            grids = (self.step, *(self.grids[j] for j in others))
            if all(fits(grid, self.grids[k]) for grid in grids):
                names = (self.of, *(self.parts[j] for j in others))
                signs = (sign, *(-sign * self.signs[j] for j in others))
                gives = (part, *(name for name in self.gives if name != part))
                yield Total(
                    names, signs, 0.0 - sign * self.base, part, self.grids[k], grids, gives, self.seen
                )

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        columns = (self._counted(frame, p) for p in self.parts)
        return self.base + np.asarray(
            sum(s * column.to_numpy(np.float64) for s, column in zip(self.signs, columns, strict=True))
        )

    @property
    def terms(self) -> tuple[tuple[str, int, float], ...]:
        of = zip(self.parts, self.signs, self.grids, strict=True)
        return tuple(sorted(of, key=lambda term: self.gives.index(term[0])))

    @property
    def whole(self) -> tuple[str, float]:
        return self.of, self.step

    def shared(self, frame: pd.DataFrame, free: Collection[str]) -> pd.DataFrame:
        """The frame with the free parts of one sign in one proportion, so that they come to `of` but for rounding."""
        signed = {p: s for p, s in zip(self.parts, self.signs, strict=True) if p in free}
        plus, minus = ([p for p in signed if signed[p] == sign] for sign in (1, -1))
        open_ = frame[self.of].to_numpy(np.float64) - self.exact(frame)
        with np.errstate(all="ignore"):
            up = 1 + open_ / frame[plus].sum(axis=1).to_numpy(np.float64)
            down = 1 - open_ / frame[minus].sum(axis=1).to_numpy(np.float64)
        by_plus = np.isfinite(up) & (up > 0)
        by_minus = ~by_plus & np.isfinite(down) & (down > 0)
        for names, factor, rows in ((plus, up, by_plus), (minus, down, by_minus)):
            for name in names:
                scaled = on_grid(frame[name] * factor, self.grids[self.parts.index(name)])
                frame = frame.assign(**{name: frame[name].where(~rows, scaled)})
        return frame

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        k = self.parts.index(name)
        by = self.signs[k] * (frame[self.of].to_numpy(np.float64) - self.exact(frame))
        return pd.Series(on_grid(self._counted(frame, name) + by, self.grids[k]))

    def _counted(self, frame: pd.DataFrame, part: str) -> pd.Series[Any]:
        """A part, with 0 for the gaps that count as it."""
        return frame[part].fillna(0) if part in self.zero else frame[part]


def said(column: pd.Series[Any], pairs: Pairs) -> np.ndarray:
    """The number (n,) that each value of a column says, NaN where the value was not seen."""
    known: dict[Any, float] = dict(pairs)
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return np.array([known.get(plain(value), np.nan) for value in values], dtype=np.float64)[codes]


def power(a: Any, b: Any, powers: tuple[int, int]) -> np.ndarray:
    """a^p b^q (n,), NaN where that is no number."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = a ** float(powers[0]) * b ** float(powers[1])
    return np.where(np.isfinite(found), found, np.nan)


def slack(exact: np.ndarray, step: float, *, down: bool) -> tuple[np.ndarray, np.ndarray]:
    """How far (n,) numbers on a grid may be below and above what they are of."""
    near = RELATIVE * (np.abs(exact) if step == 0 else np.full(len(exact), step))
    near = near + 1e-12 * np.abs(exact)
    return (step + near, near) if down else (0.5 * step + near, 0.5 * step + near)


def check(factor: float) -> None:
    """Raises ValueError for a factor that is none."""
    if not math.isfinite(factor) or factor == 0:
        raise ValueError(f"a rule with factor {factor!r}, expected a finite number, not 0")


def check_scales(scales: tuple[float, float], *known: Mapping[float, str]) -> None:
    """Raises ValueError for scales of interest and of time of which one is not among those that are known."""
    if not all(scale in names for scale, names in zip(scales, known, strict=True)):
        raise ValueError(f"a rule with scales {scales}, expected of {[[*names] for names in known]}")


def line(factor: float, by: str, offset: float) -> str:
    """A line in words."""
    if factor == 0:
        return f"{offset:.{DIGITS}g}"
    more = f" {'-' if offset < 0 else '+'} {abs(offset):.{DIGITS}g}" if offset else ""
    return f"{times(factor, by)}{more}"


def times(factor: float, what: str) -> str:
    """A factor in words, or its inverse where that is shorter."""
    times, over = f"{factor:.{DIGITS}g}", f"{1 / factor:.{DIGITS}g}"
    if times == "1":
        return what
    return f"{what} / {over}" if len(over) < len(times) else f"{times} x {what}"


def value_in_words(value: str | float | None) -> str:
    """A value of a column that says numbers."""
    return "missing" if value is None else value if isinstance(value, str) else f"{value:.{DIGITS}g}"


def rounded(down: bool) -> str:
    """What is said of numbers that are rounded down."""
    return ", rounded down" if down else ""


def counted_as_zero(names: Collection[str]) -> str:
    """What is said of columns whose gaps count as 0."""
    return (
        f" (where missing, {' and '.join(names)} count{'' if len(names) > 1 else 's'} as 0)" if names else ""
    )


def bounded(rule: Any, frame: pd.DataFrame) -> Any:
    """A rule that knows what was seen of its columns."""
    return replace(
        rule, seen=seen_of(frame, [name for name in rule.columns if frame[name].dtype.kind in "iufm"])
    )
