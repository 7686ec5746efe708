"""The study of few steps: how far rows of K evaluations are from those of all steps of the same network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.registry import DEFAULT_SAMPLER, EARLIER_SAMPLER, FEW_EVALUATIONS, POOR_START
from tabstep.report.numbers.budget import BASE, profile
from tabstep.report.numbers.table import FLOORS, commit_of, csv, results
from tabstep.report.numbers.vector import VECTOR
from tabstep.study import distance, glance, seeds
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import difference
from tabstep.study.recipe import OURS
from tabstep.suites import DEVELOPMENT, KEPT_ASIDE

SHOWN = (1, 2, 5, 10)  # budgets of the tables by dataset
WAY = ["sampler", "steps"]
SCORES = {score.name: score for score in VECTOR}


def losses(records: Sequence[Record]) -> pd.DataFrame:
    """One line a table, sampler and budget with all scores of the vector.

    dataset, kept_aside, sampler, steps
    efficacy .. coverage  by how much the score is worse than that of `ancestral` with all steps, in margins of the
                          score; below 0 where it is better
    loss                  the largest of them, and `by` whose it is
    regret                the largest of what each score loses against the sampler that is best in it at this budget
    prepare_s, sample_s   seconds, medians over seeds
    """
    table = results(r for r in records if r.cell.method == OURS)
    found = profile(table)
    found = found[(found["steps"] < found["full_steps"]) & found["worse"].notna()]
    if found.empty:
        columns = ["dataset", "kept_aside", *WAY, *SCORES, "loss", "by", "regret"]
        return pd.DataFrame(columns=columns).astype({"kept_aside": bool})
    found["loss"] = found["worse"] / found["margin"]
    least = found.groupby(["dataset", "score", "steps"])["loss"].transform("min")
    found["regret"] = found["loss"] - least
    keys = ["dataset", *WAY]
    wide = found.pivot_table(index=keys, columns="score", values="loss", sort=False)[list(SCORES)].dropna()
    wide.columns = list(SCORES)
    whole = wide.assign(
        loss=wide.max(axis=1),
        by=wide.idxmax(axis=1),
        regret=found.groupby(keys)["regret"].max(),
        **{s: table.groupby(keys)[s].first() for s in ("prepare_s", "sample_s")},
    ).reset_index()
    whole.insert(1, "kept_aside", whole["dataset"].isin(KEPT_ASIDE))
    order = {name: i for i, name in enumerate((*DEVELOPMENT, *KEPT_ASIDE))}
    return whole.sort_values(
        ["dataset", *WAY], key=lambda c: c.map(order) if c.name == "dataset" else c, ignore_index=True
    )


def choice(found: pd.DataFrame) -> pd.DataFrame:
    """By budget the sampler with the least mean regret over the tables that defaults are chosen on, all of them in it.

    steps, sampler; regret: that mean; next, next_regret: of the second best; ahead: by how much, with an interval over
    tables; tables: how many
    """
    part = found[~found["kept_aside"]]
    lines = []
    for steps, of in part.groupby("steps"):
        complete = of.groupby("sampler").filter(lambda own: len(own) == of["dataset"].nunique())  # noqa: B023
        mean = complete.groupby("sampler")["regret"].mean().sort_values(kind="stable")
        if len(mean) > 1:
            names, values = list(mean.index), mean.to_numpy()
            own = complete.pivot(index="dataset", columns="sampler", values="regret")
            ahead = difference(own[names[1]].to_dict(), own[names[0]].to_dict())
            lines.append(
                {
                    **{"steps": steps, "sampler": names[0], "regret": values[0]},
                    **{"next": names[1], "next_regret": values[1]},
                    **{"ahead": str(ahead), "tables": of["dataset"].nunique()},
                }
            )
    return pd.DataFrame(
        lines, columns=["steps", "sampler", "regret", "next", "next_regret", "ahead", "tables"]
    )


def kept(found: pd.DataFrame) -> list[dict[str, str]]:
    """A line a budget: the sampler of `choice`, and of all tables how many keep each score with it, and all six;
    and its price."""
    lines = []
    for row in choice(found).to_dict("records"):
        own = found[(found["steps"] == row["steps"]) & (found["sampler"] == row["sampler"])]
        by_score = {score.title: f"{(own[name] <= 1).sum()}/{len(own)}" for name, score in SCORES.items()}
        whole = {"all": f"{(own['loss'] <= 1).sum()}/{len(own)}"}
        named = {"evaluations": str(row["steps"]), "sampler": f"`{row['sampler']}`"}
        beside = {"next best": f"`{row['next']}` {row['ahead']}"}
        price = {"seconds to prepare": f"{own['prepare_s'].median():.0f}"}
        lines.append(named | by_score | whole | beside | price)
    return lines


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write few-steps.md and few-steps.csv; return their paths."""
    found = losses(records)
    page = "\n".join(reflow(_page(records, found))) + "\n"
    store.replace(folder / "few-steps.md", page.encode())
    store.replace(folder / "few-steps.csv", csv(found).encode())
    return [folder / "few-steps.md", folder / "few-steps.csv", *glance.write(records, folder)]


def _page(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    ours = [r for r in records if r.cell.method == OURS and r.status == "ok"]
    return [
        "# Few steps by every score",
        "",
        f"`{OURS}` on {found['dataset'].nunique()} tables, held against `ancestral` with all steps of the same",
        "network. A loss is how much worse a score is, in margins of the score (F1 and R2 .01, C2ST .03, Wasserstein",
        "and Trend .005, beta-recall and coverage .02); a budget keeps a table where the largest loss of six scores is",
        f"at most 1. {seeds.said(ours)} {seeds.draws_said(ours)}",
        *_fewer(ours),
        "With one training seed nothing",
        f"is decided about the method, only about these networks. Made at {', '.join(_commits(records))}.",
        "",
        *_glance(records),
        "## What to use",
        "",
        "By budget the sampler whose largest regret, what a score loses against the best sampler of that score, is",
        "least on the mean of the tables that defaults may be chosen on. Beside it how much larger the next best's is,",
        "with a 95 % t-interval over tables (bold where that leaves zero out, else the order of the two is undecided);",
        "then what it does there and on the tables kept aside: how many keep all scores, and the median of the largest",
        "losses.",
        "",
        *pipes(_chosen(found)),
        "",
        "## Every sampler at every budget",
        "",
        "Tables that keep all scores / of how many; in brackets the median over tables of the largest loss.",
        "",
        *pipes(_ladder(found)),
        "",
        "## Which scores are lost",
        "",
        "Of all tables, how many keep each score with the sampler above.",
        "",
        *pipes(kept(found)),
        "",
        *_named(records, found),
        *_far(records, found),
        *_tables(records, found),
        "## Seconds",
        "",
        "Median over tables of seconds to prepare / to draw as many rows as there are training rows, at most 10,000.",
        "",
        *pipes(_seconds(found)),
    ]


def _fewer(records: Sequence[Record]) -> list[str]:
    """Which samplers were not run on all networks, whose means are then over fewer than those of the others."""
    networks: dict[str, set[tuple[str, int]]] = {}
    for r in records:
        networks.setdefault(str(r.cell.sampler), set()).add((r.cell.dataset, r.cell.train_seed))
    whole = len(set.union(*networks.values())) if networks else 0
    said = [
        f"`{name}` drew from {len(of)} of these {whole} networks"
        for name, of in networks.items()
        if len(of) < whole
    ]
    return [f"{'; '.join(sorted(said))}: means are over these."] if said else []


def _glance(records: Sequence[Record]) -> list[str]:
    """Means over tables, where there is a table with all of them."""
    table = glance.means(records)
    if table.empty:
        return []
    return [
        "## At a glance",
        "",
        "`dpmpp-2m-sde` from noise, from the moments of the training rows, and from a mixture; and from a mixture by",
        f"networks that were taught each call (`distilled`). {glance.said(table)}",
        "",
        *pipes(glance.rows(table)),
        "",
        "![C2ST and efficacy by evaluations and begin](glance.png)",
        "",
    ]


def _commits(records: Sequence[Record]) -> list[str]:
    return sorted({commit_of(r.env, digits=12) for r in records})


def _count(part: pd.DataFrame) -> str:
    return f"{_keep(part)}/{len(part)} ({part['loss'].median():.1f})" if len(part) else ""


def _chosen(found: pd.DataFrame) -> list[dict[str, str]]:
    lines = []
    for row in choice(found).to_dict("records"):
        own = found[(found["steps"] == row["steps"]) & (found["sampler"] == row["sampler"])]
        lines.append(
            {
                "evaluations": str(row["steps"]),
                "sampler": f"`{row['sampler']}`",
                "regret": f"{row['regret']:.2f}",
                "next best": f"`{row['next']}` {row['ahead']}",
                "chosen on": _count(own[~own["kept_aside"]]),
                "kept aside": _count(own[own["kept_aside"]]),
            }
        )
    return lines


def _ladder(found: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"sampler": f"`{sampler}`"} | {str(steps): _count(part) for steps, part in of.groupby("steps")}
        for sampler, of in found.groupby("sampler")
    ]


def by_begin(records: Sequence[Record], found: pd.DataFrame) -> pd.DataFrame:
    """The lines of the sampler that draws a few evaluations where none is named, by the C2ST of the mixture alone."""
    alone = alone_of(records)
    few = found[found["steps"].isin(FEW_EVALUATIONS)]
    poor = few["dataset"].map(alone).fillna(0) > POOR_START
    return few[few["sampler"] == poor.map({True: EARLIER_SAMPLER, False: DEFAULT_SAMPLER})]


def alone_of(records: Sequence[Record]) -> dict[str, float]:
    """The C2ST of the rows of the mixture alone by table."""
    table = results(r for r in records if r.cell.method == "mixture")
    found = table[table["metric"] == "c2st_xgboost"].groupby("dataset")["mean"].first()
    return {str(name): float(area) for name, area in found.items()}


def said_of_begin(records: Sequence[Record], found: pd.DataFrame) -> str:
    """What is drawn where no sampler is named, and how many tables it keeps; empty without records of it."""
    chosen = by_begin(records, found)
    if chosen.empty:
        return ""
    earlier = sorted(set(chosen[chosen["sampler"] == EARLIER_SAMPLER]["dataset"]))
    usual = found[found["sampler"] == DEFAULT_SAMPLER]
    counts = [
        f"at {steps} evaluations {_keep(own)} of {len(own)} tables keep all scores, "
        f"{_keep(usual[usual['steps'] == steps])} with the default alone"
        for steps, own in chosen.groupby("steps")
    ]
    return (
        f"`sample` draws by `{DEFAULT_SAMPLER}` where no sampler is named, but at {FEW_EVALUATIONS[0]} to "
        f"{FEW_EVALUATIONS[-1]} evaluations by `{EARLIER_SAMPLER}` where trees tell the rows of the mixture alone with "
        f"an area above {POOR_START}: on {', '.join(earlier) or 'none'}. So {'; '.join(counts)}. The losses of all "
        "these tables had been seen when that was chosen. The area is the C2ST of the floor here; a fit of one's own "
        "table takes 2,048 training rows for it."
    )


def _keep(part: pd.DataFrame) -> int:
    return int((part["loss"] <= 1).sum())


def _named(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    """What is drawn where no sampler is named, beside either sampler everywhere."""
    lines = []
    for steps, own in by_begin(records, found).groupby("steps"):
        at = found[found["steps"] == steps]
        each = {f"`{name}`": at[at["sampler"] == name] for name in (DEFAULT_SAMPLER, EARLIER_SAMPLER)}
        for what, part in {**each, "by the begin": own}.items():
            counts = {"chosen on": part[~part["kept_aside"]], "kept aside": part[part["kept_aside"]]}
            lines.append(
                {"evaluations": str(steps), "sampler": what} | {k: _count(v) for k, v in counts.items()}
            )
    if not lines:
        return []
    return [
        "## Where none is named",
        "",
        said_of_begin(records, found),
        "Tables that keep all scores / of how many; in brackets the median of the largest losses.",
        "",
        *pipes(lines),
        "",
    ]


def apart(records: Sequence[Record], found: pd.DataFrame) -> list[distance.Loss]:
    """The losses of what is drawn at the budgets that are shown: by the sampler of `choice`, or where the begin says
    which is drawn, by that one."""
    chosen = {
        (dataset, steps): sampler
        for steps, sampler in choice(found).set_index("steps")["sampler"].items()
        if steps in SHOWN
        for dataset in found["dataset"].unique()
    }
    begun = by_begin(records, found).set_index(["dataset", "steps"])["sampler"].to_dict()
    return distance.losses(records, chosen | {at: begun[at] for at in chosen if at in begun})


def _far(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    losses = apart(records, found)
    if not losses:
        return []
    return [
        "## How far from all steps",
        "",
        "The sampler of each budget above, at 5 the one that is drawn where none is named; and before it",
        f"`{distance.BEFORE}` from noise. A loss is the mean over draws, each against all steps of the same network",
        "and seed; it is more than a margin where a 95 % t-interval over these draws says so, else undecided. The",
        f"scatter is {distance.DEVIATIONS} standard deviations of single draws with all steps about the mean of their",
        "network.",
        "",
        *distance.said(losses),
        "",
        *pipes(distance.counts(losses)),
        "",
        "The largest loss of each table, in margins, before, an arrow, and now.",
        "",
        *pipes(distance.largest(losses)),
        "",
    ]


def _tables(records: Sequence[Record], found: pd.DataFrame) -> list[str]:
    """By dataset: all steps, the chosen samplers at small budgets, and the floors, in the scores' own units."""
    table = results(records)
    best = choice(found).set_index("steps")["sampler"].to_dict()
    lines = []
    for about, names in (("Tables it was chosen on", DEVELOPMENT), ("Tables kept aside", KEPT_ASIDE)):
        rows = []
        for name in (n for n in names if n in set(found["dataset"])):
            own = table[table["dataset"] == name]
            ours = own[own["method"] == OURS]
            full = ours[(ours["sampler"] == BASE) & (ours["steps"] == ours["all_steps"])]
            rows += [_values(name, "all steps", full)]
            for steps in (k for k in SHOWN if k in best):
                at = ours[(ours["sampler"] == best[steps]) & (ours["steps"] == steps)]
                rows.append(_values(name, f"{steps}", at))
            rows += [_values(name, f"{floor} (0)", own[own["method"] == floor]) for floor in FLOORS]
        if rows:
            lines += [f"## {about}", "", *pipes(rows), ""]
    return lines


def _values(dataset: str, what: str, part: pd.DataFrame) -> dict[str, str]:
    by = part.set_index("metric")["mean"]
    named = {score.title: {*score.metrics.values()} & {*by.index} for score in VECTOR}
    return {"table": dataset, "evaluations": what} | {
        title: f"{by[min(metrics)]:.3f}" if metrics else "" for title, metrics in named.items()
    }


def _seconds(found: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"sampler": f"`{sampler}`"}
        | {
            str(steps): f"{part['prepare_s'].median():.1f} / {part['sample_s'].median():.1f}"
            for steps, part in of.groupby("steps")
        }
        for sampler, of in found.groupby("sampler")
    ]
