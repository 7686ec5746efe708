"""The categorical bound of a training step, flat and with its own gradient, against the definition column by column."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tabstep.diffusion import multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.schedule import make
from tabstep.diffusion.step_bound import posterior, step_bound

F64 = torch.float64
SIZES = st.lists(st.integers(2, 9), min_size=1, max_size=5).map(tuple)
Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def batch(sizes: tuple[int, ...], n: int, seed: int, spread: float = 3.0) -> Batch:
    """Scores, clean and noisy classes, half of which are the clean ones, and alpha_bar; some rows are at time 1."""
    g = torch.Generator().manual_seed(seed)
    alpha_bar = make("cosine", 100).alpha_bar
    t = torch.randint(1, 101, (n,), generator=g)
    t[: n // 4] = 1
    c_0, other = (torch.stack([torch.randint(K, (n,), generator=g) for K in sizes], 1) for _ in range(2))
    c_t = torch.where(torch.rand(c_0.shape, generator=g) < 0.5, c_0, other)
    scores = spread * torch.randn(n, sum(sizes), generator=g, dtype=F64)
    return scores, c_0, c_t, alpha_bar[t].unsqueeze(1), alpha_bar[t - 1].unsqueeze(1)


def by_columns(scores: Tensor, c_0: Tensor, c_t: Tensor, a_t: Tensor, a_s: Tensor, blocks: Blocks) -> Tensor:
    views = blocks.each(blocks.log_softmax(scores))
    kl = [multinomial.kl_step(v, c_0[:, g.columns], c_t[:, g.columns], a_t, a_s) for g, v in views]
    return torch.cat(kl, 1)


@settings(max_examples=60, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 10_000))
def test_values_and_gradient_are_those_of_the_bound_by_columns(sizes: tuple[int, ...], seed: int) -> None:
    blocks, (scores, *rest) = Blocks(sizes), batch(sizes, 32, seed)
    weights = torch.rand(32, len(sizes), generator=torch.Generator().manual_seed(seed), dtype=F64)
    found = []
    for bound in (by_columns, step_bound):
        of = scores.clone().requires_grad_()
        kl = bound(of, *rest, blocks)
        (weights * kl).sum().backward()  # type: ignore[no-untyped-call]
        assert of.grad is not None
        found.append((kl.detach(), of.grad))
    (kl, by_score), (ours, ours_by_score) = found
    assert torch.allclose(ours, kl, rtol=1e-9, atol=1e-10)
    assert torch.allclose(ours_by_score, by_score, rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    sizes = (3, 2, 2)
    scores, *rest = batch(sizes, 8, 0)
    assert torch.autograd.gradcheck(  # type: ignore[no-untyped-call]
        lambda z: step_bound(z, *rest, Blocks(sizes)), (scores.requires_grad_(),), atol=1e-7
    )


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 10_000))
def test_the_three_values_of_q_are_a_distribution(sizes: tuple[int, ...], seed: int) -> None:
    _, c_0, c_t, a_t, a_s = batch(sizes, 32, seed)
    K, same = torch.tensor(sizes, dtype=F64), c_0 == c_t
    q = posterior(same, a_t, a_s, K)
    assert torch.allclose(q.clean + q.noisy + (K - 2 + same.double()) * q.rest, torch.ones(1, dtype=F64))


@settings(max_examples=30, deadline=None)
@given(sizes=SIZES, seed=st.integers(0, 10_000))
def test_no_divergence_is_negative_and_what_knows_the_clean_class_has_none(
    sizes: tuple[int, ...], seed: int
) -> None:
    blocks, (scores, c_0, *rest) = Blocks(sizes), batch(sizes, 32, seed)
    assert (step_bound(scores, c_0, *rest, blocks) > -1e-12).all()
    sure = 80 * blocks.one_hot(c_0, F64)
    assert step_bound(sure, c_0, *rest, blocks).abs().max() < 1e-9


@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_single_precision_is_near_double(spread: float) -> None:
    """Also where a network is sure, and wrong."""
    sizes = (2, 40, 100, 3)
    blocks, (scores, *rest) = Blocks(sizes), batch(sizes, 256, 1, spread)
    found = []
    for dtype in (F64, torch.float32):
        of = scores.to(dtype).clone().requires_grad_()
        kl = step_bound(of, *rest, blocks)
        kl.mean().backward()  # type: ignore[no-untyped-call]
        assert of.grad is not None
        found.append((kl.detach().double(), of.grad.double() * kl.numel()))
    (kl, by_score), (ours, ours_by_score) = found
    assert torch.isfinite(ours_by_score).all()
    assert ((ours - kl).abs() / (1e-2 + kl)).max() < 1e-3
    assert (ours_by_score - by_score).abs().max() < 1e-4


def test_no_columns_have_no_bound() -> None:
    none = torch.empty(4, 0)
    a = torch.full((4, 1), 0.5, dtype=F64)
    classes = torch.empty(4, 0, dtype=torch.int64)
    assert step_bound(none, classes, classes, a, a, Blocks(())).shape == (4, 0)
