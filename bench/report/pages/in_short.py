"""What a long page of budgets says in a few lines: the best way of drawing at each budget, a line for each suite."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tabstep.report.numbers.table import PRIMARY

BUDGETS = (2, 5, 10, 20, 50)
WAY = ["method", "params", "sampler", "grid"]
ABOUT = (
    "By efficacy alone: the mean over tables of what a way of drawing keeps of the most steps of `ancestral` of the "
    "same network, for the best way at each budget. The best of many looks a little better than it is, and efficacy is "
    "the mildest of the scores: whether a budget is *enough* by all of them stands below each suite."
)


def lines(results: pd.DataFrame) -> list[str]:
    """The head of the page, from the results of all suites."""
    walked = results[(results["metric"] == results["task"].map(PRIMARY)) & results["steps"].notna()]
    found = []
    for suite, part in walked.fillna({"grid": ""}).groupby("suite", sort=True):
        kept = _kept(part)
        n = kept["dataset"].nunique()
        if said := "; ".join(_best(kept)):
            found.append(f"- `{suite}`, {n} table{'s' * (n != 1)}: {said}.")
    return ["# Budgets, in short", "", ABOUT, "", *found, ""] if found else []


def _kept(part: pd.DataFrame) -> pd.DataFrame:
    """The rows of networks that have a measure, `full`: `ancestral` at the most steps."""
    network = ["dataset", "method", "params"]
    base = part[(part["sampler"] == "ancestral") & (part["mean"] > 0)].sort_values("steps")
    full = base.groupby(network)["mean"].last().rename("full")
    return part.merge(full.reset_index(), on=network)


def _best(kept: pd.DataFrame) -> list[str]:
    """The way that keeps most at each budget, of those that are on every table."""
    whole = kept.groupby([*WAY, "steps"])["dataset"].transform("nunique") == kept["dataset"].nunique()
    kept = kept.loc[whole]
    kept = kept.assign(share=100 * kept["mean"] / kept["full"])
    said = []
    for steps in BUDGETS:
        means = kept[kept["steps"] == steps].groupby(WAY)["share"].mean()
        if len(means):
            best: Any = means.idxmax()
            way = " ".join(word for word in best if word not in ("", "default", "trailing"))
            said.append(f"{steps} evaluations {means.max():.1f} % (`{way}`, of {len(means)} ways)")
    return said
