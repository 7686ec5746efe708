"""The page of all scores of a suite with their intervals: one table per dataset and family of scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.records import store
from tabstep.report.numbers.floors import marked
from tabstep.report.numbers.table import CEILING, GROUP, PRIMARY
from tabstep.report.pages.markdown import table_of
from tabstep.report.pages.readable import ONE_NETWORK, of_one

EVALUATORS = ("catboost", "xgboost", "mlp", "simple")
Found = dict[str, list[float]]  # the mean of a score and its interval, by metric

FAMILIES: dict[str, tuple[str, ...]] = {
    "Fidelity": (
        *("shape", "trend", "trend_corrected"),
        *("wasserstein", "jensen_shannon", "correlation_l2"),
    ),
    "Dependence": ("wnmis", "marginals_3", "marginals_3_expected"),
    "Tails": ("tail_1", "tail_99", "extremes", "point_masses"),
    "Coverage": (
        *("density", "coverage", "coverage_expected", "alpha_precision", "beta_recall"),
        *("beta_recall_published", "alpha_precision_oc", "beta_recall_oc"),
    ),
    "Detection": (
        *("c2st_logistic", "c2st_xgboost", "c2st_logistic_score", "c2st_xgboost_score", "c2st_rows"),
        *("c2st_logistic_train_score", "c2st_xgboost_train_score", "c2st_train_rows"),
    ),
    "Utility": (
        *("global_utility", "utility_columns"),
        *("augment_10", "augment_10_gain", "augment_100", "augment_100_gain"),
    ),
    "Distance to training rows": (
        *("dcr_median", "dcr_median_expected", "dcr_share", "nndr", "nndr_expected"),
        *("authenticity", "authenticity_expected", "copies", "copies_expected"),
    ),
    "Membership": ("mia_auc", "mia_tpr", "mia_closest", "mia_density", "mia_local", "mia_max", "mia_max_tpr"),
    "Faults": (
        *("out_of_range", "unseen", "new_gaps", "fractions"),
        *("duplicates", "duplicates_expected", "copies_exact"),
    ),
}

NOTES = {
    "Fidelity": ": independent columns with the right marginals can have 1.00 in shape and near it in trend",
    "Detection": ": independent columns with the right marginals can pass `logistic`",
}


def write(results: pd.DataFrame, folder: Path) -> list[Path]:
    """Write scores.md, if there is more to show than CatBoost's score, which results.md has; return the paths."""
    shown = {score for scores in FAMILIES.values() for score in scores}
    other = results["metric"].dropna().str.startswith(EVALUATORS[1:])
    if not (set(results["metric"].dropna()) & shown or other.any()):
        return []
    lines = [
        "# Scores",
        "",
        f"Mean and its 95 % interval over the topmost kind of seed with more than one, {ONE_NETWORK}; scores of "
        "detection and membership have their own interval, of one sample, where there is one seed. No interval where "
        "all its values are one. The definitions are in results/README.md. With two seeds an interval is wide: its "
        "factor is 12.7, with five 2.8.",
    ]
    for (suite, dataset), part in results.groupby(["suite", "dataset"], sort=True):
        lines += ["", f"## {dataset} ({suite})"]
        for family, table in _tables(part):
            lines += ["", f"### {family}", "", *table]
    store.replace(folder / "scores.md", ("\n".join(lines) + "\n").encode())
    return [folder / "scores.md"]


def _tables(part: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    primary = PRIMARY[part["task"].iloc[0]].removeprefix("catboost")
    cells = [
        ({str(n): v for n, v in first.items()}, _by_metric(group))
        for _, group in part.dropna(subset=["metric"]).groupby(list(GROUP), sort=False, dropna=False)
        for first in group.head(1).to_dict("records")
    ]
    known = set(part["metric"].dropna())
    efficacy = [f"{name}{primary}" for name in EVALUATORS if f"{name}{primary}" in known]
    ceiling = next((found for first, found in cells if first["method"] == CEILING), None)
    rows = []
    for first, found in cells:
        row = _entrant(first)
        for score in efficacy:
            row[score] = _interval(found, score, of_one(first))
            row[f"% real, {score.removesuffix(primary)}"] = _share(found, ceiling, score)
        rows.append(row)
    if rows and efficacy:
        yield (
            "Efficacy",
            table_of(rows, [column for column in rows[0] if column not in _entrant(cells[0][0])]),
        )
    for family, scores in FAMILIES.items():
        there = [score for score in scores if score in known]
        if there:
            yield (
                family + NOTES.get(family, ""),
                table_of(
                    [_entrant(f) | {s: _interval(found, s, of_one(f)) for s in there} for f, found in cells],
                    there,
                ),
            )


def _by_metric(group: pd.DataFrame) -> Found:
    columns = (group[name].to_list() for name in ("metric", "mean", "low", "high"))
    return {metric: numbers for metric, *numbers in zip(*columns, strict=True)}


def _entrant(first: dict[str, Any]) -> dict[str, str]:
    sampler = " ".join(str(first[name]) for name in ("sampler", "grid") if not pd.isna(first[name]))
    steps = "" if pd.isna(first["steps"]) else f"{first['steps']:g}"
    return {"method": marked(first["method"]), "sampler": sampler, "steps": steps}


def _interval(found: Found, score: str, mark: str) -> str:
    """The mean and its interval, with the `mark` of one over seeds."""
    if score not in found:
        return ""
    mean, low, high = found[score]
    if pd.isna(low) and f"{score}_low" in found:
        low, high, mark = found[f"{score}_low"][0], found[f"{score}_high"][0], ""
    # Where seeds change nothing, as training seeds do not for a bootstrap of real rows, there is no scatter to see.
    return f"{mean:.3f}" if pd.isna(low) or low == high else f"{mean:.3f} [{low:.3f}, {high:.3f}]{mark}"


def _share(found: Found, ceiling: Found | None, score: str) -> str:
    if ceiling is None or score not in found or score not in ceiling:
        return ""
    real = ceiling[score][0]
    return f"{100 * found[score][0] / real:.1f}" if real > 0 else ""
