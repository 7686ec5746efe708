"""All the noise of a row on a path: from it DDIM draws the row again, and between two such lies a way of rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from tabstep.diffusion import gaussian, multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.setting import Setting, Steps

Invert = Callable[[Process, Steps, State, "list[Tensor]"], Tensor]
"""Numbers x_T (n, d) from which `ddim` comes to clean rows, given the classes (n, d_c) at every time of the path."""


@dataclass(frozen=True, eq=False)
class Latent:
    """All noise of n rows on a path of K steps.

    path     the times, from T to 0
    x_T      (n, d_num) numbers at time T
    start    (n, d_c) in [0, 1): the class at time T is the whole part of start * K_j
    uniform  (K, n, d_c) which classes jump at each step
    gumbel   (K, n, sum K) where to
    y        (n,) labels, or None
    """

    path: Steps
    x_T: Tensor
    start: Tensor
    uniform: Tensor
    gumbel: Tensor
    y: Tensor | None

    def noise(self, process: Process) -> Noise:
        """For a sampler, that then draws these rows."""
        n, (d, blocks) = len(self.x_T), (process.d_num, process.blocks)
        told = {
            "x_T": self.x_T.unsqueeze(0),
            "c_T": _classes(self.start, blocks).unsqueeze(0),
            "uniform": self.uniform,
            "gumbel": self.gumbel,
        }
        return Noise(0, 0, n, d, blocks, self.x_T.dtype, self.x_T.device, told)


def decode(process: Process, latent: Latent) -> State:
    """The rows that `ddim` draws from this noise."""
    with torch.no_grad():
        return DDIM().prepare(Setting(process), latent.path)(latent.noise(process), latent.y)


def encode(process: Process, path: Steps, clean: State, noise: Noise, invert: Invert) -> Latent:
    """Noise from which `ddim` draws the rows `clean`: their classes exactly, their numbers as well as `invert` can.

    Categories by hindsight: at eta_cat = 0 a class path is known without the network once its last class is, so
    c_T ~ q(c_T | c_0) and the jumps are drawn first; all jumps lead to c_0. Then the Gumbel noise of each jump is
    drawn given that c_0 wins it (Oberst & Sontag 2019).
    """
    classes, start, uniform = _hindsight(process, path, clean.c, noise)
    x = x_T = invert(process, path, clean, classes)
    gumbel = []
    with torch.no_grad():
        for (t, s), c in zip(pairwise(path), classes, strict=False):
            x0_hat, scores, _ = process.predict(State(x, c, clean.y), t, clip_x0=True)
            gumbel.append(_won_by(process.blocks, process.log_full(scores, c, t), clean.c, noise.gumbel()))
            x = gaussian.ddim_step(x, x0_hat, process.schedule.at(t), process.schedule.at(s), None, eta=0.0)
    return Latent(path, x_T, start, uniform, torch.stack(gumbel), clean.y)


def between(a: Latent, b: Latent, share: Tensor) -> Latent:
    """Noise between that of row a and that of row b, `share` (n,) of the way from 0 to 1.

    Every number is carried to a standard normal z, mixed as cos(w) z_a + sin(w) z_b with w = share * pi/2, which is
    standard normal again, and carried back. The label changes half-way.
    """
    angle = share.to(a.x_T) * (math.pi / 2)

    def mixed(z_a: Tensor, z_b: Tensor) -> Tensor:
        return angle.cos().unsqueeze(1) * z_a + angle.sin().unsqueeze(1) * z_b

    def uniform(u_a: Tensor, u_b: Tensor) -> Tensor:
        tiny = torch.finfo(u_a.dtype).eps
        z_a, z_b = (torch.special.ndtri(u.clamp(tiny, 1 - tiny)) for u in (u_a, u_b))
        back: Tensor = torch.special.ndtr(mixed(z_a, z_b))
        return back

    y = None
    if a.y is not None and b.y is not None:
        y = torch.where(share.to(a.x_T) < 0.5, a.y, b.y)
    gumbel = _gumbel(mixed(_normal(a.gumbel), _normal(b.gumbel)))
    return Latent(
        a.path, mixed(a.x_T, b.x_T), uniform(a.start, b.start), uniform(a.uniform, b.uniform), gumbel, y
    )


def _normal(gumbel: Tensor) -> Tensor:
    """Standard normals of the same rank; each tail through the probability that is small there."""
    below, above = (-(-gumbel).exp()).exp(), -torch.expm1(-(-gumbel).exp())
    tiny = torch.finfo(gumbel.dtype).tiny
    low, high = (torch.special.ndtri(p.clamp(min=tiny)) for p in (below, above))
    return torch.where(below < above, low, -high)


def _gumbel(normal: Tensor) -> Tensor:
    """The inverse of `_normal`."""
    log_rank: Tensor = torch.special.log_ndtr(normal)
    return -(-log_rank).log()


def _hindsight(process: Process, path: Steps, c: Tensor, noise: Noise) -> tuple[list[Tensor], Tensor, Tensor]:
    """Classes at every time of the path, and the `start` and `uniform` that lead there."""
    at, sizes = process.schedule.at, torch.tensor(process.blocks.sizes, device=c.device)
    now = torch.where(noise.keep() < at(path[0]), c, noise.c_T())
    start = (now + noise.keep()) / sizes
    classes, uniforms = [now], []
    for t, s in pairwise(path):
        u = noise.uniform()
        now = torch.where(u >= multinomial.stay_probability(at(t), at(s)), c, now)
        classes.append(now)
        uniforms.append(u)
    return classes, start, torch.stack(uniforms)


def _classes(start: Tensor, blocks: Blocks) -> Tensor:
    sizes = torch.tensor(blocks.sizes, device=start.device)
    return torch.minimum((start * sizes).long(), sizes - 1)


def _won_by(blocks: Blocks, log_p: Tensor, c: Tensor, gumbel: Tensor) -> Tensor:
    """Gumbel noise given that log_p + noise is largest at c, (n, sum K); log_p is normalised, `gumbel` is free.

    The largest value is Gumbel with location 0 whoever wins; the others are Gumbels cut off there.
    """
    if not blocks.sizes:
        return gumbel
    parts = []
    for (group, p), (_, g) in zip(blocks.each(log_p), blocks.each(gumbel), strict=True):
        wins = torch.nn.functional.one_hot(c[:, group.columns], group.K).bool()
        top = torch.where(wins, g, 0.0).sum(-1, keepdim=True)
        below = -torch.logaddexp(-top, -(g + p))
        parts.append((torch.where(wins, top, below) - p).flatten(1))
    return torch.cat(parts, 1)
