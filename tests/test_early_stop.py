"""Early-stopped paths: exact chains, the begin that is chosen, labels, prices, and the autoencoder they begin with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

import tabstep
from tabstep.baselines.copula import GaussianCopula
from tabstep.baselines.tvae import TVAE
from tabstep.baselines.vae import VAE
from tabstep.contracts import Unsupported
from tabstep.data.table import Schema
from tabstep.diffusion.autoencoder import Autoencoder, Network, bound
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Counted, Diffusion
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import make
from tabstep.diffusion.short import ShortTabDDPM
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.registry import SAMPLERS
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.early_stop import EarlyStop, choose_horizon
from tabstep.samplers.grid import linspace, logsnr, trailing
from tabstep.samplers.kernel import kernel_widths, permutation_level, squared_mmd
from tabstep.samplers.setting import Artifacts, Setting, Table, path_for
from tabstep.samplers.start import Conditional, Foreign, Start
from tabstep.samplers.unipc import UniPC
from tests.oracle import (
    F64,
    LatentClass,
    TwoColumns,
    bare,
    mixed_table,
    noised_pairs,
    output_of_two_columns,
    total_variation,
)

# Samplers of one call a step that need not begin in noise, and learn nothing.
UPDATES = {
    name: s
    for name, s in SAMPLERS.items()
    if isinstance(s, Ancestral | DDIM | DPMSolverPP | UniPC) and name != "learned"
}


@dataclass(frozen=True)
class Given:
    """A start that draws rows of a world, the same for the same noise, and says how many it drew."""

    world: Any

    def fit(self, setting: Setting) -> Draw:
        def draw(noise: Noise, y: Tensor | None) -> State:
            drawn: State = self.world.state(noise.n, seed=noise.seed % 1000 + 5)
            return drawn._replace(y=y)

        return draw


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of classes with a joint (K, K)."""

    joint: Tensor

    def state(self, n: int, seed: int) -> State:
        g = torch.Generator().manual_seed(seed)
        index = torch.multinomial(self.joint.reshape(-1), n, replacement=True, generator=g)
        K = len(self.joint)
        return State(torch.empty(n, 0, dtype=F64), torch.stack([index // K, index % K], 1), None)


def biased_pairs() -> Tensor:
    """A generator that is off by 0.225 in total variation from the two dependent columns."""
    joint = 0.4 / 16 + 0.6 * torch.eye(4, dtype=F64) / 4
    joint = joint * torch.tensor([[0.7], [0.9], [1.1], [1.3]], dtype=F64)
    return joint / joint.sum()


def trailing_from(T: int, K: int) -> tuple[int, ...]:
    stop = EarlyStop(DDIM(), Given(None), T / 1000)  # type: ignore[arg-type]
    return path_for(stop, trailing, bare(1000), K)


# Exact chains on two columns


@pytest.mark.parametrize(
    ("K", "best", "distance", "plain"),
    [(5, 500, 0.081, 0.177), (10, 600, 0.047, 0.075), (20, 800, 0.026, 0.033), (50, 800, 0.011, 0.012)],
)
def test_a_biased_start_pays_and_less_so_with_more_steps(
    K: int, best: int, distance: float, plain: float
) -> None:
    world, biased = TwoColumns.dependent(), biased_pairs()
    assert total_variation(biased, world.P) == pytest.approx(0.225, abs=5e-4)
    found = {}
    for T in (50, 100, 200, 300, 400, 500, 600, 800):
        begin = noised_pairs(world, biased, T)
        found[T] = total_variation(
            output_of_two_columns(world, trailing_from(T, K), "stay/full", begin), world.P
        )
    assert min(found, key=found.__getitem__) == best
    assert found[best] == pytest.approx(distance, abs=3e-3)
    whole = output_of_two_columns(world, trailing_from(1000, K), "stay/full")
    assert total_variation(whole, world.P) == pytest.approx(plain, abs=3e-3)


def test_the_divergence_of_noised_rows_falls_with_time() -> None:
    world, biased = TwoColumns.dependent(), biased_pairs()
    kl = []
    for t in range(0, 1001, 20):
        q, p = noised_pairs(world, world.P, t), noised_pairs(world, biased, t)
        kl.append(float((q * (q / p).log()).sum()))
    assert kl[0] > 0.1
    assert all(later - sooner < 1e-12 for sooner, later in pairwise(kl))


def test_from_the_noise_end_the_start_does_not_matter() -> None:
    world = TwoColumns.dependent()
    path = trailing_from(1000, 10)
    begin = noised_pairs(world, biased_pairs(), 1000)
    exact = output_of_two_columns(world, path, "plug-in/loo")
    assert total_variation(output_of_two_columns(world, path, "plug-in/loo", begin), exact) < 1e-6


@pytest.mark.parametrize(("update", "step"), [(Ancestral(), "plug-in/loo"), (DDIM(), "stay/full")], ids=str)
def test_sampled_pairs_follow_the_exact_chain(update: Any, step: str) -> None:
    world, n, biased = TwoColumns.dependent(), 100_000, biased_pairs()
    sampler = EarlyStop(update, Given(Pairs(biased)), 0.3)
    setting = Setting(world.process())
    path = path_for(sampler, trailing, setting, 4)
    assert path[0] == 300
    out = sampler.prepare(setting, path)(setting.process.noise(0, 0, n), None)
    exact = output_of_two_columns(world, path, step, noised_pairs(world, biased, 300))
    counts = torch.bincount(out.c[:, 0] * 4 + out.c[:, 1], minlength=16).numpy()
    assert stats.chisquare(counts, (exact.reshape(-1) * n).numpy()).pvalue > 1e-4


# Every update, from any time


@pytest.mark.whole
@pytest.mark.parametrize("name", UPDATES)
def test_every_update_denoises_from_the_middle(name: str) -> None:
    """From exact rows noised to 0.4 T the mixed table comes back; the steps are counted."""
    world, n = mixed_table(100), 1500
    counter = Counted(world)
    setting = replace(world.setting(400), process=replace(world.process(), denoiser=counter))
    sampler = EarlyStop(UPDATES[name], Given(world), 0.4)
    path = path_for(sampler, linspace, setting, 20)
    assert path[0] == 40
    draw = sampler.prepare(setting, path)
    before = counter.rows
    out = draw(setting.process.noise(0, 0, n), None)
    assert counter.rows - before == 20 * n
    real = world.state(n, seed=7)

    def features(rows: State) -> Tensor:
        return torch.cat([rows.x, world.blocks.one_hot(rows.c, F64) / 2**0.5], 1)

    points = features(real)
    apart = float(squared_mmd(features(out), points, kernel_widths(points)))
    assert apart < 1e-3, "rows of noise are 0.07 apart"


@pytest.mark.parametrize("name", UPDATES)
def test_from_the_noise_end_rows_are_those_of_the_update(name: str) -> None:
    """The start is noised with the noise that a plain path begins in, and a millionth of the signal is left."""
    world = mixed_table()
    setting = world.setting(64)
    rows = [
        s.prepare(setting, trailing(setting, 5))(setting.process.noise(1, 0, 50), None)
        for s in (UPDATES[name], EarlyStop(UPDATES[name], Given(world), 1.0))
    ]
    assert torch.allclose(rows[0].x, rows[1].x, atol=1e-2)
    assert torch.equal(rows[0].c, rows[1].c)


def test_at_time_zero_the_rows_are_those_of_the_start_and_nothing_is_called() -> None:
    world = mixed_table(100)
    counter = Counted(world)
    setting = Setting(replace(world.process(), denoiser=counter))
    start = Given(world)
    sampler = EarlyStop(Ancestral(), start, 0.0)
    path = path_for(sampler, trailing, setting, 5)
    out = sampler.prepare(setting, path)(setting.process.noise(0, 0, 100), None)
    exact = start.fit(setting)(setting.process.noise(0, 0, 100), None)
    assert torch.equal(out.x, exact.x)
    assert torch.equal(out.c, exact.c)
    assert counter.rows == 0


def test_grids_stay_inside_the_shorter_path() -> None:
    sampler = EarlyStop(Ancestral(variance="large"), Given(None), 0.3)  # type: ignore[arg-type]
    for grid in (linspace, trailing, logsnr):
        path = path_for(sampler, grid, bare(1000), 7)
        assert path[0] == 300
        assert len(path) == 8
    with pytest.raises(Unsupported, match="301 steps asked of a path that begins at time 300"):
        path_for(sampler, trailing, bare(1000), 301)
    with pytest.raises(Unsupported, match="1001 steps asked of a model with T = 1000"):
        path_for(sampler, trailing, bare(1000), 1001)


def test_the_best_grid_of_a_shorter_path_is_another_table() -> None:
    """The table of the grid `dp` is one for each begin, and its paths end where theirs do."""
    from tabstep.samplers.dp import DP

    world = mixed_table(60)
    setting, grid = world.setting(64), DP(candidates=10)
    whole = path_for(Ancestral(), grid, setting, 5)
    short = path_for(EarlyStop(Ancestral(), Given(world), 0.5), grid, setting, 5)
    assert (whole[0], short[0]) == (60, 30)
    assert short == grid(replace(setting.until(30), artifacts=Artifacts(), variance="large"), 5)


def test_noise_keeps_what_survives_apart_from_what_moves() -> None:
    """The draw that keeps a clean class must not be the draw that keeps it in the first step."""
    noise = mixed_table().process().noise(0, 0, 2000)
    kept, moved = noise.keep(), noise.beginning(noise.x_T(), noise.c_T()).uniform()
    assert abs(np.corrcoef(kept[:, 0], moved[:, 0])[0, 1]) < 0.1
    other = noise.apart(3)
    assert abs(np.corrcoef(noise.x_T()[:, 0], other.x_T()[:, 0])[0, 1]) < 0.1


# Labels


def test_labels_of_a_start_without_conditions_go_on_with_its_rows() -> None:
    """The denoiser is told the start's own labels at every step, and they come out with the rows."""
    told: list[Tensor | None] = []
    T, n = 100, 500
    schedule = make("cosine", T)

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        told.append(y)
        return x * 0, x.new_empty(len(x), 0)

    limit = torch.ones(1, dtype=F64)
    process = Process(schedule, Blocks(()), denoiser, -limit, limit)
    own = torch.arange(n) % 3

    @dataclass(frozen=True)
    class Unconditional:
        def fit(self, setting: Setting) -> Draw:
            return lambda noise, y: State(
                torch.zeros(n, 1, dtype=F64), torch.empty(n, 0, dtype=torch.int64), own
            )

    for name, update in UPDATES.items():
        told.clear()
        setting = Setting(
            process, held=State(torch.zeros(8, 1, dtype=F64), torch.empty(8, 0).long(), own[:8])
        )
        sampler = EarlyStop(update, Unconditional(), 0.5)
        draw = sampler.prepare(setting, path_for(sampler, trailing, setting, 4))
        told.clear()
        out = draw(process.noise(0, 0, n), torch.zeros(n, dtype=torch.int64))
        assert out.y is not None, name
        assert torch.equal(out.y, own), name
        assert len(told) == 4, name
        assert all(y is not None and torch.equal(y, own) for y in told), name


# The begin that is chosen


@dataclass(frozen=True, eq=False)
class Shifted:
    """The mixed table with its first number moved."""

    world: LatentClass
    by: float

    def state(self, n: int, seed: int) -> State:
        rows = self.world.state(n, seed)
        return State(rows.x + torch.tensor([self.by, 0, 0], dtype=F64), rows.c, None)


@pytest.mark.whole
def test_the_begin_chosen_is_later_for_a_worse_start() -> None:
    world = mixed_table()
    setting = world.setting(500)
    chosen = {}
    for by in (0.0, 0.4, 30.0):
        found = choose_horizon(setting, Given(Shifted(world, by)).fit(setting))
        chosen[by] = int(found["horizon"])
        first = (found["distance"] <= found["level"]).nonzero()[0, 0]
        assert chosen[by] == int(found["times"][first])
    assert chosen[0.0] == 100, "exact rows need no more than the first candidate"
    assert 100 < chosen[0.4] < chosen[30.0] == 1000


def test_choosing_needs_held_rows_and_calls_no_network() -> None:
    world = mixed_table(100)
    counter = Counted(world)
    setting = replace(world.setting(200), process=replace(world.process(), denoiser=counter))
    sampler = EarlyStop(DDIM(), Given(Pairs(biased_pairs())))  # type: ignore[arg-type]
    with pytest.raises(Unsupported, match="held-out rows"):
        choose_horizon(replace(setting, held=None), Given(world).fit(setting))
    choose_horizon(setting, Given(world).fit(setting))
    assert counter.rows == 0
    assert sampler.stop is None


def test_unbiased_distance_of_equal_laws_is_zero_on_average_and_often_negative() -> None:
    g = torch.Generator().manual_seed(0)
    data = torch.randn(400, 3, generator=g, dtype=F64)
    widths = kernel_widths(data)
    values = []
    for _ in range(200):
        order = torch.randperm(400, generator=g)
        values.append(float(squared_mmd(data[order[:200]], data[order[200:]], widths)))
    fresh = [float(squared_mmd(*torch.randn(2, 100, 3, generator=g, dtype=F64), widths)) for _ in range(200)]
    assert abs(np.mean(fresh)) < 4 * np.std(fresh) / 200**0.5
    assert min(fresh) < 0 < max(fresh)
    level = permutation_level(data[:200], data[200:], widths, g)
    assert np.mean(np.array(values) > level) == pytest.approx(0.05, abs=0.045)


def test_distance_is_that_of_the_definition() -> None:
    g = torch.Generator().manual_seed(1)
    a, b = torch.randn(5, 2, generator=g, dtype=F64), torch.randn(4, 2, generator=g, dtype=F64)
    widths = torch.tensor([0.7, 2.0], dtype=F64)

    def k(u: Tensor, v: Tensor) -> float:
        return sum(1 / (1 + float(((u - v) ** 2).sum()) / (2 * float(w) ** 2)) for w in widths)

    aa = sum(k(a[i], a[j]) for i in range(5) for j in range(5) if i != j) / 20
    bb = sum(k(b[i], b[j]) for i in range(4) for j in range(4) if i != j) / 12
    ab = sum(k(u, v) for u in a for v in b) / 20
    assert float(squared_mmd(a, b, widths)) == pytest.approx(aa + bb - 2 * ab, abs=1e-12)


# The autoencoder


def test_bound_of_the_autoencoder_is_the_definition() -> None:
    """Against torch.distributions, an independent code path."""
    torch.manual_seed(0)
    blocks = Blocks((2, 3))
    network = Network(2, blocks, 2, 4, (8,)).double()
    network.log_std.data += torch.tensor([0.3, -0.2])
    c = torch.tensor([[0, 2], [1, 1], [0, 0], [1, 2], [0, 1]])
    rows = State(torch.randn(5, 2, dtype=F64), c, torch.arange(5) % 2)
    noise = torch.randn(5, 4, dtype=F64)
    mean, log_std = network.encode(rows)
    q = torch.distributions.Normal(mean, log_std.exp())
    x_mean, std, log_p = network.decode(mean + log_std.exp() * noise, rows.y)
    expected = torch.distributions.kl_divergence(
        q, torch.distributions.Normal(torch.zeros(4), torch.ones(4))
    ).sum(1)
    expected = expected - torch.distributions.Normal(x_mean, std).log_prob(rows.x).sum(1)
    for j, part in enumerate(log_p.split([2, 3], 1)):
        expected = expected - torch.distributions.Categorical(logits=part).log_prob(rows.c[:, j])
    assert torch.allclose(bound(network, rows, noise), expected, atol=1e-12)
    assert network.log_std.exp().tolist() == pytest.approx(std.tolist())


@pytest.mark.whole
def test_the_autoencoder_learns_a_mixed_table_given_labels() -> None:
    """Labels are the third column's half: rows drawn for a label must be those of the label."""
    world = mixed_table()

    def labelled(n: int, seed: int) -> State:
        rows = world.state(n, seed)
        return State(rows.x, rows.c[:, :1], rows.c[:, 1] // 2)

    data = labelled(3000, 1)
    blocks, settings = Blocks((3,)), Autoencoder(latent=4, steps=1500, layers=(64,), batch_size=128, lr=3e-3)
    fitted = settings.restore(settings.train(data, blocks, seed=0), data, blocks)
    real = labelled(2000, 2)
    out = fitted.draw(Noise(0, 0, 2000, 3, blocks, F64), real.y)
    assert out.y is real.y
    for label in (0, 1):
        a, b = (s.x[s.y == label] for s in (out, real))  # type: ignore[index]
        assert torch.allclose(a.mean(0), b.mean(0), atol=0.25)
        assert torch.allclose(a.std(0), b.std(0), atol=0.25)
        shares = [torch.bincount(s.c[s.y == label, 0], minlength=3) / len(a) for s in (out, real)]
        assert 0.5 * float((shares[0] - shares[1]).abs().sum()) < 0.08
    pairs = [torch.bincount(s.c[:, 0] * 2 + (s.x[:, 0] > 0), minlength=6) / 2000 for s in (out, real)]
    independent = torch.outer(
        torch.bincount(real.c[:, 0]) / 2000,
        torch.tensor([(real.x[:, 0] <= 0).double().mean(), (real.x[:, 0] > 0).double().mean()]),
    ).reshape(-1)
    assert 0.5 * float((pairs[0] - pairs[1]).abs().sum()) < 0.3 * 0.5 * float(
        (independent - pairs[1]).abs().sum()
    )


# As samplers of a fitted model


def table(n: int = 400) -> tuple[pd.DataFrame, Schema]:
    x, c = mixed_table(50).rows(n, seed=1)
    frame = pd.DataFrame(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "k": np.array(["u", "v", "w"])[c[:, 0]],
            "y": np.array(list("stop"))[c[:, 1]],
        }
    )
    return frame, Schema("multiclass", "y", ("a", "b"), ("k",))


def fitted(kind: type[TabDDPM] = TabDDPM, **options: Any) -> tuple[Diffusion, Setting]:
    frame, schema = table()
    model = kind(T=50, steps=30, layers=(16,), batch_size=128, **options).fit(frame, schema, seed=0)
    rows = model.encode(frame)
    return model, Setting(model.process, train=rows, held=rows, table=Table(frame, model.encoder))


def small(start: Start) -> Start:
    return replace(start, settings=Autoencoder(steps=20)) if isinstance(start, Conditional) else start


@pytest.mark.parametrize("start", [Conditional(), Foreign(GaussianCopula()), Foreign(VAE(steps=20))], ids=str)
def test_starts_draw_the_same_rows_for_the_same_seed(start: Start) -> None:
    model, setting = fitted()
    sampler = EarlyStop(Ancestral(), small(start), 0.5)
    draw = sampler.prepare(setting, path_for(sampler, trailing, setting, 3))
    first, again, other = (model.generate(draw, 100, seed=s) for s in (0, 0, 1))
    assert first.nfe == 3
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert not first.rows.equals(other.rows)
    counts = first.rows["y"].value_counts().reindex(list("stop"), fill_value=0)
    expected = table()[0]["y"].value_counts(normalize=True).reindex(list("stop")) * 100
    assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_a_method_is_fitted_once_and_everyone_pays_for_it() -> None:
    fits = []

    @dataclass(frozen=True)
    class Slow(GaussianCopula):
        def fit(self, *arguments: Any, **options: Any) -> Any:
            fits.append(1)
            return super().fit(*arguments, **options)

    _, setting = fitted()
    kept = Artifacts()
    for _ in range(3):
        reader = kept.reader()
        sampler = EarlyStop(DDIM(), Foreign(Slow()))
        own = replace(setting, artifacts=reader)
        sampler.prepare(own, path_for(sampler, trailing, own, 2))
        if len(fits) == 1 and _ == 0:
            assert reader.borrowed_s == 0
        else:
            assert reader.borrowed_s > 0
    assert fits == [1]


def test_without_sdv_a_start_is_skipped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sdv", None)
    _, setting = fitted()
    with pytest.raises(Unsupported, match="needs sdv"):
        path_for(SAMPLERS["es-ddim-ctgan"], trailing, setting, 2)
    with pytest.raises(Unsupported, match="training table"):
        Foreign(TVAE()).fit(replace(setting, table=None))


@pytest.mark.parametrize("name", ["tvae", pytest.param("ctgan", marks=pytest.mark.slow)])
def test_starts_of_sdv_are_denoised(name: str) -> None:
    from tabstep.baselines.ctgan import CTGAN

    model, setting = fitted()
    method = TVAE(epochs=1, batch_size=100) if name == "tvae" else CTGAN(epochs=1, batch_size=100)
    sampler = EarlyStop(DDIM(), Foreign(method), 0.5)
    draw = sampler.prepare(setting, path_for(sampler, trailing, setting, 3))
    first, again = (model.generate(draw, 50, seed=0) for _ in range(2))
    pd.testing.assert_frame_equal(first.rows, again.rows)
    assert first.nfe == 3


def test_a_short_model_is_trained_up_to_its_last_time_and_begins_there() -> None:
    method = ShortTabDDPM(T=50, stop=0.3)
    assert method.last == 15
    model, setting = fitted(ShortTabDDPM, stop=0.3)
    assert setting.T == 15
    assert model.schedule.at(15) == pytest.approx(make("cosine", 50).at(15))
    with pytest.raises(Unsupported, match="ends at time 15"):
        path_for(Ancestral(), trailing, setting, 3)
    sampler = EarlyStop(Ancestral(), small(Conditional()), 1.0)
    path = path_for(sampler, trailing, setting, 3)
    assert path == (15, 10, 5, 0)
    rows, nfe = model.generate(sampler.prepare(setting, path), 20, seed=0)
    assert (len(rows), nfe) == (20, 3)


def test_short_training_draws_only_its_times() -> None:
    seen: list[int] = []
    method = ShortTabDDPM(T=50, stop=0.3)
    schedule = make("cosine", 50).until(method.last)

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert isinstance(t, Tensor)
        seen.extend(t.tolist())
        return x * 0, x.new_zeros(len(x), 2) - np.log(2)

    g = torch.Generator().manual_seed(0)
    rows = State(torch.zeros(2000, 1), torch.zeros(2000, 1, dtype=torch.int64), None)
    method.loss(denoiser, schedule, Blocks((2,)), rows)(rows, g)
    assert set(seen) == set(range(1, 16))


@pytest.mark.whole
def test_the_python_interface_starts_early() -> None:
    frame, _ = table(200)
    model = tabstep.fit(
        frame, "y", method=TabDDPM(T=20, steps=10, layers=(16,), batch_size=64), progress="none"
    )
    rows = model.sample(30, sampler="es-ddim-copula", steps=2)
    assert list(rows.columns) == list(frame.columns)
    assert len(rows) == 30
