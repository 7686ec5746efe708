"""Noise keyed by row: any rows and steps by themselves, at the price of what is asked; labels and blocks alike."""

from __future__ import annotations

import ast
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from tabstep.data.encode import Encoder
from tabstep.data.table import Schema
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.noise import ROWS_PER_KEY, Noise
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.width import BATCH_NUMBERS, BATCH_ROWS, LEAST_ROWS, ManyLevels, batch_rows
from tabstep.registry import STARTS
from tabstep.samplers.setting import Setting, Table
from tabstep.samplers.start import Foreign

ROOT = Path(__file__).resolve().parents[1]
STEP = ("x_T", "c_T", "normal", "uniform", "gumbel", "keep", "choice")


def walk(noise: Noise, steps: int = 3) -> list[Tensor]:
    return [getattr(noise, kind)() for _ in range(steps) for kind in STEP]


@given(
    start=st.integers(0, 2 * ROWS_PER_KEY),
    n=st.integers(1, ROWS_PER_KEY + 50),
    d=st.integers(0, 3),
    sizes=st.lists(st.integers(2, 5), max_size=3).map(tuple),
    double=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_any_rows_have_the_noise_that_they_have_among_all(
    start: int, n: int, d: int, sizes: tuple[int, ...], double: bool
) -> None:
    dtype = torch.float64 if double else torch.float32
    some = Noise(7, start, n, d, Blocks(sizes), dtype)
    every = Noise(7, 0, start + n, d, Blocks(sizes), dtype)
    for part, whole in zip(walk(some), walk(every), strict=True):
        assert torch.equal(part, whole[start:])


def test_noise_has_its_law_and_is_new_at_each_step() -> None:
    noise = Noise(3, 0, 20_000, 2, Blocks((3, 5)))
    a, b = noise.normal(), noise.normal()
    assert stats.kstest(a.flatten().numpy(), "norm").pvalue > 1e-4
    assert stats.kstest(noise.gumbel().flatten().numpy(), "gumbel_r").pvalue > 1e-4
    assert stats.kstest(noise.uniform().flatten().numpy(), "uniform").pvalue > 1e-4
    counts = torch.bincount(noise.c_T()[:, 1], minlength=5).numpy()
    assert stats.chisquare(counts).pvalue > 1e-4
    between_steps = np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1]
    between_keys = np.corrcoef(a[:ROWS_PER_KEY].flatten(), a[ROWS_PER_KEY : 2 * ROWS_PER_KEY].flatten())[0, 1]
    assert abs(between_steps) < 0.03
    assert abs(between_keys) < 0.08


def seconds(n: int) -> float:
    """Of this thread, the least of three."""
    found = []
    for seed in range(3):
        begin = time.thread_time()
        walk(Noise(seed, 0, n, 10, Blocks((10,) * 100)), 5)
        found.append(time.thread_time() - begin)
    return min(found)


def test_one_row_costs_what_one_row_needs() -> None:
    assert seconds(1) < seconds(512) / 5


def test_first_label_does_not_depend_on_how_many_are_drawn() -> None:
    frame = pd.DataFrame({"x": np.arange(30.0), "y": ["a", "b", "c"] * 10})
    schema = Schema("multiclass", "y", ("x",), ())
    model = TabDDPM(T=5, steps=1, layers=(4,), batch_size=8).fit(frame, schema, seed=0)
    for seed in range(20):
        many = model.labels(50, seed)
        assert many is not None
        for n in (1, 2, 3, 10):
            some = model.labels(n, seed)
            assert some is not None
            assert torch.equal(some, many[:n])


@pytest.mark.parametrize("name", ["smote", "copula"])
def test_rows_of_a_foreign_start_do_not_depend_on_how_many_are_drawn_or_in_which_batches(name: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60), "y": ["a", "b"] * 30})
    schema = Schema("binclass", "y", ("x", "z"), ())
    encoder = Encoder.fit(frame, schema)
    model = TabDDPM(T=5, steps=1, layers=(4,), batch_size=8).fit(frame, schema, seed=0)
    start = STARTS[name]
    assert isinstance(start, Foreign)
    draw = start.fit(Setting(model.process, train=model.encode(frame), table=Table(frame, encoder)))
    n = ROWS_PER_KEY + 40
    whole = draw(model.process.noise(4, 0, n), None)
    for at, size in ((0, 1), (0, 300), (300, 500), (ROWS_PER_KEY - 10, 50)):
        part = draw(model.process.noise(4, at, size), None)
        assert torch.equal(part.x, whole.x[at : at + size])
        assert part.y is not None
        assert whole.y is not None
        assert torch.equal(part.y, whole.y[at : at + size])


@given(st.integers(0, 10**6))
def test_batches_of_wide_rows_are_bounded_and_those_of_narrow_ones_whole(width: int) -> None:
    rows = batch_rows(width)
    assert LEAST_ROWS <= rows <= BATCH_ROWS
    assert rows % LEAST_ROWS == 0
    assert rows * width <= BATCH_NUMBERS or rows == LEAST_ROWS
    assert rows == BATCH_ROWS or (rows + LEAST_ROWS) * width > BATCH_NUMBERS


def test_a_column_of_very_many_levels_is_told_at_fit_with_its_cost() -> None:
    def fit(levels: int) -> Any:
        zips = [f"z{i % levels}" for i in range(2400)]
        frame = pd.DataFrame({"x": np.arange(2400.0), "zip": zips, "y": np.arange(2400.0)})
        schema = Schema("regression", "y", ("x",), ("zip",))
        return TabDDPM(T=3, steps=1, layers=(4,), batch_size=8).fit(frame, schema, seed=0)

    with pytest.warns(ManyLevels, match=r"column 'zip' has 1,200 levels.*GiB.*8 rows.*batch_size"):
        fit(1200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(900)


def astray(source: str) -> list[int]:
    """Lines of calls that are told a generator and another device than its own: torch refuses that on a card."""
    found = []
    for node in ast.walk(ast.parse(source)):
        told = {w.arg: ast.unparse(w.value) for w in node.keywords} if isinstance(node, ast.Call) else {}
        if "generator" in told and told.get("device") not in (None, f"{told['generator']}.device"):
            found.append(node.lineno)
    return found


@pytest.mark.whole
def test_numbers_are_drawn_where_their_generator_is() -> None:
    assert astray("torch.rand(3, generator=g, device=x.device)\ntorch.rand(3, generator=g).to(x)") == [1]
    assert astray("torch.rand(3, generator=g, device=g.device)\nf(device=x.device)") == []
    for path in [*(ROOT / "bench").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")]:
        assert astray(path.read_text(encoding="utf-8")) == [], path
