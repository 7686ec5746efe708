"""Improved DDPM as a method of the harness: TabDDPM whose network predicts its reverse variances as well."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from tabstep.data.settings import later
from tabstep.diffusion import gaussian, multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.importance import LossSecondMoment
from tabstep.diffusion.loss import categorical_kl, diffuse
from tabstep.diffusion.mixed import Denoiser, State
from tabstep.diffusion.model import Architecture
from tabstep.diffusion.schedule import Schedule
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.train import Loss


@dataclass(frozen=True)
class ImprovedDDPM(TabDDPM):
    """TabDDPM with learned reverse variances of the numeric columns, Improved DDPM (Nichol & Dhariwal 2021).

    objective   "hybrid": the loss of TabDDPM plus `vlb_weight` T L_v, where L_v trains the variances alone, on steps
                t -> t-1; "skip": the same with steps to a uniformly drawn earlier time, whose gradient is larger;
                "vlb": the variational bound with importance-sampled times
    vlb_weight  0.001 in the paper
    variance    "range": log variances between the smallest and the largest of a step, as the paper ends up with;
                "free": any, which it found unstable (see `gaussian.free_variance`)
    predicts    what the network says of the numbers and is trained on, see `head.Head`: the noise, the clean row or
                the mean of the row one time earlier, which Ho et al. 2020 found worse
    """

    objective: Literal["hybrid", "skip", "vlb"] = "hybrid"
    vlb_weight: float = 0.001
    variance: gaussian.Learned = field(default="range", metadata=later("range"))
    predicts: Literal["eps", "x0", "previous"] = field(default="eps", metadata=later("eps"))
    learned_variance: ClassVar[bool] = True

    @property
    def architecture(self) -> Architecture:
        return replace(super().architecture, head=self.predicts, variance=self.variance)

    def loss(self, denoiser: Denoiser, schedule: Schedule, blocks: Blocks, data: State) -> Loss:
        """The training loss of a batch, by the objective."""
        if self.objective == "vlb":
            return _vlb(denoiser, schedule, blocks, self.variance)
        plain = super().loss
        skip, weight = self.objective == "skip", self.vlb_weight * self.T

        def hybrid(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
            called = _Remembered(denoiser, self.variance)
            terms = plain(called, schedule, blocks, data)(batch, generator)
            return (*terms, weight * called.variance_loss(batch, schedule, skip, generator))

        return hybrid


class _Remembered:
    """A denoiser that keeps its last call, so that the variance loss reads the same evaluation."""

    def __init__(self, denoiser: Denoiser, variance: gaussian.Learned) -> None:
        self.denoiser, self.variance = denoiser, variance

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        numeric, scores = self.denoiser(x, c, t, y)
        assert isinstance(t, Tensor)
        d = x.shape[1]
        self.x_t, self.t, self.eps_hat, self.fraction = x, t, numeric[:, :d], numeric[:, d:]
        return self.eps_hat, scores

    def variance_loss(
        self, clean: State, schedule: Schedule, skip: bool, generator: torch.Generator
    ) -> Tensor:
        """L_v in bits, the mean over rows and numeric columns; only the variance fractions get a gradient."""
        if not clean.x.shape[1]:
            return torch.zeros((), device=clean.x.device)
        s = self.t - 1
        if skip:
            u = torch.rand(self.t.shape, generator=generator).to(self.t.device)
            s = torch.where(self.t > 1, 1 + (u * (self.t - 1)).long(), 0)
        # As samplers clip, or a long step from T would multiply the error of the noise by up to 2e4 and be all of L_v.
        a_t = schedule.on(self.x_t.device)[self.t].unsqueeze(1).to(self.x_t.dtype)
        x0_hat = (self.x_t - (1 - a_t).sqrt() * self.eps_hat.detach()) / a_t.sqrt()
        error = x0_hat.clamp(clean.x.amin(0), clean.x.amax(0)) - clean.x
        bound = numeric_bound(error, self.fraction, self.t, s, schedule, self.variance)
        return bound.mean() / math.log(2)


def numeric_bound(
    error: Tensor,
    fraction: Tensor,
    t: Tensor,
    s: Tensor,
    schedule: Schedule,
    variance: gaussian.Learned = "range",
) -> Tensor:
    """KL of the exact to the modelled step t -> s, or -log of the decoder at s = 0; (n, d_num) nats.

    error  of the predicted clean numbers (n, d_num); t, s (n,) times. The decoder's smallest variance is that of the
    step 2 -> 1.
    """
    alpha_bar = schedule.on(t.device)
    a_t, a_s = alpha_bar[t].unsqueeze(1), alpha_bar[s].unsqueeze(1)
    large = 1 - a_t / a_s
    on_x0 = a_s.sqrt() * large / (1 - a_t)
    floor = (1 - alpha_bar[1]) * (1 - alpha_bar[2] / alpha_bar[1]) / (1 - alpha_bar[2])
    small = torch.where(s.unsqueeze(1) > 0, large * (1 - a_s) / (1 - a_t), floor)
    v = gaussian.LEARNED[variance](fraction.double(), small, large)
    gap = on_x0 * error
    step = gaussian.kl(gap, small, v)
    decoder = 0.5 * ((2 * math.pi * v).log() + gap**2 / v)
    return torch.where(s.unsqueeze(1) > 0, step, decoder).to(error.dtype)


def _vlb(denoiser: Denoiser, schedule: Schedule, blocks: Blocks, variance: gaussian.Learned) -> Loss:
    """The bound's terms L_t, numeric and categorical together, at importance-sampled times."""
    times = LossSecondMoment(schedule.T)

    def loss(batch: State, generator: torch.Generator) -> tuple[Tensor, ...]:
        device, d = batch.x.device, batch.x.shape[1]
        eps = torch.randn(batch.x.shape, generator=generator).to(batch.x)
        drawn, weight = times.draw(len(batch.x), generator)
        t = drawn.to(device)
        noisy = diffuse(batch, t, schedule, blocks, eps, generator)
        numeric, scores = denoiser(noisy.x, noisy.c, t, batch.y)
        a_t = schedule.on(device)[t].unsqueeze(1).to(batch.x.dtype)
        error = ((1 - a_t) / a_t).sqrt() * (eps - numeric[:, :d])
        rows = numeric_bound(error, numeric[:, d:], t, t - 1, schedule, variance).sum(1)
        if blocks.sizes:
            rows = rows + categorical_kl(scores, batch.c, noisy.c, t, schedule, blocks)
        times.record(drawn, rows.detach().cpu())
        prior = sum(multinomial.prior_kl(schedule.at(schedule.T), K) for K in blocks.sizes)
        return ((rows * weight.to(rows)).mean() + prior / schedule.T,)

    return loss
