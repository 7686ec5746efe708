"""The training loss of TabDDPM (Kotelnikov et al. 2023, eq. 8 and its code)."""

from __future__ import annotations

import torch
from torch import Tensor

from tabstep.diffusion import gaussian, multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.head import Head, noise_of
from tabstep.diffusion.mixed import Denoiser, State
from tabstep.diffusion.schedule import Schedule
from tabstep.diffusion.step_bound import step_bound


def diffuse(
    clean: State, t: Tensor, schedule: Schedule, blocks: Blocks, eps: Tensor, generator: torch.Generator
) -> State:
    """Noise every row to its own time t (n,), with Gaussian noise `eps` and class draws from the generator."""
    a_t = schedule.on(t.device)[t].unsqueeze(1)
    x = gaussian.diffuse(clean.x, a_t.to(clean.x.dtype), eps)
    parts = [multinomial.diffuse(clean.c[:, g.columns], g.K, a_t, generator) for g in blocks.groups]
    return State(x, torch.cat(parts, 1) if parts else clean.c, clean.y)


def column_kl(
    scores: Tensor, c_0: Tensor, c_t: Tensor, t: Tensor, schedule: Schedule, blocks: Blocks
) -> Tensor:
    """KL(q(c_{t-1} | c_t, c_0) || p(c_{t-1} | c_t)) of every column, (n, d_c) nats; at t = 1 -log p(c_0 | c_1)."""
    alpha_bar = schedule.on(t.device)
    return step_bound(scores, c_0, c_t, alpha_bar[t].unsqueeze(1), alpha_bar[t - 1].unsqueeze(1), blocks)


def categorical_kl(
    scores: Tensor, c_0: Tensor, c_t: Tensor, t: Tensor, schedule: Schedule, blocks: Blocks
) -> Tensor:
    """The sum over columns of `column_kl`, (n,) nats."""
    return column_kl(scores, c_0, c_t, t, schedule, blocks).sum(1)


def tabddpm_loss(
    denoiser: Denoiser,
    clean: State,
    t: Tensor,
    schedule: Schedule,
    blocks: Blocks,
    *,
    eps: Tensor,
    generator: torch.Generator,
    head: Head = "eps",
) -> tuple[Tensor, Tensor]:
    """Numeric and categorical loss of a batch; their unweighted sum is minimised.

    Numeric: mean squared error of what the head says, of which `denoiser` makes noise. Categorical: (T * KL + prior KL)
    / d_c, where T is 1/p(t) of the uniform t. A kind without columns is 0.
    """
    noisy = diffuse(clean, t, schedule, blocks, eps, generator)
    eps_hat, scores = denoiser(noisy.x, noisy.c, t, clean.y)
    zero = torch.zeros((), device=clean.x.device)
    numeric = zero
    if clean.x.shape[1]:
        alpha_bar = schedule.on(t.device)
        said = noise_of(head, alpha_bar[t].unsqueeze(1), alpha_bar[t - 1].unsqueeze(1)).on_output
        numeric = ((eps_hat - eps) / said.to(eps)).square().mean()
    if not blocks.sizes:
        return numeric, zero
    kl = categorical_kl(scores, clean.c, noisy.c, t, schedule, blocks).mean()
    prior = sum(multinomial.prior_kl(schedule.at(schedule.T), K) for K in blocks.sizes)
    return numeric, (schedule.T * kl + prior) / len(blocks.sizes)
