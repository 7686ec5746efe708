"""Temperature changes the classes as the closed form says, and nothing else."""

from __future__ import annotations

import pytest
import torch

from tabstep.diffusion.schedule import make
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.setting import Sampler, Setting
from tabstep.samplers.tempered import Tempered
from tests.oracle import F64, LatentClass, mixed_table

ROWS = 40_000


def independent() -> LatentClass:
    """One latent class: the head is the frequencies of the column, whatever the rows and the time."""
    one = torch.ones(1, dtype=F64)
    P = (torch.tensor([[0.6, 0.3, 0.1]], dtype=F64), torch.tensor([[0.8, 0.2]], dtype=F64))
    return LatentClass(make("cosine", 100), one, torch.zeros(1, 1, dtype=F64), one, P)


def drawn(
    setting: Setting, sampler: Sampler, path: tuple[int, ...], n: int = ROWS
) -> tuple[torch.Tensor, torch.Tensor]:
    state = sampler.prepare(setting, path)(setting.process.noise(3, 0, n), None)
    return state.x, state.c


@pytest.mark.parametrize("update", [Ancestral(), DDIM()])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_one_step_draws_the_powered_frequencies(update: Sampler, temperature: float) -> None:
    world = independent()
    x, c = drawn(world.setting(), Tempered(update, temperature), (100, 0))
    for j, p in enumerate(world.P):
        wanted = p[0] ** (1 / temperature) / (p[0] ** (1 / temperature)).sum()
        found = torch.bincount(c[:, j], minlength=len(wanted)) / len(c)
        error = (wanted * (1 - wanted) / len(c)).sqrt()
        assert ((found - wanted).abs() < 4.5 * error + 1e-3).all(), "1e-3: of the signal left at T"
    assert torch.equal(x, drawn(world.setting(), update, (100, 0))[0]), "numbers do not see it"


@pytest.mark.parametrize("update", [Ancestral(), DDIM(eta=0.5, eta_cat=0.5)])
def test_at_one_it_is_the_update_itself(update: Sampler) -> None:
    setting = mixed_table(100).setting(n=100)
    path = (100, 60, 20, 0)
    x, c = drawn(setting, Tempered(update, 1.0), path, 2000)
    same_x, same_c = drawn(setting, update, path, 2000)
    assert torch.allclose(x, same_x)
    assert torch.equal(c, same_c)


def test_it_is_seen_as_its_update_is() -> None:
    sampler = Tempered(Ancestral(variance="small", clip_x0=False), 0.7)
    seen = mixed_table(10).setting(n=10).seen_by(sampler)
    assert (seen.variance, seen.clip_x0, sampler.grid) == ("small", False, "trailing")


def test_a_temperature_is_positive() -> None:
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        Tempered(DDIM(), 0)
