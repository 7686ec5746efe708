"""Classes drawn together: exact on chains where no product is, the plain step where there is nothing to tie."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tabstep.diffusion import mixture
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import Mixture
from tabstep.diffusion.mixture_em import EM
from tabstep.diffusion.schedule import make
from tabstep.registry import SAMPLERS
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.budget_stop import KnownStop
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting
from tabstep.samplers.start import Products
from tabstep.samplers.tied import Tied, leaning
from tests.oracle import F64, TwoColumns, mixed_table, normal_columns, total_variation


@dataclass(frozen=True)
class Known(Products):
    """A mixture that is given."""

    given: Any = None

    def components(self, setting: Setting) -> Mixture:
        found: Mixture = self.given
        return found


def of_two_columns() -> Mixture:
    """The law of `TwoColumns.dependent` exactly: both columns have the class of their component, or any."""
    same = torch.full((5, 4), 1e-12, dtype=F64)
    same[:4] += torch.eye(4, dtype=F64)
    same[4] = 0.25
    log_p = (same / same.sum(1, keepdim=True)).log()
    none = torch.empty(5, 0, dtype=F64)
    weights = torch.tensor([0.225] * 4 + [0.1], dtype=F64).log()
    return Mixture((4, 4), weights, none, none, torch.cat([log_p, log_p], 1))


def joint(rows: State, K: int = 4) -> Tensor:
    return torch.bincount(rows.c[:, 0] * K + rows.c[:, 1], minlength=K * K).reshape(K, K) / len(rows.c)


@pytest.mark.parametrize("K", [1, 2, 5])
def test_few_steps_are_exact_on_a_chain_where_no_product_is(K: int) -> None:
    world, n = TwoColumns.dependent(), 60_000
    setting = Setting(world.process())
    path, noise = trailing(setting, K), setting.process.noise(0, 0, n)
    plain = DDIM().prepare(setting, path)(noise, None)
    tied = Tied(DDIM(), Known(given=of_two_columns())).prepare(setting, path)(
        setting.process.noise(0, 0, n), None
    )
    assert total_variation(joint(tied), world.P) < 0.012
    assert total_variation(joint(plain), world.P) > {1: 0.65, 2: 0.4, 5: 0.15}[K]


def test_one_component_leaves_every_row_as_it_is() -> None:
    world = mixed_table()
    setting = world.setting(500)
    one = Mixture(
        setting.process.blocks.sizes,
        torch.zeros(1, dtype=F64),
        torch.zeros(1, 3, dtype=F64),
        torch.ones(1, 3, dtype=F64),
        torch.full((1, 7), -math.log(3), dtype=F64),
    )
    path = trailing(setting, 4)
    for update in (DDIM(), DPMSolverPP(sde=True), Ancestral()):
        found = Tied(update, Known(given=one)).prepare(setting, path)(setting.process.noise(0, 0, 300), None)
        wanted = update.prepare(setting, path)(setting.process.noise(0, 0, 300), None)
        assert torch.allclose(found.x, wanted.x)
        assert torch.equal(found.c, wanted.c)


def test_without_categories_it_is_the_update() -> None:
    setting = normal_columns((1.0,)).setting(300)
    path = trailing(setting, 3)
    found = Tied(DDIM()).prepare(setting, path)(setting.process.noise(0, 0, 50), None)
    assert torch.equal(found.x, DDIM().prepare(setting, path)(setting.process.noise(0, 0, 50), None).x)


def test_in_the_mean_over_components_nothing_of_a_column_changes() -> None:
    """Sum over z of p(z | row) times the lean is 1 for every class: by enumeration of what is drawn."""
    world = mixed_table()
    process = world.process()
    m = Mixture(
        process.blocks.sizes,
        world.w.log(),
        world.mu,
        world.s.square().expand(3, 3),
        torch.cat([p.log() for p in world.P], 1),
    )
    rows, t = world.state(6, seed=0), 400
    noised = process.until(t).noised(rows, process.noise(0, 0, 6))
    a = process.schedule.at(t)
    r = mixture.evidence(mixture.noised(m, a), noised.x, noised.c).softmax(1)
    edges = torch.cat([torch.zeros(6, 1, dtype=F64), r.cumsum(1)], 1)
    total = torch.zeros(6, 7, dtype=F64)
    for z in range(3):
        u = (edges[:, z] + edges[:, z + 1]) / 2
        total += r[:, z : z + 1] * leaning(m, process, noised, t, u.unsqueeze(1)).exp()
    assert torch.allclose(total, torch.ones_like(total))


def test_what_a_component_says_is_bayes_rule() -> None:
    """One noised row by hand: p(c_0 | c_t, z) of each of two components and of both."""
    P = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=F64)
    none = torch.empty(2, 0, dtype=F64)
    m = Mixture((2,), torch.tensor([0.3, 0.7], dtype=F64).log(), none, none, P.log())
    process = replace(mixed_table().process(), blocks=Blocks((2,)))
    t = 500
    a = make("cosine", 1000).at(t)
    q = torch.tensor([[a + (1 - a) / 2, (1 - a) / 2], [(1 - a) / 2, a + (1 - a) / 2]], dtype=F64)
    row = State(torch.empty(1, 0, dtype=F64), torch.tensor([[1]]), None)
    by_z = P * q[:, 1] / (P * q[:, 1]).sum(1, keepdim=True)
    r = torch.tensor([0.3, 0.7], dtype=F64) * (P * q[:, 1]).sum(1)
    by_all = (r / r.sum()) @ by_z
    first = leaning(m, process, row, t, torch.tensor([[1e-6]], dtype=F64))[0]
    assert first.exp() == pytest.approx(by_z[0] / by_all)


def test_a_noised_mixture_is_the_law_of_noised_rows() -> None:
    world, t, n = mixed_table(), 300, 100_000
    process = world.process().until(t)
    m = Mixture(
        process.blocks.sizes,
        world.w.log(),
        world.mu,
        world.s.square().expand(3, 3),
        torch.cat([p.log() for p in world.P], 1),
    )
    rows = process.noised(world.state(n, seed=1), process.noise(2, 0, n))
    now = mixture.noised(m, process.schedule.at(t))
    weight = now.log_w.exp()
    assert rows.x.mean(0) == pytest.approx(weight @ now.mean, abs=0.02)
    second = weight @ (now.var + now.mean.square())
    assert rows.x.square().mean(0) == pytest.approx(second, rel=0.02)
    assert torch.bincount(rows.c[:, 1], minlength=4) / n == pytest.approx(
        weight @ now.tables[1].exp(), abs=0.01
    )
    kept = mixture.noised(m, 0.1, clean=1)
    assert torch.equal(kept.tables[1], m.tables[1])
    assert not torch.equal(kept.tables[0], m.tables[0])


def test_labels_are_seen_and_the_mixture_is_that_of_the_rows() -> None:
    """Two columns that are the same, beside a label of their own: the mixture is fitted, and ties the two."""
    n = 3000
    y, h = torch.arange(n) % 2, torch.arange(n) // 2 % 3
    rows = State(
        torch.randn(n, 1, generator=torch.Generator().manual_seed(0), dtype=F64), torch.stack([h, h], 1), y
    )
    base = normal_columns((1.0,))

    def denoiser(x: Tensor, c: Tensor, t: Any, label: Tensor | None) -> tuple[Tensor, Tensor]:
        return base(x, c[:, :0], t, None)[0], torch.full((len(x), 6), -math.log(3), dtype=F64)

    process = replace(base.process(), blocks=Blocks((3, 3)), denoiser=denoiser)
    setting = Setting(process, train=rows, held=rows)
    found = Tied(DDIM(), Products(EM())).prepare(setting, trailing(setting, 1))(
        process.noise(0, 0, 600), y[:600]
    )
    assert float((found.c[:, 0] == found.c[:, 1]).double().mean()) > 0.97
    assert torch.bincount(found.c[:, 0], minlength=3) / 600 == pytest.approx(
        torch.full((3,), 1 / 3), abs=0.06
    )


def test_it_is_registered_from_noise_and_from_a_mixture() -> None:
    plain, begun = SAMPLERS["tied-dpmpp-2m-sde"], SAMPLERS["mixture-tied-dpmpp-2m-sde"]
    assert isinstance(plain, Tied)
    assert plain.grid == "trailing"
    assert isinstance(begun, KnownStop)
    assert begun.update == plain
