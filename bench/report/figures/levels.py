"""Methods without steps in a figure: real rows and floors as lines across, others as points beside the curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from tabstep.report.figures.hues import GREY, HALO, colour
from tabstep.report.numbers.table import CEILING, FLOORS, REAL_ROWS

# Real rows are black, floors in their hue: none of them is crossed by accident.
REAL_DASHES: dict[str, Any] = {"bootstrap": (0, (4, 1, 1, 1)), "holdout": (0, (1, 2))}
LINES: dict[str, dict[str, Any]] = {
    CEILING: {"color": "black", "linestyle": (0, (5, 3)), "linewidth": 1.0, "zorder": 1.5},
    **{
        name: {"color": "black", "linestyle": REAL_DASHES[name], "linewidth": 1.0, "zorder": 1.5}
        for name in REAL_ROWS
        if name != CEILING
    },
    **{
        name: {"color": colour(name, ""), "linestyle": (0, (6, 2, 1, 2)), "linewidth": 1.2, "zorder": 1.5}
        for name in FLOORS
    },
}

TITLES = {
    CEILING: "real data",
    "bootstrap": "bootstrap of training rows",
    "holdout": "fresh real rows",
    **{name: f"{name} (floor)" for name in FLOORS},
}


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


def scale_of(part: pd.DataFrame) -> Scale:
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


def levels(axes: Axes, part: pd.DataFrame, cost: str, scale: Scale) -> None:
    """Methods without steps: thin lines, named beside the left panel, and named points in the right one."""
    plain = part[part["sampler"].isna()]
    for method, mean in zip(plain["method"], plain["mean"], strict=True):
        if method in LINES:
            axes.axhline(mean, **LINES[method])
    rest = plain[~plain["method"].isin(REAL_ROWS)]
    points = rest if cost == "nfe" else rest[rest[cost] > 0]
    if cost == "nfe":
        named = plain
        for mean in points.loc[~points["method"].isin(FLOORS), "mean"]:
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
        beside = apart([float(v) for v in np.log10(points.loc[~inside, cost])], 0.032 * (high - low))
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
    several = several_params(part)
    heights = [mean if scale.holds(mean) else scale.foot for mean in named["mean"]]
    places = apart(heights, 0.055 * (scale.high - scale.low))
    for row, height, place in zip(named.to_dict("records"), heights, places, strict=True):
        text = f"{row['method']} {row['params']}" if row["method"] in several else str(row["method"])
        if not scale.holds(row["mean"]):
            text = f"{text} {row['mean']:.2f} ↓"
        shade = "black" if row["method"] in REAL_ROWS else GREY
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


def apart(heights: list[float], gap: float) -> list[float]:
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


def several_params(data: pd.DataFrame) -> dict[str, str]:
    """Methods with more than one set of hyper-parameters, and the first of them (drawn filled)."""
    named = data.groupby("method")["params"]
    return {str(method): sorted(params.unique())[0] for method, params in named if params.nunique() > 1}


def level_marks(data: pd.DataFrame) -> list[Line2D]:
    """The legend of what `levels` draws."""
    plain = data[data["sampler"].isna()]
    found = []
    if (~plain["method"].isin(LINES)).any():
        found.append(
            Line2D(
                [], [], color="#333333", marker="*", markersize=8, linewidth=0.7, label="method without steps"
            )
        )
    for name in plain["method"].drop_duplicates():
        if name in LINES:
            found.append(Line2D([], [], label=TITLES[name], **LINES[name]))
    return found
