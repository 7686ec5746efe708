"""Networks that are taught to jump to the ends of deterministic paths."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tabstep.contracts import Unsupported
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import NetworkDenoiser
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Counted
from tabstep.diffusion.noise import Noise
from tabstep.diffusion.schedule import make
from tabstep.registry import SAMPLERS
from tabstep.samplers import distilled
from tabstep.samplers.budget_stop import KnownStop
from tabstep.samplers.distilled import Begin, Distilled
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Artifacts, Setting, path_for
from tabstep.samplers.start import Moments

T, MEAN, SPREAD = 200, 0.7, 0.5
ALPHA_BAR = make("cosine", T).alpha_bar
CLASSES = (0.7, 0.2, 0.1)
FEW = Distilled(starts=(Moments(),), shares=(0.2,), walk=40, pairs=4096, steps=300, lr=1e-2)
SEVERAL = replace(FEW, shares=Distilled.shares)


class Normal(nn.Module):
    """The exact noise of rows whose numbers are N(MEAN, SPREAD^2), and an affine map to learn beside it; classes that
    are CLASSES whatever else the row says, and logits to learn beside them."""

    def __init__(self, d: int, width: int) -> None:
        super().__init__()
        self.d = d
        self.slope, self.shift = nn.Parameter(torch.zeros(d)), nn.Parameter(torch.zeros(d))
        self.logits = nn.Parameter(torch.zeros(width))
        self.clean = torch.tensor(CLASSES).log()[:width]

    def forward(self, row: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        x = row[:, : self.d]
        a = ALPHA_BAR[t + 1].to(x).unsqueeze(1)
        spread = a * SPREAD**2 + 1 - a
        eps = (1 - a).sqrt() / spread * (x - a.sqrt() * MEAN) + self.slope * x + self.shift
        return torch.cat([eps, (self.clean + self.logits).expand(len(x), -1)], 1)


def setting(d: int = 2, sizes: tuple[int, ...] = ()) -> Setting:
    g = torch.Generator().manual_seed(0)
    x = MEAN + SPREAD * torch.randn(4000, d, generator=g)
    c = torch.multinomial(torch.tensor(CLASSES), 4000, replacement=True, generator=g)
    rows, blocks = State(x, c.unsqueeze(1)[:, : len(sizes)], None), Blocks(sizes)
    denoiser = Counted(NetworkDenoiser(Normal(d, blocks.width), blocks))
    limit = torch.full((d,), 9.0)
    return Setting(Process(make("cosine", T), blocks, denoiser, -limit, limit), train=rows, held=rows)


def drawn(draw: Draw, of: Setting, n: int = 20_000) -> State:
    with torch.no_grad():
        return draw(of.process.noise(1, 0, n), None)


@pytest.mark.whole
def test_the_map_of_a_normal_law_is_learned() -> None:
    """Its path is affine, x_0 = MEAN + SPREAD (x_t - sqrt(a) MEAN) / sqrt(a SPREAD^2 + 1 - a), so that rows keep their
    spread; the mean that a network gives has that times the correlation."""
    of = setting()
    path = path_for(FEW, trailing, of, 1)
    assert path == (40, 0)
    a = float(ALPHA_BAR[40])
    correlation = math.sqrt(a) * SPREAD / math.sqrt(a * SPREAD**2 + 1 - a)
    one_call = KnownStop(DPMSolverPP(sde=True), Moments()).prepare(of, path)
    assert drawn(one_call, of).x.std(0) / SPREAD == pytest.approx([correlation] * 2, rel=0.02)
    assert correlation < 0.9

    found = drawn(FEW.prepare(of, path), of)
    assert found.x.std(0) / SPREAD == pytest.approx([1, 1], rel=0.02)
    assert found.x.mean(0) == pytest.approx([MEAN, MEAN], abs=0.02)

    x = torch.linspace(-1, 2, 50).unsqueeze(1).expand(-1, 2)
    weights = distilled.teach(FEW, of, 40, Moments().fit(of))
    network = Normal(2, 0)
    network.load_state_dict(dict(weights))
    student = replace(of.process, denoiser=NetworkDenoiser(network, Blocks(())))
    with torch.no_grad():
        ends = student.predict(
            State(x, torch.zeros(50, 0, dtype=torch.int64), None), 40, clip_x0=False
        ).x0_hat
    exact = MEAN + SPREAD * (x - math.sqrt(a) * MEAN) / math.sqrt(a * SPREAD**2 + 1 - a)
    assert (ends - exact).abs().max() < 0.03


def test_without_training_it_is_the_first_step_from_the_start() -> None:
    of = setting(2, (3,))
    lazy = replace(FEW, lr=0.0, steps=3, pairs=64)
    path = path_for(lazy, trailing, of, 1)
    plain = KnownStop(DPMSolverPP(sde=True), Moments()).prepare(of, path)
    for found, wanted in zip(drawn(lazy.prepare(of, path), of, 500), drawn(plain, of, 500), strict=True):
        assert (found is None and wanted is None) or torch.equal(found, wanted)


@pytest.mark.whole
def test_classes_stay_what_the_network_says() -> None:
    """Though the numbers' slope and shift move, and the logits are free to."""
    of = setting(1, (3,))
    found = drawn(FEW.prepare(of, path_for(FEW, trailing, of, 1)), of, 40_000)
    shares = torch.bincount(found.c[:, 0], minlength=3) / 40_000
    assert shares == pytest.approx(torch.tensor(CLASSES), abs=0.015)
    weights = distilled.teach(FEW, of, 40, Moments().fit(of))
    assert weights["logits"].softmax(0) == pytest.approx(torch.full((3,), 1 / 3), abs=0.01)
    assert weights["slope"].abs() > 0.05


@pytest.mark.whole
def test_each_evaluation_is_one_call_and_is_counted() -> None:
    of = setting(2, (3,))
    lazy = replace(FEW, steps=20, pairs=512)
    counter = of.process.denoiser
    assert isinstance(counter, Counted)
    for K in (1, 2):
        path = path_for(lazy, trailing, of, K)
        assert path == ((40, 0), (40, 20, 0))[K - 1]
        draw = lazy.prepare(of, path)
        before = counter.rows
        drawn(draw, of, 100)
        assert counter.rows - before == 100 * K


@pytest.mark.whole
def test_a_network_is_taught_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two evaluations share the first network with one; a second draw trains nothing."""
    of = setting(2, (3,))
    lazy = replace(FEW, steps=20, pairs=512)
    taught: list[int] = []
    teach = distilled.teach

    def counted(*told: object) -> object:
        taught.append(told[2])  # type: ignore[arg-type]
        return teach(*told)  # type: ignore[arg-type]

    monkeypatch.setattr(distilled, "teach", counted)
    first = drawn(lazy.prepare(of, (40, 0)), of, 50)
    lazy.prepare(of, (40, 20, 0))
    again = drawn(lazy.prepare(of, (40, 0)), of, 50)
    assert taught == [40, 20]
    assert torch.equal(first.x, again.x)


def test_the_second_network_learns_from_the_rows_that_come_to_it() -> None:
    """With a start that is wrong by far, the begins of the second are at the ends of the first, not at the start."""
    of = setting(1)
    shifted = State(torch.full((1000, 1), 5.0), torch.zeros(1000, 0, dtype=torch.int64), None)

    def start(noise: object, y: object) -> State:
        return shifted

    few = replace(FEW, pairs=1000)
    first = distilled.jumping(start, of.process.until(40))
    pairs = next(iter(distilled.walked(few, of, 20, first)))
    a = float(ALPHA_BAR[20])
    direct = next(iter(distilled.walked(few, of, 20, start)))
    assert direct.x[:, 0].mean() == pytest.approx(5 * math.sqrt(a), abs=0.05)
    assert pairs.x[:, 0].mean() < 0.8 * 5 * math.sqrt(a)  # drawn towards the data once already


@dataclass(frozen=True)
class Off:
    """Rows of the law, shifted."""

    by: float

    def fit(self, setting: Setting) -> Draw:
        own = Moments().fit(setting)

        def draw(noise: Noise, y: Tensor | None) -> State:
            rows = own(noise, y)
            return State(rows.x + self.by, rows.c, rows.y)

        return draw


@pytest.mark.whole
def test_the_worse_the_start_the_earlier_in_noise_paths_begin() -> None:
    """From rows that are off the walk must be long, though it comes back from none of them quite."""
    of = setting()
    off = replace(SEVERAL, starts=(Off(2 * SPREAD),))
    assert off.begin(of, 1) == Begin(0, 120)
    said = of.artifacts.held(off.reached(1, 0))
    assert said is not None
    assert said["times"].tolist() == [20, 40, 80, 120]
    assert said["regret"].shape == (4, 5)


@pytest.mark.whole
def test_each_budget_has_its_choice_which_is_read_where_there_are_no_rows() -> None:
    of = setting()
    off = replace(SEVERAL, starts=(Off(2 * SPREAD),))
    blind = replace(of, held=None, train=None)
    assert off.begin(replace(blind, artifacts=Artifacts()), 1).time == 40  # nothing is known
    assert path_for(off, trailing, of, 1) == (120, 0)
    assert path_for(off, trailing, blind, 1) == (120, 0)  # the artifact is at hand
    assert path_for(off, trailing, blind, 2) == (40, 20, 0)  # and not that of two
    few_rows = State(*(None if part is None else part[:50] for part in of.held))  # type: ignore[union-attr, arg-type]
    assert off.begin(replace(of, held=few_rows, artifacts=Artifacts()), 1).time == 40


@pytest.mark.whole
def test_the_choice_is_paid_by_all_who_use_it() -> None:
    of = setting()
    FEW.begin(of, 1)
    second = of.artifacts.reader()
    FEW.begin(replace(of, artifacts=second), 1)
    assert second.borrowed_s > 0


class Pairs(nn.Module):
    """Two classes of two columns that are always alike, exactly: what a row says of one it says of the other."""

    def __init__(self) -> None:
        super().__init__()
        self.none = nn.Parameter(torch.zeros(1))

    def forward(self, row: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        a = ALPHA_BAR[t + 1].to(row).unsqueeze(1)
        said = (row[:, 1:].reshape(-1, 2, 2) * a.unsqueeze(1) + (1 - a.unsqueeze(1)) / 2).log().sum(1)
        x, spread = row[:, :1], a * SPREAD**2 + 1 - a
        eps = (1 - a).sqrt() / spread * (x - a.sqrt() * MEAN)
        return torch.cat([eps, said, said], 1) + 0 * self.none


@pytest.mark.whole
def test_where_classes_depend_on_each_other_one_call_begins_late() -> None:
    """One call draws each column by itself, which paths do not show; from later begins fewer pairs come apart."""
    g = torch.Generator().manual_seed(0)
    c = torch.randint(2, (4000, 1), generator=g).expand(-1, 2)
    rows, blocks = (
        State(MEAN + SPREAD * torch.randn(4000, 1, generator=g), c.contiguous(), None),
        Blocks((2, 2)),
    )
    limit = torch.full((1,), 9.0)
    process = Process(make("cosine", T), blocks, NetworkDenoiser(Pairs(), blocks), -limit, limit)
    of = Setting(process, train=rows, held=rows)
    own = Given(rows)
    apart = []
    for t in (20, 40, 80):
        found = drawn(distilled.led(FEW, of, t, own.fit(of)), of, 4000).c
        apart.append(float((found[:, 0] != found[:, 1]).float().mean()))
    assert apart == sorted(apart)
    assert apart[0] < 0.05 < 0.1 < apart[2]
    assert int(distilled.reach(replace(SEVERAL, starts=(own,)), of, 1)["horizon"]) == 20


@dataclass(frozen=True)
class Given:
    """These rows."""

    rows: State

    def fit(self, setting: Setting) -> Draw:
        def draw(noise: Noise, y: Tensor | None) -> State:
            some = (noise.choice() * len(self.rows.x)).long().flatten()
            return State(*(None if part is None else part[some] for part in self.rows))

        return draw


@pytest.mark.whole
def test_the_better_start_is_taken() -> None:
    of = setting()
    both = replace(SEVERAL, starts=(Off(2 * SPREAD), Moments()))
    found = distilled.reach(both, of, 1)
    assert int(found["start"]) == 1
    assert found["starts"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert found["times"].tolist() == [20, 40, 80, 120] * 2


def scores(c2st: float, efficacy: float = 0.3, scatter: float = 0.0) -> dict[str, np.ndarray]:
    """Of a way whose C2ST has this scatter between folds."""
    apart = scatter * np.array([-1.0, 1.0, 0.0, 1.0, -1.0])
    return {"c2st": c2st + apart, "efficacy": np.full(5, efficacy), "trend": np.zeros(5)}


def test_the_hardest_score_leads_then_all_of_them_and_what_nothing_decides_is_the_usual() -> None:
    begins = [Begin(start, time) for start in (0, 1) for time in (20, 40)]
    same = [scores(0.1)] * 4
    assert distilled.chosen(same, begins, 40) == Begin(0, 40)
    assert distilled.chosen(same, begins, 20) == Begin(0, 20)
    told = [scores(0.1), scores(0.1), scores(0.05, efficacy=0.4), scores(0.1)]
    assert distilled.chosen(told, begins, 40) == Begin(1, 20)  # though a model learns less from it
    hidden = [scores(0.1), scores(0.1, scatter=0.1), scores(0.05, efficacy=0.4), scores(0.1, scatter=0.1)]
    assert distilled.chosen(hidden, begins, 20) == Begin(
        0, 40
    )  # a difference that cannot be seen decides nothing


@pytest.mark.parametrize("shares", [(), (0.0,), (0.2, 1.1)])
def test_shares_are_parts_of_T(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"shares must be in \(0, 1\], one or more"):
        replace(FEW, shares=shares)


def test_the_error_of_numbers_is_a_square_near_zero_and_a_size_far_from_it() -> None:
    small, large = torch.tensor([1e-3, -1e-3]), torch.tensor([10.0, -10.0])
    assert distilled.pseudo_huber(small).tolist() == pytest.approx([5e-6] * 2, rel=1e-3)  # e^2 / (2 c)
    assert distilled.pseudo_huber(large).tolist() == pytest.approx([9.9] * 2, rel=1e-3)  # |e| - c
    ends = torch.tensor([0.0, 0.0, 0.0, 1.0])  # three paths of four end here
    means = [float(distilled.pseudo_huber(ends - at).mean()) for at in (0.0, 0.25)]
    assert means[0] < means[1]  # where the squared error would rather be between them


def test_a_table_without_numbers_has_nothing_to_teach() -> None:
    of = setting(0, (3,))
    draw = FEW.prepare(of, path_for(FEW, trailing, of, 1))
    shares = torch.bincount(drawn(draw, of).c[:, 0], minlength=3) / 20_000
    assert shares == pytest.approx(torch.tensor(CLASSES), abs=0.02)


@pytest.mark.whole
def test_what_it_cannot_do_is_said() -> None:
    of = setting()
    with pytest.raises(Unsupported, match="up to 2 evaluations, not for 5"):
        path_for(FEW, trailing, of, 5)
    plain = replace(of, process=replace(of.process, denoiser=lambda x, c, t, y: (x, c)))
    with pytest.raises(Unsupported, match="denoiser has none"):
        FEW.prepare(plain, (40, 0))
    with pytest.raises(Unsupported, match="training rows"):
        FEW.prepare(replace(of, train=None), (40, 0))


def test_there_is_a_start() -> None:
    with pytest.raises(ValueError, match="starts must be one or more"):
        replace(FEW, starts=())


@pytest.mark.parametrize(
    ("name", "least"), [("walk", 1), ("pairs", 8), ("steps", 1), ("batch_size", 1), ("most", 1)]
)
def test_fewer_than_it_needs_are_refused(name: str, least: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least {least}, got {least - 1}"):
        replace(FEW, **{name: least - 1})  # type: ignore[arg-type]


def test_it_has_a_name_from_each_start_and_one_from_the_better() -> None:
    assert SAMPLERS["distilled"] == Distilled()
    assert isinstance(SAMPLERS["distilled-mixture"], Distilled)
    assert isinstance(SAMPLERS["distilled-correlated"], Distilled)
    assert SAMPLERS["distilled-mixture"] != SAMPLERS["distilled-correlated"]
