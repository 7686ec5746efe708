"""The parts of `tabstep`: its head, its objective, its network, and how long it trains."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

import tabstep
from tabstep.data.settings import told
from tabstep.data.table import Schema
from tabstep.diffusion import multinomial, objective, train
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import MLP, NetworkDenoiser
from tabstep.diffusion.head import HeadDenoiser, noise_of
from tabstep.diffusion.loss import tabddpm_loss
from tabstep.diffusion.mixed import State
from tabstep.diffusion.noise import stream
from tabstep.diffusion.residual import Periodic, ResidualMLP
from tabstep.diffusion.schedule import make
from tabstep.diffusion.tabstep import TabStep
from tests.oracle import F64, RowTimes, mixed_table, signal

WORLD = mixed_table(1000)
IDEAL = RowTimes(WORLD)


def ideal(x: Tensor, c: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
    return (WORLD if isinstance(t, Tensor) and len(t) == 1 else IDEAL)(x, c, t, None)


def velocities(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
    """What an ideal network with a velocity head says in `WORLD`."""
    eps, scores = ideal(x, c, t)
    whole = isinstance(t, int) or not t.is_floating_point()
    a = torch.as_tensor(WORLD.schedule.alpha_bar[t] if whole else signal(WORLD.schedule, t)).reshape(-1, 1)
    return (eps - (1 - a).sqrt() * x) / a.sqrt(), scores


def eps_from_velocity(x: Tensor, v: Tensor, a: Tensor) -> Tensor:
    on_row, on_output = noise_of("v", a, a)
    return on_row.to(x) * x + on_output.to(x) * v


@pytest.mark.parametrize(
    "t",
    [1, 400, 1000, torch.tensor([3, 500, 999, 1000]), torch.tensor([417.3], dtype=F64)],
    ids=["first", "middle", "last", "own", "between"],
)
def test_a_velocity_is_read_as_the_noise_that_it_implies(t: int | Tensor) -> None:
    x = torch.randn(4, 3, generator=stream(0, 1), dtype=F64)
    c = torch.tensor([[0, 0], [1, 2], [2, 3], [0, 1]])
    found, scores = HeadDenoiser(velocities, WORLD.schedule, "v")(x, c, t, None)
    wanted, plain = ideal(x, c, t)
    assert torch.allclose(found, wanted, atol=1e-9)
    assert torch.equal(scores, plain)


def test_between_times_the_signal_is_that_of_the_clock_and_carries_a_gradient() -> None:
    reads = HeadDenoiser(velocities, WORLD.schedule, "v")
    t = torch.tensor([600.25], dtype=F64, requires_grad=True)
    found = reads.signal(t)
    assert float(found.detach()) == pytest.approx(float(signal(WORLD.schedule, t.detach())))
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert t.grad is not None
    assert float(t.grad) < 0


def test_an_error_of_the_velocity_is_not_multiplied_at_the_noise_end() -> None:
    """At t = T noise of 1e-3 in a network's output moves x0_hat by 1e-3, in float32; as an error of eps by 20."""
    schedule = make("cosine", 1000)
    a = schedule.alpha_bar[1000]
    x, v = torch.randn(64, 2, generator=stream(0, 1)), torch.randn(64, 2, generator=stream(0, 2))
    eps = eps_from_velocity(x, v + 1e-3, a)
    x0 = (x.double() - (1 - a).sqrt() * eps.double()) / a.sqrt()
    exact = a.sqrt() * x.double() - (1 - a).sqrt() * v.double()
    assert float((x0 - exact).abs().max()) < 1e-2


def test_stratified_times_are_uniform_one_by_one_and_spread_together() -> None:
    g = stream(0, 1)
    draws = torch.stack([objective.stratified(7, 20, g) for _ in range(4000)])
    assert draws.min() == 1
    assert draws.max() == 20
    shares = torch.bincount(draws.flatten(), minlength=21)[1:] / draws.numel()
    assert torch.allclose(shares, torch.full((20,), 0.05), atol=0.004)
    assert torch.allclose(draws[:, 0].float().mean(), torch.tensor(10.5), atol=0.3)
    plain = torch.stack([objective.uniform(7, 20, g) for _ in range(4000)])
    assert draws.float().mean(1).var() < 0.1 * plain.float().mean(1).var()


def batch(n: int = 64) -> tuple[State, Tensor, Tensor]:
    state = WORLD.state(n, seed=1)
    return (
        state,
        torch.randint(1, 1001, (n,), generator=stream(0, 3)),
        torch.randn(n, 3, generator=stream(0, 4), dtype=F64),
    )


def test_without_floor_and_in_kinds_it_is_the_loss_of_tabddpm() -> None:
    clean, t, eps = batch()
    blocks = WORLD.blocks
    theirs = tabddpm_loss(IDEAL, clean, t, WORLD.schedule, blocks, eps=eps, generator=stream(0, 5))
    ours = objective.balanced_loss(
        *(IDEAL, clean, t, WORLD.schedule, blocks),
        eps=eps,
        signal_floor=0.0,
        weights=objective.weights("kinds", clean, blocks),
        generator=stream(0, 5),
    )
    prior = sum(multinomial.prior_kl(WORLD.schedule.at(1000), K) for K in blocks.sizes) / 2
    assert float(ours[0]) == pytest.approx(float(theirs[0]))
    assert float(ours[1]) == pytest.approx(float(theirs[1]) - prior)


def test_the_floor_weighs_errors_of_the_velocity() -> None:
    clean, t, eps = batch()
    error = 0.1

    def wrong(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        a = WORLD.schedule.alpha_bar[t].unsqueeze(1)
        v = a.sqrt() * eps - (1 - a).sqrt() * clean.x + error
        return eps_from_velocity(x, v, a), IDEAL(x, c, t, y)[1]

    numeric, _ = objective.balanced_loss(
        *(wrong, clean, t, WORLD.schedule, WORLD.blocks),
        eps=eps,
        signal_floor=0.1,
        weights=objective.weights("kinds", clean, WORLD.blocks),
        generator=stream(0, 5),
    )
    assert float(numeric) == pytest.approx(
        float(error**2 * WORLD.schedule.alpha_bar[t].clamp(min=0.1).mean()), rel=1e-6
    )


def test_where_nothing_is_learned_every_column_counts_the_same() -> None:
    """Scores of an independent column are its frequencies: its bound, summed over all times, is its entropy."""
    T, share = 20, torch.tensor([0.7, 0.2, 0.1], dtype=F64)
    schedule, blocks = make("cosine", T), Blocks((3,))
    total = multinomial.prior_kl(schedule.at(T), 3)
    c = torch.cat([torch.full((int(1000 * p),), k) for k, p in enumerate(share.tolist())]).unsqueeze(1)
    data = State(torch.empty(1000, 0, dtype=F64), c, None)
    weights = objective.weights("columns", data, blocks)

    def frequencies(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        return x, share.log().expand(len(x), 3)

    found = []
    for t in range(1, T + 1):
        for repeat in range(3):
            _, loss = objective.balanced_loss(
                *(frequencies, data, torch.full((1000,), t), schedule, blocks),
                eps=data.x,
                signal_floor=0.1,
                weights=weights,
                generator=stream(0, 10 * t + repeat),
            )
            found.append(float(loss))
    entropy = float(-(share * share.log()).sum())
    # A kernel from uniform noise: the bound of frequencies that are right is tight but for its end.
    assert np.mean(found) == pytest.approx(2 * (1 - total / entropy), rel=0.03)


def test_periodic_features_of_known_frequencies() -> None:
    layer = Periodic(2, 3)
    with torch.no_grad():
        layer.frequency.copy_(torch.tensor([[0.0, 0.25, 1.0], [0.5, 0.5, 0.5]]))
    found = layer(torch.tensor([[1.0, 1.0]]))[0]
    turns = [0.0, 0.25, 1.0, 0.5, 0.5, 0.5]
    assert torch.allclose(found[2:8], torch.tensor([math.sin(2 * math.pi * f) for f in turns]), atol=1e-6)
    assert torch.allclose(found[8:], torch.tensor([math.cos(2 * math.pi * f) for f in turns]), atol=1e-6)
    assert found[:2].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("layers", [(8, 8, 8), (8, 16, 4)])
@pytest.mark.parametrize("frequencies", [0, 2])
def test_the_residual_network_takes_one_time_or_one_a_row(layers: tuple[int, ...], frequencies: int) -> None:
    torch.manual_seed(0)
    network = ResidualMLP(2, 5, 6, layers, 0.0, 3, frequencies)
    row, y = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])
    one = network(row, torch.tensor([7]), y)
    own = network(row, torch.full((4,), 7), y)
    assert one.shape == (4, 6)
    assert torch.allclose(one, own, atol=1e-6)
    assert not torch.allclose(one[:1], network(row[:1], torch.tensor([8]), y[:1]))
    assert not torch.allclose(one[:1], network(row[:1], torch.tensor([7]), y[1:2]))


@pytest.mark.parametrize("d", [0, 3])
@pytest.mark.parametrize("kind", ["tabddpm", "tabstep"])
def test_classes_of_wide_columns_are_looked_up_as_their_one_hot_rows_would_be_multiplied(
    kind: str, d: int
) -> None:
    """The same outputs and the same gradients; rows that are no classes, but weights of them, are multiplied."""
    torch.manual_seed(0)
    blocks = Blocks((90, 2, 200))
    width = d + blocks.width
    network: torch.nn.Module = (
        MLP(width, width, (16,), 0.0, 2)
        if kind == "tabddpm"
        else ResidualMLP(d, width, width, (16, 16), 0.0, 2, 2)
    )
    denoise = NetworkDenoiser(network.to(F64), blocks)
    x, y, t = torch.randn(40, d, dtype=F64), torch.randint(0, 2, (40,)), torch.randint(1, 9, (40,))
    c = torch.stack([torch.randint(0, K, (40,)) for K in blocks.sizes], 1)
    found: dict[str, list[Tensor]] = {}
    for way, classes in (("looked up", c), ("multiplied", blocks.one_hot(c, F64))):
        network.zero_grad()
        numbers, scores = denoise(x, classes, t, y)
        (numbers.square().sum() + scores.square().sum()).backward()
        found[way] = [numbers, scores, *(p.grad for p in network.parameters() if p.grad is not None)]
    assert len(found["looked up"]) == 2 + len(list(network.parameters()))
    for a, b in zip(*found.values(), strict=True):
        assert torch.allclose(a, b, atol=1e-12)
    with patch.object(torch.nn.functional, "embedding_bag", side_effect=AssertionError):
        with pytest.raises(AssertionError):
            denoise(x, c, t, y)
        denoise(x, blocks.one_hot(c, F64), t, y)


def test_layers_of_one_width_add_to_what_they_are_given() -> None:
    network = ResidualMLP(0, 3, 2, (4, 4), 0.0, 0, 0)
    with torch.no_grad():
        for layer in network.hidden:
            layer.weight.zero_()
            layer.bias.zero_()
    row, t = torch.randn(5, 3), torch.tensor([3])
    from tabstep.diffusion.denoiser import time_embedding

    first = network.project(row) + network.time(time_embedding(t))
    assert torch.allclose(network(row, t, None), network.out(torch.nn.functional.silu(first)), atol=1e-6)


def test_seconds_end_a_training_and_bring_its_rate_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(train.time, "perf_counter", lambda: next(ticks))
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    path, told = [], []

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, ...]:
        path.append(float(network.weight.detach()))
        return (network(batch.x).sum(),)

    data = State(torch.ones(1, 1), torch.empty(1, 0, dtype=torch.int64), None)
    training = train.Training(999, 1, 0.1, 0.0, 0.5, seconds=5.0)
    train.fit(network, loss, data, training, generator=stream(0), progress=lambda *said: told.append(said))
    # The clock is read once a step and says 1 first: shares .2, .4, .6, .8, then 1.
    weights = np.array([*path, float(network.weight.detach())])
    assert np.allclose(-np.diff(weights), 0.1 * (1 - np.array([0.2, 0.2, 0.4, 0.6])), atol=1e-6)
    assert told[-1][:2] == (4, 4)


def test_the_average_forgets_faster_at_first() -> None:
    training = train.Training(10, 1, 0.1, 0.0, 0.999, ema_warmup=10)
    assert training.decay(0) == pytest.approx(0.1)
    assert training.decay(90) == pytest.approx(0.91)
    assert training.decay(10**6) == 0.999
    assert train.Training(10, 1, 0.1, 0.0, 0.999).decay(0) == 0.999


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"signal_floor": 1.5}, "signal_floor must be in"),
        ({"frequencies": -1}, "frequencies must be at least 0"),
        ({"body": "plain"}, "frequencies=0"),
        ({"head": "eps"}, "head='v'"),
        ({"seconds": 0.0}, "seconds must be positive"),
        ({"held_share": 1.0}, "held_share must be in"),
        ({"weights": "raw"}, "set held_share=0"),
        ({"patience": 0.0}, "patience must be in"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TabStep(**settings)  # type: ignore[arg-type]


def test_numbers_alone_and_categories_alone_train() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=80), "b": rng.normal(size=80), "k": rng.choice(["u", "v", "w"], 80)}
    )
    tiny = TabStep(T=10, steps=3, layers=(8,), batch_size=32)
    numbers = tiny.fit(frame[["a", "b"]], Schema("regression", "b", ("a",), (), frozenset()), seed=0)
    assert numbers.encoder.d_num == 2
    labels = frame[["k"]].assign(y=rng.choice(["0", "1"], 80))
    categories = tiny.fit(labels, Schema("binclass", "y", (), ("k",), frozenset()), seed=0)
    assert categories.encoder.sizes == (3,)


def test_fit_takes_seconds_and_keeps_the_curve(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60)})
    settings = TabStep(T=10, layers=(8,), batch_size=32)
    model = tabstep.fit(frame, method=settings, seconds=0.5, progress="none")
    steps, losses, held = zip(*model.model.curve, strict=True)
    assert set(held) == {None}  # a tenth of 60 rows is too few to judge by
    assert list(steps) == sorted(set(steps))
    assert all(map(math.isfinite, losses))
    assert model.model.method["seconds"] == 0.5
    model.save(tmp_path)
    assert tabstep.load(tmp_path).model.curve == model.model.curve
    with pytest.raises(ValueError, match="TabDDPM takes no seconds; seconds needs method='tabstep'"):
        tabstep.fit(frame, method="tabddpm", seconds=1)
    with pytest.raises(ValueError, match="seconds must be a positive number, got -1"):
        tabstep.fit(frame, seconds=-1)


def test_the_default_of_fit_is_tabstep() -> None:
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0)[::-1]})
    model = tabstep.fit(frame, seconds=0.05, progress="none")
    assert model.model.method == told(TabStep(seconds=0.05))


def test_a_judge_keeps_the_last_average_that_is_about_as_good_as_the_best() -> None:
    """The weight falls by the rate 1, .99, ...; the judge's values are given."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    data = State(torch.ones(1, 1), torch.empty(1, 0, dtype=torch.int64), None)
    values = iter([3.0, 2.0, 1.0, 1.5, 1.02, 1.03, *[9.0] * 100])
    seen = []

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, ...]:
        return (network(batch.x).sum(),)

    def judge(module: torch.nn.Module) -> float:
        seen.append(float(module.weight))  # type: ignore[arg-type]
        return next(values)

    training = train.Training(1000, 1, 1.0, 0.0, 0.0, patience=0.2)
    kept = train.fit(network, loss, data, training, generator=stream(0), judge=judge)
    assert float(kept["weight"]) == seen[4]
    assert len(seen) == 25  # a fifth of the training after the fifth, the last as good


def test_the_first_averages_of_few_steps_end_no_training() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    data = State(torch.ones(1, 1), torch.empty(1, 0, dtype=torch.int64), None)
    seen: list[int] = []
    values = iter([1.0, *[9.0] * 50, *[0.5] * 100])

    def judge(_: torch.nn.Module) -> float:
        return next(values)

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, ...]:
        return (network(batch.x).square().sum(),)

    training = train.Training(60, 1, 1.0, 0.0, 0.0, patience=0.2)
    train.fit(
        network, loss, data, training, generator=stream(0), progress=lambda k, *_: seen.append(k), judge=judge
    )
    assert seen[-1] == 60


def test_a_clock_that_ends_too_early_is_told_of() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=4000), "b": rng.normal(size=4000)})
    with pytest.warns(
        UserWarning, match=r"the time was enough for \d+ steps of training, 1,000,000 are usual"
    ):
        tabstep.fit(frame, method=TabStep(steps=10**6, seconds=0.3, layers=(8,)), progress="none")


def test_held_rows_are_not_trained_on_and_their_loss_is_kept() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=400), "b": rng.normal(size=400)})
    method = TabStep(T=10, steps=30, layers=(8,), batch_size=32, held_share=0.2)
    fitted = method.fit(frame, Schema("regression", "b", ("a",), (), frozenset()), seed=0)
    data = fitted.encode(frame)
    kept, held = method.held(data, seed=0)
    assert held is not None
    assert len(kept.x) == 320
    assert len(held.x) == 80 * (4096 // 80)
    numbers = {tuple(row) for row in kept.x.tolist()}
    assert not numbers & {tuple(row) for row in held.x.tolist()}
    assert all(judged is not None and math.isfinite(judged) for _, _, judged in fitted.curve)
