"""A mixture whose numbers are correlated within a component; categories are independent there, as in `mixture`.

    p(x, c) = sum_z  w_z  N(x; mean_z, root_z root_z')  prod_i P_i[z, c_i]

Columns that follow each other need many components where each has them independent, and few rows do not tell of many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import Latent, batches, classes, drawn_classes, flat
from tabstep.diffusion.mixture_em import Prior, Search, Sums, maximisation

MOST = 2**24  # numbers in all covariances of a mixture: 128 MiB


@dataclass(frozen=True, eq=False)
class Correlated(Latent):
    """Z components over d_num numbers and categories of these sizes, all float64.

    log_w (Z,); mean (Z, d_num); root (Z, d_num, d_num), lower triangular; log_p as of `mixture.Mixture`
    """

    sizes: tuple[int, ...]
    log_w: Tensor
    mean: Tensor
    root: Tensor
    log_p: Tensor


def evidence(m: Correlated, x: Tensor, c: Tensor) -> Tensor:
    """log w_z + log p(x, c | z) of rows x (n, d_num), c (n, len(sizes)); (n, Z)."""
    Z, d = m.mean.shape
    whiten = torch.linalg.solve_triangular(m.root, torch.eye(d).to(m.root).expand(Z, d, d), upper=False)
    shifted = (whiten @ m.mean.unsqueeze(2)).reshape(1, Z * d)
    away = (x.to(m.mean.dtype) @ whiten.reshape(Z * d, d).T - shifted).view(len(x), Z, d)
    volume = m.root.diagonal(dim1=1, dim2=2).log().sum(1) + 0.5 * d * math.log(2 * math.pi)
    total: Tensor = m.log_w - volume - 0.5 * away.square().sum(2)
    if m.sizes:
        total = total + F.embedding_bag(flat(c, m.sizes), m.log_p.T.contiguous(), mode="sum")
    return total


def log_density(m: Correlated, rows: State) -> Tensor:
    """log p(x, c, y) of encoded rows, (n,) nats."""
    c, (Z, d) = classes(rows), m.mean.shape
    parts = [torch.logsumexp(evidence(m, rows.x[i], c[i]), 1) for i in batches(len(c), Z * (d + 1))]
    return torch.cat(parts) if parts else m.log_w.new_empty(0)


def draw(m: Correlated, z: Tensor, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers (n, d_num) and classes (n, len(sizes)) of rows in the components z (n,).

    normal (n, d_num) and uniform (n, len(sizes)) are their noise.
    """
    d, normal = m.mean.shape[1], normal.to(m.mean.dtype)
    x = m.mean[z]
    for i in batches(len(z), d * d):
        x[i] += torch.einsum("nde,ne->nd", m.root[z[i]], normal[i])
    return x, drawn_classes(m.tables, z, uniform)


def maximised(
    r: Tensor, x: Tensor, c: Tensor, sizes: tuple[int, ...], prior: Prior, tied: float
) -> Correlated:
    """The parameters for responsibilities r (n, Z) of rows x (n, d_num) float64, c (n, len(sizes)).

    A covariance is that of `tied` rows for each number with the pooled one within components beside the component's
    own: the mode under an inverse Wishart prior around the pooled one, which is empirical Bayes. Means, weights and
    categories are those of `mixture_em.maximisation`. No variance is below `prior.least`.
    """
    n, d = x.shape
    counts = x.new_zeros(sum(sizes), r.shape[1])
    for column in flat(c, sizes).T:
        counts.index_add_(0, column, r)
    N, sum_x = r.sum(0), r.T @ x
    rest = maximisation(Sums(N, sum_x, r.T @ x**2, counts.T), sizes, prior)
    squares = x.new_zeros(len(N), d * d)
    for i in batches(n, d * d):
        squares += r[i].T @ (x[i].unsqueeze(2) * x[i].unsqueeze(1)).flatten(1)
    cross, mean = sum_x.unsqueeze(2) * rest.mean.unsqueeze(1), rest.mean.unsqueeze(2)
    own = squares.view(len(N), d, d) - cross - cross.mT + N.view(-1, 1, 1) * mean * mean.mT
    pooled = (own.sum(0) + torch.diag(prior.squares)) / (n + prior.spread)
    weight = tied * d
    covariance = (own + weight * pooled) / (N + weight).view(-1, 1, 1)
    lacking = (prior.least - covariance.diagonal(dim1=1, dim2=2)).clamp(min=0)
    covariance = covariance + torch.diag_embed(lacking + 1e-3 * prior.least)
    return Correlated(sizes, rest.log_w, rest.mean, torch.linalg.cholesky(covariance), rest.log_p)


@dataclass(frozen=True)
class CorrelatedEM(Search[Correlated]):
    """Settings of the fit, as of `mixture_em.Search`.

    tied  pseudo-rows of a component's covariance for each number, whose covariance is the pooled one. 4 was chosen by
          C2ST of the mixture's own rows on abalone, california, diabetes, insurance and wilt, of 1, 4 and 16.
    """

    tied: float = 4.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tied > 0:
            raise ValueError(f"tied must be positive, got {self.tied}")

    def most(self, d_num: int) -> int:
        return max(1, MOST // max(1, d_num * d_num))

    def begin(
        self, x: Tensor, c: Tensor, sizes: tuple[int, ...], prior: Prior, Z: int, seed: int
    ) -> Correlated:
        """Z components around rows chosen at random, with half the covariance of all rows."""
        rows, jitter, tables = self.chosen(x, c, sizes, prior, Z, seed)
        away = x - x.mean(0)
        root = torch.linalg.cholesky(0.5 * (away.T @ away) / len(x) + torch.diag(prior.least))
        return Correlated(
            sizes, x.new_full((Z,), -math.log(Z)), rows + jitter, root.expand(Z, -1, -1), tables
        )

    def sweep(self, m: Correlated, x: Tensor, c: Tensor, prior: Prior) -> Correlated:
        Z, d = m.mean.shape
        r = torch.cat([evidence(m, x[i], c[i]).softmax(1) for i in batches(len(x), Z * (d + 1))])
        return maximised(r, x, c, m.sizes, prior, self.tied)

    def nats(self, m: Correlated, rows: State) -> float:
        return float(log_density(m, rows).mean())
