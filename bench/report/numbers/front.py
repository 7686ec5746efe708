"""Quality and cost at once: the points that nothing beats, by each score of the vector and by all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from tabstep.report.numbers.budget import ENTRANT
from tabstep.report.numbers.table import REAL_ROWS
from tabstep.report.numbers.vector import VECTOR

FRONT = [
    *ENTRANT,
    "steps",
    "nfe",
    "score",
    "mean",
    "std",
    "seconds",
    "on_front",
    "on_front_of_all",
    "hypervolume",
]


def pareto(cost: Iterable[float], quality: Iterable[Any]) -> np.ndarray:
    """Which points (n,) bool no other one beats: none is as cheap and as good, and better in one of these.

    quality  (n,) or (n, k), higher is better; a point that lacks one, or its cost, is not among them and beats none
    """
    c, q = np.array([*cost], float), np.array([*quality], float)
    q = q.reshape(len(c), -1)
    cheap, good = c[:, None] <= c, (q[:, None] >= q).all(-1)  # nothing compares with NaN
    better = cheap & good & ((c[:, None] < c) | (q[:, None] > q).any(-1))
    return np.asarray(~better.any(0) & np.isfinite(c) & ~np.isnan(q).any(-1))


def hypervolume(cost: Iterable[float], quality: Iterable[float], corner: tuple[float, float]) -> float:
    """Area that points dominate, up to the corner (most cost, least quality); points beyond it count for nothing."""
    most, least = corner
    inside = [(c, q) for c, q in zip(cost, quality, strict=True) if c < most and q > least]
    area, reached = 0.0, least
    for c, q in sorted(inside):
        if q > reached:
            area += (most - c) * (q - reached)
            reached = q
    return area


def front(results: pd.DataFrame) -> pd.DataFrame:
    """Points of quality and seconds: a row for each score of the vector and group, with the columns `FRONT`.

    Seconds of two devices are not compared: each device that drew on a dataset has a front of its own.

    seconds         to prepare and to draw; a point without them, or with none, is no point, and real rows are no method
    on_front        whether nothing on the dataset is as fast and as good by this score
    on_front_of_all whether nothing is as fast and as good by every score of the vector that the dataset has; a point
                    that lacks one is not
    hypervolume     of this score and the method and sampler that the row belongs to, in parts of the box from the
                    worst score of the dataset to its best, over the logarithm of seconds, from the fastest to ten times
                    the slowest, so that the slowest has an area too; missing where all scores are one
    """
    points = _points(results)
    out = []
    for _, part in points.groupby(["suite", "dataset", "device"], sort=True):
        wide = part.pivot(index="point", columns="score", values="quality")
        cost = part.groupby("point")["seconds"].first()[wide.index]
        of_all = dict(zip(wide.index, pareto(cost, wide.to_numpy()), strict=True))
        log = np.log10(part["seconds"])
        corner = float(log.max()) + 1
        for _, of in part.groupby("score", sort=False):
            worst = float(of["quality"].min())
            box = (corner - log.min()) * (of["quality"].max() - worst)
            area = {
                entrant: hypervolume(log[points.index], points["quality"], (corner, worst)) / box
                if box
                else math.nan
                for entrant, points in of.groupby("entrant")
            }
            on_front = pareto(of["seconds"], of["quality"])
            out.append(
                of.assign(
                    on_front=on_front,
                    on_front_of_all=of["point"].map(of_all),
                    hypervolume=of["entrant"].map(area),
                )
            )
    return pd.concat(out)[FRONT].reset_index(drop=True) if out else pd.DataFrame(columns=FRONT)


def without_seconds(results: pd.DataFrame) -> int:
    """How many points have a score of the vector and no seconds, and so are not in `front`."""
    metrics = {metric for score in VECTOR for metric in score.metrics.values()}
    scored = results[
        results["metric"].isin(metrics) & results["mean"].notna() & ~results["method"].isin(REAL_ROWS)
    ]
    free = scored[~(scored["prepare_s"].fillna(0) + scored["sample_s"] > 0)]
    return len(free.drop_duplicates([*ENTRANT, "steps"]))


def _points(results: pd.DataFrame) -> pd.DataFrame:
    """A row for each group with a score of the vector, its name, and `quality`, which is better where it is higher."""
    results = results.reset_index(drop=True)
    seconds = results["prepare_s"].fillna(0) + results["sample_s"]
    there = results[results["mean"].notna() & ~results["method"].isin(REAL_ROWS) & (seconds > 0)]
    if "status" in there:  # failing on hard seeds is no merit
        there = there[there["status"] != "partial"]
    there = there.assign(seconds=seconds[there.index])
    names = ["method", "params", "sampler", "grid"]
    there["entrant"] = [" ".join(row) for row in there[names].astype(object).fillna("").to_numpy()]
    there["point"] = [
        f"{entrant} {steps}" for entrant, steps in zip(there["entrant"], there["steps"], strict=True)
    ]
    found = []
    for score in VECTOR:
        of = there[there["metric"] == there["task"].map(score.metrics)]
        found.append(of.assign(score=score.name, quality=[-score.shortfall(value) for value in of["mean"]]))
    return pd.concat(found)
