"""The page of statistics of a suite: ranks over datasets, quality and seconds at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import GREY, colour
from tabstep.report.numbers.budget import ENTRANT
from tabstep.report.numbers.compare import LEVEL, Missing, Ranking, name_of, rank
from tabstep.report.numbers.front import front, without_seconds
from tabstep.report.numbers.table import csv
from tabstep.report.numbers.vector import NAMES
from tabstep.report.pages.markdown import table_of

SHOWN = 20  # entrants in the diagram, the best ones


def write(
    records: Sequence[Record], results: pd.DataFrame, folder: Path, missing: Missing = "drop"
) -> list[Path]:
    """Write statistics.md, ranks.csv, front.csv and the critical-difference diagram; return the paths."""
    points = front(results)
    written = [folder / "front.csv"]
    store.replace(written[0], csv(points).encode())
    lines = ["# Statistics", ""]
    try:
        ranking = rank(records, missing)
    except ValueError as error:
        lines += ["## Ranks over datasets", "", f"None: {error}", ""]
    else:
        drawn = len(ranking.standing) > 1
        parts = (ranking.mean_rank.rename("mean_rank"), ranking.by_score, ranking.standing.T)
        table = pd.concat([part.reindex(ranking.mean_rank.index) for part in parts], axis=1).rename_axis(
            "entrant"
        )
        lines += _ranks(ranking, drawn)
        if drawn:
            colours = {name_of(r): colour(r.cell.method, r.cell.sampler or "") for r in records}
            written += save({"ranks": (lambda: diagram(ranking, colours), table.reset_index())}, folder)
        else:
            store.replace(folder / "ranks.csv", csv(table.reset_index()).encode())
            written.append(folder / "ranks.csv")
    lines += _front(points, without_seconds(results))
    store.replace(folder / "statistics.md", ("\n".join(lines) + "\n").encode())
    return [folder / "statistics.md", *written]


def _ranks(ranking: Ranking, drawn: bool) -> list[str]:
    n = len(ranking.standing)
    tied = (
        len(ranking.mean_rank) > 2 and n > 1
    )  # many enough: then nothing but ties leaves the test without a value
    none = "it has no value where all are tied" if tied else "too few for it"
    test = none if pd.isna(ranking.friedman) else f"p = {ranking.friedman:.2g}"
    lines = [
        "## Ranks over datasets",
        "",
        f"Mean rank over {n} dataset{'s' * (n != 1)}, 1 is best; Friedman's test that all are alike: "
        f"{test}; {ranking.note}.",
        "",
    ]
    if ranking.by_score.shape[1] > 1:
        lines += [
            "On a dataset an entrant stands by the mean of its ranks by each score of the vector, and has a rank by "
            "how it stands; beside it its mean rank by each score alone.",
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
    scores = [str(score) for score in ranking.by_score] if ranking.by_score.shape[1] > 1 else []
    by = ranking.by_score.to_dict("index")
    rows = [
        {"entrant": str(name), "mean rank": f"{value:.2f}"}
        | {score: f"{by[name][score]:.2f}" for score in scores}
        for name, value in ranking.mean_rank.items()
    ]
    return [*lines, *table_of(rows, right=("mean rank", *scores)), ""]


def _front(points: pd.DataFrame, without: int) -> list[str]:
    lines = [
        "## Quality and seconds at once",
        "",
        "Points that nothing beats in seconds (to prepare and to draw; fitting is not in them) and in every score at",
        "once: what is as fast is worse in one of them. A * marks a score by which alone nothing beats the point, and",
        "the last column the share of the scores where that is so. Areas that points dominate are in `front.csv`.",
        *([f"Left out: {without} that have a score and no seconds."] if without else []),
        "",
    ]
    best = points[points["on_front_of_all"].astype(bool)] if len(points) else points
    if best.empty:
        return [*lines, "None: no cell has every score and seconds."]
    names = [name for name in NAMES if name in set(best["score"])]
    rows = []
    group = ["dataset", "seconds", *ENTRANT[2:], "steps"]
    for _, of in best.groupby(group, sort=True, dropna=False):
        row = of.iloc[0]
        marks = {
            name: f"{mean:.4f}{' *' * bool(alone)}"
            for name, mean, alone in zip(of["score"], of["mean"], of["on_front"], strict=True)
        }
        parts = [str(row[c]) for c in ("method", "sampler", "grid") if not pd.isna(row[c])]
        point = " ".join([*parts, *([] if pd.isna(row["steps"]) else [f"{row['steps']:g}"])])
        rows.append(
            {"dataset": row["dataset"], "point": point, "seconds": f"{row['seconds']:.3g}"}
            | {name: marks.get(name, "") for name in names}  # a table may lack a score that others have
            | {"first by": f"{int(of['on_front'].sum())} of {len(of)}"}
        )
    return [*lines, *table_of(rows, right=("seconds", *names, "first by"))]


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
