"""The race of samplers: every sampler on every grid is tried cheaply, the better ones again, the best measured well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.registry import DEFAULT_SAMPLER
from tabstep.report.numbers.table import commit_of
from tabstep.report.numbers.vector import VECTOR
from tabstep.study import carried
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import Difference, difference
from tabstep.suite import Pairs, Suite
from tabstep.suites import DEVELOPMENT, KEPT_ASIDE, SUITES

RACE = SUITES["race"]
WAY = ["sampler", "grid"]
SHOWN = 8  # pairs of a budget, by their standing


@dataclass(frozen=True)
class Heat:
    """Who runs once more: on which tables, with how many seeds, and how many pairs of a budget go on from there."""

    datasets: tuple[str, ...]
    train_seeds: int
    sample_seeds: int
    keep: int

    @property
    def draws(self) -> int:
        """Of a table by a pair."""
        return self.train_seeds * self.sample_seeds


_CHEAP = ("abalone", "churn2", "diabetes", "insurance", "wilt")
HEATS = (
    Heat(_CHEAP, 1, 1, 24),
    Heat(DEVELOPMENT, 1, 1, 10),
    Heat(DEVELOPMENT, 2, 2, 3),
    Heat(DEVELOPMENT, 3, 5, 1),
    Heat(KEPT_ASIDE, 3, 5, 1),
)
"""The last runs on tables kept aside alone: it chooses nothing, and says what the choice is worth elsewhere."""
USUAL = (DEFAULT_SAMPLER, "trailing")
"""What is drawn with where nothing is asked for: it runs in every heat, so that the best is held against it."""


@dataclass(frozen=True)
class Verdict:
    """What a heat says of a budget: the pair of the least regret, and how far the usual one is behind it.

    behind, aside: regret of the usual pair less that of the first by table, on those chosen on and those kept aside
    """

    steps: int
    first: tuple[str, str]
    behind: Difference
    aside: Difference

    @property
    def decided(self) -> bool:
        """Whether the first is told from the usual pair."""
        return self.behind.told

    @property
    def use(self) -> tuple[str, str]:
        return self.first if self.decided else USUAL

    @property
    def seen(self) -> float:
        """The least difference of regrets, in margins, that these tables would have told from none."""
        low, high = self.behind.interval
        return (high - low) / 2


def of(records: Sequence[Record], heat: Heat, entrants: dict[int, Pairs]) -> list[Record]:
    """The finished records of a heat: its tables, its seeds, and at each budget those who ran in it."""
    return [
        r
        for r in records
        if r.status == "ok"
        and all(score.metrics[r.task] in r.scores for score in VECTOR)
        and r.cell.dataset in heat.datasets
        and r.cell.train_seed < heat.train_seeds
        and r.cell.sample_seed < heat.sample_seeds
        and (r.cell.sampler, r.cell.grid) in entrants.get(r.cell.steps or 0, ())
    ]


def regrets(records: Sequence[Record], draws: int) -> pd.DataFrame:
    """One line a budget, table, sampler and grid: steps, dataset, sampler, grid, regret, by.

    The regret is the largest of what each score of the vector, in the mean over seeds, loses against the pair that is
    best in it at this budget, in margins of the score; `by` is the score that it is of. Pairs that have not all
    `draws` of a table are left out there: they would be compared on other networks.
    """
    lines = [
        {
            "steps": r.cell.steps,
            "dataset": r.cell.dataset,
            **{name: getattr(r.cell, name) for name in WAY},
            "seed": (r.cell.train_seed, r.cell.sample_seed),
            **{s.name: s.shortfall(float(np.mean(r.scores[s.metrics[r.task]]))) / s.margin for s in VECTOR},
        }
        for r in records
    ]
    names = [score.name for score in VECTOR]
    if not lines:
        return pd.DataFrame(columns=["steps", "dataset", *WAY, "regret", "by"])
    table = pd.DataFrame(lines)
    keys = ["steps", "dataset", *WAY]
    found = table.groupby(keys)[names].mean()
    seeds = table.groupby(keys)["seed"].nunique()
    found = found[seeds == draws]
    lost = found - found.groupby(keys[:2]).transform("min")
    return lost.max(axis=1).rename("regret").to_frame().assign(by=lost.idxmax(axis=1)).reset_index()


def everyone(records: Sequence[Record]) -> list[Record]:
    """The finished records of the first heat, where every sampler ran on every grid."""
    return of(records, HEATS[0], entrants(records)[0])


def standings(found: pd.DataFrame) -> pd.DataFrame:
    """One line a budget and pair that has all tables of the race that defaults may be chosen on, best first.

    steps, sampler, grid; regret: the mean over these tables
    """
    part = found[found["dataset"].isin(DEVELOPMENT)]
    ways = ["steps", *WAY]
    complete = part.groupby(ways)["dataset"].transform("nunique") == part.groupby("steps")[
        "dataset"
    ].transform("nunique")
    mean = part[complete].groupby(ways)["regret"].mean().reset_index()
    return mean.sort_values(["steps", "regret"], kind="stable", ignore_index=True)


def entrants(records: Sequence[Record]) -> list[dict[int, Pairs]]:
    """Who runs in each heat, by budget: all in the first, then the best of the one before, as far as that was run.

    The usual pair goes on whatever its standing.
    """
    budgets = [steps for steps in RACE.steps if isinstance(steps, int)]
    known: list[dict[int, Pairs]] = [dict.fromkeys(budgets, RACE.samplers)]
    for heat in HEATS[:-1]:
        order = standings(regrets(of(records, heat, known[-1]), heat.draws))
        best: dict[int, Pairs] = {}
        for line in order.groupby("steps").head(heat.keep).to_dict("records"):
            best[line["steps"]] = (*best.get(line["steps"], ()), (line["sampler"], line["grid"]))
        usual = (USUAL,) if USUAL in RACE.samplers else ()
        known.append({steps: tuple(dict.fromkeys((*pairs, *usual))) for steps, pairs in best.items()})
    return known


def suites(heat: Heat, running: dict[int, Pairs]) -> list[Suite]:
    """What a heat runs: a suite for every budget, as others run at each."""
    whole = replace(
        RACE, datasets=heat.datasets, train_seeds=heat.train_seeds, sample_seeds=heat.sample_seeds
    )
    return [replace(whole, samplers=pairs, steps=(steps,)) for steps, pairs in running.items()]


def alone(found: pd.DataFrame, column: str, usual: str) -> pd.DataFrame:
    """What one choice alone is worth: each sampler, or grid, less the usual one with all else the same.

    steps, what, difference: of the regrets in the mean over the other choices, by table; below 0 is better
    """
    other = next(name for name in WAY if name != column)
    lines = []
    for steps, part in found[found["dataset"].isin(DEVELOPMENT)].groupby("steps"):
        wide = part.pivot_table(index=["dataset", other], columns=column, values="regret")
        for name in wide.columns:
            if name != usual and usual in wide:
                gap = (wide[name] - wide[usual]).dropna().groupby("dataset").mean()
                lines.append({"steps": steps, "what": name, "difference": Difference(gap.to_numpy())})
    return pd.DataFrame(lines, columns=["steps", "what", "difference"])


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write race.md and race.csv, with the regrets of every heat; return their paths."""
    heats = _heats(records)
    run = [found.assign(heat=i) for i, found in enumerate(heats, 1) if not found.empty]
    table = pd.concat(run or heats[:1], ignore_index=True)
    lines = [*reflow(_head(records, heats)), *_verdicts(heats), *_finals(heats), *_alone(heats[0])]
    page = "\n".join([*lines, *carried.section(everyone(records))]) + "\n"
    store.replace(folder / "race.md", page.encode())
    store.replace(folder / "race.csv", table.to_csv(index=False, float_format="%.6g").encode())
    return [folder / "race.md", folder / "race.csv"]


def _head(records: Sequence[Record], heats: Sequence[pd.DataFrame]) -> list[str]:
    made = sorted({commit_of(r.env, digits=12) for r in records})
    rows = []
    for i, (heat, found) in enumerate(zip(HEATS, heats, strict=True), 1):
        row = {"heat": str(i), "tables": f"{found['dataset'].nunique()} of {len(heat.datasets)}"}
        row["training x sampling seeds"] = f"{heat.train_seeds} x {heat.sample_seeds}"
        for steps, part in found.groupby("steps"):
            row[f"pairs at {steps}"] = str(len(part[WAY].drop_duplicates()))
        rows.append(row)
    return [
        "# The race of samplers",
        "",
        f"`tabstep` drawn by {len({s for s, _ in RACE.samplers})} samplers on {len({g for _, g in RACE.samplers})}",
        f"grids, {RACE.rows:,} rows a draw. A regret is the largest of what each of six scores loses against the pair",
        "that is best in it at this budget, in margins of the score; all pairs of a heat drew from the same networks",
        "and noise. Who goes on is chosen by the mean regret over tables that defaults may be chosen on; the last heat",
        "runs the first and the default on tables kept aside, and chooses nothing.",
        "",
        "That the best of many is chosen flatters it: in the heat that chose it its regret is too small. In",
        f"heat {len(HEATS) - 1} {_fresh()} draws of a table are of seeds that no heat before it had. {len(records):,}",
        f"cells, made at {', '.join(made)}.",
        "",
        *pipes(rows),
        "",
    ]


def _fresh() -> str:
    last, before = HEATS[-2], HEATS[-3]
    return f"{last.draws - before.draws} of {last.draws}"


def _last(heats: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The regrets of the last heat that chooses and was run."""
    return next((heat for heat in reversed(heats[:-1]) if not heat.empty), heats[0])


def _by_table(found: pd.DataFrame, steps: int, pair: tuple[str, str]) -> dict[str, float]:
    chosen = found[(found["steps"] == steps) & (found["sampler"] == pair[0]) & (found["grid"] == pair[1])]
    return {str(k): float(v) for k, v in chosen.set_index("dataset")["regret"].items()}


def verdicts(found: pd.DataFrame, aside: pd.DataFrame) -> list[Verdict]:
    """What the regrets of a heat, and of the one on tables kept aside, say of each budget; nothing of one where the
    usual pair did not run."""
    said = []
    for _, order in standings(found).groupby("steps"):
        steps, pairs = int(order["steps"].iloc[0]), [*order[WAY].itertuples(index=False, name=None)]
        if USUAL in pairs:
            told, other = (
                difference(_by_table(heat, steps, USUAL), _by_table(heat, steps, pairs[0]))
                for heat in (found, aside)
            )
            said.append(Verdict(steps, pairs[0], told, other))
    return said


def shown(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """One row of a table each: what to use at this budget, and how sure that is."""
    rows = []
    for verdict in verdicts:
        row = {"evaluations": str(verdict.steps)}
        row["use"] = "`{}` on `{}`".format(*verdict.use)
        row["least regret"] = "`{}` on `{}`".format(*verdict.first)
        if verdict.first == USUAL:
            row["the default behind it"] = "the same"
        else:
            row["the default behind it"] = str(verdict.behind)
            row["kept aside"] = str(verdict.aside)
            row["would have been seen from"] = f"{verdict.seen:.2f}"
        rows.append(row)
    return rows


def outcome(records: Sequence[Record]) -> list[Verdict]:
    """Of the last heat that was run, by budget; nothing without records."""
    return _outcome(_heats(records))


def _heats(records: Sequence[Record]) -> list[pd.DataFrame]:
    """The regrets of each heat, empty where it was not run."""
    running = entrants(records)
    return [regrets(of(records, heat, who), heat.draws) for heat, who in zip(HEATS, running, strict=True)]


def _outcome(heats: Sequence[pd.DataFrame]) -> list[Verdict]:
    return verdicts(_last(heats), heats[-1])


def _verdicts(heats: Sequence[pd.DataFrame]) -> list[str]:
    """The first screen: what to use at each budget."""
    rows = shown(_outcome(heats))
    said = [
        f"The default, `{USUAL[0]}` on `{USUAL[1]}`, ran in every heat. Another pair takes its place where the",
        "default's regret is larger by more than its 95 % t-interval over the tables that defaults may be chosen on.",
        "`kept aside` is the same difference over tables that chose nothing: there the best of many is not flattered.",
        "The last column is half the interval: a smaller difference would not have been told from none.",
    ]
    return ["## What to use", "", *reflow(said), "", *pipes(rows), ""] if rows else []


def _finals(heats: Sequence[pd.DataFrame]) -> list[str]:
    """By budget who ran in the last heat that was run: the regret here and there, and how far behind the first."""
    found, lines = _last(heats), []
    for _, order in standings(found).groupby("steps"):
        steps, rows, first = int(order["steps"].iloc[0]), [], None
        for sampler, grid, regret in order.head(SHOWN)[[*WAY, "regret"]].itertuples(index=False):
            own, aside = (_by_table(heat, steps, (sampler, grid)) for heat in (found, heats[-1]))
            rows.append(
                {
                    "sampler": f"`{sampler}`",
                    "grid": f"`{grid}`",
                    "regret": f"{regret:.2f}",
                    "kept aside": f"{np.mean([*aside.values()]):.2f}" if aside else "",
                    "behind the first": "" if first is None else str(difference(own, first)),
                }
            )
            first = own if first is None else first
        lines += [f"## At {steps} evaluations", "", *pipes(rows), ""]
    return lines


def _alone(first: pd.DataFrame) -> list[str]:
    """What a sampler and what a grid is worth by itself, of the first heat, where all ran with all."""
    lines = ["## A choice by itself", ""]
    for column, usual in (("grid", "trailing"), ("sampler", "dpmpp-2m-sde")):
        rows: dict[str, dict[str, str]] = {}
        found = alone(first, column, usual).to_dict("records")
        bold = sum(line["difference"].told for line in found)
        for line in found:
            row = rows.setdefault(line["what"], {f"{column} less `{usual}`": f"`{line['what']}`"})
            row[str(line["steps"])] = str(line["difference"])
        other = next(name for name in WAY if name != column)
        said = [
            f"Regret of each {column} less that of `{usual}` with the same {other}, in the mean over these, with a",
            "95 % t-interval over the tables of heat 1; below 0 is better, bold does not hold zero. What is not bold",
            f"is undecided: a difference below half its interval would not have been seen. Of {len(found)} differences",
            f"{bold} are bold; {0.05 * len(found):.0f} would be by chance.",
        ]
        if rows:
            lines += [*reflow(said), "", *pipes(rows.values()), ""]
    return lines
