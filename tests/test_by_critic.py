"""Numbers that are learned from a critic: what is known already stays unless trees see less, and what was hidden from
a distance is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.diffusion.mixed import State
from tabstep.diffusion.noise import Noise
from tabstep.samplers import ggdm
from tabstep.samplers.by_critic import ByCritic
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.ddss import DDSS, Objective
from tabstep.samplers.ddss_critic import CriticDDSS
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Artifacts, Setting
from tests.oracle import F64, mixed_table, normal_columns

BRIEF = ByCritic(
    features=("rows",),
    steps=200,
    ahead=20,
    batch_rows=256,
    lr=0.02,
    check_every=50,
    width=32,
    bins=4,
    ema_decay=0.9,
)


def moved(numbers: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    return {name: value.detach() for name, value in numbers.items()}


def shifted(setting: Setting) -> Any:
    """Rows whose first column is a normal one, moved by `place` and drawn out by exp(`spread`)."""

    def rows(numbers: Mapping[str, Tensor], noise: Noise, y: Tensor | None) -> tuple[Tensor, Tensor]:
        z = noise.x_T()
        return numbers["place"] + numbers["spread"].exp() * z, z.new_zeros(len(z), 0)

    return rows


def begin(place: float, spread: float) -> dict[str, Tensor]:
    return {"place": torch.tensor([place], dtype=F64), "spread": torch.tensor([spread], dtype=F64)}


def nothing(numbers: Mapping[str, Tensor]) -> None:
    """There is no range to come back to."""


@pytest.mark.whole
def test_what_is_wrong_is_found_and_mended() -> None:
    """Real rows are normal with deviation .5 about 0."""
    setting = normal_columns((0.25,)).setting(2000)
    found = BRIEF.search(
        setting, [begin(0.4, -0.2)], shifted(setting), learned=["place", "spread"], project=nothing
    )
    assert float(found["place"]) == pytest.approx(0, abs=0.06)
    assert float(found["spread"].exp()) == pytest.approx(0.5, rel=0.12)
    assert found["checked"].tolist() == [0, 50, 100, 150, 200]
    assert found["c2st"].min() < 0.05 < found["c2st"][0]


@pytest.mark.whole
def test_only_what_is_named_is_learned() -> None:
    setting = normal_columns((0.25,)).setting(400)
    found = replace(BRIEF, steps=20, check_every=20).search(
        setting, [begin(0.4, -0.7)], shifted(setting), learned=["place"], project=nothing
    )
    assert float(found["spread"]) == -0.7


@pytest.mark.whole
def test_the_first_begin_stays_where_nothing_is_shown_to_be_better() -> None:
    setting = normal_columns((0.25,)).setting(1000)
    right, wrong = begin(0.0, -0.693), begin(0.8, 0.3)
    still = replace(BRIEF, steps=2, check_every=2, lr=0.0)
    kept = still.search(setting, [right, wrong], shifted(setting), learned=["place"], project=nothing)
    assert torch.equal(kept["place"], right["place"])
    other = still.search(setting, [wrong, right], shifted(setting), learned=["place"], project=nothing)
    assert torch.equal(other["place"], right["place"])
    assert other["c2st"][0] > other["c2st"][1]


@pytest.mark.whole
def test_numbers_come_back_to_where_they_make_sense() -> None:
    setting = normal_columns((0.25,)).setting(400)

    def project(numbers: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            numbers["place"].clamp_(0.3, 0.5)

    found = BRIEF.search(setting, [begin(0.5, -0.7)], shifted(setting), learned=["place"], project=project)
    assert float(found["place"]) == pytest.approx(0.3, abs=0.02)


@pytest.mark.whole
def test_a_descent_that_ends_in_nothing_finite_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = normal_columns((0.25,)).setting(300)

    def broken(*arguments: Any) -> Objective:
        return lambda x, one_hot, y, real: x.sum() * float("nan")

    monkeypatch.setattr("tabstep.samplers.by_critic.objective", broken)
    found = BRIEF.search(setting, [begin(0.4, -0.2)], shifted(setting), learned=["place"], project=nothing)
    assert found["checked"].tolist() == [0]
    assert float(found["place"]) == 0.4


def test_what_makes_no_sense_is_said() -> None:
    for name in ("steps", "batch_rows", "check_every", "width", "bins"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            ByCritic(**{name: 0})
    setting = normal_columns((0.25,)).setting(300)
    with pytest.raises(Unsupported, match="held-out"):
        BRIEF.search(
            replace(setting, held=None), [begin(0, 0)], shifted(setting), learned=["place"], project=nothing
        )


# DDSS


def drawn(sampler: CriticDDSS | DDIM | DDSS, setting: Setting, K: int) -> State:
    path = trailing(setting, K)
    return sampler.prepare(setting, path)(setting.process.noise(7, 0, 40), None)


@pytest.mark.whole
def test_without_a_step_it_is_ddim_or_ddss_whichever_trees_see_less() -> None:
    setting = mixed_table().setting(600)
    plain = DDSS(features=("rows",), steps=40, check_every=20, batch_rows=128, held_rows=300, lr=0.03)
    still = CriticDDSS(plain, replace(BRIEF, steps=1, check_every=1, lr=0.0))
    found = drawn(still, setting, 3)
    begins = [drawn(sampler, setting, 3) for sampler in (DDIM(), plain)]
    assert any(torch.allclose(found.x, begin.x, atol=1e-6) for begin in begins)


@pytest.mark.whole
def test_its_coefficients_are_learned_once_and_read_again(tmp_path: Any) -> None:
    setting = replace(mixed_table().setting(600), artifacts=Artifacts(tmp_path))
    sampler = CriticDDSS(
        DDSS(features=("rows",), steps=2, check_every=1, batch_rows=64, held_rows=100),
        replace(BRIEF, steps=4, check_every=2, ahead=1, batch_rows=64),
    )
    first = drawn(sampler, setting, 3)
    (path,) = tmp_path.glob("ddss-critic-3-*")
    changed = path.stat().st_mtime_ns
    again = drawn(sampler, replace(setting, artifacts=Artifacts(tmp_path)), 3)
    assert torch.equal(first.x, again.x)
    assert path.stat().st_mtime_ns == changed


def test_more_evaluations_than_coefficients_are_learned_for_are_refused() -> None:
    setting = mixed_table().setting(300)
    with pytest.raises(Unsupported, match="up to 20 evaluations, not for 21"):
        CriticDDSS().prepare(setting, trailing(setting, 21))


@pytest.mark.slow
def test_trees_see_less_of_what_it_draws_than_of_ddims() -> None:
    setting = mixed_table().setting(4000)
    sampler = CriticDDSS(
        DDSS(features=("rows",), steps=60, check_every=30, batch_rows=256), replace(BRIEF, steps=150)
    )
    path = trailing(setting, 5)
    sampler.prepare(setting, path)
    (name,) = [name for name in setting.artifacts._memory if name.startswith("ddss-critic-5")]
    found = setting.artifacts.held(name)
    assert found is not None
    assert found["c2st"].min() < found["c2st"][0] - 0.02
    assert set(ggdm.ddim_offsets(5)) <= set(found)
