"""The study of the recipe: `tabstep` beside TabDDPM of the same size, table by table, and what their training costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep import published
from tabstep.contracts import Unsupported
from tabstep.data.completion import Completion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.work import arithmetic
from tabstep.engine.job import Job
from tabstep.records import store
from tabstep.records.cell import Cell
from tabstep.records.store import Record
from tabstep.report.numbers.table import commit_of
from tabstep.report.numbers.vector import VECTOR, Score
from tabstep.study import seeds
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import difference
from tabstep.suites import DEVELOPMENT, KEPT_ASIDE

OURS, THEIRS = "tabstep", "tabddpm"
WAS = "large-batches"  # label of what the default of `tabstep` was
COPIES = "dcr_share"  # of drawn rows nearer to a training row than to a fresh one, on a scale where fresh rows are 0.5


def costs(jobs: Iterable[Job]) -> dict[str, dict[str, float]]:
    """`arithmetic` by table, of all contestants and of the published configuration where there is one."""
    out: dict[str, dict[str, float]] = {}
    for job in {(job.cell.dataset, who(job.cell)): job for job in jobs}.values():
        if who(job.cell) not in (OURS, THEIRS, WAS):
            continue
        dataset = job.source.load()
        completion = Completion.fit(dataset.train, dataset.schema)
        train, inner = completion.forward(dataset.train), completion.inner
        cost = out.setdefault(job.cell.dataset, {})
        method: Any = job.method
        cost[who(job.cell)] = arithmetic(method, method.encoder(train, inner), len(train))
        if job.cell.method == THEIRS:
            with suppress(Unsupported):
                kind = TabDDPM(**published.tabddpm(job.cell.dataset).settings)
                cost["published"] = arithmetic(kind, kind.encoder(train, inner), len(train))
    return out


def named(params: str) -> str:
    """How a page calls `tabstep` with these settings."""
    return f"`{OURS}`" if params == "default" else f"`{OURS}` ({params.replace('-', ' ')})"


def who(cell: Cell) -> str:
    """The contestant of a cell: its method, or what the default of `tabstep` was."""
    return WAS if (cell.method, cell.params) == (OURS, WAS) else cell.method


@dataclass(frozen=True)
class Pair:
    """One score of both contestants on a table at a budget, a value a training seed, seeds in the same order."""

    dataset: str
    steps: int
    score: Score
    ours: np.ndarray
    theirs: np.ndarray

    @property
    def gain(self) -> np.ndarray:
        """How much nearer to the best value ours is, a value a seed."""
        far = self.score.shortfall
        return np.array([far(a) - far(b) for a, b in zip(self.theirs, self.ours, strict=True)])

    @property
    def says(self) -> str:
        """ "better", "worse" or "same": whether the mean gain is beyond the margin of the score."""
        mean = float(self.gain.mean())
        return "same" if abs(mean) < self.score.margin else "better" if mean > 0 else "worse"


def pairs(records: Sequence[Record], other: str = THEIRS) -> list[Pair]:
    """All scores that both `tabstep` and another have, by dataset, budget and score."""
    values: dict[tuple[str, int, str], dict[str, dict[int, float]]] = {}
    scores = {score.name: score for score in VECTOR}
    for r in records:
        if r.status != "ok" or who(r.cell) not in (OURS, other) or r.cell.steps is None:
            continue
        for score in VECTOR:
            found = r.scores.get(score.metrics[r.task])
            if found is not None:
                side = values.setdefault((r.cell.dataset, r.cell.steps, score.name), {})
                side.setdefault(who(r.cell), {})[r.cell.train_seed] = float(np.mean(found))
    out = []
    for (dataset, steps, name), side in values.items():
        seeds = sorted(set(side.get(OURS, {})) & set(side.get(other, {})))
        if seeds:
            ours, theirs = (np.array([side[m][s] for s in seeds]) for m in (OURS, other))
            out.append(Pair(dataset, steps, scores[name], ours, theirs))
    order = {name: i for i, name in enumerate((*DEVELOPMENT, *KEPT_ASIDE))}
    return sorted(out, key=lambda p: (order.get(p.dataset, len(order)), p.dataset, p.steps))


def numbers(found: Sequence[Pair]) -> pd.DataFrame:
    """One line a pair: means, the mean gain, its deviation between training seeds, and how many there are."""
    return pd.DataFrame(
        [
            {
                "dataset": p.dataset,
                "kept_aside": p.dataset in KEPT_ASIDE,
                "steps": p.steps,
                "score": p.score.name,
                OURS: p.ours.mean(),
                THEIRS: p.theirs.mean(),
                "gain": p.gain.mean(),
                "gain_std": p.gain.std(ddof=1) if len(p.gain) > 1 else float("nan"),
                "train_seeds": len(p.gain),
                "margin": p.score.margin,
                "says": p.says,
            }
            for p in found
        ]
    )


def write(records: Sequence[Record], cost: Mapping[str, Mapping[str, float]], folder: Path) -> list[Path]:
    """Write recipe.md and recipe.csv; `cost` has the arithmetic of each table's trainings, by name. Return paths."""
    found = pairs(records)
    table = numbers(found)
    before = _before(pairs(records, WAS))
    page = "\n".join([*reflow(_head(records, found)), *reflow(before), *_tables(found, records, cost)]) + "\n"
    store.replace(folder / "recipe.md", page.encode())
    store.replace(folder / "recipe.csv", table.to_csv(index=False, float_format="%.6g").encode())
    return [folder / "recipe.md", folder / "recipe.csv"]


def _head(records: Sequence[Record], found: Sequence[Pair]) -> list[str]:
    made = sorted({commit_of(r.env, digits=12) for r in records})
    return [
        "# tabstep beside TabDDPM of the same size",
        "",
        "Both with layers of 3 x 256 and on as many rows, TabDDPM 4,000 steps of 1,024 and tabstep 16,000 of 256,",
        "`dpmpp-2m-sde` on `trailing`. TabDDPM trains on all rows to the end; tabstep holds rows out and may end",
        "early. Each cell is TabDDPM's score, an arrow, tabstep's.",
        "Bold: tabstep is nearer to the best value by at least the margin of the score; struck: it is farther by as",
        "much. A margin is no test: with one training seed nothing is decided about the methods, with three little.",
        "",
        f"{seeds.said(r for r in records if who(r.cell) == OURS)} Made at {', '.join(made)}.",
        "",
        *_counts(found),
    ]


def _counts(found: Sequence[Pair]) -> list[str]:
    rows = []
    for about, names in (("chosen on", DEVELOPMENT), ("kept aside", KEPT_ASIDE)):
        for steps in sorted({p.steps for p in found}):
            part = [p for p in found if p.dataset in names and p.steps == steps]
            if part:
                tables = len({p.dataset for p in part})
                row = {"tables": f"{about} ({tables})", "evaluations": str(steps)}
                for score in VECTOR:
                    says = [p.says for p in part if p.score.name == score.name]
                    row[score.title] = (
                        f"{says.count('better')} / {says.count('same')} / {says.count('worse')}"
                    )
                rows.append(row)
    return ["Tables on which tabstep is better / the same within the margin / worse:", "", *pipes(rows), ""]


def _before(found: Sequence[Pair]) -> list[str]:
    """What the default was beside what it is; nothing without records of it."""
    if not found:
        return []
    rows = []
    for about, names in (("chosen on", DEVELOPMENT), ("kept aside", KEPT_ASIDE)):
        for steps in sorted({p.steps for p in found}):
            part = [p for p in found if p.dataset in names and p.steps == steps]
            if part:
                row = {"tables": f"{about} ({len({p.dataset for p in part})})", "evaluations": str(steps)}
                for score in VECTOR:
                    gain = {p.dataset: float(p.gain.mean()) for p in part if p.score == score}
                    row[score.title] = str(difference(gain, dict.fromkeys(gain, 0.0)))
                rows.append(row)
    tables: dict[str, dict[str, str]] = {}
    for p in found:
        if p.steps == max(q.steps for q in found):
            tables.setdefault(p.dataset, {"table": p.dataset})[p.score.title] = cell(p)
    return [
        "## What the default was",
        "",
        "The default was 4,000 steps of 1,024 rows without levels, on as many rows (`large-batches`). How much nearer",
        "to the best value it is now, in the mean over tables, by the training seeds that both have; in brackets a",
        "95 % t-interval over tables, bold where it does not hold zero.",
        "",
        *pipes(rows),
        "",
        f"Table by table at {max(p.steps for p in found)} evaluations, what it was, an arrow, what it is.",
        "",
        *pipes(tables.values()),
        "",
    ]


def _tables(
    found: Sequence[Pair], records: Sequence[Record], cost: Mapping[str, Mapping[str, float]]
) -> list[str]:
    lines = []
    for about, names in (("Tables it was chosen on", DEVELOPMENT), ("Tables kept aside", KEPT_ASIDE)):
        part = [p for p in found if p.dataset in names]
        cells: dict[tuple[str, int], dict[str, str]] = {}
        for p in part:
            row = cells.setdefault((p.dataset, p.steps), {"table": p.dataset, "evaluations": str(p.steps)})
            row[p.score.title] = cell(p)
        for (dataset, steps), row in cells.items():
            row["copies"] = " -> ".join(_copies(records, dataset, m, steps) for m in (THEIRS, OURS))
        if cells:
            lines += [f"## {about}", "", *pipes(cells.values()), ""]
    if cost:
        rows = [
            {"table": name, **{what: f"{value / 1e12:.3g}" for what, value in costs.items()}}
            for name, costs in cost.items()
        ]
        lines += ["## Arithmetic of a whole training, TFLOP", "", *pipes(rows), ""]
    return lines


def cell(p: Pair) -> str:
    """Theirs, an arrow, ours: bold where it is better by the margin, struck where it is worse."""
    ours = f"{p.ours.mean():.3f}"
    marked = {"better": f"**{ours}**", "worse": f"~~{ours}~~", "same": ours}[p.says]
    return f"{p.theirs.mean():.3f} -> {marked}"


def _copies(records: Sequence[Record], dataset: str, method: str, steps: int) -> str:
    found: list[Any] = [
        np.mean(r.scores[COPIES])
        for r in records
        if r.status == "ok"
        and (r.cell.dataset, who(r.cell), r.cell.steps) == (dataset, method, steps)
        and COPIES in r.scores
    ]
    return f"{np.mean(found):.2f}" if found else ""
