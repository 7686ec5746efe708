"""The study of rivals: `tabstep` beside what TabSyn, TabDiff, TabPC and others are published with, on their tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tabstep.records import store, where
from tabstep.records.store import Record
from tabstep.report.figures.drawing import panels, save
from tabstep.report.figures.hues import colour
from tabstep.report.numbers.table import commit_of
from tabstep.shipped import shipped
from tabstep.study import seeds
from tabstep.study.figures import steps_axis
from tabstep.study.markdown import pipes, reflow
from tabstep.study.recipe import OURS, named

FILE = shipped("results", "reference", "rivals.csv")
EVALUATIONS = {"TabSyn": 99, "TabDiff": 99, "TabPC": 0, "ShallowMixture": 0}
"""Network evaluations a row of published methods, where the paper or its code says them."""

SCORES = {
    "c2st_xgboost": ("C2ST (XGBoost)", "rivals_c2st_xgboost"),
    "c2st_logistic": ("C2ST (linear)", "rivals_c2st_logistic"),
    "shape": ("Shape", "rivals_shape"),
    "trend": ("Trend", "rivals_trend"),
    "wnmis": ("wNMIS", "rivals_wnmis"),
    "roc_auc": ("ROC AUC", "xgboost_roc_auc"),
}
"""By the name of a published score what stands over it, and the score of our records; the larger the better."""
INDEPENDENT = "FullyFactorizedPreprocessed"
NEARER = "dcr_share"
"""Of ours alone: the share of drawn rows that are nearer to a training row than to a fresh one."""
SECONDS = {"fit_s": "seconds to train", "sample_s": "to draw"}


def published() -> pd.DataFrame:
    """What is published: dataset, method, metric, mean, std."""
    return pd.read_csv(FILE)


def numbers(records: Sequence[Record], facts: pd.DataFrame) -> pd.DataFrame:
    """One line a method, settings, sampler, budget and table: means of `SCORES` and `SECONDS`; is it `published`?

    Published ones by falling C2ST, then ours by evaluations, then the floors.
    """
    lines: list[dict[str, Any]] = []
    for (dataset, method), part in facts.groupby(["dataset", "method"], sort=False):
        line = {"dataset": dataset, "method": method, "evaluations": EVALUATIONS.get(str(method))}
        lines.append(line | {"published": True, **dict(zip(part["metric"], part["mean"], strict=True))})
    cells: dict[tuple[str, str, str, str, int], list[Record]] = {}
    for r in records:
        if r.status == "ok":
            cell = r.cell
            key = cell.dataset, cell.method, cell.params, cell.sampler or "", cell.steps or 0
            cells.setdefault(key, []).append(r)
    for (dataset, method, params, sampler, steps), found in cells.items():
        line = {
            "dataset": dataset,
            "method": method,
            "params": params,
            "sampler": sampler,
            "evaluations": steps,
            "published": False,
        }
        line["train_seeds"] = len({r.cell.train_seed for r in found})
        for name, (_, own) in SCORES.items():
            line[name] = float(np.mean([np.mean(r.scores[own]) for r in found]))
        nearer = [float(np.mean(r.scores[NEARER])) for r in found if NEARER in r.scores]
        line[NEARER] = float(np.mean(nearer)) if nearer else np.nan
        for name in SECONDS:
            line[name] = float(np.median([getattr(r, name) for r in found]))
        lines.append(line)
    table = pd.DataFrame(lines)
    table["place"] = np.where(table["published"], 0, np.where(table["method"] == OURS, 1, 2))
    table["below"] = np.where(
        table["method"] == OURS, table["evaluations"], -table["c2st_xgboost"].fillna(-1)
    )
    order = {name: i for i, name in enumerate(dict.fromkeys(r.cell.dataset for r in records))}
    table = table[table["dataset"].isin(order)]
    table = table.sort_values(
        ["dataset", "place", "params", "below"], key=lambda c: c.map(order) if c.name == "dataset" else c
    )
    return table.drop(columns=["place", "below"]).reset_index(drop=True)


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write rivals.md, rivals.csv and the figure c2st; return their paths."""
    table = numbers(records, published())
    page = "\n".join([*reflow(_head(records, table)), *_tables(table)]) + "\n"
    store.replace(folder / "rivals.md", page.encode())
    store.replace(folder / "rivals.csv", table.to_csv(index=False, float_format="%.6g").encode())
    drawn = table[["dataset", "method", "params", "sampler", "evaluations", "published", "c2st_xgboost"]]
    return [
        folder / "rivals.md",
        folder / "rivals.csv",
        *save({"c2st": (partial(draw, drawn), drawn)}, folder),
    ]


def _head(records: Sequence[Record], table: pd.DataFrame) -> list[str]:
    made = sorted({commit_of(r.env, digits=12) for r in records})
    own = [r for r in records if r.cell.method == OURS]
    return [
        "# tabstep beside its rivals",
        "",
        "Their numbers are those that the authors of TabPC publish for all of them (arXiv 2603.23016, the repository",
        "april-tools/tabpc at 3f92668, Apache-2.0), copied; ours are measured here with the scores that they are said",
        "to be: all training rows as the real ones, as many drawn rows, every score the better the larger. A C2ST is",
        "1 - (2 area - 1): 1 is undetected, 0 is told apart without fail.",
        "",
        "What is not alike: TabSyn's split is nine parts for training and one for testing, without a validation part;",
        "we hold a tenth of the nine out, train on and compare with the rest. Settings of their classifiers we have",
        "not looked up; ours are XGBoost's defaults in three folds, as many as in sdmetrics. ROC AUC is that of",
        "XGBoost on the test rows, ours with fast settings. Their seconds are those of their GPU, ours of one thread",
        f"of {where.processor(own[0].env)} beside other work. `{OURS}` (long) trains three times as long",
        "as the default. TabDDPM stands in their tables of seconds alone. Of ours the share of rows that are nearer",
        "to a training row than to a fresh one is in the tables too: 1 for copies, .5 for rows of the same law.",
        "",
        f"{seeds.said(own)} Made at {', '.join(made)}.",
        "",
        *short(table),
        "",
        "![C2ST by evaluations](c2st.png)",
        "",
        *_alike(table),
    ]


def short(table: pd.DataFrame) -> list[str]:
    """A line a table and settings of ours: the C2ST of boosted trees at each budget, beside the best four published."""
    rows = []
    ours = table[table["method"] == OURS]
    for (dataset, params), part in ours.groupby(["dataset", "params"], sort=False):
        row = {"C2ST (XGBoost)": dataset, "ours": named(str(params))}
        for line in part.sort_values("evaluations", kind="stable").to_dict("records"):
            row |= {f"at {line['evaluations']:.0f}{_how(line['sampler'])}": f"{line['c2st_xgboost']:.3f}"}
        theirs = table[table["published"] & (table["dataset"] == dataset)].set_index("method")["c2st_xgboost"]
        rows.append(
            row
            | {f"{name} ({steps})": _cell(theirs.get(name, np.nan)) for name, steps in EVALUATIONS.items()}
        )
    columns = [*dict.fromkeys(name for row in rows for name in row)]
    return pipes([{name: row.get(name, "") for name in columns} for row in rows])


def _alike(table: pd.DataFrame) -> list[str]:
    """Independent columns, which both have: how far the scores themselves are the same."""
    theirs = table[table["published"] & (table["method"] == INDEPENDENT)].set_index("dataset")[[*SCORES]]
    ours = table[~table["published"] & (table["method"] == "marginals")].set_index("dataset")[[*SCORES]]
    both = [name for name in theirs.index if name in ours.index]
    if not both:
        return []
    apart = (theirs - ours).abs().max()
    said = ", ".join(f"{title} {apart[name]:.3f}" for name, (title, _) in SCORES.items() if name != "roc_auc")
    rows = [
        {"independent columns, theirs / ours": dataset}
        | {
            title: f"{theirs.loc[dataset, name]:.3f} / {ours.loc[dataset, name]:.3f}"
            for name, (title, _) in SCORES.items()
        }
        for dataset in both
    ]
    return [
        f"Independent columns are in both, theirs `{INDEPENDENT}` and our floor `marginals`: where a score is the",
        f"same, theirs and ours agree. The largest difference on a table is {said}. The ROC AUC of columns that know",
        "nothing of each other is any number.",
        "",
        *pipes(rows),
        "",
    ]


def _how(sampler: str) -> str:
    """Ours at one and two evaluations is drawn in two ways."""
    return ", taught" if sampler.startswith("distilled") else ""


def _tables(table: pd.DataFrame) -> list[str]:
    lines = []
    for dataset, part in table.groupby("dataset", sort=False):
        compared = part[part["published"] | (part["method"] == OURS)]
        best = {name: compared[name].max() for name in SCORES}
        rows = []
        for line in part.to_dict("records"):
            steps = line["evaluations"]
            whose = named(line["params"]) if line["method"] == OURS else f"`{line['method']}`"
            own = whose + (f" by `{line['sampler']}`" if line["sampler"] else "")
            row = {
                "method": line["method"] if line["published"] else own,
                "evaluations": "" if np.isnan(steps) else f"{steps:.0f}",
            }
            among = line["published"] or line["method"] == OURS
            for name, (title, _) in SCORES.items():
                row[title] = _cell(line[name], best[name] if among else None)
            row["nearer to training rows"] = _cell(line[NEARER])
            row |= {title: _seconds(line[name]) for name, title in SECONDS.items()}
            rows.append(row)
        lines += [f"## {dataset}", "", "Bold: the best of the published ones and ours.", "", *pipes(rows), ""]
    return lines


def _cell(value: float, best: float | None = None) -> str:
    if np.isnan(value):
        return ""
    return f"**{value:.3f}**" if value == best else f"{value:.3f}"


def _seconds(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def draw(table: pd.DataFrame) -> Figure:
    """A panel a table: our lines by evaluations, triangles where trained for longer.

    Published ones are dots at their evaluations, and dashed lines where they have no network.
    """
    names = [*dict.fromkeys(table["dataset"])]
    figure = Figure(figsize=(2.6 * len(names), 3.0), layout="constrained")
    hues = dict(zip(EVALUATIONS, ("#4477AA", "#228833", "#AA3377", "#999999"), strict=True))
    for axis, dataset in zip(panels(figure, len(names), len(names)), names, strict=True):
        part = table[table["dataset"] == dataset]
        ours = part[part["method"] == OURS]
        for (params, sampler), line in ours.groupby(["params", "sampler"]):
            hue, dash = colour(OURS, str(sampler)), ":" if _how(str(sampler)) else "-"
            whose = named(str(params)).replace("`", "")
            axis.plot(
                line["evaluations"],
                line["c2st_xgboost"],
                color=hue,
                linestyle=dash,
                marker="o" if params == "default" else "^",
                markersize=3,
                label=whose + _how(str(sampler)),
            )
        for name, steps in EVALUATIONS.items():
            for value in part.loc[part["published"] & (part["method"] == name), "c2st_xgboost"]:
                if steps:
                    mark = "s" if name == "TabSyn" else "D"
                    axis.plot([steps], [value], mark, color=hues[name], markersize=5, label=name)
                else:
                    axis.axhline(value, color=hues[name], linestyle="--", linewidth=1, label=name)
        axis.set_title(dataset, loc="left", fontweight="bold", fontsize=9)
        axis.set_ylim(0, 1)
        steps_axis(axis, pd.DataFrame({"steps": [*ours["evaluations"], 99]}))
    figure.axes[0].set_ylabel("C2ST (XGBoost), 1 is undetected")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure
