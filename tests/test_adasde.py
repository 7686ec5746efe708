"""Amounts of noise that are learned: none is DDIM, any keeps the law that a perfect network knows, some mend errors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.diffusion.schedule import make
from tabstep.samplers import adasde
from tabstep.samplers.adasde import AdaSDE, added, noised_signal, time_of, walk
from tabstep.samplers.by_critic import ByCritic
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Artifacts, Setting
from tests.oracle import F64, LatentClass, bare, mixed_table, normal_columns, total_variation

BRIEF = ByCritic(features=("rows",), steps=3, ahead=2, batch_rows=64, check_every=3, width=8, bins=2)


def amounts(*values: float) -> Tensor:
    return torch.tensor(values, dtype=F64)


@pytest.mark.parametrize("K", [1, 2, 5])
@pytest.mark.parametrize("clip_x0", [True, False])
def test_without_noise_it_is_ddim(K: int, clip_x0: bool) -> None:
    process, path = mixed_table().process(bound=1.5), trailing(bare(1000), K)
    wanted = DDIM(clip_x0=clip_x0).prepare(Setting(process), path)(process.noise(3, 0, 200), None)
    x, one_hot = walk(
        process, path, amounts(*[0.0] * (K - 1)), process.noise(3, 0, 200), None, clip_x0=clip_x0
    )
    assert torch.allclose(x, wanted.x, atol=1e-10, rtol=0)
    assert torch.equal(one_hot, process.blocks.one_hot(wanted.c, F64))


def test_what_is_added_is_what_the_forward_process_adds() -> None:
    for a in (0.01, 0.5, 0.98):
        for n in (0.0, 0.3, 2.0):
            was, more = torch.tensor(a, dtype=F64), torch.tensor(n, dtype=F64)
            then = noised_signal(was, more)
            assert float((1 - then) / then) == pytest.approx((1 + n**2) * (1 - a) / a)
            spread = then / was * (1 - was) + added(was, more) ** 2
            assert float(spread) == pytest.approx(float(1 - then))


def test_a_time_is_where_so_much_signal_is_left() -> None:
    schedule = make("cosine", 1000)
    for t in (1, 2, 17, 500, 999, 1000):
        assert float(time_of(schedule, schedule.alpha_bar[t])) == pytest.approx(t, abs=1e-6)
    between = (schedule.alpha_bar[500] + schedule.alpha_bar[501]) / 2
    assert 500 < float(time_of(schedule, between)) < 501


@pytest.mark.whole
@pytest.mark.parametrize("squared", [4, 64])
def test_any_amount_keeps_the_law_of_numbers(squared: float) -> None:
    """One normal column, whose noise is known, and more of it whose variance falls as 1/K: so does the error."""
    world, n = normal_columns((0.25,)), 20_000
    process, left = world.process(bound=9.0), []
    for K in (100, 400):
        noise = process.noise(0, 0, n)
        x, _ = walk(
            process,
            trailing(bare(1000), K),
            amounts(*[(squared / K) ** 0.5] * (K - 1)),
            noise,
            None,
            clip_x0=False,
        )
        assert float(x.mean()) == pytest.approx(0, abs=0.02)
        left.append(float(x.std()) - 0.5)
    assert abs(left[1]) < 0.02
    assert abs(left[1]) < 0.5 * abs(left[0]) + 0.005


def test_any_amount_keeps_the_law_of_a_class() -> None:
    """A single column has no error of few steps: classes noised as the forward process does come back right."""
    law = torch.tensor([[0.6, 0.3, 0.1]], dtype=F64)
    one = torch.ones(1, dtype=F64)
    world = LatentClass(make("cosine", 1000), one, one.unsqueeze(1), one, (law,))
    process, n = world.process(), 40_000
    _, one_hot = walk(
        process,
        trailing(bare(1000), 5),
        amounts(0.7, 1.5, 0.3, 3),
        process.noise(0, 0, n),
        None,
        clip_x0=True,
    )
    assert total_variation(one_hot.mean(0), law[0]) < 0.01


def test_noise_forgets_what_a_wrong_step_did() -> None:
    """A network whose first call throws rows away by a constant: deterministic steps keep a part of it, noise less."""
    world, n = normal_columns((1.0,)), 20_000

    @dataclass(frozen=True)
    class Wrong:
        def __call__(self, x: Tensor, c: Tensor, t: Any, y: Tensor | None) -> tuple[Tensor, Tensor]:
            eps, scores = world(x, c, t, y)
            return (eps - 0.8 if float(t) > 900 else eps), scores

    process = replace(world.process(bound=9.0), denoiser=Wrong())
    path = (1000, 700, 400, 100, 0)
    kept = [
        float(
            walk(process, path, amounts(*[amount] * 3), process.noise(0, 0, n), None, clip_x0=True)[0].mean()
        )
        for amount in (0.0, 1.0, 3.0)
    ]
    assert kept[0] > 1.3 * kept[1] > 1.69 * kept[2] > 0


def test_the_gradient_reaches_every_amount() -> None:
    process = mixed_table().process()
    amount = amounts(0.4, 0.4, 0.4).requires_grad_()
    x, _ = walk(process, trailing(bare(1000), 4), amount, process.noise(0, 0, 50), None, clip_x0=False)
    x.square().mean().backward()  # type: ignore[no-untyped-call]
    assert amount.grad is not None
    assert (amount.grad != 0).all()


def of_errors(n: int) -> Setting:
    """Normal columns by a network that says too little noise far from the rows, so that DDIM's are too wide."""
    world = normal_columns((1.0, 1.0))

    def denoiser(x: Tensor, c: Tensor, t: Any, y: Tensor | None) -> tuple[Tensor, Tensor]:
        eps, scores = world(x, c, t, y)
        return (0.6 * eps if float(torch.as_tensor(t).detach()) > 600 else eps), scores

    whole = world.setting(n, bound=9.0)
    return replace(whole, process=replace(whole.process, denoiser=denoiser))


@pytest.mark.whole
def test_amounts_are_learned_where_a_network_errs_and_one_search_serves_all_draws(tmp_path: Any) -> None:
    setting = replace(of_errors(3000), artifacts=Artifacts(tmp_path))
    search = ByCritic(
        features=("rows",), steps=60, ahead=10, batch_rows=256, check_every=20, width=16, bins=4, lr=0.05
    )
    sampler = AdaSDE(by=search)
    path = trailing(setting, 5)
    first = sampler.prepare(setting, path)(setting.process.noise(0, 0, 50), None)
    (name,) = [each.stem for each in tmp_path.glob("adasde-5-*")]
    found = setting.artifacts.tensors(name, lambda: pytest.fail("it is there"))
    assert found["checked"].tolist() == [0, 0, 20, 40, 60]
    assert found["c2st"].min() < found["c2st"][0] - 0.02
    assert (found["amount"] >= 0).all()
    assert found["amount"].max() > 0.1
    other = replace(setting, artifacts=Artifacts(tmp_path))
    again = sampler.prepare(other, path)(other.process.noise(0, 0, 50), None)
    assert torch.equal(first.x, again.x)


@pytest.mark.whole
def test_nothing_is_added_where_nothing_is_shown_to_be_better() -> None:
    setting = mixed_table().setting(400)
    path = trailing(setting, 50)
    sampler = AdaSDE(by=replace(BRIEF, lr=0.0), begin=0.0, most=50)
    noise = setting.process.noise(1, 0, 30)
    found = sampler.prepare(setting, path)(noise, None)
    wanted = DDIM().prepare(setting, path)(setting.process.noise(1, 0, 30), None)
    assert torch.allclose(found.x, wanted.x, atol=1e-8)
    assert torch.equal(found.c, wanted.c)


def test_one_evaluation_has_nothing_to_add() -> None:
    setting = mixed_table().setting(300)
    path = trailing(setting, 1)
    found = AdaSDE(by=BRIEF).prepare(setting, path)(setting.process.noise(1, 0, 30), None)
    wanted = DDIM().prepare(setting, path)(setting.process.noise(1, 0, 30), None)
    assert torch.equal(found.x, wanted.x)


def test_what_it_is_not_for_is_said() -> None:
    setting = mixed_table().setting(300)
    with pytest.raises(Unsupported, match="up to 2 evaluations, not for 3"):
        AdaSDE(by=BRIEF, most=2).prepare(setting, trailing(setting, 3))
    with pytest.raises(Unsupported, match="begin in noise"):
        AdaSDE(by=BRIEF).prepare(setting, (200, 100, 0))
    with pytest.raises(ValueError, match=r"begin must be in \[0, 4\]"):
        AdaSDE(begin=-1)


def test_amounts_stay_in_their_range() -> None:
    numbers = {"amount": amounts(-1.0, 2.0, 9.0)}
    adasde.project(numbers)
    assert numbers["amount"].tolist() == [0, 2, adasde.LARGEST]
