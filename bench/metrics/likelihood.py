"""The likelihood of real rows under a fitted diffusion and a path: a bound, in nats per row of encoded columns."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from tabstep.diffusion import nelbo as bound
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.nelbo import Variance

VERSION = 2  # raise when a score changes for the same model and rows; 2: each variance has its own last step

ROWS = 512


def nelbo(
    process: Process, rows: State, path: Sequence[int], variance: Variance, *, clip_x0: bool, seed: int
) -> dict[str, float]:
    """Negative evidence lower bound of the first `ROWS` rows along a falling path from T to 0; lower is better.

    Returns `nelbo`, the sum of `nelbo_numeric` (of the density of encoded, that is quantile-transformed, numbers: it
    may be negative) and `nelbo_categorical`. Comparable between paths, variances and networks of one encoder only.
    """
    some = State(rows.x[:ROWS], rows.c[:ROWS], None if rows.y is None else rows.y[:ROWS])
    parts = bound.nelbo(process, some, path, variance, clip_x0=clip_x0, seed=seed)
    numeric, categorical = float(parts.numeric), float(parts.categorical)
    return {"nelbo": numeric + categorical, "nelbo_numeric": numeric, "nelbo_categorical": categorical}


def exact(nats: Tensor) -> dict[str, float]:
    """`nll`, the mean of -log p (n,) over the rows that `nelbo` is of: what it would be with nothing lost to a bound.

    Rows that no model of the training rows could encode, here infinite, are left out there too.
    """
    return {"nll": float(nats[nats.isfinite()][:ROWS].mean())}
