"""The scores by which few steps are judged, all of them, and by how much each may be worse than at all steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tabstep.data.table import Task
from tabstep.metrics.margins import C2ST, COVERAGE, RECALL, TREND, UTILITY, WASSERSTEIN
from tabstep.report.numbers.table import PRIMARY


@dataclass(frozen=True)
class Score:
    """One score of the vector.

    name     what tables call it
    title    what figures call it, and `short` what a terminal has room for
    metrics  the metric that it is, by kind of task
    best     the value that nothing needs to beat: of C2ST one half, as rows that cannot be told from real ones have it
    lower    whether values come down to `best`, or up to it
    margin   by how much a mean may be worse than that of all steps and still be kept, in the units of the score

    Where the margins come from is said in `metrics.margins`.
    """

    name: str
    title: str
    short: str
    metrics: Mapping[Task, str]
    best: float
    lower: bool
    margin: float

    def shortfall(self, value: float) -> float:
        """How far a value is from the best one, at least 0; what is beyond the best is as good as it. NaN of NaN."""
        off = value - self.best if self.lower else self.best - value
        return off if off > 0 or math.isnan(off) else 0.0


def _always(metric: str) -> dict[Task, str]:
    return dict.fromkeys(PRIMARY, metric)


VECTOR = (
    Score("efficacy", "efficacy (F1, R²)", "score", PRIMARY, 1.0, lower=False, margin=UTILITY),
    Score("c2st_xgboost", "C2ST (XGBoost)", "C2ST", _always("c2st_xgboost"), 0.5, lower=True, margin=C2ST),
    Score("wasserstein", "Wasserstein", "Wass.", _always("wasserstein"), 0.0, lower=True, margin=WASSERSTEIN),
    Score("trend_corrected", "Trend", "Trend", _always("trend_corrected"), 1.0, lower=False, margin=TREND),
    Score("beta_recall", "beta-recall", "recall", _always("beta_recall"), 1.0, lower=False, margin=RECALL),
    Score("coverage", "coverage", "cover", _always("coverage"), 1.0, lower=False, margin=COVERAGE),
)
"""Every one of these has to be kept before a budget is called enough; none decides alone."""

EFFICACY = VECTOR[0]
NAMES = tuple(score.name for score in VECTOR)
