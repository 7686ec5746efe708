"""Noise schedules: one float64 array of cumulative signal, indexed by time 0 (data) .. T (noise)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

ScheduleName = Literal["cosine", "linear"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """Cumulative signal `alpha_bar`, (T + 1,) float64, alpha_bar[0] = 1, strictly decreasing."""

    alpha_bar: Tensor
    _moved: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        a = self.alpha_bar
        if a.dtype != torch.float64 or a.ndim != 1 or len(a) < 2:
            raise ValueError(f"alpha_bar must be (T + 1,) float64, got {tuple(a.shape)} {a.dtype}")
        if a[0] != 1 or not (a[1:] < a[:-1]).all() or a[-1] <= 0:
            raise ValueError("alpha_bar must fall strictly from exactly 1 to a positive number")

    @property
    def T(self) -> int:
        return len(self.alpha_bar) - 1

    def on(self, device: torch.device) -> Tensor:
        """`alpha_bar` on a device, moved there once: a card waits for what comes from outside."""
        if device not in self._moved:
            with torch.inference_mode(False):  # or it could not be part of a training afterwards
                self._moved[device] = self.alpha_bar.to(device)
        return self._moved[device]

    def until(self, T: int) -> Schedule:
        """The times 0..T of this schedule. Raises ValueError unless 1 <= T <= self.T."""
        if not 1 <= T <= self.T:
            raise ValueError(f"T must be in 1..{self.T}, got {T}")
        return Schedule(self.alpha_bar[: T + 1])

    @property
    def half_log_snr(self) -> Tensor:
        """lambda_t = 1/2 log(alpha_bar_t / (1 - alpha_bar_t)), (T + 1,); infinite at t = 0."""
        return 0.5 * (self.alpha_bar.log() - torch.log1p(-self.alpha_bar))

    def at(self, t: int) -> float:
        """alpha_bar_t as a Python float (double precision)."""
        if not 0 <= t <= self.T:
            raise ValueError(f"t must be in 0..{self.T}, got {t}")
        return float(self.alpha_bar[t])


def make(name: ScheduleName, T: int) -> Schedule:
    """Build a named schedule of T >= 1 steps (Nichol & Dhariwal 2021 eq. 17; Ho et al. 2020 rescaled to T).

    The cosine schedule caps beta_t at 0.999, so alpha_bar_T is 2.4e-9 at T = 1000.
    """
    if T < 1:
        raise ValueError(f"T must be at least 1, got {T}")
    if name == "cosine":
        f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + 0.008) / 1.008 * math.pi / 2) ** 2
        beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    elif name == "linear":
        beta = torch.linspace(1e-4 * 1000 / T, 0.02 * 1000 / T, T, dtype=torch.float64).clamp(max=0.999)
    else:
        raise ValueError(f"schedule must be one of {', '.join(get_args(ScheduleName))}, got {name!r}")
    one = torch.ones(1, dtype=torch.float64)
    return Schedule(torch.cat([one, torch.cumprod(1 - beta, 0)]))
