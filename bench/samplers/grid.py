"""Timestep grids that need no network: which times a sampler visits, as a path from T down to 0."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tabstep.samplers.setting import Setting, Steps


def snap(times: np.ndarray, T: int) -> Steps:
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


def linspace(setting: Setting, K: int) -> Steps:
    """Even steps from 1 to T: tau_k = 1 + (k-1)(T-1)/(K-1)."""
    T = setting.T
    return snap(np.linspace(1, T, K) if K > 1 else np.array([float(T)]), T)


def trailing(setting: Setting, K: int) -> Steps:
    """Even steps that end at T and leave the first gap as wide as the others: tau_k = kT/K."""
    return snap(np.arange(1, K + 1) * setting.T / K, setting.T)


def quad(setting: Setting, K: int) -> Steps:
    """Steps that widen towards the noise: tau_k = T (k/K)^2."""
    return snap((np.arange(1, K + 1) / K) ** 2 * setting.T, setting.T)


def logsnr(setting: Setting, K: int) -> Steps:
    """Even steps in the log signal-to-noise ratio between time T and time 1, the natural clock of fast solvers."""
    T = setting.T
    if K == 1:
        return snap(np.array([float(T)]), T)
    half_log_snr = setting.process.schedule.half_log_snr.numpy()[1:]  # falls with time
    wanted = np.linspace(half_log_snr[0], half_log_snr[-1], K)
    return snap(1 + np.interp(-wanted, -half_log_snr, np.arange(T)), T)
