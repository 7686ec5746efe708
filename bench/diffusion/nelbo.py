"""The negative evidence lower bound of a path, in nats per row: one network pass a time serves all steps from it.

NELBO(path) = prior + the sum of L(s, t) over its steps t -> s (Watson et al. 2021). Numeric and categorical parts are
kept apart. A table of L costs one pass per candidate time, because the pass at t does not depend on s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from tabstep.diffusion import gaussian, multinomial
from tabstep.diffusion.loss import diffuse
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.noise import stream

Variance = Literal["large", "small", "analytic", "score", "learned"]

CHUNK = 2**20  # numbers in the largest temporary of a table: 4 MiB in float32 stay in the cache


class Parts(NamedTuple):
    """Nats per row of the numeric and of the categorical columns."""

    numeric: Tensor
    categorical: Tensor


@dataclass(frozen=True, eq=False)
class Pass:
    """What one network call on noised held rows says of all steps that start at its time `t`.

    error     (B, d_num) squared error of the predicted clean numbers, float64
    given     (d_num,) variance of the clean numbers given x_t, as the paper of Analytic-DPM estimates it, float64
    fraction  (B, d_num) learned variance fractions, or (B, 0)
    log_pi    (B, sum K);  c_0, c_t  (B, d_c)
    """

    t: int
    error: Tensor
    given: Tensor
    fraction: Tensor
    log_pi: Tensor
    c_0: Tensor
    c_t: Tensor

    @property
    def moment(self) -> Tensor:
        """Mean squared error of each numeric column, (d_num,)."""
        return self.error.mean(0)

    def moment_of(self, variance: Variance) -> Tensor:
        """The moment that a reverse step of this variance adds to that of the posterior, (d_num,)."""
        return self.given if variance == "score" else self.moment


def passes(
    process: Process, held: State, times: Sequence[int], *, clip_x0: bool, seed: int = 0
) -> Iterator[Pass]:
    """One pass for each time, with noise that depends on seed and time alone."""
    n, device = len(held.x), held.x.device
    for t in times:
        generator = stream(seed, 2000, t)
        eps = torch.randn(held.x.shape, generator=generator, dtype=held.x.dtype)
        clean = State(held.x.cpu(), held.c.cpu(), None)
        noisy = diffuse(clean, torch.full((n,), t), process.schedule, process.blocks, eps, generator)
        state = State(noisy.x.to(device), noisy.c.to(device), held.y)
        with torch.inference_mode():
            out = process.predict(state, t, clip_x0=False)
        a_t = process.schedule.at(t)
        eps_hat = gaussian.eps_from_x0(state.x.double(), out.x0_hat.double(), a_t)
        most = ((process.x_max - process.x_min).double() / 2).square()
        given = gaussian.variance_of_x0(eps_hat, a_t).clamp(max=most)
        x0_hat = out.x0_hat.clamp(process.x_min, process.x_max) if clip_x0 else out.x0_hat
        error = (held.x.double() - x0_hat.double()) ** 2
        log_pi = process.blocks.log_softmax(out.scores)
        yield Pass(t, error, given, out.fraction.double(), log_pi, held.c, state.c)


def floor(process: Process) -> float:
    """The smallest posterior variance, that of the step 2 -> 1: stands in for 0 at s = 0."""
    at = process.schedule.at
    return gaussian.posterior(at(2), at(1)).small if process.T > 1 else 1 - at(1)


def step_variance(
    process: Process,
    p: gaussian.Posterior[gaussian.Number],
    variance: Variance,
    moment: Tensor,
    fraction: Tensor,
) -> gaussian.Number | Tensor:
    """Variance of the numeric reverse step with the coefficients `p`.

    analytic, score: that of the exact posterior over x_0, for a `moment` (d_num,): of the error of the predicted clean
    numbers, a column's own, or what Bao et al. 2022 take for it; learned: by the `fraction` (n, d_num).
    """
    if variance == "learned":
        assert process.learned_variance is not None
        return process.learned_variance(fraction, p.small, p.large)
    if variance in ("analytic", "score"):
        return p.small + p.on_x0**2 * moment
    return p.small if variance == "small" else p.large


def numeric_steps(process: Process, out: Pass, sources: Sequence[int], variance: Variance) -> Tensor:
    """L_num(s, t) for every s in `sources`, (S,) float64.

    KL of the exact to the modelled reverse step; at s = 0 -log of the decoder N(x0_hat, v), v of the same `variance`.
    """
    alpha_bar = process.schedule.alpha_bar[torch.as_tensor(sources)]
    total = torch.empty(len(sources), dtype=torch.float64)
    some = max(1, CHUNK // max(1, out.error.numel()))
    for i in range(0, len(sources), some):
        p = gaussian.posterior(process.schedule.at(out.t), alpha_bar[i : i + some].reshape(-1, 1, 1))
        v: Tensor = step_variance(process, p, variance, out.moment_of(variance).cpu(), out.fraction.cpu())
        error = out.error.cpu() if variance == "learned" else out.moment.cpu()
        total[i : i + some] = gaussian.kl(p.on_x0 * error.sqrt(), p.small, v).mean(1).sum(1)
    w = decoder_variance(process, out, variance)
    decoder = 0.5 * ((2 * math.pi * w).log() + out.error / w)
    total[torch.as_tensor(sources) == 0] = decoder.mean(0).sum().cpu()
    return total


def decoder_variance(process: Process, out: Pass, variance: Variance) -> Tensor:
    """Variance of the step to s = 0, (d_num,) or (B, d_num): the rule of all other steps carried on to the last.

    There the exact posterior has none, and `floor` stands in for it. Only "analytic" measures the error that the row
    itself then has; the others know no more of the network at this step than at any other.
    """
    least = floor(process)
    if variance == "analytic":
        return out.moment.clamp(min=least)
    p = gaussian.posterior(process.schedule.at(out.t), 1.0)._replace(small=least)
    w = step_variance(process, p, variance, out.moment_of(variance), out.fraction)
    return torch.as_tensor(w, dtype=torch.float64, device=out.error.device)


def categorical_steps(process: Process, out: Pass, sources: Sequence[int]) -> Tensor:
    """L_cat(s, t) for every s in `sources`, (S,) float64: one logarithm a class, row and s."""
    alpha_bar = process.schedule.alpha_bar.to(out.log_pi.device)
    total = torch.zeros(len(sources), dtype=torch.float64)
    a_t = alpha_bar[out.t].reshape(1, 1)
    a_s = alpha_bar[torch.as_tensor(sources)].reshape(-1, 1, 1)
    for group, view in process.blocks.each(out.log_pi):
        c_0, c_t = out.c_0[:, group.columns], out.c_t[:, group.columns]
        some = max(1, CHUNK // view.numel())
        for i in range(0, len(sources), some):
            kl = multinomial.kl_step(view, c_0, c_t, a_t, a_s[i : i + some])
            total[i : i + some] += kl.double().mean(1).sum(1).cpu()
    return total


def table(
    process: Process,
    held: State,
    times: Sequence[int],
    variance: Variance,
    *,
    clip_x0: bool = True,
    seed: int = 0,
) -> Parts:
    """L over the candidate `times`, which rise from 0: two (n, n) float64 with entry [i, j] = L(times[i], times[j]).

    Entries with i >= j are no steps and hold 0. Costs exactly one network call for each time above 0.
    """
    n = len(times)
    numeric, categorical = (torch.zeros(n, n, dtype=torch.float64) for _ in range(2))
    for j, out in enumerate(passes(process, held, times[1:], clip_x0=clip_x0, seed=seed), start=1):
        numeric[:j, j] = numeric_steps(process, out, times[:j], variance)
        categorical[:j, j] = categorical_steps(process, out, times[:j])
    return Parts(numeric, categorical)


def prior(process: Process, held: State, t: int | None = None) -> Parts:
    """KL(q(x_t | x_0) || N(0, I)) and KL(q(c_t | c_0) || uniform) at the time where paths begin, T unless told."""
    a_T = process.schedule.at(process.T if t is None else t)
    spread = torch.tensor(1 - a_T, dtype=torch.float64)
    numeric = gaussian.kl(math.sqrt(a_T) * held.x.double(), spread, torch.ones((), dtype=torch.float64))
    categorical = sum(multinomial.prior_kl(a_T, K) for K in process.blocks.sizes)
    return Parts(numeric.sum(1).mean(), torch.tensor(float(categorical), dtype=torch.float64))


def nelbo(
    process: Process,
    held: State,
    path: Sequence[int],
    variance: Variance,
    *,
    clip_x0: bool = True,
    seed: int = 0,
) -> Parts:
    """Nats per row of the rows `held` along a falling path to 0; one network call a step."""
    numeric, categorical = prior(process, held, path[0])
    sources = dict(pairwise(path))
    for out in passes(process, held, path[:-1], clip_x0=clip_x0, seed=seed):
        s = sources[out.t]
        numeric = numeric + numeric_steps(process, out, [s], variance)[0]
        categorical = categorical + categorical_steps(process, out, [s])[0]
    return Parts(numeric, categorical)
