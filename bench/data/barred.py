"""Values of two columns that never come together: a reason and what was not cancelled, visits and nothing spent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.classes import OTHER, Class, called, coded, listed
from tabstep.data.counted import of_counted

DECILES = 11  # with both ends
MOST_SAID, LONGEST_SAID = 3, 120  # sentences in words, characters of one


@dataclass(frozen=True)
class Barred:
    """No row has both classes of a pair.

    classes  of `first` and of `second`: (class, share of the training rows)
    pairs    (class of `first`, class of `second`)
    deciles  of the numbers of both columns that are in no class of their own, times in seconds; of labels none
    """

    first: str
    second: str
    classes: tuple[tuple[tuple[Class, float], ...], tuple[tuple[Class, float], ...]]
    pairs: tuple[tuple[Class, Class], ...]
    deciles: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    @property
    def columns(self) -> tuple[str, ...]:
        return self.first, self.second

    def __str__(self) -> str:
        first, second = ([kind for kind, _ in classes] for classes in self.classes)
        ways = (
            _said(self.columns, (first, second), self._bars),
            _said(self.columns[::-1], (second, first), self._bars.T),
        )
        said = min(ways, key=len)
        if len(said) > MOST_SAID or max(map(len, said)) > LONGEST_SAID:
            return f"{self.first} and {self.second} have {len(self.pairs)} pairs of values that never come together"
        return "; ".join(said)

    def breaks(self, frame: pd.DataFrame) -> np.ndarray:
        """Which rows of a frame in common units have a pair (n,) bool."""
        a, b = self._codes(frame)
        return np.asarray((a >= 0) & (b >= 0) & self._bars[a, b])

    def bars_gap(self, name: str, frame: pd.DataFrame) -> np.ndarray:
        """Where the other column says that `name` is not missing (n,) bool."""
        bars, gap = self._beside(name, frame)
        return np.asarray(bars[:, gap].any(axis=1))

    def leaves_gap(self, name: str, frame: pd.DataFrame) -> np.ndarray:
        """Where the other column says that `name` is missing (n,) bool."""
        bars, gap = self._beside(name, frame)
        return np.asarray(bars[:, ~gap].all(axis=1) & gap.any())

    def _beside(self, name: str, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """What the other column bars of the classes of `name`, (n, classes) bool, and which of these is a gap."""
        side = self.columns.index(name)
        other = self._codes(frame)[1 - side]
        bars = (self._bars if side else self._bars.T)[other] & (other >= 0)[:, None]
        return bars, np.array([kind is None for kind, _ in self.classes[side]])

    def mended(
        self, frame: pd.DataFrame, wrong: np.ndarray, fixed: Collection[str], numbers: bool = False
    ) -> pd.DataFrame:
        """The frame with another class of one of the two in rows that are `wrong`, of those that may be.

        Their shares tell which. Where both are free, it is one as often as the other; where neither is, none moves. A
        number is made, from one of its deciles, only where nothing else may be, or with `numbers`.
        """
        rows = np.flatnonzero(wrong)
        options = self._options(frame, rows, fixed, numbers)
        last = ~options.any(axis=1)
        options[last] = self._options(frame, rows[last], fixed, numbers=True)
        can = options.any(axis=1)
        rows, options = rows[can], options[can]
        if not len(rows):
            return frame
        few = frame.iloc[rows]
        taken = instead.places(few, options)
        tenth = instead.places(few[few.columns[::-1]], np.ones((len(rows), DECILES)))  # whatever was taken
        first = 0
        for name, classes, deciles in zip(self.columns, self.classes, self.deciles, strict=True):
            for place, (kind, _) in enumerate(classes, first):
                here = taken == place
                if here.any():
                    new = frame[name].copy()
                    new.iloc[rows[here]] = _as(kind, deciles, tenth[here], new)
                    frame = frame.assign(**{name: new})
            first += len(classes)
        return frame

    def _options(
        self, frame: pd.DataFrame, rows: np.ndarray, fixed: Collection[str], numbers: bool
    ) -> np.ndarray:
        """Weights (n, classes of both) of what may come instead; what is in no class has one with `numbers` alone."""
        codes = self._codes(frame.iloc[rows])
        found = []
        for side, name in enumerate(self.columns):
            made = numbers and bool(self.deciles[side])
            shares = np.array(
                [0.0 if kind == OTHER and not made else share for kind, share in self.classes[side]]
            )
            weights = np.where((self._bars if side else self._bars.T)[codes[1 - side]], 0.0, shares)
            found.append(
                weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300) * (name not in fixed)
            )
        for side in (0, 1):
            if numbers and self.deciles[side]:  # labels that several rules pull at stay
                found[1 - side][found[side].any(axis=1) & (not self.deciles[1 - side])] = 0.0
        return np.hstack(found)

    @property
    def _bars(self) -> np.ndarray:
        """Which pairs never are, (classes of `first`, classes of `second`) bool."""
        first, second = ([kind for kind, _ in classes] for classes in self.classes)
        found = np.zeros((len(first), len(second)), dtype=bool)
        for a, b in self.pairs:
            found[first.index(a), second.index(b)] = True
        return found

    def _codes(self, frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        a, b = (
            coded(frame[name], [kind for kind, _ in classes])
            for name, classes in zip(self.columns, self.classes, strict=True)
        )
        return a, b


def _as(kind: Class, deciles: Sequence[float], tenth: np.ndarray, like: pd.Series[Any]) -> Any:
    """Values (n,) of a class as a column has them; of no class, numbers or times by their decile."""
    if kind != OTHER:
        return pd.Series([kind] * len(tenth), dtype=object).astype(like.dtype).to_numpy()
    return of_counted(np.array(deciles)[tenth], like.iloc[:0].reindex(range(len(tenth)))).to_numpy()


def _said(
    names: Sequence[str], kinds: tuple[Sequence[Class], Sequence[Class]], bars: np.ndarray
) -> list[str]:
    """A sentence for the classes of a column that bar the same of another's."""
    alike: dict[tuple[int, ...], list[Class]] = {}
    for kind, barred in zip(kinds[0], bars, strict=True):
        if barred.any():
            alike.setdefault(tuple(np.flatnonzero(barred)), []).append(kind)
    said = []
    for places, those in alike.items():
        never = [kinds[1][i] for i in places]
        may = [kind for kind in kinds[1] if kind not in never]
        rest = (
            f"{names[1]} is never {listed(never)}"
            if OTHER not in (*may, *never) and len(never) < len(may)
            else ""
        )
        said.append(f"where {called(names[0], those, kinds[0])}, {rest or called(names[1], may, kinds[1])}")
    return said
