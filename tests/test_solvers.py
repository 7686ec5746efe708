"""Fast solvers: convergence orders on a known flow, equality with first-order steps where there is no history."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from tabstep.diffusion.schedule import Schedule
from tabstep.registry import SAMPLERS
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.grid import linspace, trailing
from tabstep.samplers.unipc import UniPC, corrector_weights
from tests.oracle import F64, LatentClass, mixed_table, normal_columns


def even_clock(N: int, w: float) -> LatentClass:
    """N(0, w) with a schedule of N times that are even in half log SNR, from -2.5 to 2.5."""
    half_log_snr = torch.linspace(2.5, -2.5, N, dtype=F64)
    alpha_bar = torch.cat([torch.ones(1, dtype=F64), torch.sigmoid(2 * half_log_snr)])
    return LatentClass(
        Schedule(alpha_bar),
        torch.ones(1, dtype=F64),
        torch.zeros(1, 1, dtype=F64),
        torch.tensor([w], dtype=F64).sqrt(),
        (),
    )


def flow_error(sampler: Any, N: int, w: float = 4.0) -> float:
    """Relative error at the end against the exact probability flow, which scales with the marginal deviation."""
    world = even_clock(N, w)
    setting = world.setting(1, bound=1e9)
    process, at = setting.process, world.schedule.at
    x_T = process.noise(0, 0, 50).x_T()
    out = sampler.prepare(setting, tuple(range(N, -1, -1)))(process.noise(0, 0, 50), None)
    spread = [math.sqrt(at(t) * w + 1 - at(t)) for t in (1, N)]
    to_x0 = math.sqrt(at(1)) * w / (at(1) * w + 1 - at(1))
    exact = to_x0 * spread[0] / spread[1] * x_T
    return float(((out.x - exact).abs() / exact.abs()).max())


@pytest.mark.parametrize(
    ("sampler", "order", "slack"),
    [(DDIM(clip_x0=False), 1, 0.1), (DPMSolverPP(clip_x0=False), 2, 0.15), (UniPC(clip_x0=False), 3, 0.2)],
    ids=["ddim", "dpmpp-2m", "unipc-2"],
)
def test_convergence_orders(sampler: Any, order: int, slack: float) -> None:
    sizes = [40, 80, 160]
    errors = [flow_error(sampler, N) for N in sizes]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=slack)


@pytest.mark.parametrize(
    ("fast", "first_order"),
    [(DPMSolverPP(), DDIM()), (DPMSolverPP(sde=True), Ancestral(variance="small"))],
    ids=["ode", "sde"],
)
def test_without_history_a_step_is_first_order(fast: Any, first_order: Any) -> None:
    """With two steps the second goes to 0, so only the first one moves: DDIM, or the DDPM posterior."""
    world = normal_columns((1.0, 0.3))
    setting = world.setting(1)
    path = trailing(setting, 2)
    a, b = (s.prepare(setting, path)(setting.process.noise(3, 0, 200), None) for s in (fast, first_order))
    assert torch.allclose(a.x, b.x, atol=1e-12)


def test_corrector_is_exact_for_quadratic_predictions() -> None:
    """The integral of e^l p(l) over a step, for p of degree 2 through the three known values."""
    h, r = 0.7, -1.4
    on_slope, on_change = corrector_weights(h, r)
    B = math.expm1(-h)
    for degree in (1, 2):
        nodes = np.array([r * h, 0.0, h])
        values = nodes**degree
        grid = np.linspace(0, h, 200_001)
        # x_s / alpha_s = ... + integral_0^h e^(l - h) p(l) dl, which for a constant p is -B p
        integral = np.trapezoid(np.exp(grid - h) * grid**degree, grid)
        slope = (values[0] - values[1]) / r
        found = -B * (values[1] + on_slope * slope + on_change * (values[2] - values[1]))
        assert found == pytest.approx(integral, abs=1e-8)


def test_few_steps_of_a_fast_solver_are_nearer_to_the_flow_than_ddim() -> None:
    errors = {
        name: flow_error(s, 10)
        for name, s in (("ddim", DDIM(clip_x0=False)), ("2m", DPMSolverPP(clip_x0=False)))
    }
    errors["unipc"] = flow_error(UniPC(clip_x0=False), 10)
    assert errors["2m"] < errors["ddim"] / 2
    assert errors["unipc"] < errors["ddim"] / 2


def test_analytic_variance_gives_normal_columns_their_width() -> None:
    """Five even steps down to time 1: large is right for w = 1 alone and small for none, analytic for all."""
    widths, n = (1.0, 0.25, 0.01), 100_000
    setting = normal_columns(widths).setting(20_000, bound=1e9)
    path = linspace(setting, 5)
    expected = {"small": (0.44, 0.37, 0.05), "large": (1.00, 1.54, 15.4), "analytic": (1.00, 1.00, 0.996)}
    for variance, ratios in expected.items():
        sampler = Ancestral(variance=variance, clip_x0=False)  # type: ignore[arg-type]
        out = sampler.prepare(setting, path)(setting.process.noise(1, 0, n), None)
        found = (out.x.var(0) / torch.tensor(widths, dtype=F64)).tolist()
        assert found == pytest.approx(ratios, rel=0.05, abs=0.01)


@pytest.mark.parametrize("name", ["dpmpp-2m", "dpmpp-2m-sde", "unipc-2"])
def test_categories_follow_the_numbers(name: str) -> None:
    """The joint of a category and the sign of a number, at ten steps, near the real one."""
    world, n = mixed_table(), 4000
    setting = world.setting(10)
    sampler = SAMPLERS[name]
    out = sampler.prepare(setting, trailing(setting, 20))(setting.process.noise(0, 0, n), None)
    x, c = world.rows(n, seed=3)

    def joint(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.bincount(c[:, 0] * 2 + (x[:, 0] > 0), minlength=6) / n

    assert 0.5 * np.abs(joint(x, c) - joint(out.x.numpy(), out.c.numpy())).sum() < 0.06
