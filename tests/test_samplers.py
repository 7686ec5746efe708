"""Every registered sampler on closed-form worlds: law, counts, noise, labels, degenerate tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.autoencoder import Autoencoder
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Counted
from tabstep.diffusion.noise import ROWS_PER_KEY, Noise
from tabstep.diffusion.schedule import make
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers.adasde import AdaSDE
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.budget_stop import BudgetStop
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.ddss import DDSS
from tabstep.samplers.ddss_critic import CriticDDSS
from tabstep.samplers.deq import DEQ
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.early_stop import EarlyStop
from tabstep.samplers.free import FreeFirst
from tabstep.samplers.refined import Refined
from tabstep.samplers.row_network import RowFeatures
from tabstep.samplers.setting import Setting
from tabstep.samplers.start import Conditional, Foreign
from tests.oracle import F64, RowTimes, TwoColumns, bare, mixed_table, output_of_two_columns, signal

# Early-stopped samplers that fit another method need a table: see test_early_stop. Here all paths begin at T.
IN_CLOSED_FORM = [
    name
    for name, s in SAMPLERS.items()
    # see test_free, test_distilled, test_refined, test_by_critic, test_adasde
    if not isinstance(s, FreeFirst | Distilled | Refined | CriticDDSS | AdaSDE)
    and (not isinstance(s, EarlyStop) or (s.stop is None and isinstance(s.start, Conditional)))
    and not (isinstance(s, BudgetStop) and isinstance(s.start, Conditional | Foreign))
]
# What is registered beside them differs in a setting, or is a pair of a start and an update that each are here too.
AGAIN = {
    "ddss-rows",
    "deq-anderson",
    "deq-eta",
    "es-ancestral-correlated",
    "es-ancestral-mixture",
    "es-ancestral-moments",
    "es-ddim-moments",
    "es-dpmpp-2m-sde-correlated",
    "es-dpmpp-2m-sde-mixture",
    "ggdm",
    "mixture-ddim",
}
EVERY = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in AGAIN)) for name in sorted(IN_CLOSED_FORM)],
)
QUICK = Conditional(Autoencoder(steps=20, layers=(16,)))


def measured(process: Process, classes: int) -> Setting:
    """With a few made-up rows, for samplers that measure and that learn; with labels where the test has some."""
    g = torch.Generator().manual_seed(0)
    n, dtype = 64, process.x_min.dtype
    c = [torch.randint(K, (n,), generator=g) for K in process.blocks.sizes]
    x = torch.randn(n, process.d_num, generator=g, dtype=dtype)
    y = torch.arange(n) % classes if classes else None
    rows = State(x, torch.stack(c, 1) if c else torch.empty(n, 0, dtype=torch.int64), y)
    return Setting(process, train=rows, held=rows)


def with_fractions(process: Process) -> Process:
    """The process with a head of variance fractions, all of them one half."""

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        eps, log_pi = process.denoiser(x, c, t, y)
        return torch.cat([eps, torch.full_like(eps, 0.5)], 1), log_pi

    return replace(process, denoiser=denoiser, learned_variance=gaussian.interpolated_variance)


def prepared(process: Process, name: str, K: int, classes: int = 0) -> tuple[Setting, Draw]:
    sampler: Any = SAMPLERS[name]
    if isinstance(sampler, EarlyStop):
        sampler = replace(sampler, start=QUICK)
    if isinstance(sampler, DDSS):  # next to nothing is learned on rows that are made up
        sampler = replace(
            sampler, steps=1, lr=1e-6, most=1000, check_every=1, network=RowFeatures(steps=2, width=8)
        )
    if isinstance(sampler, DEQ):
        process = replace(process, denoiser=RowTimes(process.denoiser))
    setting = measured(with_fractions(process) if name == "learned" else process, classes)
    return setting, sampler.prepare(setting, GRIDS[sampler.grid](setting, K))


def run(process: Process, name: str, K: int, n: int, *, seed: int = 0, y: Tensor | None = None) -> State:
    setting, draw = prepared(process, name, K, 0 if y is None else int(y.max()) + 1)
    return draw(setting.process.noise(seed, 0, n), y)


def mmd2(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased squared MMD with a sum of rational quadratic kernels."""
    scale = np.median(np.linalg.norm(a[:300, None] - a[None, :300], axis=-1))

    def kernel(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        d = ((u**2).sum(1)[:, None] + (v**2).sum(1) - 2 * u @ v.T) / scale**2
        return sum(1 / (1 + d / (2 * w**2)) for w in (0.5, 1, 2, 4))

    a, b = a.astype(np.float32), b.astype(np.float32)  # half the time, and exact enough for a thousandth
    n = len(a)
    aa, bb = kernel(a, a), kernel(b, b)
    off = n * (n - 1)
    return float(
        sum((k.sum(dtype=float) - np.trace(k)) / off for k in (aa, bb)) - 2 * kernel(a, b).mean(dtype=float)
    )


@EVERY
def test_full_steps_reproduce_the_mixed_table(name: str) -> None:
    world, n = mixed_table(50), 2500
    out = run(world.process(), name, 50, n)
    x, c = world.rows(n, seed=7)
    joint = np.bincount(c[:, 0] * 4 + c[:, 1], minlength=12) / n
    drawn = np.bincount((out.c[:, 0] * 4 + out.c[:, 1]).numpy(), minlength=12) / n
    assert 0.5 * np.abs(joint - drawn).sum() < 0.06

    def features(x: np.ndarray, c: np.ndarray) -> np.ndarray:
        return np.hstack([x, np.eye(3)[c[:, 0]] / 2**0.5, np.eye(4)[c[:, 1]] / 2**0.5])

    few = 1200  # its time grows with their square
    assert mmd2(features(x, c)[:few], features(out.x.numpy(), out.c.numpy())[:few]) < 3e-3


@pytest.mark.parametrize("sampler", [Ancestral(), Ancestral(variance="small"), DDIM()], ids=str)
def test_more_steps_bring_rows_closer(sampler: Any) -> None:
    """Two steps lose much, sixty little, in the joint of the categories and in the whole row."""
    world, n = mixed_table(), 2000
    process = world.process()
    x, c = world.rows(n, seed=11)

    def distances(steps: int) -> tuple[float, float]:
        setting = world.setting()
        out = sampler.prepare(setting, GRIDS["trailing"](setting, steps))(process.noise(5, 0, n), None)
        a = np.hstack([x, np.eye(3)[c[:, 0]], np.eye(4)[c[:, 1]]])
        b = np.hstack([out.x.numpy(), np.eye(3)[out.c[:, 0]], np.eye(4)[out.c[:, 1]]])
        real = np.bincount(c[:, 0] * 4 + c[:, 1], minlength=12) / n
        drawn = np.bincount((out.c[:, 0] * 4 + out.c[:, 1]).numpy(), minlength=12) / n
        return mmd2(a, b), 0.5 * float(np.abs(real - drawn).sum())

    few, many = distances(2), distances(60)
    assert many[0] < few[0] / 4
    assert many[1] < few[1]


@pytest.mark.parametrize(("name", "step"), [("ancestral", "plug-in/loo"), ("ddim", "stay/full")])
def test_sampled_pairs_follow_the_exact_chain(name: str, step: str) -> None:
    world, n, K = TwoColumns.dependent(), 100_000, 5
    out = run(world.process(), name, K, n)
    exact = output_of_two_columns(world, GRIDS[SAMPLERS[name].grid](bare(1000), K), step)
    counts = torch.bincount(out.c[:, 0] * 4 + out.c[:, 1], minlength=16).numpy()
    assert stats.chisquare(counts, (exact.reshape(-1) * n).numpy()).pvalue > 1e-4


@EVERY
@pytest.mark.parametrize("K", [1, 2, 7, 50])
def test_evaluations_are_counted_and_equal_the_steps(name: str, K: int) -> None:
    world = mixed_table(50)
    counter = Counted(world)
    setting, draw = prepared(replace(world.process(), denoiser=counter), name, K)
    before = counter.rows
    draw(setting.process.noise(0, 0, 10), None)
    counted = counter.rows - before
    if isinstance(SAMPLERS[name], DEQ):  # more evaluations in fewer calls: see test_deq
        assert 10 * K <= counted <= 10 * K * (K + 1) / 2
    else:
        assert counted == 10 * K


@EVERY
def test_same_seed_same_rows_and_other_batches_the_same_noise(name: str) -> None:
    world = mixed_table(100)
    process = world.process()
    n = ROWS_PER_KEY + 88
    _, draw = prepared(process, name, 5)
    whole, other = (draw(process.noise(s, 0, n), None) for s in (3, 4))
    _, draw = prepared(process, name, 5)
    again = draw(process.noise(3, 0, n), None)
    assert torch.equal(whole.x, again.x)
    assert torch.equal(whole.c, again.c)
    assert not torch.equal(whole.x, other.x)
    parts = [draw(process.noise(3, start, min(200, n - start)), None) for start in range(0, n, 200)]
    assert torch.allclose(torch.cat([p.x for p in parts]), whole.x, atol=1e-9)
    assert torch.equal(torch.cat([p.c for p in parts]), whole.c)


def test_noise_does_not_shift_when_a_categorical_column_is_added() -> None:
    a = Noise(0, 0, 700, 3, Blocks((2, 3)))
    b = Noise(0, 0, 700, 3, Blocks((2, 3, 4)))
    assert torch.equal(a.x_T(), b.x_T())
    assert torch.equal(a.normal(), b.normal())
    cut = Noise(0, 600, 100, 3, Blocks((2, 3)))
    assert torch.equal(cut.x_T(), Noise(0, 0, 700, 3, Blocks((2, 3))).x_T()[600:])


class RandomNetwork:
    """A denoiser of any shape with finite, input-dependent output."""

    def __init__(self, d: int, blocks: Blocks) -> None:
        g = torch.Generator().manual_seed(0)
        self.w = torch.randn(d + blocks.width, d + blocks.width, generator=g) / 10
        self.blocks = blocks

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        row = torch.cat([x, self.blocks.one_hot(c, x.dtype)], 1) @ self.w
        return row[:, : x.shape[1]], self.blocks.log_softmax(row[:, x.shape[1] :])


@EVERY
@pytest.mark.parametrize(
    ("d", "sizes"),
    [
        *((1, (2, 2, 5, 300)), (0, (2,)), (1, ())),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((0, (3, 2)), (2, ()))),
    ],
    ids=str,
)
def test_degenerate_tables_run_and_stay_finite(name: str, d: int, sizes: tuple[int, ...]) -> None:
    blocks = Blocks(sizes)
    limit = torch.full((d,), 5.0)
    process = Process(make("cosine", 20), blocks, RandomNetwork(d, blocks), -limit, limit)
    for K, n in ((1, 1), (3, 9), (20, 2)):
        out = run(process, name, K, n)
        assert out.x.shape == (n, d)
        assert out.c.shape == (n, len(sizes))
        # an untrained network without clipping may be far off, but never NaN
        assert torch.isfinite(out.x).all()
        assert all(((out.c[:, j] >= 0) & (out.c[:, j] < K_j)).all() for j, K_j in enumerate(sizes))


@EVERY
def test_labels_pass_through_untouched(name: str) -> None:
    y = torch.arange(40) % 3
    before = y.clone()
    assert torch.equal(run(mixed_table(50).process(), name, 5, 40, y=y).y, before)  # type: ignore[arg-type]


@EVERY
def test_a_probe_sees_whether_the_label_was_used(name: str) -> None:
    """Conditioning works, and a sampler that mixed up labels between steps would be caught by this probe."""
    T, n = 100, 4000
    means = torch.tensor([[-1.5], [1.5]], dtype=F64)
    schedule = make("cosine", T)

    def conditional(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert y is not None
        a, s2 = signal(schedule, t), 0.5
        gain = a**0.5 * s2 / (a * s2 + 1 - a)
        x0 = means[y] + gain * (x - a**0.5 * means[y])
        return (x - a**0.5 * x0) / (1 - a) ** 0.5, x.new_empty(len(x), 0)

    limit = torch.full((1,), 8.0, dtype=F64)
    process = Process(schedule, Blocks(()), conditional, -limit, limit)
    y = torch.arange(n) % 2
    right = run(process, name, 20, n, y=y)
    probe = LogisticRegression().fit(right.x.numpy(), y.numpy())
    assert probe.score(right.x.numpy(), y.numpy()) > 0.9
    wrong = run(process, name, 20, n, y=y.roll(1) * (torch.arange(n) % 3 > 0))
    assert probe.score(wrong.x.numpy(), y.numpy()) < 0.7


def test_clipping_keeps_a_small_network_error_small() -> None:
    world = mixed_table()

    def noisy(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        eps, log_pi = world(x, c, t, y)
        return eps + 0.01, log_pi

    process = replace(world.process(bound=4.0), denoiser=noisy)
    clipped = run(process, "ancestral", 2, 200)
    unclipped = run(process, "ancestral-unclipped", 2, 200)
    assert clipped.x.abs().max() <= 4.0
    assert unclipped.x.abs().max() > 4.0
