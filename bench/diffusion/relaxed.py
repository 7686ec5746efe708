"""Draws of classes that carry a gradient: hard forward, relaxed backward (straight-through).

Rows are one-hot, (n, sum K) floats. Forward, every draw is exactly the one that class indices with the same noise
would give, so whatever is measured on it is measured on the true sampler; backward, it is the relaxation at
temperature `TEMPERATURE` (Jang et al. 2017; Maddison et al. 2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tabstep.diffusion.blocks import Blocks

TEMPERATURE = 1.0
LEAST = 1e-30  # of a probability, so that its logarithm is finite


def bernoulli(p: Tensor, uniform: Tensor) -> Tensor:
    """1 where uniform < p, else 0; the gradient is that of a sigmoid of the distance in logits."""
    hard = (uniform < p).to(uniform.dtype)
    tiny = torch.finfo(uniform.dtype).eps
    soft = torch.sigmoid((torch.logit(p) - torch.logit(uniform, eps=tiny)) / TEMPERATURE)
    return hard + (soft - soft.detach())


def categorical(log_p: Tensor, gumbel: Tensor) -> Tensor:
    """One-hot draws along the last axis by the Gumbel-max trick; the gradient is that of a softmax."""
    scores = log_p + gumbel
    soft = (scores / TEMPERATURE).softmax(-1)
    hard = torch.zeros_like(soft).scatter_(-1, scores.argmax(-1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def stay_or_jump(
    scores: Tensor,
    one_hot: Tensor,
    alpha_bar_t: float,
    alpha_bar_s: float,
    share: Tensor,
    sharpness: Tensor,
    uniform: Tensor,
    gumbel: Tensor,
    blocks: Blocks,
) -> Tensor:
    """The multinomial DDIM step on one-hot rows, (n, sum K).

    scores (n, sum K) are leave-one-out. A class stays with probability sigma = `share` times the largest that the
    family allows, else it is drawn from what is left of the mixture of class, pi_full^sharpness and uniform.
    `share` and `sharpness` are (); at 1 this is `Process.stay_or_jump`. uniform (n, d_c), gumbel (n, sum K).
    """
    gain = [math.log1p(g.K * alpha_bar_t / (1 - alpha_bar_t)) for g in blocks.groups]
    sigma = share * ((1 - alpha_bar_s) / (1 - alpha_bar_t))
    on_clean = (alpha_bar_s - sigma * alpha_bar_t) / (1 - sigma)
    out = []
    for group, boost, (_, noise) in zip(blocks.groups, gain, blocks.each(gumbel), strict=True):
        log_loo, now = (
            part[:, group.flat].view(len(part), group.members, group.K) for part in (scores, one_hot)
        )
        log_full = (log_loo + boost * now).log_softmax(-1)
        log_clean = (sharpness.to(log_full) * log_full).log_softmax(-1)
        if alpha_bar_s == 1:  # every class is drawn anew, and the mixture is pi_full alone
            out.append(categorical(log_clean, noise).flatten(1))
            continue
        mixed = on_clean.to(log_full) * log_clean.exp() + ((1 - on_clean) / group.K).to(log_full)
        jump = categorical(mixed.clamp(min=LEAST).log(), noise)
        stay = bernoulli(sigma.to(log_full), uniform[:, group.columns]).unsqueeze(-1)
        out.append((stay * now + (1 - stay) * jump).flatten(1))
    return torch.cat(out, 1) if out else one_hot
