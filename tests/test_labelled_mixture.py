"""A mixture whose components have labels: exact shares of labels, rows by label, few rows of a label."""

from __future__ import annotations

import math

import pytest
import torch

from tabstep.diffusion import labelled_mixture, mixture
from tabstep.diffusion.mixed import State
from tabstep.diffusion.mixture_em import EM

SIZES = (3,)


def rows(counts: list[int]) -> State:
    """Label y has numbers around (3 y, -3 y) and mostly the class y % 3."""
    torch.manual_seed(0)
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    x = torch.randn(len(y), 2, dtype=torch.float64) + 3.0 * torch.stack([y, -y], 1)
    c = torch.where(torch.rand(len(y)) < 0.9, y % 3, (y + 1) % 3).unsqueeze(1)
    mix = torch.randperm(len(y))
    return State(x[mix], c[mix], y[mix])


@pytest.mark.parametrize("counts", [[300, 100], [200, 80, 10, 5], [30, 20], [100, 1], [100, 0, 60]])
def test_labels_have_their_shares_and_their_rows(counts: list[int]) -> None:
    data = rows(counts)
    found = labelled_mixture.estimate(EM(components=(1, 4)), data, SIZES, seed=0)
    assert found.sizes == (*SIZES, len(counts))
    assert float(found.log_w.exp().sum()) == pytest.approx(1)
    there = torch.tensor([y for y, n in enumerate(counts) if n])
    share = mixture.log_label(found, there).exp()
    # Exact for a label with components of its own; those that share lack the held rows.
    assert torch.allclose(share, torch.tensor(counts, dtype=torch.float64)[there] / sum(counts), atol=0.05)
    given = mixture.given_label(found).exp()
    for y, n in enumerate(counts):
        if n >= labelled_mixture.LEAST_ROWS:
            assert torch.allclose(given[y] @ found.mean, data.x[data.y == y].mean(0), atol=0.2)
            assert float((given[y] @ found.tables[0].exp())[y % 3]) == pytest.approx(0.9, abs=0.06)


def test_without_labels_and_with_one_it_is_the_plain_mixture() -> None:
    data, settings = rows([200]), EM(components=(1, 4))
    plain = settings.estimate(data._replace(y=None), SIZES, seed=1)
    none = labelled_mixture.estimate(settings, data._replace(y=None), SIZES, seed=1)
    one = labelled_mixture.estimate(settings, data, SIZES, seed=1)
    for name in ("log_w", "mean", "var"):
        assert torch.equal(getattr(plain, name), getattr(none, name))
        assert torch.allclose(getattr(plain, name), getattr(one, name))
    assert torch.allclose(one.log_p[:, :3], plain.log_p)


def test_it_tells_labels_where_a_joint_mixture_of_the_same_size_does_not() -> None:
    """Two labels that differ in one column of six, whose other columns have clusters that say nothing of the label."""
    torch.manual_seed(1)
    n = 2000
    y = torch.randint(2, (n,))
    x = 4.0 * torch.randint(0, 2, (n, 6)).double() + torch.randn(n, 6, dtype=torch.float64)
    x[:, 0] = y + 0.7 * torch.randn(n, dtype=torch.float64)
    data = State(x, torch.zeros(n, 0, dtype=torch.int64), y)
    joint = EM(components=(8,)).estimate(data, (2,), seed=0)
    own = labelled_mixture.estimate(EM(components=(4,)), data, (), seed=0)
    assert joint.components == own.components
    apart = [(mixture.given_label(m).exp() @ m.mean)[:, 0].diff().item() for m in (joint, own)]
    true = float(x[y == 1, 0].mean() - x[y == 0, 0].mean())
    assert abs(apart[1] - true) < 0.05 < true - apart[0]


def test_what_a_component_cannot_have_is_finite() -> None:
    found = labelled_mixture.estimate(EM(components=(1,)), rows([60, 60]), SIZES, seed=0)
    assert torch.isfinite(found.log_p).all()
    assert float(mixture.given_label(found).exp()[0, 1]) < math.exp(labelled_mixture.NEVER + 1)


def test_components_drawn_by_label_are_those_of_copied_rows() -> None:
    found = labelled_mixture.estimate(EM(components=(1, 4)), rows([300, 100, 20]), SIZES, seed=0)
    given, label = mixture.given_label(found), torch.randint(3, (5000,))
    u = torch.rand(5000, 1)
    assert torch.equal(mixture.component_of(given, label, u), mixture.component(given[label], u))
    ends = torch.tensor([[0.0], [1.0]])
    assert torch.equal(
        mixture.component_of(given, label[:2], ends), mixture.component(given[label[:2]], ends)
    )
