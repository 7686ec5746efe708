"""Taught networks that a critic teaches further, and the critic."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tabstep.contracts import Unsupported
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Counted
from tabstep.diffusion.schedule import make
from tabstep.registry import SAMPLERS
from tabstep.samplers import refined
from tabstep.samplers.critic import Critic, telling, told
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.grid import trailing
from tabstep.samplers.refined import Refined, refine
from tabstep.samplers.setting import Artifacts, Setting, path_for
from tabstep.samplers.start import Moments
from tests.test_distilled import CLASSES, FEW, setting

FURTHER = Refined(replace(FEW, pairs=512, steps=20), steps=300, lr=1e-2, width=32, ahead=50)
"""Taught by far too few steps, so that there is something left to learn."""


def drawn(draw: Draw, of: Setting, n: int = 20_000) -> State:
    with torch.no_grad():
        return draw(of.process.noise(1, 0, n), None)


# The critic


@pytest.mark.whole
def test_a_critic_becomes_the_logarithm_of_how_much_likelier_a_row_is_real() -> None:
    """Without a penalty its optimum is log p_real - log p_drawn: of N(1, 1) and N(0, 1) that is x - 1/2."""
    g = torch.Generator().manual_seed(0)
    none = torch.zeros(8000, 0, dtype=torch.int64)
    real, other = (
        State(1 + torch.randn(8000, 1, generator=g), none, None),
        State(torch.randn(8000, 1, generator=g), none, None),
    )
    torch.manual_seed(0)
    critic = Critic(real, Blocks(()), width=32, bins=8)
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        telling(critic, real, other, penalty=0.0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    x = torch.linspace(-1, 2, 13).unsqueeze(1)
    with torch.no_grad():
        found = critic(State(x, none[:13], None))
    assert found == pytest.approx(x[:, 0] - 0.5, abs=0.3)


def test_the_losses_are_those_of_the_papers() -> None:
    """A critic that is linear, a x + b: softplus of what it says, and R1 is the penalty times a^2."""
    rows = State(torch.tensor([[0.0], [1.0]]), torch.zeros(2, 0, dtype=torch.int64), None)
    critic = Critic(rows, Blocks(()), width=2, bins=1)
    critic.layers = nn.Sequential(nn.Linear(2, 1))
    with torch.no_grad():
        critic.layers[0].weight.copy_(torch.tensor([[2.0, 0.0]]))
        critic.layers[0].bias.fill_(-0.5)
    other = State(torch.tensor([[3.0], [-1.0]]), rows.c, None)

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    real_part, drawn_part = (softplus(0.5) + softplus(-1.5)) / 2, (softplus(5.5) + softplus(-2.5)) / 2
    assert float(telling(critic, rows, other, 0.0)) == pytest.approx(real_part + drawn_part)
    assert float(telling(critic, rows, other, 0.1)) == pytest.approx(real_part + drawn_part + 0.1 * 4)
    assert float(told(critic, other)) == pytest.approx((softplus(-5.5) + softplus(2.5)) / 2)


def test_codes_say_how_far_from_one_quantile_to_the_next_a_number_is() -> None:
    data = State(
        torch.tensor([[0.0], [1.0], [2.0], [10.0], [18.0]]), torch.zeros(5, 0, dtype=torch.int64), None
    )
    critic = Critic(data, Blocks(()), width=2, bins=2)  # quantiles 0, 2, 18
    seen: list[Tensor] = []
    critic.layers.register_forward_pre_hook(lambda _, told: seen.append(told[0]))
    with torch.no_grad():
        critic(State(torch.tensor([[1.0], [10.0], [-5.0], [99.0]]), data.c[:4], None))
    wanted = [[1, 0.5, -0.0625], [10, 1.2, 0.5], [-5, -0.2, -0.2], [99, 1.2, 1.2]]
    assert seen[0] == pytest.approx(torch.tensor(wanted))


def test_labels_and_classes_are_seen() -> None:
    g = torch.Generator().manual_seed(0)
    data = State(
        torch.randn(50, 1, generator=g), torch.randint(3, (50, 1), generator=g), torch.arange(50) % 2
    )
    critic = Critic(data, Blocks((3,)), width=8, bins=4)
    with torch.no_grad():
        own = critic(data)
        assert (own != critic(data._replace(c=(data.c + 1) % 3))).all()
        assert (own != critic(data._replace(y=1 - data.y))).all()  # type: ignore[operator]


# The networks


@pytest.mark.whole
def test_a_network_that_was_taught_too_little_learns_the_law() -> None:
    """The rows of a network that hardly learned the ends of paths are too narrow; a critic sees it."""
    of = setting()
    path = path_for(FURTHER, trailing, of, 1)
    before = drawn(FURTHER.taught.prepare(of, path), of).x
    after = drawn(FURTHER.prepare(of, path), of).x
    spread = of.training_rows().x.std(0)
    assert ((before.std(0) / spread) < 0.93).all()
    assert after.std(0) / spread == pytest.approx([1, 1], abs=0.06)
    assert after.mean(0) == pytest.approx(of.training_rows().x.mean(0), abs=0.05)


@pytest.mark.whole
def test_classes_stay_what_the_network_says() -> None:
    of = setting(1, (3,))
    found = drawn(FURTHER.prepare(of, path_for(FURTHER, trailing, of, 1)), of, 40_000)
    assert torch.bincount(found.c[:, 0], minlength=3) / 40_000 == pytest.approx(
        torch.tensor(CLASSES), abs=0.03
    )


@pytest.mark.whole
def test_without_a_step_or_rows_to_judge_by_it_is_the_taught_network() -> None:
    of = setting(2, (3,))
    lazy = replace(FURTHER, lr=0.0, steps=3)
    few = replace(of, held=None)
    for settings, where in ((lazy, of), (FURTHER, few)):
        path = path_for(settings, trailing, where, 1)
        plain, found = (drawn(s.prepare(where, path), where, 500) for s in (settings.taught, settings))
        assert torch.equal(plain.x, found.x)
        assert torch.equal(plain.c, found.c)


@pytest.mark.whole
def test_what_trees_tell_no_less_is_left_as_it_was() -> None:
    """Steps that are far too large spoil any network."""
    of = setting()
    wild = replace(FURTHER, lr=3.0, steps=20)
    start = Moments().fit(of)
    weights = FURTHER.taught.networks(of, (40, 0))[0]
    spoiled = refined._trained(wild, of, weights, 40, start)
    assert any((spoiled[name] != weights[name]).any() for name in weights)
    assert refine(wild, of, weights, 40, start) is weights


@pytest.mark.whole
def test_networks_that_diverge_are_left_as_they_were() -> None:
    of = setting()
    start, weights = Moments().fit(of), dict(of.process.denoiser.network.state_dict())  # type: ignore[attr-defined]
    lost = refined._trained(replace(FURTHER, penalty=float("inf"), steps=9), of, weights, 40, start)
    assert not all(tensor.isfinite().all() for tensor in lost.values())
    assert refine(replace(FURTHER, penalty=float("inf"), steps=9), of, weights, 40, start) is weights


@pytest.mark.whole
def test_each_evaluation_is_one_call_and_nothing_is_taught_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    of = setting(2, (3,))
    lazy = replace(FURTHER, steps=5, ahead=2)
    times: list[int] = []

    def counted(*given: object) -> object:
        times.append(given[3])  # type: ignore[arg-type]
        return refine(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(refined, "refine", counted)
    counter = of.process.denoiser
    assert isinstance(counter, Counted)
    for K in (1, 2, 1):
        draw = lazy.prepare(of, path_for(lazy, trailing, of, K))
        before = counter.rows
        drawn(draw, of, 100)
        assert counter.rows - before == 100 * K
    assert times == [40, 20]


@pytest.mark.whole
def test_all_who_draw_pay_for_the_taught_networks_too() -> None:
    of = setting(2, (3,))
    lazy = replace(FURTHER, steps=5, ahead=2)
    lazy.prepare(of, (40, 20, 0))
    made = sum(seconds for name, (_, seconds) in of.artifacts._memory.items() if name != "mixture")
    for _ in range(2):  # the first reads what others made, the second what is in memory
        again = replace(of, artifacts=of.artifacts.reader())
        lazy.prepare(again, (40, 20, 0))
        assert again.artifacts.borrowed_s == pytest.approx(made)


@pytest.mark.whole
def test_a_model_that_has_the_networks_needs_no_rows() -> None:
    of = setting(2, (3,))
    lazy = replace(FURTHER, steps=5, ahead=2)
    path = (40, 20, 0)
    wanted = drawn(lazy.prepare(of, path), of, 50)
    names = lazy.names(0, path, of.seed)
    start = {
        name: found for name, (found, _) in of.artifacts._memory.items() if not name.startswith("distilled")
    }
    bare = replace(of, train=None, held=None, artifacts=Artifacts.holding(start))
    assert set(names) <= set(start)
    assert torch.equal(drawn(lazy.prepare(bare, path), bare, 50).x, wanted.x)


def test_the_progress_of_all_steps_is_told() -> None:
    told_of: list[tuple[int, int, float]] = []
    of = replace(setting(), progress=lambda *step: told_of.append(step))
    refined._trained(
        replace(FURTHER, steps=7, ahead=2),
        of,
        dict(of.process.denoiser.network.state_dict()),
        40,
        Moments().fit(of),
    )  # type: ignore[attr-defined]
    assert [step for step, _, _ in told_of] == list(range(1, 8))
    assert {steps for _, steps, _ in told_of} == {7}
    assert all(np.isfinite(loss) for *_, loss in told_of)


@pytest.mark.parametrize(
    ("name", "least"), [("steps", 1), ("ahead", 0), ("batch_rows", 1), ("width", 1), ("bins", 1)]
)
def test_fewer_than_it_needs_are_refused(name: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least {least}, got {least - 1}"):
        Refined(**{name: least - 1})


@pytest.mark.whole
def test_what_it_cannot_do_is_said() -> None:
    of = setting()
    with pytest.raises(Unsupported, match="up to 2 evaluations"):
        path_for(FURTHER, trailing, of, 3)

    def knows(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        return x, x.new_empty(len(x), 0)

    limit = torch.full((2,), 9.0)
    bare = replace(of, process=Process(make("cosine", 200), Blocks(()), knows, -limit, limit))
    with pytest.raises(Unsupported, match="has none"):
        FURTHER.prepare(bare, (40, 0))


def test_a_table_without_numbers_stays_as_it_was() -> None:
    of = setting(0, (3,))
    path = path_for(FURTHER, trailing, of, 1)
    plain, found = (drawn(s.prepare(of, path), of, 100) for s in (FURTHER.taught, FURTHER))
    assert torch.equal(plain.c, found.c)


def test_it_has_a_name() -> None:
    assert SAMPLERS["refined"] == Refined(Distilled())
