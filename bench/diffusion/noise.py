"""All randomness of a draw, keyed by row: other batch sizes, other samplers, the same noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from tabstep.diffusion.blocks import Blocks

ROWS_PER_KEY = 512  # rows that share one random stream; changing it changes every sample

KINDS = {
    "labels": 0,
    "x_T": 1,
    "c_T": 2,
    "normal": 3,
    "uniform": 4,
    "gumbel": 5,
    "keep": 6,
    "apart": 7,
    "choice": 8,
}


def stream(seed: int, *key: int) -> torch.Generator:
    """An independent CPU generator for a seed and a key (numpy's SeedSequence keeps them apart)."""
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


@dataclass
class Noise:
    """Noise for rows `start .. start + n` of the draw with this seed.

    Each kind has its own stream for each key of rows, and each call returns the next step's noise, so two
    samplers that walk the same path share it, and a categorical column more does not shift the numeric noise.
    Generated on the CPU and then moved, so every device sees the same numbers.

    told  by kind, noise that is known (steps, n, width) and given out in this order instead of drawn
    """

    seed: int
    start: int
    n: int
    d_num: int
    blocks: Blocks
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    told: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first, last = self.start // ROWS_PER_KEY, -(-(self.start + self.n) // ROWS_PER_KEY)
        self._keys = range(first, last)
        self._cut = self.start - first * ROWS_PER_KEY
        self._streams: dict[str, list[torch.Generator]] = {}
        self._left = {kind: iter(known) for kind, known in self.told.items()}

    def _next(self, kind: str, make: Callable[[torch.Generator], Tensor]) -> Tensor:
        if kind in self._left:
            known: Tensor = next(self._left[kind])
            return known
        if kind not in self._streams:
            self._streams[kind] = [stream(self.seed, KINDS[kind], key) for key in self._keys]
        parts = [make(generator) for generator in self._streams[kind]]
        return torch.cat(parts)[self._cut : self._cut + self.n].to(self.device)

    def beginning(self, x: Tensor, c: Tensor) -> Noise:
        """The same noise for a path that begins at these rows, not in pure noise."""
        return replace(self, told={"x_T": x.unsqueeze(0), "c_T": c.unsqueeze(0)})

    def apart(self, d_num: int) -> Noise:
        """Noise for another generator of the same rows, of that many numbers, independent of this one."""
        state = np.random.SeedSequence(self.seed, spawn_key=(KINDS["apart"],)).generate_state(1)
        return replace(self, seed=int(state[0]), d_num=d_num, told={})

    def x_T(self) -> Tensor:
        """Standard normal start of the numeric columns, (n, d_num)."""
        return self._next(
            "x_T", lambda g: torch.randn(ROWS_PER_KEY, self.d_num, generator=g, dtype=self.dtype)
        )

    def c_T(self) -> Tensor:
        """Uniform start of the categorical columns, (n, d_c) int64."""

        def make(g: torch.Generator) -> Tensor:
            u = torch.rand(ROWS_PER_KEY, len(self.blocks.sizes), generator=g, dtype=torch.float64)
            return (u * torch.tensor(self.blocks.sizes, dtype=torch.float64)).long()

        return self._next("c_T", make)

    def normal(self) -> Tensor:
        """The next step's standard normal noise, (n, d_num)."""
        return self._next(
            "normal", lambda g: torch.randn(ROWS_PER_KEY, self.d_num, generator=g, dtype=self.dtype)
        )

    def uniform(self) -> Tensor:
        """The next step's uniform noise, one number a categorical column, (n, d_c)."""
        return self._uniform("uniform")

    def keep(self) -> Tensor:
        """Uniform noise that says which classes of clean rows survive the forward process, (n, d_c)."""
        return self._uniform("keep")

    def choice(self) -> Tensor:
        """Uniform noise, one number a row, (n, 1)."""
        return self._uniform("choice", 1)

    def _uniform(self, kind: str, width: int | None = None) -> Tensor:
        numbers = len(self.blocks.sizes) if width is None else width
        return self._next(kind, lambda g: torch.rand(ROWS_PER_KEY, numbers, generator=g, dtype=self.dtype))

    def gumbel(self) -> Tensor:
        """The next step's Gumbel noise, one number a class, (n, sum K)."""

        def make(g: torch.Generator) -> Tensor:
            e = torch.empty(ROWS_PER_KEY, self.blocks.width, dtype=self.dtype).exponential_(generator=g)
            return e.clamp_(min=torch.finfo(self.dtype).tiny).log_().neg_()

        return self._next("gumbel", make)
