"""Figures of the study of samplers, each with the numbers that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tabstep.report.figures.drawing import panels, save
from tabstep.report.figures.hues import GREY, GRIDS, colour
from tabstep.study.samplers import best_grids


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw budgets, grids and bounds from `study.samplers.wide`; return the paths of PNG, PDF and CSV files."""
    chosen = best_grids(table)
    kept = table.groupby(["method", "sampler", "grid", "steps"])["kept"].mean().reset_index()
    bounded = _excess(table)
    return save(
        {
            "budgets": (lambda: budgets(chosen), chosen),
            "grids": (lambda: grids(kept), kept),
            "bounds": (lambda: bounds(bounded), bounded),
        },
        folder,
    )


def budgets(chosen: pd.DataFrame) -> Figure:
    """Part of the full-T score kept against the budget: a panel a dataset and their mean; a line a sampler."""
    mean = chosen.groupby(["method", "sampler", "steps"])["kept"].mean().reset_index()
    parts: list[tuple[str, pd.DataFrame]] = [
        ("mean of the datasets", mean),
        *((str(d), part) for d, part in chosen.groupby("dataset")),
    ]
    figure = Figure(figsize=(11, 2.9 * -(-len(parts) // 3)), layout="constrained")
    for axis, (title, part) in zip(panels(figure, len(parts), 3), parts, strict=True):
        for (method, sampler), points in part.groupby(["method", "sampler"]):
            line = points.sort_values("steps")
            axis.plot(
                line["steps"].to_numpy(float),
                100 * line["kept"].to_numpy(float),
                color=colour(str(method), str(sampler)),
                linestyle="-" if method == "tabddpm" else (0, (4, 1.5)),
                marker="o",
                markersize=3,
                linewidth=1.2,
                label=f"{method}, {sampler}",
            )
        values = 100 * part["kept"].to_numpy(float)
        high, middle = np.nanmax(values), np.nanmedian(values)
        axis.set_ylim(max(np.nanmin(values), high - 5 * (high - middle) - 1) - 0.5, high + 0.5)
        axis.set_title(title, loc="left", fontweight="bold", fontsize=9)
        steps_axis(axis, part)
        axis.set_ylabel("% of the full-T score")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure


def grids(kept: pd.DataFrame) -> Figure:
    """Mean part of the full-T score for every sampler, grid and budget, as a table of colours."""
    cells = kept.pivot_table(index=["method", "sampler", "grid"], columns="steps", values="kept") * 100
    figure = Figure(figsize=(7.5, 0.6 + 0.19 * len(cells)), layout="constrained")
    axis = figure.subplots()
    values = cells.to_numpy(float)
    image = axis.imshow(
        values, aspect="auto", cmap="cividis", vmin=max(70.0, float(np.nanmin(values))), vmax=102
    )
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            axis.text(
                j,
                i,
                f"{value:.1f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="black" if value > 88 else "white",
            )
    axis.set_xticks(range(values.shape[1]), [str(c) for c in cells.columns])
    axis.set_yticks(range(len(cells)), [f"{m}, {s}, {g}" for m, s, g in cells.index], fontsize=7)
    axis.set_xlabel("network evaluations per row")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.colorbar(image, ax=axis, label="% of the full-T score, mean over datasets", shrink=0.5)
    return figure


def bounds(excess: pd.DataFrame) -> Figure:
    """NELBO above that of all T steps against the budget, for analytic variances: a panel a dataset, a line a grid."""
    parts = list(excess.groupby("dataset"))
    figure = Figure(figsize=(2.4 * max(1, len(parts)) + 0.6, 2.9), layout="constrained")
    axes = figure.subplots(1, max(1, len(parts)), squeeze=False)[0]
    for axis, (dataset, part) in zip(axes, parts, strict=False):
        for grid, points in part.groupby("grid"):
            line = points.sort_values("steps")
            axis.plot(
                line["steps"].to_numpy(float),
                line["excess"].to_numpy(float),
                color=GRIDS.get(str(grid), GREY),
                marker="o",
                markersize=3,
                linewidth=1.3,
                label=str(grid),
            )
        axis.set_yscale("symlog", linthresh=1.0)  # fewer steps may do better than all of them
        axis.axhline(0.0, color=GREY, linewidth=0.6)
        axis.set_title(str(dataset), loc="left", fontweight="bold", fontsize=9)
        steps_axis(axis, part)
    axes[0].set_ylabel("NELBO above that of T steps (nats per row)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return figure


def _excess(table: pd.DataFrame) -> pd.DataFrame:
    part = table[
        (table["sampler"] == "analytic") & (table["method"] == "tabddpm") & table["nelbo_mean"].notna()
    ]
    most = part.groupby("dataset")["steps"].transform("max")
    full = part[part["steps"] == most].set_index("dataset")["nelbo_mean"]
    out = part[part["steps"] < most][["dataset", "grid", "steps", "nelbo_mean"]].copy()
    out["excess"] = out["nelbo_mean"] - out["dataset"].map(full)
    return out.reset_index(drop=True)


def steps_axis(axis: Axes, part: pd.DataFrame) -> None:
    axis.set_xscale("log")
    axis.set_xticks(sorted({int(s) for s in part["steps"]}))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.tick_params(labelsize=7.5)
    axis.grid(axis="y", color="#EBEBEB", linewidth=0.6)
    axis.set_xlabel("network evaluations per row")
