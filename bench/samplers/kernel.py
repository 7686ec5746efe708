"""How far two samples of rows are apart: the unbiased squared maximum mean discrepancy."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

WIDTHS = (0.5, 1.0, 2.0, 4.0)  # of the kernels, in median distances
MEDIAN_ROWS = 1000


def row_features(x: Tensor, one_hot: Tensor, y: Tensor | None, classes: int) -> Tensor:
    """Rows as points: numbers, and categories as corners that lie at distance 1 from each other.

    x (n, d_num), one_hot (n, sum K), y (n,) labels where the model is conditional on `classes` of them.
    """
    labels = [] if y is None else [F.one_hot(y, classes).to(x.dtype)]
    return torch.cat([x, *(part / math.sqrt(2) for part in (one_hot, *labels))], 1)


def kernel_widths(rows: Tensor) -> Tensor:
    """Widths of the kernels for points (n, d) like these, (4,)."""
    some = rows[:MEDIAN_ROWS]
    apart = torch.pdist(some)
    apart = apart[apart > 0]  # rows of categories alone repeat
    median = apart.median() if len(apart) else rows.new_ones(())
    return median * torch.tensor(WIDTHS, dtype=rows.dtype, device=rows.device)


def kernel(a: Tensor, b: Tensor, widths: Tensor) -> Tensor:
    """Sum of rational quadratic kernels 1/(1 + d^2/(2 w^2)) of points (n, d) and (m, d), (n, m)."""
    squared = ((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T).clamp(min=0)
    parts = [(squared / (2 * w**2) + 1).reciprocal() for w in widths.tolist()]
    total: Tensor = sum(parts[1:], parts[0])
    return total


def unbiased(within_a: Tensor, within_b: Tensor, between: Tensor) -> Tensor:
    """Squared MMD from kernel matrices (n, n), (m, m), (n, m), pairs of a row with itself left out.

    Its expectation is 0 for equal laws, so it is negative about half of the time there (Gretton et al. 2012, eq. 3).
    """

    def others(k: Tensor) -> Tensor:
        return (k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1))

    return others(within_a) + others(within_b) - 2 * between.mean()


def squared_mmd(a: Tensor, b: Tensor, widths: Tensor) -> Tensor:
    """Unbiased squared MMD of points (n, d) and (m, d)."""
    return unbiased(kernel(a, a, widths), kernel(b, b, widths), kernel(a, b, widths))


def squared_mean_distance(a: Tensor, b: Tensor) -> Tensor:
    """The same with the linear kernel, which sees means alone."""
    return unbiased(a @ a.T, b @ b.T, a @ b.T)


def permutation_level(
    a: Tensor,
    b: Tensor,
    widths: Tensor,
    generator: torch.Generator,
    *,
    permutations: int = 200,
    level: float = 0.95,
) -> float:
    """The quantile of `squared_mmd` over random divisions of all points into parts of these sizes."""
    n, m = len(a), len(b)
    together = torch.cat([a, b])
    k = kernel(together, together, widths)
    k = k - torch.diag(k.diagonal())
    orders = [torch.randperm(n + m, generator=generator) for _ in range(permutations)]
    first = torch.zeros(n + m, permutations, dtype=a.dtype)
    for i, order in enumerate(orders):
        first[order[:n], i] = 1
    first = first.to(a.device)
    with_first = k @ first
    aa = (first * with_first).sum(0)
    ab = with_first.sum(0) - aa
    bb = k.sum() - aa - 2 * ab
    values = aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m)
    return float(values.quantile(level))
