"""The study of samplers and grids: what is measured beside the suite `samplers`, and the numbers of its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pandas as pd

from tabstep.data import plain
from tabstep.data.completion import Completion
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import Diffusion
from tabstep.diffusion.nelbo import Variance
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job
from tabstep.metrics.catboost_trees import CatBoostParams, catboost_efficacy
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.report.numbers.table import PRIMARY
from tabstep.samplers.setting import Setting
from tabstep.study import bounds, heads, marginals

VERSION = 1  # raise when a measurement below changes

REFERENCE = ("tabddpm", "ancestral")  # at T steps: what a sampler with fewer steps should keep
HEAD_SAMPLERS = ("ancestral", "ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc-2")
HEAD_BUDGETS = (10, 100)
DRAWN = 4000


def measure(
    jobs: Sequence[Job], folder: Folder, say: Callable[[str], None]
) -> dict[str, list[dict[str, Any]]]:
    """Bounds and marginals of every fitted model, and the head of every table with categories; kept in files."""
    found: dict[str, list[dict[str, Any]]] = {"bounds": [], "heads": [], "marginals": []}
    models = {job.fit_key: job for job in jobs if job.cell.sampler is not None}
    for job in models.values():
        name = f"bounds-{job.cell.dataset}-{job.cell.method}"
        found["bounds"].append(_kept(folder, name, job, partial(_bounds, job, folder), say))
        name = f"marginals-{job.cell.dataset}-{job.cell.method}"
        same = [other for other in jobs if other.fit_key == job.fit_key]
        found["marginals"].append(_kept(folder, name, job, partial(_marginals, same, folder), say))
        if job.cell.method == "tabddpm" and len(job.source.load().schema.labels) > 1:
            name = f"heads-{job.cell.dataset}"
            found["heads"].append(_kept(folder, name, job, partial(_heads, job, folder), say))
    return found


def _kept(
    folder: Folder, name: str, job: Job, make: Callable[[], Mapping[str, Any]], say: Callable[[str], None]
) -> dict[str, Any]:
    path = folder.root / "study" / f"{name}.json"
    key = f"{job.fit_key}-v{VERSION}"
    try:
        found = plain.shaped(path, {"key": str})
        if found["key"] == key:
            return found
    except (OSError, plain.NotPlain):
        pass  # not measured yet, or damaged: it is measured again
    say(f"measuring {name.replace('-', ' ', 1)}")
    content = {
        "key": key,
        "dataset": job.cell.dataset,
        "method": job.cell.method,
        **make(),
        "env": environment() | {"device": job.device},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    store.replace(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
    return dict(json.loads(path.read_text(encoding="utf-8")))  # as it will be read: keys are text


def _bounds(job: Job, folder: Folder) -> dict[str, Any]:
    model, setting, test = _setting(job, folder)
    variance: Variance = "learned" if model.process.learned_variance else "analytic"
    some = State(
        test.x[: bounds.ROWS], test.c[: bounds.ROWS], None if test.y is None else test.y[: bounds.ROWS]
    )
    return bounds.measure(replace(setting, variance=variance), some, variance)


def _marginals(jobs: Sequence[Job], folder: Folder) -> dict[str, Any]:
    """Of the rows that the cells of one network have left."""
    dataset = jobs[0].source.load()
    columns = dataset.schema.numbers
    cells = []
    for job in jobs:
        path = folder.rows(job.cell)
        if path.exists():
            found = marginals.distances(pd.read_parquet(path), dataset.train, dataset.test, columns)
            cell = {name: getattr(job.cell, name) for name in ("sampler", "grid", "steps", "sample_seed")}
            cells.append({**cell, **found})
    real = dataset.train.sample(min(jobs[0].rows, len(dataset.train)), random_state=0)
    return {"cells": cells, "real": marginals.distances(real, dataset.train, dataset.test, columns)}


def _setting(job: Job, folder: Folder) -> tuple[Diffusion, Setting, State]:
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    model = Diffusion.load(folder.model(job), job.device)
    train, held, test = (
        model.encode(rows[model.encoder.known(rows)])
        for rows in (completion.forward(part) for part in (dataset.train, dataset.val, dataset.test))
    )
    return model, Setting(model.process, train=train, held=held, seed=job.cell.train_seed), test


def _heads(job: Job, folder: Folder) -> dict[str, Any]:
    """On a network for the categories alone, whose posterior is known, and on the mixed one of the suite."""
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    schema = replace(completion.inner, numeric=(), integer=frozenset())
    columns = list(schema.columns)
    train, test = (completion.forward(part)[columns] for part in (dataset.train, dataset.test))
    alone = TabDDPM(**job.settings).fit(train, schema, seed=job.cell.train_seed, device=job.device)
    encoded = alone.encode(train)
    T = alone.schedule.T
    mixed, setting, _ = _setting(job, folder)
    lost: list[dict[str, Any]] = []
    for which, model, at in (
        ("alone", alone, Setting(alone.process, train=encoded)),
        ("mixed", mixed, setting),
    ):
        for sampler in HEAD_SAMPLERS:
            for K in HEAD_BUDGETS:
                for reading, rows in heads.drawn(model, at, sampler, K, DRAWN, seed=0):
                    line = {"network": which, "sampler": sampler, "steps": K, "reading": reading}
                    line["pairs"] = heads.pair_distance(rows, test, schema.labels)
                    if which == "mixed":
                        scores = catboost_efficacy(
                            completion.inverse(rows), dataset, seed=0, params=CatBoostParams.fast()
                        )
                        line["score"] = scores[PRIMARY[dataset.schema.task]]
                    lost.append(line)
    sample = train.sample(DRAWN, replace=len(train) < DRAWN, random_state=0)
    return {
        "columns": len(schema.labels),
        "head": heads.distances(alone, encoded, (T // 20, T // 4, T // 2, 3 * T // 4)),
        "lost": lost,
        "pairs_of_real_rows": heads.pair_distance(sample, test, schema.labels),
        "pairs_if_independent": heads.pair_distance(heads.independent(sample, seed=0), test, schema.labels),
    }


def wide(results: pd.DataFrame) -> pd.DataFrame:
    """One row per (dataset, method, sampler, grid, steps): scores on both parts, bound and costs.

    score_*  the primary metric on the test part, val_* on the validation part (mean and std over single scores)
    kept     `score_mean` in parts of that of ancestral sampling with T steps of TabDDPM
    seconds  of drawing 10,000 rows, in proportion to the rows that were drawn
    """
    keys = ["dataset", "task", "method", "sampler", "grid", "steps"]
    sampled = results[results["sampler"].notna() & results["metric"].notna()]
    primary = sampled["task"].map(PRIMARY)
    table = sampled.drop_duplicates(keys).set_index(keys)[["rows", "nfe", "prepare_s", "sample_s"]]
    for name, metric in (("score", primary), ("val", primary + "_val"), ("nelbo", "nelbo")):
        part = sampled[sampled["metric"] == metric].set_index(keys)
        table[f"{name}_mean"], table[f"{name}_std"] = part["mean"], part["std"]
    table = table.reset_index()
    table["seconds"] = table["sample_s"] / table["rows"] * 10_000
    full = table.groupby("dataset")["steps"].transform("max") == table["steps"]
    wanted = full & (table["method"] == REFERENCE[0]) & (table["sampler"] == REFERENCE[1])
    table["kept"] = table["score_mean"] / table["dataset"].map(
        table[wanted].set_index("dataset")["score_mean"]
    )
    return table


def best_grids(table: pd.DataFrame) -> pd.DataFrame:
    """Of `wide`, for every (dataset, method, sampler, steps) the grid with the best validation score."""
    scored = table[table["val_mean"].notna()]
    best = scored.groupby(["dataset", "method", "sampler", "steps"])["val_mean"].idxmax()
    return scored.loc[best].reset_index(drop=True)


SMALL = (5, 10, 20)  # the budgets that the default sampler is chosen at


def ranking(table: pd.DataFrame, budgets: Sequence[int] = SMALL) -> pd.DataFrame:
    """Every (method, sampler, grid) by its validation score over datasets and small budgets, best first.

    `val` and `test` are means of the parts of full-T scores kept: of the validation and of the test score of the
    reference. One that misses a dataset or a budget is left out.
    """
    full = table[(table["method"] == REFERENCE[0]) & (table["sampler"] == REFERENCE[1])]
    full = full.loc[full.groupby("dataset")["steps"].idxmax()].set_index("dataset")
    part = table[table["steps"].isin(list(budgets))].copy()
    part["val"] = part["val_mean"] / part["dataset"].map(full["val_mean"])
    groups = part.groupby(["method", "sampler", "grid"])
    out = groups[["val", "kept"]].mean().rename(columns={"kept": "test"})
    out["worst"] = groups["kept"].min()
    complete = groups["val"].count() == part["dataset"].nunique() * len(budgets)
    return out[complete].sort_values("val", ascending=False).reset_index()
