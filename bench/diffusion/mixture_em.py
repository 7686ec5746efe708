"""Expectation-maximisation of a mixture of products (Dempster, Laird & Rubin 1977), its size chosen by held rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import Mixture, batches, classes, evidence, flat, log_density
from tabstep.diffusion.noise import stream

HELD = 0.1  # part of the rows that choose the number of components and when to stop
PATIENCE = 5  # sweeps that together bring held rows less than `GAIN`
GAIN = 1e-3  # nats per row
M = TypeVar("M")


class Sums(NamedTuple):
    """What a maximisation needs of the rows: responsibilities summed, plain and times numbers, squares, classes.

    rows (Z,), x and xx (Z, d_num), classes (Z, sum of sizes)
    """

    rows: Tensor
    x: Tensor
    xx: Tensor
    classes: Tensor


@dataclass(frozen=True, eq=False)
class Prior:
    """Pseudo-rows of every component, so that none is ever empty or has a density without a top.

    A normal-inverse-gamma prior for each number: `smooth` rows at the column's mean, `spread` rows with half of its
    deviation; a Dirichlet prior for each category and the weights: `smooth` rows, with the frequencies of all rows.

    center, scale (d_num,) mean and deviation of numbers; frequency (sum of sizes,); least (d_num,) lowest variance
    """

    smooth: float
    spread: float
    center: Tensor
    scale: Tensor
    frequency: Tensor
    least: Tensor

    @property
    def squares(self) -> Tensor:
        """Squared deviation that the pseudo-rows of a number add, (d_num,)."""
        return self.spread * 0.25 * self.scale**2


def log_prior(m: Mixture, prior: Prior) -> float:
    """Log density of the prior at these parameters, up to a constant: what EM adds to the likelihood."""
    from_mean = prior.squares + prior.smooth * (m.mean - prior.center) ** 2
    numbers = -0.5 * (prior.spread * m.var.log() + from_mean / m.var).sum()
    tables = prior.smooth * (prior.frequency * m.log_p).sum()
    return float(numbers + tables + prior.smooth * m.log_w.sum())


def expectation(m: Mixture, x: Tensor, c: Tensor) -> tuple[Sums, float]:
    """Sums over rows of their responsibilities, and the log-likelihood of the rows, in batches."""
    Z, d, width = m.components, x.shape[1], m.log_p.shape[1]
    zeros = m.log_w.new_zeros
    rows, sx, sxx, counts, total = zeros(Z), zeros(Z, d), zeros(Z, d), zeros(width, Z), 0.0
    for i in batches(len(x), Z + width):
        log_joint = evidence(m, x[i], c[i])
        log_p = torch.logsumexp(log_joint, 1, keepdim=True)
        total += float(log_p.sum())
        r = (log_joint - log_p).exp()
        rows += r.sum(0)
        sx += r.T @ x[i]
        sxx += r.T @ x[i] ** 2
        for column in flat(c[i], m.sizes).T:
            counts.index_add_(0, column, r)
    return Sums(rows, sx, sxx, counts.T), total


def maximisation(sums: Sums, sizes: tuple[int, ...], prior: Prior) -> Mixture:
    """The parameters of highest expected likelihood times prior, variances from `prior.least` up."""
    N, s = sums.rows.unsqueeze(1), prior.smooth
    log_w = ((sums.rows + s) / (sums.rows + s).sum()).log()
    mean = (sums.x + s * prior.center) / (N + s)
    squares = sums.xx - 2 * mean * sums.x + N * mean**2 + s * (mean - prior.center) ** 2
    var = (squares.clamp(min=0) + prior.squares) / (N + prior.spread)
    counts = sums.classes + s * prior.frequency
    parts = [p / p.sum(1, keepdim=True) for p in counts.split(list(sizes), 1)] if sizes else [counts]
    return Mixture(sizes, log_w, mean, torch.maximum(var, prior.least), torch.cat(parts, 1).log())


@dataclass(frozen=True)
class Search(ABC, Generic[M]):
    """Settings of a fit, and the search for how many components held rows bear.

    components  numbers to choose from, rising: each is fitted until held rows gain no more, and the first that gives
                them less than the one before ends the search
    rows        the most rows that are fitted to; of a larger table a random part is
    smooth      pseudo-rows of categories, weights and means in each component
    spread      pseudo-rows of a number's variance in each component
    least_std   lowest deviation of a number in a component, in deviations of its column
    """

    components: tuple[int, ...] = (1, 4, 16, 64, 256)
    rows: int = 20_000
    sweeps: int = 60
    smooth: float = 0.05
    spread: float = 1.0
    least_std: float = 0.05

    def __post_init__(self) -> None:
        if not self.components or min(self.components) < 1 or [*self.components] != sorted(self.components):
            raise ValueError(f"components must be positive and rise, got {self.components}")
        for name in ("rows", "sweeps", "smooth", "spread", "least_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def prior(self, x: Tensor, c: Tensor, sizes: tuple[int, ...]) -> Prior:
        """Pseudo-rows like the rows x (n, d_num) float64, c (n, len(sizes))."""
        n = len(x)
        scale = (x - x.mean(0)).square().mean(0).sqrt()
        scale = torch.where(scale > 0, scale, 1.0)  # of a constant column any scale will do
        counts = torch.bincount(flat(c, sizes).flatten(), minlength=sum(sizes)).to(x.dtype)
        share = torch.cat([x.new_full((K,), 0.5 / K) for K in sizes]) if sizes else counts
        frequency = (counts + share) / (n + 0.5)  # a class that these rows lack has a place too
        return Prior(self.smooth, self.spread, x.mean(0), scale, frequency, (self.least_std * scale) ** 2)

    def chosen(
        self, x: Tensor, c: Tensor, sizes: tuple[int, ...], prior: Prior, Z: int, seed: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What Z components begin with: the numbers of rows chosen at random, jitter for them, log tables near them."""
        generator = stream(seed, 6001, Z)
        chosen = torch.randperm(len(x), generator=generator)[:Z].to(x.device)
        jitter = torch.randn(Z, x.shape[1], generator=generator, dtype=x.dtype).to(x.device)
        own = torch.zeros(Z, sum(sizes), dtype=x.dtype, device=x.device)
        own.scatter_(1, flat(c[chosen], sizes), 1.0)
        return x[chosen], 0.05 * prior.scale * jitter, (0.7 * own + 0.3 * prior.frequency).log()

    def most(self, d_num: int) -> int:
        """The most components that there is room for."""
        return self.components[-1]

    @abstractmethod
    def begin(self, x: Tensor, c: Tensor, sizes: tuple[int, ...], prior: Prior, Z: int, seed: int) -> M:
        """Z components to climb from."""

    @abstractmethod
    def sweep(self, m: M, x: Tensor, c: Tensor, prior: Prior) -> M:
        """One expectation and maximisation."""

    @abstractmethod
    def nats(self, m: M, rows: State) -> float:
        """Mean log density of rows."""

    def estimate(self, data: State, sizes: tuple[int, ...], *, seed: int) -> M:
        """The mixture of encoded rows, a label being the last of the categories of these `sizes`.

        Raises ValueError with fewer than two rows.
        """
        n = len(data.x)
        if n < 2:
            raise ValueError(f"a mixture needs at least 2 rows, got {n}")
        order = torch.randperm(n, generator=stream(seed, 6000))[: self.rows].to(data.x.device)
        x, c = data.x[order].double(), classes(data)[order]
        cut = max(1, round(HELD * len(order)))
        held, x, c = State(x[:cut], c[:cut], None), x[cut:], c[cut:]
        prior = self.prior(x, c, sizes)
        best: M | None = None
        nats = -torch.inf
        for Z in self.components:
            if best is not None and (len(x) < Z or self.most(x.shape[1]) < Z):
                break
            found, reached = self._climb(
                self.begin(x, c, sizes, prior, min(Z, len(x)), seed), x, c, prior, held
            )
            if best is not None and reached <= nats:
                break
            best, nats = found, reached
        assert best is not None
        return best

    def _climb(self, m: M, x: Tensor, c: Tensor, prior: Prior, held: State) -> tuple[M, float]:
        """Sweeps of EM while held rows gain, the parameters that were best for them, and their nats per row."""
        best, nats, mark, still = m, -torch.inf, -torch.inf, 0
        for _ in range(self.sweeps):
            m = self.sweep(m, x, c, prior)
            reached = self.nats(m, held)
            if reached > nats:
                best, nats = m, reached
            if reached > mark + GAIN:
                mark, still = reached, 0
            else:
                still += 1
            if still == PATIENCE:
                break
        return best, nats


@dataclass(frozen=True)
class EM(Search[Mixture]):
    """Settings of the fit of a mixture of products."""

    def begin(self, x: Tensor, c: Tensor, sizes: tuple[int, ...], prior: Prior, Z: int, seed: int) -> Mixture:
        """Z components around rows chosen at random, with half the variance of all rows."""
        rows, jitter, tables = self.chosen(x, c, sizes, prior, Z, seed)
        var = (0.5 * prior.scale**2).expand(Z, -1).contiguous()
        return Mixture(sizes, x.new_full((Z,), 1 / Z).log(), rows + jitter, var, tables)

    def sweep(self, m: Mixture, x: Tensor, c: Tensor, prior: Prior) -> Mixture:
        return maximisation(expectation(m, x, c)[0], m.sizes, prior)

    def nats(self, m: Mixture, rows: State) -> float:
        return float(log_density(m, rows).mean())
