"""Inversion: the numbers at time T from which DDIM comes to given rows, by four methods."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Process, State
from tabstep.samplers.deq import cumulative
from tabstep.samplers.latent import Invert
from tabstep.samplers.setting import Steps

MOST = 50  # damped Newton steps for one step of the path
ADAM = 100  # steps of Adam in `joint`, which bring it near enough for Newton to end it


class Backward(NamedTuple):
    """How a gradient is carried back through a fixed point: that many sweeps, each of which moves by `damping`."""

    sweeps: int
    damping: float


IMPLICIT = Backward(8, 1.0)  # exact where the path has no more steps
PHANTOM = Backward(5, 0.5)  # the unrolled steps and the damping of Geng et al. 2021


def upward(process: Process, path: Steps, clean: State, classes: list[Tensor]) -> Tensor:
    """DDIM run backwards with the noise predicted at the lower end of each step (Song et al. 2021, 4.3): K calls.

    The first call takes the row at time 0 for one at time 1, which is as low as the network goes.
    """
    with torch.no_grad():
        x = clean.x
        for k, (s, t) in enumerate(pairwise(reversed(path))):
            x = _up(process, State(x, classes[-1 - k], clean.y), s, t)
        return x


def _up(process: Process, state: State, s: int, t: int) -> Tensor:
    """One step up, x_s to x_t."""
    a_s, a_t = process.schedule.at(s), process.schedule.at(t)
    if s == 0:
        eps, _ = process.denoiser(*state[:2], 1, state.y)
        return math.sqrt(a_t) * state.x + math.sqrt(1 - a_t) * eps[:, : process.d_num]
    x0_hat = process.predict(state, s, clip_x0=True).x0_hat
    return math.sqrt(a_t) * x0_hat + math.sqrt(1 - a_t) * gaussian.eps_from_x0(state.x, x0_hat, a_s)


def newton(process: Process, path: Steps, clean: State, classes: list[Tensor]) -> Tensor:
    """Each step of DDIM solved for where it came from, by damped Newton from the step of `upward`.

    With clip_x0 a step above time 0 is a linear map plus a bounded one, so there always is a solution. At the last
    one there need not be: a network that shrinks to the mean does not reach the far rows in few steps.
    """
    x = clean.x
    for k, (s, t) in enumerate(pairwise(reversed(path))):
        a_s, a_t = process.schedule.at(s), process.schedule.at(t)
        above, below = classes[-2 - k], classes[-1 - k]

        def gap(z: Tensor, rows: Tensor, t: int = t, a_s: float = a_s, a_t: float = a_t) -> Tensor:
            y = None if clean.y is None else clean.y[rows]
            x0_hat = process.predict(State(z, above[rows], y), t, clip_x0=True).x0_hat  # noqa: B023
            return gaussian.ddim_step(z, x0_hat, a_t, a_s, None, eta=0.0) - x[rows]  # noqa: B023

        with torch.no_grad():
            begin = _up(process, State(x, below, clean.y), s, t)
        x = solve(gap, begin)
    return x


def solve(gap: Callable[[Tensor, Tensor], Tensor], x: Tensor, tol: float = 1e-9) -> Tensor:
    """Where gap(x, rows) = 0 for each row (n, d) by itself: Levenberg-Marquardt, whose damping goes to 0 near a root.

    `gap` takes some of the rows, and their indices. A row without a root ends where its gap was least.
    """
    x = x.clone()
    rows = torch.arange(len(x), device=x.device)
    damping = torch.full((len(x), 1, 1), 1e-3, dtype=x.dtype, device=x.device)
    eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    value, J = _jacobian(gap, x, rows)
    for _ in range(MOST):
        far = value.abs().amax(1) > tol if x.shape[1] else torch.zeros(len(value), dtype=torch.bool)
        if not far.any():
            break
        rows, value, J, damping = rows[far], value[far], J[far], damping[far]
        H = J.mT @ J
        size = H.diagonal(dim1=1, dim2=2).mean(1).view(-1, 1, 1).clamp(min=torch.finfo(x.dtype).tiny)
        move = torch.linalg.solve(H + damping * size * eye, J.mT @ value.unsqueeze(2)).squeeze(2)
        new_value, new_J = _jacobian(gap, x[rows] - move, rows)
        nearer = new_value.norm(dim=1) < value.norm(dim=1)
        x[rows[nearer]] -= move[nearer]
        value = torch.where(nearer.unsqueeze(1), new_value, value)
        J = torch.where(nearer.view(-1, 1, 1), new_J, J)
        damping = torch.where(nearer.view(-1, 1, 1), damping / 10, damping * 4).clamp(1e-15, 1e9)
    return x


def _jacobian(gap: Callable[[Tensor, Tensor], Tensor], x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The gap of each row (n, d) and its derivative (n, d, d): rows do not depend on each other."""
    with torch.enable_grad():
        z = x.detach().requires_grad_()
        value = gap(z, rows)
        columns = [torch.autograd.grad(value[:, j].sum(), z, retain_graph=True)[0] for j in range(x.shape[1])]
    return value.detach(), torch.stack(columns, 1) if columns else x.new_zeros(len(x), 0, 0)


def joint(
    process: Process, path: Steps, clean: State, classes: list[Tensor], back: Backward = IMPLICIT
) -> Tensor:
    """x_T for which the fixed point of the whole chain ends at the row, by Adam (Pokle et al. 2022, section 5).

    The chain is solved by the sweeps of DEQ-DDIM and differentiated at its solution, not through the sweeps. Adam alone
    stays a tenth of a deviation from some rows however long it runs; damped Newton on the chain takes it to the end.
    """
    chain = Chain.of(process, path, classes, clean.y)
    x_T = upward(process, path, clean, classes).requires_grad_()
    adam = torch.optim.Adam([x_T], lr=0.1)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(adam, ADAM)
    z = None
    for _ in range(ADAM):
        z = chain.solve(x_T.detach(), z)
        x_T.grad = chain.gradient(x_T.detach(), z, lambda end: (end - clean.x).square().sum(), back)
        adam.step()
        rate.step()

    def gap(x: Tensor, rows: Tensor) -> Tensor:
        y = None if clean.y is None else clean.y[rows]
        for (t, s), c in zip(pairwise(path), classes, strict=False):
            x0_hat = process.predict(State(x, c[rows], y), t, clip_x0=True).x0_hat
            x = gaussian.ddim_step(x, x0_hat, process.schedule.at(t), process.schedule.at(s), None, eta=0.0)
        return x - clean.x[rows]

    return solve(gap, x_T.detach())


@dataclass(frozen=True, eq=False)
class Chain:
    """The numbers of DDIM at all K times of a path as one fixed point z = F(z, x_T), the classes being known.

    z (K - 1, n, d) are the numbers at the times after T, in the cumulative form of `deq.solve` at eta = 0: with X_i the
    clean numbers predicted at position i, x_j = scale_j (x_T / scale_0 + sum_{i<j} rise_i X_i), and the row is X_{K-1}.
    """

    process: Process
    times: Tensor
    classes: Tensor  # (K, n, d_c)
    y: Tensor | None
    alpha: Tensor  # (K, 1, 1) as are the others
    scale: Tensor
    rise: Tensor  # (K - 1, 1, 1)

    @classmethod
    def of(cls, process: Process, path: Steps, classes: list[Tensor], y: Tensor | None) -> Chain:
        device = process.x_min.device
        alpha = torch.tensor([process.schedule.at(t) for t in path[:-1]], dtype=torch.float64, device=device)
        scale, rise, _ = cumulative(alpha, eta=0.0)
        alpha, scale, rise = (v.to(process.x_min).view(-1, 1, 1) for v in (alpha, scale, rise))
        times = torch.tensor(path[:-1], device=device)
        return cls(process, times, torch.stack(classes[:-1]), y, alpha, scale, rise)

    def clean(self, x: Tensor) -> Tensor:
        """Clean numbers (K, n, d) predicted at all positions (K, n, d), in one call."""
        K, n, d = x.shape
        y = None if self.y is None else self.y.repeat(K)
        eps_hat, _ = self.process.denoiser(
            x.flatten(0, 1), self.classes.flatten(0, 1), self.times.repeat_interleave(n), y
        )
        eps_hat = eps_hat[:, :d].view(K, n, d)
        found = (x - (1 - self.alpha).sqrt() * eps_hat) / self.alpha.sqrt()
        return found.clamp(self.process.x_min, self.process.x_max)

    def positions(self, x_T: Tensor, clean: Tensor) -> Tensor:
        """F: the numbers after T, from the clean numbers predicted before them."""
        return self.scale[1:] * (x_T / self.scale[0] + (self.rise * clean[:-1]).cumsum(0))

    @torch.no_grad()
    def solve(self, x_T: Tensor, z: Tensor | None = None, tol: float = 1e-10) -> Tensor:
        """The fixed point, after at most K sweeps from `z`."""
        x = torch.cat([x_T.unsqueeze(0), self.scale[1:] / self.scale[0] * x_T if z is None else z])
        for _ in range(len(self.times)):
            new = self.positions(x_T, self.clean(x))
            done = bool(((new - x[1:]).abs() <= tol).all())
            x = torch.cat([x_T.unsqueeze(0), new])
            if done:
                break
        return x[1:]

    def gradient(self, x_T: Tensor, z: Tensor, loss: Callable[[Tensor], Tensor], back: Backward) -> Tensor:
        """d loss(row) / d x_T at the fixed point z, by the implicit function theorem or near to it.

        u <- (1 - damping) u + damping ((dF/dz)^T u + dl/dz), from u = 0. With damping 1 each sweep brings one position
        more, and u is exact after K + 1 of them. With less it is the phantom gradient of Geng et al. 2021: that through
        as many unrolled steps z <- (1 - damping) z + damping F(z), begun at the fixed point.
        """
        with torch.enable_grad():
            start, inner = x_T.detach().requires_grad_(), z.detach().requires_grad_()
            clean = self.clean(torch.cat([start.unsqueeze(0), inner]))
            F = self.positions(start, clean)
            direct, first = torch.autograd.grad(
                loss(clean[-1]), (start, inner), retain_graph=True, materialize_grads=True
            )
            u = back.damping * first
            for _ in range(back.sweeps - 1):
                (more,) = torch.autograd.grad(F, inner, u, retain_graph=True, materialize_grads=True)
                before, u = u, (1 - back.damping) * u + back.damping * (more + first)
                if torch.equal(u, before):
                    break
            (through,) = torch.autograd.grad(F, start, u, materialize_grads=True)
        return direct + through


INVERSIONS: dict[str, Invert] = {
    "upward": upward,
    "newton": newton,
    "joint": joint,
    "phantom": partial(joint, back=PHANTOM),
}
