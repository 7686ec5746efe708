"""How rows are drawn: a sampler, a grid and a budget, each by name, as an object, or from a file of the user's."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Hashable
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Self

from tabstep.api import asked
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.train import Progress
from tabstep.external import own
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.setting import Artifacts, Grid, Sampler, Setting, Steps, Table, path_for

STEPS = 20  # of rows for which none are asked
KEPT = 8  # of the last samplers and budgets asked for

Key = tuple[Hashable, Hashable, int]


@dataclass(frozen=True, eq=False)
class Way:
    """A sampler on a grid with so many evaluations; `said` tells it from others, as JSON has it.

    key  the same within a process, where two functions of one text are two grids
    """

    sampler: Sampler
    grid: Grid
    steps: int
    said: tuple[str, str, int]
    key: Key

    @classmethod
    def of(cls, sampler: Any = DEFAULT_SAMPLER, grid: Any = None, steps: Any = STEPS, *, T: int) -> Self:
        """What a user asks of a model with T steps. The grid is the sampler's own where none is named.

        A sampler is a name of `tabstep list samplers`, an object of docs/adding-a-sampler.md, or `mine.py:Euler`; a
        grid a name, a function, or `mine.py:halves`. Raises ValueError that names the choices.
        """
        walker, walker_said = _sampler(sampler)
        path, path_said = _grid(walker.grid if grid is None else grid)
        steps = asked.whole("steps", steps, 1, T)
        # What is read from a file is another object each time, and known by its text; what is given is known by itself.
        keys = (
            said if given is None or isinstance(given, str) else _itself(item)
            for given, said, item in ((sampler, walker_said, walker), (grid, path_said, path))
        )
        return cls(walker, path, steps, (walker_said, path_said, steps), (*keys, steps))

    @property
    def words(self) -> str:
        """For people."""
        sampler, grid, K = self.said
        return f"{sampler} on {grid}, {K} evaluation{'s' if K > 1 else ''} a row"


@dataclass(frozen=True, eq=False)
class Draws:
    """The draws of a model, each prepared once; they are kept with the model, and go with it.

    held, table  training rows, encoded and as they are, for samplers that measure or learn; None without them
    """

    model: Diffusion
    held: State | None
    table: Table | None
    artifacts: Artifacts
    _kept: dict[Key, Draw] = field(default_factory=dict, repr=False)  # the latest last

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, way: Way, progress: Progress | None = None) -> Draw:
        """The draw of a sampler and a budget; `progress` sees what it trains."""
        draw = self._kept.pop(way.key, None) or self._prepare(way, progress)
        self._kept[way.key] = draw
        for old in list(self._kept)[:-KEPT]:
            del self._kept[old]
        return draw

    def setting(self, progress: Progress | None = None) -> Setting:
        """What samplers are prepared with."""
        return Setting(
            self.model.process,
            train=None if self.table is None else self._training_rows,
            held=self.held,
            artifacts=self.artifacts,
            table=self.table,
            progress=progress,
        )

    def _prepare(self, way: Way, progress: Progress | None) -> Draw:
        setting = self.setting(progress).seen_by(way.sampler)
        return way.sampler.prepare(setting, path_for(way.sampler, way.grid, setting, way.steps))

    def _training_rows(self) -> State:
        """All training rows encoded, once, and only for a sampler that asks."""
        assert self.table is not None
        table = self.table
        rows: State = self.artifacts.kept("encoded training rows", lambda: self.model.encode(table.train))
        return rows


def trailing(model: Diffusion, steps: Any) -> Steps:
    """The path of so many even steps. Raises ValueError."""
    steps = asked.whole("steps", steps, 1, model.schedule.T)
    return GRIDS["trailing"](Setting(model.process), steps)


def _is_place(text: str) -> bool:
    return ":" in text or text.endswith(".py")


def _sampler(given: Any) -> tuple[Sampler, str]:
    if isinstance(given, str) and not _is_place(given):
        return asked.one_of("sampler", given, SAMPLERS), given
    found = own(given, "prepare") if isinstance(given, str) else given
    found = found() if isinstance(found, type) else found
    params = getattr(type(found), "__dataclass_params__", None)
    frozen = params is not None and params.frozen
    if (
        not frozen
        or not callable(getattr(found, "prepare", None))
        or getattr(found, "grid", None) not in GRIDS
    ):
        raise ValueError(
            "sampler must be a name, or a frozen dataclass with prepare(setting, path) and the name of a grid, got "
            f"{given!r}; see docs/adding-a-sampler.md"
        )
    return found, _said(found, type(found))


def _grid(given: Any) -> tuple[Grid, str]:
    if isinstance(given, str) and not _is_place(given):
        return asked.one_of("grid", given, GRIDS), given
    found = own(given) if isinstance(given, str) and ":" in given else given
    if not callable(found) or isinstance(found, type):
        raise ValueError(
            f"grid must be a name, mine.py:function, or a function of a setting and K, got {given!r}"
        )
    return found, _said(found, found if inspect.isfunction(found) else type(found))


@dataclass(frozen=True)
class _ByIdentity:
    """What has no hash, known by being the same."""

    item: Any

    def __hash__(self) -> int:
        return id(self.item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.item is other.item


def _itself(item: Any) -> Hashable:
    try:
        hash(item)
    except TypeError:
        return _ByIdentity(item)
    found: Hashable = item
    return found


def _said(item: Any, code: Any) -> str:
    """What tells an object from others: its settings and the file that defines it."""
    try:
        content = Path(inspect.getsourcefile(code) or "").read_bytes()
    except (TypeError, OSError):  # made in a session or in C: the file is not known
        content = b""
    return (
        f"{code.__qualname__} {item if is_dataclass(item) else ''} {hashlib.sha256(content).hexdigest()[:16]}"
    )
