"""Multinomial diffusion of one or several columns that share a number of classes K: pure functions.

Shapes: `c` (n, g) int64 class indices of g columns; distributions (n, g, K) on the last axis. `alpha_bar_t`,
`alpha_bar_s` are floats or tensors that broadcast as (n, 1); s < t, and alpha_bar_0 = 1. The kernel is uniform,
q(c_t | c_s) = Cat(alpha c_s + (1 - alpha)/K) with alpha = alpha_bar_t / alpha_bar_s (Hoogeboom et al. 2021).

A network trained with the KL of TabDDPM predicts `pi_loo`, the distribution of a column's clean class given
everything *except* that column's own noisy class. The plug-in posterior is exact for it. Whatever is linear in
c_0 needs `pi_full`, given everything including c_t; `log_full` converts.

`*_scores` are log-probabilities up to a constant in each column: all that a draw by the Gumbel-max trick sees.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = -69.0  # log 1e-30: keeps 0 * log 0 finite


def diffuse(c_0: Tensor, K: int, alpha_bar_t: Tensor, generator: torch.Generator) -> Tensor:
    """Draw c_t ~ q(c_t | c_0): keep the class with probability alpha_bar_t, else redraw it uniformly."""
    # Drawn where the generator is, and then moved: the same numbers on every device.
    u = torch.rand(c_0.shape, generator=generator, device=generator.device).to(c_0.device)
    other = torch.randint(K, c_0.shape, generator=generator, device=generator.device).to(c_0.device)
    return torch.where(u < alpha_bar_t, c_0, other)


def _at(values: Tensor, c: Tensor) -> Tensor:
    index = c.expand(values.shape[:-1]).unsqueeze(-1)
    return values.gather(-1, index).squeeze(-1)


def _boost(log_p: Tensor, c_t: Tensor, alpha: float | Tensor, K: int) -> Tensor:
    """Add log of (alpha c_t + (1 - alpha)/K), up to a constant, to (n, g, K) log-probabilities."""
    odds = K * alpha / (1 - alpha)
    gain = odds.log1p().to(log_p).unsqueeze(-1) if isinstance(odds, Tensor) else math.log1p(odds)
    index = c_t.unsqueeze(-1)
    return log_p.scatter_add(-1, index, torch.zeros_like(index, dtype=log_p.dtype) + gain)


def full_scores(scores_loo: Tensor, c_t: Tensor, alpha_bar_t: float | Tensor) -> Tensor:
    """Scores of pi_full, which is proportional to pi_loo * q(c_t | c_0 = .), from scores of pi_loo."""
    return _boost(scores_loo, c_t, alpha_bar_t, scores_loo.shape[-1])


def log_full(scores_loo: Tensor, c_t: Tensor, alpha_bar_t: float | Tensor) -> Tensor:
    """log pi_full, normalised."""
    return full_scores(scores_loo, c_t, alpha_bar_t).log_softmax(-1)


def log_loo(log_pi_full: Tensor, c_t: Tensor, alpha_bar_t: float) -> Tensor:
    """log pi_loo, normalised: the inverse of `log_full`, for heads trained by cross-entropy on c_0."""
    K = log_pi_full.shape[-1]
    gain = math.log1p(K * alpha_bar_t / (1 - alpha_bar_t))
    index = c_t.unsqueeze(-1)
    return log_pi_full.scatter_add(
        -1, index, torch.full_like(index, -gain, dtype=log_pi_full.dtype)
    ).log_softmax(-1)


def posterior_scores(scores_loo: Tensor, c_t: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """Scores of p(c_s | c_t) in plug-in form, m * (alpha_bar_s pi_loo + (1 - alpha_bar_s)/K), from scores of pi_loo.

    Exact for the reverse process of one column when pi_loo is (Austin et al. 2021 eq. 3 with a stride). At s = 0 these
    are `full_scores`; before, the uniform part is weighed against a normalised pi_loo.
    """
    K = scores_loo.shape[-1]
    if alpha_bar_s == 1:
        return full_scores(scores_loo, c_t, alpha_bar_t)
    uniform = math.log1p(-alpha_bar_s) - math.log(K)
    clean = scores_loo.log_softmax(-1) + math.log(alpha_bar_s)
    log_b = torch.logaddexp(clean, torch.full_like(clean, uniform))
    return _boost(log_b, c_t, alpha_bar_t / alpha_bar_s, K)


def log_posterior(scores_loo: Tensor, c_t: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """log p(c_s | c_t) of `posterior_scores`, normalised."""
    return posterior_scores(scores_loo, c_t, alpha_bar_t, alpha_bar_s).log_softmax(-1)


def stay_probability(alpha_bar_t: float, alpha_bar_s: float) -> float:
    """Largest weight of c_t in the multinomial DDIM family that keeps q(c_s | c_0): (1-abar_s)/(1-abar_t)."""
    return (1 - alpha_bar_s) / (1 - alpha_bar_t)


def ddim_probabilities(
    pi_full: Tensor, c_t: Tensor, alpha_bar_t: float, alpha_bar_s: float, sigma: float
) -> Tensor:
    """The multinomial DDIM mixture (Song et al. 2021, appendix A) with c_0 replaced by its expectation.

    sigma in [0, stay_probability] is the weight of c_t; the largest is the low-noise end, where the uniform
    part vanishes and the step becomes "stay or redraw from pi_full".
    """
    K = pi_full.shape[-1]
    uniform = ((1 - alpha_bar_s) - (1 - alpha_bar_t) * sigma) / K
    return sigma * F.one_hot(c_t, K).to(pi_full) + (alpha_bar_s - sigma * alpha_bar_t) * pi_full + uniform


def kl_step(log_pi: Tensor, c_0: Tensor, c_t: Tensor, alpha_bar_t: Tensor, alpha_bar_s: Tensor) -> Tensor:
    """KL(q(c_s | c_t, c_0) || plug-in p(c_s | c_t)) in nats, (n, g); at s = 0 it is -log p(c_0 | c_t).

    `alpha_bar_*` are (n, 1) float64 tensors; with `alpha_bar_s` (S, 1, 1) the result is (S, n, g). q takes three
    values (at c_0, at c_t, elsewhere) and both sides share the factor m, so one logarithm over K classes and two
    gathered entries are enough.
    """
    K = log_pi.shape[-1]
    dtype = log_pi.dtype
    uniform = (1 - alpha_bar_s) / K
    alpha = alpha_bar_t / alpha_bar_s
    beta_K = (1 - alpha) / K
    hit = c_0 == c_t
    same = hit.to(dtype)

    # p = m * b_p / Z_p with b_p = alpha_bar_s pi + u; the classes lie first, so that the sum over them is contiguous.
    u, a_s = uniform.to(dtype).clamp(min=1e-30), alpha_bar_s.to(dtype)
    pi = log_pi.exp()
    b_p_t = a_s * _at(pi, c_t) + u
    p_0, p_t = (a_s * _at(pi, c_0) + u).log(), b_p_t.log()
    b_p = torch.addcmul(u.unsqueeze(-3), a_s.unsqueeze(-3), pi.movedim(-1, 0).contiguous())
    p_all = b_p.log().sum(-3)

    # q = m * b_q / Z_q with b_q = u off c_0 and u + alpha_bar_s at c_0; m = beta/K off c_t and beta/K + alpha at c_t.
    b_0 = u + a_s
    m_off, m_on = beta_K.to(dtype), (beta_K + alpha).to(dtype)
    Z_q = (alpha * uniform + beta_K).to(dtype) + (alpha * alpha_bar_s).to(dtype) * same
    Z_p = alpha.to(dtype) * b_p_t + m_off
    q_0 = torch.where(hit, m_on, m_off) * b_0 / Z_q
    q_t = (1 - same) * m_on * u / Z_q
    q_rest = m_off * u / Z_q
    others = K - 2 + same
    log_u = u.log()
    return (
        q_0 * (b_0.log() - p_0)
        + q_t * (log_u - p_t)
        + q_rest * (others * log_u - (p_all - p_0 - (1 - same) * p_t))
        + (Z_p / Z_q).log()
    )


def prior_kl(alpha_bar_T: float, K: int) -> float:
    """KL(q(c_T | c_0) || uniform), the same for every c_0."""
    on, off = alpha_bar_T + (1 - alpha_bar_T) / K, (1 - alpha_bar_T) / K
    return on * math.log(on * K) + (K - 1) * off * math.log(off * K) if K > 1 else 0.0
