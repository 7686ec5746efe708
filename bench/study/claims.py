"""What the papers say of samplers and grids, held against the numbers of the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.study.paired import Difference
from tabstep.study.samplers import best_grids


@dataclass(frozen=True)
class Claim:
    """`first` against `second`, in the mean over datasets with a 95 % t-interval over them.

    difference  in points of the full score kept (100 = all of it), or nats per row; positive speaks for the claim
    """

    text: str
    steps: int
    unit: str
    difference: float
    low: float
    high: float
    datasets: int

    @property
    def verdict(self) -> str:
        return "holds" if self.low > 0 else "does not hold" if self.high < 0 else "undecided"


Pick = Mapping[str, str]


def claims(table: pd.DataFrame) -> list[Claim]:
    """What the papers say of samplers, on these tables; grids by validation but where the bound is compared."""
    chosen = best_grids(table)
    trailing = table[table["grid"] == "trailing"]
    learned, small, large = (
        {"method": "iddpm", "sampler": s} for s in ("learned", "ancestral-small", "ancestral")
    )
    tab = {
        s: {"method": "tabddpm", "sampler": s}
        for s in ("ancestral", "ancestral-small", "analytic", "ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc-2")
    }
    asked: list[tuple[str, str, pd.DataFrame, Pick, Pick, str]] = [
        (
            "learned variances have a better bound than small ones",
            "nats",
            trailing,
            learned,
            small,
            "nelbo_mean",
        ),
        (
            "learned variances have a better bound than large ones",
            "nats",
            trailing,
            learned,
            large,
            "nelbo_mean",
        ),
        (
            "analytic variances have a better bound than small ones",
            "nats",
            trailing,
            tab["analytic"],
            tab["ancestral-small"],
            "nelbo_mean",
        ),
        ("learned variances score better than small ones", "points", trailing, learned, small, "kept"),
        ("learned variances score better than large ones", "points", trailing, learned, large, "kept"),
        (
            "large variances score better than small ones",
            "points",
            chosen,
            tab["ancestral"],
            tab["ancestral-small"],
            "kept",
        ),
        ("DPM-Solver++(2M) scores better than DDIM", "points", chosen, tab["dpmpp-2m"], tab["ddim"], "kept"),
        ("UniPC-2 scores better than DDIM", "points", chosen, tab["unipc-2"], tab["ddim"], "kept"),
        (
            "SDE-DPM-Solver++(2M) scores better than DDIM",
            "points",
            chosen,
            tab["dpmpp-2m-sde"],
            tab["ddim"],
            "kept",
        ),
        (
            "DDIM scores better than ancestral sampling",
            "points",
            chosen,
            tab["ddim"],
            tab["ancestral"],
            "kept",
        ),
    ]
    found = []
    for text, unit, part, first, second, column in asked:
        for steps in (2, 5, 10, 20, 50):
            a, b = (_column(part, pick, steps, column) for pick in (first, second))
            difference = ((b - a) if column == "nelbo_mean" else 100 * (a - b)).dropna()
            if len(difference) > 1:
                found.append(_claim(text, steps, unit, difference.to_numpy(float)))
    return found


def _column(part: pd.DataFrame, pick: Pick, steps: int, column: str) -> pd.Series:
    mask = part["steps"] == steps
    for name, value in pick.items():
        mask &= part[name] == value
    return part[mask].set_index("dataset")[column]


def _claim(text: str, steps: int, unit: str, difference: np.ndarray) -> Claim:
    low, high = Difference(difference).interval
    return Claim(text, steps, unit, float(difference.mean()), low, high, len(difference))
