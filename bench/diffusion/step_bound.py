"""The categorical bound of one step, for all columns of a batch at once and with its gradient written out.

Training takes it at every step. Elements lie flat, (n, sum K), and only sums over a column go by groups of equal K: for
columns of many sizes that is far fewer operators than group by group, none of which autograd has to record.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from tabstep.diffusion.blocks import Blocks

LEAST = 1e-30  # the uniform part of a clean class, where alpha_bar_s is 1


def step_bound(
    scores: Tensor, c_0: Tensor, c_t: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor, blocks: Blocks
) -> Tensor:
    """KL(q(c_s | c_t, c_0) || p(c_s | c_t)) of every column, (n, d_c) nats; at s = 0 it is -log p(c_0 | c_t).

    `multinomial.kl_step` of normalised `scores` (n, sum K); classes are (n, d_c), `alpha_bar_*` (n, 1) float64. It has
    one derivative, by the scores.
    """
    found: Tensor = _StepBound.apply(scores, c_0, c_t, alpha_bar_t, alpha_bar_s, blocks)  # type: ignore[no-untyped-call]
    return found


class Posterior(NamedTuple):
    """The three values of q(c_s | c_t, c_0), and what they are made of, (n, d_c) or (n, 1)."""

    clean: Tensor  # at c_0
    noisy: Tensor  # at c_t where that is another class
    rest: Tensor  # at every other class
    mass: Tensor  # by which all three are divided
    apart: Tensor  # what `mass` is more where c_0 is c_t
    uniform: Tensor  # the share of a clean class that comes from all classes alike


def posterior(same: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor, K: Tensor) -> Posterior:
    """`same` (n, d_c) says where c_0 is c_t, `K` (d_c,) how many classes there are."""
    alpha = alpha_bar_t / alpha_bar_s
    off, uniform = (1 - alpha) / K, ((1 - alpha_bar_s) / K).clamp(min=LEAST)
    on, apart = off + alpha, alpha * alpha_bar_s
    mass = alpha * uniform + off + apart * same
    return Posterior(
        torch.where(same, on, off) * (uniform + alpha_bar_s) / mass,
        torch.where(same, 0, on * uniform / mass),
        off * uniform / mass,
        mass,
        apart,
        uniform,
    )


class _StepBound(torch.autograd.Function):
    """With odds x = alpha_bar_s pi / u of the uniform part u, p goes by m (1 + x), where m is alpha more at c_t.

    What is flat is written over where it can be: of wide rows passes through memory are what it costs.
    """

    @staticmethod
    def forward(
        ctx: Any,
        scores: Tensor,
        c_0: Tensor,
        c_t: Tensor,
        alpha_bar_t: Tensor,
        alpha_bar_s: Tensor,
        blocks: Blocks,
    ) -> Tensor:
        same = c_0 == c_t
        q = posterior(same, alpha_bar_t, alpha_bar_s, blocks.counts(scores.device))
        pi = blocks.log_softmax(scores).exp_()
        most = (alpha_bar_s / q.uniform).to(pi)  # the odds of a sure class
        odds = blocks.spread(most).mul_(pi)
        gain = odds.log1p()
        at_0, at_t = blocks.at(gain, c_0), blocks.at(gain, c_t)
        clean, noisy, rest = (part.to(pi) for part in q[:3])
        others = blocks.sum(gain) - at_0 - torch.where(same, 0, at_t)
        pull = q.apart * blocks.at(pi, c_t)
        mass = q.mass - q.apart * same + pull  # of p, as that of q
        ctx.blocks = blocks
        ctx.save_for_backward(pi, odds, c_0, c_t, same, clean, noisy, rest, (pull / mass).to(pi))
        ratio = (mass / q.mass).log().to(pi)
        return clean * (most.log1p() - at_0) - noisy * at_t - rest * others + ratio

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        pi, odds, c_0, c_t, same, clean, noisy, rest, pull = ctx.saved_tensors
        blocks: Blocks = ctx.blocks
        share = odds / (1 + odds)  # pi d log(1 + x) / d pi
        offsets = blocks.offsets(c_0.device)
        at_0, at_t = blocks.at(share, c_0), blocks.at(share, c_t)
        by_log = share.mul_(blocks.spread(-rest))
        by_log.scatter_add_(1, c_0 + offsets, (rest - clean) * at_0)
        by_log.scatter_add_(1, c_t + offsets, pull + torch.where(same, 0, (rest - noisy) * at_t))
        by_score = by_log.sub_(blocks.spread(blocks.sum(by_log)).mul_(pi)).mul_(blocks.spread(upstream))
        return by_score, None, None, None, None, None
