"""What a network says of the numbers: their noise, or the velocity between noise and data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from tabstep.diffusion.mixed import Denoiser
from tabstep.diffusion.schedule import Schedule

Head = Literal["eps", "v"]


def eps_from_velocity(x_t: Tensor, v: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise of x_t that v = sqrt(abar) eps - sqrt(1 - abar) x_0 implies (Salimans & Ho 2022, appendix D).

    abar is float64 and broadcasts against (n, d): sqrt(1 - abar) x_t + sqrt(abar) v.
    """
    return (1 - alpha_bar).sqrt().to(x_t) * x_t + alpha_bar.sqrt().to(x_t) * v


@dataclass(frozen=True, eq=False)
class VelocityDenoiser:
    """A denoiser whose numbers are velocities, as a `mixed.Denoiser` that predicts noise.

    For columns of variance 1 this is the preconditioning of Karras et al. (2022, table 1): the output has unit
    variance at every time, and an error of the network is never multiplied, where that of the noise is by
    1 / sqrt(abar_t). `schedule` is the one that the network was trained on.
    """

    inner: Denoiser
    schedule: Schedule

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        v, scores = self.inner(x, c, t, y)
        return eps_from_velocity(x, v, self.signal(t)), scores

    def signal(self, t: int | Tensor) -> Tensor:
        """alpha_bar at t, float64 (), or (n, 1); between whole times half the log SNR is interpolated."""
        alpha_bar = self.schedule.alpha_bar
        if isinstance(t, int):
            return alpha_bar[t]
        if not t.is_floating_point():
            return alpha_bar.to(t.device)[t].unsqueeze(1)
        low = t.detach().floor().long().clamp(1, self.schedule.T - 1)
        clock = self.schedule.half_log_snr.to(t.device)
        return torch.sigmoid(2 * (clock[low] + (t - low) * (clock[low + 1] - clock[low]))).unsqueeze(1)
