"""What a grid or a sampler may use while it prepares, and where costly tables of a fitted model are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import uuid4

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.nelbo import Variance

Steps = tuple[int, ...]
"""A path: K + 1 times, strictly falling from T to 0: K network evaluations, at all but the last."""


@dataclass
class Artifacts:
    """Tables computed once per fitted model; kept in `folder`, or in memory where there is none.

    borrowed_s  seconds that others paid for what was read here; the harness adds them to the price of preparing
    """

    folder: Path | None = None
    borrowed_s: float = 0.0
    _memory: dict[str, Mapping[str, Tensor]] = field(default_factory=dict)

    def tensors(self, name: str, make: Callable[[], Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        """The tensors of this name, from memory, from disk, or made now. `name` must say all that determines them."""
        if name in self._memory:
            return self._memory[name]
        path = None if self.folder is None else self.folder / f"{name}.safetensors"
        if path is not None and path.exists():
            with safe_open(path, "pt") as file:
                self.borrowed_s += float(file.metadata()["seconds"])
                found: Mapping[str, Tensor] = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        else:
            start = time.perf_counter()
            found = make()
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
                whole = {key: value.contiguous().cpu() for key, value in found.items()}
                save_file(whole, fresh, {"seconds": str(time.perf_counter() - start)})
                fresh.replace(path)
        self._memory[name] = found
        return found


@dataclass(frozen=True, eq=False)
class Setting:
    """A fitted process and what goes with it. Test rows are never here.

    train, held  encoded training rows, and validation rows for what is measured or chosen; None where a model is
                 used without its data
    variance     of the numeric reverse step, for grids that are optimal for one
    clip_x0      as the sampler clips
    """

    process: Process
    train: State | None = None
    held: State | None = None
    seed: int = 0
    variance: Variance = "analytic"
    clip_x0: bool = True
    artifacts: Artifacts = field(default_factory=Artifacts)

    @property
    def T(self) -> int:
        return self.process.T

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


class Sampler(Protocol):
    """A frozen dataclass of options. `grid` names its default grid."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def grid(self) -> str: ...

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Do once what does not depend on the rows to draw; its time is `prepare_s`."""
        ...
