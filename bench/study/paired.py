"""Differences between two ways on the same tables, which are the sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from tabstep.records.store import Record
from tabstep.report.numbers.compare import DUST
from tabstep.report.numbers.table import PRIMARY

Values = Mapping[str, float]
"""One number a table, by its name."""


def by_table(records: Iterable[Record], metric: str, **cell: Any) -> Values:
    """By table the mean over seeds of a metric, "efficacy" being that of the task, of the cells with these values."""
    found: dict[str, list[float]] = {}
    for r in records:
        if r.status == "ok" and all(getattr(r.cell, name) == value for name, value in cell.items()):
            scores = r.scores.get(PRIMARY[r.task] if metric == "efficacy" else metric)
            if scores:
                found.setdefault(r.cell.dataset, []).append(float(np.mean(scores)))
    return {dataset: float(np.mean(scores)) for dataset, scores in found.items()}


@dataclass(frozen=True)
class Difference:
    """`first` less `second` in the mean over tables, with a 95 % t-interval over them, which holds all where nothing
    scatters."""

    values: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        mean = float(self.values.mean())
        # Differences of scores round by parts of the scores, which are of the size of 1 or less.
        if len(self.values) < 2 or self.values.std() <= DUST * max(float(np.abs(self.values).max()), 1.0):
            return -np.inf, np.inf
        half = float(stats.t.ppf(0.975, len(self.values) - 1) * stats.sem(self.values))
        return mean - half, mean + half

    @property
    def told(self) -> bool:
        """Whether it is told from none."""
        low, high = self.interval
        return bool(low > 0 or high < 0)

    def __str__(self) -> str:
        if not len(self.values):
            return ""
        low, high = self.interval
        number = f"{self.values.mean():+.3f}"
        if len(self.values) < 2:
            return f"{number} (one table)"
        if not np.isfinite(low):
            return f"{number} (no scatter)"
        marked = f"**{number}**" if self.told else number
        return f"{marked} [{low:+.3f}, {high:+.3f}]"


def difference(first: Values, second: Values) -> Difference:
    """On the tables that both have."""
    return Difference(np.array([first[name] - second[name] for name in sorted({*first} & {*second})]))
