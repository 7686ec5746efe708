"""The first step without the network: its law in closed form, one step further for the same evaluations, its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

import tabstep
from tabstep.contracts import Unsupported
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Counted
from tabstep.diffusion.schedule import make
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.registry import FREE, SAMPLERS
from tabstep.samplers import grid
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dp import DP
from tabstep.samplers.free import FreeFirst
from tabstep.samplers.setting import Setting, path_for
from tests.oracle import F64, LatentClass, mixed_table

MEAN, S, P = (0.5, -1.0), (1.0, 0.4), (0.5, 0.3, 0.2)


def independent() -> tuple[LatentClass, Setting]:
    """Two normal numbers and a class, all independent, and rows with exactly their moments and frequencies."""
    world = LatentClass(
        make("cosine", 1000),
        torch.ones(1, dtype=F64),
        torch.tensor([MEAN], dtype=F64),
        torch.tensor(S, dtype=F64),
        (torch.tensor([P], dtype=F64),),
    )
    signs = torch.tensor(list(product((-1.0, 1.0), (-1.0, 1.0), range(10))), dtype=F64)
    c = ((signs[:, 2] > 4).long() + (signs[:, 2] > 7)).unsqueeze(1)
    rows = State(world.mu[0] + world.s * signs[:, :2], c, None)
    return world, Setting(world.process(bound=1e9), train=rows, held=rows)


def begin(world: LatentClass, setting: Setting, path: tuple[int, ...], n: int) -> Tensor:
    """x ~ N(a mean, abar s^2 + 1 - abar) at the first time of the path, by the same noise as a draw."""
    noise = setting.process.noise(3, 0, n)
    a = setting.process.schedule.at(path[0])
    z, z_T = noise.apart(2).normal(), noise.x_T()
    return math.sqrt(a) * (world.mu + world.s * z) + math.sqrt(1 - a) * z_T


@pytest.mark.parametrize("K", [1, 2, 5])
def test_the_first_step_is_exact_for_independent_columns(K: int) -> None:
    """Of K + 1 steps only K err. DDIM multiplies what is beside the mean by a known factor a step, so that the rows are
    those of the formula one by one, and their width is its product; classes have their frequencies at any budget."""
    world, setting = independent()
    sampler, n = FreeFirst(DDIM()), 3000
    path = path_for(sampler, grid.trailing, setting, K)
    assert path == grid.trailing(setting, K + 1)[1:]
    out = sampler.prepare(setting, path)(setting.process.noise(3, 0, n), None)

    at = setting.process.schedule.at
    x, factor = begin(world, setting, path, n), torch.ones(2, dtype=F64)
    x = x - math.sqrt(at(path[0])) * world.mu
    for t, s in pairwise(path):
        var_t = at(t) * world.s**2 + 1 - at(t)
        on_x0 = math.sqrt(at(t)) * world.s**2 / var_t  # E[x_0 | x_t] beside the mean
        on_eps = (1 - math.sqrt(at(t)) * on_x0) / math.sqrt(1 - at(t))
        factor = factor * (math.sqrt(at(s)) * on_x0 + math.sqrt(1 - at(s)) * on_eps)
    assert torch.allclose(out.x, world.mu + factor * x, atol=1e-9)
    a = at(path[0])
    assert torch.allclose(x.std(0), (a * world.s**2 + 1 - a).sqrt(), rtol=0.05)
    counts = torch.bincount(out.c[:, 0], minlength=3).numpy()
    assert stats.chisquare(counts, [p * n for p in P]).pvalue > 1e-4


def test_rows_are_wider_than_with_a_first_step_by_the_network() -> None:
    """Deviation of DDIM on N(0, 1) after five evaluations: prod cos over five steps of six, not of five."""
    _, setting = independent()
    n = 4000
    free, plain = FreeFirst(DDIM()), DDIM()
    std = {}
    for name, sampler in (("free", free), ("plain", plain)):
        path = path_for(sampler, grid.trailing, setting, 5)
        std[name] = float(sampler.prepare(setting, path)(setting.process.noise(0, 0, n), None).x[:, 0].std())
    angle = torch.arccos(setting.process.schedule.alpha_bar.sqrt())
    for name, path in (("free", grid.trailing(setting, 6)[1:]), ("plain", grid.trailing(setting, 5))):
        expected = math.prod(math.cos(angle[t] - angle[s]) for t, s in pairwise(path))
        assert std[name] == pytest.approx(expected, rel=0.04)
    assert std["free"] > std["plain"] + 0.05


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize(
    "make_grid",
    [grid.trailing, grid.quad, grid.Karras(), DP(candidates=20)],
    ids=["trailing", "quad", "karras", "dp"],
)
def test_evaluations_are_those_asked_for(name: str, make_grid: Any) -> None:
    world = mixed_table(100)
    counter = Counted(world)
    setting = replace(world.setting(300), process=replace(world.process(), denoiser=counter))
    sampler = SAMPLERS[f"free-{name}"]
    for K in (1, 2, 5):
        path = path_for(sampler, make_grid, setting, K)
        assert len(path) == K + 1
        draw = sampler.prepare(setting, path)
        before = counter.rows
        draw(setting.process.noise(0, 0, 20), None)
        assert counter.rows - before == 20 * K


def test_every_grid_gives_its_path_of_one_more_without_the_first_time() -> None:
    setting = mixed_table().setting(50)
    for make_grid in (grid.trailing, grid.quad, grid.linspace, grid.Karras(), DP(candidates=20)):
        path = path_for(FreeFirst(DDIM()), make_grid, setting, 3)
        assert path == make_grid(setting.seen_by(DDIM()), 4)[1:]


@pytest.mark.parametrize("update", [Ancestral(), DDIM()], ids=["ancestral", "ddim"])
def test_with_all_times_it_is_the_plain_sampler(update: Any) -> None:
    """There is no step to spare, and the noised rows at T are noise."""
    world = mixed_table(60)
    setting = world.setting(200)
    sampler = FreeFirst(update)
    path = path_for(sampler, grid.trailing, setting, 60)
    assert path == tuple(range(60, -1, -1))
    free, plain = (
        s.prepare(setting, path)(setting.process.noise(1, 0, 300), None) for s in (sampler, update)
    )
    assert torch.allclose(free.x, plain.x, atol=0.05), "one part in a million of the variance is signal at T"
    assert (free.c == plain.c).double().mean() > 0.99


def test_without_training_rows_nothing_is_known() -> None:
    setting = replace(mixed_table(50).setting(50), train=None)
    sampler = FreeFirst(DDIM())
    with pytest.raises(Unsupported, match="training rows"):
        sampler.prepare(setting, path_for(sampler, grid.trailing, setting, 3))


def test_a_saved_model_of_a_table_keeps_the_moments_for_the_default(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(5, 2, 60), "k": rng.choice(["u", "v"], 60)})
    model = tabstep.fit(frame, method=TabDDPM(T=20, steps=5, layers=(8,)), progress="none")
    rows = model.sample(30, steps=2, seed=1)
    model.save(tmp_path / "model")
    same = tabstep.load(tmp_path / "model")
    assert same.sample(30, steps=2, seed=1).equals(rows)
    same.save(tmp_path / "again")
    assert tabstep.load(tmp_path / "again").sample(30, steps=2, seed=1).equals(rows)
