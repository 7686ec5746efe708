"""A piece of work as the plan hands it out: the cell, what determines its numbers, where its results lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from tabstep.baselines.holdout import hands_out_fresh_rows
from tabstep.contracts import Method
from tabstep.data import own_table
from tabstep.data.settings import told
from tabstep.data.sources import load
from tabstep.data.table import Dataset, Task
from tabstep.external import Code
from tabstep.records import provenance, store
from tabstep.records.store import Cell
from tabstep.registry import GRIDS, METHODS, SAMPLERS, make_method, walks
from tabstep.samplers import space
from tabstep.samplers.setting import Grid, Sampler
from tabstep.suite import Metric

FIT_VERSION = 1  # raise when the same settings, data and seed give another model
DRAW_VERSION = 1  # raise when the same model gives other rows
STEPS_VERSION = (
    2  # raise when only rows drawn step by step are others; 2: noise of any step and row by itself
)

Stage = Literal["fit", "draw", "score"]
Stages = tuple[Stage, ...]
STAGES: Stages = ("fit", "draw", "score")


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from: a card by name, or a file of the user's own with its target."""

    name: str
    mirror: Path | None = None
    archive: str | None = None
    file: Path | None = None
    target: str | None = None
    task: Task | None = None
    drop: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    literal: tuple[str, ...] = ()

    def load(self) -> Dataset:
        """Raises `data.Unreachable` or `cards.DataError`."""
        return _dataset(self)


@lru_cache(maxsize=4)
def _dataset(source: Source) -> Dataset:
    if source.file is not None:
        assert source.target is not None
        return own_table.read(
            source.file,
            source.target,
            source.task,
            drop=source.drop,
            numeric=source.numeric,
            categorical=source.categorical,
            literal=source.literal,
        )
    return load(source.name, mirror=source.mirror, archive=source.archive)


@dataclass(frozen=True)
class Evaluator:
    """Parameters of an evaluator and where they come from ("default", "fast", "tuned", "published")."""

    source: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Job:
    """A cell and everything that determines its numbers.

    evaluator     CatBoost; `beside` are the others that score, by name
    tuned         what `tabstep tune-sampler` found, for a cell whose sampler is "tuned"
    code          where a method from outside comes from; None for one of the registry
    sampler_code, grid_code  the same of the sampler and the grid of the cell
    fit_key, draw_key, key  content hashes: of the fitted model, of the rows, and of the finished cell
    """

    cell: Cell
    source: Source
    settings: Mapping[str, Any]
    rows: int
    evaluator: Evaluator
    eval_seeds: tuple[int, ...]
    task: Task
    dataset_digest: str
    fit_key: str
    draw_key: str
    key: str
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    metrics: tuple[Metric, ...] = ("efficacy",)
    beside: Mapping[str, Evaluator] = field(default_factory=dict)
    tuned: Mapping[str, Any] | None = None
    code: Code | None = None
    sampler_code: Code | None = None
    grid_code: Code | None = None

    @property
    def kind(self) -> type[Any]:
        """The class of the method. Raises `external.NotLoaded`. One from outside belongs in a process of its own."""
        return METHODS[self.cell.method] if self.code is None else self.code.load()

    @property
    def foreign(self) -> bool:
        """Whether the method is from outside."""
        return self.code is not None and self.code.foreign

    @property
    def led(self) -> bool:
        """Whether its network is led by a sampler or a grid from outside."""
        return self.sampler_code is not None or self.grid_code is not None

    @property
    def method(self) -> Method:
        """The method with its settings."""
        return make_method(self.kind, self.settings)

    @property
    def hands_out_fresh_rows(self) -> bool:
        """Whether the method may see half of the test rows, to hand them out; none from outside may."""
        return not self.foreign and hands_out_fresh_rows(self.kind)

    @property
    def given(self) -> dict[str, Any]:
        """All settings of the method; those of one from outside are known without loading it."""
        if self.code is not None and self.code.foreign:
            return self.code.settings
        found: dict[str, Any] = told(self.method)
        return found

    @property
    def last(self) -> int | None:
        """The last step of a diffusion, which is crossed with samplers; None for a method without steps."""
        if self.code is not None and self.code.foreign:
            return self.code.last
        return self.method.last if walks(self.kind) else None  # type: ignore[attr-defined, no-any-return]

    @property
    def sampler(self) -> Sampler | None:
        """That of the cell; None for a method without steps. Raises `external.NotLoaded`; see `kind`."""
        if self.tuned is not None:
            return space.built(self.tuned)
        if self.sampler_code is not None:
            made: Sampler = self.sampler_code.load()()
            return made
        return SAMPLERS[self.cell.sampler] if self.cell.sampler else None

    @property
    def grid(self) -> Grid | None:
        """The same of the grid."""
        if self.grid_code is not None:
            found: Grid = self.grid_code.load()
            return found
        return GRIDS[self.cell.grid] if self.cell.grid else None

    def environment(self) -> dict[str, Any]:
        """Where this process works on the cell, for its record; with the libraries of a method from outside."""
        codes = (self.code, self.sampler_code, self.grid_code)
        own = tuple(sorted({name for code in codes if code is not None for name in code.libraries}))
        where = {"device": self.device, "threads": self.threads, "workers": self.workers}
        return provenance.environment(own) | where

    def describe(self) -> dict[str, Any]:
        """Settings for the record: method, sampler and grid fields, evaluator parameters."""
        return {
            "method": self.given,
            "sampler": self._sampler_told(),
            "evaluator": {"source": self.evaluator.source, **self.evaluator.params},
            "rows": self.rows,
            **({} if self.code is None else {"code": self.code.recorded}),
            **(
                {"beside": {n: {"source": e.source, **e.params} for n, e in self.beside.items()}}
                if self.beside
                else {}
            ),
            **self._grid_told(),
        }

    def _sampler_told(self) -> Any:
        if self.sampler_code is not None:
            return {**self.sampler_code.settings, "code": self.sampler_code.recorded}
        sampler = self.tuned or self.sampler
        return told(sampler) if is_dataclass(sampler) else sampler

    def _grid_told(self) -> dict[str, Any]:
        if self.grid_code is not None:
            return {"grid": {"code": self.grid_code.recorded}}
        return {"grid": told(self.grid)} if is_dataclass(self.grid) else {}


@dataclass(frozen=True)
class Outcome:
    """What a worker tells the parent of a finished cell."""

    cell: Cell
    status: store.Status
    reason: str | None = None


def is_diffusion(job: Job) -> bool:
    return job.last is not None
