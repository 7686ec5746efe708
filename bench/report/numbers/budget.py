"""What steps buy: for each score of the vector, and for all of them, the budget that is enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from tabstep.report.numbers.table import quantile
from tabstep.report.numbers.vector import NAMES, VECTOR, Score

BASE = "ancestral"  # the sampler whose scores at all steps are the measure
ENTRANT = ["suite", "dataset", "method", "params", "sampler", "grid"]
PROFILE = [
    *(*ENTRANT, "score", "metric", "steps", "mean", "std"),
    *("full_steps", "full", "error", "margin", "worse", "state"),
]
ENOUGH = [*ENTRANT, "full_steps", "enough", "decided_by", "speedup", "time_ratio", *NAMES, "without", "note"]


State = Literal["kept", "lost", "not judged", "no score", "partial", "failed", "skipped", "not run"]
"""Of a score at a budget: `kept` and `lost` are by the margin; `not judged` has no measure; the rest has no mean over
all seeds, and why."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """All that was drawn from one fitted method: a row of the results by (sampler, grid, steps), then by metric.

    full_steps  T, or where no record says it the most steps that anyone was asked for; `known` says which
    budgets     of the base, up to T: those that every entrant is expected to have
    """

    rows: Mapping[tuple[str, str, int], Mapping[str, Row]]
    task: Any
    full_steps: int
    known: bool

    @property
    def budgets(self) -> set[int]:
        return {steps for sampler, _, steps in self.rows if sampler == BASE} | {self.full_steps}

    def at(self, sampler: str, grid: str, steps: int) -> Mapping[str, Row]:
        """Rows by metric; at all steps every grid is one path, which is run once and belongs to each grid."""
        found = self.rows.get((sampler, grid, steps))
        if found is None and steps == self.full_steps:
            found = next((r for (s, _, k), r in self.rows.items() if (s, k) == (sampler, steps)), None)
        return found or {}

    @property
    def full(self) -> Mapping[str, Row]:
        """The measure: the base at all steps."""
        return self.at(BASE, "", self.full_steps)

    def entrants(self) -> list[tuple[str, str]]:
        return sorted({(sampler, grid) for sampler, grid, _ in self.rows})


def profile(results: pd.DataFrame) -> pd.DataFrame:
    """For each sampler and grid, score of the vector and budget whether it is kept, with the columns `PROFILE`.

    results  see `report.table.results`; what a sampler scores is held against `ancestral` with all steps of the same
             fitted method, and where that was run with no budget at all there is no row
    full     that measure, and `error` its standard error over the topmost kind of seed with several
    worse    by how much `mean` is worse than `full`, in the score's own units; below 0 where it is better
    state    kept where `worse` is at most the margin; see `State`. Nothing is judged without a measure: where the
             base failed at all steps, even for one of its seeds, where it has a single score or lacks this one, and
             where its error is larger than the margin. A noisier measure so never makes a better sampler.

    A score that no cell of the fitted method has, because the suite does not ask for it, has no row.
    """
    lines = [
        {**dict(zip(ENTRANT[:4], key, strict=True)), **line}
        for key, network in _networks(results)
        for score in VECTOR
        for line in _profile(network, score)
    ]
    return pd.DataFrame(lines, columns=PROFILE)


def steps_to_equal_quality(results: pd.DataFrame) -> pd.DataFrame:
    """For each sampler and grid of each fitted method the budget K* that is enough, with the columns `ENOUGH`.

    efficacy .. coverage  the least budget at which the score is kept, as at every larger one; see `profile`. A larger
                          budget of `ancestral` that failed or was not run with this sampler is one where nothing is
                          kept; only where the sampler itself has none of that size, and says so, it does not count
    enough                the largest of these; missing where one is
    decided_by            the scores that have it, or that lack one
    without               scores of the vector that the suite does not have: of them nothing is claimed
    speedup               full_steps / enough, in evaluations asked for; time_ratio: the same of the seconds to draw
    note                  which budgets were not run, failed, or were not judged and why
    """
    found = profile(results)
    lines = []
    networks: dict[tuple[Any, ...], Network] = dict(_networks(results))
    for _, part in found.groupby(ENTRANT, sort=True, dropna=False):
        key = tuple(part[ENTRANT].iloc[0])
        network, sampler, grid = networks[key[:4]], key[4], key[5]
        by = {str(name): least(of) for name, of in part.groupby("score")}
        several = [budget for budget in by.values() if budget is not None]
        whole = len(several) == len(by)
        enough = max(several) if whole else None
        line: Row = {
            **dict(zip(ENTRANT, key, strict=True)),
            "full_steps": network.full_steps,
            "enough": enough,
            "decided_by": ", ".join(name for name in NAMES if name in by and by[name] == enough),
            **by,
            "without": ", ".join(name for name in NAMES if name not in by),
            "note": _note(network, part),
        }
        if enough is not None:
            line["speedup"] = network.full_steps / enough
            line["time_ratio"] = _ratio(network, sampler, grid, enough)
        lines.append(line)
    return pd.DataFrame(lines, columns=ENOUGH).astype(dict.fromkeys(("enough", *NAMES), "Int64"))


def least(ladder: pd.DataFrame) -> int | None:
    """K* of one score: the least budget from which on it is kept at all that the sampler has, None without one."""
    ladder = ladder[ladder["state"] != "skipped"].sort_values("steps")
    kept = (ladder["state"] == "kept").to_numpy()
    onwards = np.logical_and.accumulate(kept[::-1])[::-1]
    return int(ladder["steps"].to_numpy()[onwards.argmax()]) if onwards.any() else None


def said(found: pd.DataFrame) -> str:
    """By which scores a table of K* judges, as a sentence: one that is missing is named, and nothing claimed of it."""
    without = sorted(set(found["without"]))
    if without == [""]:
        return f"Judged by {', '.join(NAMES)}."
    alone = ", ".join(name for name in NAMES if name not in without[0].split(", "))
    if len(without) > 1:
        return "Not all entrants are judged by the same scores; the column `without` names those that are missing."
    return (
        f"Judged by {alone}{' alone' * (',' not in alone)}: the records have no {without[0].replace(', ', ', no ')}, "
        "and nothing is claimed of those."
    )


def _networks(results: pd.DataFrame) -> Iterator[tuple[tuple[Any, ...], Network]]:
    """Each fitted method from which the base drew, by suite, dataset, method and settings."""
    seeds = ["n_train_seeds", "n_sample_seeds", "n_eval_seeds"]
    wanted = ["steps", "all_steps", "status", "low", "high", *seeds]
    results = results.reindex(columns=[*results.columns, *(c for c in wanted if c not in results.columns)])
    walked = results[results["steps"].notna() & results["sampler"].notna()]
    for key, part in walked.groupby(ENTRANT[:4], sort=True):
        if not (part["sampler"] == BASE).any():
            continue
        rows: dict[tuple[str, str, int], dict[str, Row]] = {}
        for row in part.to_dict("records"):
            grid = "" if pd.isna(row["grid"]) else row["grid"]
            metric = "" if pd.isna(row["metric"]) else row["metric"]
            rows.setdefault((row["sampler"], grid, int(row["steps"])), {})[metric] = {
                str(k): v for k, v in row.items()
            }
        said = part["all_steps"].dropna()
        full = int(said.max()) if len(said) else max(steps for _, _, steps in rows)
        yield key, Network(rows, part["task"].iloc[0], full, known=bool(len(said)))


def _profile(network: Network, score: Score) -> Iterator[Row]:
    metric = score.metrics[network.task]
    if not any(metric in of for of in network.rows.values()):
        return
    measure = network.full.get(metric, {})
    full = measure["mean"] if _gap(network.full, metric) is None else math.nan
    error = _error(measure) if measure else math.nan
    for sampler, grid in network.entrants():
        own = {k for s, g, k in network.rows if (s, g) == (sampler, grid)}
        for steps in sorted(own | network.budgets):
            there = network.at(sampler, grid, steps)
            row = there.get(metric, {})
            state: State | None = _gap(there, metric)
            worse = math.nan if state else score.shortfall(row["mean"]) - score.shortfall(full)
            if state is None:
                judged = error <= score.margin and not math.isnan(
                    worse
                )  # an error that is missing is no error
                # Decimals that are equal on paper are equal here.
                state = "not judged" if not judged else "kept" if worse <= score.margin + 1e-12 else "lost"
            yield {
                **{
                    "sampler": sampler,
                    "grid": grid or None,
                    "score": score.name,
                    "metric": metric,
                    "steps": steps,
                },
                **{
                    "mean": row.get("mean"),
                    "std": row.get("std"),
                    "full_steps": network.full_steps,
                    "full": full,
                },
                **{"error": error, "margin": score.margin, "worse": worse, "state": state},
            }


def _gap(there: Mapping[str, Row], metric: str) -> State | None:
    """Why a score has no mean over all seeds at a budget; None where it has."""
    if not there:
        return "not run"
    statuses = {row["status"] for row in there.values()}
    if statuses == {"skipped"}:
        return "skipped"
    if statuses == {"failed"}:
        return "failed"
    row = there.get(metric)
    if row is None or pd.isna(row["mean"]):
        return "no score"
    return "partial" if row["status"] == "partial" else None


def _error(row: Row) -> float:
    """Standard error of a mean over the topmost kind of seed with several, as its interval has it; without one
    from the deviation, and the deviation itself where no counts are known."""
    levels = (row[name] for name in ("n_train_seeds", "n_sample_seeds", "n_eval_seeds"))
    several = next((int(n) for n in levels if not pd.isna(n) and n > 1), 1)
    if several > 1 and not pd.isna(row["low"]):
        return float(row["high"] - row["low"]) / 2 / quantile(several - 1)
    return math.nan if pd.isna(row["std"]) else float(row["std"]) / several**0.5


def _ratio(network: Network, sampler: str, grid: Any, steps: int) -> float | None:
    own = network.at(sampler, "" if pd.isna(grid) else grid, steps)
    whole, few = (float(next(iter(rows.values()))["sample_s"] or math.nan) for rows in (network.full, own))
    return None if math.isnan(whole / few) else whole / few


def _note(network: Network, part: pd.DataFrame) -> str:
    notes = [] if network.known else [f"T is not recorded, {network.full_steps} is the most steps asked for"]
    for state in ("not run", "failed", "skipped", "partial", "no score"):
        of = part[part["state"] == state]
        if len(of):
            scores = list(dict.fromkeys(of["score"]))
            which = f" ({', '.join(scores)})" * (len(scores) < part["score"].nunique())
            notes.append(f"{state}: {', '.join(str(k) for k in sorted(set(of['steps'])))}{which}")
    at_all_steps = f"{BASE} at {network.full_steps} steps"
    missing: dict[str, list[str]] = {}
    for name, of in part.groupby("score", sort=False):
        first = of.iloc[0]
        if pd.isna(first["full"]):
            missing.setdefault(f"{at_all_steps}: {_gap(network.full, first['metric'])}", []).append(str(name))
        elif pd.isna(first["error"]):
            missing.setdefault(f"{at_all_steps} has one seed", []).append(str(name))
        elif first["error"] > first["margin"]:
            missing.setdefault(f"{at_all_steps} scatters too much", []).append(
                f"{name} {first['full']:.3f} ± {first['error']:.3f}, margin {first['margin']:g}"
            )
    notes += [f"not judged, {why} ({', '.join(which)})" for why, which in missing.items()]
    return "; ".join(notes)
