"""Rows to noise and back: by each inversion, with every class, along laws that stay what they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from scipy.stats import gumbel_r, kstest, norm
from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Process, State
from tabstep.samplers import latent as latents
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.grid import trailing
from tabstep.samplers.inversion import INVERSIONS, PHANTOM, Backward, Chain
from tabstep.samplers.latent import Latent, between, decode, encode
from tabstep.samplers.setting import Setting
from tests.oracle import F64, RowTimes, bare, mixed_table
from tests.test_deq import network_process

WORLD = mixed_table()


def process() -> Process:
    plain = WORLD.process()
    return replace(plain, denoiser=RowTimes(plain.denoiser))


def drawn(latent: Latent, classes: list[Tensor]) -> Tensor:
    """Clean numbers of DDIM beside given classes, step by step."""
    x, known = latent.x_T, process()
    for (t, s), c in zip(pairwise(latent.path), classes, strict=False):
        x0_hat = known.predict(State(x, c, None), t, clip_x0=True).x0_hat
        x = gaussian.ddim_step(x, x0_hat, known.schedule.at(t), known.schedule.at(s), None, eta=0.0)
    return x


@pytest.mark.parametrize("method", ["upward", "newton"])
@pytest.mark.parametrize("K", [1, 5, 20])
def test_rows_come_back_with_their_classes(method: str, K: int) -> None:
    clean = WORLD.state(128, seed=5)
    path = trailing(bare(1000), K)
    latent = encode(process(), path, clean, process().noise(3, 0, 128), INVERSIONS[method])
    back = decode(process(), latent)
    assert torch.equal(back.c, clean.c)
    error = (back.x - clean.x).square().mean()
    if K > 1:  # one step from pure noise says the mean of the table whatever the noise
        assert error < {"upward": 0.2, "newton": 1e-12}[method]


@pytest.mark.parametrize(
    ("method", "K", "bar"),
    [
        ("newton", 5, 1e-8),
        ("newton", 20, 1e-8),
        ("joint", 5, 1e-8),
        pytest.param("phantom", 5, 1e-8, marks=pytest.mark.slow),  # the same search, by another gradient
    ],
)
def test_noise_is_found_again(method: str, K: int, bar: float) -> None:
    path, n = trailing(bare(1000), K), 8
    latent = encode(process(), path, WORLD.state(n, seed=5), process().noise(3, 0, n), INVERSIONS["upward"])
    latent = replace(latent, x_T=process().noise(1, 0, n).x_T())
    classes, _, _ = latents._hindsight(process(), path, WORLD.state(n, seed=5).c, process().noise(3, 0, n))
    clean = State(drawn(latent, classes), classes[-1], None)
    found = INVERSIONS[method](process(), path, clean, classes)
    assert (found - latent.x_T).square().mean() < bar


@pytest.mark.whole
def test_the_error_of_running_backwards_halves_with_twice_the_steps() -> None:
    clean, errors = WORLD.state(256, seed=5), []
    for K in (20, 40, 80, 160):
        path = trailing(bare(1000), K)
        latent = encode(process(), path, clean, process().noise(3, 0, 256), INVERSIONS["upward"])
        errors.append(float((decode(process(), latent).x - clean.x).square().mean().sqrt()))
    ratios = [a / b for a, b in pairwise(errors)]
    assert all(1.5 < ratio < 2.3 for ratio in ratios), ratios


@pytest.mark.parametrize("K", [2, 6])
def test_the_implicit_gradient_is_that_through_the_chain(K: int) -> None:
    known = network_process(3, (3, 4))
    path = trailing(bare(100), K)
    noise = known.noise(1, 0, 7)  # with it no row is clipped all the way
    x_T, target = noise.x_T().requires_grad_(), noise.normal()
    classes = [noise.c_T() for _ in range(K + 1)]
    x = x_T
    for (t, s), c in zip(pairwise(path), classes, strict=False):
        x0_hat = known.predict(State(x, c, None), t, clip_x0=True).x0_hat
        x = gaussian.ddim_step(x, x0_hat, known.schedule.at(t), known.schedule.at(s), None, eta=0.0)
    (wanted,) = torch.autograd.grad((x - target).square().sum(), x_T)
    chain = Chain.of(known, path, classes, None)
    z = chain.solve(x_T.detach(), tol=0.0)
    found = chain.gradient(x_T.detach(), z, lambda end: (end - target).square().sum(), Backward(K + 1, 1.0))
    assert wanted.abs().max() > 1e-3
    assert torch.allclose(found, wanted, atol=1e-8, rtol=0)
    if K > 2:  # fewer sweeps than the chain is long leave part of it out
        short = chain.gradient(x_T.detach(), z, lambda end: (end - target).square().sum(), Backward(2, 1.0))
        assert not torch.allclose(short, wanted, atol=1e-8, rtol=0)


@pytest.mark.parametrize("back", [PHANTOM, Backward(1, 0.3), Backward(9, 1.0)], ids=str)
def test_a_phantom_gradient_is_that_through_damped_steps_at_the_fixed_point(back: Backward) -> None:
    known, K = network_process(3, (3, 4)), 6
    noise = known.noise(1, 0, 7)
    x_T, target = noise.x_T(), noise.normal()
    chain = Chain.of(known, trailing(bare(100), K), [noise.c_T() for _ in range(K + 1)], None)
    fixed = chain.solve(x_T, tol=0.0)

    start = x_T.clone().requires_grad_()
    z = fixed
    for _ in range(back.sweeps):
        F = chain.positions(start, chain.clean(torch.cat([start.unsqueeze(0), z])))
        z = (1 - back.damping) * z + back.damping * F
    end = chain.clean(torch.cat([start.unsqueeze(0), z]))[-1]
    (wanted,) = torch.autograd.grad((end - target).square().sum(), start)

    found = chain.gradient(x_T, fixed, lambda end: (end - target).square().sum(), back)
    assert wanted.abs().max() > 1e-3
    assert torch.allclose(found, wanted, atol=1e-9, rtol=0)


def test_many_damped_sweeps_come_to_the_implicit_gradient() -> None:
    known, K = network_process(3, (3, 4)), 6
    noise = known.noise(1, 0, 7)
    x_T, target = noise.x_T(), noise.normal()
    chain = Chain.of(known, trailing(bare(100), K), [noise.c_T() for _ in range(K + 1)], None)
    z = chain.solve(x_T, tol=0.0)
    exact, one, few, many = (
        chain.gradient(x_T, z, lambda end: (end - target).square().sum(), back)
        for back in (Backward(K + 1, 1.0), Backward(1, 0.5), PHANTOM, Backward(200, 0.5))
    )
    assert torch.allclose(many, exact, atol=1e-9, rtol=0)
    assert (few - exact).norm() < (one - exact).norm()
    assert float((few * exact).sum()) > 0


def test_noise_given_the_winner_is_noise_with_that_winner() -> None:
    blocks, n = Blocks((3, 4)), 20_000
    torch.manual_seed(0)
    log_p = blocks.log_softmax(2 * torch.randn(n, 7, dtype=F64))
    free = [-torch.empty(n, 7, dtype=F64).exponential_().log() for _ in range(2)]
    winner = blocks.argmax(log_p, free[0])
    given = latents._won_by(blocks, log_p, winner, free[1])
    assert torch.equal(blocks.argmax(log_p, given), winner)
    for j in range(7):  # winners of their own law: what is drawn given them is Gumbel noise again
        assert kstest(given[:, j].numpy(), gumbel_r.cdf).pvalue > 1e-3
    forced = torch.zeros_like(winner)
    assert torch.equal(blocks.argmax(log_p, latents._won_by(blocks, log_p, forced, free[1])), forced)


def latent_of(seed: int, n: int, K: int = 5) -> Latent:
    path, clean = trailing(bare(1000), K), WORLD.state(n, seed)
    return encode(process(), path, clean, process().noise(seed, 0, n), INVERSIONS["newton"])


def test_the_way_between_two_rows_begins_and_ends_at_them() -> None:
    a, b = (replace(latent_of(seed, 1), y=torch.tensor([seed])) for seed in (5, 6))
    way = between(a, b, torch.linspace(0, 1, 7))
    assert way.y is not None
    assert way.y.tolist() == [5, 5, 5, 6, 6, 6, 6]
    rows = decode(process(), replace(way, y=None))
    for end, seed in ((0, 5), (-1, 6)):
        wanted = WORLD.state(1, seed)
        assert torch.allclose(rows.x[end], wanted.x[0], atol=1e-6, rtol=0)
        assert torch.equal(rows.c[end], wanted.c[0])


def test_the_way_between_leads_through_noise() -> None:
    n = 3000
    torch.manual_seed(0)

    def pure() -> Latent:
        gumbel = -torch.empty(2, n, 7, dtype=F64).exponential_().log()
        return Latent(
            (1000, 500, 0),
            torch.randn(n, 3, dtype=F64),
            torch.rand(n, 2, dtype=F64),
            torch.rand(2, n, 2, dtype=F64),
            gumbel,
            None,
        )

    way = between(pure(), pure(), torch.full((n,), 0.3))
    assert kstest(way.x_T.flatten().numpy(), norm.cdf).pvalue > 1e-3
    assert kstest(way.start.flatten().numpy(), "uniform").pvalue > 1e-3
    assert kstest(way.uniform.flatten().numpy(), "uniform").pvalue > 1e-3
    assert kstest(way.gumbel.flatten().numpy(), gumbel_r.cdf).pvalue > 1e-3


def test_decoding_draws_what_ddim_draws_from_the_same_noise() -> None:
    known, path, n = process(), trailing(bare(1000), 5), 40
    noise = known.noise(2, 0, n)
    x_T, c_T = noise.x_T(), noise.c_T()
    sizes = torch.tensor(known.blocks.sizes)
    uniform = torch.stack([noise.uniform() for _ in range(5)])
    gumbel = torch.stack([noise.gumbel() for _ in range(5)])
    latent = Latent(path, x_T, (c_T + 0.5) / sizes, uniform, gumbel, None)
    wanted = DDIM().prepare(Setting(known), path)(known.noise(2, 0, n), None)
    found = decode(known, latent)
    assert torch.equal(found.x, wanted.x)
    assert torch.equal(found.c, wanted.c)
