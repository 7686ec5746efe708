"""All randomness of a draw, keyed by row: other batch sizes, other samplers, the same noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tabstep.diffusion.blocks import Blocks

ROWS_PER_KEY = 2048  # rows that share one random stream; changing it changes every sample

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

NUMPY: dict[torch.dtype, type[np.floating[Any]]] = {torch.float32: np.float32, torch.float64: np.float64}


def stream(seed: int, *key: int) -> torch.Generator:
    """An independent CPU generator for a seed and a key (numpy's SeedSequence keeps them apart)."""
    state = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


@dataclass
class Noise:
    """Noise for rows `start .. start + n` of the draw with this seed.

    Each kind has its own stream for each step and each key of rows: two samplers that walk the same path share it, a
    categorical column more does not shift the numeric noise, and the first rows of a key are made without the others,
    so that one row costs what one row needs. Generated on the CPU and then moved, so every device sees the same
    numbers. A call gives the next step's noise.

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
        self._steps: dict[str, int] = {}
        self._secrets: dict[str, np.ndarray] = {}
        self._left = {kind: iter(known) for kind, known in self.told.items()}

    def _next(self, kind: str, width: int, draw: Callable[[np.random.Generator, int], np.ndarray]) -> Tensor:
        """`draw(generator, count)` gives that many numbers one after the other, so that rows are a prefix."""
        if kind in self._left:
            known: Tensor = next(self._left[kind])
            return known
        step = self._steps.get(kind, 0)
        self._steps[kind] = step + 1
        if kind not in self._secrets:
            sequence = np.random.SeedSequence(self.seed, spawn_key=(KINDS[kind],))
            self._secrets[kind] = sequence.generate_state(2, np.uint64)
        parts = []
        for key, wanted in self.spans():
            # The lowest word counts numbers within the stream, the others say which stream it is.
            bits = np.random.Philox(key=self._secrets[kind], counter=(0, step, key, 0))
            drawn = draw(np.random.Generator(bits), wanted.stop * width).reshape(wanted.stop, width)
            parts.append(torch.from_numpy(drawn[wanted]))
        return (torch.cat(parts) if len(parts) > 1 else parts[0]).to(self.device)

    def spans(self) -> Iterator[tuple[int, slice]]:
        """The keys of these rows, each with those of its `ROWS_PER_KEY` rows that are among them."""
        end = self.start + self.n
        for first in range(self.start // ROWS_PER_KEY * ROWS_PER_KEY, end, ROWS_PER_KEY):
            yield (
                first // ROWS_PER_KEY,
                slice(max(0, self.start - first), min(ROWS_PER_KEY, end - first)),
            )

    def beginning(self, x: Tensor, c: Tensor) -> Noise:
        """The same noise for a path that begins at these rows, not in pure noise."""
        return replace(self, told={"x_T": x.unsqueeze(0), "c_T": c.unsqueeze(0)})

    def apart(self, d_num: int) -> Noise:
        """Noise for another generator of the same rows, of that many numbers, independent of this one."""
        state = np.random.SeedSequence(self.seed, spawn_key=(KINDS["apart"],)).generate_state(1)
        return replace(self, seed=int(state[0]), d_num=d_num, told={})

    def x_T(self) -> Tensor:
        """Standard normal start of the numeric columns, (n, d_num)."""
        return self._normal("x_T")

    def c_T(self) -> Tensor:
        """Uniform start of the categorical columns, (n, d_c) int64."""
        sizes = np.array(self.blocks.sizes, dtype=np.int64)

        def draw(generator: np.random.Generator, count: int) -> np.ndarray:
            u = generator.random(count).reshape(-1, max(1, len(sizes)))
            classes: np.ndarray = (u * sizes).astype(np.int64)
            return classes

        return self._next("c_T", len(sizes), draw)

    def normal(self) -> Tensor:
        """The next step's standard normal noise, (n, d_num)."""
        return self._normal("normal")

    def uniform(self) -> Tensor:
        """The next step's uniform noise, one number a categorical column, (n, d_c)."""
        return self._uniform("uniform", len(self.blocks.sizes))

    def keep(self) -> Tensor:
        """Uniform noise that says which classes of clean rows survive the forward process, (n, d_c)."""
        return self._uniform("keep", len(self.blocks.sizes))

    def choice(self) -> Tensor:
        """Uniform noise, one number a row, (n, 1)."""
        return self._uniform("choice", 1)

    def gumbel(self) -> Tensor:
        """The next step's Gumbel noise, one number a class, (n, sum K)."""
        dtype = NUMPY[self.dtype]

        def draw(generator: np.random.Generator, count: int) -> np.ndarray:
            e = generator.standard_exponential(count, dtype=dtype)
            return np.negative(np.log(np.maximum(e, np.finfo(dtype).tiny, out=e), out=e), out=e)

        return self._next("gumbel", self.blocks.width, draw)

    def _normal(self, kind: str) -> Tensor:
        dtype = NUMPY[self.dtype]
        return self._next(kind, self.d_num, lambda g, k: g.standard_normal(k, dtype=dtype))

    def _uniform(self, kind: str, width: int) -> Tensor:
        dtype = NUMPY[self.dtype]
        return self._next(kind, width, lambda g, k: g.random(k, dtype=dtype))
