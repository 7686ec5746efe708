"""Floors: what a table gives without a network. Where one is as good as a sampler's rows, tables say so."""

from __future__ import annotations

import pandas as pd

from tabstep.report.numbers.budget import ENTRANT
from tabstep.report.numbers.table import CEILING, FLOORS, REAL_ROWS
from tabstep.report.numbers.vector import VECTOR

CROSSED = [*ENTRANT, "score", "floor", "floor_mean", "up_to", "budgets", "of"]


def beside(results: pd.DataFrame) -> pd.DataFrame:
    """Levels of real rows and floors: `suite`, `dataset`, `score` of the vector, `method`, `mean`."""
    plain = results[results["method"].isin((*REAL_ROWS, *FLOORS)) & results["mean"].notna()]
    parts = [
        plain[plain["metric"] == plain["task"].map(score.metrics)].assign(score=score.name)
        for score in VECTOR
    ]
    return pd.concat(parts)[["suite", "dataset", "score", "method", "mean"]].reset_index(drop=True)


def crossings(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each sampler's curve, score of the vector and floor that some budget does not beat: `CROSSED`.

    results  see `report.table.results`
    up_to    the most evaluations at which the floor's mean is at least as good as the sampler's; `budgets` at how many
             budgets of the curve it is, and `of` how many it has
    """
    metrics = {score.metrics[task]: score for score in VECTOR for task in score.metrics}
    scored = results[results["metric"].isin(metrics) & results["mean"].notna()]
    rows = []
    for (suite, dataset, metric), part in scored.groupby(["suite", "dataset", "metric"], sort=True):
        score = metrics[str(metric)]
        floors = part[part["method"].isin(FLOORS) & part["sampler"].isna()]
        for key, curve in part[part["steps"].notna()].groupby(ENTRANT[2:], sort=True, dropna=False):
            for floor in floors.to_dict("records"):
                level = score.shortfall(floor["mean"])
                lost = [
                    k
                    for k, m in zip(curve["steps"], curve["mean"], strict=True)
                    if score.shortfall(m) >= level
                ]
                if lost:
                    found = (suite, dataset, *key, score.name, floor["method"], floor["mean"])
                    rows.append(
                        dict(zip(CROSSED, (*found, int(max(lost)), len(lost), len(curve)), strict=True))
                    )
    return pd.DataFrame(rows, columns=CROSSED)


def sentences(crossed: pd.DataFrame) -> list[str]:
    """One line for each dataset and floor: by which scores it is as good as how many curves, at how many budgets."""
    lines = []
    for (_, dataset, floor), part in crossed.groupby(["suite", "dataset", "floor"], sort=True):
        told = []
        for score, of in part.groupby("score", sort=False):
            curves = len(of)
            told.append(
                f"{score} ({curves} curve{'s' if curves > 1 else ''}, at {of['budgets'].sum()} of {of['of'].sum()} "
                f"budgets, up to {of['up_to'].max()} evaluations)"
            )
        lines.append(
            f"{dataset}: the floor `{floor}`, at 0 evaluations, is as good as samplers by {', '.join(told)}."
        )
    return lines


def marked(method: str) -> str:
    """A method as tables name it: floors, and others' real rows, say what they are."""
    if method in FLOORS:
        return f"{method} (floor)"
    return f"{method} (real rows)" if method in REAL_ROWS and method != CEILING else method
