"""Gaussian diffusion of the numeric columns: pure functions of tensors.

Everywhere `alpha_bar_t`, `alpha_bar_s` are the cumulative signals of a time t and an earlier time s < t:
Python floats, or tensors that broadcast against the states (n, d). With s = 0, alpha_bar_s = 1 exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from torch import Tensor


def diffuse(x_0: Tensor, alpha_bar_t: Tensor, eps: Tensor) -> Tensor:
    """Draw x_t ~ q(x_t | x_0) with the given standard normal noise (Ho et al. 2020, eq. 4)."""
    return alpha_bar_t.sqrt() * x_0 + (1 - alpha_bar_t).sqrt() * eps


def x0_from_eps(x_t: Tensor, eps_hat: Tensor, alpha_bar_t: float) -> Tensor:
    """Clean rows implied by predicted noise."""
    return (x_t - math.sqrt(1 - alpha_bar_t) * eps_hat) / math.sqrt(alpha_bar_t)


def eps_from_x0(x_t: Tensor, x0_hat: Tensor, alpha_bar_t: float) -> Tensor:
    """Noise implied by predicted clean rows; the inverse of `x0_from_eps`."""
    return (x_t - math.sqrt(alpha_bar_t) * x0_hat) / math.sqrt(1 - alpha_bar_t)


Number = TypeVar("Number", float, Tensor)


class Posterior(NamedTuple, Generic[Number]):
    """q(x_s | x_t, x_0) = N(on_x0 * x_0 + on_xt * x_t, small * I); `large` is the variance of q(x_t | x_s)."""

    on_x0: Number
    on_xt: Number
    small: Number
    large: Number


def posterior(alpha_bar_t: float, alpha_bar_s: Number) -> Posterior[Number]:
    """Coefficients of the exact skip posterior for s < t (Ho et al. 2020, eq. 6-7, with a stride)."""
    alpha = alpha_bar_t / alpha_bar_s
    beta = 1 - alpha
    return Posterior(
        on_x0=alpha_bar_s**0.5 * beta / (1 - alpha_bar_t),
        on_xt=alpha**0.5 * (1 - alpha_bar_s) / (1 - alpha_bar_t),
        small=beta * (1 - alpha_bar_s) / (1 - alpha_bar_t),
        large=beta,
    )


def ddim_step(
    x_t: Tensor, x0_hat: Tensor, alpha_bar_t: float, alpha_bar_s: float, z: Tensor | None, *, eta: float
) -> Tensor:
    """Move x_t to x_s (DDIM, Song et al. 2021, eq. 12 and 16).

    eta = 0 is deterministic (z may be None), eta = 1 the DDPM posterior with its small variance.
    """
    eps_hat = eps_from_x0(x_t, x0_hat, alpha_bar_t)
    var = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
    direction = math.sqrt(max(1 - alpha_bar_s - var, 0.0))  # rounding may leave -1e-17
    x_s = math.sqrt(alpha_bar_s) * x0_hat + direction * eps_hat
    return x_s if z is None else x_s + math.sqrt(var) * z


def variance_of_x0(eps_hat: Tensor, alpha_bar_t: float) -> Tensor:
    """Variance of x_0 given x_t, the mean over rows and columns, by the size of the predicted noise (n, d): ().

    (1 - abar)/abar (1 - E eps_hat^2), at least 0: what theorem 1 of Bao et al. 2022 adds to the posterior's variance.
    """
    return (1 - alpha_bar_t) / alpha_bar_t * (1 - eps_hat.square().mean()).clamp(min=0)


def interpolated_variance(fraction: Tensor, small: Number, large: Number) -> Tensor:
    """large^f small^(1-f), the learned variance of a reverse step (Nichol & Dhariwal 2021, eq. 15)."""
    return large**fraction * small ** (1 - fraction)


def free_variance(fraction: Tensor, small: Number, large: Number) -> Tensor:
    """large e^(f - 1), a learned variance without bounds.

    Over a single step that is any log variance, as Nichol & Dhariwal 2021 try it first, and Ho et al. 2020 before them;
    in units of `large` one output serves the steps of every path.
    """
    return large * (fraction - 1).exp()


Learned = Literal["range", "free"]
LEARNED: dict[Learned, Callable[[Tensor, Any, Any], Tensor]] = {
    "range": interpolated_variance,
    "free": free_variance,
}
"""The variance of a reverse step from a fraction f (n, d_num), the posterior's variance and that of q(x_t | x_s)."""


def kl(mean_gap: Tensor, var_q: Tensor, var_p: Tensor) -> Tensor:
    """KL(N(., var_q) || N(., var_p)) of means that far apart, elementwise, in nats."""
    return 0.5 * ((var_q + mean_gap**2) / var_p - 1 - (var_q / var_p).log())
