"""Numeric mathematics: schedules, steps, grids, against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tabstep.diffusion import gaussian
from tabstep.diffusion.schedule import Schedule, make
from tabstep.registry import GRIDS
from tabstep.samplers import grid
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.setting import path_for
from tests.oracle import F64, bare, normal_columns


def test_cosine_schedule_is_the_product_of_capped_betas() -> None:
    T = 1000
    f = [math.cos((t / T + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(T + 1)]
    alpha_bar = [1.0]
    for t in range(1, T + 1):
        alpha_bar.append(alpha_bar[-1] * (1 - min(1 - f[t] / f[t - 1], 0.999)))
    schedule = make("cosine", T)
    assert np.allclose(schedule.alpha_bar.numpy(), alpha_bar, rtol=1e-12, atol=0)
    assert schedule.at(T) == pytest.approx(2.4e-9, rel=0.05)
    assert make("cosine", 100).at(100) == pytest.approx(2.4e-7, rel=0.05)


def test_schedules_refuse_what_is_not_one() -> None:
    with pytest.raises(ValueError, match="fall strictly"):
        Schedule(torch.tensor([1.0, 0.5, 0.5], dtype=F64))
    with pytest.raises(ValueError, match=r"t must be in 0\.\.20, got -1"):
        make("cosine", 20).at(-1)


def test_skip_posterior_equals_bayes_for_gaussians() -> None:
    schedule = make("cosine", 50)
    for s, t in [(1, 2), (3, 40), (10, 50)]:
        a_t, a_s = schedule.at(t), schedule.at(s)
        p = gaussian.posterior(a_t, a_s)
        # x_s ~ N(sqrt(a_s) x0, 1 - a_s), x_t | x_s ~ N(sqrt(alpha) x_s, 1 - alpha): product of two Gaussians in x_s
        alpha = a_t / a_s
        precision = 1 / (1 - a_s) + alpha / (1 - alpha)
        assert p.small == pytest.approx(1 / precision, rel=1e-10)
        assert p.on_x0 == pytest.approx(math.sqrt(a_s) / (1 - a_s) / precision, rel=1e-10)
        assert p.on_xt == pytest.approx(math.sqrt(alpha) / (1 - alpha) / precision, rel=1e-10)
        assert p.large == pytest.approx(1 - alpha, rel=1e-12)


@pytest.mark.parametrize("path", [(1000, 500, 100, 7, 0), tuple(range(20, -1, -1))])
def test_eta_one_is_the_small_ancestral_step(path: tuple[int, ...]) -> None:
    schedule = make("cosine", path[0])
    g = torch.Generator().manual_seed(0)
    x_t, x0, z = (torch.randn(50, 3, generator=g, dtype=F64) for _ in range(3))
    for t, s in pairwise(path):
        a_t, a_s = schedule.at(t), schedule.at(s)
        p = gaussian.posterior(a_t, a_s)
        ancestral = p.on_x0 * x0 + p.on_xt * x_t + math.sqrt(p.small) * z
        ours = gaussian.ddim_step(x_t, x0, a_t, a_s, z, eta=1.0)
        assert (ours - ancestral).abs().max() < 1e-10


def closed_form_variance(w: float, path: tuple[int, ...], T: int, step: str) -> float:
    """Output variance of a sampler with the ideal denoiser on N(0, w): a linear recursion of its own."""
    schedule = make("cosine", T)
    var = 1.0
    for t, s in pairwise(path):
        a_t, a_s = schedule.at(t), schedule.at(s)
        to_x0 = math.sqrt(a_t) * w / (a_t * w + 1 - a_t)  # E[x0 | x_t] = to_x0 * x_t
        alpha = a_t / a_s
        if step == "ddim":
            gain = math.sqrt(a_s) * to_x0 + math.sqrt((1 - a_s) / (1 - a_t)) * (1 - math.sqrt(a_t) * to_x0)
            fresh = 0.0
        else:
            gain = math.sqrt(a_s) * (1 - alpha) / (1 - a_t) * to_x0 + math.sqrt(alpha) * (1 - a_s) / (1 - a_t)
            fresh = (1 - alpha) if step == "large" else (1 - alpha) * (1 - a_s) / (1 - a_t)
        var = gain**2 * var + (fresh if s > 0 else 0.0)
    return var


@pytest.mark.parametrize("K", [1, 5, 20])
@pytest.mark.parametrize("step", ["large", "small", "ddim"])
def test_samplers_reach_the_closed_form_variance(K: int, step: str) -> None:
    widths, n = (1.0, 0.25, 0.01), 200_000
    world = normal_columns(widths)
    # wide bounds: the closed form knows no clipping
    process = world.process(bound=1e9)
    sampler = DDIM() if step == "ddim" else Ancestral(variance=step)  # type: ignore[arg-type]
    path = grid.trailing(bare(1000), K)
    out = sampler.prepare(world.setting(bound=1e9), path)(process.noise(1, 0, n), None)
    for j, w in enumerate(widths):
        expected = closed_form_variance(w, path, 1000, step)
        assert float(out.x[:, j].var()) == pytest.approx(expected, rel=0.015)


@pytest.mark.parametrize(("K", "std"), [(5, 0.778), (10, 0.883), (20, 0.940), (50, 0.976)])
def test_ddim_shrinks_standard_normal_columns_by_a_product_of_cosines(K: int, std: float) -> None:
    path = grid.trailing(bare(1000), K)
    theta = [math.acos(math.sqrt(make("cosine", 1000).at(t))) for t in path]
    product = math.prod(math.cos(a - b) for a, b in pairwise(theta))
    assert math.sqrt(closed_form_variance(1.0, path, 1000, "ddim")) == pytest.approx(product, abs=1e-10)
    assert product == pytest.approx(std, abs=1e-3)
    world = normal_columns((1.0,))
    process = world.process(bound=1e9)
    noise = process.noise(0, 0, 64)
    x_T = noise.x_T()
    fresh = process.noise(0, 0, 64)
    out = DDIM().prepare(world.setting(bound=1e9), path)(fresh, None)
    assert (out.x - product * x_T).abs().max() < 1e-10


@given(T=st.integers(1, 300), data=st.data())
def test_grids_are_strictly_falling_paths(T: int, data: st.DataObject) -> None:
    K = data.draw(st.integers(1, T))
    setting = bare(T)
    to_the_end = (grid.linspace, grid.trailing, grid.quad, grid.logsnr)
    for make_path in (*to_the_end, grid.leading, grid.quad_ddim, grid.Karras()):
        path = make_path(setting, K)
        assert len(path) == K + 1
        assert path[0] == T if make_path in to_the_end else path[0] <= T
        assert path[-1] == 0
        assert all(t > s for t, s in pairwise(path))
    with pytest.raises(ValueError, match=f"steps must be in 1..{T}, got {T + 1}"):
        grid.trailing(setting, T + 1)


def test_grids_are_the_stated_ones() -> None:
    long, ten, five = bare(1000), bare(10), bare(5)
    assert grid.linspace(long, 2) == (1000, 1, 0)
    assert grid.trailing(long, 4) == (1000, 750, 500, 250, 0)
    assert grid.linspace(five, 5) == grid.trailing(five, 5) == (5, 4, 3, 2, 1, 0)
    assert grid.linspace(ten, 1) == (10, 0)
    assert grid.quad(long, 4) == (1000, 563, 250, 63, 0)
    assert grid.logsnr(long, 1) == (1000, 0)


def test_grids_of_ddims_code_are_its_formulas() -> None:
    """`range(0, T, T // K)` and `int(s) for s in linspace(0, sqrt(.8 T), K)**2`, from 0 there and from 1 here."""
    for K in (2, 5, 10, 20):
        assert grid.leading(bare(1000), K) == (*(1 + t for t in reversed(range(0, 1000, 1000 // K))), 0)
        squares = np.linspace(0, math.sqrt(1000 * 0.8), K) ** 2
        assert grid.quad_ddim(bare(1000), K) == (*(1 + int(s) for s in reversed(squares)), 0)


def test_sigma_grid_has_even_steps_in_the_root_of_sigma() -> None:
    assert grid.Karras()(bare(1000), 5) == (920, 815, 568, 234, 56, 0)
    path = grid.Karras(rho=3.0)(bare(1000), 6)
    sigma = np.exp(-make("cosine", 1000).half_log_snr.numpy()[list(path[:-1])])
    assert sigma[[0, -1]] == pytest.approx([8, 0.1], rel=0.02)  # of the nearest whole times
    steps = np.diff(np.cbrt(sigma))
    assert steps == pytest.approx(steps.mean(), rel=0.02)


def test_sigma_grid_of_a_path_that_begins_early_begins_there() -> None:
    """Every time is in use: none of the K is spent above the begin, where the path has no times."""
    early = bare(1000).until(250)
    sigma = np.exp(-make("cosine", 1000).half_log_snr.numpy())
    path = grid.Karras()(early, 5)
    assert path[0] == 250
    roots = sigma[list(path[:-1])] ** (1 / 7)
    assert np.diff(roots) == pytest.approx(np.diff(roots).mean(), rel=0.05)  # of the nearest whole times
    assert sigma[path[-2]] == pytest.approx(0.1, rel=0.02)
    short = grid.Karras()(bare(1000).until(60), 2)  # sigma is less than .1 throughout
    assert sigma[short[1]] / sigma[short[0]] == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("K", [2, 5, 20])
@pytest.mark.parametrize("family", [grid.Karras(), grid.Karras(3.0, 20.0, 0.03)], ids=["default", "wide"])
def test_sigma_grid_is_the_formula_to_the_nearest_time(family: grid.Karras, K: int) -> None:
    """Karras et al. 2022, eq. 5, from sigma_max down to sigma_min; no whole time is nearer in log sigma by a half."""
    root = 1 / family.rho
    high, low = family.sigma_max**root, family.sigma_min**root
    sigma = -make("cosine", 1000).half_log_snr.numpy()
    path = family(bare(1000), K)
    for i, t in enumerate(path[:-1]):
        wanted = family.rho * math.log(high + i / (K - 1) * (low - high))
        assert (sigma[t - 1] + sigma[t]) / 2 - 1e-9 < wanted < (sigma[t] + sigma[t + 1]) / 2 + 1e-9


@pytest.mark.parametrize("steps", ["5", None, 2.0, True, [3]], ids=repr)
def test_steps_that_are_no_whole_number_are_refused_by_every_grid_and_path(steps: Any) -> None:
    for name, chosen in GRIDS.items():
        with pytest.raises(ValueError, match=r"steps must be a whole number in 1\.\.50, got "):
            chosen(bare(50), steps)
        with pytest.raises(ValueError, match="whole number"):
            path_for(DDIM(), GRIDS[name], bare(50), steps)


def test_logsnr_steps_are_even_on_its_clock() -> None:
    setting = bare(1000)
    path = grid.logsnr(setting, 8)
    assert path[-2] == 1
    steps = np.diff(setting.process.schedule.half_log_snr.numpy()[list(path[:-1])])
    # From T to T - 1 alone the clock moves by more than a step, because beta is capped at 0.999.
    assert path[:2] == (1000, 999)
    assert steps[2:] == pytest.approx(steps[2:].mean(), rel=0.05)  # up to rounding to whole times


def test_colliding_times_are_pushed_apart() -> None:
    assert grid.snap(np.array([1.0, 1.1, 1.2, 9.0]), 9) == (9, 3, 2, 1, 0)
    assert grid.snap(np.array([1.0, 8.6, 8.9, 9.0]), 9) == (9, 8, 7, 1, 0)
