"""A mixture of products: latent classes, within each of which the columns of an encoded row are independent.

    p(x, c) = sum_z  w_z  prod_j N(x_j; mean_zj, var_zj)  prod_i P_i[z, c_i]

Density, conditionals and draws are closed forms. The label of a classification is its last category (`classes`).
Numbers are encoded ones, so that a density is in the nats per row of `diffusion.nelbo`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from tabstep.diffusion.mixed import State

CHUNK = 2**20  # numbers in the largest temporary: 8 MiB in float64


class Latent:
    """Components with weights and a table for each category, whatever they make of numbers.

    sizes  classes of each category; log_w (Z,); log_p (Z, sum of sizes), each column's block normalised
    """

    sizes: tuple[int, ...]
    log_w: Tensor
    log_p: Tensor

    @property
    def components(self) -> int:
        return len(self.log_w)

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """log P_i (Z, K_i) of each category."""
        return self.log_p.split(list(self.sizes), 1) if self.sizes else ()


@dataclass(frozen=True, eq=False)
class Mixture(Latent):
    """Z components over d_num numbers and categories of these sizes, all float64.

    log_w (Z,); mean, var (Z, d_num); log_p (Z, sum of sizes), each column's block normalised.
    """

    sizes: tuple[int, ...]
    log_w: Tensor
    mean: Tensor
    var: Tensor
    log_p: Tensor


def classes(rows: State) -> Tensor:
    """Categories and, as the last of them, the label: (n, d_c) or (n, d_c + 1)."""
    return rows.c if rows.y is None else torch.cat([rows.c, rows.y.unsqueeze(1)], 1)


def flat(c: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Places (n, len(sizes)) of classes on the axis of all classes."""
    ends = torch.tensor(sizes, dtype=torch.int64, device=c.device)
    return c + ends.cumsum(0) - ends


def batches(n: int, width: int) -> Iterator[slice]:
    """Slices of n rows, each of at most `CHUNK` numbers where a row takes `width` of them."""
    size = max(1, CHUNK // max(1, width))
    for start in range(0, n, size):
        yield slice(start, start + size)


def evidence(
    m: Mixture, x: Tensor, c: Tensor, has_x: Tensor | None = None, has_c: Tensor | None = None
) -> Tensor:
    """log w_z + log p(known columns | z) of rows x (n, d_num), c (n, len(sizes)); (n, Z).

    has_x, has_c  masks of their shapes: which columns are known; all of them where None
    """
    here = torch.ones_like(x, dtype=m.mean.dtype) if has_x is None else has_x.to(m.mean.dtype)
    x = x.to(m.mean.dtype) * here
    constant = m.mean**2 / m.var + (2 * math.pi * m.var).log()
    total = m.log_w - 0.5 * (x**2 @ (1 / m.var).T - 2 * x @ (m.mean / m.var).T + here @ constant.T)
    if m.sizes:
        weights = None if has_c is None else has_c.to(m.log_p.dtype)
        total = total + F.embedding_bag(
            flat(c, m.sizes), m.log_p.T.contiguous(), mode="sum", per_sample_weights=weights
        )
    return total


def noised(m: Mixture, alpha_bar: float, clean: int = 0) -> Mixture:
    """The law of rows of the mixture that were noised until `alpha_bar` of the signal is left: again a mixture.

    The last `clean` categories stay as they are: 1 for a label, which is no part of the diffusion.
    """
    whole = len(m.sizes) - clean
    blocks = [
        torch.log(alpha_bar * table.exp() + (1 - alpha_bar) / table.shape[1]) if i < whole else table
        for i, table in enumerate(m.tables)
    ]
    log_p = torch.cat(blocks, 1) if blocks else m.log_p
    mean, var = math.sqrt(alpha_bar) * m.mean, alpha_bar * m.var + 1 - alpha_bar
    return Mixture(m.sizes, m.log_w, mean, var, log_p)


def log_density(m: Mixture, rows: State) -> Tensor:
    """log p(x, c, y) of encoded rows, (n,) nats."""
    c = classes(rows)
    parts = [
        torch.logsumexp(evidence(m, rows.x[i], c[i]), 1) for i in batches(len(c), m.components + len(m.sizes))
    ]
    return torch.cat(parts) if parts else m.log_w.new_empty(0)


def log_label(m: Mixture, y: Tensor) -> Tensor:
    """log p(y), (n,), of the last category."""
    return torch.logsumexp(m.log_w.unsqueeze(1) + m.tables[-1], 0)[y]


def given_label(m: Latent) -> Tensor:
    """log p(z | y), (classes, Z), of the last category."""
    return (m.log_w + m.tables[-1].T).log_softmax(1)


def component(log_p: Tensor, u: Tensor) -> Tensor:
    """Draw an index of each row of log-probabilities (n, m) by uniform numbers u (n, 1); (n,)."""
    cumulated = log_p.softmax(1).cumsum(1)
    place = torch.searchsorted(cumulated, u.to(cumulated.dtype).contiguous(), right=True)
    return place.squeeze(1).clamp(max=log_p.shape[1] - 1)


def component_of(log_p: Tensor, row: Tensor, u: Tensor) -> Tensor:
    """`component` of log_p[row] (n, m), bit for bit, without a copy of it: row (n,), u (n, 1)."""
    cumulated, u = log_p.softmax(1).cumsum(1), u.squeeze(1).to(log_p.dtype)
    z = torch.empty_like(row)
    for y in row.unique():
        here = row == y
        z[here] = torch.searchsorted(cumulated[y], u[here], right=True)
    return z.clamp(max=log_p.shape[1] - 1)


def draw(m: Mixture, z: Tensor, normal: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers (n, d_num) and classes (n, len(sizes)) of rows in the components z (n,).

    normal (n, d_num) and uniform (n, len(sizes)) are their noise.
    """
    x = m.mean[z] + m.var[z].sqrt() * normal.to(m.mean.dtype)
    return x, drawn_classes(m.tables, z, uniform)


def drawn_classes(tables: Sequence[Tensor], z: Tensor, uniform: Tensor) -> Tensor:
    """Classes (n, m) of rows of the m log tables (Z, K_i) at z (n,), by uniform numbers (n, m)."""
    c = torch.empty(len(z), len(tables), dtype=torch.int64, device=z.device)
    for i, table in enumerate(tables):
        c[:, i] = component(table[z], uniform[:, i : i + 1])
    return c


def complete(
    m: Mixture,
    x: Tensor,
    c: Tensor,
    has_x: Tensor,
    has_c: Tensor,
    u: Tensor,
    normal: Tensor,
    uniform: Tensor,
) -> tuple[Tensor, Tensor]:
    """Rows drawn from the exact conditional given their known columns (masks `has_x`, `has_c`), which stay.

    u (n, 1) draws the component, `normal` and `uniform` the rest as in `draw`.
    """
    z = component(evidence(m, x, c, has_x, has_c), u)
    new_x, new_c = draw(m, z, normal, uniform)
    return torch.where(has_x, x.to(new_x.dtype), new_x), torch.where(has_c, c, new_c)
