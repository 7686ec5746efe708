"""Starts from a mixture and from moments, and the begin that is chosen for the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tabstep import registry
from tabstep.contracts import Unsupported
from tabstep.diffusion import labelled_mixture, mixture, moments
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.correlated import CorrelatedEM
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.mixture_em import EM, expectation, maximisation
from tabstep.diffusion.model import Counted
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import make
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers import budget_stop
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.budget_stop import (
    SOLVED,
    BudgetStop,
    KnownStop,
    begin_at,
    choose_begin,
    nearest_of_the_best,
    prior_share,
)
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.early_stop import EarlyStop
from tabstep.samplers.grid import trailing
from tabstep.samplers.judged import LEAST_ROWS
from tabstep.samplers.setting import Artifacts, BeginsEarly, Setting, path_for
from tabstep.samplers.start import MIXTURE, Gaussians, Moments, Products, check_mixture, mixture_of
from tests.oracle import F64, mixed_table

STARTS = {
    "mixture": Products(EM(components=(1, 3))),
    "correlated": Gaussians(CorrelatedEM(components=(1, 3))),
    "moments": Moments(),
}


def labelled(n: int, seed: int = 0) -> State:
    """Two numbers that are correlated within each of three labels, and a class that depends on the label."""
    g = torch.Generator().manual_seed(seed)
    y = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), n, replacement=True, generator=g)
    z = torch.randn(n, 2, generator=g, dtype=F64)
    rho = torch.tensor([0.9, -0.6, 0.0], dtype=F64)[y]
    x = torch.stack([z[:, 0], rho * z[:, 0] + (1 - rho**2).sqrt() * z[:, 1]], 1) + y.unsqueeze(1)
    c = (torch.rand(n, generator=g) < torch.tensor([0.1, 0.5, 0.8])[y]).long().unsqueeze(1)
    return State(x, c, y)


def setting_of(rows: State, T: int = 200) -> Setting:
    """A process of two numbers and one pair of classes whose network is not called."""

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        return x * 0, torch.full((len(x), 2), -math.log(2), dtype=x.dtype)

    blocks = Blocks((2,))
    limit = torch.full((2,), 6.0, dtype=F64)
    return Setting(Process(make("cosine", T), blocks, denoiser, -limit, limit), train=rows, held=rows)


# Moments


def test_noised_moments_have_the_mean_and_covariance_of_the_formula() -> None:
    """x ~ N(a mean_y, abar Cov_y + (1 - abar) I), by the moments of the real rows of the label, and its classes."""
    rows, n = labelled(5000), 60_000
    setting = setting_of(rows)
    stopped = setting.process.until(80)
    a = stopped.schedule.at(80)
    begin = Moments().fit(setting)
    for label in range(3):
        y = torch.full((n,), label)
        noise = stopped.noise(label, 0, n)
        drawn = stopped.noised(begin(noise, y), noise)
        mine = rows.y == label
        mean, covariance = rows.x[mine].mean(0), rows.x[mine].T.cov(correction=0)
        found = drawn.x - math.sqrt(a) * mean
        assert torch.allclose(found.mean(0), torch.zeros(2, dtype=F64), atol=0.02)
        assert torch.allclose(found.T.cov(), a * covariance + (1 - a) * torch.eye(2, dtype=F64), atol=0.03)
        share = a * float(rows.c[mine].double().mean()) + (1 - a) / 2
        assert float(drawn.c.double().mean()) == pytest.approx(share, abs=0.01)
        assert torch.equal(drawn.y, y)  # type: ignore[arg-type]


def test_moments_of_one_component_are_those_of_the_mixture() -> None:
    """Without a label and with independent columns the two starts are one law."""
    rows = mixed_table().state(3000, 1)
    em = EM(components=(1,), smooth=1e-9, spread=1e-9)
    prior = em.prior(rows.x, rows.c, (3, 4))

    one = em.begin(rows.x, rows.c, (3, 4), prior, 1, seed=0)
    one = maximisation(expectation(one, rows.x, rows.c)[0], (3, 4), prior)
    found = moments.moments(rows, (3, 4), 0)
    assert torch.allclose(found.mean, one.mean, atol=1e-9)
    assert torch.allclose(found.covariance[0].diagonal(), one.var[0], atol=1e-9)
    assert torch.allclose(found.p, one.log_p.exp(), atol=1e-9)


def test_correlated_components_of_labels_have_the_covariance_of_their_rows() -> None:
    """Where one component is enough; a mixture of products has none within a component."""
    data = labelled(3000)
    assert data.y is not None
    begin = Gaussians(CorrelatedEM(components=(1,))).fit(setting_of(data))
    for label in range(3):
        y = torch.full((20_000,), label)
        out = begin(setting_of(data).process.noise(0, 0, 20_000), y)
        own = data.x[data.y == label]
        assert torch.allclose(
            out.x.double().T.cov(), own.double().T.cov(), atol=0.1 * float(own.var(0).max())
        )
        assert torch.allclose(out.x.double().mean(0), own.double().mean(0), atol=0.1)


def test_moments_of_few_rows_lean_on_all_rows() -> None:
    """A label of one row has a covariance with volume, and so has one of none."""
    rows = labelled(500)
    assert rows.y is not None
    y = rows.y.clone()
    y[0] = 3
    found = moments.moments(rows._replace(y=y), (2,), 5)
    assert torch.linalg.det(found.covariance[3:]).min() > 1e-3
    assert torch.allclose(found.mean[4], rows.x.mean(0))
    assert torch.allclose(found.p.sum(1), torch.ones(5, dtype=F64))
    singular = rows._replace(x=rows.x[:, :1].expand(-1, 2))
    assert torch.isfinite(moments.moments(singular, (2,), 3).root).all()


# The mixture given a label


def test_components_are_drawn_given_the_label() -> None:
    """Classes given the label by the fitted mixture's own enumeration; the labels asked for are those that come."""
    rows, n = labelled(4000), 40_000
    setting = setting_of(rows)
    start = Products(EM(components=(6,)))
    draw = start.fit(setting)
    fitted = labelled_mixture.estimate(EM(components=(6,)), rows, (2,), seed=setting.seed)
    weight = mixture.given_label(fitted).exp()
    for label in range(3):
        y = torch.full((n,), label)
        out = draw(setting.process.noise(label, 0, n), y)
        p = weight[label] @ fitted.tables[0].exp()
        counts = torch.bincount(out.c[:, 0], minlength=2).numpy()
        assert stats.chisquare(counts, (p / p.sum() * n).numpy()).pvalue > 1e-4
        mean = weight[label] @ fitted.mean
        assert torch.allclose(out.x.mean(0), mean, atol=0.05)
        assert out.y is y


@pytest.mark.parametrize("name", STARTS)
def test_starts_are_fitted_once_and_kept(name: str, tmp_path: Any) -> None:
    """Another reader of the folder gets the same rows and is charged the same price; without rows there is none."""
    setting = replace(setting_of(labelled(600)), artifacts=Artifacts(tmp_path))
    noise, y = setting.process.noise(0, 0, 50), torch.arange(50) % 3
    first = STARTS[name].fit(setting)(noise, y)
    other = replace(setting, artifacts=Artifacts(tmp_path))
    again = STARTS[name].fit(other)(setting.process.noise(0, 0, 50), y)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.c, again.c)
    assert other.artifacts.borrowed_s > 0
    with pytest.raises(Unsupported, match="training rows"):
        STARTS[name].fit(replace(setting, train=None, artifacts=Artifacts()))


@pytest.mark.parametrize("name", STARTS)
def test_other_batches_give_the_same_rows(name: str) -> None:
    setting = setting_of(labelled(600))
    draw, y = STARTS[name].fit(setting), torch.arange(600) % 3
    whole = draw(setting.process.noise(0, 0, 600), y)
    parts = [draw(setting.process.noise(0, i, 200), y[i : i + 200]) for i in (0, 200, 400)]
    assert torch.allclose(torch.cat([p.x for p in parts]), whole.x)
    assert torch.equal(torch.cat([p.c for p in parts]), whole.c)


# Both ends of the path


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize(
    "update", [Ancestral(), DDIM(), DPMSolverPP(sde=True)], ids=["ancestral", "ddim", "sde"]
)
def test_the_ends_are_the_start_and_the_plain_sampler(name: str, update: Any) -> None:
    world = mixed_table()
    setting = world.setting(500)
    at_zero = EarlyStop(update, STARTS[name], 0.0)
    path = path_for(at_zero, trailing, setting, 5)
    out = at_zero.prepare(setting, path)(setting.process.noise(1, 0, 50), None)
    begin = STARTS[name].fit(setting)(setting.process.noise(1, 0, 50), None)
    assert torch.equal(out.x, begin.x)
    assert torch.equal(out.c, begin.c)
    chosen = BudgetStop(update, STARTS[name])
    whole = trailing(setting, 5)
    rows = [s.prepare(setting, whole)(setting.process.noise(1, 0, 50), None) for s in (update, chosen)]
    assert torch.allclose(rows[0].x, rows[1].x, atol=1e-2), "a millionth of the signal is left at T"
    assert torch.equal(rows[0].c, rows[1].c)


# The begin for a budget


@dataclass(frozen=True)
class Shifted:
    """A start: rows of the mixed table with the first number moved."""

    by: float

    def fit(self, setting: Setting) -> Draw:
        def draw(noise: Noise, y: Tensor | None) -> State:
            rows = mixed_table().state(noise.n, seed=3)
            return State(rows.x + torch.tensor([self.by, 0, 0], dtype=F64), rows.c, y)

        return draw


def test_the_prior_has_its_points_and_grows_to_all_of_the_path() -> None:
    assert [prior_share(K) for K in (1, 2, 5, 10)] == pytest.approx([0.05, 0.1, 0.25, 0.4])
    shares = [prior_share(K) for K in range(1, 300)]
    assert all(later >= sooner for sooner, later in pairwise(shares))
    assert shares[-1] == 1
    assert prior_share(3) == pytest.approx(0.1 + 0.15 * math.log(1.5) / math.log(2.5))
    for K in (1, 7, 100, 1000):
        assert K <= begin_at(prior_share(K), 1000, K) <= 1000
    assert begin_at(prior_share(60), 60, 60) == 60


@pytest.mark.parametrize("K", [1, 3, 10])
def test_a_begin_that_is_known_is_that_of_its_budget_and_measures_nothing(K: int) -> None:
    setting = mixed_table().setting(500)
    start = STARTS["mixture"]
    known = KnownStop(DDIM(), start)
    fixed = EarlyStop(DDIM(), start, prior_share(K))
    path = path_for(known, trailing, setting, K)
    assert (
        path
        == path_for(fixed, trailing, setting, K)
        == path_for(known, trailing, replace(setting, held=None), K)
    )
    rows = [s.prepare(setting, path)(setting.process.noise(1, 0, 50), None) for s in (known, fixed)]
    assert torch.equal(rows[0].x, rows[1].x)
    assert torch.equal(rows[0].c, rows[1].c)


def test_solvers_begin_earlier_in_noise_and_end_at_shorter_steps() -> None:
    setting = mixed_table(1000).setting(500)
    solver, other = SAMPLERS["mixture-unipc-2"], SAMPLERS["mixture-dpmpp-2m-sde"]
    assert [prior_share(K, SOLVED) for K in (1, 2, 3, 5, 10)] == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.6])
    for K in (1, 2, 5, 10, 50, 1000):
        path = path_for(solver, GRIDS[solver.grid], setting, K)
        assert path[0] == begin_at(prior_share(K, SOLVED), 1000, K)
        assert path[0] >= path_for(other, trailing, setting, K)[0]
    steps = -np.diff(path_for(solver, GRIDS[solver.grid], setting, 5))
    assert all(sooner > later for sooner, later in pairwise(steps))


def test_a_mixture_that_is_held_stands_in_for_the_training_rows() -> None:
    """As in a saved model; it is that of the default settings, and other settings have none without rows."""
    setting = setting_of(labelled(300))
    of = mixture_of(setting.training_rows(), setting.process.blocks.sizes, EM(), seed=setting.seed)
    alone = replace(setting, train=None, artifacts=Artifacts.holding({MIXTURE: of}))
    noise, y = setting.process.noise(0, 0, 40), torch.arange(40) % 3
    rows = [Products().fit(s)(noise, y) for s in (setting, alone)]
    assert torch.equal(rows[0].x, rows[1].x)
    assert torch.equal(rows[0].c, rows[1].c)
    with pytest.raises(Unsupported, match="training rows"):
        Products(EM(components=(2,))).fit(alone)


def test_a_mixture_of_another_shape_is_refused() -> None:
    setting = setting_of(labelled(300))
    sizes, d = setting.process.blocks.sizes, setting.process.d_num
    of = mixture_of(setting.training_rows(), sizes, EM(components=(2,)), seed=0)
    check_mixture(of, sizes, d, 3)
    for damaged in (
        {**of, "var": -of["var"]},
        {**of, "mean": of["mean"][:, :1]},
        {**of, "log_p": of["log_p"].float()},
        {"log_w": of["log_w"]},
        {},
    ):
        with pytest.raises(ValueError, match=r"a mixture (of shapes|with variances)"):
            check_mixture(damaged, sizes, d, 3)
    with pytest.raises(ValueError, match="a mixture of shapes"):
        check_mixture(of, sizes, d, 2)


def test_without_rows_to_measure_the_begin_is_the_prior() -> None:
    world = mixed_table()
    sampler = BudgetStop(DDIM(), Shifted(0.0))
    for held in (None, world.state(LEAST_ROWS - 1, 0)):
        setting = replace(world.setting(50), held=held)
        assert [sampler.horizon(setting, trailing, K) for K in (1, 2, 5, 10)] == [50, 100, 250, 400]
        assert path_for(sampler, trailing, setting, 5)[0] == 250
    assert sampler.horizon(world.setting(500), trailing, 1000) == 1000


@pytest.mark.whole
def test_the_begin_is_late_for_a_good_start_and_the_noise_end_for_a_useless_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few evaluations from noise are told from real rows; rows that are real already are not."""
    monkeypatch.setattr(budget_stop, "RATIOS", (0.25, 1.0, 6.0))
    world = mixed_table(200)
    setting = world.setting(500)
    found = {
        by: choose_begin(BudgetStop(DDIM(), Shifted(by)), setting, trailing, 2)  # type: ignore[arg-type]
        for by in (0.0, 30.0)
    }
    chosen = {by: int(f["horizon"]) for by, f in found.items()}
    assert chosen[0.0] < 80
    assert chosen[30.0] > 100
    for f in found.values():
        regret = f["regret"].numpy()
        assert regret.shape == (len(f["times"]), 5)
        at = int((f["times"] == f["horizon"]).nonzero())
        assert regret[at].mean() <= regret.mean(1).min() + 1
    regret = found[0.0]["regret"].mean(1)
    assert regret[-1] > regret[0] + 2, "two evaluations from noise, against real rows"


def test_a_tie_goes_to_the_prior_and_a_clear_winner_does_not() -> None:
    times = [10, 20, 40, 80]
    tied = np.array([[0.69, 0.7, 0.71], [0.695, 0.69, 0.715], [0.7, 0.705, 0.7], [0.9, 0.9, 0.9]])
    assert nearest_of_the_best(tied, times, prior=40) == 2
    assert nearest_of_the_best(tied, times, prior=21) == 1
    clear = tied.copy()
    clear[0] -= 0.2
    assert nearest_of_the_best(clear, times, prior=40) == 0


@pytest.mark.whole
def test_the_choice_is_paid_once_and_costs_no_evaluation_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_stop, "RATIOS", (0.5, 1.0))
    world = mixed_table(100)
    counter = Counted(world)
    setting = replace(world.setting(300), process=replace(world.process(), denoiser=counter))
    sampler = BudgetStop(Ancestral(), Shifted(0.2))  # type: ignore[arg-type]
    stop = sampler.horizon(setting, trailing, 4)
    spent = counter.rows
    assert spent > 0
    assert sampler.horizon(setting, trailing, 4) == stop
    assert counter.rows == spent
    path = path_for(sampler, trailing, setting, 4)
    assert (path[0], len(path)) == (stop, 5)
    out = sampler.prepare(setting, path)(setting.process.noise(0, 0, 20), None)
    assert counter.rows == spent + 4 * 20
    assert torch.isfinite(out.x).all()


def test_every_registered_start_chooses_for_the_budget_and_what_does_not_is_named_so() -> None:
    for name in ("ancestral", "ddim", "dpmpp-2m-sde"):
        for start in registry.STARTS:
            sampler = SAMPLERS[f"es-{name}-{start}"]
            assert isinstance(sampler, BudgetStop)
            assert isinstance(sampler, BeginsEarly)
            assert type(sampler.update) is type(SAMPLERS[name])
            assert sampler.update == SAMPLERS[name]
    for start in registry.STARTS:
        blind, fixed = (SAMPLERS[f"es-dpmpp-2m-sde-{start}-{rule}"] for rule in ("mmd", "20"))
        assert isinstance(blind, EarlyStop)
        assert isinstance(fixed, EarlyStop)
        assert (blind.stop, fixed.stop) == (None, 0.2)
        assert blind.start == fixed.start == registry.STARTS[start]
