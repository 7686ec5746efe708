"""What steps buy: the budget that is enough, and the points that nothing beats in quality and cost at once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from tabstep.report.table import CEILING, PRIMARY

BASE = "ancestral"  # the sampler whose full-T score is the measure
ENTRANT = ["suite", "dataset", "method", "params", "sampler", "grid"]
ENOUGH = [*ENTRANT, "full_steps", "full_score", "tolerance", "enough", "speedup", "time_ratio", "score"]


def steps_to_equal_quality(results: pd.DataFrame) -> pd.DataFrame:
    """For each sampler and grid of each fitted method the budget K* that is enough, with the columns `ENOUGH`.

    enough      the smallest budget whose mean score is at most `tolerance` below `full_score`, and that of all larger
                budgets of the sampler as well; missing where there is none
    full_score  mean of `ancestral` at its most steps, `full_steps`, of the same method, settings and dataset
    tolerance   standard deviation of that over seeds (all single scores, pooled)
    speedup     full_steps / enough, in network evaluations asked for; time_ratio: the same of the seconds to draw

    Where the ancestral sampler was not run, or once only, there is no row.
    """
    rows = []
    primary = results[results["metric"] == results["task"].map(PRIMARY)]
    scored = primary[primary["mean"].notna() & primary["steps"].notna()]
    for key, fitted in scored.groupby(ENTRANT[:4], sort=True):
        base = fitted[fitted["sampler"] == BASE]
        if base.empty:
            continue
        full = base.iloc[int(base["steps"].astype(int).to_numpy().argmax())]
        if pd.isna(full["std"]):
            continue
        for (sampler, grid), part in fitted.groupby(["sampler", "grid"], sort=True, dropna=False):
            # At all steps every grid is one path, which is run once and belongs to each grid.
            whole = fitted[(fitted["sampler"] == sampler) & (fitted["steps"] == full["steps"])]
            ladder = pd.concat([part, whole]).drop_duplicates("steps").sort_values("steps")
            good = (ladder["mean"] >= full["mean"] - full["std"]).to_numpy()
            onwards = np.logical_and.accumulate(good[::-1])[::-1]
            line = {
                **dict(zip(ENTRANT, (*key, sampler, grid), strict=True)),
                "full_steps": int(full["steps"]),
                "full_score": full["mean"],
                "tolerance": full["std"],
            }
            if onwards.any():
                first = ladder.iloc[int(onwards.argmax())]
                line |= {
                    "enough": int(first["steps"]),
                    "speedup": full["steps"] / first["steps"],
                    "time_ratio": full["sample_s"] / first["sample_s"] if first["sample_s"] else None,
                    "score": first["mean"],
                }
            rows.append(line)
    return pd.DataFrame(rows, columns=ENOUGH).astype({"enough": "Int64"})


def pareto(cost: Iterable[float], quality: Iterable[float]) -> np.ndarray:
    """Which points (n,) bool no other one beats: none is as cheap and as good, and better in one of the two."""
    c, q = np.array([*cost], float), np.array([*quality], float)
    better = (c[:, None] <= c) & (q[:, None] >= q) & ((c[:, None] < c) | (q[:, None] > q))
    return np.asarray(~better.any(0))


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
    """Points of quality and seconds of each dataset: one row per group with the primary metric.

    on_front        whether nothing is as fast and as good; seconds are to prepare and to draw, `real` is no method
    hypervolume     of the points of the method and sampler that the row belongs to, in parts of the box from the
                    lowest score of the dataset to its highest, over the logarithm of seconds, from the fastest to
                    ten times the slowest, so that the slowest has an area too
    """
    primary = results[results["metric"] == results["task"].map(PRIMARY)]
    points = primary[primary["mean"].notna() & (primary["method"] != CEILING)].copy()
    points["seconds"] = points["prepare_s"].fillna(0) + points["sample_s"]
    points = points[points["seconds"] > 0]
    columns = [*ENTRANT, "steps", "nfe", "mean", "std", "seconds", "on_front", "hypervolume"]
    if points.empty:
        return pd.DataFrame(columns=columns)
    names = ["method", "params", "sampler", "grid"]
    points["entrant"] = points[names].fillna("").agg(" ".join, axis=1)
    out = []
    for _, part in points.groupby(["suite", "dataset"], sort=True):
        log = np.log10(part["seconds"])
        corner = float(log.max()) + 1, float(part["mean"].min())
        box = (corner[0] - log.min()) * (part["mean"].max() - corner[1])
        area = {
            name: hypervolume(log[of.index], of["mean"], corner) / box if box else 0.0
            for name, of in part.groupby("entrant")
        }
        on_front = pareto(part["seconds"], part["mean"])
        out.append(part.assign(on_front=on_front, hypervolume=part["entrant"].map(area)))
    return pd.concat(out)[columns].reset_index(drop=True)
