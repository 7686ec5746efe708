"""The study of starts and learned coefficients: what each buys at few evaluations, and which T' is best, by records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.registry import STARTS, SWEEP, SWEPT
from tabstep.report.figures.drawing import panels, save
from tabstep.report.figures.hues import GREY
from tabstep.report.numbers.budget import BASE
from tabstep.report.numbers.table import commit_of, csv
from tabstep.report.numbers.vector import VECTOR
from tabstep.study import seeds
from tabstep.study.few_steps import losses
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import Values, by_table, difference
from tabstep.study.recipe import OURS

LEARNED = ("ggdm", "ddss", "ddss-critic", "adasde")
"""Samplers whose coefficients are learned; all begin as `PLAIN`, in noise."""

PLAIN = "ddim"
BESIDE = (PLAIN, SWEPT)

TIES = ((SWEPT, f"tied-{SWEPT}"), (f"mixture-{SWEPT}", f"mixture-tied-{SWEPT}"))
"""Samplers that draw the classes of a row one by one, and the same that draw them together."""

C2ST = "c2st_xgboost"
PRIVACY = {"nearer to training rows": "dcr_share", "membership attack": "mia_max"}

FLOORS = {
    "mixture": "mixture",
    "smote": "smote",
    "copula": "copula",
    "vae": "vae",
    "tvae": "tvae",
    "ctgan": "ctgan",
}
"""The method that a start is by itself, where there is one."""


def chosen(start: str) -> str:
    """The sampler from a start whose T' is best for the budget by held rows."""
    return f"es-{SWEPT}-{start}"


CLAIMS: tuple[tuple[str, Sequence[str], Sequence[str]], ...] = (
    *((f"begin at rows of `{start}`, not in noise", [chosen(start)], [SWEPT]) for start in STARTS),
    (
        "T' for the budget, not by the MMD of noised rows, mean over starts",
        [chosen(start) for start in STARTS],
        [f"{chosen(start)}-mmd" for start in STARTS],
    ),
    ("coefficients learned by a distance (`ddss`), not DDIM's", ["ddss"], [PLAIN]),
    ("`ddss` taught further by a critic (`ddss-critic`)", ["ddss-critic"], ["ddss"]),
    ("noise in learned amounts (`adasde`), not DDIM's none", ["adasde"], [PLAIN]),
    *((f"classes drawn together (`{other}`), not one by one", [other], [plain]) for plain, other in TIES),
)
"""Levers: what is to be better, as the mean over samplers, than what."""

SHADES = {1: "#BBBBBB", 2: "#0072B2", 5: "#E69F00", 10: "#D55E00"}


def full_steps(records: Iterable[Record]) -> int:
    """The most evaluations of `BASE`, which are all steps; 0 without records."""
    return max((r.cell.steps or 0 for r in records if r.cell.sampler == BASE), default=0)


def claims(records: Sequence[Record], metric: str) -> list[dict[str, str]]:
    """The difference that each lever makes in a score, a line each, a column a budget."""
    lines = []
    for text, one, other in CLAIMS:
        line, counts = {"lever": text}, set()
        for steps in sorted({r.cell.steps or 0 for r in records if r.cell.sampler == one[0]}):
            ways = [
                _mean([by_table(records, metric, sampler=s, steps=steps) for s in of]) for of in (one, other)
            ]
            tables = len({*ways[0]} & {*ways[1]})
            if tables:
                counts.add(tables)
                line[f"at {steps}"] = str(difference(*ways))
        if counts:
            lines.append(line | {"tables": " to ".join(map(str, sorted({min(counts), max(counts)})))})
    budgets = sorted(
        {name for line in lines for name in line if name.startswith("at ")}, key=lambda n: int(n[3:])
    )
    order = ["lever", "tables", *budgets]
    return [{name: line.get(name, "") for name in order} for line in lines]


def _mean(ways: Sequence[Values]) -> Values:
    """Of several ways the mean on every table that has them all."""
    tables = set.intersection(*(set(of) for of in ways))
    return {name: float(np.mean([of[name] for of in ways])) for name in tables}


def sweep(records: Sequence[Record]) -> pd.DataFrame:
    """C2ST by start, budget and T'/T, in the mean over the tables that have the whole sweep of the start and budget.

    start, steps, stop (0 is the start by itself, where it is a method), c2st, tables; and `rule`, of a line without
    `stop`: "chosen" for the budget by held rows, "mmd" without a look at it
    """
    lines = []
    for start in STARTS:
        budgets = {r.cell.steps for r in records if r.cell.sampler == f"{chosen(start)}-mmd"}
        for steps in sorted(k for k in budgets if k is not None):
            ways: dict[tuple[str, float | None], Values] = {
                ("swept", stop): by_table(
                    records, C2ST, sampler=f"{chosen(start)}-{100 * stop:.0f}", steps=steps
                )
                for stop in SWEEP
            }
            ways["chosen", None] = by_table(records, C2ST, sampler=chosen(start), steps=steps)
            ways["mmd", None] = by_table(records, C2ST, sampler=f"{chosen(start)}-mmd", steps=steps)
            tables = set.intersection(*(set(of) for of in ways.values()))
            alone = by_table(records, C2ST, method=FLOORS.get(start))
            if tables and tables <= set(alone):
                ways = {("swept", 0.0): alone} | ways
            lines += [
                {
                    **{"start": start, "steps": steps, "stop": stop, "rule": rule},
                    **{"c2st": float(np.mean([of[name] for name in tables])), "tables": len(tables)},
                }
                for (rule, stop), of in ways.items()
                if tables
            ]
    return pd.DataFrame(lines, columns=["start", "steps", "stop", "rule", "c2st", "tables"])


def rules(records: Sequence[Record]) -> list[dict[str, str]]:
    """By start and budget what the other rule, and the best fixed T' of all tables, lose against the chosen T'."""
    lines = []
    for start in STARTS:
        for steps in sorted({r.cell.steps or 0 for r in records if r.cell.sampler == f"{chosen(start)}-mmd"}):
            own = by_table(records, C2ST, sampler=chosen(start), steps=steps)
            blind = by_table(records, C2ST, sampler=f"{chosen(start)}-mmd", steps=steps)
            fixed = {
                stop: by_table(records, C2ST, sampler=f"{chosen(start)}-{100 * stop:.0f}", steps=steps)
                for stop in SWEEP
            }
            whole = {stop: of for stop, of in fixed.items() if own.keys() <= of.keys()}
            best = min(
                whole, key=lambda stop: float(np.mean([whole[stop][name] for name in own])), default=None
            )
            lines.append(
                {
                    **{"start": start, "evaluations": str(steps), "tables": str(len({*own} & {*blind}))},
                    "mmd less chosen": str(difference(blind, own)),
                    "best fixed T'/T": "" if best is None else f"{best:g}",
                    "fixed less chosen": "" if best is None else str(difference(whole[best], own)),
                }
            )
    return lines


def starts(records: Sequence[Record]) -> list[dict[str, str]]:
    """By start its C2ST by itself and with the chosen T' at every budget, in the mean over tables that have all."""
    every = sorted({r.cell.steps or 0 for r in records if r.cell.sampler in {chosen(s) for s in STARTS}})
    full = by_table(records, C2ST, method=OURS, sampler=BASE, steps=full_steps(records))
    rows: dict[str, dict[str, Values]] = {}
    for start in STARTS:
        alone = by_table(records, C2ST, method=FLOORS[start]) if start in FLOORS else {}
        at = {str(k): by_table(records, C2ST, sampler=chosen(start), steps=k) for k in every}
        rows[start] = ({"0": alone} if alone else {}) | at
    noise = {str(k): by_table(records, C2ST, method=OURS, sampler=SWEPT, steps=k) for k in every}
    rows["noise"] = noise | {f"{full_steps(records)}": full}
    tables = set.intersection(*(set(of) for way in rows.values() for of in way.values())) if rows else set()
    columns = ["0", *map(str, every), f"{full_steps(records)}"]
    return [
        {"start": start}
        | {
            k: f"{np.mean([way[k][name] for name in tables]):.3f}" if k in way and tables else ""
            for k in columns
        }
        for start, way in rows.items()
    ]


def privacy(records: Sequence[Record]) -> list[dict[str, str]]:
    """By start what of training rows its rows give away, by itself and at each budget less all steps from noise."""
    every = sorted({r.cell.steps or 0 for r in records if r.cell.sampler in {chosen(s) for s in STARTS}})
    lines = []
    for start in STARTS:
        line = {"start": start}
        for title, metric in PRIVACY.items():
            full = by_table(records, metric, method=OURS, sampler=BASE, steps=full_steps(records))
            alone = by_table(records, metric, method=FLOORS[start]) if start in FLOORS else {}
            line[f"{title}, by itself"] = str(difference(alone, full)) if alone else ""
            line |= {
                f"{title} at {k}": str(
                    difference(by_table(records, metric, sampler=chosen(start), steps=k), full)
                )
                for k in (every[0], every[-1])
            }
        lines.append(line)
    return lines


def learned(records: Sequence[Record], found: pd.DataFrame) -> list[dict[str, str]]:
    """By budget and sampler from noise: tables that keep all scores, C2ST and efficacy less those of `PLAIN`, price."""
    lines = []
    for steps in sorted({r.cell.steps or 0 for r in records if r.cell.sampler in LEARNED}):
        for sampler in (*BESIDE, *LEARNED):
            own = found[(found["sampler"] == sampler) & (found["steps"] == steps)]
            if own.empty:
                continue
            line = {"evaluations": str(steps), "sampler": f"`{sampler}`"}
            line |= {
                f"{score.title} less {PLAIN}": ""
                if sampler == PLAIN
                else str(
                    difference(
                        *(
                            by_table(records, score.name, sampler=name, steps=steps, method=OURS)
                            for name in (sampler, PLAIN)
                        )
                    )
                )
                for score in VECTOR[:4]
            }
            line["keep all scores"] = f"{(own['loss'] <= 1).sum()}/{len(own)}"
            line["largest loss"] = f"{own['loss'].median():.1f}"
            line["seconds to prepare"] = f"{own['prepare_s'].median():.0f}"
            lines.append(line)
    return lines


def tied(records: Sequence[Record]) -> list[dict[str, str]]:
    """By begin and budget what classes that are drawn together change, in each score."""
    lines = []
    for plain, other in TIES:
        for steps in sorted({r.cell.steps or 0 for r in records if r.cell.sampler == other}):
            both = (by_table(records, C2ST, sampler=name, steps=steps) for name in (plain, other))
            line = {"sampler": f"`{other}`", "evaluations": str(steps)}
            line["tables"] = str(len(set.intersection(*(set(of) for of in both))))
            line |= {
                score.title: str(
                    difference(
                        *(by_table(records, score.name, sampler=name, steps=steps) for name in (other, plain))
                    )
                )
                for score in VECTOR[:4]
            }
            lines.append(line)
    return lines


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write families.md, families.csv and the figure of the sweep into `folder`; return their paths."""
    found, swept = losses(records), sweep(records)
    page = "\n".join(reflow(_page(records, found))) + "\n"
    store.replace(folder / "families.md", page.encode())
    store.replace(folder / "families.csv", csv(found).encode())
    drawn = [] if swept.empty else save({"sweep": (lambda: draw(swept), swept)}, folder)
    return [folder / "families.md", folder / "families.csv", *drawn]


def _page(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    commits = ", ".join(sorted({commit_of(r.env, digits=12) for r in records}))
    ours = [r for r in records if r.cell.method == OURS and r.status == "ok"]
    return [
        "# Starts, and learned coefficients",
        "",
        f"What else there is than a mixture to begin at, and than a solver to walk by: `{OURS}`, grid `trailing`.",
        "A loss is how much worse a score is than that of all steps of the same network, in margins of the score, see",
        "[few steps](../../few-steps/report/few-steps.md). In brackets a 95 % t-interval over",
        f"tables; bold does not hold zero, and what is not bold is undecided. {seeds.said(ours)}",
        f"Made at {commits}.",
        "",
        "## At a glance",
        "",
        "The difference that each makes in C2ST, better when lower, by evaluations:",
        "",
        *pipes(claims(records, C2ST)),
        "",
        "The same in efficacy (F1 or R2), better when higher:",
        "",
        *pipes(claims(records, "efficacy")),
        "",
        "## From which start",
        "",
        "C2ST of XGBoost, 0.5 being undetected, in the mean over tables: of the start by itself (0), of",
        f"`{SWEPT}` from its noised rows with T' chosen for the budget by held rows, and from noise.",
        "",
        *pipes(starts(records)),
        "",
        "## How T' is chosen",
        "",
        "C2ST of the begin at which noised rows of the start and held rows pass for one law (`mmd`, which does not see",
        "the budget), and of the one T' that is best in the mean over these tables, less that of the chosen T'.",
        "Above 0 the chosen one is better.",
        "",
        *pipes(rules(records)),
        "",
        *(["![C2ST against T' by start](sweep.png)", ""] if not sweep(records).empty else []),
        "## What starts give away",
        "",
        "Share of rows nearer to training than to fresh rows, and the area under the curve of the best of four",
        "membership attacks, less those of all steps from noise: of the start by itself, and of rows walked from it.",
        "",
        *pipes(privacy(records)),
        "",
        "## Coefficients that are learned",
        "",
        "From noise. `ggdm` learns the update, `ddss` all coefficients, by a distance of kernels; `ddss-critic` goes",
        "on by a critic, `adasde` learns by it how much noise to add before each step. All begin as",
        f"`{PLAIN}`. C2ST and Wasserstein are better when lower.",
        "",
        *pipes(learned(records, found)),
        "",
        "## Classes that are drawn together",
        "",
        "By the components of a mixture, see [samplers](../../../docs/samplers.md), less the same drawn one by one.",
        "C2ST and Wasserstein are better when lower. On tables without categories the two are the same.",
        "",
        *pipes(tied(records)),
    ]


def draw(swept: pd.DataFrame) -> Figure:
    """C2ST against T'/T: a panel a start, a line a budget; a cross where T' is chosen, a dotted line for the rule that
    does not see the budget."""
    names = [start for start in STARTS if start in set(swept["start"])]
    wide = min(4, len(names))
    figure = Figure(figsize=(2.3 * wide + 0.4, 2.1 * -(-len(names) // wide) + 0.5), layout="constrained")
    axes = panels(figure, len(names), wide)
    for axis, start in zip(axes, names, strict=True):
        own = swept[swept["start"] == start]
        for steps in sorted({int(k) for k in own["steps"]}):
            of, shade = own[own["steps"] == steps], SHADES.get(steps, GREY)
            line = of[of["rule"] == "swept"].sort_values("stop")
            axis.plot(
                line["stop"].to_numpy(float),
                line["c2st"].to_numpy(float),
                color=shade,
                marker="o",
                markersize=3,
                linewidth=1.3,
                label=f"{steps} evaluations",
            )
            for rule, dash in (("chosen", "-"), ("mmd", ":")):
                at = of.loc[of["rule"] == rule, "c2st"]
                axis.axhline(float(at.iloc[0]), color=shade, linewidth=0.8, linestyle=dash)
        axis.set_title(f"from {start}", loc="left", fontweight="bold", fontsize=9)
        axis.grid(axis="y", color="#EBEBEB", linewidth=0.6)
        axis.set_xlabel("T'/T")
    for axis in axes[::wide]:
        axis.set_ylabel("C2ST (lower is better)")
    axes[0].plot([], [], color="black", linewidth=0.8, label="T' chosen for the budget")
    axes[0].plot([], [], color="black", linewidth=0.8, linestyle=":", label="T' by the MMD of noised rows")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    return figure
