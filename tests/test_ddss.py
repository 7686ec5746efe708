"""Learned coefficients: they begin as DDIM, carry a gradient through hard draws, and come nearer to held-out rows."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.diffusion import multinomial, relaxed
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import MLP, NetworkDenoiser
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import make
from tabstep.samplers import ddss, ggdm
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.ddss import DDSS
from tabstep.samplers.grid import trailing
from tabstep.samplers.kernel import squared_mean_distance
from tabstep.samplers.row_network import RowFeatures
from tabstep.samplers.setting import Artifacts, Setting
from tests.oracle import F64, bare, mixed_table, normal_columns

ROWS = DDSS(features=("rows",))


def noises(process: Process, n: int, K: int, seed: int = 3) -> tuple[State, list[ggdm.StepNoise]]:
    noise = process.noise(seed, 0, n)
    return process.prior(noise, None), [ggdm.step_noise(noise) for _ in range(K)]


def moved(K: int, size: float, seed: int = 0) -> dict[str, Tensor]:
    """Offsets somewhere else than at DDIM."""
    g = torch.Generator().manual_seed(seed)
    found = ggdm.ddim_offsets(K)
    out = {name: size * torch.randn(v.shape, generator=g, dtype=F64) for name, v in found.items()}
    ggdm.project(out)
    return out


# The sampler


@pytest.mark.parametrize("K", [1, 2, 5, 10])
@pytest.mark.parametrize("clip_x0", [True, False])
def test_without_offsets_it_is_ddim(K: int, clip_x0: bool) -> None:
    world, n = mixed_table(), 200
    process, path = world.process(bound=1.5), trailing(bare(1000), K)  # so tight that it clips
    wanted = DDIM(clip_x0=clip_x0).prepare(Setting(process), path)(process.noise(3, 0, n), None)
    begin, steps = noises(process, n, K)
    offsets = ggdm.ddim_offsets(K)
    for move_times, marginal in ((False, "forward"), (True, "forward"), (False, "own")):
        x, one_hot = ggdm.denoise(
            *(process, path, offsets, begin, steps),
            clip_x0=clip_x0,
            move_times=move_times,
            marginal=marginal,  # type: ignore[arg-type]
        )
        assert torch.allclose(x, wanted.x, atol=1e-10, rtol=0)
        assert torch.equal(one_hot, process.blocks.one_hot(wanted.c, F64))


def test_a_longer_memory_takes_earlier_rows_and_noise() -> None:
    """Two steps on one normal column, written out by hand."""
    world = normal_columns((0.25,))
    process, path = world.process(bound=9.0), (1000, 400, 100, 0)
    offsets = ggdm.ddim_offsets(3)
    offsets["on_clean"][0] = 0.1
    offsets["spread"][:] = torch.tensor([0.2, -0.3])
    offsets["on_past"][1, 0] = 0.05
    offsets["on_row"][1], offsets["on_noise"][2] = 0.02, -0.04
    begin, steps = noises(process, 7, 3)
    got, _ = ggdm.denoise(process, path, offsets, begin, steps, clip_x0=False, move_times=False)

    xs = [begin.x]
    for k, (t, s) in enumerate(pairwise(path)):
        a_t, a_s = process.schedule.at(t), process.schedule.at(s)
        eps = world(xs[-1], begin.c, t, None)[0]
        up = math.exp(0.02) if k == 1 else 1.0
        down = math.exp(-0.04) if k == 2 else 1.0
        clean = up * xs[-1] / a_t**0.5 - down * (1 / a_t - 1) ** 0.5 * eps
        if s == 0:
            assert torch.allclose(got, clean, atol=1e-10)
            break
        b = ((1 - a_s) / (1 - a_t)) ** 0.5
        x = (a_s**0.5 - b * a_t**0.5 + (0.1 if k == 0 else 0)) * clean + b * xs[-1]
        x = x + (0.2, -0.3)[k] * steps[k].z + (0.05 * xs[0] if k == 1 else 0)
        xs.append(x)


def test_the_learned_marginals_are_those_of_rows_that_are_walked_from_known_ones() -> None:
    """Every step is told the clean row: then x_k is normal about signal_k x_0 with deviation spread_k."""
    K, n, path = 4, 200_000, (1000, 700, 400, 100, 0)
    process, offsets = normal_columns((1.0,)).process(bound=9.0), moved(K, 0.2)
    signal, spread = ggdm.marginals(process, path, offsets)
    x_0, xs = 1.7, [math.sqrt(process.schedule.at(1000)) * 1.7 * torch.ones(n, dtype=F64)]
    g = torch.Generator().manual_seed(0)
    xs[0] = xs[0] + math.sqrt(1 - process.schedule.at(1000)) * torch.randn(n, generator=g, dtype=F64)
    for k, (t, s) in enumerate(pairwise(path[:-1])):
        a_t, a_s = process.schedule.at(t), process.schedule.at(s)
        b = ((1 - a_s) / (1 - a_t)) ** 0.5
        x = (a_s**0.5 - b * a_t**0.5 + offsets["on_clean"][k]) * x_0 + b * xs[k]
        x = x + sum(offsets["on_past"][k, j] * xs[j] for j in range(k + 1))
        xs.append(x + offsets["spread"][k] * torch.randn(n, generator=g, dtype=F64))
    for k, x in enumerate(xs):
        assert float(x.mean()) == pytest.approx(float(signal[k]) * x_0, abs=5 * float(spread[k]) / n**0.5)
        assert float(x.std()) == pytest.approx(float(spread[k]), rel=0.01)


def test_noise_is_read_by_the_learned_marginals_where_that_is_asked() -> None:
    """A network that says what noise is in a row, by the learned marginals, is taken at its word: it ends at x_0."""
    K, path = 3, (1000, 400, 100, 0)
    process, offsets = normal_columns((1.0,)).process(bound=9.0), moved(K, 0.2)
    offsets |= {name: torch.zeros(K, dtype=F64) for name in ("on_row", "on_noise")}
    signal, spread = ggdm.marginals(process, path, offsets)
    at = {t: k for k, t in enumerate(path[:-1])}

    def knows(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert isinstance(t, int)
        return (x - signal[at[t]] * 0.6) / spread[at[t]], x.new_empty(len(x), 0)

    process = replace(process, denoiser=knows)
    begin, steps = noises(process, 9, K)
    x, _ = ggdm.denoise(
        *(process, path, offsets, begin, steps), clip_x0=False, move_times=False, marginal="own"
    )
    assert torch.allclose(x, torch.full_like(x, 0.6), atol=1e-8)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_classes_follow_the_mixture(share: float) -> None:
    K, n, a_t, a_s = 4, 40_000, 0.3, 0.7
    log_pi = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=F64).log().expand(n, K)
    c_t = torch.full((n, 1), 2)
    g = torch.Generator().manual_seed(5)
    uniform = torch.rand(n, 1, generator=g, dtype=F64)
    gumbel = -(-torch.rand(n, K, generator=g, dtype=F64).log()).log()
    one = torch.ones((), dtype=F64)
    blocks = Blocks((K,))
    drawn = relaxed.stay_or_jump(
        log_pi, blocks.one_hot(c_t, F64), a_t, a_s, share * one, one, uniform, gumbel, blocks
    )
    full = multinomial.log_full(log_pi[:1].unsqueeze(1), c_t[:1], a_t).exp()
    sigma = share * multinomial.stay_probability(a_t, a_s)
    p = multinomial.ddim_probabilities(full, c_t[:1], a_t, a_s, sigma).flatten()
    assert stats.chisquare(drawn.sum(0).numpy(), (p * n).numpy()).pvalue > 1e-4


def test_a_higher_sharpness_makes_likely_classes_likelier() -> None:
    blocks, n, one = Blocks((3,)), 30_000, torch.ones((), dtype=F64)
    log_pi = torch.tensor([0.6, 0.3, 0.1], dtype=F64).log().expand(n, 3)
    g = torch.Generator().manual_seed(6)
    gumbel = -(-torch.rand(n, 3, generator=g, dtype=F64).log()).log()
    begin = blocks.one_hot(torch.zeros(n, 1, dtype=torch.int64), F64)
    drawn = relaxed.stay_or_jump(
        log_pi, begin, 0.0, 1.0, one, 2 * one, torch.rand(n, 1, generator=g, dtype=F64), gumbel, blocks
    )
    squared = np.array([0.36, 0.09, 0.01])  # at t with no signal pi_full is pi
    assert stats.chisquare(drawn.sum(0).numpy(), squared / squared.sum() * n).pvalue > 1e-4


# Draws with a gradient


def test_straight_through_draws_are_hard_and_their_gradient_is_the_relaxed_one() -> None:
    g = torch.Generator().manual_seed(0)
    log_p = torch.randn(50, 4, generator=g, dtype=F64).log_softmax(-1).requires_grad_()
    gumbel, weight = (torch.randn(50, 4, generator=g, dtype=F64) for _ in range(2))
    drawn = relaxed.categorical(log_p, gumbel)
    assert torch.equal(drawn.detach(), torch.eye(4, dtype=F64)[(log_p + gumbel).argmax(-1)])
    (gradient,) = torch.autograd.grad((drawn * weight).sum(), log_p)
    with torch.no_grad():
        p, h = log_p.detach(), 1e-6
        for i in range(4):
            step = torch.zeros(4, dtype=F64)
            step[i] = h
            soft = [((p + sign * step + gumbel) / relaxed.TEMPERATURE).softmax(-1) for sign in (1, -1)]
            slope = ((soft[0] - soft[1]) * weight).sum(-1) / (2 * h)
            assert torch.allclose(gradient[:, i], slope, atol=1e-8)

    p_stay = torch.rand(200, generator=g, dtype=F64).requires_grad_()
    uniform = torch.rand(200, generator=g, dtype=F64)
    stay = relaxed.bernoulli(p_stay, uniform)
    assert torch.equal(stay.detach(), (uniform < p_stay).to(F64))
    (gradient,) = torch.autograd.grad(stay.sum(), p_stay)
    assert (gradient > 0).all()


def test_every_parameter_gets_a_gradient_and_checkpoints_do_not_change_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, n, K = mixed_table(), 64, 4
    process, path = world.process(bound=50.0), trailing(bare(1000), K)

    def gradients() -> dict[str, Tensor]:
        offsets = {name: v.requires_grad_() for name, v in moved(K, 0.05).items()}
        begin, steps = noises(process, n, K)
        x, one_hot = ggdm.denoise(process, path, offsets, begin, steps, clip_x0=True, move_times=True)
        weight = torch.linspace(-1, 1, one_hot.shape[1], dtype=F64)
        ((x**2).mean() + (one_hot @ weight).square().mean()).backward()  # type: ignore[no-untyped-call]
        return {name: v.grad for name, v in offsets.items() if v.grad is not None}

    kept = gradients()
    monkeypatch.setattr(ggdm, "checkpoint", lambda f, *inputs, **options: f(*inputs))
    plain = gradients()
    assert set(kept) == set(plain) == set(ggdm.ddim_offsets(K))
    for name, gradient in kept.items():
        assert torch.allclose(gradient, plain[name], rtol=1e-8, atol=1e-12)
        used = gradient.tril() if name == "on_past" else gradient
        assert torch.equal(used, gradient)
        wanted = gradient[torch.ones_like(gradient).tril().bool()] if name == "on_past" else gradient
        # The first time is not moved; what is beside it in the softplus is.
        assert (wanted.abs() > 0).all(), name


def test_memory_does_not_grow_with_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that autograd keeps until the way back, for a network whose activations outweigh its rows."""
    blocks = Blocks((3,))
    network = MLP(2 + 3, 2 + 3, (256, 256), 0.0, 0).requires_grad_(False)
    limit = torch.full((2,), 5.0)
    process = Process(make("cosine", 1000), blocks, NetworkDenoiser(network, blocks), -limit, limit)

    def kept(K: int) -> int:
        offsets = {name: v.requires_grad_() for name, v in ggdm.ddim_offsets(K).items()}
        begin, steps = noises(process, 100, K)
        total = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            ggdm.denoise(
                process, trailing(bare(1000), K), offsets, begin, steps, clip_x0=True, move_times=True
            )
        return total

    with_checkpoints = kept(8) - kept(4)
    monkeypatch.setattr(ggdm, "checkpoint", lambda f, *inputs, **options: f(*inputs))
    without = kept(8) - kept(4)
    assert without > 4 * 100 * 2 * 256 * 4  # at least two hidden layers a step
    assert with_checkpoints < without / 20


# Times


def test_times_are_the_path_and_stay_in_order_when_moved() -> None:
    path = trailing(bare(1000), 7)
    zero = torch.zeros(7, dtype=F64)
    assert ggdm.network_times(path, zero).tolist() == list(path[:-1])
    for seed in range(20):
        offsets = torch.randn(7, generator=torch.Generator().manual_seed(seed), dtype=F64)
        times = ggdm.network_times(path, offsets)
        assert times[0] == pytest.approx(path[0])
        assert (times.diff() < 0).all()
        assert times.min() >= 1
    assert not torch.equal(times, torch.tensor(path[:-1], dtype=F64))


# Learning


# Steps so large that rows are thrown far away.
WILD = replace(ROWS, learn=("update",), lr=50.0, batch_rows=64, held_rows=200)


def search(settings: DDSS, seed: int, K: int = 5, n: int = 4000) -> tuple[Setting, Any]:
    setting = replace(mixed_table().setting(n), seed=seed)
    path = trailing(setting, K)
    return setting, ddss.search(
        settings, setting, path, ddss.objective(settings.features, settings.network, setting)
    )


def fresh_distances(settings: DDSS, setting: Setting, offsets: Any, rounds: int) -> np.ndarray:
    """Squared MMD of rows drawn with noise, and from real rows, that no part of the search has seen."""
    path = trailing(setting, 5)
    distance, found = ddss.objective(settings.features, settings.network, setting), []
    for seed in range(rounds):
        real = mixed_table().state(1000, seed=1000 + seed)
        noise = setting.process.noise(500 + seed, 0, 1000)
        with torch.no_grad():
            found.append(
                float(distance(*settings.rows(setting.process, path, offsets, noise, None), None, real))
            )
    return np.array(found)


def better(seed: int) -> None:
    settings = replace(ROWS, steps=120, check_every=40, batch_rows=256, held_rows=400)
    setting, offsets = search(settings, seed)
    before = fresh_distances(settings, setting, ggdm.ddim_offsets(5), 6)
    after = fresh_distances(settings, setting, offsets, 6)
    gain = before - after
    assert gain.mean() > 3 * gain.std(ddof=1) / len(gain) ** 0.5
    assert after.mean() < before.mean() / 3


@pytest.mark.whole
def test_it_learns_to_come_nearer_to_the_rows_than_ddim() -> None:
    better(0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_it_learns_with_every_seed(seed: int) -> None:
    better(seed)


@pytest.mark.whole
def test_the_best_check_is_kept_and_ddim_if_nothing_is_better() -> None:
    _, found = search(replace(WILD, steps=20, check_every=5), 0, n=400)
    assert found["distances"][0] == found["distances"].min()
    for name, value in ggdm.ddim_offsets(5).items():
        assert torch.equal(found[name], value)


def test_it_ends_when_held_rows_come_no_nearer() -> None:
    _, found = search(replace(WILD, steps=1000, check_every=2, patience=3), 0, n=400)
    assert found["checked"].tolist() == [0, 2, 4, 6]


def test_what_is_not_learned_stays_ddims() -> None:
    settings = replace(ROWS, learn=("update",), steps=3, check_every=1, batch_rows=64, held_rows=200)
    _, found = search(settings, 0, n=400)
    for part, names in ggdm.PARTS.items():
        for name in names:
            assert part == "update" or not found[name].any(), name


def test_one_search_serves_all_draws_and_its_seconds_are_charged_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    settings = replace(ROWS, steps=2, check_every=1, batch_rows=64, held_rows=100)
    setting = replace(mixed_table().setting(300), artifacts=Artifacts(tmp_path))
    path = trailing(setting, 3)
    first = settings.prepare(setting, path)(setting.process.noise(0, 0, 20), None)
    monkeypatch.setattr(ddss, "search", lambda *arguments: pytest.fail("it searched again"))
    other = replace(setting, artifacts=Artifacts(tmp_path))
    again = settings.prepare(other, path)(setting.process.noise(0, 0, 20), None)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.c, again.c)
    assert other.artifacts.borrowed_s > 0


def test_rows_that_are_drawn_share_no_noise_with_those_it_learned_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeds = set()
    make_noise = Noise.apart

    def noted(self: Noise, d_num: int) -> Noise:
        found = make_noise(self, d_num)
        seeds.add(found.seed)
        return found

    monkeypatch.setattr(Noise, "apart", noted)
    search(replace(ROWS, steps=2, check_every=1, batch_rows=64, held_rows=100), 0, n=300)
    assert len(seeds) == 2  # of batches, and of what is held
    assert 0 not in seeds


def test_what_it_cannot_do_is_said() -> None:
    setting = mixed_table().setting(50)
    with pytest.raises(Unsupported, match="training rows"):
        ROWS.prepare(Setting(setting.process), trailing(setting, 2))
    with pytest.raises(Unsupported, match="up to 20 evaluations, not for 21"):
        ROWS.prepare(setting, trailing(setting, 21))
    with pytest.raises(Unsupported, match="begin in noise"):
        ROWS.prepare(setting.until(300), (300, 100, 0))
    with pytest.raises(ValueError, match="'coefficients'"):
        DDSS(learn=("coefficients",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="features"):
        DDSS(features=())


# The objective


def test_the_distance_of_means_by_hand() -> None:
    a, b = (torch.tensor(v, dtype=F64).reshape(-1, 1) for v in ((1.0, 3.0), (2.0, 2.0)))
    assert float(squared_mean_distance(a, b)) == pytest.approx(3 + 4 - 2 * 4)


def test_labels_belong_to_the_features() -> None:
    """The same rows with other labels are another law, for both kinds of features."""
    world = mixed_table()
    rows = world.state(800, seed=1)
    label = (rows.x[:, 0] > 0).long()
    data, shuffled = rows._replace(y=label), rows._replace(y=label.flip(0))
    for features in (("rows",), ("network",)):
        settings = DDSS(features=features, network=RowFeatures(steps=60))  # type: ignore[arg-type]
        setting = Setting(world.process(), train=data, held=data)
        distance = ddss.objective(settings.features, settings.network, setting)
        one_hot = world.blocks.one_hot(rows.c, F64)
        same, other = (float(distance(rows.x, one_hot, s.y, data)) for s in (data, shuffled))
        assert other > same + 1e-3


@pytest.mark.whole
def test_the_row_network_sees_how_columns_depend_on_each_other() -> None:
    world = mixed_table()
    data, blocks = world.state(3000, seed=1), world.blocks
    settings = RowFeatures(steps=400)
    network = settings.build(data, blocks)
    network.load_state_dict(dict(settings.train(data, blocks, seed=0)))
    fresh = world.state(2000, seed=2)
    hide = torch.zeros(2000, 5, dtype=F64)
    hide[:, 3] = 1  # the first category, from the others
    with torch.no_grad():
        given = float(network.loss(fresh, hide)) * 5
    frequency = torch.bincount(fresh.c[:, 0]).to(F64) / 2000
    alone = float(-(frequency * frequency.log()).sum())
    assert given < 0.8 * alone


def test_features_are_scaled_and_differentiable() -> None:
    world = mixed_table()
    data, blocks = world.state(1000, seed=1), world.blocks
    settings = RowFeatures(steps=20)
    weights = dict(settings.train(data, blocks, seed=0))
    weights["hidden.2.weight"][0] = 0.0  # a feature that never changes
    features = settings.restore(weights, data, blocks)
    x, one_hot = data.x.clone().requires_grad_(), blocks.one_hot(data.c, F64).requires_grad_()
    found = features(x, one_hot)
    spread = found.std(0).square()
    assert spread[0] == 0
    alive = spread > 0
    assert torch.allclose(spread[alive], torch.full_like(spread[alive], 1 / settings.width))
    found.square().sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert one_hot.grad is not None
    assert (x.grad.abs().sum(0) > 0).all()
    assert (one_hot.grad.abs().sum(0) > 0).all()
