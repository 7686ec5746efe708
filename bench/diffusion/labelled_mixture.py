"""A mixture of products for rows of given labels: every component of a frequent label is that label's own.

A joint mixture spends its components where the likelihood is, and a label is one column among many: components that
hold several labels tell nothing of the row by its label, and neither do rows that begin there. Splitting the rows can
cost held nats, which so are no measure of a start.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from tabstep.diffusion.correlated import Correlated
from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import Mixture
from tabstep.diffusion.mixture_em import Search

M = TypeVar("M", Mixture, Correlated)

LEAST_ROWS = 50  # of a label with components of its own
NEVER = -30.0  # log of the probability of a label that a component does not have


def estimate(settings: Search[M], rows: State, sizes: tuple[int, ...], *, seed: int) -> M:
    """The mixture of encoded rows with categories of these sizes, and their label, where they have one, as the last.

    Labels of few rows share components, fitted to all their rows together with the label as one more category.
    Raises ValueError with fewer than two rows.
    """
    if rows.y is None:
        return settings.estimate(rows, sizes, seed=seed)
    counts = torch.bincount(rows.y)
    frequent = counts >= LEAST_ROWS
    groups = [torch.tensor([y]) for y in torch.nonzero(frequent).flatten()]
    rare = torch.nonzero((counts > 0) & ~frequent).flatten()
    if len(rare):
        groups.append(rare)
    parts = [_of_labels(settings, rows, labels, sizes, len(counts), seed) for labels in groups]
    shares = [math.log(int(counts[labels].sum()) / len(rows.x)) for labels in groups]
    of_component = [field.name for field in fields(parts[0]) if field.name not in ("sizes", "log_w")]
    return replace(
        parts[0],
        sizes=(*sizes, len(counts)),
        log_w=torch.cat([part.log_w + share for part, share in zip(parts, shares, strict=True)]),
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in of_component},
    )


def _of_labels(
    settings: Search[M], rows: State, labels: Tensor, sizes: tuple[int, ...], total: int, seed: int
) -> M:
    """The mixture of the rows of some labels (m,), which rise, with all `total` labels in its last category."""
    assert rows.y is not None
    own = torch.isin(rows.y, labels)
    if int(own.sum()) < 2:  # a single row has no mixture: that of all rows stands in
        own = torch.ones_like(own)
    place = torch.searchsorted(labels, rows.y[own]).clamp(max=len(labels) - 1)
    part = settings.estimate(State(rows.x[own], rows.c[own], place), (*sizes, len(labels)), seed=seed)
    width = sum(sizes)
    wide = part.log_w.new_full((part.components, total), NEVER)
    wide[:, labels] = part.log_p[:, width:]
    return replace(part, sizes=(*sizes, total), log_p=torch.cat([part.log_p[:, :width], wide], 1))
