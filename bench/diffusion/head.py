"""What a network says of the numbers: their noise, or something else from which the noise follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from tabstep.diffusion.mixed import Denoiser
from tabstep.diffusion.schedule import Schedule

Head = Literal["eps", "v", "x0", "previous"]
"""The noise; the velocity sqrt(abar) eps - sqrt(1 - abar) x_0 (Salimans & Ho 2022); the clean row; the mean of the row
one time earlier, given the clean one (Ho et al. 2020, section 3.2)."""


class FromOutput(NamedTuple):
    """The noise of x_t that an output of a head implies: on_row x_t + on_output output."""

    on_row: Tensor
    on_output: Tensor


def noise_of(head: Head, alpha_bar: Tensor, earlier: Tensor) -> FromOutput:
    """By alpha_bar at t and one time earlier, float64 that broadcast against (n, d); Salimans & Ho 2022, appendix D.

    For "previous" the output is q's mean A x_0 + B x_t of Ho et al. 2020, eq. 7, from which x_0 follows.
    """
    signal, spread = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    if head == "eps":
        return FromOutput(torch.zeros_like(signal), torch.ones_like(signal))
    if head == "v":
        return FromOutput(spread, signal)
    if head == "x0":
        return FromOutput(1 / spread, -signal / spread)
    alpha = alpha_bar / earlier
    A = earlier.sqrt() * (1 - alpha) / (1 - alpha_bar)
    B = alpha.sqrt() * (1 - earlier) / (1 - alpha_bar)
    return FromOutput((1 + signal * B / A) / spread, -signal / (A * spread))


@dataclass(frozen=True, eq=False)
class HeadDenoiser:
    """A denoiser whose numbers are what `head` says, as a `mixed.Denoiser` that predicts noise.

    For columns of variance 1 a velocity is the preconditioning of Karras et al. (2022, table 1): the output has unit
    variance at every time, and an error of the network is never multiplied, where that of the noise is by
    1 / sqrt(abar_t). `schedule` is the one that the network was trained on. Variance fractions stay as they are.
    """

    inner: Denoiser
    schedule: Schedule
    head: Head

    @property
    def network(self) -> nn.Module:
        """That of `inner`, which need not have one: then this has none either, see `mixed.Learned`."""
        inner: Any = self.inner
        found: nn.Module = inner.network
        return found

    def using(self, network: nn.Module) -> HeadDenoiser:
        """The same around another network."""
        inner: Any = self.inner
        return replace(self, inner=inner.using(network))

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        numeric, scores = self.inner(x, c, t, y)
        d = x.shape[1]
        on_row, on_output = noise_of(self.head, self.signal(t), self.earlier(t))
        eps_hat = on_row.to(x) * x + on_output.to(x) * numeric[:, :d]
        return eps_hat if numeric.shape[1] == d else torch.cat([eps_hat, numeric[:, d:]], 1), scores

    def signal(self, t: int | Tensor) -> Tensor:
        """alpha_bar at t, float64 (), or (n, 1); between whole times half the log SNR is interpolated."""
        alpha_bar = self.schedule.alpha_bar
        if isinstance(t, int):
            return alpha_bar[t]
        if not t.is_floating_point():
            return self.schedule.on(t.device)[t].unsqueeze(1)
        low = t.detach().floor().long().clamp(1, self.schedule.T - 1)
        clock = self.schedule.half_log_snr.to(t.device)
        return torch.sigmoid(2 * (clock[low] + (t - low) * (clock[low + 1] - clock[low]))).unsqueeze(1)

    def earlier(self, t: int | Tensor) -> Tensor:
        """alpha_bar one time earlier; between whole times it is interpolated itself, as time 0 has no log SNR."""
        alpha_bar = self.schedule.alpha_bar
        if isinstance(t, int):
            return alpha_bar[t - 1]
        alpha_bar = self.schedule.on(t.device)
        low = t.detach().floor().long().clamp(1, self.schedule.T)
        above = alpha_bar[low.clamp(max=self.schedule.T)]
        return torch.lerp(alpha_bar[low - 1], above, (t - low).to(above)).unsqueeze(1)
