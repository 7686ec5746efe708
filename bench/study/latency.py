"""The study of DEQ-DDIM: calls in a row, evaluations, and latency by batch, beside the chain done step by step."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.model import Counted, Diffusion
from tabstep.records import store
from tabstep.records.clock import synchronize
from tabstep.registry import SAMPLERS
from tabstep.report.figures.drawing import save
from tabstep.report.numbers.table import commit_of
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.deq import DEQ, solve
from tabstep.samplers.grid import trailing
from tabstep.samplers.setting import Setting, Steps
from tabstep.study.figures import steps_axis
from tabstep.study.markdown import pipes, reflow

VERSION = 1  # raise when a measurement below changes
BUDGETS = (2, 5, 10, 20, 50)
BATCHES = (1, 64, 4000)
ROWS = 512
REPEATS = 5
SOLVERS = ("deq", "deq-anderson")
COLOURS = {"deq": "#999933", "deq-anderson": "#882255"}


def lines(model: Diffusion, budgets: Iterable[int] = BUDGETS) -> list[dict[str, Any]]:
    """One line a solver and budget: sweeps of rows, evaluations, distance to DDIM's rows, seconds by batch."""
    out = []
    for K in (K for K in budgets if model.schedule.T >= K):
        path = trailing(Setting(model.process), K)
        sequential = DDIM().prepare(Setting(model.process), path)
        in_order = {n: _seconds(model, sequential, n) for n in BATCHES}
        for name in SOLVERS:
            solver = SAMPLERS[name]
            assert isinstance(solver, DEQ)
            draw = solver.prepare(Setting(model.process), path)
            seconds = {n: _seconds(model, draw, n) for n in BATCHES}
            out.append(
                {
                    "solver": name,
                    "steps": K,
                    **_against_ddim(model, solver, path),
                    "seconds": {str(n): s for n, s in seconds.items()},
                    "sequential": {str(n): s for n, s in in_order.items()},
                }
            )
    return out


def _seconds(model: Diffusion, draw: Draw, n: int) -> float:
    """Median of `REPEATS` draws of n rows, after one that does not count."""
    device = str(model.device)
    found = []
    for _ in range(REPEATS + 1):
        synchronize(device)
        start = time.perf_counter()
        model.denoise(draw, n, seed=0)
        synchronize(device)
        found.append(time.perf_counter() - start)
    return float(np.median(found[1:]))


@torch.inference_mode()
def _against_ddim(model: Diffusion, solver: DEQ, path: Steps) -> dict[str, float]:
    process: Process = model.process
    counter = process.denoiser
    assert isinstance(counter, Counted)
    y = model.labels(ROWS, seed=1)
    before = counter.rows
    rows, sweeps = solve(solver, process, path, process.noise(1, 0, ROWS), y)
    evaluations = (counter.rows - before) / ROWS
    wanted: State = DDIM().prepare(Setting(process), path)(process.noise(1, 0, ROWS), y)
    far = (rows.x - wanted.x).abs().amax(1) if process.d_num else rows.x.new_zeros(ROWS)
    return {
        "sweeps_mean": float(sweeps.double().mean()),
        "sweeps_90": float(sweeps.double().quantile(0.9)),
        "sweeps_max": float(sweeps.max()),
        "evaluations": evaluations,
        "distance_median": float(far.median()),
        "distance_max": float(far.max()),
        "same_classes": float((rows.c == wanted.c).all(1).double().mean()),
    }


def table(measured: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """All lines, with `ratio_<batch>`: seconds in parts of those of the chain done step by step."""
    out = []
    for part in measured:
        for line in part["lines"]:
            flat = {name: value for name, value in line.items() if not isinstance(value, dict)}
            ratios = {f"ratio_{n}": s / line["sequential"][n] for n, s in line["seconds"].items()}
            times = {f"seconds_{n}": s for n, s in line["seconds"].items()}
            out.append({"dataset": part["dataset"], **flat, **ratios, **times})
    return pd.DataFrame(out)


def write(measured: Sequence[Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write deq.md and the figure with its numbers; return their paths."""
    found = table(measured)
    store.replace(folder / "deq.md", ("\n".join(reflow(_page(measured, found))) + "\n").encode())
    return [folder / "deq.md", *save({"deq": (lambda: _figure(found), found)}, folder)]


def _page(measured: Sequence[Mapping[str, Any]], found: pd.DataFrame) -> list[str]:
    env = measured[0]["env"]
    commits = ", ".join(sorted({commit_of(part["env"], digits=12) for part in measured}))
    busy = max(part["machine"]["busy"] for part in measured)
    rows = [
        {
            "dataset": row["dataset"],
            "solver": row["solver"],
            "K": str(row["steps"]),
            "sweeps: mean / 90 % / max": f"{row['sweeps_mean']:.1f} / {row['sweeps_90']:.0f} / {row['sweeps_max']:.0f}",
            "evaluations": f"{row['evaluations']:.1f}",
            "rows with DDIM's classes": f"{row['same_classes']:.1%}",
            "largest distance of a number": f"{row['distance_max']:.1e}",
            **{f"time, batch {n}": f"{row[f'ratio_{n}']:.2f} x" for n in BATCHES},
        }
        for row in found.to_dict("records")
    ]
    return [
        "# DEQ-DDIM: one fixed point for the whole chain",
        "",
        f"Sweeps are network calls in a row, of {ROWS} rows; evaluations are what a row costs the network in all.",
        "Times are in parts of those of `ddim` with as many steps, medians of five: below 1 is sooner. A sweep is one",
        "call on all steps that are not yet exact, so it pays where a call of many rows costs little more than one of",
        "one row: at small batches on an accelerator, hardly on a CPU.",
        "",
        f"Made at {commits}; {env.get('gpu') if env['device'] != 'cpu' else env.get('cpu')}, {env['device']}, "
        f"{env['torch_threads']} threads; other work took up to {busy:.0%} of the cores.",
        "",
        "![Calls in a row, and latency in parts of DDIM's](deq.png)",
        "",
        *pipes(rows),
    ]


def _figure(found: pd.DataFrame) -> Figure:
    """Sweeps (mean, shaded up to the largest) and latency ratios by batch, against the steps of the chain."""
    datasets = sorted(found["dataset"].unique())
    figure = Figure(figsize=(3.4 * len(datasets) + 0.4, 5.4), layout="constrained")
    axes = figure.subplots(2, len(datasets), squeeze=False)
    for column, dataset in zip(axes.T, datasets, strict=True):
        panel = found[found["dataset"] == dataset]
        for solver, colour in COLOURS.items():
            part = panel[panel["solver"] == solver].sort_values("steps")
            steps = part["steps"].to_numpy(float)
            column[0].plot(steps, part["sweeps_mean"].to_numpy(float), color=colour, marker="o", markersize=3)
            column[0].fill_between(
                steps,
                part["sweeps_mean"].to_numpy(float),
                part["sweeps_max"].to_numpy(float),
                color=colour,
                alpha=0.15,
                linewidth=0,
                label=f"{solver}: mean to largest",
            )
            for n, style in zip(BATCHES, ("-", (0, (4, 1.5)), (0, (1, 1.5))), strict=True):
                column[1].plot(
                    steps,
                    part[f"ratio_{n}"].to_numpy(float),
                    color=colour,
                    linestyle=style,
                    marker="o",
                    markersize=3,
                    label=f"{solver}, batch {n}",
                )
        diagonal = sorted(panel["steps"].unique())
        column[0].plot(diagonal, diagonal, color="#0072B2", linewidth=1, label="ddim")
        column[1].axhline(1.0, color="#0072B2", linewidth=1)
        column[1].set_yscale("log")
        column[0].set_yscale("log")
        column[0].set_title(str(dataset), loc="left", fontweight="bold", fontsize=9)
        for axis in column:
            steps_axis(axis, panel)
            axis.set_xlabel("steps of the chain")
    axes[0, 0].set_ylabel("network calls in a row")
    axes[1, 0].set_ylabel("seconds, in parts of DDIM's")
    handles = [*axes[0, 0].get_legend_handles_labels()[0], *axes[1, 0].get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
