"""What several columns of numbers come to, each times a factor of its own: a mean of them, or a sum."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.arithmetic import Made
from tabstep.data.counted import on_grid


class Summed(Made):
    """`of` is `base` and what `parts` come to by their `coefficients`; where one has a gap there is none.

    grids  of the parts
    gives  `of`, then the parts in the order in which they give way
    """

    parts: tuple[str, ...]
    base: float
    grids: tuple[float, ...]
    gives: tuple[str, ...]

    @property
    def coefficients(self) -> tuple[float, ...]:
        """Of each part, none of them 0."""
        raise NotImplementedError

    @property
    def columns(self) -> tuple[str, ...]:
        return *self.parts, self.of

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        return self.base + np.asarray(
            frame[list(self.parts)].to_numpy(np.float64) @ np.array(self.coefficients)
        )

    def moved(self, name: str, frame: pd.DataFrame) -> pd.Series[Any]:
        """One of the parts so that `of` is as it is, to the nearest on its grid."""
        k = self.parts.index(name)
        by = (self.aimed(frame) - self.exact(frame)) / self.coefficients[k]
        return pd.Series(on_grid(frame[name] + by, self.grids[k]))

    def shared(self, frame: pd.DataFrame, free: Collection[str]) -> pd.DataFrame:
        """The frame with each free part moved by one share of the room that it has to the ends that were seen, so that
        they come to `of` but for rounding, or as near to it as they can; of rounding the first one has what is left."""
        ends = {name: (low, high) for name, low, high in self.seen}
        told = {
            name: (factor, grid)
            for name, factor, grid in zip(self.parts, self.coefficients, self.grids, strict=True)
            if name in free and name in ends
        }
        more = self.aimed(frame) - self.exact(frame)
        to = {name: np.where(more * factor > 0, *ends[name][::-1]) for name, (factor, _) in told.items()}
        room = {name: to[name] - frame[name].to_numpy(np.float64) for name in told}
        with np.errstate(all="ignore"):
            share = more / sum(
                (factor * room[name] for name, (factor, _) in told.items()), np.zeros(len(frame))
            )
        share = np.where(np.isfinite(share), np.clip(share, 0, 1), 0)
        shared = {name: on_grid(frame[name] + share * room[name], grid) for name, (_, grid) in told.items()}
        frame = frame.assign(**shared)
        first, *others = (name for name in self.gives if name in told) if told else [""]
        for name, by in ((name, sign * told[name][1]) for name in others for sign in (1, -1)):
            out = self.beyond(first, self.moved(first, frame))
            other = on_grid(frame[name] + by, told[name][1])
            tried = frame.assign(**{name: other})
            better = out & ~self.beyond(first, self.moved(first, tried)) & ~self.beyond(name, other)
            frame = frame.assign(**{name: frame[name].where(~better, other)})
        return frame
