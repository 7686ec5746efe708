"""The ragged layout of categorical columns: one flat axis of sum(K) entries, in groups of equal K."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """`members` neighbouring columns of K classes: `columns` of (n, d_c), `flat` of (n, sum K)."""

    columns: slice
    flat: slice
    members: int
    K: int


@dataclass(frozen=True)
class Blocks:
    """Class counts of the categorical columns, in table order.

    Normalisation is per column by reshaping a group to (n, members, K): no padding, and no difference of
    cumulative sums, which loses small probabilities in float32.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(K < 2 for K in self.sizes):
            raise ValueError(f"a categorical column needs at least 2 classes, got {self.sizes}")

    @property
    def width(self) -> int:
        return sum(self.sizes)

    @property
    def groups(self) -> tuple[Group, ...]:
        out, column, flat = [], 0, 0
        for K, run in groupby(self.sizes):
            count = len(list(run))
            out.append(Group(slice(column, column + count), slice(flat, flat + count * K), count, K))
            column, flat = column + count, flat + count * K
        return tuple(out)

    def each(self, flat: Tensor) -> Iterator[tuple[Group, Tensor]]:
        """Pairs of a group and its (n, members, K) view of a flat (n, sum K) tensor."""
        for group in self.groups:
            yield group, flat[:, group.flat].view(len(flat), group.members, group.K)

    def log_softmax(self, logits: Tensor) -> Tensor:
        """Normalise each column of (n, sum K) logits."""
        if not self.sizes:
            return logits
        parts = [view.log_softmax(-1).flatten(1) for _, view in self.each(logits)]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def one_hot(self, c: Tensor, dtype: torch.dtype) -> Tensor:
        """(n, d_c) class indices to (n, sum K); rows that are one-hot already pass."""
        if c.is_floating_point():
            return c
        out = torch.zeros(len(c), self.width, dtype=dtype, device=c.device)
        return out.scatter_(1, c + self.offsets(c.device), 1.0) if self.sizes else out

    def offsets(self, device: torch.device) -> Tensor:
        """First flat index of each column, (d_c,); not to be changed."""
        return _offsets(self.sizes, device)

    def argmax(self, logits: Tensor, noise: Tensor) -> Tensor:
        """One class per column, (n, d_c), by the Gumbel-max trick: exact draws when `noise` is Gumbel."""
        if not self.sizes:
            return torch.empty(len(logits), 0, dtype=torch.int64, device=logits.device)
        return torch.cat([view.argmax(-1) for _, view in self.each(logits + noise)], 1)

    def sum(self, flat: Tensor) -> Tensor:
        """The sum over the classes of each column of a flat (n, sum K) tensor, (n, d_c)."""
        # A product with ones reads memory in order, where a sum over a short last axis does not.
        parts = [(view @ view.new_ones(g.K)) for g, view in self.each(flat)]
        return torch.cat(parts, 1) if parts else flat[:, :0]

    def spread(self, values: Tensor) -> Tensor:
        """A value a column, (n, d_c), at each of its classes, a new (n, sum K)."""
        if not self.sizes:
            return values
        parts = [values[:, g.columns].repeat_interleave(g.K, 1) for g in self.groups]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def map(self, log_p: Tensor, c: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Apply `function((n, g, K), (n, g)) -> (n, g, K)` to every group of a flat tensor."""
        if not self.sizes:
            return log_p
        return torch.cat([function(view, c[:, g.columns]).flatten(1) for g, view in self.each(log_p)], 1)

    def counts(self, device: torch.device) -> Tensor:
        """How many classes each column has, (d_c,) int64; not to be changed."""
        return _counts(self.sizes, device)

    def at(self, flat: Tensor, c: Tensor) -> Tensor:
        """Entries (n, d_c) of a flat (n, sum K) tensor at the classes c (n, d_c)."""
        return flat.gather(1, c + self.offsets(flat.device)) if self.sizes else flat[:, :0]


@lru_cache(maxsize=64)
def _offsets(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    counts = _counts(sizes, device)
    with torch.inference_mode(False):
        return counts.cumsum(0) - counts


@lru_cache(maxsize=64)
def _counts(sizes: tuple[int, ...], device: torch.device) -> Tensor:
    """Made once for a device, which would wait for what comes from outside; usable in training wherever it was made."""
    with torch.inference_mode(False):
        return torch.tensor(sizes, dtype=torch.int64, device=device)
