"""Columns of masses through the whole method: every sampler draws them, a saved model too, and edits keep them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tabstep
from tabstep.data.table import Schema
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.registry import GRIDS, SAMPLERS
from tabstep.samplers.setting import Setting, path_for

SCHEMA = Schema("binclass", "y", ("amount", "whole", "few", "smooth"), ("city",), frozenset({"whole", "few"}))


def table(n: int = 400, seed: int = 0) -> pd.DataFrame:
    """Columns with 60 % zeros and a cap, of whole numbers with a mass inside, of three values, and a smooth one."""
    rng = np.random.default_rng(seed)
    amount = np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 10, n).clip(max=30))
    whole = np.where(rng.random(n) < 0.4, 40, rng.integers(1, 99, n))
    return pd.DataFrame(
        {
            "amount": amount,
            "whole": whole,
            "few": rng.integers(0, 3, n),
            "smooth": rng.normal(size=n),
            "city": rng.choice(["a", "b", "c"], n).astype(object),
            "y": rng.choice(["no", "yes"], n).astype(object),
        }
    )


def test_with_all_parts_off_it_is_tabddpm() -> None:
    frame = table()
    tiny = {"T": 10, "steps": 3, "layers": (8,), "lr": 1e-3, "batch_size": 64, "weights": "raw"}
    off = {"normalization": "quantile", "head": "eps", "signal_floor": 0.0, "balance": "kinds"}
    off |= {
        "times": "uniform",
        "body": "plain",
        "frequencies": 0,
        "ema_warmup": 1,
        "held_share": 0.0,
        "levels": 0,
    }
    same = TabStep(**tiny, **off).fit(frame, SCHEMA, seed=0)  # type: ignore[arg-type]
    base = TabDDPM(**tiny).fit(frame, SCHEMA, seed=0)  # type: ignore[arg-type]
    for key, value in base.network.state_dict().items():
        # The loss has another constant and is summed in another order.
        assert torch.allclose(value, same.network.state_dict()[key], atol=1e-5)


@pytest.fixture(scope="module")
def model() -> Diffusion:
    return TabStep(T=20, steps=20, layers=(16,), batch_size=64).fit(table(), SCHEMA, seed=0)


@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpmpp-2m-sde", "unipc-2", "deq", "analytic"])
def test_every_kind_of_sampler_draws_it(model: Diffusion, name: str) -> None:
    rows = model.encode(table())
    setting = Setting(model.process, train=rows, held=rows).seen_by(SAMPLERS[name])
    draw = SAMPLERS[name].prepare(setting, path_for(SAMPLERS[name], GRIDS["trailing"], setting, 4))
    drawn = model.generate(draw, 200, seed=0).rows
    assert drawn.dtypes.equals(table().dtypes)
    assert drawn["few"].isin([0, 1, 2]).all()
    assert (drawn["amount"] == 0).any()
    assert not drawn.isna().any().any()


def test_a_saved_model_draws_the_same(model: Diffusion, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = Diffusion.load(tmp_path / "m")
    sampler = SAMPLERS["ddim"]
    setting = Setting(model.process)
    path = path_for(sampler, GRIDS["trailing"], setting, 3)
    one, other = (
        m.generate(sampler.prepare(Setting(m.process), path), 50, seed=1).rows for m in (model, again)
    )
    pd.testing.assert_frame_equal(one, other)


def test_edit_fixes_masses_and_numbers() -> None:
    frame = table(200)
    fitted = tabstep.fit(frame, "y", method=TabStep(T=10, steps=5, layers=(8,)), progress="none")
    rows = frame.head(4)
    with pytest.warns(UserWarning, match="particles"):
        edited = fitted.edit(rows, {"few": 2}, keep=["amount", "city"], steps=3, particles=4)
    assert (edited["few"] == 2).all()
    assert (edited["amount"] == rows["amount"]).all()
    with pytest.raises(ValueError, match="few = 7"):
        fitted.edit(rows, {"few": 7}, steps=3, particles=4)
