"""The study of authors: `tabstep` by the protocol of TabDDPM's authors, beside their configuration trained in full."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.registry import DEFAULT_SAMPLER
from tabstep.report.numbers.table import PRIMARY, commit_of
from tabstep.report.numbers.vector import VECTOR
from tabstep.report.pages import against
from tabstep.study import nearness, seeds
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import by_table
from tabstep.study.recipe import OURS, THEIRS, Pair, cell, named
from tabstep.suites import KEPT_ASIDE

BESIDE = ("ceiling", "reproduce")
"""Suites with the same evaluators, whose records of real rows and of TabDDPM stand beside."""

PAPER, HERE = "paper", "here"


@dataclass(frozen=True)
class Bar:
    """TabDDPM of the authors' configuration on a table: mean and deviation over single scores, and who measured it."""

    mean: float
    std: float
    source: str

    def says(self, value: float) -> str:
        """ "above" or "below" by more than a deviation, else "within"."""
        far = (value - self.mean) / self.std
        return "below" if far < -1 else "above" if far > 1 else "within"


def bars(records: Iterable[Record]) -> dict[str, Bar]:
    """By table: what was trained in full here, from the records, and else the published number.

    On a table whose split is not the authors' the published number would compare splits, so ours goes first.
    """
    facts = pd.read_csv(against.REFERENCE)
    facts = facts[(facts["table"] == against.TABLE) & (facts["method"] == against.NAMES[THEIRS])]
    out = {str(f["dataset"]): Bar(f["mean"], f["std"], PAPER) for f in facts.to_dict("records")}
    scores: dict[str, list[float]] = {}
    for r in records:
        if r.status == "ok" and in_full(r):
            scores.setdefault(r.cell.dataset, []).extend(r.scores[PRIMARY[r.task]])
    for name, values in scores.items():
        out[name] = Bar(float(np.mean(values)), float(np.std(values, ddof=1)), HERE)
    return out


def in_full(r: Record) -> bool:
    """Whether it is of the authors' configuration, drawn by all its steps."""
    by_all = r.cell.steps is not None and r.cell.steps == r.settings.get("method", {}).get("T")
    return by_all and (r.cell.method, r.cell.params) == (THEIRS, "published")


def numbers(records: Sequence[Record], beside: Sequence[Record]) -> pd.DataFrame:
    """One line a table, method, settings and budget: efficacy with its deviation over single scores, and the bar."""
    known = bars(beside)
    found: dict[tuple[str, str, str, int], list[Record]] = {}
    tables = {r.cell.dataset for r in records if r.status == "ok" and r.cell.method == OURS}
    for r in (*records, *(r for r in beside if r.cell.method == "real")):
        usual = r.cell.sampler in (None, DEFAULT_SAMPLER)
        if r.status == "ok" and r.cell.dataset in tables and usual:
            c = r.cell
            found.setdefault((c.dataset, c.method, c.params, c.steps or 0), []).append(r)
    lines: list[dict[str, Any]] = []
    for (dataset, method, params, steps), part in sorted(found.items()):
        values = [value for r in part for value in r.scores[PRIMARY[r.task]]]
        bar, mean = known[dataset], float(np.mean(values))
        line = {
            "dataset": dataset,
            "kept_aside": dataset in KEPT_ASIDE,
            "method": method,
            "params": params,
            "steps": steps or None,
            "rows": part[0].rows,
            "efficacy": mean,
            "std": float(np.std(values, ddof=1)),
            "train_seeds": len({r.cell.train_seed for r in part}),
            "bar": bar.mean,
            "bar_std": bar.std,
            "bar_source": bar.source,
            "says": bar.says(mean),
        }
        lines.append(line)
    return pd.DataFrame(lines)


def pairs(records: Sequence[Record], beside: Sequence[Record]) -> list[Pair]:
    """All scores that both have on a table: theirs trained in full and drawn by all steps, ours by the default sampler
    at each of its budgets, each the mean over seeds."""
    theirs = [r for r in beside if in_full(r) and _has_all(r)]
    ours = [r for r in records if _has_all(r)]
    usual = {"method": OURS, "params": "default", "sampler": DEFAULT_SAMPLER}
    found = []
    for score in VECTOR:
        bar = by_table(theirs, score.name)
        for steps in {r.cell.steps for r in ours if r.cell.steps is not None}:
            for dataset, value in by_table(ours, score.name, steps=steps, **usual).items():
                if dataset in bar:
                    pair = Pair(dataset, steps, score, np.array([value]), np.array([bar[dataset]]))
                    found.append(pair)
    return sorted(found, key=lambda pair: (pair.dataset, pair.steps))


def _has_all(r: Record) -> bool:
    """Whether it was scored by the whole vector."""
    return all(score.metrics[r.task] in r.scores for score in VECTOR)


def write(
    records: Sequence[Record], beside: Sequence[Record], few: Sequence[Record], folder: Path
) -> list[Path]:
    """Write authors.md and authors.csv; return their paths.

    beside  the records of the suites `BESIDE`
    few     those of `nearness.SUITE`
    """
    table = numbers(records, beside)
    near = nearness.page(near_of(few, beside), below(table))
    lines = [*reflow(_head(records, table)), *_table(table), *_every(pairs(records, beside)), *reflow(near)]
    page = "\n".join(lines) + "\n"
    store.replace(folder / "authors.md", page.encode())
    store.replace(folder / "authors.csv", table.to_csv(index=False, float_format="%.6g").encode())
    return [folder / "authors.md", folder / "authors.csv"]


def _head(records: Sequence[Record], table: pd.DataFrame) -> list[str]:
    made = sorted({commit_of(r.env, digits=12) for r in records if r.status == "ok"})
    return [
        "# tabstep by the protocol of TabDDPM's authors",
        "",
        "Efficacy (macro-F1, R2) on the test rows of the authors' splits, by the CatBoost that they tuned, fitted to",
        "as many drawn rows as they drew, and real rows beside it as they are. TabDDPM is their configuration trained",
        "in full: measured here where that was done (`reproduce`), else as Table 5 of their paper has it. Insurance is",
        "on another split than theirs, so only what was measured here compares. Each number is a mean over single",
        "scores, one a network, draw and evaluator seed, with their deviation; ours is within TabDDPM where its mean",
        "is at most one deviation of TabDDPM away."
        + (" `long` trains three times as long as the default." if (table["params"] == "long").any() else ""),
        "",
        *counts(table),
        "",
        *(f"Of {named(params)}: {seeds.said(part)}" for params, part in _by_settings(records).items()),
        f"Made at {', '.join(made)}.",
        "",
    ]


def near_of(few: Sequence[Record], beside: Sequence[Record]) -> list[nearness.Nearness]:
    """How near to training rows theirs and ours come, see `write`."""
    return nearness.nearness(few, [r for r in beside if in_full(r)])


def below(table: pd.DataFrame) -> list[str]:
    """The tables on which the default is below TabDDPM by efficacy at the most evaluations."""
    ours = table[(table["method"] == OURS) & (table["params"] == "default")]
    last = ours[ours["steps"] == ours["steps"].max()]
    return [str(name) for name in last.loc[last["says"] == "below", "dataset"]]


def _by_settings(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for r in records:
        if r.status == "ok" and r.cell.method == OURS:
            found.setdefault(r.cell.params, []).append(r)
    return found


def counts(table: pd.DataFrame) -> list[str]:
    """On how many tables, and which, each setting and budget of ours is above, within or below the bar, as lines."""
    rows = []
    for (params, steps), part in table[table["method"] == OURS].groupby(["params", "steps"]):
        of = {
            says: part.loc[part["says"] == says, "dataset"].tolist() for says in ("above", "within", "below")
        }
        about = {"settings": named(str(params)), "evaluations": f"{steps:.0f}"}
        rows.append(
            about
            | {says: f"{len(names)}: {', '.join(names)}" if names else "0" for says, names in of.items()}
        )
    return ["Tables on which tabstep is above TabDDPM, within a deviation of it, or below:", "", *pipes(rows)]


def _table(table: pd.DataFrame) -> list[str]:
    rows = []
    for dataset, part in table.groupby("dataset"):
        bar = part.iloc[0]
        row = {
            "table": f"{dataset} (kept aside)" if bar["kept_aside"] else str(dataset),
            "rows drawn": f"{part.loc[part['method'] == OURS, 'rows'].iloc[0]:,}",
            "TabDDPM, in full": f"{bar['bar']:.3f} ± {bar['bar_std']:.3f} ({bar['bar_source']})",
        }
        for line in part.to_dict("records"):
            says = f", {line['says']}" if line["method"] == OURS else ""
            row[_title(line)] = f"{line['efficacy']:.3f} ± {line['std']:.3f}{says}"
        rows.append(row)
    order = table.sort_values(["method", "params", "steps"], ascending=[False, True, True])
    columns = [*list(rows[0])[:3], *dict.fromkeys(map(_title, order.to_dict("records")))]
    return pipes([{name: row.get(name, "") for name in columns} for row in rows])


def _every(found: Sequence[Pair]) -> list[str]:
    return ["", "## By every score", "", *reflow(every_score(found))] if found else []


def _title(line: Mapping[Hashable, Any]) -> str:
    ours = line["method"] == OURS
    return f"{named(line['params'])} at {line['steps']:.0f}" if ours else f"`{line['method']}`"


def every_score(found: Sequence[Pair]) -> list[str]:
    """Lines with the vector of the tables where both have it; none where none has."""
    if not found:
        return []
    rows: dict[tuple[str, int], dict[str, str]] = {}
    for p in found:
        row = rows.setdefault((p.dataset, p.steps), {"table": p.dataset, "evaluations": str(p.steps)})
        row[p.score.title] = cell(p)
    return [
        "By every score: TabDDPM of the authors' configuration, trained in full here and drawn by all its steps, an",
        "arrow, tabstep at the evaluations named. Bold: tabstep is nearer to the best value by at least the margin of",
        "the score; struck: it is farther by as much. They have one network, in the mean over its draws: a margin is",
        "no test.",
        "",
        *pipes(rows.values()),
    ]
