"""Numbers and times that lie within other ends by what another column has: who may drive is 18 or more."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.classes import OTHER, Class, called, coded
from tabstep.data.counted import counted, on_grid, shifted

MOST_SAID = 3  # sentences in words
DAY = 86400.0


@dataclass(frozen=True)
class Within:
    """Where `on` has a class, `of` lies within the ends of that.

    ranges  (class of `on`, share of the training rows, least, most) of each; times in seconds since 1970
    ends    the least and the most of `of` in any row
    step    of the grid of `of`: 10^-decimals of numbers, seconds of times, 0 where values are continuous
    dtype   the kind of `of`: f for numbers, M for times, m for lengths of time
    """

    on: str
    of: str
    ranges: tuple[tuple[Class, float, float, float], ...]
    ends: tuple[float, float]
    step: float
    dtype: str

    @property
    def columns(self) -> tuple[str, ...]:
        return self.on, self.of

    def __str__(self) -> str:
        alike: dict[str, list[Class]] = {}
        for kind, _, low, high in self.ranges:
            least = f"at least {self._shown(low)}" if low > self.ends[0] else ""
            most = f"at most {self._shown(high)}" if high < self.ends[1] else ""
            if least or most:
                alike.setdefault(" and ".join(filter(None, (least, most))), []).append(kind)
        kinds = [kind for kind, *_ in self.ranges]
        said = [
            f"where {called(self.on, those, kinds)}, {self.of} is {ends}" for ends, those in alike.items()
        ]
        if len(said) > MOST_SAID:
            return f"{self.on} says at least or at most of {self.of} in {sum(map(len, alike.values()))} of its values"
        return "; ".join(said)

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units lie beyond (n,) bool."""
        x, (low, high) = counted(frame[self.of]), self._ends(frame)
        return np.asarray(((x < low) & (low > self.ends[0])) | ((x > high) & (high < self.ends[1])))

    def mended(
        self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str], numbers: bool = False
    ) -> pd.DataFrame:
        """The frame within the ends in rows that are `wrong`.

        In half of them `on` has another class that goes with the number, by the shares of those. In the others the
        number is as far on the other side of the end as it was beyond. Where one is fixed, the other moves; with
        `numbers` that does if it can.
        """
        rows = np.flatnonzero(wrong)
        x = counted(frame[self.of])[rows]
        low, high = (end[rows] for end in self._ends(frame))
        goes = np.array([(x >= least) & (x <= most) for _, _, least, most in self.ranges]).T
        shares = np.array([0.0 if kind == OTHER else share for kind, share, *_ in self.ranges])
        free = self.of not in fixed
        others = goes * shares * (self.on not in fixed and not (numbers and free))
        others = others / np.maximum(others.sum(axis=1, keepdims=True), 1e-300)
        options = np.column_stack([others, np.full(len(rows), float(free))])
        can = options.any(axis=1)
        if not can.any():
            return frame
        taken = np.full(len(rows), -1)
        taken[can] = instead.places(frame.iloc[rows[can]], options[can])
        new = frame[self.on].copy()
        mine = (taken >= 0) & (taken < len(self.ranges))
        given = pd.Series([self.ranges[i][0] for i in taken[mine]], dtype=object).astype(new.dtype)
        new.iloc[rows[mine]] = given.to_numpy()
        there = np.zeros(len(frame), dtype=bool)
        there[rows[taken == len(self.ranges)]] = True
        turned = np.zeros(len(frame))
        turned[rows] = np.clip(np.where(x < low, 2 * low - x, 2 * high - x), low, high) - x
        if self.dtype != "f" and self.step > DAY:  # of months and years that would be another day
            turned[rows] = np.clip(x, low, high) - x
        frame = frame.assign(**{self.on: new})
        return instead.put(frame, self.of, self._moved(frame[self.of], turned), there)

    def _moved(self, values: pd.Series[Any], by: np.ndarray) -> Any:
        return shifted(values, by) if self.dtype != "f" else on_grid(values + by, self.step)

    def _ends(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """What `on` says of each row: the least and the most (n,), of what was never seen no ends."""
        codes = coded(frame[self.on], [kind for kind, *_ in self.ranges])
        low, high = np.array([[least, most] for *_, least, most in self.ranges] + [[-np.inf, np.inf]]).T
        return low[codes], high[codes]

    def _shown(self, value: float) -> str:
        if self.dtype == "f":
            return f"{value:.12g}"
        if self.dtype == "m":
            return str(pd.Timedelta(value, unit="s"))
        return str(pd.Timestamp(value, unit="s")).removesuffix(" 00:00:00")
