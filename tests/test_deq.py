"""The chain as a fixed point: DDIM's own rows, in fewer calls in a row."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.image import imread
from torch import Tensor

from tabstep.data.table import Schema
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.denoiser import MLP, NetworkDenoiser
from tabstep.diffusion.mixed import Process
from tabstep.diffusion.model import Counted
from tabstep.diffusion.schedule import make
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.registry import SAMPLERS
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.deq import DEQ, Anderson, solve
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting
from tabstep.study import latency
from tests.oracle import F64, RowTimes, bare, mixed_table, normal_columns

EXACT = DEQ(tol=0.0)


def mixed_process(bound: float = 6.0) -> Process:
    process = mixed_table().process(bound)
    return replace(process, denoiser=RowTimes(process.denoiser))


def network_process(d: int, sizes: tuple[int, ...], classes: int = 0) -> Process:
    """An untrained network, with a label where `classes` is not 0, in float64."""
    torch.manual_seed(0)
    blocks = Blocks(sizes)
    width = d + blocks.width
    network = MLP(width, width, (32,), 0.0, classes).to(F64).requires_grad_(False)
    limit = torch.full((d,), 3.0, dtype=F64)
    return Process(make("cosine", 100), blocks, NetworkDenoiser(network, blocks), -limit, limit)


@pytest.mark.parametrize("K", [1, 2, 5, 20])
@pytest.mark.parametrize(
    "settings", [EXACT, replace(EXACT, history=5), replace(EXACT, clip_x0=False)], ids=str
)
def test_as_many_sweeps_as_steps_are_ddim(settings: DEQ, K: int) -> None:
    process, path = mixed_process(bound=1.5), trailing(bare(1000), K)
    wanted = DDIM(clip_x0=settings.clip_x0).prepare(Setting(process), path)(process.noise(1, 0, 60), None)
    found = settings.prepare(Setting(process), path)(process.noise(1, 0, 60), None)
    assert torch.allclose(found.x, wanted.x, atol=1e-9, rtol=0)
    assert torch.equal(found.c, wanted.c)


@pytest.mark.parametrize("K", [1, 2, 5, 20])
@pytest.mark.parametrize("eta", [0.3, 1.0])
def test_with_noise_that_is_drawn_in_advance_it_is_stochastic_ddim(K: int, eta: float) -> None:
    process, path = mixed_process(bound=1.5), trailing(bare(1000), K)
    wanted = DDIM(eta=eta).prepare(Setting(process), path)(process.noise(1, 0, 60), None)
    for settings in (replace(EXACT, eta=eta), replace(EXACT, eta=eta, history=2)):
        found = settings.prepare(Setting(process), path)(process.noise(1, 0, 60), None)
        assert torch.allclose(found.x, wanted.x, atol=1e-9, rtol=0)
        assert torch.equal(found.c, wanted.c)


def test_stochastic_rows_are_done_before_the_chain_is() -> None:
    process, path = mixed_process(), trailing(bare(1000), 30)
    rows, sweeps = solve(DEQ(eta=1.0), process, path, process.noise(2, 0, 100), None)
    wanted = DDIM(eta=1.0).prepare(Setting(process), path)(process.noise(2, 0, 100), None)
    assert (rows.x - wanted.x).abs().max() < 1e-3
    assert torch.equal(rows.c, wanted.c)
    assert sweeps.max() < 30


def test_an_eta_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"eta must be in \[0, 1\], got 1.5"):
        DEQ(eta=1.5)


@pytest.mark.parametrize(("d", "sizes", "classes"), [(3, (), 0), (0, (2, 3, 3), 2), (2, (4,), 3)])
def test_every_kind_of_table_and_labels(d: int, sizes: tuple[int, ...], classes: int) -> None:
    process, path = network_process(d, sizes, classes), trailing(bare(100), 8)
    y = torch.arange(50) % classes if classes else None
    wanted = DDIM().prepare(Setting(process), path)(process.noise(2, 0, 50), y)
    for settings in (DEQ(), DEQ(history=3)):
        found = settings.prepare(Setting(process), path)(process.noise(2, 0, 50), y)
        assert torch.allclose(found.x, wanted.x, atol=2e-3)
        assert torch.equal(found.c, wanted.c)
        assert (found.y is None) if y is None else torch.equal(found.y, y)  # type: ignore[arg-type]


@pytest.mark.whole
def test_it_takes_far_fewer_calls_than_steps_and_all_rows_are_right() -> None:
    """The sweeps that a row needs grow far slower than the steps."""
    for K, middle, most in ((10, 7, 9), (25, 11, 14), (50, 13, 20)):
        process, path = mixed_process(), trailing(bare(1000), K)
        counted = Counted(process.denoiser)
        process = replace(process, denoiser=counted)
        wanted = DDIM().prepare(Setting(process), path)(process.noise(0, 0, 128), None)
        counted.rows = 0
        rows, sweeps = solve(DEQ(), process, path, process.noise(0, 0, 128), None)
        assert (rows.x - wanted.x).abs().max() < 1e-3
        assert torch.equal(rows.c, wanted.c)
        assert sweeps.median() <= middle
        assert sweeps.max() <= most
        # sweep k evaluates the K - k positions that are not yet exact, of the rows that are not yet done
        assert counted.rows == sum(int(sum(K - k for k in range(s))) for s in sweeps.tolist())
        assert counted.rows <= 128 * K * (K + 1) / 2


def test_the_sequential_chain_is_a_fixed_point() -> None:
    """Begun at the solution of fewer sweeps nothing moves: a looser tolerance only ends sooner."""
    process, path = mixed_process(), trailing(bare(1000), 20)
    found = {tol: solve(DEQ(tol=tol), process, path, process.noise(0, 0, 100), None) for tol in (1e-2, 1e-6)}
    assert (found[1e-2].sweeps <= found[1e-6].sweeps).all()
    assert found[1e-2].sweeps.sum() < found[1e-6].sweeps.sum()
    assert (found[1e-6].rows.x - found[1e-2].rows.x).abs().max() < 0.1


def test_rows_do_not_depend_on_the_rows_beside_them() -> None:
    process, path = mixed_process(), trailing(bare(1000), 15)
    together = solve(DEQ(history=5), process, path, process.noise(4, 0, 1024), None)
    second = solve(DEQ(history=5), process, path, process.noise(4, 512, 512), None)
    assert torch.allclose(together.rows.x[512:], second.rows.x, atol=1e-9)
    assert torch.equal(together.rows.c[512:], second.rows.c)
    assert torch.equal(together.sweeps[512:], second.sweeps)


def test_anderson_solves_a_linear_fixed_point_sooner_than_picard() -> None:
    """z = A z + b for one row of four numbers, contraction 0.9: Anderson with enough history ends in a few sweeps."""
    A = torch.diag(torch.tensor([0.9, 0.5, -0.7, 0.3], dtype=F64))
    b = torch.ones(4, dtype=F64)
    wanted = torch.linalg.solve(torch.eye(4, dtype=F64) - A, b)

    def left(history: int, sweeps: int) -> float:
        z, mix = torch.zeros(1, 1, 4, dtype=F64), Anderson(history)
        for _ in range(sweeps):
            z = mix(z, z @ A.T + b, exact=0, calm=torch.ones(1, dtype=torch.bool))
        return float((z - wanted).abs().max())

    assert left(0, 12) == pytest.approx(10 * 0.9**12, rel=1e-6)
    assert left(5, 12) < left(0, 12) / 20


@pytest.mark.parametrize(("world", "share"), [("smooth", 0.97), ("rough", 1.05)])
def test_the_registered_anderson_saves_evaluations_and_costs_few_where_it_cannot(
    world: str, share: float
) -> None:
    process = mixed_process() if world == "smooth" else network_process(3, (3, 4))
    path = trailing(bare(process.T), 30)
    K, n = 30, 48

    def evaluations(settings: Any) -> float:
        sweeps = solve(settings, process, path, process.noise(3, 0, n), None).sweeps.double()
        return float((sweeps * K - sweeps * (sweeps - 1) / 2).mean())

    assert evaluations(SAMPLERS["deq-anderson"]) <= share * evaluations(SAMPLERS["deq"])


def test_a_row_whose_classes_changed_goes_on_with_the_sweep_alone() -> None:
    mix, g = Anderson(2), torch.Generator().manual_seed(0)
    calm = torch.tensor([True, False])
    z: Tensor = torch.randn(3, 2, 2, generator=g, dtype=F64)
    for k in range(2):
        new = z * 0.5 + 0.1 * torch.randn(3, 2, 2, generator=g, dtype=F64) * 0.1**k
        z = mix(z, new, exact=0, calm=calm)
    assert torch.equal(z[:, 1], new[:, 1])
    assert not torch.equal(z[:, 0], new[:, 0])


def test_exact_positions_are_not_mixed() -> None:
    mix, g = Anderson(3), torch.Generator().manual_seed(0)
    z: Any = torch.zeros(3, 2, 2, dtype=F64)
    for k in range(3):
        new: Tensor = torch.randn(3, 2, 2, generator=g, dtype=F64) * 0.5**k
        z = mix(z, new, exact=k + 1, calm=torch.ones(2, dtype=torch.bool))
        assert torch.equal(z[: k + 1], new[: k + 1])


def test_numbers_alone_follow_the_closed_form() -> None:
    """On N(0, w) columns every step is linear, so the chain is a product of factors."""
    w, K = (0.25, 2.0), 10
    world = normal_columns(w)
    process = replace(world.process(bound=50.0), denoiser=RowTimes(world))
    path = trailing(bare(1000), K)
    factor = torch.ones(2, dtype=F64)
    variance = torch.tensor(w, dtype=F64)
    for t, s in pairwise(path):
        a_t, a_s = process.schedule.at(t), process.schedule.at(s)
        gain = a_t**0.5 * variance / (a_t * variance + 1 - a_t)
        eps = (1 - a_t**0.5 * gain) / (1 - a_t) ** 0.5
        factor = factor * (a_s**0.5 * gain + (1 - a_s) ** 0.5 * eps)
    rows = DEQ(tol=1e-9).prepare(Setting(process), path)(process.noise(3, 0, 40), None)
    assert torch.allclose(rows.x, factor * process.noise(3, 0, 40).x_T(), atol=1e-7)


@pytest.mark.parametrize("bad", [{"history": -1}, {"tol": -1.0}])
def test_bad_settings_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        DEQ(**bad)


# The study


@pytest.mark.whole
def test_the_study_counts_what_was_solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "REPEATS", 1)
    monkeypatch.setattr(latency, "BATCHES", (1, 8, 64))
    frame = pd.DataFrame({"x": np.arange(200.0) % 17, "c": ["a", "b"] * 100, "y": ["u", "v", "w", "w"] * 50})
    schema = Schema("multiclass", "y", ("x",), ("c",))
    model = TabDDPM(T=30, steps=20, layers=(16,)).fit(frame, schema, seed=0)
    lines = latency.lines(model, budgets=(4, 10, 40))
    assert [(line["steps"], line["solver"]) for line in lines] == [
        (K, name) for K in (4, 10) for name in latency.SOLVERS
    ], "no more steps than the model has"
    for line in lines:
        K = line["steps"]
        assert 1 <= line["sweeps_mean"] <= line["sweeps_max"] <= K
        assert K <= line["evaluations"] <= K * (K + 1) / 2
        assert line["same_classes"] > 0.99
        assert line["distance_max"] < 1e-2
    measured = [
        {
            "dataset": "made",
            "lines": lines,
            "env": {"device": "cpu", "torch_threads": 1},
            "machine": {"busy": 0},
        }
    ]
    lines[0]["seconds"]["1"], lines[0]["sequential"]["1"] = 3.0, 2.0
    written = latency.write(measured, tmp_path)
    assert all(path.exists() for path in written)
    assert "1.50 x" in (tmp_path / "deq.md").read_text()
    assert imread(tmp_path / "deq.png").std() > 0.02
