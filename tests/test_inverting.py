"""The study of inversion: its numbers and its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.data.completion import Completion
from tabstep.data.table import Schema
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.engine.models import Fitted
from tabstep.study import inverting


@pytest.mark.whole
def test_the_study_of_inversion(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    c = rng.choice(np.array(["a", "b"], dtype=object), 400)
    x = rng.normal(size=400) + 2 * (c == "a")
    frame = pd.DataFrame({"x": x, "z": x + rng.normal(size=400), "c": c, "y": rng.normal(size=400)})
    schema = Schema("regression", "y", ("x", "z"), ("c",))
    method = TabDDPM(T=50, steps=300, layers=(32,), batch_size=256, lr=3e-3)
    model = method.fit(frame, schema, seed=0)
    fitted = Fitted(model, Completion.fit(frame, schema), frame, 0.0, test=model.encode(frame.head(40)))
    lines = inverting.lines(fitted, {"upward": (5, 25), "newton": (5,), "joint": (3,)})
    assert [(line["method"], line["steps"]) for line in lines] == [
        ("upward", 5),
        ("upward", 25),
        ("newton", 5),
        ("joint", 3),
    ]
    assert all(line["classes"] == 1 and line["rows"] == 40 for line in lines)
    upward, finer, newton, _ = lines
    assert newton["mse"] < finer["mse"] < upward["mse"]
    measured = [{"dataset": "made", "lines": lines, "env": {"commit": "a" * 40, "dirty": False, "cpu": "cpu",
                 "device": "cpu", "torch_threads": 1}}]  # fmt: skip
    page, numbers = inverting.write(measured, tmp_path)
    assert f"{newton['mse']:.1e}" in page.read_text(encoding="utf-8")
    assert pd.read_csv(numbers)["mse"].tolist() == pytest.approx([line["mse"] for line in lines])
