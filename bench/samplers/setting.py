"""What a grid or a sampler may use while it prepares, and where costly tables of a fitted model are kept."""

from __future__ import annotations

import hashlib
import json
import operator
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import pairwise
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import pandas as pd
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.data import artifact, plain
from tabstep.data.encode import Encoder
from tabstep.data.settings import told
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.nelbo import Variance
from tabstep.diffusion.train import Progress

Steps = tuple[int, ...]
"""A path: K + 1 times, strictly falling from T, or from an earlier start, to 0: K network evaluations, at all but the
last."""


NOISE = 0.05  # the most signal that may be left where a path begins in pure noise


@dataclass
class Artifacts:
    """What is computed once per fitted model: tables kept in `folder`, or in memory where there is none, and objects
    kept in memory.

    borrowed_s  seconds that others paid for what was read here; the harness adds them to the price of preparing
    """

    folder: Path | None = None
    borrowed_s: float = 0.0
    _memory: dict[str, tuple[Any, float]] = field(default_factory=dict)  # with the seconds that each took
    _charged: set[str] = field(default_factory=set)

    @classmethod
    def holding(cls, tensors: Mapping[str, Mapping[str, Tensor]]) -> Artifacts:
        """Artifacts that begin with tensors by name, free of charge."""
        return cls(_memory={name: (found, 0.0) for name, found in tensors.items()})

    def held(self, name: str) -> Mapping[str, Tensor] | None:
        """The tensors of this name if they are in memory."""
        found: tuple[Any, float] | None = self._memory.get(name)
        return None if found is None else found[0]

    def reader(self) -> Artifacts:
        """The same artifacts for another reader, who owes nothing yet."""
        return Artifacts(self.folder, _memory=self._memory)

    def tensors(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The tensors of this name, from memory, from disk, or made now. `name` must say all that determines them."""
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        known = name in self._memory
        if path is not None and not known and path.exists():
            try:
                text, tensors = artifact.read(path)
                self._memory[name] = tensors, float(text["seconds"])
                known = True
            except artifact.Damaged:  # made again, as one that is not there
                pass
        found: Mapping[str, Tensor] = self.kept(name, make)
        if path is not None and not known:
            artifact.write(path, {"seconds": self._memory[name][1]}, found)
        return found

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """The object of this name, from memory or made now: for what cannot be written as tensors."""
        if name not in self._memory:
            start = time.perf_counter()
            self._memory[name] = make(), time.perf_counter() - start
        elif name not in self._charged:
            self.borrowed_s += self._memory[name][1]
        self._charged.add(name)
        return self._memory[name][0]


def digest(settings: Any) -> str:
    """A short hash of a dataclass of settings, for the names of artifacts.

    Classes from outside, here and within, are told apart by their modules, whose names are of what their files hold.
    """
    plain = told(settings) | {"kind": type(settings).__name__}
    if own := sorted(_from_outside(settings)):
        plain["own"] = own
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def _from_outside(settings: Any) -> Iterator[str]:
    """The classes among settings within settings that are none of this package."""
    if is_dataclass(settings):
        kind = type(settings)
        if kind.__module__.partition(".")[0] != __name__.partition(".")[0]:
            yield f"{kind.__module__}.{kind.__qualname__}"
        for each in fields(settings):
            yield from _from_outside(getattr(settings, each.name))
    elif isinstance(settings, tuple):
        for each in settings:
            yield from _from_outside(each)


@dataclass(frozen=True, eq=False)
class Table:
    """Complete training rows as methods without steps are given them, and the way to the rows of the process."""

    train: pd.DataFrame
    encoder: Encoder


@dataclass(frozen=True, eq=False)
class Setting:
    """A fitted process and what goes with it. Test rows are never here.

    train, held  encoded training rows, or how to have them, and validation rows for what is measured or chosen; None
                 where a model is used without its data
    variance     of the numeric reverse step, for grids that are optimal for one
    solver       whether the sampler that this is seen by has none: its numbers follow a differential equation
    clip_x0      as the sampler clips
    table        the training rows before they were encoded, for samplers that fit another method
    progress     called with (step, steps, loss) while a sampler trains a network
    """

    process: Process
    train: State | Callable[[], State] | None = None
    held: State | None = None
    seed: int = 0
    variance: Variance = "analytic"
    solver: bool = False
    clip_x0: bool = True
    artifacts: Artifacts = field(default_factory=Artifacts)
    table: Table | None = None
    progress: Progress | None = None

    @property
    def T(self) -> int:
        return self.process.T

    def until(self, T: int) -> Setting:
        """The same for a path that begins at an earlier time T."""
        return self if T == self.T else replace(self, process=self.process.until(T))

    def seen_by(self, sampler: Sampler) -> Setting:
        """The same with the variance and the clipping of a sampler, where it has them."""
        variance: Variance | None = getattr(sampler, "variance", None)
        return replace(
            self,
            variance=self.variance if variance is None else variance,
            solver=variance is None,
            clip_x0=getattr(sampler, "clip_x0", self.clip_x0),
        )

    def training_rows(self) -> State:
        """All encoded training rows. Raises `Unsupported` where there are none."""
        rows = self.train() if callable(self.train) else self.train
        if rows is None or len(rows.x) < 2:
            raise Unsupported("this learns from training rows, and there are none")
        return rows

    def rows(self, most: int = 512) -> State:
        """Up to `most` held rows, the first ones. Raises `Unsupported` where there are none."""
        if self.held is None or len(self.held.x) == 0:
            raise Unsupported("this measures the network on held-out rows, and there are none")
        x, c, y = self.held
        return State(x[:most], c[:most], None if y is None else y[:most])


class Grid(Protocol):
    """Choose the times of K evaluations."""

    def __call__(self, setting: Setting, K: int, /) -> Steps:
        """Raises ValueError unless 1 <= K <= T."""
        ...


@runtime_checkable
class Tries(Protocol):
    """A grid that draws rows with the sampler that it is for; without one it is where its search begins."""

    def path_of(self, sampler: Sampler, setting: Setting, K: int, /) -> Steps:
        """The path of K evaluations of this sampler."""
        ...


def name_of(grid: Grid) -> str:
    """A name for artifacts that a grid determines: that of a function, or of a dataclass with its settings."""
    return str(getattr(grid, "__name__", None) or digest(grid))


class Sampler(Protocol):
    """A frozen dataclass of options. `grid` names its default grid."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def grid(self) -> str: ...

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Do once what does not depend on the rows to draw; its time is `prepare_s`."""
        ...


@runtime_checkable
class BeginsEarly(Protocol):
    """A sampler whose paths need not begin in noise; `update` walks them."""

    @property
    def update(self) -> Sampler: ...

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """The path of K evaluations by a grid, from where it begins; (0,) leaves nothing to denoise."""
        ...


def whole_steps(K: Any, T: int) -> int:
    """K as an int. Raises ValueError for anything but a whole number of steps in 1..T."""
    if isinstance(K, bool) or not isinstance(K, Integral):
        raise ValueError(f"steps must be a whole number in 1..{T}, got {K!r}")
    steps = int(K)
    if not 1 <= steps <= T:
        raise ValueError(f"steps must be in 1..{T}, got {steps}")
    return steps


def path_for(sampler: Sampler, grid: Grid, setting: Setting, K: int) -> Steps:
    """The path of K evaluations that `sampler` is prepared with, from where it begins.

    Raises ValueError for steps that are no positive whole number; `Unsupported` for more evaluations than there are
    times, and where the process ends before rows are noise but the sampler begins in noise.
    """
    if isinstance(K, int) and K > setting.T:
        raise Unsupported(f"{K} steps asked of a model with T = {setting.T}")
    K = whole_steps(K, setting.T)
    if isinstance(grid, Tries):
        return grid.path_of(sampler, setting, K)
    if isinstance(sampler, BeginsEarly):
        path = sampler.path(setting, grid, K)
        return path if path == (0,) else checked(path, setting.T, K)
    left = setting.process.schedule.at(setting.T)
    if left > NOISE:
        raise Unsupported(f"the network ends at time {setting.T}, where {left:.0%} of the signal is left")
    return checked(grid(setting.seen_by(sampler), K), setting.T, K)


def checked(path: Any, T: int, K: int) -> Steps:
    """What a grid gave, as a path. Raises ValueError for all but K + 1 whole times that fall from T, or less, to 0."""
    try:
        found = tuple(operator.index(t) for t in path)
    except TypeError:
        found = ()
    if len(found) != K + 1 or found[0] > T or found[-1] != 0 or any(t <= s for t, s in pairwise(found)):
        given = plain.cleaned(repr(path), 200)
        raise ValueError(
            f"a grid must give {K + 1} whole times for {K} evaluations, falling from {T} or less to 0; got {given}"
        )
    return found


def few_from_noise(learned: str, most: int, setting: Setting, path: Steps) -> None:
    """Raises `Unsupported` for a path that numbers are not learned for: of more evaluations, or not from noise."""
    K = len(path) - 1
    if most < K:
        raise Unsupported(f"{learned} are learned for up to {most} evaluations, not for {K}")
    if setting.process.schedule.at(path[0]) > NOISE:
        raise Unsupported(f"{learned} are learned for paths that begin in noise")


def path_from(begin: int, update: Sampler, grid: Grid, setting: Setting, K: int) -> Steps:
    """The path of K evaluations from a time 0..T, (0,) from 0. Raises `Unsupported` where there are too few times."""
    if begin == 0:
        return (0,)
    if begin < K:
        raise Unsupported(f"{K} steps asked of a path that begins at time {begin}")
    return checked(grid(setting.until(begin).seen_by(update), K), begin, K)
