"""The training loss of `tabstep`: velocities with a floor under their weight, columns in balance, spread times."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.loss import column_kl, diffuse
from tabstep.diffusion.mixed import Denoiser, State
from tabstep.diffusion.schedule import Schedule

Times = Literal["uniform", "stratified"]
Balance = Literal["kinds", "columns"]


def uniform(n: int, T: int, generator: torch.Generator) -> Tensor:
    """n independent times of 1..T, (n,) int64."""
    return torch.randint(1, T + 1, (n,), generator=generator)


def stratified(n: int, T: int, generator: torch.Generator) -> Tensor:
    """One time from each of n equal parts of 1..T, in random order, (n,) int64; each alone is uniform.

    The same expectation as `uniform` with less variance (Kingma et al. 2021, appendix I.1).
    """
    u = (torch.randperm(n, generator=generator) + torch.rand(n, generator=generator)) / n
    return (1 + (u * T).long()).clamp(max=T)


TIMES = {"uniform": uniform, "stratified": stratified}


def entropies(c: Tensor, blocks: Blocks) -> Tensor:
    """Entropy of every column of classes (n, d_c), (d_c,) nats."""
    shares = [torch.bincount(c[:, j], minlength=K) / len(c) for j, K in enumerate(blocks.sizes)]
    found = [torch.special.entr(share).sum() for share in shares]
    return torch.stack(found) if found else c.new_empty(0, dtype=torch.float32)


class Weights(NamedTuple):
    """What the error of one number column, and of each categorical one, (d_c,), counts in the loss."""

    number: float
    classes: Tensor


def weights(balance: Balance, data: State, blocks: Blocks) -> Weights:
    """How columns count against each other; both sums of a row of unlearned columns are then about 2.

    "columns": as 1 the error of a number, which is that where nothing is learned, and the bound of a category over its
    entropy. "kinds": means over the columns of a kind, in nats for categories, as in TabDDPM.
    """
    d_num, d_cat = data.x.shape[1], len(blocks.sizes)
    if balance == "columns":
        share = 2 / (d_num + d_cat)
        return Weights(share, share / entropies(data.c, blocks).to(data.x))
    return Weights(1 / max(d_num, 1), data.x.new_full((d_cat,), 1 / max(d_cat, 1)))


def balanced_loss(
    denoiser: Denoiser,
    clean: State,
    t: Tensor,
    schedule: Schedule,
    blocks: Blocks,
    *,
    eps: Tensor,
    signal_floor: float,
    weights: Weights,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Numeric and categorical loss of a batch; their unweighted sum is minimised.

    Numeric: the weighted sum over columns of max(abar_t, signal_floor) (v_hat - v)^2; at a floor of 0 that is the
    squared error of the noise. Categorical: the weighted sum over columns of T KL of the step, whose mean over times is
    the column's part of the bound on the likelihood, up to its constant end.
    """
    noisy = diffuse(clean, t, schedule, blocks, eps, generator)
    eps_hat, scores = denoiser(noisy.x, noisy.c, t, clean.y)
    zero = torch.zeros((), device=clean.x.device)
    numeric = zero
    if clean.x.shape[1]:
        a_t = schedule.on(t.device)[t].unsqueeze(1)
        # In terms of the noise the velocity's error has no subtraction of what is nearly equal.
        weight = a_t.clamp(min=signal_floor) / a_t
        numeric = weights.number * (weight.to(eps) * (eps_hat - eps).square()).mean(0).sum()
    if not blocks.sizes:
        return numeric, zero
    kl = column_kl(scores, clean.c, noisy.c, t, schedule, blocks).mean(0)
    return numeric, schedule.T * (weights.classes * kl).sum()
