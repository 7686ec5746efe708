"""Figures: what quality costs, in network evaluations and in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation

from tabstep.report.drawing import save
from tabstep.report.front import pareto
from tabstep.report.table import CEILING, PRIMARY

# One hue a sampler, the same in every figure: Okabe and Ito's colours, which colour-blind eyes tell apart,
# and darker ones beside them. A name that is not here takes one of `SPARE` by its hash: add it to choose.
HUES = {
    "ancestral": "#000000",
    "ddim": "#0072B2",
    "dpmpp_2m": "#D55E00",
    "dpmpp_2m_sde": "#E69F00",
    "unipc_2": "#009E73",
    "analytic": "#56B4E9",
    "learned": "#117733",
    "ddss": "#AA4499",
    "ggdm": "#882255",
    "es_ancestral_vae": "#CC79A7",
    "es_ancestral_ctgan": "#6699CC",
    "es_ddim_vae": "#661100",
    "es_ddim_ctgan": "#44AA99",
    "deq": "#999933",
    "ancestral_small": "#8C6D46",
    "ancestral_unclipped": "#332288",
}
BASELINES = {
    "smote": "#EE8866",
    "copula": "#AAAA00",
    "vae": "#FFAABB",
    "tvae": "#BBCC33",
    "ctgan": "#77AADD",
    "copulagan": "#44BB99",
    "marginals": "#555555",
    CEILING: "#000000",
}
SPARE = ("#DDCC77", "#AA4466", "#777777")
TINTS = {"tabddpm": 0.0, "iddpm": 0.4}  # part of white in the hue of a sampler; dashed where not 0
MARKERS = {"linspace": "o", "trailing": "s", "quad": "^", "logsnr": "D", "": "P"}
QUALITY = {"catboost_f1_macro": "macro F1 (CatBoost)", "catboost_r2": "R² (CatBoost)"}
GRIDS = {
    "trailing": "#000000",
    "linspace": "#0072B2",
    "quad": "#D55E00",
    "logsnr": "#CC79A7",
    "dp": "#009E73",
}
GREY = "#6B6B6B"
HALO = withStroke(linewidth=2.2, foreground="white")  # keeps text legible on lines
COSTS = {"nfe": "network evaluations per row", "seconds": "seconds to prepare and draw"}


@dataclass(frozen=True)
class Scale:
    """The part of the quality axis worth showing; worse points are marked at its foot."""

    low: float
    high: float
    cut: bool  # whether a point lies below

    @property
    def foot(self) -> float:
        """Height at which marks of worse points are drawn."""
        return self.low + 0.035 * (self.high - self.low)

    def holds(self, value: float) -> bool:
        return value >= self.low


def quality_against_cost(results_frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the primary metric against network evaluations (left) and seconds (right), one row per dataset.

    `results_frame` is `tabstep.report.table.results`. Each sampler is a line over its step budgets, with bars of
    one standard deviation of all single scores (an interval over two training seeds would be wider than the
    panel); a method without steps is a level on the left and a point on the right; the real data are the
    ceiling. A stepped line joins the points that no other beats in quality and cost. Writes
    quality_against_cost.png, .pdf and .csv (the points drawn) and returns the three paths.
    Raises ValueError where there is no score to draw.
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
        scale = _scale(part)
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


def colour(method: str, sampler: str) -> str:
    """Hex colour of a method with a sampler, which is "" for one without steps: depends on the two names alone."""
    if not sampler:
        return BASELINES.get(method) or SPARE[sha256(method.encode()).digest()[0] % len(SPARE)]
    name = sampler.replace("-", "_")
    hue = HUES.get(name) or SPARE[sha256(name.encode()).digest()[0] % len(SPARE)]
    tint = _tint(method)
    red, green, blue = ((1 - tint) * channel + tint for channel in to_rgb(hue))
    return to_hex((red, green, blue))


def _tint(method: str) -> float:
    return TINTS.get(method, 0.25)


def shown(results_frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a score in their primary metric, their `seconds`, and whether each is on a Pareto front."""
    primary = results_frame["metric"] == results_frame["task"].map(PRIMARY)
    data = results_frame[primary & results_frame["mean"].notna()].reset_index(drop=True)
    data["seconds"] = data["prepare_s"].fillna(0) + data["sample_s"]
    for cost in COSTS:
        competes = data[(data["method"] != CEILING) & (data[cost] > 0)]
        data[f"front_{cost}"] = False
        for _, part in competes.groupby(["suite", "dataset"]):
            data.loc[part.index, f"front_{cost}"] = pareto(part[cost], part["mean"])
    return data


def _series(part: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str, str], pd.DataFrame]]:
    """(method, params, sampler, grid) and its points by rising budget; an absent grid is ''."""
    sampled = part[part["sampler"].notna()].fillna({"grid": ""})
    for key, points in sampled.groupby(["method", "params", "sampler", "grid"], sort=True):
        method, params, sampler, grid = map(str, key)
        yield (method, params, sampler, grid), points.sort_values("steps")


def _scale(part: pd.DataFrame) -> Scale:
    """From just above the best point down to the worst, with their bars, or as far as keeps the better half apart.

    A method that fails (R² of -5, F1 of a constant) must not squash the differences that matter: what is
    farther from the top than 2.5 times the distance of the median is cut off.
    """
    means, spread = part["mean"].to_numpy(float), part["std"].fillna(0.0).to_numpy(float)
    top = means.max()
    reach = max(2.5 * (top - np.median(means)), 3 * np.median(spread))
    bottom = max(means.min(), top - reach) if reach > 0 else means.min()
    shown = means >= bottom
    high, low = (means + spread)[shown].max(), min(bottom, (means - spread)[shown].min())
    room = 0.08 * (high - low) or 0.05 * (abs(top) or 1.0)
    cut = bool(means.min() < bottom)
    return Scale(low=low - (2 if cut else 1) * room, high=high + room, cut=cut)


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
    several = _several_params(part)
    for (method, params, sampler, grid), points in _series(part):
        points = points[points[cost] > 0]  # a log axis has no place for others
        shade = colour(method, sampler)
        axes.errorbar(
            points[cost].to_numpy(float),
            points["mean"].to_numpy(float),
            yerr=points["std"].fillna(0.0).to_numpy(float),
            color=shade,
            linestyle="-" if _tint(method) == 0 else (0, (4, 1.5)),
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
    _levels(axes, part, cost, scale)
    _front(axes, part, cost, scale)


def _front(axes: Axes, part: pd.DataFrame, cost: str, scale: Scale) -> None:
    """Ring the points that none beats in quality and cost, and join them: what is to be had for how much."""
    best = part[part[f"front_{cost}"] & (part["mean"] >= scale.low)].sort_values(cost)
    x, y = best[cost].to_numpy(float), best["mean"].to_numpy(float)
    axes.plot(x, y, color=GREY, linewidth=2.6, alpha=0.35, drawstyle="steps-post", zorder=1.6)
    axes.plot(
        x, y, linestyle="none", marker="o", markersize=9, markerfacecolor="none", color="#333333", zorder=5
    )


def _levels(axes: Axes, part: pd.DataFrame, cost: str, scale: Scale) -> None:
    """Methods without steps: thin lines, named beside the left panel, and named points in the right one."""
    plain = part[part["sampler"].isna()]
    for mean in plain.loc[plain["method"] == CEILING, "mean"]:
        axes.axhline(mean, color="black", linewidth=1.0, linestyle=(0, (5, 3)), zorder=1.5)
    rest = plain[plain["method"] != CEILING]
    points = rest if cost == "nfe" else rest[rest[cost] > 0]
    if cost == "nfe":
        named = plain
        for mean in points["mean"]:
            axes.axhline(mean, color=GREY, linewidth=0.7, zorder=1.4)
    else:
        inside = points["mean"].to_numpy(float) >= scale.low
        for row in points[inside].to_dict("records"):
            axes.errorbar(
                [row[cost]],
                [row["mean"]],
                yerr=[0.0 if pd.isna(row["std"]) else row["std"]],
                color=colour(str(row["method"]), ""),
                linestyle="none",
                elinewidth=0.7,
                marker="*",
                markersize=10,
                markeredgecolor="#333333",
                markeredgewidth=0.6,
                zorder=4,
            )
        axes.plot(points.loc[~inside, cost], [scale.foot] * (~inside).sum(), "v", color=GREY, markersize=4.5)
        low, high = np.log10(axes.get_xlim())
        beside = _apart([float(v) for v in np.log10(points.loc[~inside, cost])], 0.032 * (high - low))
        for row, place in zip(points[~inside].to_dict("records"), beside, strict=True):
            text = f"{row['method']} {row['mean']:.2f}"
            lifted = scale.foot + 0.03 * (scale.high - scale.low)
            style: dict[str, Any] = {
                "rotation": 90,
                "ha": "center",
                "va": "bottom",
                "fontsize": 6.5,
                "color": GREY,
            }
            axes.text(10**place, lifted, text, path_effects=[HALO], **style)
        named = points[inside]
    several = _several_params(part)
    heights = [mean if scale.holds(mean) else scale.foot for mean in named["mean"]]
    places = _apart(heights, 0.055 * (scale.high - scale.low))
    for row, height, place in zip(named.to_dict("records"), heights, places, strict=True):
        text = f"{row['method']} {row['params']}" if row["method"] in several else str(row["method"])
        if not scale.holds(row["mean"]):
            text = f"{text} {row['mean']:.2f} ↓"
        shade = "black" if row["method"] == CEILING else GREY
        if cost == "nfe":
            margin = axes.get_yaxis_transform()  # x in parts of the panel's width, y in the metric
            axes.annotate(
                text,
                (1.0, height),
                xycoords=margin,
                xytext=(1.035, place),
                textcoords=margin,
                va="center",
                fontsize=7.5,
                color=shade,
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": shade, "linewidth": 0.5},
            )
        else:
            shift = ScaledTranslation(6 / 72, 0, axes.figure.dpi_scale_trans)  # beside the star
            axes.text(
                row[cost],
                place,
                text,
                transform=axes.transData + shift,
                va="center",
                fontsize=7.5,
                color="#333333",
                path_effects=[HALO],
                zorder=5,
            )


def _apart(heights: list[float], gap: float) -> list[float]:
    """Places near `heights`, in the same order, of which no two are closer than `gap`."""
    order = np.argsort(heights, kind="stable")
    places = np.asarray(heights, dtype=float)[order]
    for _ in range(200):  # push close neighbours apart, each by half of what is missing
        missing = gap - np.diff(places)
        if not (missing > 1e-9 * abs(gap)).any():
            break
        push = np.clip(missing, 0.0, None) / 2
        places[:-1] -= push
        places[1:] += push
    return [float(places[rank]) for rank in np.argsort(order, kind="stable")]


def _several_params(data: pd.DataFrame) -> dict[str, str]:
    """Methods with more than one set of hyper-parameters, and the first of them (drawn filled)."""
    named = data.groupby("method")["params"]
    return {str(method): sorted(params.unique())[0] for method, params in named if params.nunique() > 1}


def _legend(data: pd.DataFrame) -> list[Line2D]:
    """One line a method with sampler, then one marker a grid, then the marks of methods without steps."""
    several = _several_params(data)
    lines: dict[str, Line2D] = {}
    markers: dict[str, Line2D] = {}
    for (method, params, sampler, grid), _ in _series(data):
        label = f"{method} {params}, {sampler}" if method in several else f"{method}, {sampler}"
        hollow = params != several.get(method, params)
        lines[label] = Line2D(
            [],
            [],
            color=colour(method, sampler),
            linestyle="-" if _tint(method) == 0 else (0, (4, 1.5)),
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
    plain = data[data["sampler"].isna()]
    if (plain["method"] != CEILING).any():
        handles.append(
            Line2D(
                [], [], color="#333333", marker="*", markersize=8, linewidth=0.7, label="method without steps"
            )
        )
    if (plain["method"] == CEILING).any():
        handles.append(Line2D([], [], color="black", linestyle=(0, (5, 3)), linewidth=1.0, label="real data"))
    handles.append(
        Line2D([], [], color=GREY, alpha=0.6, linewidth=2.6, marker="o", markersize=9, markerfacecolor="none")
    )
    handles[-1].set(label="Pareto front", markeredgecolor="#333333")
    if data["std"].notna().any():
        handles.append(Line2D([], [], linestyle="none", label="bars: ± 1 standard deviation"))
    return handles
