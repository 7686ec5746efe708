"""Rows of a fitted diffusion, one batch after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from tabstep.data.parts import Known
from tabstep.diffusion.labels import Labels, skip
from tabstep.diffusion.mixed import Draw
from tabstep.diffusion.model import Diffusion

PART_ROWS = 2**16  # rows of a part of a file, in whole batches


class Source(Protocol):
    """An endless table that is made in order, row by row the same for any way of making it."""

    def batch(self, start: int, n: int) -> pd.DataFrame:
        """The rows start .. start + n; calls follow one another without a hole."""
        ...

    def skip(self, n: int) -> None:
        """Go on after the first n rows, which were made elsewhere. Called once, before all batches."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """Rows as a sampler draws them.

    labels   of the rows in order, None for a model that is not conditioned on a label
    written  decoded rows in the user's columns
    """

    model: Diffusion
    draw: Draw
    labels: Labels | None
    seed: int
    written: Callable[[pd.DataFrame], pd.DataFrame]

    def batch(self, start: int, n: int) -> pd.DataFrame:
        y = None if self.labels is None else self.labels.take(n)
        state = self.model.batch(self.draw, start, n, y, seed=self.seed)
        return self.written(self.model.encoder.decode(*state))

    def skip(self, n: int) -> None:
        if self.labels is not None:
            skip(self.labels, n)


@dataclass(frozen=True, eq=False)
class All:
    """The first n rows of a source, in parts.

    batch_rows  rows of a batch: another number gives other last bits
    """

    source: Source
    n: int
    batch_rows: int

    def __call__(self, known: Known) -> Iterator[tuple[pd.DataFrame, Known]]:
        done = known.get("rows", 0)
        self.source.skip(done)
        size = max(1, PART_ROWS // self.batch_rows) * self.batch_rows
        for start in range(done, self.n, size):
            end = min(start + size, self.n)
            frames = [
                self.source.batch(i, min(self.batch_rows, end - i))
                for i in range(start, end, self.batch_rows)
            ]
            yield pd.concat(frames, ignore_index=True), {"rows": end}
