"""The tables of the TabDDPM paper with our records beside the published numbers, and what makes a table of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from tabstep.data.table import Task
from tabstep.report.numbers.compare import MARGIN
from tabstep.report.pages.against import NAMES, REFERENCE

SUITES = ("paper", "reproduce", "ceiling", "ceiling-tuned")
"""Suites that keep to the paper's protocol, in the order in which their cells are taken where several have one."""

BASES = ("ancestral", "ancestral-unclipped")
"""The paper's sampler, with and without the clipping that its code leaves out; with all steps."""

Verdict = Literal["equal", "within 2 sd", "differs", "no deviation", "missing"]


def _by_task(regression: str, classes: str) -> dict[Task, str]:
    return {"regression": regression, "binclass": classes, "multiclass": classes}


def _always(name: str) -> dict[Task, str]:
    return _by_task(name, name)


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: how the reference file calls it, its number, and our score by kind of task."""

    number: int
    title: str
    metrics: Mapping[Task, str]

    @property
    def name(self) -> str:
        return f"table{self.number}"


TABLES = (
    PaperTable(
        4,
        "Table 4: ML efficiency, average over simple classifiers/regressors",
        _by_task("simple_r2", "simple_f1_macro"),
    ),
    PaperTable(5, "Table 5: ML efficiency, tuned CatBoost", _by_task("catboost_r2", "catboost_f1_macro")),
    PaperTable(7, "Table 7: privacy, mean distance to closest record", _always("dcr_mean")),
    PaperTable(9, "Table 9: Wasserstein distance between numerical features", _always("wasserstein")),
    PaperTable(
        10, "Table 10: Jensen-Shannon divergence between categorical features", _always("jensen_shannon")
    ),
    PaperTable(11, "Table 11: L2 distance between correlation matrices", _always("correlation_l2")),
    PaperTable(12, "Table 12: density (Naeem et al. 2020)", _always("density")),
    PaperTable(13, "Table 13: coverage (Naeem et al. 2020)", _always("coverage")),
)

RANKS = "Table 3: average ranks over all datasets"
RANKED = {9: "WD (num.)", 10: "JS (cat.)", 11: "L2 (corr. matrix)"}

COLUMNS = (
    *("table", "dataset", "method", "metric", "ours", "std", "published", "published_std", "difference"),
    *("z", "p_equal", "verdict", "suite", "params", "n_train_seeds", "n_sample_seeds", "n_eval_seeds"),
    *("commit", "source"),
)


def published() -> pd.DataFrame:
    """The published numbers: table, dataset, method, mean, std, source."""
    return pd.read_csv(REFERENCE)


def compared(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each number of the paper's tables, with the columns `COLUMNS`; `ours` is empty where we have none.

    results  see `report.table.results`; rows of suites beside `SUITES` and of samplers beside the paper's are not used

    z is the difference over sqrt(std^2 + published_std^2), each std of single scores; p_equal that of two one-sided
    tests (normal, with that deviation) that the difference is `MARGIN` of the published number or more. The verdict is
    "equal" where p_equal < 0.05, else "within 2 sd" where |z| <= 2, else "differs". That is a check of plausibility and
    no test of equivalence: deviations are of single scores, as the error of the published mean is not known, so that
    more seeds of ours change nothing, and scores that scatter more agree the easier.
    """
    known = published()
    ours = _ours(results)
    lines = []
    for table in TABLES:
        for row in known[known["table"] == table.title].to_dict("records"):
            found = ours.get((row["dataset"], row["method"], table.number))
            lines.append(_line(table, {str(k): v for k, v in row.items()}, found))
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype(
        {"n_train_seeds": "Int64", "n_sample_seeds": "Int64", "n_eval_seeds": "Int64"}
    )


def _ours(results: pd.DataFrame) -> dict[tuple[str, str, int], dict[str, object]]:
    """The row that stands beside a published number, by dataset, the paper's name of the method, and table."""
    rows = results[results["suite"].isin(SUITES) & results["mean"].notna()]
    rows = rows.assign(name=rows["method"].map(NAMES), order=rows["suite"].map(SUITES.index))
    rows = rows.dropna(subset=["name"])
    # All steps are those of the network; where no record says how many, the most that anyone was asked for.
    asked = rows.groupby(["suite", "dataset", "method", "params"])["steps"].transform("max")
    most = rows["all_steps"].fillna(asked) if "all_steps" in rows else asked
    whole = rows["steps"].isna() | (rows["sampler"].isin(BASES) & (rows["steps"] == most))
    found: dict[tuple[str, str, int], dict[str, object]] = {}
    for row in rows[whole].sort_values("order", kind="stable").to_dict("records"):
        for table in TABLES:
            if row["metric"] == table.metrics[row["task"]]:
                found.setdefault(
                    (row["dataset"], row["name"], table.number), {str(k): v for k, v in row.items()}
                )
    return found


def _line(
    table: PaperTable, row: Mapping[str, object], found: Mapping[str, object] | None
) -> dict[str, object]:
    line = {
        "table": table.number,
        "dataset": row["dataset"],
        "method": row["method"],
        "metric": row["metric"],
        "published": row["mean"],
        "published_std": row["std"],
        "source": row["source"],
        "verdict": "missing",
    }
    if found is None:
        return line
    copied = ("std", "suite", "params", "n_train_seeds", "n_sample_seeds", "n_eval_seeds", "commit")
    line |= {"ours": found["mean"], **{name: found[name] for name in copied}}
    verdict, difference, z, p_equal = judged(
        *(float(str(v)) for v in (found["mean"], found["std"], row["mean"], row["std"]))
    )
    return line | {"difference": difference, "z": z, "p_equal": p_equal, "verdict": verdict}


def judged(
    ours: float, std: float, published: float, published_std: float
) -> tuple[Verdict, float, float, float]:
    """Verdict, difference, z and the p-value of equality of a mean beside a published one; see `compared`."""
    difference = ours - published
    deviation = math.hypot(std, published_std)
    if math.isnan(deviation):
        return "no deviation", difference, math.nan, math.nan
    bound = MARGIN * abs(published)
    if deviation == 0:
        equal = float(abs(difference) >= bound)
        return (
            ("equal" if equal == 0 else "differs"),
            difference,
            float(np.copysign(np.inf, difference)),
            equal,
        )
    z = difference / deviation
    p_equal = float(
        max(stats.norm.sf((difference + bound) / deviation), stats.norm.cdf((difference - bound) / deviation))
    )
    if p_equal < 0.05:
        return "equal", difference, z, p_equal
    return ("within 2 sd" if abs(z) <= 2 else "differs"), difference, z, p_equal


def ranks(lines: pd.DataFrame) -> pd.DataFrame:
    """Average ranks (1 is best) of the methods in tables 9 to 11, from the published numbers, as published, and ours.

    of_published  from the numbers of the tables, over their datasets
    printed       as the paper's Table 3 has it
    ours          over the datasets where we have every method that we have at all; `datasets` says how many
    """
    known = published()
    printed = known[known["table"] == RANKS]
    rows = []
    for number, label in RANKED.items():
        table = lines[lines["table"] == number]
        wide = table.pivot(index="dataset", columns="method", values="published")
        own = table.pivot(index="dataset", columns="method", values="ours").dropna(axis=1, how="all").dropna()
        of_published, mean_own = wide.rank(axis=1).mean(), own.rank(axis=1).mean()
        for method in wide.columns:
            said = printed[(printed["method"] == method) & (printed["metric"] == f"average rank: {label}")][
                "mean"
            ]
            rows.append(
                {
                    "table": number,
                    "score": label,
                    "method": method,
                    "of_published": of_published[method],
                    "printed": said.iloc[0] if len(said) else math.nan,
                    "ours": mean_own.get(method, math.nan) if own.shape[1] > 1 else math.nan,
                    "datasets": len(own) if own.shape[1] > 1 else 0,
                }
            )
    return pd.DataFrame(rows)


def summary(lines: pd.DataFrame) -> pd.DataFrame:
    """How many numbers of each table got which verdict."""
    counted = lines.groupby(["table", "verdict"]).size().unstack(fill_value=0)
    order: Sequence[Verdict] = ("equal", "within 2 sd", "differs", "no deviation", "missing")
    return counted.reindex(columns=list(order), fill_value=0).reset_index()
