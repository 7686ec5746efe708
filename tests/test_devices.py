"""The same model on a CPU and on a GPU: the same noise, and so the same rows up to rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tabstep.diffusion.model import Diffusion
from tabstep.engine import run
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.job import Folder, Source
from tabstep.engine.plan import plan
from tabstep.records import store
from tabstep.registry import SAMPLERS
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting
from tests.test_run import TINY, Done, done, pick, small_table

__all__ = ["done"]  # a fixture

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: needs a CUDA device")


@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpmpp-2m-sde", "unipc-2", "deq"])
def test_rows_are_the_same_up_to_rounding(done: Done, name: str) -> None:
    path = done.folder.model(pick(done.plan, "tabddpm", 5))
    drawn = []
    for device in ("cpu", "cuda"):
        model = Diffusion.load(path, device).double()
        setting = Setting(model.process).seen_by(SAMPLERS[name])
        state = model.denoise(SAMPLERS[name].prepare(setting, trailing(setting, 5)), 1000, seed=0)
        assert state.x.device.type == device
        drawn.append((state.x.cpu().numpy(), state.c.cpu().numpy()))
    (x, c), (other_x, other_c) = drawn
    assert (c == other_c).mean() > 0.999, "a class may lie on an edge"
    same = (c == other_c).all(1)
    np.testing.assert_allclose(x[same], other_x[same], atol=1e-6)


def test_a_run_on_the_gpu_ends_with_scores(tmp_path: Path) -> None:
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    todo = plan(narrow(TINY, Filters(methods=("tabddpm",))), [source], device="cuda")
    status = run.execute(todo, Folder(tmp_path / "results"))
    assert {o.status for o in status.outcomes} == {"ok"}, [o.reason for o in status.outcomes]
    record = store.read(tmp_path / "results" / "runs" / todo.jobs[0].cell.path)
    assert record.env["device"] == "cuda"
