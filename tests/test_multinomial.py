"""The categorical mathematics against enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tabstep.diffusion import multinomial
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import make
from tabstep.samplers import grid
from tests.oracle import (
    F64,
    TwoColumns,
    bare,
    matrices,
    mixed_table,
    output_of_two_columns,
    pairs,
    total_variation,
)


@pytest.mark.parametrize("K", [2, 5])
def test_skip_posterior_equals_bayes_on_products_of_one_step_matrices(K: int) -> None:
    schedule = make("cosine", 20)
    one_step = matrices(schedule, K)
    for s in range(20):
        for t in range(s + 1, 21):
            to_s = torch.linalg.multi_dot(
                [torch.eye(K, dtype=F64), *one_step[1 : s + 1], torch.eye(K, dtype=F64)]
            )
            s_to_t = torch.linalg.multi_dot([torch.eye(K, dtype=F64), *one_step[s + 1 : t + 1]])
            bayes = to_s.unsqueeze(1) * s_to_t.T  # (c_0, c_t, c_s)
            bayes = bayes / bayes.sum(-1, keepdim=True)
            c_0, c_t = pairs(K)
            log_one_hot = torch.nn.functional.one_hot(c_0, K).to(F64).clamp(min=1e-300).log()
            ours = multinomial.log_posterior(log_one_hot, c_t, schedule.at(t), schedule.at(s)).exp()
            assert (ours[:, 0].reshape(K, K, K) - bayes).abs().max() < 1e-12


def test_plug_in_of_loo_and_mixture_of_full_are_exact_and_plug_in_of_full_is_not() -> None:
    world = TwoColumns.dependent(20)
    columns = pairs(4)
    worst_bug = 0.0
    for t in range(1, 21):
        for s in range(t):
            a_t, a_s = world.schedule.at(t), world.schedule.at(s)
            for log_loo, c, exact in zip(world.log_loo(a_t), columns, world.posterior(t, s), strict=True):
                plug_in = multinomial.log_posterior(log_loo, c, a_t, a_s).exp()[:, 0]
                assert (plug_in - exact).abs().max() < 1e-12
                full = multinomial.log_full(log_loo, c, a_t)
                eye = torch.eye(4, dtype=F64).clamp(min=1e-300).log()
                mixture = sum(
                    full[..., k].exp()
                    * multinomial.log_posterior(eye[k].expand(16, 1, 4), c, a_t, a_s).exp()[:, 0]
                    for k in range(4)
                )
                assert (mixture - exact).abs().max() < 1e-12
                bug = multinomial.log_posterior(full, c, a_t, a_s).exp()[:, 0]
                worst_bug = max(worst_bug, float((bug - exact).abs().max()))
    assert worst_bug > 0.05


def test_full_head_equals_enumeration_and_converts_back() -> None:
    world = TwoColumns.dependent(20)
    for t in (1, 7, 20):
        a_t = world.schedule.at(t)
        channel = world.channel(a_t)
        joint = torch.einsum("ab,at,bu->tuab", world.P, channel, channel).reshape(16, 4, 4)
        exact = (joint.sum(2), joint.sum(1))
        for log_loo, c, e in zip(world.log_loo(a_t), pairs(4), exact, strict=True):
            full = multinomial.log_full(log_loo, c, a_t)
            assert (full.exp()[:, 0] - e / e.sum(1, keepdim=True)).abs().max() < 1e-12
            assert (multinomial.log_loo(full, c, a_t) - log_loo).abs().max() < 1e-10


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_multinomial_ddim_keeps_the_marginal(share: float) -> None:
    schedule, K = make("cosine", 20), 5
    c_0, c_t = pairs(K)
    for t, s in [(20, 7), (9, 8), (3, 0), (1, 0)]:
        a_t, a_s = schedule.at(t), schedule.at(s)
        sigma = share * multinomial.stay_probability(a_t, a_s)
        p = multinomial.ddim_probabilities(torch.nn.functional.one_hot(c_0, K).to(F64), c_t, a_t, a_s, sigma)[
            :, 0
        ]
        assert p.min() > -1e-15
        assert (p.sum(1) - 1).abs().max() < 1e-12
        q_t = a_t * torch.eye(K, dtype=F64) + (1 - a_t) / K
        q_s = a_s * torch.eye(K, dtype=F64) + (1 - a_s) / K
        assert ((q_t.unsqueeze(-1) * p.reshape(K, K, K)).sum(1) - q_s).abs().max() < 1e-12


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_stay_or_jump_draws_follow_the_mixture(eta: float) -> None:
    world = mixed_table()
    process, n, t, s = world.process(), 200_000, 700, 400
    c = torch.tensor([[1, 2]]).expand(n, 2)
    log_pi = torch.tensor([0.2, 0.5, 0.3, 0.1, 0.2, 0.3, 0.4], dtype=F64).log().expand(n, 7)
    drawn = process.stay_or_jump(log_pi, c, t, s, process.noise(3, 0, n), eta=eta)
    a_t, a_s = world.schedule.at(t), world.schedule.at(s)
    sigma = (1 - eta) * multinomial.stay_probability(a_t, a_s)
    full = process.log_full(log_pi[:1], c[:1], t).exp()
    for j, cut in enumerate((slice(0, 3), slice(3, 7))):
        p = multinomial.ddim_probabilities(full[:, cut].unsqueeze(1), c[:1, j : j + 1], a_t, a_s, sigma)[0, 0]
        counts = torch.bincount(drawn[:, j], minlength=len(p))
        assert stats.chisquare(counts.numpy(), (p * n).numpy()).pvalue > 1e-4


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("plug-in/loo", {5: 0.250, 10: 0.094, 50: 0.0137, 1000: 0.0006}),
        ("stay/full", {5: 0.233, 10: 0.086, 50: 0.0124, 1000: 0.0006}),
        ("no-stay/full", {5: 0.280, 10: 0.139, 50: 0.0289, 1000: 0.0026}),
        ("plug-in/full", {5: 0.507, 10: 0.477, 50: 0.464, 1000: 0.461}),
        ("stay/loo", {5: 0.604, 10: 0.447, 50: 0.289, 1000: 0.167}),
        ("no-stay/loo", {5: 0.675, 10: 0.675, 50: 0.675, 1000: 0.675}),
    ],
)
def test_exact_chain_of_two_columns(step: str, expected: dict[int, float]) -> None:
    world = TwoColumns.dependent()
    for K, value in expected.items():
        out = output_of_two_columns(world, grid.linspace(bare(1000), K), step)
        assert total_variation(out, world.P) == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize("step", ["plug-in/loo", "stay/full"])
def test_one_step_gives_the_product_of_marginals(step: str) -> None:
    world = TwoColumns.dependent()
    out = output_of_two_columns(world, (1000, 0), step)
    assert (out - world.P.sum(1, keepdim=True) * world.P.sum(0)).abs().max() < 1e-6


@settings(max_examples=40, deadline=None)
@given(K=st.integers(2, 9), T=st.sampled_from([20, 100, 1000]), seed=st.integers(0, 10_000))
def test_training_kl_equals_the_definition(K: int, T: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    schedule, n = make("cosine", T), 64
    log_pi = torch.randn(n, 2, K, generator=g, dtype=F64).log_softmax(-1)
    c_0, c_t = (torch.randint(K, (n, 2), generator=g) for _ in range(2))
    t = torch.randint(1, T + 1, (n,), generator=g)
    t[:4] = 1
    a = schedule.alpha_bar
    ours = multinomial.kl_step(log_pi, c_0, c_t, a[t].unsqueeze(1), a[t - 1].unsqueeze(1))
    for i in range(n):
        one_hot = torch.nn.functional.one_hot(c_0[i : i + 1], K).to(F64).clamp(min=1e-300).log()
        log_q = multinomial.log_posterior(one_hot, c_t[i : i + 1], float(a[t[i]]), float(a[t[i] - 1]))
        log_p = multinomial.log_posterior(
            log_pi[i : i + 1], c_t[i : i + 1], float(a[t[i]]), float(a[t[i] - 1])
        )
        kl = (log_q.exp() * (log_q - log_p)).sum(-1)[0]
        assert torch.allclose(ours[i], kl, atol=1e-9, rtol=1e-7)
    first = multinomial.log_posterior(log_pi[:4], c_t[:4], schedule.at(1), 1.0)
    nll = -first.gather(-1, c_0[:4].unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(ours[:4], nll, atol=1e-9)


def test_per_column_normaliser_in_float32_survives_sixty_columns_of_a_hundred_classes() -> None:
    blocks = Blocks((100,) * 60)
    logits = torch.randn(8, blocks.width, generator=torch.Generator().manual_seed(0), dtype=F64) * 12
    single = blocks.log_softmax(logits.float()).double()
    assert ((single - blocks.log_softmax(logits)).abs() / (1 + blocks.log_softmax(logits).abs())).max() < 1e-5
    small = torch.tensor([[0.0] * 99 + [-60.0]]).repeat(1, 60)
    assert torch.allclose(
        blocks.log_softmax(small)[0, 99], torch.tensor(-60.0 - math.log(99 + math.exp(-60))), rtol=1e-5
    )


def test_gumbel_draws_follow_the_given_probabilities() -> None:
    blocks, n = Blocks((2, 5)), 200_000
    p = torch.tensor([0.9, 0.1, 0.05, 0.15, 0.5, 0.2, 0.1])
    noise = Noise(0, 0, n, 0, blocks)
    drawn = blocks.argmax(p.log().expand(n, 7), noise.gumbel())
    for j, cut in enumerate((slice(0, 2), slice(2, 7))):
        counts = torch.bincount(drawn[:, j], minlength=cut.stop - cut.start).numpy()
        assert stats.chisquare(counts, (p[cut] / p[cut].sum()).numpy() * n).pvalue > 1e-4
