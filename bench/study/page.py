"""The page of the study of samplers: Markdown tables, verdicts and figures, from records and measurements alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.numbers.table import PRIMARY, commit_of, csv
from tabstep.study import figures
from tabstep.study.claims import Claim, claims
from tabstep.study.markdown import pipes, reflow
from tabstep.study.samplers import REFERENCE, SMALL, best_grids, ranking, wide

Measured = Mapping[str, Sequence[Mapping[str, Any]]]


def write(records: Sequence[Record], results: pd.DataFrame, measured: Measured, folder: Path) -> list[Path]:
    """Write study.md, everything.csv, claims.csv and the figures into `folder`; return their paths."""
    table = wide(results)
    found = claims(table)
    written = [folder / "study.md", folder / "everything.csv", folder / "claims.csv"]
    store.replace(written[0], markdown(records, results, table, found, measured).encode())
    store.replace(written[1], csv(table).encode())
    store.replace(written[2], csv(pd.DataFrame([{**vars(c), "verdict": c.verdict} for c in found])).encode())
    return [*written, *figures.write(table, folder)]


def markdown(
    records: Sequence[Record],
    results: pd.DataFrame,
    table: pd.DataFrame,
    found: Sequence[Claim],
    measured: Measured,
) -> str:
    """The whole page."""
    sections = (
        _head(records, results),
        _short(found, table, measured["bounds"]),
        _verdicts(found),
        _theorem(measured["bounds"]),
        _default(table, measured["marginals"]),
        _best(table),
        _heads(measured["heads"]),
        _costs(table),
        _everything(table),
    )
    return "\n\n".join("\n".join(reflow(section)) for section in sections) + "\n"


def _head(records: Sequence[Record], results: pd.DataFrame) -> list[str]:
    env = records[0].env
    commits = ", ".join(sorted({commit_of(r.env, digits=12) for r in records}))
    levels = results[results["sampler"].isna() & (results["metric"] == results["task"].map(PRIMARY))]
    shown = [
        {"dataset": d, **{row["method"]: f"{row['mean']:.3f}" for row in part.to_dict("records")}}
        for d, part in levels.groupby("dataset")
    ]
    return [
        "# Samplers and grids",
        "",
        "One network of each kind, `tabddpm` and `iddpm` (objective `skip`), was trained for each table, shortly: the",
        "settings are in the records. Every sampler draws from it on every grid, at every budget, with two",
        "seeds. Scores",
        "are macro-F1 or R² of CatBoost (`fast` settings) trained on the rows drawn, early-stopped on the",
        "validation part;",
        "± is the standard deviation over sampling seeds. The bound is the NELBO of test rows, in nats per row.",
        "",
        f"Made at commit {commits}; {env.get('cpu', 'unknown CPU')}, {env['device']}, "
        f"{env['workers']} workers of {env['threads']} thread(s). All cells: `everything.csv`, `results.csv`.",
        "",
        *pipes(shown),
    ]


def _short(found: Sequence[Claim], table: pd.DataFrame, bounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the page says, in a few lines."""
    first = ranking(table).iloc[0]
    by = {
        word: sum(claim.verdict == word for claim in found)
        for word in ("holds", "does not hold", "undecided")
    }
    held = sorted({f"{c.text} (K = {c.steps})" for c in found if c.verdict == "holds"})
    gains = [
        min(v for g, v in part["fresh"]["10"].items() if g != "dp") - part["fresh"]["10"]["dp"]
        for part in bounds
    ]
    proved = sum(part["excess"] <= 1e-6 for part in bounds)
    return [
        "## In short",
        "",
        f"Of {len(found)} claims of papers, each at one budget, {by['holds']} hold on these tables,",
        f"{by['does not hold']} do not, and {by['undecided']} are undecided: five tables and one network each are few.",
        f"Held: {'; '.join(held)}.",
        "",
        f"At 5, 10 and 20 evaluations validation puts `{first['sampler']}` of `{first['method']}` on",
        f"`{first['grid']}` first: it keeps {first['test']:.1%} of the score of all steps on test rows,",
        f"{first['worst']:.1%} in its worst cell. The searched schedule has the least bound on its own rows for",
        f"{proved} of {len(bounds)} networks, as the theorem says; on fresh rows at K = 10 it gains for",
        f"{sum(gain > 0 for gain in gains)} of them.",
    ]


def _verdicts(found: Sequence[Claim]) -> list[str]:
    lines = [
        "## What the papers say, on these tables",
        "",
        "Mean difference over datasets [95 % t-interval over them]; positive speaks for the claim. *Points*",
        "are percent of",
        f"the score of `{REFERENCE[0]}` with `{REFERENCE[1]}` at T steps. Grids are chosen on validation, but",
        "`trailing`",
        "where learned variances are compared, which is done on one network, `iddpm`.",
        "",
    ]
    rows = []
    for text in dict.fromkeys(claim.text for claim in found):
        mine = [claim for claim in found if claim.text == text]
        cells = {
            f"K = {c.steps}": f"{c.difference:+.2f} [{c.low:+.2f}, {c.high:+.2f}] {c.verdict}" for c in mine
        }
        rows.append({"claim": text, "in": mine[0].unit, **cells})
    return [*lines, *pipes(rows)]


def _theorem(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "## The searched schedule",
        "",
        "On the table that it was searched on (512 validation rows, all T times as candidates) no other grid",
        "may have a",
        "smaller NELBO, at any budget from 1 to 100. *Excess* is the most by which one did: above rounding the theorem",
        "would be violated. The other columns are, on 512 test rows and other noise, the NELBO of the best",
        "fixed grid less",
        "that of the searched one: positive is a gain that carries over.",
        "",
    ]
    rows = []
    for part in measured:
        fresh = {
            f"K = {K}": f"{min(v for g, v in grids.items() if g != 'dp') - grids['dp']:+.2f}"
            for K, grids in part["fresh"].items()
            if K != "1"
        }
        verdict = "holds" if part["excess"] <= 1e-6 else "VIOLATED"
        rows.append(
            {
                "dataset": part["dataset"],
                "network": f"{part['method']}, {part['variance']}",
                "excess": f"{part['excess']:.1e} {verdict}",
                **fresh,
                "table": f"{part['seconds']:.0f} s, {part['calls']} calls",
            }
        )
    return [*lines, *pipes(rows)]


def _default(table: pd.DataFrame, measured: Sequence[Mapping[str, Any]]) -> list[str]:
    best = ranking(table)
    cells = pd.DataFrame(
        [{"method": m["method"], **c} for m in measured for c in m["cells"]],
        columns=["method", "sampler", "grid", "steps", "wasserstein", "spread"],
    )
    small = cells[cells["steps"].isin(SMALL)].groupby(["method", "sampler", "grid"])
    far, spread = small["wasserstein"].mean().to_dict(), small["spread"].mean().to_dict()
    real = [m["real"]["wasserstein"] for m in measured]
    shown = [
        {
            "place": i + 1,
            "method": row["method"],
            "sampler": row["sampler"],
            "grid": row["grid"],
            "validation": f"{row['val']:.1%}",
            "test": f"{row['test']:.1%}",
            "worst cell, test": f"{row['worst']:.1%}",
            "distance": f"{far.get(_pair(row), float('nan')):.4f}",
            "spread": f"{spread.get(_pair(row), float('nan')):.3f}",
        }
        for i, row in enumerate(best.to_dict("records"))
        if i < 12 or (row["sampler"], row["grid"]) in (("ancestral", "trailing"), ("ddim", "trailing"))
    ]
    return [
        "## The default at small budgets",
        "",
        "Part of the full-T score that is kept at K = 5, 10 and 20, mean over datasets; in the order of",
        "validation. Efficacy",
        "rewards samplers that shrink noise, so the numeric columns are shown beside it, mapped to their",
        "places among the",
        "training values: mean 1-Wasserstein distance to the test rows"
        + (f" ({sum(real) / len(real):.4f} for real training rows)," if real else ","),
        "and standard deviation in parts of the training rows' (1 is right).",
        "",
        *pipes(shown),
    ]


def _pair(row: Mapping[Any, Any]) -> tuple[str, str, str]:
    return row["method"], row["sampler"], row["grid"]


def _best(table: pd.DataFrame) -> list[str]:
    lines = [
        "## Test score by budget",
        "",
        "The grid of each cell, in brackets, has the best validation score.",
    ]
    lines += ["", "![Test score against network evaluations](budgets.png)"]
    chosen = best_grids(table)
    for dataset, part in chosen.groupby("dataset"):
        lines += ["", f"### {dataset}", "", *pipes(_by_steps(part, ["method", "sampler"], _score_and_grid))]
    return lines


def _heads(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "## What the categorical head means",
        "",
        "Networks for the categorical columns alone, given the label, trained like the others. Mean total variation of",
        "their head to the exact posterior under the training rows, read as leave-one-out or as full.",
        "",
    ]
    rows = [
        {
            "dataset": part["dataset"],
            "t": line["t"],
            "to leave-one-out": f"{line['to_loo']:.3f}",
            "to full": f"{line['to_full']:.3f}",
            "between the two": f"{line['loo_to_full']:.3f}",
        }
        for part in measured
        for line in part["head"]
    ]
    lines += [*pipes(rows), ""]
    lines += [
        "What a sampler loses when the head is taken for the full posterior, so that the conversion is left",
        "out: mean total",
        "variation of the joint tables of all pairs of categorical columns to those of the test rows (less",
        "is better), and",
        "the score on test for the mixed network. For comparison the same distance of real training rows,",
        "and of training",
        "rows whose columns were permuted by themselves.",
        "",
    ]
    rows = []
    for part in measured:
        done: dict[tuple[str, str, int], dict[str, str]] = {}
        for line in part["lost"]:
            key = (line["network"], line["sampler"], line["steps"])
            row = done.setdefault(
                key, {"dataset": part["dataset"], "network": key[0], "sampler": key[1], "K": str(key[2])}
            )
            row[f"pairs, {line['reading']}"] = f"{line['pairs']:.3f}"
            row[f"score, {line['reading']}"] = f"{line['score']:.3f}" if "score" in line else ""
        rows += done.values()
        rows += [
            {"dataset": part["dataset"], "network": what, "pairs, converted": f"{part[name]:.3f}"}
            for what, name in (("real rows", "pairs_of_real_rows"), ("independent", "pairs_if_independent"))
        ]
    return [*lines, *pipes(rows)]


def _costs(table: pd.DataFrame) -> list[str]:
    part = table[table["grid"] == "trailing"]
    medians = part.groupby(["method", "sampler", "steps"], as_index=False)[
        ["seconds", "nfe", "prepare_s"]
    ].median()
    prepared = table[table["grid"] == "dp"].groupby(["method", "sampler"])["prepare_s"].median()
    rows = _by_steps(medians, ["method", "sampler"], lambda row: f"{row['seconds']:.2f}")
    for row in rows:
        key = (row["method"], row["sampler"])
        row["prepare dp"] = f"{prepared[key]:.1f}" if key in prepared else ""
        last = medians[(medians["method"] == key[0]) & (medians["sampler"] == key[1])].iloc[-1]
        row["prepare at T"] = f"{last['prepare_s']:.1f}"
    return [
        "## Costs",
        "",
        "Seconds for 10,000 rows on the `trailing` grid, median over datasets, from cells that ran side by side: for",
        "comparing samplers, not as times of this machine. Evaluations of the network are K for every sampler here.",
        "",
        *pipes(rows),
    ]


def _everything(table: pd.DataFrame) -> list[str]:
    lines = ["## Every sampler on every grid", "", "![Part of the full-T score that is kept](grids.png)", ""]
    lines += ["![NELBO of test rows above that of all T steps](bounds.png)"]
    for dataset, part in table.groupby("dataset"):
        keys = ["method", "sampler", "grid"]
        lines += ["", f"### {dataset}: score on validation / test ± sd", ""]
        lines += pipes(_by_steps(part, keys, lambda row: f"{row['val_mean']:.3f} / {_score(row)}"))
        bounded = part[part["nelbo_mean"].notna()]
        lines += ["", f"### {dataset}: NELBO of test rows, nats per row", ""]
        lines += pipes(_by_steps(bounded, keys, lambda row: f"{row['nelbo_mean']:.2f}"))
    return lines


def _score(row: Mapping[str, Any]) -> str:
    return f"{row['score_mean']:.3f} ± {row['score_std']:.3f}"


def _score_and_grid(row: Mapping[str, Any]) -> str:
    return f"{_score(row)} ({row['grid']})"


def _by_steps(part: pd.DataFrame, keys: list[str], text: Any) -> list[dict[str, str]]:
    rows = []
    for key, group in part.groupby(keys, sort=True):
        cells = {f"K = {row['steps']}": text(row) for row in group.sort_values("steps").to_dict("records")}
        rows.append({**dict(zip(keys, map(str, key), strict=True)), **cells})
    return rows
