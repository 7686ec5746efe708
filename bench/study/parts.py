"""The study of parts: what each part of `tabstep` is worth, by leaving it out, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.numbers.table import commit_of
from tabstep.report.numbers.vector import VECTOR
from tabstep.study import seeds
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import Difference
from tabstep.suites import KEPT_ASIDE

WHOLE, NONE = "brief", "none"


def numbers(records: Sequence[Record]) -> pd.DataFrame:
    """One line a table, part left out, budget and score: what it is worth, as `gain`, and the margin of the score.

    The gain is how much nearer to the best value the score is with the part than without, in the mean over the training
    seeds that have both.
    """
    found: dict[tuple[str, int, str], dict[str, dict[int, float]]] = {}
    for r in records:
        if r.status != "ok" or r.cell.steps is None:
            continue
        for score in VECTOR:
            values = r.scores.get(score.metrics[r.task])
            if values is not None:
                ways = found.setdefault((r.cell.dataset, r.cell.steps, score.name), {})
                ways.setdefault(r.cell.params, {})[r.cell.train_seed] = score.shortfall(
                    float(np.mean(values))
                )
    margins = {score.name: score.margin for score in VECTOR}
    lines = []
    for (dataset, steps, name), ways in sorted(found.items()):
        whole = ways.get(WHOLE, {})
        for params, without in ways.items():
            both = sorted({*whole} & {*without})
            if params != WHOLE and both:
                gain = float(np.mean([without[s] - whole[s] for s in both]))
                line: dict[str, Any] = {
                    "dataset": dataset,
                    "kept_aside": dataset in KEPT_ASIDE,
                    "steps": steps,
                }
                line |= {
                    "part": params.removeprefix("no-"),
                    "score": name,
                    "gain": gain,
                    "margin": margins[name],
                }
                lines.append(line | {"train_seeds": len(both)})
    columns = ["dataset", "kept_aside", "steps", "part", "score", "gain", "margin", "train_seeds"]
    return pd.DataFrame(lines, columns=columns)


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write parts.md and parts.csv; return their paths."""
    table = numbers(records)
    page = "\n".join([*reflow(_head(records)), *_glance(table), *_tables(table)]) + "\n"
    store.replace(folder / "parts.md", page.encode())
    store.replace(folder / "parts.csv", table.to_csv(index=False, float_format="%.6g").encode())
    return [folder / "parts.md", folder / "parts.csv"]


def _head(records: Sequence[Record]) -> list[str]:
    made = sorted({commit_of(r.env, digits=12) for r in records})
    return [
        "# What each part of tabstep is worth",
        "",
        "`tabstep` beside itself without one part, and without any, by `dpmpp-2m-sde` on `trailing`, from the same",
        "noise. All are trained a quarter as long as by default, 4,000 steps of 256 rows, for there are many of them:",
        "what a part is worth after a whole training may be less, or more.",
        "A number is how much nearer to the best value a score is with the part, in margins of the score, in the mean",
        "over tables; in brackets a 95 % t-interval over tables, which are the sample. Bold: it does not hold zero.",
        "What is not bold is undecided: an effect as small as half its interval would not have been seen. None of the",
        "intervals is widened for their number, so of a hundred that hold nothing five are bold by chance.",
        "",
        f"{seeds.said(records)} Made at {', '.join(made)}.",
        "",
    ]


def glance(table: pd.DataFrame) -> list[dict[str, str]]:
    """A line a part: what it is worth by the hardest score and by efficacy, over all tables."""
    wanted = [("c2st_xgboost", steps) for steps in sorted({*table["steps"]}, reverse=True)]
    wanted += [("efficacy", steps) for _, steps in wanted]
    titles = {score.name: score.title for score in VECTOR}
    return [
        {"part": said(part), "tables": str(own["dataset"].nunique())}
        | {
            f"{titles[name]} at {steps}": str(_worth(own[(own["score"] == name) & (own["steps"] == steps)]))
            for name, steps in wanted
        }
        for part, own in ((part, table[table["part"] == part]) for part in by_worth(table))
    ]


def said(part: str) -> str:
    return "all of them" if part == NONE else part


def by_worth(table: pd.DataFrame) -> list[str]:
    """All parts together, then each by what it is worth in C2ST over all budgets."""
    worth = table[table["score"] == "c2st_xgboost"].groupby("part")["gain"].mean()
    return sorted({*table["part"]}, key=lambda part: (part != NONE, -worth.get(part, 0.0), part))


def _worth(lines: pd.DataFrame) -> Difference:
    """In margins of a score, over tables."""
    return Difference((lines["gain"] / lines["margin"]).to_numpy())


def _glance(table: pd.DataFrame) -> list[str]:
    if table.empty:
        return []
    return [
        "## At a glance",
        "",
        "All tables together, those it was chosen on and those kept aside.",
        "",
        *pipes(glance(table)),
        "",
    ]


def _tables(table: pd.DataFrame) -> list[str]:
    lines = []
    for steps in sorted({*table["steps"]}, reverse=True):
        at = table[table["steps"] == steps]
        lines += [f"## At {steps} evaluations", ""]
        for aside, about in ((False, "Tables it was chosen on"), (True, "Tables kept aside")):
            part = at[at["kept_aside"] == aside]
            if not part.empty:
                lines += [f"{about}: {', '.join(sorted({*part['dataset']}))}.", "", *pipes(_rows(part)), ""]
    return lines


def _rows(table: pd.DataFrame) -> list[dict[str, str]]:
    """A line a part, the whole first, the others by what they are worth in C2ST."""
    return [
        {"part": said(part), "tables": str(own["dataset"].nunique())}
        | {score.title: str(_worth(own[own["score"] == score.name])) for score in VECTOR}
        for part, own in ((part, table[table["part"] == part]) for part in by_worth(table))
    ]
