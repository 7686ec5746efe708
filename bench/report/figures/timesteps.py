"""Which times each grid chose for each budget, as the cells that drew with them wrote it down."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from tabstep.records.store import Record
from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import GREY, GRIDS

COLUMNS = ("grid", "steps", "label", "path", "cells")
PARTS = ("dataset", "train_seed", "method", "params", "sampler", "suite")
MOST_STEPS = 50  # more would be a bar
MOST_LINES = 60


def chosen(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each distinct path of a grid and budget, with the columns `COLUMNS`.

    label  the budget, and where a grid chose several paths for it, whose this one was
    path   times of the evaluations from the noisiest down, without the 0 where they end
    cells  how many records drew with it
    """
    found: dict[tuple[str, int], dict[tuple[int, ...], list[Record]]] = {}
    for record in records:
        cell, path = record.cell, record.settings.get("drawn", {}).get("path")
        if path and cell.grid is not None and cell.steps is not None:
            ways = found.setdefault((cell.grid, cell.steps), {})
            ways.setdefault(tuple(path[:-1]), []).append(record)
    rows = []
    for (grid, steps), ways in found.items():
        names = _telling(list(ways.values()))
        for path, made in ways.items():
            whose = sorted({_name(record, names) for record in made})
            more = f" and {len(whose) - 1} more" if len(whose) > 1 else ""
            label = f"{steps}  {whose[0]}{more}".rstrip()
            rows.append({"grid": grid, "steps": steps, "label": label, "path": path, "cells": len(made)})
    order = ["grid", "steps", "label"]
    return pd.DataFrame(rows, columns=list(COLUMNS)).sort_values(order, kind="stable").reset_index(drop=True)


def _telling(groups: list[list[Record]]) -> tuple[str, ...]:
    """The fewest parts of a cell by which records of different groups differ."""
    for size in range(len(PARTS) + 1):
        for names in combinations(PARTS, size):
            keys = [{_name(record, names) for record in group} for group in groups]
            if sum(map(len, keys)) == len(set().union(*keys)):
                return names
    return PARTS


def _name(record: Record, names: tuple[str, ...]) -> str:
    values = (getattr(record.cell, name) for name in names)
    return " ".join(f"seed {v}" if isinstance(v, int) else str(v) for v in values)


def write(records: Iterable[Record], folder: Path) -> list[Path]:
    """Draw timesteps.png, .pdf and .csv, if records have paths; return the paths of the files."""
    found = chosen(records)
    few = found[found["steps"] <= MOST_STEPS]
    if few.empty:
        return []
    data = found.assign(path=[" ".join(map(str, path)) for path in found["path"]])
    return save({"timesteps": (lambda: draw(few), data)}, folder)


def draw(found: pd.DataFrame) -> Figure:
    """A line of dots for each path, grouped by grid; noise is on the right."""
    shown = found.head(MOST_LINES)
    figure = Figure(figsize=(7.5, 0.9 + 0.17 * (len(shown) + shown["grid"].nunique())), layout="constrained")
    axes = figure.subplots()
    ticks: list[tuple[float, str]] = []
    height = 0.0
    for grid, part in shown.groupby("grid", sort=False):
        axes.text(
            0.0, height, str(grid), transform=axes.get_yaxis_transform(), va="center", fontweight="bold"
        )
        height += 1
        for path, label in zip(part["path"], part["label"], strict=True):
            axes.plot([0, max(path)], [height, height], color="#E4E4E4", linewidth=0.7, zorder=1)
            axes.plot(
                list(path),
                [height] * len(path),
                linestyle="none",
                marker="o",
                markersize=3.4,
                markeredgewidth=0,
                color=GRIDS.get(str(grid), GREY),
            )
            ticks.append((height, str(label)))
            height += 1
    axes.set_yticks([at for at, _ in ticks], [label for _, label in ticks], fontsize=7)
    axes.set_ylim(height, -1)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    left_out = len(found) - len(shown)
    more = f"; {left_out} more paths are in timesteps.csv" if left_out else ""
    axes.set_xlabel(f"time of a network evaluation, from clean rows (0) to noise{more}")
    return figure
