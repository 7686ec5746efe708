"""Rows given some of their columns, against the exact conditional law of the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from tabstep.diffusion.mixed import Process, State
from tabstep.samplers import conditional
from tabstep.samplers.conditional import Known, complete
from tabstep.samplers.grid import trailing
from tests.oracle import F64, LatentClass, bare, mixed_table, total_variation

WORLD = mixed_table()


def fixed(n: int, numbers: dict[int, float], classes: dict[int, int]) -> Known:
    x, c = torch.zeros(n, 3, dtype=F64), torch.zeros(n, 2, dtype=torch.int64)
    has_x, has_c = torch.zeros(n, 3, dtype=torch.bool), torch.zeros(n, 2, dtype=torch.bool)
    for j, value in numbers.items():
        x[:, j], has_x[:, j] = value, True
    for j, label in classes.items():
        c[:, j], has_c[:, j] = label, True
    return Known(x, c, has_x, has_c)


def posterior(numbers: dict[int, float], classes: dict[int, int]) -> Tensor:
    """Exact weights of the latent classes."""
    log_r = WORLD.w.log()
    for j, label in classes.items():
        log_r = log_r + WORLD.P[j][:, label].log()
    for j, value in numbers.items():
        log_r = log_r - 0.5 * ((value - WORLD.mu[:, j]) / WORLD.s[j]) ** 2
    return log_r.softmax(0)


def draw(process: Process, known: Known, M: int, K: int = 25, y: Tensor | None = None) -> State:
    n = len(known.x)
    rows = process.noise(6, 0, n)
    return complete(process, trailing(bare(1000), K), known, process.noise(5, 0, n * M), rows, y)


CONDITIONS: list[Any] = [
    ({}, {0: 1}),
    ({0: -1.2}, {}),
    pytest.param({1: -1.0}, {}, marks=pytest.mark.slow),
    ({0: 1.0, 1: 0.5}, {0: 1}),
]


@pytest.mark.whole
@pytest.mark.parametrize(("numbers", "classes"), CONDITIONS, ids=str)
def test_many_particles_give_the_conditional_law(numbers: dict[int, float], classes: dict[int, int]) -> None:
    n = 500
    known = fixed(n, numbers, classes)
    rows = draw(WORLD.process(), known, M=64)
    assert torch.equal(rows.x[known.has_x], known.x[known.has_x])
    assert torch.equal(rows.c[known.has_c], known.c[known.has_c])
    r = posterior(numbers, classes)
    for j in {0, 1, 2} - set(numbers):
        mean = r @ WORLD.mu[:, j]
        spread = (r @ WORLD.mu[:, j] ** 2 - mean**2 + WORLD.s[j] ** 2).sqrt()
        assert abs(rows.x[:, j].mean() - mean) < (4 / n**0.5 + 0.05) * spread
    for j in {0, 1} - set(classes):
        share = torch.bincount(rows.c[:, j], minlength=len(WORLD.P[j][0])) / n
        assert total_variation(share, r @ WORLD.P[j]) < 0.07


@pytest.mark.whole
def test_one_particle_is_inpainting_and_does_not() -> None:
    known = fixed(800, {1: -1.0}, {1: 2})
    share = torch.bincount(draw(WORLD.process(), known, M=1).c[:, 0], minlength=3) / 800
    assert total_variation(share, posterior({1: -1.0}, {1: 2}) @ WORLD.P[0]) > 0.25
    share = torch.bincount(draw(WORLD.process(), known, M=64).c[:, 0], minlength=3) / 800
    assert total_variation(share, posterior({1: -1.0}, {1: 2}) @ WORLD.P[0]) < 0.08


def test_unlikely_combinations_are_met() -> None:
    """The category that each latent class has least, and a number far from where that class has it."""
    known = fixed(200, {0: -1.0}, {0: 1, 1: 1})
    rows = draw(WORLD.process(), known, M=64)
    assert torch.isfinite(rows.x).all()
    mean = posterior({0: -1.0}, {0: 1, 1: 1}) @ WORLD.mu[:, 2]
    assert abs(rows.x[:, 2].mean() - mean) < 0.25


@dataclass(frozen=True, eq=False)
class Labelled:
    """A denoiser for tables whose label is their latent class."""

    worlds: tuple[LatentClass, ...]

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        assert y is not None
        heads = [world(x, c, t, None) for world in self.worlds]
        rows = torch.arange(len(x))
        return torch.stack([h[0] for h in heads])[y, rows], torch.stack([h[1] for h in heads])[y, rows]


@pytest.mark.whole
def test_a_label_that_is_not_known_is_found() -> None:
    alone = tuple(
        LatentClass(
            WORLD.schedule,
            torch.ones(1, dtype=F64),
            WORLD.mu[k : k + 1],
            WORLD.s,
            tuple(p[k : k + 1] for p in WORLD.P),
        )
        for k in range(3)
    )
    plain = WORLD.process()
    process = Process(plain.schedule, plain.blocks, Labelled(alone), plain.x_min, plain.x_max)
    n, M = 600, 64
    y = torch.multinomial(WORLD.w, n * M, replacement=True, generator=torch.Generator().manual_seed(0))
    numbers, classes = {1: -0.5}, {0: 2}
    rows = draw(process, fixed(n, numbers, classes), M, y=y)
    assert rows.y is not None
    share = torch.bincount(rows.y, minlength=3) / n
    assert total_variation(share, posterior(numbers, classes)) < 0.07
    assert total_variation(WORLD.w, posterior(numbers, classes)) > 0.3


def test_even_particles_are_left_alone_and_worn_ones_drawn_by_weight() -> None:
    u = torch.tensor([[0.5], [0.5]], dtype=F64)
    log_w = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, -50.0, -50.0, 0.0]], dtype=F64)
    assert conditional._resampled(log_w, u).tolist() == [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ]  # half of them carry all: just even
    log_w[1, 3] = -50.0
    assert conditional._resampled(log_w, u).tolist() == [0, 1, 2, 3, 4, 4, 4, 4]


def test_rows_do_not_depend_on_the_batch() -> None:
    process, known = WORLD.process(), fixed(1024, {0: 1.0}, {1: 2})
    path, M = trailing(bare(1000), 5), 2
    whole = complete(process, path, known, process.noise(5, 0, 2048), process.noise(6, 0, 1024), None)
    parts = [
        complete(
            process, path, few, process.noise(5, i * M, len(few.x) * M), process.noise(6, i, len(few.x)), None
        )
        for i, few in known.batches(300)
    ]
    assert torch.allclose(torch.cat([p.x for p in parts]), whole.x, atol=1e-9, rtol=0)
    assert torch.equal(torch.cat([p.c for p in parts]), whole.c)
