"""Few steps at a glance: means over tables of two scores, by where a path begins and how many evaluations it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tabstep.records.store import Record
from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import colour
from tabstep.report.numbers.budget import BASE
from tabstep.report.numbers.table import PRIMARY
from tabstep.study.figures import steps_axis
from tabstep.study.recipe import OURS

FLOOR = "mixture"
BEGINS = {
    "dpmpp-2m-sde": "noise",
    "free-dpmpp-2m-sde": "moments",
    "mixture-dpmpp-2m-sde": "mixture",
    "distilled": "mixture, taught",
}
"""Samplers of one solver, and where they begin; the last by networks that were taught each call, at few budgets."""
LINES = ("-", "-", (0, (4, 1.5)), (0, (1, 1)))


def means(records: Sequence[Record]) -> pd.DataFrame:
    """Mean over the tables that have all of it, one line a sampler and budget; none where there is no such table.

    sampler, steps  `BEGINS`, then `BASE` with all steps, then the floor with 0
    c2st            area under the curve of XGBoost that tells rows from test rows; 0.5 is not at all
    efficacy        macro-F1 or R2 of CatBoost in percent of that with all steps of the same network
    tables          how many there are in the means
    """
    found: dict[tuple[str, int], dict[str, list[tuple[float, float]]]] = {}
    for r in records:
        cell, own = r.cell, r.cell.method == OURS
        if r.status != "ok" or not (own or cell.method == FLOOR):
            continue
        if own and cell.sampler not in (*BEGINS, BASE):
            continue
        scores = tuple(float(np.mean(r.scores[name])) for name in ("c2st_xgboost", PRIMARY[r.task]))
        at = found.setdefault((str(cell.sampler) if own else FLOOR, cell.steps or 0), {})
        at.setdefault(cell.dataset, []).append((scores[0], scores[1]))
    most = max((steps for sampler, steps in found if sampler == BASE), default=0)
    wanted = {k: v for k, v in found.items() if k[0] != BASE or k[1] == most}
    whole = {sampler for sampler, _ in wanted} == {*BEGINS, BASE, FLOOR}
    tables = sorted(set.intersection(*(set(of) for of in wanted.values()))) if whole else []
    lines = []
    if not tables:
        wanted = {}
    for (sampler, steps), of in wanted.items():
        by = np.array([np.mean(of[name], axis=0) for name in tables]).reshape(-1, 2)
        full = np.array([np.mean(found[BASE, most][name], axis=0)[1] for name in tables])
        lines.append(
            {
                **{"sampler": sampler, "steps": steps, "c2st": by[:, 0].mean()},
                **{"efficacy": 100 * (by[:, 1] / full).mean(), "tables": len(tables)},
            }
        )
    order = {name: i for i, name in enumerate((*BEGINS, BASE, FLOOR))}
    table = pd.DataFrame(lines, columns=["sampler", "steps", "c2st", "efficacy", "tables"])
    return table.sort_values(["sampler", "steps"], key=lambda c: c.map(order) if c.name == "sampler" else c)


def rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """A line a budget, with both scores from each begin."""
    lines = []
    for steps in sorted({*table.loc[table["sampler"].isin([*BEGINS]), "steps"]}):
        line = {"evaluations": str(steps)}
        for sampler, begin in BEGINS.items():
            at = table[(table["sampler"] == sampler) & (table["steps"] == steps)]
            c2st, efficacy = at["c2st"].tolist(), at["efficacy"].tolist()
            line |= {
                f"C2ST from {begin}": f"{c2st[0]:.3f}" if c2st else "",
                f"efficacy from {begin}": f"{efficacy[0]:.1f} %" if efficacy else "",
            }
        lines.append(line)
    return lines


def said(table: pd.DataFrame) -> str:
    """What all steps, and the floor without a network, have."""
    (full,) = table[table["sampler"] == BASE].to_dict("records")
    (floor,) = table[table["sampler"] == FLOOR].to_dict("records")
    return (
        f"All {full['steps']} steps have a C2ST of {full['c2st']:.3f}; the mixture alone, with 0 evaluations, "
        f"{floor['c2st']:.3f} and {floor['efficacy']:.1f} %. Means over {full['tables']} tables."
    )


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Draw glance as PNG, PDF and CSV; return the paths, none without a table that has all."""
    table = means(records)
    if table.empty:
        return []
    return save({"glance": (lambda: draw(table), table)}, folder)


def draw(table: pd.DataFrame) -> Figure:
    """Two panels, a line a begin; the measure and the floor are horizontal lines."""
    figure = Figure(figsize=(7.4, 3.0), layout="constrained")
    titles = {"c2st": "told from real rows (C2ST, lower is better)", "efficacy": "efficacy, % of all steps"}
    by = table.set_index("sampler")
    for axis, (score, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for (sampler, begin), dash in zip(BEGINS.items(), LINES[::-1], strict=True):
            line = table[table["sampler"] == sampler]
            axis.plot(
                line["steps"],
                line[score],
                color=colour(OURS, "dpmpp-2m-sde" if begin == "noise" else sampler),
                linestyle=dash,
                marker="o",
                markersize=3,
                linewidth=1.4,
                label=f"from {begin}",
            )
        axis.axhline(by.loc[BASE, score], color="#000000", linewidth=0.8, linestyle=":", label="all steps")
        axis.axhline(by.loc[FLOOR, score], color=colour(FLOOR, ""), linewidth=0.8, label="mixture alone")
        axis.set_title(title, loc="left", fontweight="bold", fontsize=9)
        steps_axis(axis, table[table["sampler"].isin([*BEGINS])])
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure
