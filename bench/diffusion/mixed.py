"""The diffusion process of a mixed row: what every sampler works on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from tabstep.diffusion import gaussian, multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import Schedule


class State(NamedTuple):
    """Encoded rows: `x` (n, d_num) floats, `c` (n, d_c) int64 classes, `y` (n,) int64 labels or None."""

    x: Tensor
    c: Tensor
    y: Tensor | None


def stacked(parts: Sequence[State]) -> State:
    """All rows of the parts, in order."""
    y = [part.y for part in parts if part.y is not None]
    return State(
        torch.cat([p.x for p in parts]), torch.cat([p.c for p in parts]), torch.cat(y) if y else None
    )


def taken(rows: State, places: Tensor | slice) -> State:
    """The rows at these places, in their order."""
    return State(rows.x[places], rows.c[places], None if rows.y is None else rows.y[places])


class Denoiser(Protocol):
    """Predict noise (n, d_num) and scores of the clean classes (n, sum K).

    t is the time 1..T, one for all rows (an int, or (1,) for one that need not be whole) or (n,). c may also be
    (n, sum K) floats, one-hot rows that carry a gradient. Scores are leave-one-out log-probabilities (see
    `multinomial`) up to a constant in each column; who needs the constant takes `Blocks.log_softmax`. A network with
    learned variances appends their fractions to the noise, which is then (n, 2 d_num).
    """

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]: ...


@runtime_checkable
class Learned(Denoiser, Protocol):
    """A denoiser that reads a network, and could read a copy of it that was trained further."""

    @property
    def network(self) -> nn.Module: ...

    def using(self, network: nn.Module, /) -> Denoiser:
        """The same around another network; what counts or times the calls goes on doing so."""
        ...


class Prediction(NamedTuple):
    """One network call, read out: clean numeric rows (clipped when asked), scores of pi_loo, variance fractions.

    fraction  (n, d_num), 0 the smallest and 1 the largest log variance of a reverse step (Nichol & Dhariwal 2021,
              eq. 15), or as `gaussian.free_variance` has it; (n, 0) for a network without them
    """

    x0_hat: Tensor
    scores: Tensor
    fraction: Tensor


@dataclass(frozen=True, eq=False)
class Process:
    """A schedule, the columns, and a denoiser.

    x_min, x_max      (d_num,) smallest and largest training value of each column, the bounds of `clip_x0`
    learned_variance  what the variance fractions mean that the denoiser predicts as well, see `gaussian.LEARNED`; None
                      where it does not
    """

    schedule: Schedule
    blocks: Blocks
    denoiser: Denoiser
    x_min: Tensor
    x_max: Tensor
    learned_variance: Callable[[Tensor, Any, Any], Tensor] | None = None

    @property
    def d_num(self) -> int:
        return len(self.x_min)

    @property
    def T(self) -> int:
        return self.schedule.T

    def until(self, T: int) -> Process:
        """The same process stopped at an earlier time T, where rows are not yet noise."""
        return replace(self, schedule=self.schedule.until(T))

    def noised(self, clean: State, noise: Noise) -> State:
        """Clean rows at time T; where T is the noise end this is `prior`, up to the signal that is left there."""
        a_T = self.schedule.at(self.T)
        x = math.sqrt(a_T) * clean.x + math.sqrt(1 - a_T) * noise.x_T()
        c = torch.where(noise.keep() < a_T, clean.c, noise.c_T())
        return State(x, c, clean.y)

    def noise(self, seed: int, start: int, n: int) -> Noise:
        return Noise(seed, start, n, self.d_num, self.blocks, self.x_min.dtype, self.x_min.device)

    def prior(self, noise: Noise, y: Tensor | None) -> State:
        """Draw from the noise end: x_T ~ N(0, I), c_T uniform."""
        return State(noise.x_T(), noise.c_T(), y)

    def predict(self, state: State, t: int, *, clip_x0: bool) -> Prediction:
        """One network evaluation. Clipping keeps a small noise error at t near T from exploding: under the
        cosine schedule x0_hat multiplies it by 2e4 at T = 1000."""
        numeric, scores = self.denoiser(state.x, state.c, t, state.y)
        eps_hat, fraction = numeric[:, : self.d_num], numeric[:, self.d_num :]
        x0_hat = gaussian.x0_from_eps(state.x, eps_hat, self.schedule.at(t))
        return Prediction(x0_hat.clamp(self.x_min, self.x_max) if clip_x0 else x0_hat, scores, fraction)

    def log_full(self, scores: Tensor, c: Tensor, t: int) -> Tensor:
        """log pi_full of every column, (n, sum K)."""
        a_t = self.schedule.at(t)
        return self.blocks.map(scores, c, lambda p, k: multinomial.log_full(p, k, a_t))

    def posterior_classes(self, scores: Tensor, c: Tensor, t: int, s: int, noise: Noise) -> Tensor:
        """Draw c_s from the plug-in skip posterior, each column by itself given the row."""
        a_t, a_s = self.schedule.at(t), self.schedule.at(s)
        found = self.blocks.map(scores, c, lambda p, k: multinomial.posterior_scores(p, k, a_t, a_s))
        return self.blocks.argmax(found, noise.gumbel())

    def stay_or_jump(
        self, scores: Tensor, c: Tensor, t: int, s: int, noise: Noise, *, eta: float = 0.0
    ) -> Tensor:
        """Draw c_s by the multinomial DDIM step; eta = 0 keeps most.

        Keep c_t with probability sigma = (1 - eta) (1 - abar_s)/(1 - abar_t), else draw from the rest of the
        mixture, at eta = 0 from pi_full alone. The jump pattern does not depend on the network.
        """
        a_t, a_s = self.schedule.at(t), self.schedule.at(s)
        sigma = (1 - eta) * multinomial.stay_probability(a_t, a_s)
        if sigma < 1 and eta > 0 and s > 0:
            from_x0 = (a_s - sigma * a_t) / (1 - sigma)
            full = self.log_full(scores, c, t)
            target = torch.logaddexp(full + math.log(from_x0), self._uniform(full, from_x0))
        else:
            target = self.blocks.map(scores, c, lambda p, k: multinomial.full_scores(p, k, a_t))
        jump = noise.uniform() >= sigma
        return torch.where(jump, self.blocks.argmax(target, noise.gumbel()), c)

    def _uniform(self, like: Tensor, from_x0: float) -> Tensor:
        parts = [
            torch.full_like(like[:, g.flat], math.log1p(-from_x0) - math.log(g.K)) for g in self.blocks.groups
        ]
        return torch.cat(parts, 1) if parts else like


Draw = Callable[[Noise, "Tensor | None"], State]
"""Turn noise and labels into clean encoded rows: one batch of a sampler whose `prepare` is done."""
