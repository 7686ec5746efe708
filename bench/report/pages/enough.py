"""The budgets that are enough, for people: the vector of each entrant, what decides it, and what a budget costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep.records import store
from tabstep.report.figures import profile
from tabstep.report.numbers import budget, floors
from tabstep.report.numbers.budget import ENTRANT, said
from tabstep.report.numbers.table import csv
from tabstep.report.numbers.vector import NAMES, VECTOR
from tabstep.report.pages.markdown import table_of

RIGHT = ("enough", *NAMES, "fewer steps", "less time")

ABOUT = (
    "The least budget from which on, at every budget up to all steps, a score is at most its margin worse than that of "
    "`ancestral` at all steps of the same network. *Enough* is the largest over the scores: what one of them loses the "
    "others do not make up for. A budget that failed, or was not run, is not kept; where the measure at all steps "
    "failed, has one seed, or an error above the margin, nothing is said (-)."
)
MARGINS = "Margins: " + ", ".join(f"{score.name} {score.margin:g}" for score in VECTOR) + "."


def write(results: pd.DataFrame, folder: Path) -> list[Path]:
    """Write profile.md, steps.csv and the figure of the profile with its numbers; return the paths."""
    profiled, found = budget.profile(results), budget.steps_to_equal_quality(results)
    drawn = profile.write(profiled, found, floors.beside(results), folder)
    text = ["# Few steps, by every score", "", *lines(found)]
    if drawn:
        text += ["![Each score by budget, beside all steps](profile.png)", ""]
    if crossed := floors.sentences(floors.crossings(results)):
        text += ["## Floors", "", *(f"- {line}" for line in crossed), ""]
    text += kept_lines(kept(profiled))
    store.replace(folder / "steps.csv", csv(found).encode())
    store.replace(folder / "profile.md", ("\n".join(text) + "\n").encode())
    return [folder / "profile.md", folder / "steps.csv", *drawn]


def kept(profiled: pd.DataFrame) -> pd.DataFrame:
    """What each budget of each entrant keeps over its datasets: efficacy alone, and every score that there is.

    share_low, share_high  least and largest efficacy over datasets, in percent of that at all steps
    efficacy, all          datasets of `datasets` where efficacy is kept, and where every score is; one that has no
                           measure at all steps is not
    worst, margins         the score that is farthest from all steps on any dataset, and by how many margins
    """
    rows = []
    measured = profiled.groupby(ENTRANT[:4], dropna=False)["full"].transform("count") > 0
    for _, part in profiled[measured].groupby([*ENTRANT[2:], "steps"], sort=True, dropna=False):
        first = part.iloc[0]
        efficacy = part[part["score"] == "efficacy"]
        share = 100 * efficacy["mean"] / efficacy["full"].where(efficacy["full"] > 0)
        margins = (part["worse"] / part["margin"]).to_numpy(float)
        far = margins[~np.isnan(margins)]
        whole = (part["state"] == "kept").groupby([part["suite"], part["dataset"]]).all()
        rows.append(
            {
                **{name: first[name] for name in [*ENTRANT[2:], "steps"]},
                **{"datasets": len(whole), "share_low": share.min(), "share_high": share.max()},
                **{"efficacy": int((efficacy["state"] == "kept").sum()), "all": int(whole.sum())},
                "worst": part["score"].to_numpy()[np.nanargmax(margins)] if len(far) else None,
                "margins": far.max() if len(far) else None,
            }
        )
    columns = [
        *ENTRANT[2:],
        "steps",
        "datasets",
        "share_low",
        "share_high",
        "efficacy",
        "all",
        "worst",
        "margins",
    ]
    return pd.DataFrame(rows, columns=columns)


def kept_lines(found: pd.DataFrame) -> list[str]:
    """The section of a page, from `kept`."""
    text = [
        "## What a budget keeps",
        "",
        "Efficacy in percent of that at all steps, from the worst dataset to the best; on how many datasets it is "
        "within its margin of all steps, and on how many every score is; which is farthest off, in its margins.",
        "",
    ]
    rows = [
        {
            "method": f"{row['method']} {row['params']}".removesuffix(" default"),
            "sampler": f"{row['sampler']} {'' if pd.isna(row['grid']) else row['grid']}".strip(),
            "steps": str(row["steps"]),
            "efficacy, %": ""
            if pd.isna(row["share_low"])
            else f"{row['share_low']:.1f} to {row['share_high']:.1f}",
            "efficacy kept": f"{row['efficacy']} of {row['datasets']}",
            "all kept": f"{row['all']} of {row['datasets']}",
            "farthest off": "" if pd.isna(row["margins"]) else f"{row['worst']}, {row['margins']:.1f}",
        }
        for row in found.to_dict("records")
    ]
    if not rows:
        return [*text, "None: no score has a measure at all steps."]
    return [*text, *table_of(rows, right=("steps", "efficacy, %", "efficacy kept", "all kept"))]


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
    notes = [note.split("; ") for note in found["note"]]
    common = [part for part in notes[0] if part and all(part in note for note in notes)]
    return f"{said(found)} Of all: {'; '.join(common)}." if common else said(found)


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
            parts.append(f"{name}: {of['enough'].max():g} of {of['full_steps'].max()} are enough on {where}")
    return "; ".join(parts)


def _whole(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:g}"


def _times(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:.1f}x"
