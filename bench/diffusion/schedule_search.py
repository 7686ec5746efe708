"""Shortest paths through a table of step costs: the dynamic programme of Watson et al. (2021), all budgets at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Shortest(NamedTuple):
    """cost [k, j]: least cost of k steps from node 0 to node j; came_from [k, j]: the node before j on that path."""

    cost: Tensor
    came_from: Tensor

    def path(self, steps: int) -> tuple[int, ...]:
        """Nodes of the best path of that many steps, from the last node down to 0."""
        nodes = [self.cost.shape[1] - 1]
        for k in range(steps, 0, -1):
            nodes.append(int(self.came_from[k, nodes[-1]]))
        return tuple(nodes)


def shortest(cost: Tensor, steps: int) -> Shortest:
    """Least-cost paths of 1 .. `steps` steps through (n, n) step costs, [i, j] from i to j; only i < j is a step.

    Of equally cheap paths the one through the smaller node is taken. Raises ValueError for a cost of NaN or more
    steps than there are nodes to step to.
    """
    n = len(cost)
    cost = cost.where(torch.ones(n, n).triu(1).bool(), torch.inf)
    if cost.isnan().any():
        raise ValueError("a step cost is not a number")
    if not 1 <= steps < n:
        raise ValueError(f"steps must be in 1..{n - 1}, got {steps}")
    best = torch.full((steps + 1, n), torch.inf, dtype=cost.dtype)
    came_from = torch.zeros((steps + 1, n), dtype=torch.int64)
    best[0, 0] = 0.0
    for k in range(1, steps + 1):
        best[k], came_from[k] = (best[k - 1].unsqueeze(1) + cost).min(0)
    return Shortest(best, came_from)
