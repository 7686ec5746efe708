"""Closed-form denoisers: the ideal network of two small worlds, for tests of samplers and losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tabstep.diffusion import multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Denoiser, Process, State
from tabstep.diffusion.schedule import Schedule, make
from tabstep.samplers.setting import Setting

F64 = torch.float64


def signal(schedule: Schedule, t: int | Tensor) -> float | Tensor:
    """alpha_bar at a time that need not be whole: half log SNR is interpolated, and carries a gradient."""
    if isinstance(t, int):
        return schedule.at(t)
    clock = schedule.half_log_snr
    low = t.detach().floor().clamp(1, schedule.T - 1).long()
    return torch.sigmoid(2 * (clock[low] + (t - low) * (clock[low + 1] - clock[low])))


@dataclass(frozen=True, eq=False)
class LatentClass:
    """Rows from a mixture: z ~ w, numbers N(mu_z, s^2) per column, categories P_j[z]; everything closed form.

    w (Z,), mu (Z, d), s (d,), P one (Z, K_j) table a categorical column.
    """

    schedule: Schedule
    w: Tensor
    mu: Tensor
    s: Tensor
    P: tuple[Tensor, ...]

    @property
    def blocks(self) -> Blocks:
        return Blocks(tuple(p.shape[1] for p in self.P))

    def _evidence(self, x: Tensor, c: Tensor, a: float | Tensor) -> tuple[Tensor, list[Tensor]]:
        var = a * self.s**2 + 1 - a
        diff = x.unsqueeze(1) - a**0.5 * self.mu
        numbers = -0.5 * (diff**2 / var + torch.log(2 * math.pi * var)).sum(-1)
        one_hot = self.blocks.one_hot(c, x.dtype).split([p.shape[1] for p in self.P], 1)
        columns = [
            o @ torch.log(a * p + (1 - a) / p.shape[1]).T for o, p in zip(one_hot, self.P, strict=True)
        ]
        return self.w.log() + numbers, columns

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        a = signal(self.schedule, t)
        numbers, columns = self._evidence(x, c, a)
        total = numbers + sum(columns, torch.zeros(()))
        r = total.softmax(1)
        gain = a**0.5 * self.s**2 / (a * self.s**2 + 1 - a)
        x0 = (r.unsqueeze(-1) * (self.mu + gain * (x.unsqueeze(1) - a**0.5 * self.mu))).sum(1)
        log_pi = [((total - columns[j]).softmax(1) @ p).log() for j, p in enumerate(self.P)]
        eps = (x - a**0.5 * x0) / (1 - a) ** 0.5
        return eps, torch.cat(log_pi, 1) if log_pi else x.new_empty(len(x), 0)

    def process(self, bound: float = 6.0) -> Process:
        limit = torch.full((self.mu.shape[1],), bound, dtype=F64)
        return Process(self.schedule, self.blocks, self, -limit, limit)

    def state(self, n: int, seed: int) -> State:
        """Exact draws as encoded rows."""
        x, c = self.rows(n, seed)
        return State(torch.from_numpy(x), torch.from_numpy(c), None)

    def setting(self, n: int = 4000, bound: float = 6.0) -> Setting:
        """With n exact draws as held-out rows, and as many others as training rows."""
        return Setting(self.process(bound), train=self.state(n, seed=98), held=self.state(n, seed=99))

    def rows(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact draws (x, c)."""
        rng = np.random.default_rng(seed)
        z = rng.choice(len(self.w), size=n, p=self.w.numpy())
        x = self.mu.numpy()[z] + self.s.numpy() * rng.standard_normal((n, self.mu.shape[1]))
        c = np.empty((n, len(self.P)), np.int64)
        for j, p in enumerate(self.P):
            c[:, j] = (rng.random((n, 1)) > p.numpy().cumsum(1)[z]).sum(1).clip(max=p.shape[1] - 1)
        return x, c


def mixed_table(T: int = 1000) -> LatentClass:
    """Three numeric columns, categories of 3 and 4 classes, strongly dependent."""
    return LatentClass(
        make("cosine", T),
        torch.tensor([0.5, 0.3, 0.2], dtype=F64),
        torch.tensor([[-1.0, 0.5, 0.0], [1.0, 0.5, -1.2], [0.6, -1.5, 1.4]], dtype=F64),
        torch.tensor([0.4, 0.6, 0.3], dtype=F64),
        (
            torch.tensor([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]], dtype=F64),
            torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1], [0.05, 0.05, 0.45, 0.45]], dtype=F64),
        ),
    )


def normal_columns(w: tuple[float, ...], T: int = 1000) -> LatentClass:
    """Independent N(0, w_i) columns, no categories."""
    d = len(w)
    return LatentClass(
        make("cosine", T),
        torch.ones(1, dtype=F64),
        torch.zeros(1, d, dtype=F64),
        torch.tensor(w, dtype=F64).sqrt(),
        (),
    )


@dataclass(frozen=True, eq=False)
class TwoColumns:
    """Two categorical columns with a given joint table P (K, K): enumerable, with exact heads."""

    schedule: Schedule
    P: Tensor

    @classmethod
    def dependent(cls, T: int = 1000) -> TwoColumns:
        """P = 0.9 diag(1/4) + 0.1/16, the example of the exact comparison of categorical steps."""
        return cls(make("cosine", T), 0.9 * torch.eye(4, dtype=F64) / 4 + 0.1 / 16)

    @property
    def K(self) -> int:
        return len(self.P)

    def channel(self, a: float) -> Tensor:
        """q(c_t = column | c_0 = row) for one column."""
        return a * torch.eye(self.K, dtype=F64) + (1 - a) / self.K

    def log_loo(self, a: float) -> tuple[Tensor, Tensor]:
        """log pi_loo of both columns for every noisy pair, (K * K, 1, K) each: column i given the other's class."""
        first = (self.P @ self.channel(a)).T  # (c2_t, c1_0)
        second = self.P.T @ self.channel(a)
        second = second.T  # (c1_t, c2_0)
        first = first / first.sum(1, keepdim=True)
        second = second / second.sum(1, keepdim=True)
        pairs = torch.cartesian_prod(torch.arange(self.K), torch.arange(self.K))
        return first[pairs[:, 1]].log().unsqueeze(1), second[pairs[:, 0]].log().unsqueeze(1)

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert isinstance(t, int)
        one, two = self.log_loo(self.schedule.at(t))
        row = c[:, 0] * self.K + c[:, 1]
        return x.new_empty(len(c), 0), torch.cat([one[row, 0], two[row, 0]], 1)

    def process(self) -> Process:
        none = torch.empty(0, dtype=F64)
        return Process(self.schedule, Blocks((self.K, self.K)), self, none, none)

    def posterior(self, t: int, s: int) -> tuple[Tensor, Tensor]:
        """Exact q(c_s^i | c_t) of both columns for every noisy pair, (K * K, K), by enumeration of c_0."""
        a_t, a_s = self.schedule.at(t), self.schedule.at(s)
        Q_s, Q_st, Q_t = self.channel(a_s), self.channel(a_t / a_s), self.channel(a_t)
        # joint over (c1_0, c2_0, c1_s, c1_t, c2_t); the second column needs no state at s, and the other way round
        one = torch.einsum("ab,as,st,bu->tus", self.P, Q_s, Q_st, Q_t).reshape(self.K**2, self.K)
        two = torch.einsum("ab,bs,su,at->tus", self.P, Q_s, Q_st, Q_t).reshape(self.K**2, self.K)
        return one / one.sum(1, keepdim=True), two / two.sum(1, keepdim=True)


def pairs(K: int) -> tuple[Tensor, Tensor]:
    """All noisy pairs in order, as two (K * K, 1) class columns."""
    both = torch.cartesian_prod(torch.arange(K), torch.arange(K))
    return both[:, :1], both[:, 1:]


def matrices(schedule: Schedule, K: int) -> list[Tensor]:
    """One-step transition matrices; entry t is q(c_t | c_{t-1})."""
    out = [torch.eye(K, dtype=F64)]
    for t in range(1, schedule.T + 1):
        alpha = float(schedule.alpha_bar[t] / schedule.alpha_bar[t - 1])
        out.append(alpha * torch.eye(K, dtype=F64) + (1 - alpha) / K)
    return out


def noised_pairs(world: TwoColumns, joint: Tensor, t: int) -> Tensor:
    """The joint (K, K) of both columns after the forward process up to time t."""
    channel = world.channel(world.schedule.at(t))
    return channel.T @ joint @ channel


def output_of_two_columns(
    world: TwoColumns, path: tuple[int, ...], step: str, begin: Tensor | None = None
) -> Tensor:
    """Exact output joint (K, K) of a sampler on two columns, by propagating the distribution over pairs.

    It begins with the joint `begin` (K, K), or in uniform noise.

    step: "plug-in" ancestral, "stay" stay-or-jump, "no-stay" (sigma = 0); with "/loo" or "/full" for the head that
    is put in, so that wrong pairings can be shown to be wrong.
    """
    rule, head = step.split("/")
    K = world.K
    state = torch.full((K * K,), 1 / K**2, dtype=F64) if begin is None else begin.reshape(-1)
    c1, c2 = pairs(K)
    for t, s in pairwise(path):
        a_t, a_s = world.schedule.at(t), world.schedule.at(s)
        kernel = []
        for log_pi, c in zip(world.log_loo(a_t), (c1, c2), strict=True):
            used = multinomial.log_full(log_pi, c, a_t) if head == "full" else log_pi
            if rule == "plug-in":
                p = multinomial.log_posterior(used, c, a_t, a_s).exp()
            else:
                sigma = multinomial.stay_probability(a_t, a_s) if rule == "stay" else 0.0
                p = multinomial.ddim_probabilities(used.exp(), c, a_t, a_s, sigma)
            kernel.append(p[:, 0])
        joint = torch.einsum("r,ra,rb->ab", state, kernel[0], kernel[1])
        state = joint.reshape(-1)
    return state.reshape(K, K)


def total_variation(p: Tensor, q: Tensor) -> float:
    return float(0.5 * (p - q).abs().sum())


def bare(T: int) -> Setting:
    """A schedule and nothing else: enough for grids that need no network."""
    return normal_columns((1.0,), T).setting(1)


@dataclass(frozen=True, eq=False)
class RowTimes:
    """A denoiser of one time a call, called with a time a row."""

    denoiser: Denoiser

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        if isinstance(t, int):
            return self.denoiser(x, c, t, y)
        parts: list[tuple[Tensor, Tensor]] = []
        order: list[Tensor] = []
        for time in t.unique():
            rows = (t == time).nonzero().flatten()
            parts.append(self.denoiser(x[rows], c[rows], int(time), None if y is None else y[rows]))
            order.append(rows)
        back = torch.cat(order).argsort()
        eps, log_pi = (torch.cat(part)[back] for part in zip(*parts, strict=True))
        return eps, log_pi
