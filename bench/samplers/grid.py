"""Timestep grids that need no network: which times a sampler visits, as a path from T, or from just below, to 0."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tabstep.samplers.setting import Setting, Steps, whole_steps


def snap(times: np.ndarray, T: int) -> Steps:
    """Round K rising real times to distinct integers in 1..T that end at T, and append 0; see `distinct`."""
    return distinct(np.append(times[:-1], float(T)), T)


def distinct(times: np.ndarray, T: int) -> Steps:
    """Round K rising real times to distinct integers in 1..T, and append 0.

    Collisions are pushed up, then down from the top. Raises ValueError unless 1 <= K <= T.
    """
    K = whole_steps(len(times), T)
    tau = np.clip(np.floor(np.asarray(times) + 0.5).astype(np.int64), 1, T)
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
    K = whole_steps(K, T)
    return snap(np.linspace(1, T, K) if K > 1 else np.array([float(T)]), T)


def trailing(setting: Setting, K: int) -> Steps:
    """Even steps that end at T and leave the first gap as wide as the others: tau_k = kT/K."""
    K = whole_steps(K, setting.T)
    return snap(np.arange(1, K + 1) * setting.T / K, setting.T)


def quad(setting: Setting, K: int) -> Steps:
    """Steps that widen towards the noise: tau_k = T (k/K)^2. Not the `quad-ddim` of DDIM's code."""
    K = whole_steps(K, setting.T)
    return snap((np.arange(1, K + 1) / K) ** 2 * setting.T, setting.T)


def logsnr(setting: Setting, K: int) -> Steps:
    """Even steps in the log signal-to-noise ratio between time T and time 1, the natural clock of fast solvers."""
    T = setting.T
    if whole_steps(K, T) == 1:
        return snap(np.array([float(T)]), T)
    half_log_snr = setting.process.schedule.half_log_snr.numpy()[1:]  # falls with time
    wanted = np.linspace(half_log_snr[0], half_log_snr[-1], K)
    return snap(1 + np.interp(-wanted, -half_log_snr, np.arange(T)), T)


def leading(setting: Setting, K: int) -> Steps:
    """Even steps that begin at 1 and end short of T: tau_k = 1 + (k-1) floor(T/K), the uniform grid of DDIM's code.

    Rows are drawn from pure noise all the same, at a time where they are not: at few steps it loses much for it.
    """
    T = setting.T
    K = whole_steps(K, T)
    return distinct(1 + np.arange(K) * float(T // K), T)


def quad_ddim(setting: Setting, K: int) -> Steps:
    """The quadratic grid of DDIM's code: tau_k = 1 + floor(((k-1)/(K-1))^2 0.8 T), which ends at 0.8 T."""
    T = setting.T
    K = whole_steps(K, T)
    return distinct(1 + np.floor(np.linspace(0, np.sqrt(0.8 * T), K) ** 2), T)


@dataclass(frozen=True)
class Karras:
    """Even steps in sigma^(1/rho), with sigma^2 = (1 - abar)/abar, from well below T (Karras et al. 2022, eq. 5).

    At sigma = 8 rows are noise to within 1/65 of the variance, and no call is spent on times where the network can say
    nothing; the paper's 80 and .002 are of images. A path that begins where sigma is less begins there, and ends at no
    more than half of it.
    """

    rho: float = 7.0
    sigma_max: float = 8.0
    sigma_min: float = 0.1

    def __call__(self, setting: Setting, K: int) -> Steps:
        """The K times of nearest sigma; a single one is that of the largest."""
        T = setting.T
        K = whole_steps(K, T)
        log_sigma = -setting.process.schedule.half_log_snr.numpy()[1:]  # rises with time
        high = min(self.sigma_max, float(np.exp(log_sigma[-1])))
        ends = np.array([min(self.sigma_min, high / 2), high]) ** (1 / self.rho)
        rising = np.linspace(ends[0], ends[1], K) ** self.rho if K > 1 else np.array([high])
        return distinct(1 + np.interp(np.log(rising), log_sigma, np.arange(T)), T)
