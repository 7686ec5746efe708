"""The results table for people: Markdown files and a terminal, one table per dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tabstep.records import store, where
from tabstep.records.store import Record
from tabstep.report.numbers.floors import marked
from tabstep.report.numbers.table import CEILING, GROUP, PRIMARY, commit_of, csv, results, spread
from tabstep.report.numbers.vector import NAMES, VECTOR
from tabstep.report.pages.markdown import table_of

ONE_NETWORK = "with * of one training seed, so of that network and not of the method"
RIGHT = ("steps", "score", "95 %", "% of real", *NAMES, "nfe", "fit s", "prepare s", "sample s")


def write(records: Sequence[Record], folder: Path) -> list[Path]:
    """Write results.csv, spread.csv and results.md into `folder`, each whole or not at all; return paths."""
    if not records:
        raise ValueError(f"there are no records to report in {folder}: run the suite first")
    table = results(records)
    texts = {
        "results.csv": csv(table),
        "spread.csv": csv(spread(records)),
        "results.md": markdown(records, table),
    }
    for name, text in texts.items():
        store.replace(folder / name, text.encode())
    return [folder / name for name in texts]


def markdown(records: Sequence[Record], table: pd.DataFrame) -> str:
    """`table`, the results of `records`, for reading: how it was made, then one table per dataset."""
    lines = ["# Results", "", *header(records)]
    for title, part in _per_dataset(table):
        lines += ["", f"## {title}", ""]
        lines += table_of([_line(row) for row in part], RIGHT)
    if lost := _unscored(records):
        lines += ["", "## Scores that could not be computed", "", *table_of(lost, ("cells",))]
    return "\n".join(lines) + "\n"


def _unscored(records: Sequence[Record]) -> list[dict[str, str]]:
    """Groups of scores that cells went without, and why: one row for each dataset, method and reason."""
    cells = Counter(
        (record.cell.suite, record.cell.dataset, record.cell.method, record.cell.params, str(name), str(why))
        for record in records
        if isinstance(lost := record.settings.get("unscored"), dict)
        for name, why in lost.items()
    )
    columns = ("suite", "dataset", "method", "params", "scores", "reason")
    return [dict(zip(columns, key, strict=True)) | {"cells": str(n)} for key, n in sorted(cells.items())]


def show(table: pd.DataFrame, console: Console) -> None:
    """Print the results `table` on a terminal of 80 columns or more: one table per dataset.

    A method whose settings are not its defaults carries their label. A row without a score has its status there.
    Preparation has a column where a sampler needs a tenth of a second or more for it.
    """
    for title, part in _per_dataset(table):
        costs = {"fit s": "fit_s", "prep s": "prepare_s", "draw s": "sample_s"}
        if max((row["prepare_s"] or 0.0 for row in part), default=0.0) < 0.1:
            del costs["prep s"]
        others = [score for score in VECTOR if score.name in part[0]["vector"]]
        if others:  # then these need the room
            costs = {"draw s": "sample_s"}
        padding = (0, 0 if others else 1, 0, 0)
        view = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=padding)
        beside = [score.short for score in others] or ["% real", "nfe"]
        view.add_column("method", no_wrap=True)
        view.add_column("sampler")  # the one that folds where the terminal is narrow
        for name in ("steps", "score", *beside, *costs):
            view.add_column(name, justify="right", no_wrap=True)
        for row in part:
            line = _line(row)
            name = row["method"] if row["params"] == "default" else f"{row['method']} {line['params']}"
            score = row["status"]
            if row["mean"] is not None:
                scatter = "" if row["std"] is None or others else f"±{row['std']:.3f}"
                score = f"{row['mean']:.3f}{scatter}"
            cells = [name, f"{line['sampler']} {line['grid']}".strip(), line["steps"], score]
            shown = [row["vector"][of.name] for of in others]
            cells += ["" if value is None else f"{value:.3f}" for value in shown]
            cells += [] if others else [line["% of real"], line["nfe"]]
            cells += ["" if row[stage] is None else f"{row[stage]:.2f}" for stage in costs.values()]
            view.add_row(*(Text(cell) for cell in cells))
        console.print(view)
        for row in part:
            name = " ".join(str(row[column]) for column in GROUP[2:] if row[column] is not None)
            if row["reason"]:
                reason = " ".join(row["reason"].split())
                console.print(Text(f"{name}: {row['status']}, {reason}"), style="dim")
            if row["mark"]:
                console.print(Text(f"{name}: {row['mark']}"), style="yellow")


def _per_dataset(table: pd.DataFrame) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Title and rows of each dataset: of each group the row of the primary metric, with `of_real` in percent.

    A group without that metric has its row too, without a score. `of_real` is None unless the dataset has
    exactly one ceiling, above 0. `vector` has the means of the other scores of the vector that any group has.
    """
    several = table["suite"].nunique() > 1
    for (suite, dataset), part in table.groupby(["suite", "dataset"], sort=True):
        primary = PRIMARY[part["task"].iloc[0]]
        others = {score.name: score.metrics[part["task"].iloc[0]] for score in VECTOR}
        others = {name: metric for name, metric in others.items() if metric != primary}
        there = set(part.loc[part["mean"].notna(), "metric"])
        rows = []
        for _, group in part.groupby(list(GROUP[2:]), sort=False, dropna=False):
            means = {metric: mean for metric, mean in zip(group["metric"], group["mean"], strict=True)}
            chosen = group[group["metric"] == primary]
            scored = not chosen.empty
            values = (chosen if scored else group).iloc[0].to_dict()
            row = {str(name): None if pd.isna(value) else value for name, value in values.items()}
            if not scored:
                row |= {"mean": None, "std": None, "low": None, "high": None}
            row["vector"] = {name: means.get(metric) for name, metric in others.items() if metric in there}
            rows.append(row)
        ceilings = [row["mean"] for row in rows if row["method"] == CEILING and row["mean"] is not None]
        ceiling = ceilings[0] if len(ceilings) == 1 and ceilings[0] > 0 else None
        for row in rows:
            row["of_real"] = None if ceiling is None or row["mean"] is None else 100 * row["mean"] / ceiling
        yield f"{dataset}{f', suite {suite}' if several else ''} ({primary})", rows


def _line(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a row as text."""
    score = "" if row["mean"] is None else f"{row['mean']:.4f}"
    return {
        **{name: "" if row[name] is None else str(row[name]) for name in GROUP[2:]},
        "method": marked(row["method"]),
        "steps": "" if row["steps"] is None else f"{row['steps']:g}",  # a float in a table read from CSV
        "score": score if row["std"] is None else f"{score} ± {row['std']:.4f}",
        "95 %": "" if row["low"] is None else f"{row['low']:.4f} .. {row['high']:.4f}{of_one(row)}",
        "% of real": "" if row["of_real"] is None else f"{row['of_real']:.1f}",
        **{name: "" if mean is None else f"{mean:.4f}" for name, mean in row["vector"].items()},
        "nfe": "" if row["nfe"] is None else f"{row['nfe']:g}",
        **{f"{stage} s": seconds(row[f"{stage}_s"]) for stage in ("fit", "prepare", "sample")},
        "status": "; ".join(
            part
            for part in (f"{row['status']}: {row['reason']}" if row["reason"] else row["status"], row["mark"])
            if part
        ),
    }


def of_one(row: Mapping[str, Any]) -> str:
    """The mark of an interval that leaves the chance of training out."""
    return " *" if row["n_train_seeds"] == 1 else ""


def seconds(value: float | None) -> str:
    """Three significant digits, and nothing finer than a tenth of a millisecond."""
    if value is None:
        return ""
    if 0 < value < 0.00005:
        return "<0.0001"
    return f"{value:.0f}" if value >= 100 else f"{round(value, 4):.3g}"


def header(records: Sequence[Record]) -> list[str]:
    """How records were made, as lines of a Markdown list: suite, commits, days, machines, seeds, evaluators."""
    commits = sorted({commit_of(record.env) for record in records})
    days = sorted(datetime.fromisoformat(record.created).date().isoformat() for record in records)
    machines = sorted({_machine(record.env) for record in records})
    seeds = {
        "training": {record.cell.train_seed for record in records},
        "sampling": {record.cell.sample_seed for record in records},
        "evaluator": {seed for record in records for seed in record.eval_seeds},
    }
    lines = [
        f"- Suite: {', '.join(sorted({record.cell.suite for record in records}))}; {len(records)} cells, "
        + ", ".join(f"{n} {status}" for status, n in sorted(Counter(r.status for r in records).items())),
        f"- Commit: {', '.join(commits)}",
        f"- Made: {days[0] if days[0] == days[-1] else f'{days[0]} to {days[-1]}'} (UTC)",
        f"- Hardware: {'; '.join(machines)}",
        "- Seeds: "
        + "; ".join(f"{name} {', '.join(map(str, sorted(values)))}" for name, values in seeds.items()),
        f"- Evaluator: {'; '.join(sorted({_evaluators(record) for record in records}))}",
        "- Score: mean ± standard deviation of all single scores; 95 %: t-interval over the topmost kind of seed with "
        f"more than one; {ONE_NETWORK}; % of real: against training on the real rows; seconds: median over cells.",
    ]
    dirty = sum(record.env.get("dirty") is True for record in records)
    unknown = sum(commit_of(record.env) == "unknown" for record in records)
    notes = []
    if dirty:
        notes.append(f"{dirty} of {len(records)} records were made with uncommitted changes in the code.")
    if unknown:
        notes.append(f"{unknown} of {len(records)} records do not know the commit of their code.")
    if len(commits) > 1:
        notes.append(f"The records were made by {len(commits)} states of the code.")
    return lines + [line for note in notes for line in ("", f"> **Note.** {note}")]


def _evaluators(record: Record) -> str:
    """Each evaluator and where its parameters come from."""
    beside = record.settings.get("beside", {})
    found = {"CatBoost": record.settings.get("evaluator", {}), **beside}
    return ", ".join(
        f"{name}, parameters {params.get('source', 'unknown')}" for name, params in found.items()
    )


def _machine(env: dict[str, Any]) -> str:
    memory = env.get("memory_bytes")
    parts = [
        where.processor(env),
        f"{env['cores']} logical cores" if env.get("cores") else None,
        f"{memory / 2**30:.0f} GiB" if memory else None,
        env.get("gpu") or "no GPU",
        f"{env['torch_threads']} torch threads" if env.get("torch_threads") else None,
    ]
    return ", ".join(part for part in parts if part)
