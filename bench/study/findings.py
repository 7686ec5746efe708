"""What all studies together say, two pages with every number from a record: results/FINDINGS.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tabstep.records import store, where
from tabstep.records.store import Record
from tabstep.report.numbers.budget import BASE
from tabstep.report.numbers.table import commit_of
from tabstep.study import (
    authors,
    carried,
    distance,
    families,
    few_steps,
    nearness,
    parts,
    race,
    recipe,
    rivals,
    seeds,
)
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import Difference, by_table, difference
from tabstep.suites import DEVELOPMENT, KEPT_ASIDE

SUITES = ("few-steps", "recipe", "authors", "race", "rivals", "parts", "families", *authors.BESIDE)
"""Whose records it is made from."""

SEEN: dict[str, tuple[str, str]] = {
    "efficacy (F1, R²)": ("efficacy", "up"),
    "C2ST (XGBoost)": ("c2st_xgboost", "down"),
    "Wasserstein": ("wasserstein", "down"),
    "Trend": ("trend_corrected", "up"),
    "coverage": ("coverage", "up"),
    "share nearer to training rows (copies 1, fresh .5)": ("dcr_share", "down"),
    "membership attack, best of four": ("mia_max", "down"),
}
"""Scores that pages of findings compare, with the metric of each ("efficacy" is the task's), and where better is."""


def write(
    records: Mapping[str, Sequence[Record]],
    claims: pd.DataFrame,
    again: pd.DataFrame,
    path: Path,
) -> Path:
    """Write the page from the records of `SUITES`, by suite, the claims of `samplers`, and the tally of cells that were
    done again (`tabstep.sharing.verify.tally`)."""
    few, pairs, ours, raced, others, without, begun = (records[name] for name in SUITES[:7])
    beside = [r for name in authors.BESIDE for r in records[name]]
    losses = few_steps.losses(few)
    chosen = _chosen(losses)
    lines = [
        "# Findings",
        "",
        "Made by `tabstep study findings` from the records in this folder; a test makes it again and compares. In",
        "brackets: a 95 % t-interval over tables, which are the sample. Bold: it does not hold zero. What is not bold",
        "is undecided. What differs between networks of one recipe is hardly in an interval.",
        seeds.said(r for r in few if r.cell.method == recipe.OURS),
        f"Records of {', '.join(_commits([*few, *pairs, *ours, *raced, *others, *without, *begun, *beside]))}.",
        "",
        *_enough(few, losses),
        *_raced(raced),
        *_cost(few, chosen),
        *_floors(few, chosen),
        *_recipe(pairs, ours, beside, few),
        *_rivals(others),
        *_parts(without),
        "## 5. Which claims of the papers carry over to tables",
        "",
        *_said(raced),
        *_carried(claims),
        *_levers(begun),
        *_seconds(few),
        *_again(again),
    ]
    store.replace(path, ("\n".join(reflow(lines)) + "\n").encode())
    return path


def _commits(records: Iterable[Record]) -> list[str]:
    return sorted({commit_of(r.env, digits=12) for r in records})


def _chosen(losses: pd.DataFrame) -> dict[int, str]:
    """By budget the sampler that few_steps chooses."""
    rows = few_steps.choice(losses).to_dict("records")
    return {int(row["steps"]): str(row["sampler"]) for row in rows}


def _enough(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    return [
        "## 1. How many evaluations are as good as all of them, and what to use",
        "",
        f"`tabstep` on {found['dataset'].nunique()} tables. A score is kept where it is at most a margin worse than at",
        "all steps of the same network; how many tables keep each, with the sampler that is best at this budget on the",
        "tables that defaults may be chosen on, how much more the next best loses, in margins, in its worst score, and",
        "the seconds that it takes once (median of tables, one thread beside other work). `tabstep study few-steps`",
        "([page](few-steps/report/few-steps.md)).",
        "",
        *pipes(few_steps.kept(found)),
        "",
        few_steps.said_of_begin(records, found),
        "",
        *_far(few_steps.apart(records, found)),
    ]


def _far(losses: Sequence[distance.Loss]) -> list[str]:
    if not losses:
        return []
    return [
        *distance.said(losses),
        "All scores of all tables by budget: how many were at most a margin worse before, by",
        f"`{distance.BEFORE}` from noise; how many are now, and of the others how many are more than a margin worse by",
        f"a 95 % t-interval over draws; and how many are within {distance.DEVIATIONS} deviations of single draws with",
        "all steps.",
        "",
        *pipes(distance.counts(losses)),
        "",
    ]


def _raced(records: Sequence[Record]) -> list[str]:
    rows = race.shown(race.outcome(records))
    if not rows:
        return []
    return [
        f"Of {len(race.RACE.samplers)} pairs of a sampler and a grid without teaching, raced on {len(DEVELOPMENT)}",
        "tables by their regret, the largest of what six scores lose against the best pair, in margins: the first, and",
        "how far the default is behind it, on these tables and on those kept aside. `tabstep study race`",
        "([page](race/report/race.md)).",
        "",
        *pipes(rows),
        "",
    ]


def _cost(few: Sequence[Record], chosen: Mapping[int, str]) -> list[str]:
    full = max((r.cell.steps or 0 for r in few if r.cell.method == recipe.OURS), default=0)
    rows = []
    for title, (metric, _) in SEEN.items():
        measure = by_table(few, metric, method=recipe.OURS, sampler=BASE, steps=full)
        at = {
            k: by_table(few, metric, method=recipe.OURS, sampler=sampler, steps=k)
            for k, sampler in chosen.items()
        }
        rows.append(
            {"score": title, f"at {full}": f"{np.mean([*measure.values()]):.3f}" if measure else ""}
            | {f"{k} less {full}": str(difference(values, measure)) for k, values in at.items()}
        )
    return [
        "## 2. What fewer steps cost in fidelity, and buy in privacy",
        "",
        "The same samplers beside all steps of the same network, mean over tables.",
        "",
        *pipes(rows),
        "",
    ]


def _floors(few: Sequence[Record], chosen: Mapping[int, str]) -> list[str]:
    steps = [k for k in (5, 50) if k in chosen]
    rows = []
    for floor in ("mixture", "smote"):
        for k in steps:
            row = {"beside": floor, "evaluations": str(k)}
            for title, (metric, _) in SEEN.items():
                ours = by_table(few, metric, method=recipe.OURS, sampler=chosen[k], steps=k)
                row[title] = str(difference(ours, by_table(few, metric, method=floor)))
            rows.append(row)
    return [
        "## 3. When a mixture or SMOTE is enough",
        "",
        "`tabstep` less the floor, which needs no network: the mixture is fitted by EM in seconds, SMOTE interpolates",
        "between training rows. C2ST, Wasserstein and the two of privacy are better when lower.",
        "",
        *pipes(rows),
        "",
        *_which(few, chosen.get(50)),
    ]


def _which(few: Sequence[Record], sampler: str | None) -> list[str]:
    """On which tables a floor is as good as the network by each of three scores."""
    if sampler is None:
        return []
    rows = []
    for floor in ("mixture", "smote"):
        row = {"floor": floor}
        for title in (
            "efficacy (F1, R²)",
            "C2ST (XGBoost)",
            "share nearer to training rows (copies 1, fresh .5)",
        ):
            metric, better = SEEN[title]
            ours = by_table(few, metric, method=recipe.OURS, sampler=sampler, steps=50)
            theirs = by_table(few, metric, method=floor)
            both = sorted({*ours} & {*theirs})
            won = [name for name in both if (theirs[name] >= ours[name]) == (better == "up")]
            row[title] = f"{len(won)}/{len(both)}: {', '.join(won)}" if won else f"0/{len(both)}"
        rows.append(row)
    return ["Tables on which the floor is at least as good as 50 evaluations:", "", *pipes(rows), ""]


def _recipe(
    pairs: Sequence[Record], ours: Sequence[Record], beside: Sequence[Record], few: Sequence[Record]
) -> list[str]:
    found = recipe.numbers(recipe.pairs(pairs))
    rows = []
    for steps in sorted(set(found["steps"])):
        for about, part in (
            ("chosen on", found[~found["kept_aside"].astype(bool)]),
            ("kept aside", found[found["kept_aside"].astype(bool)]),
        ):
            at = part[part["steps"] == steps]
            if len(at):
                row = {"evaluations": str(steps), "tables": f"{about} ({at['dataset'].nunique()})"}
                rows.append(
                    row
                    | {
                        str(s): str(Difference(of["gain"].to_numpy()))
                        for s, of in at.groupby("score", sort=False)
                    }
                )
    return [
        "## 4. The recipe beside TabDDPM",
        "",
        "Gain of `tabstep` over `tabddpm` of the same size, on as many rows, towards the best value of each score,",
        "`dpmpp-2m-sde`. `tabstep study recipe` ([page](recipe/report/recipe.md), with the arithmetic of each).",
        "",
        *pipes(rows),
        "",
        *_by_their_protocol(ours, beside, few),
    ]


def _by_their_protocol(ours: Sequence[Record], beside: Sequence[Record], few: Sequence[Record]) -> list[str]:
    if not ours:
        return []
    every = reflow([*lines, ""]) if (lines := authors.every_score(authors.pairs(ours, beside))) else []
    table = authors.numbers(ours, beside)
    near = nearness.said(authors.near_of(few, beside), authors.below(table))
    return [
        "Beside the configuration of TabDDPM's authors trained in full, by the CatBoost that they tuned and on as many",
        "drawn rows as theirs (`tabstep study authors`, [page](authors/report/authors.md)).",
        "",
        *authors.counts(table),
        "",
        *(reflow([*near, ""]) if near else []),
        *every,
    ]


def _rivals(records: Sequence[Record]) -> list[str]:
    if not records:
        return []
    return [
        "Beside what others are published with on TabSyn's split: the C2ST of boosted trees against all training rows,",
        "1 being undetected, in brackets their evaluations a row; `long` trains three times as long. `tabstep study",
        "rivals` ([page](rivals/report/rivals.md), with seconds, and the share of rows near training ones).",
        seeds.said(r for r in records if r.cell.method == recipe.OURS),
        "",
        *rivals.short(rivals.numbers(records, rivals.published())),
        "",
    ]


def _parts(records: Sequence[Record]) -> list[str]:
    found = parts.numbers(records)
    if found.empty:
        return []
    return [
        "What each part of it is worth: how much nearer to the best value a score is with it, in margins of the score",
        "(C2ST .03, efficacy .01), with a quarter of the training and `dpmpp-2m-sde` from noise. One interval in",
        "twenty is bold by chance alone: what is so at one budget may be that. `tabstep study parts`",
        f"([page](parts/report/parts.md), by every score). {seeds.said(records)}",
        "",
        *pipes(parts.glance(found)),
        "",
    ]


def _said(records: Sequence[Record]) -> list[str]:
    """What papers say of solvers, grids and starts, by the score that sees few steps best."""
    found = carried.asked(race.everyone(records))
    if found.empty:
        return []
    by = {
        row["by"]: f"{row['decided']} ({row['for']} for, {row['against']} against)"
        for row in carried.tally(found)
    }
    questions = len(found) // len(by)
    return [
        *reflow(
            [
                "By C2ST, better when lower, each time on the same networks of `tabstep`, one draw of",
                f"{max(len(d.values) for d in found['difference'])} tables:",
                f"{len(carried.SAYINGS)} sayings of papers and of ours, {questions} questions with their budgets, of",
                f"which {questions / 20:.1f} would be decided by chance alone. Decided are",
                f"{', '.join(f'{n} by {name}' for name, n in by.items())}. Below 0 speaks for the saying. `tabstep",
                "study race` ([page](race/report/race.md#what-papers-say), by all scores).",
            ]
        ),
        "",
        *pipes(carried.rows(found)),
        "",
    ]


def _carried(claims: pd.DataFrame) -> list[str]:
    decided = claims[claims["verdict"] != "undecided"]
    rows = [
        {
            "claim": row["text"],
            "evaluations": str(row["steps"]),
            "difference": f"{row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}] {row['unit']}",
            "verdict": row["verdict"],
        }
        for row in decided.to_dict("records")
    ]
    return [
        f"Of {len(claims)} questions ({claims['text'].nunique()} claims by budget) on {int(claims['datasets'].max())}",
        f"tables, {len(decided)} are decided, and {len(claims) / 20:.1f} would be by chance alone; the interval of the",
        "rest holds zero, and a difference of less than half its width would not have been seen. Most were asked of",
        "efficacy, which rewards rows whose noise was shrunk, the rest of the bound, on networks of `tabddpm` and",
        "`iddpm`. `tabstep study samplers` ([page](samplers/report/study.md)).",
        "",
        *pipes(rows),
        "",
    ]


def _levers(records: Sequence[Record]) -> list[str]:
    rows = families.claims(records, families.C2ST)
    if not rows:
        return []
    ours = [r for r in records if r.cell.method == recipe.OURS]
    return [
        "Of what few steps are to be helped by, the difference that it makes in C2ST, better when lower, by",
        "evaluations, on networks of `tabstep`. `tabstep study families` ([page](families/report/families.md), by all",
        f"scores, with prices and what it gives away). {seeds.said(ours)}",
        "",
        *pipes(rows),
        "",
    ]


def _seconds(few: Sequence[Record]) -> list[str]:
    ours = [r for r in few if r.cell.method == recipe.OURS and r.status == "ok"]
    fits = {r.cell.dataset: r.fit_s for r in ours if r.fit_s is not None}
    machines = sorted({where.processor(r.env) for r in ours})
    aside = len({*fits} & {*KEPT_ASIDE})
    return [
        "## 6. Seconds",
        "",
        f"Training one network took {np.median([*fits.values()]):.0f} s in the median of {len(fits)} tables ({aside}",
        f"kept aside), one thread of {', '.join(machines)}, beside other work; seconds to prepare and to draw by",
        "sampler and budget are on the [page of few steps](few-steps/report/few-steps.md). None of them was trained on",
        "a card; what one takes for a step is [written down](../docs/offline.md#what-a-card-gave).",
    ]


def _again(tally: pd.DataFrame) -> list[str]:
    if tally.empty:
        return []
    rows = [
        {
            "suite": row["suite"],
            "cells": str(row["finished"]),
            "made again": str(row["bitwise"] + row["equivalent"] + row["differs"] + row["failed"]),
            "to the last bit": str(row["bitwise"]),
            "within the scatter": str(row["equivalent"]),
            "differ": str(row["differs"] + row["failed"]),
        }
        for row in tally.to_dict("records")
    ]
    processors = sorted({name for names in tally["processors"] for name in names})
    commits = sorted({name for names in tally["commits"] for name in names})
    return [
        "",
        "## 7. Made again",
        "",
        "Random cells, trained, drawn and scored once more from nothing: to the last bit where the record was made on",
        "the same kind of processor, else within four deviations of each score over seeds, or 1 % of it. A record that",
        f"does not say its kind is taken for one of another. On {', '.join(processors)}, by {', '.join(commits)}.",
        "`tabstep verify SUITE --sample 2%`, whose verdicts are in `verified.json` beside the records.",
        "",
        *pipes(rows),
    ]
