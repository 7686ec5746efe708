"""Rows given some of their columns: the ancestral sampler as a particle filter (Trippe et al. 2023, Wu et al. 2023).

To overwrite the known columns with their noised values at each step, as inpainting does, is not to condition on
them: the other columns learn of a value only while it is near, and a category says nothing before it jumps. Here
each row is followed by many particles, which are weighted by what they make of the known columns and drawn anew
when few of them carry the weight. With exact predictions the rows are exact as particles and steps become many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Prediction, Process, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Steps


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of n rows: encoded `x` (n, d_num) and `c` (n, d_c), and by masks of their shapes, which of them."""

    x: Tensor
    c: Tensor
    has_x: Tensor
    has_c: Tensor

    def repeat(self, times: int) -> Known:
        """Each row so many times, one after the other."""
        return Known(*(part.repeat_interleave(times, 0) for part in (self.x, self.c, self.has_x, self.has_c)))

    def batches(self, size: int) -> Iterator[tuple[int, Known]]:
        """The rows in batches, each with the index of its first."""
        for i in range(0, len(self.x), size):
            yield i, Known(*(part[i : i + size] for part in (self.x, self.c, self.has_x, self.has_c)))


class Completed(NamedTuple):
    """Encoded rows as a `State`, and how well each was drawn.

    effective  (n,) as how many even particles a row's were worth where that was least, 1 .. M: few say that the row
               follows its condition roughly
    """

    x: Tensor
    c: Tensor
    y: Tensor | None
    effective: Tensor

    @property
    def state(self) -> State:
        return State(self.x, self.c, self.y)


@torch.inference_mode()
def complete(
    process: Process, path: Steps, known: Known, noise: Noise, rows: Noise, y: Tensor | None
) -> Completed:
    """One row for each of n known ones, with what is known in place.

    Numbers: all particles of a row share the path of its known ones, drawn from q(x_s | x_t, x_0), and are weighted
    by the density of its next point (replacement). Categories: a particle moves as it would, and is weighted by the
    gain in psi_t = pi_full(c_0), the chance that it ends in the known classes (twisting); at 0 it is put in them, which
    by then takes no weight.

    noise  of n * M particles
    rows   of the n rows, for what their particles share
    y      (n * M,) labels, the known one for all particles of a row or draws of their prior; or None
    """
    n, M = rows.n, noise.n // rows.n
    each, at = known.repeat(M), process.schedule.at
    a_T = at(path[0])
    here = math.sqrt(a_T) * known.x + math.sqrt(1 - a_T) * rows.x_T()
    state = process.prior(noise, y)
    state = state._replace(x=torch.where(each.has_x, here.repeat_interleave(M, 0), state.x))
    seen, psi = _look(process, state, path[0], each)
    log_w, least = psi, _effective(psi.view(n, M))
    for t, s in pairwise(path):
        step = gaussian.posterior(at(t), at(s))
        here = step.on_x0 * known.x + step.on_xt * here + math.sqrt(step.small) * rows.normal()
        there = here.repeat_interleave(M, 0)
        mean = step.on_x0 * seen.x0_hat + step.on_xt * state.x
        x = torch.where(each.has_x, there, mean + math.sqrt(step.small) * noise.normal())
        c = process.posterior_classes(seen.scores, state.c, t, s, noise)
        if s == 0:
            state = State(x, torch.where(each.has_c, each.c, c), state.y)
            break
        state = State(x, c, state.y)
        misfit = (there - mean).square() / (2 * step.small)
        seen, ahead = _look(process, state, s, each)
        log_w = log_w + ahead - psi - torch.where(each.has_x, misfit, 0.0).sum(1)
        least = least.minimum(_effective(log_w.view(n, M)))
        kept = _resampled(log_w.view(n, M), rows.choice())
        state = State(state.x[kept], state.c[kept], None if state.y is None else state.y[kept])
        seen, psi = Prediction(*(part[kept] for part in seen)), ahead[kept]
        log_w = torch.where(_worn(log_w.view(n, M)), 0.0, log_w.view(n, M)).flatten()
    one = _place(log_w.view(n, M).softmax(1), rows.choice()).flatten() + M * torch.arange(
        n, device=log_w.device
    )
    return Completed(state.x[one], state.c[one], None if state.y is None else state.y[one], least)


def _look(process: Process, state: State, t: int, known: Known) -> tuple[Prediction, Tensor]:
    """One network call, and log psi_t (n,), by its `scores`."""
    seen = process.predict(state, t, clip_x0=True)
    full = process.log_full(seen.scores, state.c, t)
    return seen, torch.where(known.has_c, process.blocks.at(full, known.c), 0.0).sum(1)


def _effective(log_w: Tensor) -> Tensor:
    """As how many even particles those of each row (n, M) are worth, (n,)."""
    return 1 / log_w.softmax(1).square().sum(1)


def _worn(log_w: Tensor) -> Tensor:
    """Rows (n, 1) whose particles (n, M) are worth fewer than half as many even ones."""
    return log_w.softmax(1).square().sum(1, keepdim=True) * log_w.shape[1] > 2


def _resampled(log_w: Tensor, u: Tensor) -> Tensor:
    """Particles (n * M,) to go on with: drawn by weight, systematically, in worn rows, as they are in the others."""
    n, M = log_w.shape
    own = torch.arange(M, device=log_w.device)
    drawn = _place(log_w.softmax(1), (u + own) / M)
    return (
        torch.where(_worn(log_w), drawn, own) + M * torch.arange(n, device=log_w.device).unsqueeze(1)
    ).flatten()


def _place(weight: Tensor, u: Tensor) -> Tensor:
    """Where in the cumulated weights (n, M) the numbers u (n, m) in [0, 1) fall."""
    return torch.searchsorted(weight.cumsum(1), u.contiguous()).clamp(max=weight.shape[1] - 1)
