"""A Gaussian of the data's moments for each label, and class frequencies for each: the start that needs no fit.

Noised to time t its numbers follow N(sqrt(abar_t) mean_y, abar_t Cov_y + (1 - abar_t) I), its classes
abar_t p_y + (1 - abar_t) / K: of a mixture of products it is the case of one component, with a covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import drawn_classes, flat

PSEUDO_ROWS = (
    1.0  # of all rows, in the moments of each label: a label of one row has no covariance of its own
)


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments of each of the labels (one where there is none), float64.

    mean (labels, d_num); root (labels, d_num, d_num), root root' the covariance; p (labels, sum of sizes)
    """

    sizes: tuple[int, ...]
    mean: Tensor
    root: Tensor
    p: Tensor

    @property
    def covariance(self) -> Tensor:
        return self.root @ self.root.mT


def square_root(covariance: Tensor) -> Tensor:
    """The symmetric root of a covariance (d, d), which may be singular."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return root


def moments(rows: State, sizes: tuple[int, ...], labels: int) -> Moments:
    """Of encoded rows, by label; `labels` is 0 where there is none. Raises ValueError without rows."""
    n, d = rows.x.shape
    if n == 0:
        raise ValueError("moments need rows, got none")
    x = rows.x.double()
    width, place = sum(sizes), flat(rows.c, sizes)

    def counts(some: Tensor) -> Tensor:
        return torch.bincount(place[some].flatten(), minlength=width).double()

    everything = torch.ones(n, dtype=torch.bool, device=x.device)
    of_all = counts(everything) / n
    center = x.mean(0)
    spread = (x - center).T @ (x - center) / n
    means, roots, shares = [], [], []
    for label in range(max(1, labels)):
        mine = everything if rows.y is None else rows.y == label
        count = float(mine.sum())
        weight = PSEUDO_ROWS if labels else 0.0
        total = count + weight
        mean = (x[mine].sum(0) + weight * center) / total
        away = x[mine] - mean
        covariance = (away.T @ away + weight * (spread + torch.outer(center - mean, center - mean))) / total
        means.append(mean)
        roots.append(square_root(covariance) if d else spread)
        shares.append((counts(mine) + weight * of_all) / total)
    return Moments(sizes, torch.stack(means), torch.stack(roots), torch.stack(shares))


def draw(m: Moments, label: Tensor, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers (n, d_num) and classes (n, d_c) of rows with these labels (n,), 0 where there is none.

    normal (n, d_num) and uniform (n, d_c) are their noise.
    """
    x = m.mean[label] + torch.einsum("nde,ne->nd", m.root[label], normal.to(m.mean.dtype))
    tables = m.p.log().split(list(m.sizes), 1) if m.sizes else ()
    return x, drawn_classes(tables, label, uniform)
