"""Figures: what quality costs, in network evaluations and in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import GREY, HALO, MARKERS, colour, tint
from tabstep.report.figures.levels import Scale, level_marks, levels, scale_of, several_params
from tabstep.report.numbers.front import pareto
from tabstep.report.numbers.table import PRIMARY, REAL_ROWS

QUALITY = {"catboost_f1_macro": "macro F1 (CatBoost)", "catboost_r2": "R² (CatBoost)"}
COSTS = {"nfe": "network evaluations per row", "seconds": "seconds to prepare and draw"}


def quality_against_cost(results_frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the primary metric against network evaluations (left) and seconds (right), one row per dataset.

    `results_frame` is `tabstep.report.numbers.table.results`. Each sampler is a line over its step budgets,
    with bars of one standard deviation of all single scores (an interval over two training seeds would be wider
    than the panel); a method without steps is a level on the left and a point on the right; real rows and
    floors are lines across. A stepped line joins the points that no other beats in quality and cost. Writes
    quality_against_cost.png, .pdf and .csv (the points drawn) and returns the three paths. Raises ValueError
    where there is no score to draw.
    """
    data = shown(results_frame)
    if data.empty:
        raise ValueError("no row of the results has a score in a primary metric: there is nothing to draw")
    return save({"quality_against_cost": (lambda: draw(data), data)}, folder)


def draw(data: pd.DataFrame) -> Figure:
    """The figure of `quality_against_cost`, from the rows that are drawn."""
    parts = list(data.groupby(["suite", "dataset"], sort=True))
    figure = Figure(figsize=(10.6, 0.75 + 2.55 * len(parts)), layout="constrained")
    grid = figure.subplots(len(parts), 2, sharex="col", sharey="row", squeeze=False)
    for axes, cost in zip(grid[0], COSTS, strict=True):
        costs = data.loc[data[cost] > 0, cost]
        axes.set_xscale("log")
        if len(costs):  # by ourselves, because a single budget has no range to fit
            axes.set_xlim(costs.min() / 1.25, costs.max() * 1.25)
    several_suites = data["suite"].nunique() > 1
    for pair, ((suite, dataset), part) in zip(grid, parts, strict=True):
        scale = scale_of(part)
        for axes, cost in zip(pair, COSTS, strict=True):
            _panel(axes, part, cost, scale)
        pair[0].set_ylabel(QUALITY[part["metric"].iloc[0]])
        title = f"{dataset} ({suite})" if several_suites else str(dataset)
        pair[0].set_title(title, loc="left", fontweight="bold", fontsize=9.5)
    for axes, label in zip(grid[-1], COSTS.values(), strict=True):
        axes.set_xlabel(label)
    figure.legend(
        handles=_legend(data), loc="outside right upper", frameon=False, handlelength=2.6, labelspacing=0.45
    )
    return figure


def shown(results_frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a score in their primary metric, their `seconds`, and whether each is on a Pareto front."""
    primary = results_frame["metric"] == results_frame["task"].map(PRIMARY)
    data = results_frame[primary & results_frame["mean"].notna()].reset_index(drop=True)
    data["seconds"] = data["prepare_s"].fillna(0) + data["sample_s"]
    for cost in COSTS:
        competes = data[~data["method"].isin(REAL_ROWS) & (data[cost] > 0)]
        data[f"front_{cost}"] = False
        of_one = ["suite", "dataset", *(["device"] if cost == "seconds" else [])]
        for _, part in competes.groupby(of_one):
            data.loc[part.index, f"front_{cost}"] = pareto(part[cost], part["mean"])
    return data


def _series(part: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str, str], pd.DataFrame]]:
    """(method, params, sampler, grid) and its points by rising budget; an absent grid is ''."""
    sampled = part[part["sampler"].notna()].fillna({"grid": ""})
    for key, points in sampled.groupby(["method", "params", "sampler", "grid"], sort=True):
        method, params, sampler, grid = map(str, key)
        yield (method, params, sampler, grid), points.sort_values("steps")


def _panel(axes: Axes, part: pd.DataFrame, cost: str, scale: Scale) -> None:
    axes.set_xscale("log")
    axes.set_ylim(scale.low, scale.high)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if cost == "nfe" else (1.0,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(labelsize=8, width=0.7)
    axes.grid(axis="y", color="#EBEBEB", linewidth=0.6)
    axes.set_axisbelow(True)

    below = []
    several = several_params(part)
    for (method, params, sampler, grid), points in _series(part):
        points = points[points[cost] > 0]  # a log axis has no place for others
        shade = colour(method, sampler)
        axes.errorbar(
            points[cost].to_numpy(float),
            points["mean"].to_numpy(float),
            yerr=points["std"].fillna(0.0).to_numpy(float),
            color=shade,
            linestyle="-" if tint(method) == 0 else (0, (4, 1.5)),
            linewidth=1.3,
            elinewidth=0.7,
            capsize=1.8,
            capthick=0.7,
            marker=MARKERS.get(grid, "X"),
            markersize=4.2,
            markeredgewidth=0.9,
            markerfacecolor="white" if params != several.get(method, params) else shade,
        )
        low = points[points["mean"] < scale.low]
        below += [(float(x), float(y), shade) for x, y in zip(low[cost], low["mean"], strict=True)]
    for x, _, shade in below:
        axes.plot([x], [scale.foot], marker="v", color=shade, markersize=4, linestyle="none", zorder=3)
    if below and cost == "nfe":
        text = f"▼ off the scale, down to {min(y for _, y, _ in below):.2f}"
        axes.text(0.995, 0.075, text, transform=axes.transAxes, ha="right", fontsize=7, path_effects=[HALO])
    levels(axes, part, cost, scale)
    _front(axes, part, cost, scale)


def _front(axes: Axes, part: pd.DataFrame, cost: str, scale: Scale) -> None:
    """Ring the points that none beats in quality and cost, and join them: what is to be had for how much."""
    best = part[part[f"front_{cost}"] & (part["mean"] >= scale.low)].sort_values(cost)
    x, y = best[cost].to_numpy(float), best["mean"].to_numpy(float)
    axes.plot(x, y, color=GREY, linewidth=2.6, alpha=0.35, drawstyle="steps-post", zorder=1.6)
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=9, markerfacecolor="none", color="#333333", zorder=5
    )


def _legend(data: pd.DataFrame) -> list[Line2D]:
    """One line a method with sampler, then one marker a grid, then the marks of methods without steps."""
    several = several_params(data)
    lines: dict[str, Line2D] = {}
    markers: dict[str, Line2D] = {}
    for (method, params, sampler, grid), _ in _series(data):
        label = f"{method} {params}, {sampler}" if method in several else f"{method}, {sampler}"
        hollow = params != several.get(method, params)
        lines[label] = Line2D(
            [],
            [],
            color=colour(method, sampler),
            linestyle="-" if tint(method) == 0 else (0, (4, 1.5)),
            linewidth=1.6,
            marker="o" if method in several else None,
            markersize=4,
            markerfacecolor="white" if hollow else colour(method, sampler),
            label=label,
        )
        markers[grid] = Line2D(
            [], [], color=GREY, marker=MARKERS.get(grid, "X"), markersize=4.5, linestyle="none"
        )
        markers[grid].set_label(f"grid: {grid}" if grid else "own grid")
    handles = [*lines.values(), *(markers[grid] for grid in sorted(markers))]
    handles += level_marks(data)
    handles.append(
        Line2D([], [], color=GREY, alpha=0.6, linewidth=2.6, marker="o", markersize=9, markerfacecolor="none")
    )
    handles[-1].set(label="Pareto front", markeredgecolor="#333333")
    if data["std"].notna().any():
        handles.append(Line2D([], [], linestyle="none", label="bars: ± 1 standard deviation"))
    return handles
