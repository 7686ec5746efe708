"""The profile of few steps at a glance: a panel for each dataset and score, budgets across, all steps as a band."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import GREY, HALO, MARKERS, colour
from tabstep.report.figures.levels import LINES, TITLES
from tabstep.report.numbers.budget import BASE, ENTRANT
from tabstep.report.numbers.vector import VECTOR, Score

SHOWN = 6  # entrants of a dataset that are drawn, those with the least budgets, and the measure itself
WORSE, BETTER = (
    14.0,
    2.5,
)  # how far a panel reaches from the measure, in margins; what is worse lies at its foot
KEPT = "#CFE8D5"
Key = tuple[str, ...]


def write(profile: pd.DataFrame, enough: pd.DataFrame, beside: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw profile.png, .pdf and .csv from `budget.profile` and `budget.steps_to_equal_quality`; return the paths.

    beside  levels of real rows and floors, `floors.beside`: lines across

    Nothing where no score is there, or no budget beside all steps.
    """
    if profile["steps"].nunique() < 2:
        return []
    return save({"profile": (lambda: draw(profile, enough, beside), profile)}, folder)


def draw(profile: pd.DataFrame, enough: pd.DataFrame, beside: pd.DataFrame) -> Figure:
    """Up is better in every panel, and all panels of a figure reach equally far in margins of their score."""
    parts = list(profile.groupby(["suite", "dataset"], sort=True))
    scores = [score for score in VECTOR if score.name in set(profile["score"])]
    figure = Figure(
        figsize=(1.0 + 2.15 * max(len(scores), 2), 1.25 + 1.75 * len(parts)), layout="constrained"
    )
    grid = figure.subplots(len(parts), len(scores), sharex=True, squeeze=False)
    drawn: dict[Key, Line2D] = {}
    left_out = 0
    for row, ((suite, dataset), part) in zip(grid, parts, strict=True):
        of = enough[(enough["suite"] == suite) & (enough["dataset"] == dataset)]
        keys = _chosen(of)
        left_out = max(left_out, len(of) - len(keys))
        for axes, score in zip(row, scores, strict=True):
            _panel(axes, part[part["score"] == score.name], of, score, keys)
            here = beside[(beside["suite"] == suite) & (beside["dataset"] == dataset)]
            for line in here[here["score"] == score.name].to_dict("records"):
                axes.axhline(line["mean"], **LINES[line["method"]])
        drawn |= {key: _handle(key) for key in keys}
        row[0].set_ylabel(
            f"{dataset} ({suite})" if profile["suite"].nunique() > 1 else str(dataset), fontweight="bold"
        )
    for axes, score in zip(grid[0], scores, strict=True):
        axes.set_title(f"{score.title}{' ↓' * score.lower}", fontsize=9, fontweight="bold")
    below = (
        "network evaluations asked for (log scale). Up is better in every panel: axes marked ↓ run downwards"
    )
    figure.supxlabel(below, fontsize=8.5)
    handles = [
        *drawn.values(),
        Line2D([], [], color=GREY, linewidth=0.9, label=_measure(profile)),
        *(
            Line2D([], [], label=TITLES[name], **LINES[name])
            for name in LINES
            if name in set(beside["method"])
        ),
        Patch(color=KEPT, label="within the margin of it"),
        Line2D(
            [],
            [],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            color="#333333",
            linestyle="none",
            label="K*",
        ),
        Line2D([], [], marker="v", color=GREY, linestyle="none", markersize=4.5),
    ]
    handles[-1].set_label(f"worse by over {WORSE:g} margins")
    if left_out:
        handles.append(Line2D([], [], linestyle="none", label=f"{left_out} more are in profile.csv"))
    figure.legend(
        handles=handles, loc="outside upper center", ncols=min(4, len(handles)), frameon=False, fontsize=8
    )
    return figure


def _measure(profile: pd.DataFrame) -> str:
    """What the band is around: with several networks, of which of them. K* is always by the own network."""
    networks = profile[["method", "params"]].drop_duplicates()
    own = f", {_name(tuple(networks.iloc[0]))}" if len(networks) > 1 else ""
    return f"{BASE}, all steps{own}"


def _name(parts: Key) -> str:
    return " ".join(part for part in parts if part and part != "default")


def _chosen(enough: pd.DataFrame) -> list[Key]:
    """The entrants to draw: the measure, and those for which the least budget is enough."""
    order = enough.assign(first=enough["sampler"] != BASE).sort_values(["first", "enough"], kind="stable")
    return [_key(row) for row in order.head(SHOWN).to_dict("records")]


def _key(row: Any) -> Key:
    return tuple("" if pd.isna(row[name]) else str(row[name]) for name in ENTRANT[2:])


def _handle(key: Key) -> Line2D:
    method, _, sampler, grid = key
    return Line2D(
        [], [], color=colour(method, sampler), marker=MARKERS.get(grid, "X"), markersize=4, label=_name(key)
    )


def _panel(axes: Axes, part: pd.DataFrame, enough: pd.DataFrame, score: Score, keys: list[Key]) -> None:
    axes.set_xscale("log")
    axes.tick_params(labelsize=7.5, width=0.7)
    if part.empty:
        axes.text(0.5, 0.5, "no score", transform=axes.transAxes, ha="center", color=GREY)
        return
    down = -1.0 if score.lower else 1.0  # the direction of better, in the units of the score
    full = float(part["full"].iloc[0])
    foot = None
    if not pd.isna(full):
        ahead = down * (part["mean"].dropna() - full)
        best = max(ahead.max(), BETTER * score.margin)
        foot = full + down * max(ahead.min(), -WORSE * score.margin)  # no farther down than there are points
        top = full + down * (best + 0.6 * score.margin)
        axes.set_ylim(foot - down * 0.8 * score.margin, top)
        axes.axhspan(full - down * score.margin, top, color=KEPT, linewidth=0)
        axes.axhline(full, color=GREY, linewidth=0.9)
    elif score.lower:
        axes.invert_yaxis()
    least = {_key(row): row[score.name] for row in enough.to_dict("records")}
    said = []
    for key in keys:
        of = (
            part[[_key(row) == key for row in part.to_dict("records")]]
            .dropna(subset=["mean"])
            .sort_values("steps")
        )
        shade = colour(key[0], key[2])
        x, y = of["steps"].to_numpy(float), of["mean"].to_numpy(float)
        below = down * (y - foot) < -1e-12 if foot is not None else y != y
        axes.plot(x, y, color=shade, linewidth=1.2, marker=MARKERS.get(key[3], "X"), markersize=3.4, zorder=3)
        axes.plot(x[below], [foot] * int(below.sum()), "v", color=shade, markersize=4.5, zorder=4)
        enough_at = least.get(key)
        if enough_at is not None and not pd.isna(enough_at):
            at = y[x == enough_at]
            axes.plot(
                [enough_at] * len(at), at, "o", markersize=9, markerfacecolor="none", color=shade, zorder=5
            )
        said.append((shade, "-" if enough_at is None or pd.isna(enough_at) else f"{enough_at:g}"))
    for i, (shade, text) in enumerate([*reversed(said), ("#000000", "K*")]):
        axes.text(
            0.97 - 0.13 * i,
            0.08,
            text,
            transform=axes.transAxes,
            color=shade,
            ha="right",
            fontsize=8.5,
            path_effects=[HALO],
        )
    steps = sorted(set(part["steps"]))
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(5))
