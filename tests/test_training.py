"""The loss by hand and by enumeration, what the network learns, and the fitted model as a whole."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

from tabstep.data.table import Schema
from tabstep.diffusion import multinomial
from tabstep.diffusion.adamw import AdamW
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import MLP, NetworkDenoiser, time_embedding
from tabstep.diffusion.loss import categorical_kl, tabddpm_loss
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.noise import stream
from tabstep.diffusion.schedule import make
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.train import Diverged, Training, batches, fit
from tabstep.samplers import grid
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.setting import Setting
from tests.oracle import F64, TwoColumns


def toy(n: int = 400) -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    x = rng.normal({"a": 0, "b": 3, "c": -3}["a"], 1, n) + (y == "b") * 3 - (y == "c") * 3
    frame = pd.DataFrame(
        {
            "x": x,
            "k": rng.integers(0, 50, n),
            "colour": rng.choice(["red", "blue"], n),
            "y": y.astype(object),
        }
    )
    frame["colour"] = frame["colour"].astype(object)
    return frame, Schema("multiclass", "y", ("x", "k"), ("colour",), frozenset({"k"}))


def test_loss_of_one_row_by_hand() -> None:
    """One number, columns of 2 and 3 classes, T = 4 linear: every term written out."""
    schedule, blocks = make("linear", 4), Blocks((2, 3))
    a = schedule.alpha_bar
    clean = State(torch.tensor([[0.5]], dtype=F64), torch.tensor([[1, 2]]), None)
    pi = [torch.tensor([0.3, 0.7], dtype=F64), torch.tensor([0.2, 0.5, 0.3], dtype=F64)]
    seen: dict[str, Tensor] = {}

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        seen.update(x=x, c=c)
        return torch.tensor([[0.25]], dtype=F64), torch.cat(pi).log().unsqueeze(0)

    eps = torch.tensor([[-1.0]], dtype=F64)
    numeric, categorical = tabddpm_loss(
        denoiser, clean, torch.tensor([3]), schedule, blocks, eps=eps, generator=stream(0, 0)
    )
    assert float(seen["x"]) == pytest.approx(math.sqrt(a[3]) * 0.5 - math.sqrt(1 - a[3]))
    assert float(numeric) == pytest.approx(1.25**2)
    kl = 0.0
    for j, (K, c_0) in enumerate(((2, 1), (3, 2))):
        c_t = int(seen["c"][0, j])
        alpha = float(a[3] / a[2])
        m = np.full(K, (1 - alpha) / K)
        m[c_t] += alpha
        b_q = np.full(K, (1 - float(a[2])) / K)
        b_q[c_0] += float(a[2])
        b_p = float(a[2]) * pi[j].numpy() + (1 - float(a[2])) / K
        q, p = m * b_q / (m * b_q).sum(), m * b_p / (m * b_p).sum()
        kl += float((q * np.log(q / p)).sum())
    prior = 0.0
    for K in (2, 3):
        on, off = float(a[4] + (1 - a[4]) / K), float((1 - a[4]) / K)
        prior += on * math.log(on * K) + (K - 1) * off * math.log(off * K)
    assert float(categorical) == pytest.approx((4 * kl + prior) / 2, abs=1e-9)


@pytest.mark.whole
def test_network_trained_by_the_loss_predicts_leave_one_out() -> None:
    world, blocks = TwoColumns.dependent(20), Blocks((4, 4))
    torch.manual_seed(0)
    network = MLP(8, 8, (128, 128), 0.0, 0)
    denoiser = NetworkDenoiser(network, blocks)
    generator = stream(0, 1)
    pairs = torch.multinomial(world.P.reshape(-1), 4096, replacement=True, generator=generator)
    data = State(torch.empty(4096, 0), torch.stack([pairs // 4, pairs % 4], 1), None)

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, Tensor]:
        t = torch.randint(1, 21, (len(batch.c),), generator=g)
        return tabddpm_loss(
            denoiser, batch, t, world.schedule, blocks, eps=torch.empty(len(t), 0), generator=g
        )

    fit(
        network,
        loss,
        data,
        Training(400, 512, 3e-3, 0.0, 0.99),
        generator=generator,
    )
    t = 10
    a = world.schedule.at(t)
    c = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    with torch.no_grad():
        _, scores = denoiser(torch.empty(16, 0), c, t, None)
        log_pi = Blocks((4, 4)).log_softmax(scores)
    weight = torch.einsum("ab,at,bu->tu", world.P, world.channel(a), world.channel(a)).reshape(-1)
    to_loo = to_full = 0.0
    for j, log_loo in enumerate(world.log_loo(a)):
        ours = log_pi[:, 4 * j : 4 * j + 4].exp().double()
        full = multinomial.log_full(log_loo, c[:, j : j + 1], a).exp()[:, 0]
        to_loo += float((weight * 0.5 * (ours - log_loo.exp()[:, 0]).abs().sum(1)).sum()) / 2
        to_full += float((weight * 0.5 * (ours - full).abs().sum(1)).sum()) / 2
    assert to_loo < 0.05
    assert to_full > 0.15


def test_the_optimizer_moves_as_that_of_torch_to_the_bit() -> None:
    """With a rate that changes, a parameter that no gradient reaches, and weights that decay."""
    x = torch.randn(64, 3, generator=stream(0, 0))
    torch.manual_seed(0)
    first = torch.nn.ModuleList([MLP(3, 2, (16,), 0.0, 0), torch.nn.Linear(1, 1)])
    begin, second = copy.deepcopy(first), copy.deepcopy(first)
    ours = AdamW(list(first.parameters()), 1e-2, 1e-2)
    theirs = torch.optim.AdamW(second.parameters(), lr=1e-2, weight_decay=1e-2, fused=True)
    t = torch.ones(64, dtype=torch.int64)
    for step in range(10):
        ours.lr = theirs.param_groups[0]["lr"] = 1e-2 * (1 - step / 10)
        for network, optimizer in ((first, ours), (second, theirs)):
            optimizer.zero_grad()
            network[0](x, t, None).square().mean().backward()
            optimizer.step()
    pairs = zip(begin.parameters(), first.parameters(), second.parameters(), strict=True)
    moved = [(torch.equal(a, b), torch.equal(b, c)) for a, b, c in pairs]
    assert moved == [(False, True)] * (len(moved) - 2) + [(True, True)] * 2


def test_sixty_columns_of_a_hundred_classes_train_without_nan() -> None:
    blocks, schedule = Blocks((100,) * 60), make("cosine", 1000)
    torch.manual_seed(0)
    network = MLP(blocks.width, blocks.width, (64,), 0.0, 0)
    denoiser = NetworkDenoiser(network, blocks)
    g = stream(0, 0)
    data = State(torch.empty(128, 0), torch.randint(100, (128, 60), generator=g), None)

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, Tensor]:
        t = torch.cat([torch.tensor([1, 1, 1000]), torch.randint(1, 1001, (len(batch.c) - 3,), generator=g)])
        return tabddpm_loss(denoiser, batch, t, schedule, blocks, eps=torch.empty(len(t), 0), generator=g)

    fit(network, loss, data, Training(20, 128, 1e-2, 0, 0.9), generator=g)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    _, log_pi = denoiser(data.x, data.c, 1, None)
    kl = categorical_kl(log_pi, data.c, data.c, torch.ones(128, dtype=torch.int64), schedule, blocks)
    assert torch.isfinite(kl).all()


def test_a_loss_that_is_not_finite_is_an_error_that_says_so() -> None:
    network = torch.nn.Linear(1, 1)
    data = State(torch.ones(4, 1), torch.empty(4, 0, dtype=torch.int64), None)

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, ...]:
        return (network(batch.x).sum() * float("nan"),)

    with pytest.raises(Diverged, match="loss is nan at step 1 of 5; lower lr"):
        fit(
            network,
            loss,
            data,
            Training(5, 4, 0.1, 0, 0.9),
            generator=stream(0),
        )


def test_learning_rate_and_average_follow_their_definitions() -> None:
    """Gradient 1 at every step: AdamW moves each weight by the learning rate, so the path shows it."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    data = State(torch.ones(1, 1), torch.empty(1, 0, dtype=torch.int64), None)
    path: list[float] = [0.0]

    def loss(batch: State, g: torch.Generator) -> tuple[Tensor, ...]:
        path.append(float(network.weight.detach()))
        return (network(batch.x).sum(),)

    average = fit(network, loss, data, Training(4, 1, 0.1, 0, 0.5), generator=stream(0))
    weights = np.array([*path[2:], float(network.weight.detach())])
    assert np.allclose(-np.diff([0.0, *weights]), 0.1 * np.array([1, 1, 0.75, 0.5]), atol=1e-6)
    expected = 0.0
    for w in weights:
        expected = 0.5 * expected + 0.5 * w
    assert float(average["weight"]) == pytest.approx(expected, abs=1e-6)


def test_batches_cover_every_row_once_and_keep_the_short_last_one() -> None:
    data = State(torch.arange(10.0).unsqueeze(1), torch.empty(10, 0, dtype=torch.int64), torch.arange(10))
    stream_of = batches(data, 4, stream(0))
    epoch = [next(stream_of) for _ in range(3)]
    assert [len(b.x) for b in epoch] == [4, 4, 2]
    assert sorted(torch.cat([b.x[:, 0] for b in epoch]).tolist()) == list(range(10))
    assert all(torch.equal(b.x[:, 0].long(), b.y) for b in epoch)  # type: ignore[arg-type]


def test_time_enters_zero_based_and_cosines_come_first() -> None:
    assert torch.allclose(time_embedding(torch.tensor([0]))[0], torch.tensor([1.0] * 64 + [0.0] * 64))
    calls: list[Tensor] = []

    class Probe(MLP):
        def forward(self, row: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
            calls.append(t)
            return row

    blocks = Blocks((2,))
    NetworkDenoiser(Probe(3, 3, (4,), 0.0, 0), blocks)(
        torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.int64), 1, None
    )
    assert calls[0].tolist() == [0]


def test_log_one_hot_input_is_an_affine_map_of_the_one_hot() -> None:
    torch.manual_seed(0)
    blocks = Blocks((3,))
    network = MLP(4, 4, (8,), 0.0, 0)
    x, c = torch.randn(5, 1), torch.tensor([[0], [1], [2], [1], [0]])
    _, log_hot = NetworkDenoiser(network, blocks, "logonehot")(x, c, 5, None)
    w = network.project.weight
    with torch.no_grad():
        network.project.bias += -69.07755 * w[:, 1:].sum(1)
        w[:, 1:] *= 69.07755
        _, hot = NetworkDenoiser(network, blocks, "onehot")(x, c, 5, None)
    assert torch.allclose(hot, log_hot, atol=1e-4)


FAST = TabDDPM(T=40, steps=30, layers=(32,), batch_size=128)


def test_fit_is_reproducible_and_leaves_the_global_generator_alone() -> None:
    frame, schema = toy()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b, other = (FAST.fit(frame, schema, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    same = [torch.equal(p, q) for p, q in zip(a.network.parameters(), b.network.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(a.network.out.weight, other.network.out.weight)


def test_saved_model_draws_the_same_rows(tmp_path: Path) -> None:
    frame, schema = toy()
    model = FAST.fit(frame, schema, seed=0)
    model.save(tmp_path)
    loaded = Diffusion.load(tmp_path)
    settings = [Setting(m.process) for m in (model, loaded)]
    rows = [
        m.generate(Ancestral().prepare(setting, grid.trailing(setting, 6)), 100, seed=9)
        for m, setting in zip((model, loaded), settings, strict=True)
    ]
    pd.testing.assert_frame_equal(rows[0].rows, rows[1].rows)
    assert rows[0].nfe == 6
    assert list(rows[0].rows.columns) == list(schema.columns)
    assert rows[0].rows["k"].dtype == np.int64


def test_labels_follow_the_training_frequencies_and_are_shared_by_samplers() -> None:
    frame, schema = toy(1000)
    model = FAST.fit(frame, schema, seed=0)
    y = model.labels(50_000, seed=3)
    assert y is not None
    counts = torch.bincount(y, minlength=3).numpy()
    expected = frame["y"].value_counts().reindex(["a", "b", "c"]).to_numpy() / 1000 * 50_000
    assert stats.chisquare(counts, expected).pvalue > 1e-4
    assert torch.equal(y, model.labels(50_000, seed=3))  # type: ignore[arg-type]


def test_average_weights_are_used_only_when_asked() -> None:
    frame, schema = toy()
    raw = FAST.fit(frame, schema, seed=0)
    ema = replace(FAST, weights="ema").fit(frame, schema, seed=0)
    assert not torch.equal(raw.network.out.weight, ema.network.out.weight)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"layers": ()}, "layers must be positive"),
        ({"lr": 0.0}, "lr must be positive"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TabDDPM(**settings)  # type: ignore[arg-type]
