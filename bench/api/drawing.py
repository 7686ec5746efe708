"""Rows of a fitted diffusion, one batch after the other: all of them, or those that meet conditions.

Rows that are drawn and kept where they meet a condition follow the sampler's law given it, exactly; what that costs is
the share that is kept. Where it is small and single values are asked for, particles go on (`samplers.conditional`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tabstep.api.conditions import Condition
from tabstep.api.quota import Quota
from tabstep.data.parts import Known
from tabstep.diffusion.labels import Labels, skip
from tabstep.diffusion.mixed import Draw, State, stacked
from tabstep.diffusion.model import Diffusion
from tabstep.samplers import conditional
from tabstep.samplers.setting import Steps

PART_ROWS = 2**16  # rows of a part of a file, in whole batches
PART_DRAWS = (
    2**14
)  # rows drawn for a part where few are kept: a killed run loses no more, and is heard of as often
FIRST_ROWS = 512  # of the first batch where rows are left out; the next are as large as all before
LOOK = 4096  # drawn rows after which the share that was kept is judged
SELDOM = 0.01  # that share, below which particles meet single values for less
NEVER = (
    4 * LOOK
)  # rows drawn by the network without one to keep, after which none is awaited; particles a tenth

Written = Callable[[pd.DataFrame], pd.DataFrame]
"""Decoded rows in the user's columns."""


class Batch(NamedTuple):
    """The user's rows, and of those that were drawn by particles how many these were worth, (n,)."""

    rows: pd.DataFrame
    effective: np.ndarray | None = None


class Source(Protocol):
    """An endless table that is made in order, each row the same for any way of making it, up to last bits."""

    @property
    def batch_rows(self) -> int:
        """The most rows that are made at once."""
        ...

    def batch(self, start: int, n: int) -> Batch:
        """The rows start .. start + n; calls follow one another without a hole."""
        ...

    def skip(self, n: int) -> None:
        """Go on after the first n rows, which were made elsewhere. Called once, before all batches."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """Rows as a sampler draws them; `labels` in order, None for a model that is not conditioned on one."""

    model: Diffusion
    draw: Draw
    labels: Labels | None
    seed: int
    written: Written

    @property
    def batch_rows(self) -> int:
        return self.model.batch_rows

    def batch(self, start: int, n: int) -> Batch:
        y = None if self.labels is None else self.labels.take(n)
        state = self.model.batch(self.draw, start, n, y, seed=self.seed)
        return Batch(self.written(self.model.encoder.decode(*state)))

    def skip(self, n: int) -> None:
        if self.labels is not None:
            skip(self.labels, n)


@dataclass(frozen=True, eq=False)
class Particles:
    """Rows given encoded values, the same in all.

    known      one row
    particles  that follow each row
    labels     of the particles in order
    """

    model: Diffusion
    path: Steps
    known: conditional.Known
    particles: int
    labels: Labels | None
    seed: int
    written: Written

    @property
    def batch_rows(self) -> int:
        return max(1, self.model.batch_rows // self.particles)

    def batch(self, start: int, n: int) -> Batch:
        y = None if self.labels is None else self.labels.take(n * self.particles)
        found = completed(self.model, self.path, self.known.repeat(n), start, self.particles, y, self.seed)
        rows = self.written(self.model.encoder.decode(*found.state))
        return Batch(rows, found.effective.cpu().numpy())

    def skip(self, n: int) -> None:
        if self.labels is not None:
            skip(self.labels, n * self.particles)


def completed(
    model: Diffusion, path: Steps, known: conditional.Known, start: int, M: int, y: Tensor | None, seed: int
) -> conditional.Completed:
    """The rows start .. of the table that `known` begins, each followed by M particles with labels y (n * M,)."""
    n, process = len(known.x), model.process
    noise = process.noise(seed, start * M, n * M)
    own = process.noise(seed, start, n).apart(process.d_num)
    return conditional.complete(process, path, known, noise, own, None if y is None else y.to(model.device))


def all_completed(
    model: Diffusion, path: Steps, known: conditional.Known, M: int, y: Tensor | None, seed: int
) -> tuple[State, np.ndarray]:
    """All rows of `known`, in batches, and what the particles of each were worth, (n,)."""
    found = []
    for i, few in known.batches(max(1, model.batch_rows // M)):
        labels = None if y is None else y[i * M : (i + len(few.x)) * M]
        found.append(completed(model, path, few, i, M, labels, seed))
    effective = torch.cat([part.effective for part in found])
    return stacked([part.state for part in found]), effective.cpu().numpy()


@dataclass(frozen=True, eq=False)
class All:
    """The first n rows of a source, in parts; `told` is called with how many there are after each batch."""

    source: Source
    n: int
    told: Callable[[int], None]

    def __call__(self, known: Known) -> Iterator[tuple[pd.DataFrame, Known]]:
        done, at_once = known.get("rows", 0), self.source.batch_rows
        self.source.skip(done)
        size = max(1, PART_ROWS // at_once) * at_once
        for start in range(done, self.n, size):
            end = min(start + size, self.n)
            frames = []
            for i in range(start, end, at_once):
                frames.append(self.source.batch(i, min(at_once, end - i)).rows)
                self.told(min(i + at_once, end))
            yield pd.concat(frames, ignore_index=True), {"rows": end}


@dataclass
class Tally:
    """What came of drawing so far, as JSON has it.

    drawn, kept    rows by the network, and those of them that met all
    rare           whether particles go on
    tried, met     rows by particles, and those of them that met all
    effective      sum over the latter of what their particles were worth
    idle           rows drawn since the last that was kept
    counts         rows of each label that is balanced
    """

    rows: int = 0
    drawn: int = 0
    kept: int = 0
    rare: bool = False
    tried: int = 0
    met: int = 0
    effective: float = 0.0
    idle: int = 0
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Kept:
    """The first n rows of a source that meet conditions.

    told   called with how many there are after each batch, also where none came
    quota  of labels that each may come so often
    rare   makes the source of rows given single values, None where none is asked for
    """

    source: Source
    n: int
    conditions: tuple[Condition, ...]
    told: Callable[[int], None]
    quota: Quota | None = None
    rare: Callable[[], Source] | None = None

    def __call__(self, known: Known) -> Iterator[tuple[pd.DataFrame, Known]]:
        tally = Tally(**known)
        source = self.source if not tally.rare else self._rare()
        source.skip(tally.tried if tally.rare else tally.drawn)
        while tally.rows < self.n:
            frames: list[pd.DataFrame] = []
            before = tally.drawn + tally.tried
            while tally.rows < self.n and _is_open(sum(map(len, frames)), tally.drawn + tally.tried - before):
                if self.rare is not None and not tally.rare and _is_seldom(tally):
                    tally.rare, tally.idle, source = True, 0, self._rare()
                frames.append(self._more(source, tally))
                self.told(tally.rows)
            yield pd.concat(frames, ignore_index=True), asdict(tally)

    def _rare(self) -> Source:
        assert self.rare is not None
        return self.rare()

    def _more(self, source: Source, tally: Tally) -> pd.DataFrame:
        """The rows of the next batch that are kept. Raises ValueError where none is to be hoped for."""
        start = tally.tried if tally.rare else tally.drawn
        count = min(max(FIRST_ROWS, start), source.batch_rows)
        rows, effective = source.batch(start, count)
        mask = np.ones(count, dtype=bool)
        for condition in self.conditions:
            mask &= condition.holds(rows)
        if self.quota is not None:
            mask &= self.quota.admits(rows, mask, tally.counts)
        kept = int(mask.sum())  # rows beyond the last count for the share that is kept
        tally.idle = 0 if kept else tally.idle + count
        if tally.rare:
            tally.tried, tally.met = tally.tried + count, tally.met + kept
            assert effective is not None
            tally.effective += float(effective[mask].sum())
        else:
            tally.drawn, tally.kept = tally.drawn + count, tally.kept + kept
        if tally.idle >= (NEVER // 10 if tally.rare else NEVER):
            raise ValueError(self._hopeless(tally))
        wanted = rows[mask].head(self.n - tally.rows)
        tally.rows += len(wanted)
        return wanted

    def _hopeless(self, tally: Tally) -> str:
        asked = " and ".join(c.said for c in self.conditions)
        if self.quota is not None:
            lacking = ", ".join(self.quota.lacking(tally.counts))
            name = self.quota.column.name
            return (
                f"none of {tally.idle:,} drawn rows had {name} = {lacking}{f', {asked}' if asked else ''}; "
                f"a method with steps, fitted with target={name!r}, draws its labels in any number"
            )
        return (
            f"none of {tally.idle:,} drawn rows met {asked}: the model holds that for too rare; "
            "widen the range or leave a condition out"
        )


def _is_open(rows: int, drawn: int) -> bool:
    """Whether a part of so many rows, and that so many were drawn for, goes on."""
    return rows == 0 or (rows < PART_ROWS and drawn < PART_DRAWS)


def _is_seldom(tally: Tally) -> bool:
    return tally.drawn >= LOOK and tally.kept < SELDOM * tally.drawn
