"""What draws a few evaluations where no sampler is named: by how good the rows are that paths begin at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tabstep
from tabstep.api import started
from tabstep.api.synthesizer import Synthesizer
from tabstep.registry import DEFAULT_SAMPLER, EARLIER_SAMPLER, FEW_EVALUATIONS

N = 600
METHOD = tabstep.TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)


def plain(n: int = N) -> pd.DataFrame:
    """Two clouds: a mixture is all there is to say."""
    rng = np.random.default_rng(0)
    cloud = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 2)) + 6 * cloud[:, None]
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "cloud": np.where(cloud, "far", "near")})


def folded(n: int = 1500) -> pd.DataFrame:
    """Seven columns that two others fold: a mixture of products has few words for it."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-3, 3, (2, n))
    waves = [np.sin(3 * u + k * v) + rng.normal(0, 0.01, n) for k in range(7)]
    return pd.DataFrame({"u": u, "v": v} | {f"w{k}": wave for k, wave in enumerate(waves)})


def fitted(frame: pd.DataFrame) -> Synthesizer:
    return tabstep.fit(frame, method=METHOD, progress="none")


@pytest.fixture(scope="module")
def models() -> tuple[Synthesizer, Synthesizer]:
    return fitted(plain()), fitted(folded())


def drawn_by(model: Synthesizer, steps: int) -> str:
    return str(model.sample(2, steps=steps).attrs["drawn by"]).split()[0]


@pytest.mark.whole
def test_a_poor_begin_is_mended_by_another_sampler_at_few_evaluations_alone(
    models: tuple[Synthesizer, Synthesizer],
) -> None:
    good, poor = models
    assert {drawn_by(good, K) for K in (1, 2, 3, 5, 8, 20)} == {DEFAULT_SAMPLER}
    assert {K: drawn_by(poor, K) for K in (1, 2, 3, 5, 7, 8, 20)} == {
        K: EARLIER_SAMPLER if K in FEW_EVALUATIONS else DEFAULT_SAMPLER for K in (1, 2, 3, 5, 7, 8, 20)
    }
    area = {model: float(model.artifacts.held(started.ALONE)["area"]) for model in models}  # type: ignore[index]
    assert area[good] < 0.6 < 0.75 < area[poor]
    assert poor.way(grid="trailing", steps=5).said[:2] == (DEFAULT_SAMPLER, "trailing")
    assert poor.way(DEFAULT_SAMPLER, steps=5).said[0] == DEFAULT_SAMPLER
    assert "unipc" in poor.way(steps=5).words


@pytest.mark.whole
def test_a_saved_model_draws_the_same_rows(models: tuple[Synthesizer, Synthesizer], tmp_path: Path) -> None:
    fresh = fitted(folded())  # nothing was measured before it is saved
    fresh.save(tmp_path / "model")
    again = tabstep.load(tmp_path / "model")
    assert again.table is None
    pd.testing.assert_frame_equal(again.sample(5, steps=5), models[1].sample(5, steps=5))
    assert drawn_by(again, 5) == EARLIER_SAMPLER


def test_with_few_rows_nothing_is_measured(tmp_path: Path) -> None:
    model = fitted(folded(150))
    assert drawn_by(model, 5) == DEFAULT_SAMPLER
    assert model.artifacts.held(started.ALONE) is None
    model.save(tmp_path / "model")
    assert drawn_by(tabstep.load(tmp_path / "model"), 5) == DEFAULT_SAMPLER


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"area": torch.tensor(1.5, dtype=torch.float64)},
        {"area": torch.tensor(torch.nan, dtype=torch.float64)},
        {"area": torch.tensor([0.5], dtype=torch.float64)},
        {"area": torch.tensor(1)},
        {"area": torch.tensor(0.5, dtype=torch.float64), "more": torch.tensor(0.5)},
    ],
    ids=str,
)
def test_what_is_no_area_is_refused(tensors: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match="told by no share"):
        started.check(tensors)
