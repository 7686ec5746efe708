"""DEQ-DDIM: all steps of the chain at once, as one fixed point."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from tabstep.data.settings import later
from tabstep.diffusion import multinomial
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Setting, Steps

RIDGE = 1e-6  # of Anderson's least squares, in mean squared residuals


@dataclass(frozen=True)
class DEQ:
    """Parallel DDIM by fixed-point sweeps over all steps (Pokle et al. 2022): fewer calls in a row, more evaluations.

    It trades evaluations for latency: `steps` is the length of the chain, and evaluations are counted as they are.

    history  sweeps that Anderson acceleration mixes, for numbers; 0 is Picard iteration. Two save a twelfth of
             the evaluations with a smooth network and cost some percent with a rough one, where five cost a fifth
    tol      a row is done when no number moved by more in a sweep, and no class changed in the last two
    clip_x0  as in `ddim`
    eta      as in `ddim`: above 0 the noise of every step is drawn before the first sweep, so that the chain of that
             noise is a fixed point as any other
    """

    history: int = 0
    tol: float = 1e-4
    clip_x0: bool = True
    eta: float = field(default=0.0, metadata=later(0.0))
    grid: ClassVar[str] = "trailing"

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ValueError(f"history must not be negative, got {self.history}")
        if self.tol < 0:
            raise ValueError(f"tol must not be negative, got {self.tol}")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must be in [0, 1], got {self.eta}")

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Nothing to prepare."""

        def draw(noise: Noise, y: Tensor | None) -> State:
            return solve(self, setting.process, path, noise, y).rows

        return draw


class Solution(NamedTuple):
    """Clean rows, and the sweeps (n,) after which each of them was done; a sweep is one network call."""

    rows: State
    sweeps: Tensor


def solve(settings: DEQ, process: Process, path: Steps, noise: Noise, y: Tensor | None) -> Solution:
    """Iterate z <- F(z) on the rows at all K times of the path together.

    F in cumulative form, with X_i the clean numbers predicted at position i and the coefficients of `cumulative`:

        x_j = scale_j (x_T / scale_0 + sum_{i<j} (rise_i X_i + sigma_i z_i / scale_{i+1}))

    and c_j the class that was drawn at the last jump before j. F is strictly triangular, so that after k sweeps the
    first k positions are exact: they are not evaluated again, and K sweeps give the chain of `ddim` itself.
    """
    K = len(path) - 1
    begin = process.prior(noise, y)
    (n, d), device = begin.x.shape, begin.x.device
    alpha = torch.tensor([process.schedule.at(t) for t in path[:-1]], dtype=torch.float64, device=device)
    scale, rise, sigma = (v.to(begin.x).view(-1, 1, 1) for v in cumulative(alpha, settings.eta))
    added = begin.x.new_zeros(K, n, d)
    if settings.eta > 0 and K > 1:
        z = torch.stack([noise.normal() for _ in sigma])
        added[1:] = (sigma / scale[1:] * z).cumsum(0)
    jump, gumbel = _step_noise(process, path, noise)
    last = _last_jump(jump)
    times = torch.tensor(path[:-1], device=device)

    given = begin.x / scale[0] + added  # all of F but the predictions
    x, c = begin.x * scale / scale[0] + scale * added, begin.c.expand(K, -1, -1).clone()
    clean, drawn = torch.zeros_like(x), c.clone()
    out = State(torch.empty_like(begin.x), torch.empty_like(begin.c), y)
    sweeps = torch.full((n,), K, device=device)
    rows, calm = torch.arange(n, device=device), torch.zeros(n, dtype=torch.bool, device=device)
    mix = Anderson(settings.history)

    for k in range(K):
        m = len(rows)
        a = alpha[k:].repeat_interleave(m).unsqueeze(1)
        now_x, now_c = x[k:].flatten(0, 1), c[k:].flatten(0, 1)
        labels = None if y is None else y[rows].repeat(K - k)
        eps_hat, scores = process.denoiser(now_x, now_c, times[k:].repeat_interleave(m), labels)
        found = (now_x - (1 - a).sqrt().to(now_x) * eps_hat[:, :d]) / a.sqrt().to(now_x)
        if settings.clip_x0:
            found = found.clamp(process.x_min, process.x_max)
        clean[k:] = found.view(K - k, m, d)
        full = process.blocks.map(scores, now_c, partial(multinomial.full_scores, alpha_bar_t=a))
        drawn[k:] = process.blocks.argmax(full, gumbel[k:].flatten(0, 1)).view(K - k, m, c.shape[2])

        new_x = scale[1:] * (given[1:] + (rise * clean[:-1]).cumsum(0))
        new_c = torch.where(last >= 0, drawn.gather(0, last.clamp(min=0)), c[0])
        moved = ((new_x - x[1:]).abs() > settings.tol).flatten(2).any(2).any(0)
        still = (new_c == c[1:]).all(2).all(0)
        done = ~moved & still & calm
        if k == K - 1:
            done = torch.ones_like(done)
        x[1:], c[1:], calm = mix(x[1:], new_x, exact=k + 1, calm=still), new_c, still
        if done.any():
            out.x[rows[done]], out.c[rows[done]] = clean[-1, done], drawn[-1, done]
            sweeps[rows[done]] = k + 1
            left = ~done
            rows, calm = rows[left], calm[left]
            x, c, clean, drawn, given = (part[:, left] for part in (x, c, clean, drawn, given))
            last, gumbel = last[:, left], gumbel[:, left]
            mix.keep(left)
            if not len(rows):
                break
    return Solution(out, sweeps)


class Coefficients(NamedTuple):
    """Of DDIM in cumulative form, float64: scale (K,), rise and sigma (K - 1,); see `solve`."""

    scale: Tensor
    rise: Tensor
    sigma: Tensor


def cumulative(alpha_bar: Tensor, eta: float) -> Coefficients:
    """The coefficients for alpha_bar (K,) at the times of a path but 0.

    With e^lambda = sqrt(abar / (1 - abar)):

        scale_j = sqrt(1 - abar_j) lasting_j,  rise_i = (e^lambda_{i+1} - kept_i e^lambda_i) / lasting_{i+1}

    where kept_i = sqrt(1 - sigma_i^2 / (1 - abar_{i+1})) of the predicted noise stays beside the sigma_i z_i that step
    i adds, and lasting_j is the product of kept_i over i < j; both are 1 at eta = 0.
    """
    spread, ratio = (1 - alpha_bar).sqrt(), alpha_bar.sqrt() / (1 - alpha_bar).sqrt()
    sigma = eta * spread[1:] / spread[:-1] * (1 - alpha_bar[:-1] / alpha_bar[1:]).sqrt()
    kept = (1 - (sigma / spread[1:]).square()).sqrt()
    lasting = torch.cat([kept.new_ones(1), kept.cumprod(0)])
    return Coefficients(spread * lasting, (ratio[1:] - kept * ratio[:-1]) / lasting[1:], sigma)


class Anderson:
    """Mixes the last sweeps of each row by itself (Walker & Ni 2011), where that can help: see `__call__`."""

    def __init__(self, history: int) -> None:
        self.past: deque[tuple[Tensor, Tensor]] = deque(maxlen=history)  # of F(z), F(z) - z, (K - 1, n, d)
        self.before: Tensor | None = None

    def __call__(self, old: Tensor, new: Tensor, *, exact: int, calm: Tensor) -> Tensor:
        """The next z from the last one and from its F; its first `exact` positions are already right.

        A row is mixed where its residual did not grow, and where it is `calm` (n,): where classes changed, F is another
        function than it was. Else it goes on with F alone. What is already right has no say in the
        weights, which are found in double precision, so that rows do not depend on their batch.
        """
        self.past.append((new, new - old))
        if len(self.past) < 2 or exact >= len(new):
            return new
        G = torch.stack(
            [gap[exact:].transpose(0, 1).flatten(1) for _, gap in self.past], 1
        ).double()  # (n, h, D)
        size = G[:, -1].norm(dim=1)
        nearer = calm if self.before is None else calm & (size <= self.before)
        self.before = size
        H = G @ G.transpose(1, 2)
        h = H.shape[1]
        mean = H.diagonal(dim1=1, dim2=2).mean(1).clamp(min=torch.finfo(H.dtype).tiny)
        H = H / mean.view(-1, 1, 1) + RIDGE * torch.eye(h, dtype=H.dtype, device=H.device)
        weights = torch.linalg.solve(H, torch.ones_like(H[:, :, :1]))
        weights = weights / weights.sum(1, keepdim=True)  # (n, h, 1)
        values = torch.stack([value for value, _ in self.past])  # (h, K - 1, n, d)
        mixed = (weights.transpose(0, 1).unsqueeze(1).to(values) * values).sum(0)
        mixed = torch.where(nearer.view(1, -1, 1), mixed, new)
        mixed[:exact] = new[:exact]
        return mixed

    def keep(self, rows: Tensor) -> None:
        """Forget the rows that are not marked."""
        held = [(value[:, rows], gap[:, rows]) for value, gap in self.past]
        self.past = deque(held, maxlen=self.past.maxlen)
        self.before = None if self.before is None else self.before[rows]


def _step_noise(process: Process, path: Steps, noise: Noise) -> tuple[Tensor, Tensor]:
    """Which classes jump at each step, (K, n, d_c) bool, and the Gumbel noise of all jumps, (K, n, sum K)."""
    at, jumps, gumbels = process.schedule.at, [], []
    for t, s in pairwise(path):
        jumps.append(noise.uniform() >= multinomial.stay_probability(at(t), at(s)))
        gumbels.append(noise.gumbel())
    return torch.stack(jumps), torch.stack(gumbels)


def _last_jump(jump: Tensor) -> Tensor:
    """For positions 1 .. K-1 the last step before it that jumps, or -1; (K - 1, n, d_c) of `jump` (K, n, d_c)."""
    steps = torch.arange(len(jump), device=jump.device).view(-1, 1, 1)
    return torch.where(jump, steps, -1).cummax(0).values[:-1]
