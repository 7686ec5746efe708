"""Tables of results: pure functions of the records, the same bytes for the same records."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from tabstep.data.table import Task
from tabstep.records import where
from tabstep.records.store import Cell, Record
from tabstep.report.numbers.marks import copied

PRIMARY: dict[Task, str] = {
    "binclass": "catboost_f1_macro",
    "multiclass": "catboost_f1_macro",
    "regression": "catboost_r2",
}
CEILING = "real"  # the method that hands out the real training rows
REAL_ROWS = (
    CEILING,
    "bootstrap",
    "holdout",
)  # hand out real rows: measures of the others, and no competitors
FLOORS = ("marginals", "mixture")  # what a table gives without a network, in seconds

GROUP = ("suite", "dataset", "method", "params", "sampler", "grid", "steps")
RESULTS = (
    *("suite", "dataset", "task", "method", "params", "sampler", "grid", "steps", "nfe"),
    *("metric", "mean", "std", "low", "high", "n_train_seeds", "n_sample_seeds", "n_eval_seeds"),
    *("rows", "fit_s", "prepare_s", "sample_s", "status", "reason", "commit", "all_steps", "mark", "device"),
)
COUNTS = ("n_train_seeds", "n_sample_seeds", "n_eval_seeds")
SPREAD = (*GROUP, "metric", *COUNTS, "std_train", "std_sample", "std_eval", "boot_low", "boot_high")
BOOTSTRAPS = 1000

Scores = list[list[list[float]]]  # train seed, sampling seed, evaluator seed


def results(records: Iterable[Record]) -> pd.DataFrame:
    """One row per (suite, dataset, method, params, sampler, grid, steps, metric), with the columns `RESULTS`.

    A *cell* is one training and one sampling seed; its *unit mean* is the mean over evaluator seeds.

    mean            mean over training seeds of the mean over sampling seeds of the unit means
    std             sample standard deviation of all single scores, pooled; empty for one score
    low, high       95 % t-interval of `mean`, from the means along the topmost seed axis with more than one
                    level (training, else sampling, else evaluator); empty for one score
    n_train_seeds   training seeds with a score; n_sample_seeds and n_eval_seeds: the most sampling seeds of
                    one training seed, the most scores of one cell
    nfe, rows, fit_s, prepare_s, sample_s    median over the cells that are ok
    status          ok; partial: some cells of the group, or this metric in some of them, are missing, and
                    `reason` says how many of how many; failed or skipped: no cell is ok, then there is one
                    row with an empty metric
    commit          of the code, 12 digits, `-dirty` where changed, `unknown` outside of a checkout
    all_steps       time steps of the network, T, as the method's settings say; empty where they do not
    mark            what is to be said of rows that are copies of training rows (`marks.copied`); else empty
    device          that drew the rows: `cpu`, or the name of a GPU; where there are several, seconds are empty, and
                    `fit_s` is where another one trained

    Methods without steps have empty sampler, grid, steps and nfe. Raises ValueError for two records of one
    cell, and for records of one dataset that were made from different data.
    """
    rows = [row for group in _groups(records) for row in _rows(group)]
    table = pd.DataFrame(rows, columns=list(RESULTS))
    numbers = ("nfe", "mean", "std", "low", "high", "rows", "fit_s", "prepare_s", "sample_s")
    whole = dict.fromkeys(COUNTS, "int64")
    return table.astype(
        {"steps": "Int64", "all_steps": "Int64", **whole, **dict.fromkeys(numbers, "float64")}
    )


def spread(records: Iterable[Record]) -> pd.DataFrame:
    """Where the scatter comes from: one row per group and metric, with the columns `SPREAD`.

    Scores are modelled as nested random effects, score = mean + training + sampling + evaluation, and the
    three standard deviations are estimated from means, level by level:

    std_eval^2    pooled variance of scores within a cell
    std_sample^2  pooled variance of cell means within a training seed, less the part that evaluation explains
    std_train^2   variance of the training seeds' means, less the part that the two lower levels explain

    boot_low, boot_high are the 95 % interval of the mean by hierarchical bootstrap (`bootstrap`).

    A negative estimate is 0. An axis with one level everywhere has an empty value, and its variance, which
    cannot be told apart, is contained in that of the next axis above.
    """
    rows = [
        {
            **_key(group[0].cell),
            "metric": metric,
            **_counts(scores),
            **_components(scores),
            **bootstrap(scores),
        }
        for group in _groups(records)
        for metric, scores in _nested(group)
    ]
    numbers = dict.fromkeys(("std_train", "std_sample", "std_eval", "boot_low", "boot_high"), "float64")
    whole = dict.fromkeys(COUNTS, "int64")
    return pd.DataFrame(rows, columns=list(SPREAD)).astype({"steps": "Int64", **whole, **numbers})


def csv(table: pd.DataFrame) -> str:
    """The table as text: empty where missing, 12 significant digits, whole numbers without a point."""
    buffer = StringIO()
    table.to_csv(buffer, index=False, float_format="%.12g", lineterminator="\n")
    return buffer.getvalue()


def _groups(records: Iterable[Record]) -> list[list[Record]]:
    """Records that differ in seeds only, both levels in a fixed order."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    seen: set[Cell] = set()
    first: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: _order(record.cell)):
        cell = record.cell
        if cell in seen:
            raise ValueError(f"two records of one cell, {cell}: report one run at a time")
        seen.add(cell)
        if record.dataset_digest is not None:
            other = first.setdefault(cell.dataset, record)
            if (other.dataset_digest, other.task) != (record.dataset_digest, record.task):
                raise ValueError(
                    f"the records of {cell.dataset} are from different data, {other.dataset_digest} "
                    f"({other.task}) and {record.dataset_digest} ({record.task}): run the older cells again"
                )
        groups.setdefault(tuple(_key(cell).values()), []).append(record)
    return list(groups.values())


def _key(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in GROUP}


def _order(cell: Cell) -> tuple[Any, ...]:
    names = (cell.suite, cell.dataset, cell.method, cell.params, cell.sampler or "", cell.grid or "")
    return (*names, cell.steps or 0, cell.train_seed, cell.sample_seed)


def _rows(group: list[Record]) -> Iterator[dict[str, Any]]:
    done = [record for record in group if record.status == "ok"]
    common = {
        **_key(group[0].cell),
        "task": group[0].task,
        "all_steps": _all_steps(group),
        **{name: _median(done, name) for name in ("nfe", "rows")},
        **_seconds(done),
        "commit": "+".join(sorted({commit_of(record.env, digits=12) for record in group})),
        "mark": copied(done),
        "device": "+".join(_devices(done)) or None,
    }
    status, reason = _status(group, done)
    nested = list(_nested(group))
    if not nested:
        yield {**common, "metric": None, **dict.fromkeys(COUNTS, 0), "status": status, "reason": reason}
    for metric, scores in nested:
        cells = sum(len(samples) for samples in scores)
        gap = None if cells == len(done) else f"{metric} in {cells} of {len(done)} cells that are ok"
        yield {
            **common,
            "metric": metric,
            **_summary(scores),
            **_counts(scores),
            "status": "partial" if gap else status,
            "reason": "; ".join(filter(None, (reason, gap))) or None,
        }


def _devices(done: list[Record]) -> list[str]:
    return sorted({where.drew(record) or "unknown" for record in done})


def _seconds(done: list[Record]) -> dict[str, float | None]:
    """Of each stage, where they are all of one device."""
    drew = _devices(done)
    trained = sorted({where.trained(record) or "unknown" for record in done})
    known = {"fit_s": trained == drew, "prepare_s": True, "sample_s": True}
    return {name: _median(done, name) if same and len(drew) == 1 else None for name, same in known.items()}


def _all_steps(group: list[Record]) -> int | None:
    """T of the settings of the first record that says a usable one: records may be of strangers."""
    for record in group:
        method = record.settings.get("method")
        T = method.get("T") if isinstance(method, dict) and record.cell.steps is not None else None
        if type(T) is int and 0 < T < 2**31:
            return T
    return None


def _status(group: list[Record], done: list[Record]) -> tuple[str, str | None]:
    """Status of a group, and how many of its cells are missing for which reasons."""
    missing = [record for record in group if record.status != "ok"]
    if not missing:
        return "ok", None
    reasons = "; ".join(sorted({record.reason or "" for record in missing}))
    kinds = Counter(record.status for record in missing)
    if not done and len(kinds) == 1:
        return missing[0].status, reasons
    counted = ", ".join(f"{kinds[kind]} of {len(group)} {kind}" for kind in sorted(kinds))
    return ("partial" if done else "failed"), f"{counted}: {reasons}"


def _nested(group: list[Record]) -> Iterator[tuple[str, Scores]]:
    """Each metric with its scores, in the order of names and seeds; failed and skipped cells have no say."""
    done = [record for record in group if record.status == "ok"]
    for metric in sorted({metric for record in done for metric, values in record.scores.items() if values}):
        by_training: dict[int, list[list[float]]] = {}
        for record in done:
            if record.scores.get(metric):
                by_training.setdefault(record.cell.train_seed, []).append(record.scores[metric])
        yield metric, list(by_training.values())


def _counts(scores: Scores) -> dict[str, int]:
    samples = max(len(training) for training in scores)
    evaluations = max(len(unit) for training in scores for unit in training)
    return dict(zip(COUNTS, (len(scores), samples, evaluations), strict=True))


def _summary(scores: Scores) -> dict[str, float]:
    units = [[statistics.fmean(unit) for unit in training] for training in scores]
    trainings = [statistics.fmean(training) for training in units]
    pooled = [score for training in scores for unit in training for score in unit]
    mean = statistics.fmean(trainings)
    summary = {"mean": mean}
    if len(pooled) > 1:
        summary["std"] = statistics.stdev(pooled)
        axis = next(level for level in (trainings, units[0], scores[0][0]) if len(level) > 1)
        half = quantile(len(axis) - 1) * statistics.stdev(axis) / np.sqrt(len(axis))
        summary |= {"low": mean - half, "high": mean + half}
    return summary


@cache
def quantile(freedom: int) -> float:
    """Of t, for a 95 % interval: asked for once a line of a table, for a few different numbers."""
    return float(stats.t.ppf(0.975, freedom))


def _components(scores: Scores) -> dict[str, float | None]:
    units = [[statistics.fmean(unit) for unit in training] for training in scores]
    trainings = [statistics.fmean(training) for training in units]
    within_unit = _pooled_variance([unit for training in scores for unit in training])
    within_training = _pooled_variance(units)
    between = statistics.variance(trainings) if len(trainings) > 1 else None

    evaluation = within_unit or 0.0
    of_unit_mean = [
        [evaluation / len(unit) for unit in training] for training in scores
    ]  # (training, sampling)
    sampling = None
    if within_training is not None:
        # Only training seeds with several samples speak here, each in proportion to its degrees of freedom.
        weights = [len(training) - 1 for training in scores]
        explained = np.average([statistics.fmean(part) for part in of_unit_mean], weights=weights)
        sampling = max(0.0, within_training - float(explained))
    training_variance = None
    if between is not None:
        of_training_mean = [
            statistics.fmean(part) / len(part) + (sampling or 0.0) / len(part) for part in of_unit_mean
        ]
        training_variance = max(0.0, between - statistics.fmean(of_training_mean))
    variances = {"std_train": training_variance, "std_sample": sampling, "std_eval": within_unit}
    return {name: None if value is None else value**0.5 for name, value in variances.items()}


def bootstrap(scores: Scores) -> dict[str, float | None]:
    """`boot_low` and `boot_high`: percentiles of the mean when training seeds are drawn anew, in each of them sampling
    seeds, and in each of those evaluator seeds.

    With few levels it is too narrow, by sqrt((n - 1) / n) and the missing tails of t; the t-interval is the one of the
    results table. None for one score.
    """
    samples = np.array([len(training) for training in scores])
    most = max(len(unit) for training in scores for unit in training)
    if samples.max() * len(scores) * most == 1:
        return {"boot_low": None, "boot_high": None}
    evaluations = np.ones((len(scores), samples.max()), dtype=int)
    values = np.zeros((len(scores), samples.max(), most))
    for i, training in enumerate(scores):
        for j, unit in enumerate(training):
            evaluations[i, j] = len(unit)
            values[i, j, : len(unit)] = unit
    rng = np.random.default_rng(0)
    t = rng.integers(len(scores), size=(BOOTSTRAPS, len(scores)))
    n_s = samples[t]
    s = (rng.random((*t.shape, samples.max())) * n_s[..., None]).astype(int)
    n_e = evaluations[t[..., None], s]
    e = (rng.random((*s.shape, most)) * n_e[..., None]).astype(int)
    drawn = values[t[..., None, None], s[..., None], e]
    unit_means = np.where(np.arange(most) < n_e[..., None], drawn, 0).sum(-1) / n_e
    training_means = np.where(np.arange(samples.max()) < n_s[..., None], unit_means, 0).sum(-1) / n_s
    low, high = np.percentile(training_means.mean(-1), [2.5, 97.5])
    return {"boot_low": float(low), "boot_high": float(high)}


def _pooled_variance(groups: list[list[float]]) -> float | None:
    """Squared deviations from each group's own mean over the degrees of freedom; None without any."""
    freedom = sum(len(group) - 1 for group in groups)
    if freedom == 0:
        return None
    return sum(statistics.variance(group) * (len(group) - 1) for group in groups if len(group) > 1) / freedom


def _median(records: list[Record], name: str) -> float | None:
    values = [value for record in records if (value := getattr(record, name)) is not None]
    return float(statistics.median(values)) if values else None


def commit_of(env: dict[str, Any], *, digits: int = 40) -> str:
    commit = env.get("commit")
    return f"{commit[:digits]}{'-dirty' if env.get('dirty') else ''}" if commit else "unknown"
