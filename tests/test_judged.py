"""What is chosen for a budget is chosen by its regret over several scores; and the grid that draws rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.data.encode import Encoder
from tabstep.data.table import Schema
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers import measured
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.free import FreeFirst
from tabstep.samplers.grid import Karras, trailing
from tabstep.samplers.judged import (
    FOLDS,
    LEAST_ROWS,
    Judge,
    areas_under_curve,
    coded,
    predictions,
    regrets,
    shortfalls,
    standard_error,
    written,
)
from tabstep.samplers.measured import Measured
from tabstep.samplers.setting import Sampler, Setting, Steps, Table, path_for
from tests.oracle import F64, mixed_table


def frame(n: int, seed: int) -> tuple[pd.DataFrame, Schema]:
    """Two numbers that follow each other, a class that follows the first, and a label that follows both."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(n)
    b = 0.9 * a + 0.4 * rng.standard_normal(n)
    k = np.where(a + 0.5 * rng.standard_normal(n) > 0, "u", "v")
    y = np.where(a + b + rng.standard_normal(n) > 0, "no", "yes")
    return pd.DataFrame({"a": a, "b": b, "k": k, "y": y}), Schema("binclass", "y", ("a", "b"), ("k",))


def means(drawn: pd.DataFrame, held: pd.DataFrame, schema: Schema) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in shortfalls(drawn, held, schema).items()}


@pytest.mark.whole
def test_numbers_beyond_single_precision_are_told_as_others_are() -> None:
    """Trees read numbers in single precision, where 1e300 is infinite, and refuse it."""
    (drawn, schema), (held, _) = frame(400, 1), frame(400, 2)
    drawn = drawn.assign(a=drawn["a"] + 1)
    fold = np.arange(400) % FOLDS
    usual = areas_under_curve(*coded(drawn, held, schema), fold)
    large = [rows.assign(a=rows["a"] * 1e300) for rows in (drawn, held)]
    assert areas_under_curve(*coded(*large, schema), fold) == pytest.approx(usual, abs=0.02)
    assert np.mean(usual) > 0.6
    np.testing.assert_array_equal(coded(drawn, held, schema)[0][:, 0], drawn["a"])  # others stay as they are


def test_each_planted_fault_is_seen_by_the_score_that_sees_it() -> None:
    """Labels that say nothing, columns that are independent, one that is moved; fresh rows have none of them."""
    (held, schema), (fresh, _) = frame(1500, 0), frame(1500, 1)
    rng = np.random.default_rng(2)
    good = means(fresh, held, schema)
    assert good["c2st"] < 0.05
    assert good["wasserstein"] < 0.02
    assert good["trend"] < 0.05

    labels = means(fresh.assign(y=rng.permutation(fresh["y"])), held, schema)
    assert labels["efficacy"] > good["efficacy"] + 0.15
    assert labels["wasserstein"] == good["wasserstein"]

    apart = fresh.apply(lambda column: rng.permutation(column))
    independent = means(apart, held, schema)
    assert independent["wasserstein"] == pytest.approx(good["wasserstein"], abs=1e-3)  # of other folds
    assert independent["trend"] > good["trend"] + 0.1
    assert independent["c2st"] > good["c2st"] + 0.3

    moved = means(fresh.assign(b=fresh["b"] + 0.7), held, schema)
    assert moved["wasserstein"] > good["wasserstein"] + 0.03


def test_the_regret_is_the_largest_loss_in_margins_of_its_score() -> None:
    """Against the best way of each score; a score in which none does well, or all do, decides nothing."""
    one = np.ones(FOLDS)
    ways = [
        {"c2st": 0.40 * one, "efficacy": 0.25 * one, "trend": 0.500 * one},
        {"c2st": 0.46 * one, "efficacy": 0.20 * one, "trend": 0.501 * one},
        {"c2st": 0.43 * one, "efficacy": 0.21 * one, "trend": 0.502 * one},
    ]
    found = regrets(ways)
    assert found.shape == (3, FOLDS)
    assert found.mean(1) == pytest.approx([5, 2, 1])  # .05 of .01, .06 and .03 of .03
    shifted = [{**way, "efficacy": way["efficacy"] + 0.5} for way in ways]
    assert regrets(shifted) == pytest.approx(found)
    assert regrets(ways[:1]) == pytest.approx(np.zeros((1, FOLDS)))
    noisy = {**ways[0], "c2st": ways[0]["c2st"] + np.linspace(-0.01, 0.01, FOLDS)}
    assert regrets([noisy, ways[1]])[1, 0] == pytest.approx(0.07 / 0.03), "folds are compared in pairs"


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).standard_normal((3, FOLDS))
    left_out = (values.sum(1, keepdims=True) - values) / (FOLDS - 1)
    assert standard_error(left_out) == pytest.approx(values.std(1, ddof=1) / math.sqrt(FOLDS))


def test_a_regression_and_rows_that_teach_nothing() -> None:
    table, _ = frame(600, 0)
    other, _ = frame(600, 1)
    schema = Schema("regression", "b", ("a",), ("k",))
    found = means(other[["a", "k", "b"]], table[["a", "k", "b"]], schema)
    assert 0.1 < found["efficacy"] < 0.5  # 1 - R2; the best is .17
    constant = np.column_stack([np.arange(5.0), np.full(5, 3.0)])
    assert predictions(constant, constant, regression=True).tolist() == [3.0] * 5


def test_rows_are_judged_as_they_are_written() -> None:
    """A whole number between two others, which would give a drawn row away, is written as one of them."""
    train = pd.DataFrame({"x": [1, 2, 3, 4] * 30, "y": ["a", "b"] * 60})
    encoder = Encoder.fit(train, Schema("binclass", "y", ("x",), (), frozenset({"x"})))
    real = State(*encoder.encode(train))
    setting = replace(mixed_table(10).setting(10), table=Table(train, encoder))
    pd.testing.assert_frame_equal(written(setting, real._replace(x=real.x + 1e-3)), train, check_dtype=False)
    assert list(written(replace(setting, table=None), real).columns) == ["x0", "y"]


# The grid that draws rows


@dataclass(frozen=True)
class Tuned:
    """A sampler whose rows are real, and then moved by how far its path is from beginning at one time."""

    at: int
    grid: ClassVar[str] = "trailing"

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        def draw(noise: Noise, y: Tensor | None) -> State:
            rows = mixed_table().state(noise.n, seed=3)
            return State(rows.x + 3 * abs(math.log(path[0] / self.at)) * torch.ones(3, dtype=F64), rows.c, y)

        return draw


class ByMean(Judge):
    """Sees the mean of the numbers alone, with some noise: boosted trees take their time."""

    def __call__(self, sampler: Sampler, path: Steps) -> dict[str, np.ndarray]:
        held = self.setting.rows()
        rows = sampler.prepare(self.setting, path)(self.setting.process.noise(0, 0, len(held.x)), None)
        away = float((rows.x.mean(0) - held.x.mean(0)).abs().mean())
        return {"c2st": away + 1e-3 * np.random.default_rng(int(1e6 * away)).standard_normal(FOLDS)}


@pytest.mark.parametrize("at", [1000, 920, 795])
def test_the_grid_is_that_of_the_best_rows(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even steps begin at 1000, those in sigma at 920, and at 796 with the smallest sigma_max to try."""
    monkeypatch.setattr(measured, "Judge", ByMean)
    setting = mixed_table().setting(300)
    path = path_for(Tuned(at), Measured(), setting, 3)
    assert len(path) == 4
    if at == 1000:
        assert path == trailing(setting, 3)
    else:
        assert abs(path[0] - at) <= 2


def test_a_search_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "Judge", ByMean)
    setting = mixed_table().setting(300)
    chosen = path_for(Tuned(1000), Measured(), setting, 2)

    def refuse(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(measured, "search", refuse)
    assert path_for(Tuned(1000), Measured(), setting, 2) == chosen


def test_it_needs_a_sampler_and_rows_to_judge_by() -> None:
    setting = mixed_table(50).setting(LEAST_ROWS - 1)
    with pytest.raises(Unsupported, match=f"at least {LEAST_ROWS} held-out ones, got {LEAST_ROWS - 1}"):
        path_for(DDIM(), Measured(), setting, 2)
    assert Measured()(setting, 2) == trailing(setting, 2), "where a search begins"
    assert path_for(DDIM(), Measured(), setting, 50) == tuple(range(50, -1, -1)), "nothing to choose"


@pytest.mark.whole
def test_every_sampler_is_judged_from_where_its_paths_begin() -> None:
    """With the first step free the paths tried are those of the sampler, one time shorter."""
    setting = mixed_table(100).setting(250)
    family = Measured(sigma_max=(), sigma_min=(0.3,), rho=())
    path = path_for(FreeFirst(DDIM()), family, setting, 3)
    possible = [trailing, Karras(), Karras(sigma_min=0.3)]
    assert path in [path_for(FreeFirst(DDIM()), g, setting, 3) for g in possible]
