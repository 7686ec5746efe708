"""The budgets that are enough, for people: the vector of each entrant, what decides it, and what a budget costs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from tabstep.report.budget import ENTRANT, said
from tabstep.report.markdown import table_of
from tabstep.report.vector import NAMES, VECTOR

RIGHT = ("enough", *NAMES, "fewer steps", "less time")

ABOUT = (
    "The least budget from which on, at every budget up to all steps, a score is at most its margin worse than that of "
    "`ancestral` at all steps of the same network. *Enough* is the largest over the scores: what one of them loses the "
    "others do not make up for. A budget that failed, or was not run, is not kept; where the measure at all steps "
    "failed, has one seed, or an error above the margin, nothing is said (-)."
)
MARGINS = "Margins: " + ", ".join(f"{score.name} {score.margin:g}" for score in VECTOR) + "."


def lines(found: pd.DataFrame) -> list[str]:
    """The section of a page, from `steps_to_equal_quality`."""
    head = ["## Steps to equal quality", "", ABOUT, MARGINS, ""]
    if found.empty:
        return [
            *head,
            "None: that takes `ancestral` at some budget and all steps, with two seeds or more.",
            "",
        ]
    rows = [{str(k): str(v) for k, v in row.items()} for row in shown(found).to_dict("records")]
    return [*head, sentence(found), "", *table_of(rows, right=RIGHT), ""]


def sentence(found: pd.DataFrame) -> str:
    """By which scores the table judges, and what is to be noted of every line of it."""
    notes = set(found["note"])
    return f"{said(found)} {notes.pop().capitalize()}.".removesuffix(" .") if len(notes) == 1 else said(found)


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """The table as text: an entrant a row, a column for each score that the records have; what `sentence` says is left
    out."""
    there = [name for name in NAMES if not found["without"].map(lambda w, n=name: n in w.split(", ")).all()]
    table = pd.DataFrame(
        [_row({str(k): v for k, v in row.items()}, there) for row in found.to_dict("records")]
    )
    alone = ["decided by"] if len(there) == 1 else []
    return table.drop(columns=[*alone, *(name for name in ("without", "note") if found[name].nunique() == 1)])


def _row(row: dict[str, Any], there: list[str]) -> dict[str, str]:
    grid = "" if pd.isna(row["grid"]) else row["grid"]
    missing = row["without"].split(", ")
    return {
        "dataset": row["dataset"],
        "method": f"{row['method']} {row['params']}".removesuffix(" default"),
        "sampler": f"{row['sampler']} {grid}".strip(),
        "enough": f"{_whole(row['enough'])} of {row['full_steps']}",
        **{name: "" if name in missing else _whole(row[name]) for name in there},
        "decided by": row["decided_by"],
        "fewer steps": _times(row["speedup"]),
        "less time": _times(row["time_ratio"]),
        "without": row["without"],
        "note": row["note"],
    }


def headline(found: pd.DataFrame) -> str:
    """The largest K* over the datasets of each method and sampler, as a sentence a sampler; none where one has none."""
    parts = []
    for _, of in found.groupby(ENTRANT[2:], sort=True, dropna=False):
        name = " ".join(str(v) for v in of[ENTRANT[2:]].iloc[0] if not pd.isna(v) and v != "default")
        n = len(of)
        where = f"{n} dataset{'s' * (n != 1)}"
        if of["enough"].isna().any():
            parts.append(f"{name}: no budget is enough on all of {where}")
        else:
            parts.append(f"{name}: {of['enough'].max()} of {of['full_steps'].max()} are enough on {where}")
    return "; ".join(parts)


def _whole(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:g}"


def _times(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.1f}x"
