"""The mixture with correlated numbers: density, fit and draws against closed forms, scikit-learn and its limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.mixture import GaussianMixture

from tabstep.diffusion import correlated, labelled_mixture, mixture
from tabstep.diffusion.correlated import Correlated, CorrelatedEM, maximised
from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture_em import EM, expectation, maximisation


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(Z: int = 3, d: int = 2, sizes: tuple[int, ...] = (3, 2)) -> Correlated:
    g = generator(1)
    root = torch.randn(Z, d, d, generator=g, dtype=torch.float64).tril()
    root.diagonal(dim1=1, dim2=2).abs_().add_(0.3)
    tables = [torch.randn(Z, K, generator=g, dtype=torch.float64).log_softmax(1) for K in sizes]
    return Correlated(
        sizes,
        torch.randn(Z, generator=g, dtype=torch.float64).log_softmax(0),
        2 * torch.randn(Z, d, generator=g, dtype=torch.float64),
        root,
        torch.cat(tables, 1) if tables else torch.empty(Z, 0, dtype=torch.float64),
    )


def rows_of(m: Correlated, n: int, seed: int = 2) -> State:
    g = generator(seed)
    z = torch.multinomial(m.log_w.exp(), n, replacement=True, generator=g)
    normal = torch.randn(n, m.mean.shape[1], generator=g, dtype=torch.float64)
    return State(*correlated.draw(m, z, normal, torch.rand(n, len(m.sizes), generator=g)), None)


def test_the_density_is_that_of_scipy_in_batches_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    m = some()
    rows = rows_of(m, 30)
    wanted = np.zeros((30, 3))
    for z in range(3):
        law = stats.multivariate_normal(m.mean[z].numpy(), (m.root[z] @ m.root[z].T).numpy())
        tables = sum(table[z, rows.c[:, i]] for i, table in enumerate(m.tables))
        wanted[:, z] = law.logpdf(rows.x.numpy()) + m.log_w[z].item() + np.asarray(tables)
    found = correlated.log_density(m, rows)
    np.testing.assert_allclose(found, np.logaddexp.reduce(wanted, 1), rtol=1e-10)
    monkeypatch.setattr(mixture, "CHUNK", 25)
    assert torch.allclose(correlated.log_density(m, rows), found, rtol=1e-12)


def test_draws_have_mean_covariance_and_frequencies_of_their_component() -> None:
    m, n = some(), 40_000
    for z in range(3):
        g = generator(z)
        normal = torch.randn(n, 2, generator=g, dtype=torch.float64)
        x, c = correlated.draw(m, torch.full((n,), z), normal, torch.rand(n, 2, generator=g))
        covariance = m.root[z] @ m.root[z].T
        assert torch.allclose(x.mean(0), m.mean[z], atol=4 * float(covariance.diagonal().max() / n) ** 0.5)
        assert torch.allclose(x.T.cov(), covariance, atol=0.05 * float(covariance.diagonal().max()))
        for i, table in enumerate(m.tables):
            share = torch.bincount(c[:, i], minlength=m.sizes[i]) / n
            assert torch.allclose(share.double(), table[z].exp(), atol=0.015)


def test_a_row_is_the_same_whatever_is_drawn_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    m, whole = some(), rows_of(some(), 50)
    monkeypatch.setattr(correlated, "batches", lambda n, width: (slice(i, i + 1) for i in range(n)))
    alone = rows_of(m, 50)
    assert torch.equal(alone.x, whole.x)
    assert torch.equal(alone.c, whole.c)


def responsibilities(n: int, Z: int) -> torch.Tensor:
    return torch.randn(n, Z, generator=generator(5), dtype=torch.float64).softmax(1)


def test_nothing_tied_is_the_full_covariance_of_scikit_learn() -> None:
    """One maximisation from the same responsibilities, with next to no prior."""
    x = rows_of(some(d=3, sizes=()), 400).x
    r, none = responsibilities(400, 3), torch.empty(400, 0, dtype=torch.int64)
    em = CorrelatedEM(smooth=1e-12, spread=1e-12, least_std=1e-9, tied=1e-12)
    found = maximised(r, x, none, (), em.prior(x, none, ()), em.tied)
    theirs = GaussianMixture(3, covariance_type="full", reg_covar=1e-15)
    theirs._initialize(x.numpy(), r.numpy())
    np.testing.assert_allclose(found.log_w.exp(), theirs.weights_, rtol=1e-8)
    np.testing.assert_allclose(found.mean, theirs.means_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.root @ found.root.mT, theirs.covariances_, rtol=1e-6, atol=1e-9)


def test_all_tied_is_one_covariance_for_all_components() -> None:
    x = rows_of(some(d=3, sizes=()), 400).x
    r, none = responsibilities(400, 3), torch.empty(400, 0, dtype=torch.int64)
    em = CorrelatedEM(smooth=1e-12, spread=1e-12, least_std=1e-9, tied=1e12)
    found = maximised(r, x, none, (), em.prior(x, none, ()), em.tied)
    theirs = GaussianMixture(3, covariance_type="tied", reg_covar=1e-15)
    theirs._initialize(x.numpy(), r.numpy())
    for root in found.root:
        np.testing.assert_allclose(root @ root.T, theirs.covariances_, rtol=1e-6, atol=1e-9)


def test_weights_means_and_tables_are_those_of_the_mixture_of_products() -> None:
    m = some()
    rows = rows_of(m, 300)
    prior = EM().prior(rows.x, rows.c, m.sizes)
    plain = EM().begin(rows.x, rows.c, m.sizes, prior, 4, 0)
    wanted = maximisation(expectation(plain, rows.x, rows.c)[0], m.sizes, prior)
    r = mixture.evidence(plain, rows.x, rows.c).softmax(1)
    found = maximised(r, rows.x, rows.c, m.sizes, prior, 4.0)
    for name in ("log_w", "mean", "log_p"):
        assert torch.allclose(getattr(found, name), getattr(wanted, name), rtol=1e-9, atol=1e-12), name


def test_two_leaning_components_are_found_again_and_tell_more_than_products() -> None:
    """An X of two narrow Gaussians: independent columns see a cross, many of them are needed."""
    root = torch.tensor([[[1.0, 0.0], [0.95, 0.1]], [[1.0, 0.0], [-0.95, 0.1]]], dtype=torch.float64)
    half = torch.full((2,), math.log(0.5), dtype=torch.float64)
    tables = torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64).log()
    truth = Correlated((2,), half, torch.zeros(2, 2, dtype=torch.float64), root, tables)
    rows, fresh = rows_of(truth, 2000), rows_of(truth, 2000, seed=3)
    found = CorrelatedEM(components=(1, 2), tied=0.1).estimate(rows, (2,), seed=0)
    assert found.components == 2
    best = float(correlated.log_density(truth, fresh).mean())
    assert float(correlated.log_density(found, fresh).mean()) > best - 0.03
    products = EM(components=(1, 2, 4, 8)).estimate(rows, (2,), seed=0)
    assert float(mixture.log_density(products, fresh).mean()) < best - 0.1


def test_labels_have_components_of_their_own_and_their_shares() -> None:
    m = some(sizes=(3,))
    rows = rows_of(m, 600)
    y = (rows.x[:, 0] > rows.x[:, 0].median()).long()
    data = State(rows.x, rows.c, y)
    found = labelled_mixture.estimate(CorrelatedEM(components=(1, 4)), data, (3,), seed=0)
    assert found.sizes == (3, 2)
    assert len(found.root) == found.components
    given = mixture.given_label(found).exp()
    assert torch.allclose(given @ found.mean, torch.stack([rows.x[y == k].mean(0) for k in (0, 1)]), atol=0.1)
    assert float(torch.logsumexp(found.log_w, 0)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("d", [0, 1, 3])
def test_every_width_is_fitted_and_columns_that_follow_exactly_stay_finite(d: int) -> None:
    x = torch.randn(120, 1, generator=generator(), dtype=torch.float64).expand(120, d).contiguous()
    c = torch.randint(2, (120, 1), generator=generator())
    found = CorrelatedEM(components=(1, 4)).estimate(State(x, c, None), (2,), seed=0)
    assert all(getattr(found, name).isfinite().all() for name in ("log_w", "mean", "root", "log_p"))
    assert correlated.log_density(found, State(x, c, None)).isfinite().all()


def test_wide_tables_have_fewer_components(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correlated, "MOST", 5 * 4)
    x = 10.0 * torch.randint(0, 8, (400, 1), generator=generator()).double() + torch.randn(
        400, 2, generator=generator(), dtype=torch.float64
    )
    found = CorrelatedEM(components=(1, 4, 8)).estimate(
        State(x, torch.empty(400, 0, dtype=torch.int64), None), (), seed=0
    )
    assert found.components == 4


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="tied must be positive, got 0"):
        CorrelatedEM(tied=0.0)
