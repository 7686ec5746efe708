"""The study of early-stopped and learned samplers: its numbers, its page and its figures, from records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.registry import SWEEP
from tabstep.report.figures.drawing import save
from tabstep.report.figures.hues import colour
from tabstep.report.numbers.table import PRIMARY, commit_of, csv, results
from tabstep.study.figures import steps_axis
from tabstep.study.markdown import pipes, reflow
from tabstep.study.samplers import REFERENCE, wide

MOONSHOT = 5  # evaluations that should keep `ENOUGH` of the score of all T
ENOUGH = 0.99
LEARNED = ("ddss", "ggdm")
BEGIN = "ddim"  # where learned coefficients begin
STARTS = ("vae", "ctgan")  # of the sweeps over T'
SHOWN = (
    *("ancestral", "ancestral-small", "ddim", "dpmpp-2m-sde"),
    *("es-ancestral-vae", "es-ddim-vae", "es-ancestral-ctgan", "es-ddim-ctgan", "ddss", "ggdm"),
)


def references(records: Iterable[Record]) -> list[Record]:
    """Of another suite's records, those of all T steps of the same kind of network: what few steps should keep."""
    found = [r for r in records if (r.cell.method, r.cell.sampler) == REFERENCE and r.status == "ok"]
    most = max((r.cell.steps or 0 for r in found), default=0)
    return [r for r in found if r.cell.steps == most]


def numbers(records: Sequence[Record], full: Sequence[Record]) -> pd.DataFrame:
    """`study.samplers.wide` of the records, with scores in parts of those of the records `full`."""
    names = {r.cell.dataset for r in records}
    both = [results(records), results([r for r in full if r.cell.dataset in names])]
    table = wide(pd.concat([part for part in both if not part.empty], ignore_index=True))
    table["kept_std"] = table["score_std"] * table["kept"] / table["score_mean"]
    few: pd.DataFrame = table[table["steps"] < table["steps"].max()].reset_index(drop=True)
    return few


def moonshot(table: pd.DataFrame) -> pd.DataFrame:
    """For each dataset, of all samplers at `MOONSHOT` steps the one with the best validation score."""
    part = table[(table["steps"] == MOONSHOT) & table["val_mean"].notna()]
    best = part.loc[part.groupby("dataset")["val_mean"].idxmax()]
    columns = ["dataset", "sampler", "grid", "val_mean", "score_mean", "score_std", "kept", "kept_std"]
    return best[columns].reset_index(drop=True)


def learned_gain(records: Sequence[Record]) -> pd.DataFrame:
    """Learned coefficients less their begin, paired by sampling seed: mean and deviation, on both parts."""
    scores: dict[tuple[Any, ...], dict[str, float]] = {}
    for r in records:
        if r.status == "ok" and r.cell.sampler in (*LEARNED, BEGIN) and r.cell.grid == "trailing":
            primary = PRIMARY[r.task]
            key = (r.cell.dataset, r.cell.sampler, r.cell.steps, r.cell.sample_seed)
            scores[key] = {
                part: float(np.mean(r.scores[name]))
                for part, name in (("validation", f"{primary}_val"), ("test", primary))
            }
    lines = []
    for (dataset, sampler, steps, seed), own in scores.items():
        begin = scores.get((dataset, BEGIN, steps, seed))
        if sampler != BEGIN and begin is not None:
            gains = {part: own[part] - begin[part] for part in own}
            lines.append({"dataset": dataset, "sampler": sampler, "steps": steps, **gains})
    if not lines:
        return pd.DataFrame(columns=["dataset", "sampler", "steps"])
    grouped = pd.DataFrame(lines).groupby(["dataset", "sampler", "steps"])[["validation", "test"]]
    flat = grouped.agg(["mean", "std", "count"])
    flat.columns = ["_".join(name) for name in flat.columns.to_flat_index()]
    return flat.reset_index()


def sweep(table: pd.DataFrame) -> pd.DataFrame:
    """Scores by T'/T, start and budget, of the samplers with a fixed T'."""
    fixed = {f"es-ancestral-{start}-{100 * stop:.0f}": (start, stop) for start in STARTS for stop in SWEEP}
    part = table[table["sampler"].isin(list(fixed))].copy()
    part["start"], part["stop"] = ([fixed[s][i] for s in part["sampler"]] for i in (0, 1))
    return part[["dataset", "start", "stop", "steps", "kept", "kept_std"]].reset_index(drop=True)


def write(records: Sequence[Record], full: Sequence[Record], folder: Path) -> list[Path]:
    """Write families.md, its table as CSV and its figures into `folder`; return their paths."""
    table = numbers(records, full)
    swept = sweep(table)
    shown = table[table["sampler"].isin(SHOWN)]
    page = "\n".join(reflow(_page(records, full, table))) + "\n"
    store.replace(folder / "families.md", page.encode())
    store.replace(folder / "families.csv", csv(table).encode())
    drawn = save(
        {
            "quality": (lambda: _quality(shown), shown),
            "sweep": (lambda: _sweep(swept), swept),
        },
        folder,
    )
    return [folder / "families.md", folder / "families.csv", *drawn]


def _page(records: Sequence[Record], full: Sequence[Record], table: pd.DataFrame) -> list[str]:
    commits = ", ".join(sorted({commit_of(r.env, digits=12) for r in records}))
    reference = ", ".join(sorted({commit_of(r.env, digits=12) for r in full}))
    return [
        "# Early-stopped and learned samplers",
        "",
        "One short fit of `tabddpm` a table serves all samplers; five sampling seeds, grid `trailing`. *Kept* is the",
        "score in parts of that with all T steps, and ± the standard deviation over sampling seeds.",
        f"Made at {commits}; the score with all T steps at {reference}.",
        "",
        *_moonshot(moonshot(table)),
        "",
        "## Quality against network evaluations",
        "",
        "![Part of the full-T score against evaluations](quality.png)",
        "",
        *_kept(table),
        "",
        "## Learned coefficients against their begin, DDIM",
        "",
        "Difference of the score, paired by sampling seed, mean ± standard deviation. Coefficients are learned on",
        "training rows, and the best check is chosen by its distance to validation rows.",
        "",
        *pipes(_gains(learned_gain(records))),
        "",
        "## T' of early-stopped paths",
        "",
        "T' = 0 is the start generator by itself, T' = T plain ancestral sampling.",
        "",
        "![Part of the full-T score against T'/T](sweep.png)",
        "",
        "## Prices",
        "",
        "Median seconds to prepare (fits of start generators and searches of coefficients among them) and to draw",
        "10,000 rows, from cells that ran side by side.",
        "",
        *pipes(_prices(table)),
    ]


def _moonshot(best: pd.DataFrame) -> list[str]:
    rows = [
        {
            "dataset": row["dataset"],
            "best on validation": f"{row['sampler']}, {row['grid']}",
            "validation": f"{row['val_mean']:.4f}",
            "test": f"{row['score_mean']:.4f} ± {row['score_std']:.4f}",
            "kept": f"{row['kept']:.1%} ± {row['kept_std']:.1%}",
            f"to {ENOUGH:.0%}": f"{100 * (row['kept'] - ENOUGH):+.1f} points",
        }
        for row in best.to_dict("records")
    ]
    return [f"## {ENOUGH:.0%} of the full score in {MOONSHOT} evaluations?", "", *pipes(rows)]


def _kept(table: pd.DataFrame) -> list[str]:
    lines: list[str] = []
    for dataset, part in table[table["sampler"].isin(SHOWN)].groupby("dataset"):
        rows = []
        for sampler in SHOWN:
            cells = part[part["sampler"] == sampler].sort_values("steps").to_dict("records")
            texts = {f"K = {c['steps']}": f"{c['kept']:.1%} ± {c['kept_std']:.1%}" for c in cells}
            rows += [{"sampler": sampler, **texts}] if cells else []
        lines += [f"### {dataset}: kept of the full-T test score", "", *pipes(rows), ""]
    return lines


def _gains(gain: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "dataset": row["dataset"],
            "sampler": row["sampler"],
            "K": str(row["steps"]),
            "validation": f"{row['validation_mean']:+.4f} ± {row['validation_std']:.4f}",
            "test": f"{row['test_mean']:+.4f} ± {row['test_std']:.4f}",
            "seeds": str(row["test_count"]),
        }
        for row in gain.to_dict("records")
    ]


def _prices(table: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for (dataset, sampler), part in table[table["sampler"].isin(SHOWN)].groupby(["dataset", "sampler"]):
        cells = part.sort_values("steps").to_dict("records")
        texts = {f"K = {c['steps']}": f"{c['prepare_s']:.1f} + {c['seconds']:.2f}" for c in cells}
        rows.append({"dataset": str(dataset), "sampler": str(sampler), **texts})
    return rows


def _quality(shown: pd.DataFrame) -> Figure:
    """Kept of the full-T score against the budget: a panel a dataset, a line a sampler, bars of a deviation."""
    datasets = sorted(shown["dataset"].unique())
    figure = Figure(figsize=(3.6 * max(1, len(datasets)) + 0.4, 3.8), layout="constrained")
    axes = figure.subplots(1, max(1, len(datasets)), squeeze=False)[0]
    for axis, dataset in zip(axes, datasets, strict=False):
        panel = shown[shown["dataset"] == dataset]
        for i, sampler in enumerate(s for s in SHOWN if s in set(panel["sampler"])):
            line = panel[panel["sampler"] == sampler].sort_values("steps")
            nudge = 1.03 ** (i - len(SHOWN) / 2)  # so that bars do not hide each other
            axis.errorbar(
                line["steps"].to_numpy(float) * nudge,
                100 * line["kept"].to_numpy(float),
                100 * line["kept_std"].to_numpy(float),
                color=colour("tabddpm", sampler),
                linestyle=(0, (4, 1.5)) if sampler.startswith("es-") else "-",
                marker="o",
                markersize=3,
                linewidth=1.2,
                elinewidth=0.7,
                label=sampler,
            )
        axis.axhline(100 * ENOUGH, color="#6B6B6B", linewidth=0.7, linestyle=":")
        axis.set_title(str(dataset), loc="left", fontweight="bold", fontsize=9)
        steps_axis(axis, panel)
    axes[0].set_ylabel("% of the full-T score")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=8)
    return figure


def _sweep(swept: pd.DataFrame) -> Figure:
    """Kept of the full-T score against T'/T: a column a dataset, a row a start, a line a budget."""
    datasets, starts = sorted(swept["dataset"].unique()), [s for s in STARTS if s in set(swept["start"])]
    columns, rows = max(1, len(datasets)), max(1, len(starts))
    figure = Figure(figsize=(3.4 * columns + 0.4, 2.6 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    budgets = sorted(swept["steps"].unique())
    shades = [(0.0, 0.25 + 0.6 * i / max(1, len(budgets) - 1), 0.7) for i in range(len(budgets))]
    for line_of_axes, start in zip(axes, starts, strict=False):
        for axis, dataset in zip(line_of_axes, datasets, strict=False):
            panel = swept[(swept["dataset"] == dataset) & (swept["start"] == start)]
            for K, shade in zip(budgets, shades, strict=True):
                line = panel[panel["steps"] == K].sort_values("stop")
                axis.errorbar(
                    line["stop"].to_numpy(float),
                    100 * line["kept"].to_numpy(float),
                    100 * line["kept_std"].to_numpy(float),
                    color=shade,
                    marker="o",
                    markersize=3,
                    linewidth=1.2,
                    elinewidth=0.7,
                    label=f"K = {K}",
                )
            axis.set_title(f"{dataset}, from {start}", loc="left", fontweight="bold", fontsize=9)
            axis.grid(axis="y", color="#EBEBEB", linewidth=0.6)
    for axis in axes[-1]:
        axis.set_xlabel("T'/T")
    for axis in axes[:, 0]:
        axis.set_ylabel("% of the full-T score")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    return figure
