"""The page of statistics of a suite: ranks over datasets, budgets that are enough, quality and seconds at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.budget import front, steps_to_equal_quality
from tabstep.report.compare import LEVEL, Missing, Ranking, name_of, rank
from tabstep.report.drawing import save
from tabstep.report.markdown import table_of
from tabstep.report.plots import GREY, colour
from tabstep.report.table import csv

SHOWN = 20  # entrants in the diagram, the best ones


def write(
    records: Sequence[Record], results: pd.DataFrame, folder: Path, missing: Missing = "drop"
) -> list[Path]:
    """Write statistics.md, ranks.csv, steps.csv, front.csv and the critical-difference diagram; return the paths."""
    enough, points = steps_to_equal_quality(results), front(results)
    written = [folder / "steps.csv", folder / "front.csv"]
    for path, frame in zip(written, (enough, points), strict=True):
        store.replace(path, csv(frame).encode())
    lines = ["# Statistics", ""]
    try:
        ranking = rank(records, missing)
    except ValueError as error:
        lines += ["## Ranks over datasets", "", f"None: {error}", ""]
    else:
        drawn = len(ranking.scores) > 1
        table = pd.DataFrame({"mean_rank": ranking.mean_rank, **ranking.scores.T}).rename_axis("entrant")
        lines += _ranks(ranking, drawn)
        if drawn:
            colours = {name_of(r): colour(r.cell.method, r.cell.sampler or "") for r in records}
            written += save({"ranks": (lambda: diagram(ranking, colours), table.reset_index())}, folder)
        else:
            store.replace(folder / "ranks.csv", csv(table.reset_index()).encode())
            written.append(folder / "ranks.csv")
    lines += _enough(enough) + _front(points)
    store.replace(folder / "statistics.md", ("\n".join(lines) + "\n").encode())
    return [folder / "statistics.md", *written]


def _ranks(ranking: Ranking, drawn: bool) -> list[str]:
    n = len(ranking.scores)
    test = "too few for Friedman's test" if pd.isna(ranking.friedman) else f"p = {ranking.friedman:.2g}"
    lines = [
        "## Ranks over datasets",
        "",
        f"Mean rank of the mean score over {n} dataset{'s' * (n != 1)}, 1 is best; Friedman's test that all are alike: "
        f"{test}; {ranking.note}.",
        "",
    ]
    if drawn:
        shown = min(SHOWN, len(ranking.mean_rank))
        lines += [
            "![Critical differences of ranks](ranks.png)",
            "",
            f"The best {shown}; a bar joins those that Nemenyi's test at {LEVEL:.0%} does not tell apart. Fewer "
            "datasets than about ten tell almost nothing apart.",
            "",
        ]
    rows = [{"entrant": str(name), "mean rank": f"{value:.2f}"} for name, value in ranking.mean_rank.items()]
    return [*lines, *table_of(rows, right=("mean rank",)), ""]


def _enough(found: pd.DataFrame) -> list[str]:
    lines = [
        "## Steps to equal quality",
        "",
        "The smallest budget whose mean score is at most one standard deviation below that of `ancestral` at all steps",
        "of the same network, and stays so for all larger budgets that were run.",
        "",
    ]
    if found.empty:
        return [*lines, "None: that takes `ancestral` at two budgets and two seeds or more.", ""]
    rows = [
        {
            "dataset": row["dataset"],
            "method": f"{row['method']} {row['params']}".removesuffix(" default"),
            "sampler": f"{row['sampler']} {'' if pd.isna(row['grid']) else row['grid']}".strip(),
            "enough": "-" if pd.isna(row["enough"]) else f"{row['enough']} of {row['full_steps']}",
            "fewer steps": _number(row["speedup"], "x"),
            "less time": _number(row["time_ratio"], "x"),
            "score": _number(row["score"], digits=4),
            "full": f"{row['full_score']:.4f} - {row['tolerance']:.4f}",
        }
        for row in found.to_dict("records")
    ]
    return [*lines, *table_of(rows, right=("enough", "fewer steps", "less time", "score", "full")), ""]


def _front(points: pd.DataFrame) -> list[str]:
    lines = [
        "## Quality and seconds at once",
        "",
        "Points that nothing beats in score and in seconds (to prepare and to draw; fitting is not in them).",
        "*Area*: what the points of the sampler dominate, in parts of the box from the least to the best score and, by",
        "their logarithm, from the least seconds to ten times the most.",
        "",
    ]
    best = points[points["on_front"]] if len(points) else points
    if best.empty:
        return [*lines, "None: no cell has a score and seconds."]
    rows = [
        {
            "dataset": row["dataset"],
            "point": " ".join(
                str(row[c]) for c in ("method", "sampler", "grid", "steps") if not pd.isna(row[c])
            ),
            "score": f"{row['mean']:.4f}",
            "seconds": f"{row['seconds']:.3g}",
            "area": f"{row['hypervolume']:.2f}",
        }
        for row in best.sort_values(["dataset", "seconds"]).to_dict("records")
    ]
    return [*lines, *table_of(rows, right=("score", "seconds", "area"))]


def _number(value: Any, unit: str = "", digits: int = 1) -> str:
    return "" if pd.isna(value) else f"{value:.{digits}f}{unit}"


def diagram(ranking: Ranking, colours: Mapping[str, str]) -> Figure:
    """The critical-difference diagram of the best entrants (Demsar 2006)."""
    import scikit_posthocs as posthocs

    names = list(ranking.mean_rank.index[:SHOWN])
    figure = Figure(figsize=(10, 1.2 + 0.16 * len(names)), layout="constrained")
    axes = figure.subplots()
    draw: Callable[..., Any] = posthocs.critical_difference_diagram
    draw(
        ranking.mean_rank[names].to_dict(),
        ranking.nemenyi.loc[names, names],
        ax=axes,
        alpha=LEVEL,
        color_palette={name: colours[name] for name in names},
        label_fmt_left="{label} ({rank:.1f})",
        label_fmt_right="({rank:.1f}) {label}",
        label_props={"fontsize": 8},
        crossbar_props={"color": GREY, "linewidth": 2, "marker": ""},
        elbow_props={"linewidth": 0.7},
        text_h_margin=0.02,
    )
    axes.set_xlabel("mean rank")
    return figure
