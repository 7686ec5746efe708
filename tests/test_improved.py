"""Learned variances: what the head means, what trains it, and how training times are drawn."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from tabstep.contracts import Unsupported
from tabstep.data.table import Schema
from tabstep.diffusion import gaussian
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.head import Head, HeadDenoiser
from tabstep.diffusion.importance import HISTORY, LossSecondMoment
from tabstep.diffusion.improved import ImprovedDDPM, numeric_bound
from tabstep.diffusion.loss import tabddpm_loss
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.nelbo import nelbo
from tabstep.diffusion.schedule import make
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.registry import SAMPLERS
from tabstep.samplers.grid import linspace
from tabstep.samplers.setting import Setting
from tests.oracle import F64, mixed_table


def test_fractions_interpolate_the_logarithms_for_every_skip() -> None:
    schedule = make("cosine", 100)
    for t, s in ((2, 1), (50, 49), (100, 1), (80, 20)):
        p = gaussian.posterior(schedule.at(t), schedule.at(s))
        for fraction, expected in ((0.0, p.small), (1.0, p.large), (0.5, math.sqrt(p.small * p.large))):
            found = gaussian.interpolated_variance(torch.tensor(fraction, dtype=F64), p.small, p.large)
            assert math.log(found) == pytest.approx(math.log(expected), abs=1e-12)


def test_a_variance_without_bounds_is_any_and_largest_at_one() -> None:
    f = torch.tensor([-30.0, 0.0, 1.0, 3.0], dtype=F64)
    assert torch.allclose(gaussian.free_variance(f, 0.1, 0.4).log(), math.log(0.4) + f - 1)


@pytest.mark.parametrize("head", ["eps", "v", "x0", "previous"])
@pytest.mark.parametrize(
    "t", [1, 50, 100, torch.tensor([1, 2, 60, 100]), torch.tensor([37.5], dtype=F64)], ids=str
)
def test_noise_follows_from_what_a_network_says(head: Head, t: int | Tensor) -> None:
    """The row one time earlier by its mean as public code has it: (x_{t-1} - coef2 x_t) / coef1 = x_0."""
    schedule, g = make("cosine", 100), torch.Generator().manual_seed(0)
    x_0, eps, fraction = (torch.randn(4, 2, generator=g, dtype=F64) for _ in range(3))
    c = torch.empty(4, 0, dtype=torch.int64)
    reads = HeadDenoiser(lambda *_: (torch.cat([said, fraction], 1), c), schedule, head)
    a, earlier = reads.signal(t), reads.earlier(t)
    x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
    beta = 1 - a / earlier
    coef1 = beta * earlier.sqrt() / (1 - a)
    coef2 = (1 - earlier) * (a / earlier).sqrt() / (1 - a)
    said = {
        "eps": eps,
        "v": a.sqrt() * eps - (1 - a).sqrt() * x_0,
        "x0": x_0,
        "previous": coef1 * x_0 + coef2 * x_t,
    }[head]
    found, _ = reads(x_t, c, t, None)
    assert torch.allclose(found[:, :2], eps, atol=1e-8)
    assert torch.equal(found[:, 2:], fraction)
    if isinstance(t, int):
        assert float(earlier) == schedule.at(t - 1)


@pytest.mark.parametrize("head", ["x0", "previous"])
def test_the_loss_is_of_what_the_network_says(head: Literal["x0", "previous"]) -> None:
    """A network that is wrong by 0.3 everywhere has the loss 0.09, whatever its numbers mean."""
    schedule, g = make("cosine", 100), torch.Generator().manual_seed(0)
    clean, t = batch((1.0, 0.3), 64, g), torch.randint(1, 101, (64,), generator=g)
    eps = torch.randn(64, 2, generator=g, dtype=F64)
    a, earlier = (schedule.alpha_bar[u].unsqueeze(1) for u in (t, t - 1))
    p = gaussian.posterior(a, earlier)  # type: ignore[arg-type]
    x_t = a.sqrt() * clean.x + (1 - a).sqrt() * eps
    right = clean.x if head == "x0" else p.on_x0 * clean.x + p.on_xt * x_t
    reads = HeadDenoiser(lambda *_: (right + 0.3, x_t[:, :0]), schedule, head)
    numeric, _ = tabddpm_loss(reads, clean, t, schedule, Blocks(()), eps=eps, generator=g, head=head)
    assert float(numeric) == pytest.approx(0.09, rel=1e-6)


def test_bound_of_a_step_is_the_divergence_of_two_normals() -> None:
    """Against torch.distributions, an independent code path; at s = 0 against the density."""
    schedule = make("cosine", 50)
    g = torch.Generator().manual_seed(0)
    x_0, eps_hat, eps = (torch.randn(3, 2, generator=g, dtype=F64) for _ in range(3))
    fraction = torch.rand(3, 2, generator=g, dtype=F64)
    t, s = torch.tensor([30, 7, 1]), torch.tensor([12, 6, 0])
    a = schedule.alpha_bar[t].unsqueeze(1)
    error = ((1 - a) / a).sqrt() * (eps - eps_hat)
    found = numeric_bound(error, fraction, t, s, schedule)
    for row in (0, 1):
        p = gaussian.posterior(schedule.at(int(t[row])), schedule.at(int(s[row])))
        x_t = a[row].sqrt() * x_0[row] + (1 - a[row]).sqrt() * eps[row]
        x0_hat = gaussian.x0_from_eps(x_t, eps_hat[row], float(a[row]))
        std = (fraction[row] * math.log(p.large) + (1 - fraction[row]) * math.log(p.small)).exp().sqrt()
        exact = torch.distributions.Normal(p.on_x0 * x_0[row] + p.on_xt * x_t, math.sqrt(p.small))
        model = torch.distributions.Normal(p.on_x0 * x0_hat + p.on_xt * x_t, std)
        expected = torch.distributions.kl_divergence(exact, model)
        assert torch.allclose(found[row], expected, atol=1e-10)
    low = gaussian.posterior(schedule.at(2), schedule.at(1)).small
    std = (fraction[2] * math.log(1 - schedule.at(1)) + (1 - fraction[2]) * math.log(low)).exp().sqrt()
    decoder = torch.distributions.Normal(torch.zeros(2, dtype=F64), std)
    assert torch.allclose(found[2], -decoder.log_prob(error[2]), atol=1e-10)


class Heads(nn.Module):
    """The ideal noise of N(0, w) columns, and one free variance fraction per time and column."""

    def __init__(self, w: tuple[float, ...], T: int) -> None:
        super().__init__()
        self.schedule, self.w = make("cosine", T), torch.tensor(w, dtype=F64)
        self.eps_scale = nn.Parameter(torch.ones(len(w), dtype=F64))
        self.fraction = nn.Parameter(torch.full((T + 1, len(w)), 0.5, dtype=F64))

    def forward(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        a = self.schedule.alpha_bar[t].unsqueeze(1)
        eps = x * (1 - a).sqrt() / (a * self.w + 1 - a) * self.eps_scale
        return torch.cat([eps, self.fraction[t]], 1), x.new_empty(len(x), 0)


def batch(w: tuple[float, ...], n: int, g: torch.Generator) -> State:
    x = torch.randn(n, len(w), generator=g, dtype=F64) * torch.tensor(w, dtype=F64).sqrt()
    return State(x, torch.empty(n, 0, dtype=torch.int64), None)


DATA = batch((1.0, 0.3), 4, torch.Generator().manual_seed(1))  # the objectives read batches alone


@pytest.mark.parametrize("objective", ["hybrid", "skip"])
def test_variance_loss_leaves_the_noise_head_alone(objective: str) -> None:
    heads, g = Heads((1.0, 0.3), 20), torch.Generator().manual_seed(0)
    method = ImprovedDDPM(T=20, objective=objective)  # type: ignore[arg-type]
    *_, variance = method.loss(heads, heads.schedule, Blocks(()), DATA)(batch((1.0, 0.3), 64, g), g)
    variance.backward()
    assert heads.fraction.grad is not None
    assert heads.fraction.grad.abs().sum() > 0
    assert heads.eps_scale.grad is None or not heads.eps_scale.grad.any()


def test_the_bound_trains_both_heads() -> None:
    heads, g = Heads((1.0, 0.3), 20), torch.Generator().manual_seed(0)
    method = ImprovedDDPM(T=20, objective="vlb")
    (loss,) = method.loss(heads, heads.schedule, Blocks(()), DATA)(batch((1.0, 0.3), 64, g), g)
    loss.backward()
    for grad in (heads.fraction.grad, heads.eps_scale.grad):
        assert grad is not None
        assert grad.abs().sum() > 0


@pytest.mark.whole
@pytest.mark.parametrize("variance", ["range", "free"])
def test_fractions_reach_their_closed_form(variance: gaussian.Learned) -> None:
    """Only the fractions are trained, for one-step variances at T = 20; known optima at t = 10."""
    w = (1.0, 0.25, 0.01)
    heads, g = Heads(w, 20), torch.Generator().manual_seed(0)
    loss = ImprovedDDPM(T=20, vlb_weight=1.0, variance=variance).loss(heads, heads.schedule, Blocks(()), DATA)
    optimizer = torch.optim.Adam([heads.fraction], lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        loss(batch(w, 1024, g), g)[-1].backward()
        optimizer.step()
    a_t, a_s = heads.schedule.at(10), heads.schedule.at(9)
    p = gaussian.posterior(a_t, a_s)
    for j, (column, known) in enumerate(zip(w, (1.000, 0.417, 0.021), strict=True)):
        moment = column * (1 - a_t) / (a_t * column + 1 - a_t)
        v = p.small + p.on_x0**2 * moment
        best = math.log(v / p.small) / math.log(p.large / p.small)
        assert best == pytest.approx(known, abs=2e-3)
        if variance == "free":
            best = 1 + math.log(v / p.large)
        assert float(heads.fraction.detach()[10, j]) == pytest.approx(best, abs=0.1)


def test_times_are_drawn_by_the_second_moment_of_their_losses() -> None:
    T = 5
    times = LossSecondMoment(T)
    assert times.probabilities().tolist() == pytest.approx([1 / T] * T)
    level = torch.tensor([1.0, 2.0, 3.0, 4.0, 10.0], dtype=F64)
    everything = torch.arange(1, T + 1)
    for _ in range(HISTORY - 1):
        times.record(everything, level)
    assert times.probabilities().tolist() == pytest.approx([1 / T] * T), "one value short of a history"
    times.record(everything, level)
    expected = 0.999 * level / level.sum() + 0.001 / T
    assert times.probabilities().tolist() == pytest.approx(expected.tolist(), abs=1e-9)


def test_history_keeps_the_last_losses() -> None:
    times = LossSecondMoment(2)
    many = torch.tensor([1] * 13 + [2] * 3 + [1] * 4)
    times.record(many, torch.arange(20, dtype=F64))
    assert sorted(times.losses[0].tolist()) == [*range(7, 13), *range(16, 20)]
    assert sorted(times.losses[1].tolist())[-3:] == [13, 14, 15]
    times.record(torch.tensor([1, 1]), torch.tensor([100.0, 101.0], dtype=F64))
    assert sorted(times.losses[0].tolist()) == [*range(9, 13), *range(16, 20), 100, 101]


def test_weighted_losses_are_unbiased() -> None:
    T, g = 8, torch.Generator().manual_seed(0)
    level = torch.linspace(0.5, 20, T, dtype=F64)
    times = LossSecondMoment(T)
    for _ in range(HISTORY):
        times.record(torch.arange(1, T + 1), level)
    t, weight = times.draw(100_000, g)
    assert float((level[t - 1] * weight).mean()) == pytest.approx(float(level.mean()), rel=0.01)


# As a method


def table(n: int = 400) -> tuple[pd.DataFrame, Schema]:
    x, c = mixed_table(50).rows(n, seed=1)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "k": np.array(["u", "v", "w"])[c[:, 0]], "y": x[:, 2]})
    return frame, Schema("regression", "y", ("a", "b"), ("k",))


def small(kind: type[TabDDPM], **options: object) -> Diffusion:
    frame, schema = table()
    return kind(T=50, steps=60, layers=(32,), batch_size=128, **options).fit(frame, schema, seed=0)  # type: ignore[arg-type]


@pytest.mark.whole
@pytest.mark.parametrize(
    "options",
    [
        {"objective": "hybrid"},
        {"objective": "skip"},
        {"objective": "vlb"},
        {"variance": "free"},
        {"variance": "free", "objective": "vlb", "predicts": "x0"},
        {"predicts": "previous"},
    ],
    ids=str,
)
def test_every_objective_trains_draws_and_is_saved(options: dict[str, str], tmp_path: object) -> None:
    model = small(ImprovedDDPM, **options)
    model.save(tmp_path)  # type: ignore[arg-type]
    loaded = Diffusion.load(tmp_path)  # type: ignore[arg-type]
    frame, _ = table()
    for one in (model, loaded):
        setting = Setting(one.process, held=one.encode(frame.tail(50)))
        rows, nfe = one.generate(SAMPLERS["learned"].prepare(setting, linspace(setting, 5)), 30, seed=0)
        assert nfe == 5
        assert np.isfinite(rows["y"]).all()
        held = setting.rows()
        numeric, categorical = nelbo(one.process, held, linspace(setting, 10), "learned")
        assert math.isfinite(numeric)
        assert categorical > 0
    assert loaded.process.learned_variance == gaussian.LEARNED[options.get("variance", "range")]  # type: ignore[index]


def test_a_network_without_variances_says_what_is_missing() -> None:
    model = small(TabDDPM)
    setting = Setting(model.process)
    with pytest.raises(Unsupported, match="iddpm"):
        SAMPLERS["learned"].prepare(setting, linspace(setting, 5))


@pytest.mark.whole
def test_training_lowers_the_bound() -> None:
    frame, schema = table(1000)
    few, many = (
        ImprovedDDPM(T=50, steps=steps, layers=(64, 64), batch_size=256, lr=2e-3).fit(
            frame.head(800), schema, seed=0
        )
        for steps in (20, 300)
    )
    path = linspace(Setting(few.process), 25)
    bound = [float(sum(nelbo(m.process, m.encode(frame.tail(200)), path, "learned"))) for m in (few, many)]
    assert bound[1] < bound[0] - 0.3
