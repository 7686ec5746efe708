"""Timestep grids: which times a sampler visits, as a path from T down to 0."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

Path = tuple[int, ...]
"""K + 1 times, strictly falling from T to 0: K network evaluations, at all but the last."""


def snap(times: np.ndarray, T: int) -> Path:
    """Round K rising real times to distinct integers in 1..T that end at T, and append 0.

    Collisions are pushed up, then down from the top. Raises ValueError unless 1 <= K <= T.
    """
    K = len(times)
    if not 1 <= K <= T:
        raise ValueError(f"steps must be in 1..{T}, got {K}")
    tau = np.clip(np.floor(np.asarray(times) + 0.5).astype(np.int64), 1, T)
    tau[-1] = T
    index = np.arange(K)
    tau = np.maximum.accumulate(tau - index) + index
    tau = np.minimum(tau, T - index[::-1])
    path = (*(int(t) for t in tau[::-1]), 0)
    if any(t <= s for t, s in pairwise(path)):
        raise AssertionError(f"path does not fall: {path}")
    return path


def linspace(T: int, K: int) -> Path:
    """Even steps from 1 to T: tau_k = 1 + (k-1)(T-1)/(K-1)."""
    return snap(np.linspace(1, T, K) if K > 1 else np.array([float(T)]), T)


def trailing(T: int, K: int) -> Path:
    """Even steps that end at T and leave the first gap as wide as the others: tau_k = kT/K."""
    return snap(np.arange(1, K + 1) * T / K, T)


Grid = Callable[[int, int], Path]
