"""All tables of a results folder: those of the paper with ours beside, scores of the vector and seconds by budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.data import cards
from tabstep.records.store import Record
from tabstep.report.numbers import floors
from tabstep.report.numbers.budget import steps_to_equal_quality
from tabstep.report.numbers.compare import MARGIN
from tabstep.report.numbers.table import PRIMARY
from tabstep.report.numbers.vector import VECTOR
from tabstep.report.pages import enough, in_short, paper, sheets
from tabstep.report.pages.readable import header, seconds
from tabstep.report.pages.sheets import Sheet

SHOWN = tuple(dict.fromkeys(metric for score in VECTOR for metric in score.metrics.values()))
PER_BUDGET = ("suite", "dataset", "method", "params", "score", "sampler", "grid")


def write(records: Sequence[Record], results: pd.DataFrame, folder: Path) -> list[Path]:
    """Write paper.md, budgets.md and their sheets into `folder`; return the paths.

    records, results  of all suites; each sheet names the commits, days, machines and seeds of its own
    """
    lines = paper.compared(results)
    return [
        *sheets.write(_paper(records, lines), folder, "paper"),
        *sheets.write(_budgets(records, results), folder, "budgets", in_short.lines(results)),
    ]


def _paper(records: Sequence[Record], lines: pd.DataFrame) -> list[Sheet]:
    counts = paper.summary(lines)
    note = (
        "How many numbers of the paper ours equal, agree with, or differ from; by number of the paper's table. A check "
        "of plausibility by the scatter of single scores, not a test of equivalence: the more they scatter, the easier "
        "is `within 2 sd`."
    )
    found = [Sheet("verdicts", "Verdicts", [note], counts.astype(str), counts, ())]
    for table in paper.TABLES:
        part = lines[lines["table"] == table.number]
        there = part[part["verdict"] != "missing"]
        suites = set(there["suite"])
        made = [r for r in records if r.cell.suite in suites]
        notes = [
            f"{len(there)} of {len(part)} numbers have a counterpart of ours; published: {part['source'].iloc[0]}."
        ]
        notes += made_of(made) if made else ["None of these was run yet: `tabstep run paper`."]
        title = f"Published table {table.number}, {table.title.partition(': ')[2]}"
        legend = (
            f"Ours (published): = equal within {MARGIN:.0%} by two one-sided tests, ~ within 2 deviations, ! differs, "
            "? without a deviation to judge by, - not run; * rows that are not split as the authors did."
        )
        found.append(Sheet(table.name, title, [*notes, legend], _matrix(part), part, ("dataset",)))
        if len(there):
            about = (
                "Mean ± standard deviation of single scores; z: difference over both deviations; p equal: of two "
                f"one-sided tests that they differ by {MARGIN:.0%} or more; seeds: training/sampling/evaluator."
            )
            words = ("dataset", "method", "verdict", "suite")
            found.append(
                Sheet(
                    f"{table.name}-detail", f"{title}: ours in detail", [about], _beside(there), there, words
                )
            )
    ranked = paper.ranks(lines)
    text = ranked.assign(
        table=ranked["table"].astype(str),
        **{name: ranked[name].map(_number(2)) for name in ("of_published", "printed", "ours")},
        datasets=ranked["datasets"].astype(str),
    )
    note = (
        "Average ranks, 1 is best: of the numbers in tables 9 to 11, as the paper prints them, and of ours over the "
        "datasets where none of our methods is missing."
    )
    title = "Published table 3, average ranks over all datasets, recomputed"
    return [*found, Sheet("table3", title, [note], text, ranked, ("score", "method"))]


def made_of(records: Sequence[Record]) -> list[str]:
    """How records were made, as sentences."""
    return [line.removeprefix("- ").removeprefix("> **Note.** ") for line in header(records) if line]


MARKS: dict[paper.Verdict, str] = {
    "equal": "=",
    "within 2 sd": "~",
    "differs": "!",
    "no deviation": "?",
    "missing": "-",
}


def _matrix(part: pd.DataFrame) -> pd.DataFrame:
    """Datasets by methods, as the paper has them."""

    def cell(row: dict[str, Any]) -> str:
        published = "(none)" if pd.isna(row["published"]) else f"({row['published']:.3f})"
        if row["verdict"] == "missing":
            return f"- {published}"
        return f"{row['ours']:.3f} {published} {MARKS[row['verdict']]}"

    shown = part.assign(text=[cell({str(k): v for k, v in row.items()}) for row in part.to_dict("records")])
    shown["dataset"] = [name if cards.find(name).authors_split else f"{name} *" for name in shown["dataset"]]
    wide = shown.pivot(index="dataset", columns="method", values="text").fillna("")
    order = [method for method in part["method"].unique() if method in wide.columns]
    return wide[order].reset_index().rename_axis(columns=None)


def _beside(part: pd.DataFrame) -> pd.DataFrame:
    three, two = _number(3), _number(1)
    return pd.DataFrame(
        {
            "dataset": part["dataset"],
            "method": part["method"],
            "ours": [_pm(m, s) for m, s in zip(part["ours"], part["std"], strict=True)],
            "published": [_pm(m, s) for m, s in zip(part["published"], part["published_std"], strict=True)],
            "difference": part["difference"].map(lambda v: "" if pd.isna(v) else f"{v:+.3f}"),
            "z": part["z"].map(two),
            "p equal": part["p_equal"].map(three),
            "verdict": part["verdict"],
            "suite": part["suite"].fillna(""),
            "seeds": [
                "" if pd.isna(t) else f"{t}/{s}/{e}"
                for t, s, e in zip(
                    part["n_train_seeds"], part["n_sample_seeds"], part["n_eval_seeds"], strict=True
                )
            ],
        }
    )


def _budgets(records: Sequence[Record], results: pd.DataFrame) -> list[Sheet]:
    """Sheets of every suite that draws with steps: scores of the vector, seconds, and the budgets that are enough."""
    walked = results[results["steps"].notna()]
    found = []
    for suite, part in walked.groupby("suite", sort=True):
        notes = made_of([r for r in records if r.cell.suite == suite])
        numbers = per_budget(part)
        crossed = floors.crossings(results[results["suite"] == suite])
        found.append(
            Sheet(
                f"budgets-{suite}",
                f"Quality and seconds per step budget, suite {suite}",
                [
                    *notes,
                    "Scores: mean ± half of the 95 % interval over the topmost kind of seed with several, which with "
                    "one training seed is of that network alone; seconds: prepared and drawn, medians, measured "
                    "beside other work.",
                    *floors.sentences(crossed),
                ],
                _wide(numbers),
                numbers,
                PER_BUDGET,
            )
        )
        budgets = steps_to_equal_quality(results[results["suite"] == suite])
        if budgets.empty:
            continue
        found.append(
            Sheet(
                f"enough-{suite}",
                f"Steps to equal quality, suite {suite}",
                [*notes, enough.ABOUT, enough.MARGINS, enough.sentence(budgets)],
                enough.shown(budgets).drop(
                    columns=["note", "less time"], errors="ignore"
                ),  # the CSV has both
                budgets,
                ("dataset", "method", "sampler", "decided by", "without"),
            )
        )
    return found


def per_budget(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each score, entrant and budget: mean, low, high; `seconds` are those to prepare and to draw."""
    scored = results[results["metric"].isin(SHOWN) & results["mean"].notna()]
    scores = scored.assign(score=scored["metric"])
    costs = results[(results["metric"] == results["task"].map(PRIMARY)) & results["sample_s"].notna()]
    timed = costs.assign(
        score="seconds",
        mean=costs["prepare_s"].fillna(0) + costs["sample_s"],
        low=float("nan"),
        high=float("nan"),
    )
    columns = [*PER_BUDGET, "steps", "nfe", "mean", "low", "high"]
    both = pd.concat([part for part in (scores, timed) if not part.empty]) if len(scores) else scores
    return both[columns].sort_values(columns[:8], kind="stable").reset_index(drop=True)


def _wide(numbers: pd.DataFrame) -> pd.DataFrame:
    if numbers.empty:
        return pd.DataFrame(columns=list(PER_BUDGET))
    three = [
        "" if pd.isna(low) else f" ± {(high - low) / 2:.3f}"
        for low, high in zip(numbers["low"], numbers["high"], strict=True)
    ]
    text = [
        seconds(mean) if score == "seconds" else f"{mean:.3f}{half}"
        for score, mean, half in zip(numbers["score"], numbers["mean"], three, strict=True)
    ]
    shown = numbers.assign(text=text, grid=numbers["grid"].fillna(""))
    wide = shown.pivot(index=list(PER_BUDGET), columns="steps", values="text").fillna("")
    wide.columns = pd.Index([str(steps) for steps in wide.columns])
    return wide.reset_index().drop(columns="suite")  # the title has it


def _number(digits: int) -> Callable[[float], str]:
    return lambda value: "" if pd.isna(value) else f"{value:.{digits}f}"


def _pm(mean: float, std: float) -> str:
    if pd.isna(mean):
        return ""
    return f"{mean:.3f}" if pd.isna(std) else f"{mean:.3f} ± {std:.3f}"
