"""The study of inversion: how near real rows come back from the noise that is found for them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Diffusion
from tabstep.engine.models import Fitted
from tabstep.records import store
from tabstep.report.numbers.table import commit_of, csv
from tabstep.report.pages.markdown import table_of
from tabstep.samplers.grid import trailing
from tabstep.samplers.inversion import INVERSIONS
from tabstep.samplers.latent import decode, encode
from tabstep.samplers.setting import Setting
from tabstep.study.markdown import reflow

VERSION = 1  # raise when a measurement below changes

ROWS = 128
BUDGETS: Mapping[str, Sequence[int]] = {
    "upward": (5, 10, 20, 50, 100),
    "newton": (5, 10, 20, 50),
    "joint": (5,),
}
NEAR = 0.01  # standard deviations of an encoded number: back for all practical purposes


def lines(fitted: Fitted, budgets: Mapping[str, Sequence[int]] = BUDGETS) -> list[dict[str, Any]]:
    """One line a method and budget: the error of real test rows that went to noise and back, and its seconds."""
    model: Diffusion = fitted.model.double()
    assert fitted.test is not None
    x, c, y = fitted.test
    clean = State(x[:ROWS].double(), c[:ROWS], None if y is None else y[:ROWS])
    out = []
    for method, steps in budgets.items():
        for K in steps:
            path = trailing(Setting(model.process), K)
            begun = time.perf_counter()
            latent = encode(
                model.process, path, clean, model.process.noise(0, 0, len(clean.x)), INVERSIONS[method]
            )
            seconds = time.perf_counter() - begun
            back = decode(model.process, latent)
            error = (back.x - clean.x).abs().flatten()
            out.append(
                {
                    "method": method,
                    "steps": K,
                    "rows": len(clean.x),
                    "mse": float(error.square().mean()),
                    "median": float(error.median()),
                    "near": float((error < NEAR).double().mean()),
                    "classes": float((back.c == clean.c).all(1).double().mean()),
                    "spread": float(latent.x_T.std()),
                    "seconds": seconds,
                }
            )
    return out


def write(measured: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write inversion.md and inversion.csv; return their paths."""
    flat = [{"dataset": part["dataset"], **line} for part in measured for line in part["lines"]]
    commits = ", ".join(sorted({commit_of(part["env"], digits=12) for part in measured}))
    env = measured[0]["env"]
    rows = [
        {
            "dataset": r["dataset"],
            "method": r["method"],
            "K": str(r["steps"]),
            "mean squared error": f"{r['mse']:.1e}",
            "median error": f"{r['median']:.1e}",
            f"within {NEAR}": f"{r['near']:.1%}",
            "rows with all classes": f"{r['classes']:.1%}",
            "deviation of the noise": f"{r['spread']:.2f}",
            "seconds": f"{r['seconds']:.3g}",
        }
        for r in flat
    ]
    text = [
        "# Inversion: real rows to noise and back",
        "",
        f"{ROWS} real test rows a dataset, in float64; errors of encoded numbers, whose standard deviation is 1. Noise",
        "of rows that the network could have drawn has the deviation 1. `upward` runs DDIM backwards, `newton` solves",
        "each step, `joint` all of them by gradients through a fixed point. Seconds are of one run.",
        "",
        f"Made at {commits}; {env.get('cpu')}, {env['device']}, {env['torch_threads']} threads.",
        "",
        *table_of(rows, tuple(rows[0])[2:]),
    ]
    store.replace(folder / "inversion.md", ("\n".join(reflow(text)) + "\n").encode())
    store.replace(folder / "inversion.csv", csv(pd.DataFrame(flat)).encode())
    return [folder / "inversion.md", folder / "inversion.csv"]
