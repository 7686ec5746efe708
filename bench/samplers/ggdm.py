"""The generalised Gaussian diffusion sampler: DDIM with every coefficient free, on mixed rows (Watson et al. 2022)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tabstep.diffusion import relaxed
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Steps

Part = Literal["update", "prediction", "time", "categories"]

PARTS: dict[Part, tuple[str, ...]] = {
    "update": ("on_clean", "on_past", "spread"),
    "prediction": ("on_row", "on_noise"),
    "time": ("time",),
    "categories": ("share", "sharpness"),
}
"""What can be learned together, and the parameters that it takes."""

Marginal = Literal["forward", "own"]
"""Which marginals N(signal x_0, spread^2) make the clean numbers of predicted noise: those of the forward process, or
those of the learned one, which need not be the same (Watson et al. 2022, theorem 1)."""

Parameters = Mapping[str, Tensor]
"""Offsets of the coefficients from DDIM's, float64; all zero is DDIM.

For K steps k = 0 .. K-1, from t = path[k] to s = path[k + 1], with x_j the row at path[j]:

    X_k = clip((exp(on_row_k) x_k - exp(on_noise_k) spread_k eps_hat_k) / signal_k)
    x_{k+1} = (a_k + on_clean_k) X_k + (b_k + on_past_kk) x_k + sum_{j<k} on_past_kj x_j + spread_k z_k

with a_k, b_k of DDIM, signal_k = sqrt(abar_t) and spread_k = sqrt(1 - abar_t), or those of `marginals`, and eps_hat_k
predicted at a time that `time` moves; the last step gives X_k alone. Classes stay with 1 + share_k of DDIM's
probability, else are drawn from pi_full^exp(sharpness_k) and what is uniform in the mixture.

on_clean, spread  (K - 1,);  on_past  (K - 1, K - 1), its lower triangle;  the others  (K,)
"""


class StepNoise(NamedTuple):
    """What one step draws: z (n, d_num), uniform (n, d_c), gumbel (n, sum K)."""

    z: Tensor
    uniform: Tensor
    gumbel: Tensor


def step_noise(noise: Noise) -> StepNoise:
    return StepNoise(noise.normal(), noise.uniform(), noise.gumbel())


def ddim_offsets(K: int) -> dict[str, Tensor]:
    """The parameters of DDIM: zeros."""
    sizes = {
        "on_clean": (K - 1,),
        "on_past": (K - 1, K - 1),
        "spread": (K - 1,),
        "share": (K - 1,),  # at the last step no class stays
    }
    names = [name for part in PARTS.values() for name in part]
    return {name: torch.zeros(sizes.get(name, (K,)), dtype=torch.float64) for name in names}


def project(offsets: Parameters) -> None:
    """Bring shares back into [0, 1] after an update, in place."""
    with torch.no_grad():
        offsets["share"].clamp_(-1, 0)


def marginals(process: Process, path: Sequence[int], offsets: Parameters) -> tuple[Tensor, Tensor]:
    """signal and spread (K,) of x_k = signal_k x_0 + spread_k noise under the learned process, if all X_k were x_0.

    Each x_k is linear in x_0, the noise at T and the z_j: of the rows of that map, one is the sum of earlier ones as
    x_k is of earlier x_j. Without offsets they are those of the forward process.
    """
    K = len(path) - 1
    row = offsets["spread"].new_zeros(K + 1)
    a_T = process.schedule.at(path[0])
    rows = [torch.cat([row.new_tensor([math.sqrt(a_T), math.sqrt(1 - a_T)]), row[2:]])]
    unit = torch.eye(K + 1, dtype=row.dtype, device=row.device)
    for k, (t, s) in enumerate(pairwise(path[:-1])):
        on_clean, on_last = ddim_coefficients(process, t, s)
        past = torch.stack(rows)
        rows.append(
            (on_clean + offsets["on_clean"][k]) * unit[0]
            + on_last * past[-1]
            + offsets["on_past"][k, : k + 1] @ past
            + offsets["spread"][k] * unit[k + 2]
        )
    found = torch.stack(rows)
    return found[:, 0], found[:, 1:].norm(dim=1)


def forward_marginals(process: Process, path: Sequence[int], like: Tensor) -> tuple[Tensor, Tensor]:
    """The same of the forward process: sqrt(abar) and sqrt(1 - abar) at the times of the path but 0."""
    alpha_bar = [process.schedule.at(t) for t in path[:-1]]
    return like.new_tensor([math.sqrt(a) for a in alpha_bar]), like.new_tensor(
        [math.sqrt(1 - a) for a in alpha_bar]
    )


def ddim_coefficients(process: Process, t: int, s: int) -> tuple[float, float]:
    """Of the clean numbers and of x_t in the step of DDIM to s > 0."""
    a_t, a_s = process.schedule.at(t), process.schedule.at(s)
    on_last = math.sqrt((1 - a_s) / (1 - a_t))
    return math.sqrt(a_s) - on_last * math.sqrt(a_t), on_last


def network_times(path: Sequence[int], offsets: Tensor) -> Tensor:
    """Times (K,) at which the network is called: real, in order, the first one kept; the path at zero offsets.

    The gaps between times are softplus of free numbers, in units of the mean gap, and sum to the first time.
    """
    gaps = torch.tensor([t - s for t, s in pairwise(path)], dtype=torch.float64, device=offsets.device)
    scaled = gaps * (len(gaps) / gaps.sum())

    def place(free: Tensor) -> Tensor:
        widths = F.softplus(free)
        return gaps.sum() * (widths.flip(0).cumsum(0).flip(0) / widths.sum())

    free = scaled.expm1().log()
    exact = torch.tensor(path[:-1], dtype=torch.float64, device=offsets.device)
    moved: Tensor = exact + (place(free + offsets) - place(free))  # so that no offset is exactly no change
    return moved.clamp(min=1)


def denoise(
    process: Process,
    path: Steps,
    offsets: Parameters,
    begin: State,
    noises: Sequence[StepNoise],
    *,
    clip_x0: bool,
    move_times: bool,
    marginal: Marginal = "forward",
) -> tuple[Tensor, Tensor]:
    """Walk the path: clean numbers (n, d_num) and one-hot classes (n, sum K), with a gradient to the offsets.

    Under gradients every step is one checkpoint: what is kept is its input, and its network call is done again on the
    way back, so that memory grows with K by the rows alone. `move_times` is False for a network of whole times.
    """
    x, one_hot = begin.x, process.blocks.one_hot(begin.c, begin.x.dtype)
    times = network_times(path, offsets["time"])
    signal, spread = forward_marginals(process, path, times)
    if marginal == "own":
        signal, spread = marginals(process, path, offsets)
    past: list[Tensor] = []
    for k, (t, s) in enumerate(pairwise(path)):
        past.append(x)

        def step(
            time: Tensor, one_hot: Tensor, *past: Tensor, k: int = k, t: int = t, s: int = s
        ) -> tuple[Tensor, Tensor]:
            at = time.unsqueeze(0) if move_times else t
            eps_hat, scores = process.denoiser(past[-1], one_hot, at, begin.y)
            on_row = offsets["on_row"][k].exp() / signal[k]
            on_noise = offsets["on_noise"][k].exp() * spread[k] / signal[k]
            clean = on_row.to(eps_hat) * past[-1] - on_noise.to(eps_hat) * eps_hat[:, : process.d_num]
            if clip_x0:
                clean = clean.clamp(process.x_min, process.x_max)
            x = clean if s == 0 else _moved(process, offsets, k, t, s, past, clean, noises[k].z)
            share = 1 + offsets["share"][k] if s > 0 else torch.ones_like(time)
            classes = relaxed.stay_or_jump(
                scores,
                one_hot,
                process.schedule.at(t),
                process.schedule.at(s),
                share,
                offsets["sharpness"][k].exp(),
                noises[k].uniform,
                noises[k].gumbel,
                process.blocks,
            )
            return x, classes

        if torch.is_grad_enabled():
            x, one_hot = checkpoint(
                step, times[k], one_hot, *past, use_reentrant=False, preserve_rng_state=False
            )
        else:
            x, one_hot = step(times[k], one_hot, *past)
    return x, one_hot


def _moved(
    process: Process,
    offsets: Parameters,
    k: int,
    t: int,
    s: int,
    past: Sequence[Tensor],
    clean: Tensor,
    z: Tensor,
) -> Tensor:
    x_t = past[-1]
    on_clean, on_last = ddim_coefficients(process, t, s)
    by_clean = on_clean + offsets["on_clean"][k]
    x = by_clean.to(x_t) * clean + on_last * x_t + offsets["spread"][k].to(x_t) * z
    memory: Tensor = torch.tensordot(offsets["on_past"][k, : len(past)].to(x_t), torch.stack(list(past)), 1)
    return x + memory
