"""The scores by which few steps are judged, all of them, and by how much each may be worse than at all steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tabstep.data.table import Task
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

    Margins are constants: scores that scatter more must not be allowed more. Each is three times the deviation over
    training seeds that `ancestral` has at 20 evaluations or more in `results/example` (0.010 for C2ST, 0.0016 for
    Wasserstein, 0.0010 for Trend, 0.006 for beta-recall, 0.004 for coverage, 0.002 for R2), rounded up to 1, 2, 3 or 5
    of a decimal; three, because dozens of means have to keep it at once. F1 scatters by 0.010 and has no more than the
    0.01 of R2: what is 1 % worse is not equal.
    """

    name: str
    title: str
    short: str
    metrics: Mapping[Task, str]
    best: float
    lower: bool
    margin: float

    def shortfall(self, value: float) -> float:
        """How far a value is from the best one, at least 0; what is beyond the best is as good as it."""
        return max(0.0, value - self.best if self.lower else self.best - value)


def _always(metric: str) -> dict[Task, str]:
    return dict.fromkeys(PRIMARY, metric)


VECTOR = (
    Score("efficacy", "efficacy (F1, R²)", "score", PRIMARY, best=1.0, lower=False, margin=0.01),
    Score(
        "c2st_xgboost", "C2ST (XGBoost)", "C2ST", _always("c2st_xgboost"), best=0.5, lower=True, margin=0.03
    ),
    Score("wasserstein", "Wasserstein", "Wass.", _always("wasserstein"), best=0.0, lower=True, margin=0.005),
    Score(
        "trend_corrected", "Trend", "Trend", _always("trend_corrected"), best=1.0, lower=False, margin=0.005
    ),
    Score("beta_recall", "beta-recall", "recall", _always("beta_recall"), best=1.0, lower=False, margin=0.02),
    Score("coverage", "coverage", "cover", _always("coverage"), best=1.0, lower=False, margin=0.02),
)
"""Every one of these has to be kept before a budget is called enough; none decides alone."""

EFFICACY = VECTOR[0]
NAMES = tuple(score.name for score in VECTOR)
