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
from tabstep.study.paired import difference
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
    page = "\n".join([*reflow(_head(records)), *_tables(table)]) + "\n"
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
    rows = {}
    for name, part in table.groupby("part"):
        row = {"part": "all of them" if name == NONE else str(name), "tables": str(part["dataset"].nunique())}
        for score in VECTOR:
            of = part[part["score"] == score.name].set_index("dataset")
            gain = {str(table): float(value) for table, value in (of["gain"] / of["margin"]).items()}
            row[score.title] = str(difference(gain, dict.fromkeys(gain, 0.0)))
        rows[name] = row
    worth = table[table["score"] == "c2st_xgboost"].groupby("part")["gain"].mean()
    order = sorted(rows, key=lambda name: (name != NONE, -worth.get(name, 0.0)))
    return [rows[name] for name in order]
