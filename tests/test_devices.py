"""The same training and drawing on a CPU and on a GPU: the same noise, and so the same numbers up to rounding.

Runs by itself, without the other tests, the evaluators and the tuner, which a machine with a GPU may lack.
TABSTEP_DEVICE=cpu tries the tests themselves where there is no GPU.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tabstep.data.completion import Completion
from tabstep.data.own_table import read
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.engine import drawn_rows, run
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.records import where
from tabstep.registry import DEFAULT_SAMPLER, SAMPLERS
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting, Table
from tabstep.study import perf
from tabstep.suite import Entry, Suite

DEVICE = os.environ.get("TABSTEP_DEVICE", "cuda")
METHODS: dict[str, Any] = {
    "tabddpm": TabDDPM(T=20, steps=30, layers=(16,), batch_size=64),
    "tabstep": TabStep(T=20, steps=30, layers=(16,), batch_size=64),
}

pytestmark = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU: needs a CUDA device"
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 rows: numbers with gaps, a category, and a label that depends on both."""
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=200), rng.choice(["a", "b", "c"], 200)
    label = np.where(x + (c == "a") > 0.3, "yes", "no")
    gaps = np.where(rng.random(200) < 0.1, np.nan, x.round(3))
    path = tmp_path_factory.mktemp("table") / "small.csv"
    pd.DataFrame({"x": gaps, "n": rng.integers(0, 50, 200), "c": c, "label": label}).to_csv(path, index=False)
    return path


def fitted(table: Path, method: str, device: str) -> tuple[Diffusion, pd.DataFrame]:
    dataset = read(table, "label")
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    return METHODS[method].fit(train, completion.inner, seed=0, device=device), train


@pytest.mark.parametrize("method", METHODS)
def test_training_takes_the_same_way(table: Path, method: str) -> None:
    there, here = (fitted(table, method, device)[0] for device in (DEVICE, "cpu"))
    losses, wanted = (np.array([loss for _, loss, _ in model.curve]) for model in (there, here))
    np.testing.assert_allclose(losses[:10], wanted[:10], rtol=1e-3)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *(("tabddpm", name) for name in ("ancestral", "ddim", "dpmpp-2m-sde", "unipc-2", "deq")),
        ("tabstep", DEFAULT_SAMPLER),
    ],
)
def test_rows_are_the_same_up_to_rounding(table: Path, tmp_path: Path, method: str, name: str) -> None:
    model, train = fitted(table, method, DEVICE)
    model.save(tmp_path / "model")
    drawn = []
    for device in ("cpu", DEVICE):
        model = Diffusion.load(tmp_path / "model", device).double()
        known = Setting(model.process, train=model.encode(train), table=Table(train, model.encoder))
        setting = known.seen_by(SAMPLERS[name])
        state = model.denoise(SAMPLERS[name].prepare(setting, trailing(setting, 5)), 1000, seed=0)
        assert state.x.device.type == device
        drawn.append((state.x.cpu().numpy(), state.c.cpu().numpy()))
    (x, c), (other_x, other_c) = drawn
    assert (c == other_c).mean() > 0.999, "a class may lie on an edge"
    same = (c == other_c).all(1)
    # Each device rounds the frequencies of the time embedding to float32, and a step from T multiplies that.
    near = np.isclose(x[same], other_x[same], atol=1e-4).all(1)
    assert near.mean() > 0.99, "a class on the way may lie on an edge too"


def test_a_run_leaves_rows_that_say_where_they_were_made(table: Path, tmp_path: Path) -> None:
    entry = Entry("tabddpm", "tiny", {"T": 10, "steps": 5, "layers": (8,)})
    suite = Suite("own", "for tests", (), (entry,), samplers=(("ddim", "trailing"),), steps=(2,))
    todo = plan(suite, [Source("small", file=table, target="label")], device=DEVICE)
    folder = Folder(tmp_path / "results")
    status = run.execute(todo, folder, stages=("fit", "draw"))
    assert {o.status for o in status.outcomes} == {"ok"}, [o.reason for o in status.outcomes]
    known = drawn_rows.known(folder.rows(todo.jobs[0].cell))
    assert known["env"]["device"] == DEVICE
    assert known["fitted"]["on"] == where.named(known["env"]) is not None


def test_a_run_ends_with_scores(table: Path, tmp_path: Path) -> None:
    pytest.importorskip("catboost")
    entry = Entry("tabddpm", "tiny", {"T": 10, "steps": 5, "layers": (8,)})
    suite = Suite(
        "own", "for tests", (), (entry,), samplers=(("ddim", "trailing"),), steps=(2,), eval_seeds=1
    )
    todo = plan(suite, [Source("small", file=table, target="label")], device=DEVICE)
    status = run.execute(todo, Folder(tmp_path / "results"))
    assert {o.status for o in status.outcomes} == {"ok"}, [o.reason for o in status.outcomes]


def test_steps_are_timed_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "TURNS", 1)
    method = TabStep(layers=(8,), batch_size=16, held_share=0.0)
    shape = perf.Shape("small", 2, (3, 4), method, 1.0)
    for line in (perf.training_step(shape, DEVICE), *perf.sampling(shape, 32, DEVICE)):
        assert line.seconds > 0
