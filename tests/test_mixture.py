"""The mixture of products: EM, densities by enumeration and quadrature, conditionals, draws, and the method."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture
from torch import Tensor

from tabstep.baselines.mixture import MixtureOfProducts
from tabstep.contracts import Dense
from tabstep.data.table import Schema
from tabstep.diffusion import mixture
from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture import Mixture
from tabstep.diffusion.mixture_em import EM, expectation, log_prior, maximisation
from tabstep.engine import cells
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.metrics import likelihood
from tabstep.records import store
from tabstep.samplers.conditional import Known, complete
from tabstep.samplers.grid import trailing
from tabstep.suite import Entry, Suite
from tests.oracle import F64, LatentClass, mixed_table


def of(world: LatentClass) -> Mixture:
    """The oracle's own law as a mixture of products."""
    return Mixture(
        tuple(p.shape[1] for p in world.P),
        world.w.log(),
        world.mu,
        (world.s**2).expand_as(world.mu),
        torch.cat(world.P, 1).log(),
    )


def labelled(rows: State) -> State:
    """The last category as the label."""
    return State(rows.x, rows.c[:, :-1], rows.c[:, -1])


def own() -> Mixture:
    """Two components, one number, classes of 2 and 3."""
    p = torch.tensor([[0.8, 0.2, 0.5, 0.3, 0.2], [0.1, 0.9, 0.2, 0.2, 0.6]], dtype=F64)
    w = torch.tensor([0.3, 0.7], dtype=F64).log()
    mean, var = torch.tensor([[-1.0], [1.5]], dtype=F64), torch.tensor([[0.5], [0.8]], dtype=F64)
    return Mixture((2, 3), w, mean, var, p.log())


def every_class(m: Mixture) -> Tensor:
    return torch.tensor([*product(*(range(K) for K in m.sizes))])


# The closed forms


def test_the_density_is_one_over_all_classes_and_numbers() -> None:
    m = own()
    grid = torch.linspace(-9, 9, 4001, dtype=F64)
    total = 0.0
    for c in every_class(m):
        p = mixture.log_density(m, State(grid.unsqueeze(1), c.expand(len(grid), -1), None)).exp()
        total += float(torch.trapezoid(p, grid))
    assert total == pytest.approx(1, abs=1e-9)


def test_the_density_is_that_of_torch_distributions() -> None:
    world = mixed_table()
    rows, m = world.state(50, 1), of(world)
    parts = world.w.log() + torch.distributions.Normal(world.mu, world.s).log_prob(rows.x.unsqueeze(1)).sum(2)
    for j, p in enumerate(world.P):
        parts = parts + torch.distributions.Categorical(p).log_prob(rows.c[:, j : j + 1])
    assert torch.allclose(mixture.log_density(m, rows), torch.logsumexp(parts, 1), atol=1e-10)


def test_batches_of_any_size_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    world = mixed_table()
    rows, m = world.state(100, 2), of(world)
    whole, sums = mixture.log_density(m, rows), expectation(m, rows.x, rows.c)
    monkeypatch.setattr(mixture, "CHUNK", 50)
    assert torch.allclose(mixture.log_density(m, rows), whole, atol=1e-12)
    again = expectation(m, rows.x, rows.c)
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(again[0], sums[0], strict=True))


def test_no_known_column_leaves_the_weights_and_all_known_ones_the_row() -> None:
    world = mixed_table()
    rows, m = world.state(20, 3), of(world)
    nothing = torch.zeros_like(rows.x, dtype=torch.bool), torch.zeros_like(rows.c, dtype=torch.bool)
    assert torch.allclose(mixture.evidence(m, rows.x, rows.c, *nothing), m.log_w.expand(20, -1))
    all_of_it = mixture.evidence(m, rows.x, rows.c, ~nothing[0], ~nothing[1])
    assert torch.allclose(all_of_it, mixture.evidence(m, rows.x, rows.c))
    u, normal, uniform = torch.rand(20, 1, dtype=F64), torch.zeros_like(rows.x), torch.rand(20, 2, dtype=F64)
    x, c = mixture.complete(m, rows.x, rows.c, ~nothing[0], ~nothing[1], u, normal, uniform)
    assert torch.equal(x, rows.x)
    assert torch.equal(c, rows.c)


def test_a_label_conditions_as_bayes_says() -> None:
    m = own()
    y = torch.arange(3)
    joint = m.log_w.exp().unsqueeze(1) * m.tables[-1].exp()
    assert torch.allclose(mixture.log_label(m, y).exp(), joint.sum(0))
    assert torch.allclose(mixture.given_label(m).exp(), (joint / joint.sum(0)).T)


def completed(m: Mixture, x: float | None, c: tuple[int | None, ...], n: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(4)
    has_x = torch.full((n, 1), x is not None)
    has_c = torch.tensor([v is not None for v in c]).expand(n, -1)
    rows = torch.full((n, 1), x or 0.0, dtype=F64), torch.tensor([v or 0 for v in c]).expand(n, -1)
    u, uniform = torch.rand(n, 1, generator=g, dtype=F64), torch.rand(n, len(c), generator=g, dtype=F64)
    normal = torch.randn(n, 1, generator=g, dtype=F64)
    return mixture.complete(m, *rows, has_x, has_c, u, normal, uniform)


def test_completed_classes_follow_the_enumerated_conditional() -> None:
    """Given the number and the second column, the first one; given the number alone, both."""
    m, n = own(), 60_000
    for known in ((None, 2), (None, None)):
        _, c = completed(m, 0.2, known, n)
        every = every_class(m)
        p = mixture.log_density(m, State(torch.full((len(every), 1), 0.2, dtype=F64), every, None)).exp()
        allowed = torch.tensor(
            [all(k is None or k == v for k, v in zip(known, row, strict=True)) for row in every]
        )
        p = torch.where(allowed, p, 0.0)
        counts = torch.bincount(c[:, 0] * 3 + c[:, 1], minlength=6)
        assert counts[~allowed].sum() == 0
        expected = (p / p.sum() * n)[allowed]
        assert stats.chisquare(counts[allowed].numpy(), expected.numpy()).pvalue > 1e-4


def test_completed_numbers_follow_the_conditional_by_quadrature() -> None:
    m, n = own(), 20_000
    x, _ = completed(m, None, (1, 0), n)
    grid = torch.linspace(-8, 8, 4001, dtype=F64)
    p = mixture.log_density(
        m, State(grid.unsqueeze(1), torch.tensor([[1, 0]]).expand(len(grid), -1), None)
    ).exp()
    cdf = (p.cumsum(0) / p.sum()).numpy()
    assert stats.kstest(x[:, 0].numpy(), lambda v: np.interp(v, grid.numpy(), cdf)).pvalue > 1e-4


def test_draws_have_the_frequencies_of_the_law() -> None:
    m, n = own(), 60_000
    g = torch.Generator().manual_seed(5)
    z = mixture.component(m.log_w.expand(n, -1), torch.rand(n, 1, generator=g, dtype=F64))
    normal = torch.randn(n, 1, generator=g, dtype=F64)
    x, c = mixture.draw(m, z, normal, torch.rand(n, 2, generator=g, dtype=F64))
    p = sum(w * torch.outer(*(t[k].exp() for t in m.tables)).flatten() for k, w in enumerate(m.log_w.exp()))
    counts = torch.bincount(c[:, 0] * 3 + c[:, 1], minlength=6)
    assert stats.chisquare(counts.numpy(), (p * n).numpy()).pvalue > 1e-4
    cdf = sum(
        float(w) * stats.norm.cdf(np.sort(x[:, 0].numpy()), float(a), float(v) ** 0.5)
        for w, a, v in zip(m.log_w.exp(), m.mean[:, 0], m.var[:, 0], strict=True)
    )
    assert np.abs(cdf - (np.arange(n) + 0.5) / n).max() < 1.95 / n**0.5  # Kolmogorov, p = 1e-3


def test_edits_by_particles_approach_the_exact_conditional() -> None:
    """`samplers.conditional`, which needs a denoiser, against the closed form of the same law."""
    world = mixed_table(200)
    n, M, steps = 400, 32, 30
    process = world.process()
    row = world.state(1, 11)
    x, c = row.x.expand(n, -1).contiguous(), row.c.expand(n, -1).contiguous()
    has_x, has_c = torch.tensor([False, True, False]).expand(n, -1), torch.tensor([True, False]).expand(n, -1)
    path = trailing(world.setting(1), steps)
    noise, rows = process.noise(0, 0, n * M), process.noise(0, 0, n).apart(process.d_num)
    found = complete(process, path, Known(x, c, has_x, has_c), noise, rows, None)
    log_z = mixture.evidence(of(world), x[:1], c[:1], has_x[:1], has_c[:1]).softmax(1)[0]
    exact = sum(p * table for p, table in zip(log_z, world.P[1], strict=True))
    share = torch.bincount(found.c[:, 1], minlength=4) / n
    assert float((share - exact).abs().sum() / 2) < 0.08
    mean = log_z @ world.mu
    assert torch.allclose(found.x.mean(0)[[0, 2]], mean[[0, 2]], atol=0.15)


# EM


@pytest.mark.parametrize("smooth", [1e-9, 0.05])
@pytest.mark.parametrize("Z", [1, 2, 7])
def test_no_sweep_lowers_the_likelihood_times_the_prior(Z: int, smooth: float) -> None:
    rows = mixed_table().state(600, 6)
    em = EM(smooth=smooth, spread=smooth)
    x, c = rows.x, rows.c
    sizes = (3, 4)
    prior = em.prior(x, c, sizes)
    m, reached = em.begin(x, c, sizes, prior, Z, seed=0), []
    for _ in range(40):
        sums, likelihood = expectation(m, x, c)
        reached.append(likelihood + log_prior(m, prior))
        m = maximisation(sums, sizes, prior)
    assert all(later > sooner - 1e-8 * abs(sooner) for sooner, later in pairwise(reached))
    assert reached[-1] > reached[0] + 1


def test_numbers_alone_are_the_diagonal_mixture_of_scikit_learn() -> None:
    """The same start, the same sweeps; without a prior both are plain EM."""
    world = mixed_table()
    x = world.state(800, 7).x
    em = EM(smooth=1e-12, spread=1e-12, least_std=1e-6)
    nothing = torch.empty(len(x), 0, dtype=torch.int64)
    prior = em.prior(x, nothing, ())
    m = em.begin(x, nothing, (), prior, 3, seed=1)
    theirs = GaussianMixture(
        3,
        covariance_type="diag",
        reg_covar=0,
        tol=1e-12,
        max_iter=60,
        weights_init=m.log_w.exp().numpy(),
        means_init=m.mean.numpy(),
        precisions_init=(1 / m.var).numpy(),
    ).fit(x.numpy())
    for _ in range(theirs.n_iter_):
        m = maximisation(expectation(m, x, nothing)[0], (), prior)
    assert torch.allclose(m.mean, torch.from_numpy(theirs.means_), atol=1e-4)
    assert torch.allclose(m.var, torch.from_numpy(theirs.covariances_), atol=1e-4)
    ours = mixture.log_density(m, State(x, nothing, None))
    assert torch.allclose(ours, torch.from_numpy(theirs.score_samples(x.numpy())), atol=1e-4)


def test_two_components_are_found_again() -> None:
    true, n = own(), 8000
    true = replace(true, mean=2.5 * true.mean)
    g = torch.Generator().manual_seed(8)
    z = mixture.component(true.log_w.expand(n, -1), torch.rand(n, 1, generator=g, dtype=F64))
    normal = torch.randn(n, 1, generator=g, dtype=F64)
    x, c = mixture.draw(true, z, normal, torch.rand(n, 2, generator=g, dtype=F64))
    em = EM()
    prior = em.prior(x, c, (2, 3))
    found = em.begin(x, c, (2, 3), prior, 2, seed=0)
    for _ in range(20):
        found = maximisation(expectation(found, x, c)[0], (2, 3), prior)
    order = found.mean[:, 0].argsort()
    assert torch.allclose(found.mean[order], true.mean, atol=0.06)
    assert torch.allclose(found.var[order], true.var, atol=0.06)
    assert torch.allclose(found.log_w[order].exp(), true.log_w.exp(), atol=0.02)
    assert torch.allclose(found.log_p[order].exp(), true.log_p.exp(), atol=0.03)


def test_held_rows_choose_about_as_many_components_as_there_are() -> None:
    """More components than three fit the rows better and fresh rows worse."""
    world = mixed_table()
    found = EM(components=(1, 3, 200)).estimate(world.state(1500, 9), (3, 4), seed=0)
    assert found.components == 3
    fresh = world.state(4000, 10)
    best = mixture.log_density(of(world), fresh).mean()
    assert 0 <= float(best - mixture.log_density(found, fresh).mean()) < 0.05


def test_a_component_without_rows_and_far_rows_stay_finite() -> None:
    world = mixed_table()
    rows = world.state(200, 12)
    em = EM()
    prior = em.prior(rows.x, rows.c, (3, 4))
    m = em.begin(rows.x, rows.c, (3, 4), prior, 5, seed=0)
    m = replace(m, mean=m.mean + torch.tensor([1e6, 0, 0, 0, 0], dtype=F64).unsqueeze(1))
    m = maximisation(expectation(m, rows.x, rows.c)[0], m.sizes, prior)
    assert all(torch.isfinite(part).all() for part in (m.log_w, m.mean, m.var, m.log_p))
    far = State(torch.full((1, 3), 1e4, dtype=F64), torch.zeros(1, 2, dtype=torch.int64), None)
    assert torch.isfinite(mixture.log_density(m, far)).all()


@pytest.mark.parametrize("bad", [{"components": ()}, {"components": (4, 2)}, {"rows": 0}, {"smooth": 0.0}])
def test_settings_out_of_range_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        EM(**bad)  # type: ignore[arg-type]


# The method


def table(kind: str, n: int = 300) -> tuple[pd.DataFrame, Schema]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    columns: dict[str, object] = {
        "number": x,
        "whole": rng.poisson(3, n),
        "constant": np.full(n, 7.5),
        "class": np.where(x + rng.normal(size=n) > 0, "a", "b").astype(object),
        "wide": rng.integers(0, 150, n).astype(str).astype(object),
        "one": np.full(n, "only", dtype=object),
        "label": np.digitize(x, [-0.5, 0.7]).astype(str).astype(object),
        "target": 3 * x + rng.normal(size=n),
    }
    numeric, categorical, target, task = {
        "mixed": (("number", "whole"), ("class",), "label", "multiclass"),
        "no numbers": ((), ("class", "wide"), "label", "multiclass"),
        "no categories": (("number", "whole"), (), "target", "regression"),
        "wide": (("number",), ("wide",), "label", "multiclass"),
        "constants": (("number", "constant"), ("class", "one"), "label", "multiclass"),
        "one class": (("number",), ("class",), "one", "multiclass"),
    }[kind]
    frame = pd.DataFrame({name: columns[name] for name in (*numeric, *categorical, target)})
    return frame, Schema(task, target, numeric, categorical, frozenset({"whole"} & set(numeric)))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["mixed", "no numbers", "no categories", "wide", "constants", "one class"])
def test_every_kind_of_table_is_fitted_and_drawn(kind: str) -> None:
    train, schema = table(kind)
    fitted = MixtureOfProducts(sweeps=10).fit(train, schema, seed=0)
    rows = fitted.sample(500, seed=1)
    assert list(rows) == [*schema.columns]
    assert not rows.isna().any().any()
    for name in schema.labels:
        assert set(rows[name]) <= set(train[name])
    pd.testing.assert_frame_equal(
        rows, MixtureOfProducts(sweeps=10).fit(train, schema, seed=0).sample(500, seed=1)
    )
    assert torch.isfinite(fitted.nats(train)).all()
    kept = [schema.columns[0]]
    done = fitted.complete(train.head(40), kept, seed=2)
    pd.testing.assert_frame_equal(done[kept], train.head(40)[kept])


def test_completing_keeps_what_goes_with_a_column() -> None:
    """Rows of a high target are drawn with high numbers; a column that does not exist is named."""
    train, schema = table("no categories", 2000)
    fitted = MixtureOfProducts(components=(16,)).fit(train, schema, seed=0)
    high = train[train["target"] > train["target"].quantile(0.9)]
    done = fitted.complete(high, ["target"], seed=0)
    assert stats.ks_2samp(done["number"], high["number"]).statistic < 0.25
    assert stats.ks_2samp(done["number"], train["number"]).statistic > 0.6
    with pytest.raises(ValueError, match="no column 'height'"):
        fitted.complete(high, ["height"], seed=0)


def test_nats_given_the_label_are_the_joint_less_the_label() -> None:
    train, schema = table("mixed")
    fitted = MixtureOfProducts(sweeps=5).fit(train, schema, seed=0)
    x, c, y = fitted.encoder.encode(train)
    assert y is not None
    joint = mixture.log_density(fitted.mixture, State(x.double(), c, y))
    every = torch.stack(
        [mixture.log_density(fitted.mixture, State(x.double(), c, torch.full_like(y, k))) for k in range(3)]
    )
    # p(y | row) p(row) / p(y) = p(row | y)
    given = every.log_softmax(0).gather(0, y.unsqueeze(0))[0] + torch.logsumexp(every, 0)
    label = mixture.log_label(fitted.mixture, y)
    assert torch.allclose(fitted.nats(train), label - given, atol=1e-9)
    assert torch.allclose(joint, given, atol=1e-9)
    assert math.isclose(
        float(mixture.log_label(fitted.mixture, torch.arange(3)).exp().sum()), 1, abs_tol=1e-12
    )


def test_a_record_holds_the_exact_nats_of_the_rows_that_a_bound_is_of(tmp_path: Path) -> None:
    """Rows of an unheard-of category have no density, and are left out as they are of the bound.

    By quantiles a row is encoded alike wherever it stands; by ranks its place among ties is drawn by its place.
    """
    train, _ = table("mixed", 600)
    train.to_csv(tmp_path / "t.csv", index=False)
    source = Source("small", file=tmp_path / "t.csv", target="label")
    quick = {"sweeps": 5, "components": (4,), "normalization": "quantile"}
    suite = Suite("own", "for tests", (), (Entry("mixture", "quick", quick),), eval_seeds=1, evaluator="fast")
    found, folder = (
        plan(replace(suite, metrics=("efficacy", "nelbo")), [source]),
        Folder(tmp_path / "results"),
    )
    (outcome,) = cells.run_baseline([*found.jobs], folder)
    assert outcome.status == "ok"
    dataset = source.load()
    fitted = MixtureOfProducts(**quick).fit(dataset.train, dataset.schema, seed=0)  # type: ignore[arg-type]
    assert isinstance(fitted, Dense)
    scores = store.read(folder.runs / found.jobs[0].cell.path).scores
    assert scores["nll"] == [pytest.approx(float(fitted.nats(dataset.test).mean()))]
    odd = dataset.test.assign(**{"class": ["unheard of", *dataset.test["class"].iloc[1:]]})
    nats = fitted.nats(odd)
    assert torch.isinf(nats[0])
    assert likelihood.exact(nats)["nll"] == pytest.approx(float(fitted.nats(dataset.test)[1:].mean()))
