"""Labels of rows to draw, one after the other, however many: nothing depends on how they are taken."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from tabstep.diffusion.noise import KINDS, stream

AT_ONCE = 2**16  # labels that are left out at once


class Labels(Protocol):
    """An endless sequence of labels."""

    def take(self, n: int) -> Tensor:
        """The next n of them, (n,) int64."""
        ...


class Random:
    """Labels drawn by weight, the same for every sampler at a seed.

    weights  (classes,) not negative, such as training counts; 0 for a label that must not come
    """

    def __init__(self, weights: Tensor, seed: int) -> None:
        self._weights = weights.to(torch.float64)
        self._generator = stream(seed, KINDS["labels"])
        self._left = torch.empty(0, dtype=torch.int64)

    def take(self, n: int) -> Tensor:
        drawn, wanted = self._left, n - len(self._left)
        if wanted > 0:
            # Never alone: one label takes another path through torch than the first of several.
            more = torch.multinomial(
                self._weights, max(wanted, 2), replacement=True, generator=self._generator
            )
            drawn = torch.cat([drawn, more])
        self._left = drawn[n:]
        return drawn[:n]


class Turns:
    """Labels that take turns, so that each comes as often as any other, up to one.

    labels  (m,) int64, those that come
    """

    def __init__(self, labels: Tensor) -> None:
        self._labels, self._taken = labels, 0

    def take(self, n: int) -> Tensor:
        places = (self._taken + torch.arange(n)) % len(self._labels)
        self._taken = (self._taken + n) % len(self._labels)
        return self._labels[places]


class Each:
    """Every label so many times, one after the other, as for the particles of a row.

    n of `take` is a multiple of `times`.
    """

    def __init__(self, labels: Labels, times: int) -> None:
        self._labels, self._times = labels, times

    def take(self, n: int) -> Tensor:
        return self._labels.take(n // self._times).repeat_interleave(self._times)


def skip(labels: Labels, n: int) -> None:
    """Leave out the next n labels."""
    for i in range(0, n, AT_ONCE):
        labels.take(min(AT_ONCE, n - i))
