"""What is known of every score: which metric asks for it, where it must lie, and which end is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "expected"]


@dataclass(frozen=True)
class Fact:
    """Of one score.

    metric     that asks for it, as in `tabstep run --metric`; an evaluator's is its name, CatBoost's "efficacy"
    low, high  range of its values
    better     the end to rank by; "expected" is better the nearer it is to what fresh real rows have
    expected   that value, or the name of the score that says it; None where an end is better
    enough     a value before the end that nothing needs to beat: below it is as good as it. None where the end is meant
    """

    metric: str
    low: float
    high: float
    better: Better = "higher"
    expected: float | str | None = None
    enough: float | None = None


def _facts(metric: str, low: float, high: float, better: Better, *names: str) -> dict[str, Fact]:
    return dict.fromkeys(names, Fact(metric, low, high, better))


def _areas(metric: str, low: float, high: float, *names: str) -> dict[str, Fact]:
    """Areas under the curve of something that tells rows apart: one half is chance, and less is chance too."""
    return dict.fromkeys(names, Fact(metric, low, high, "lower", enough=0.5))


def _expected(metric: str, high: float, of: dict[str, float | str]) -> dict[str, Fact]:
    return {name: Fact(metric, 0, high, "expected", value) for name, value in of.items()}


ROWS: dict[str, Fact] = {
    **_facts("fidelity", 0, 1, "higher", "shape", "trend", "trend_corrected"),
    **_facts("fidelity", 0, 1, "lower", "jensen_shannon"),
    **_facts("fidelity", 0, 1e9, "lower", "wasserstein", "correlation_l2"),
    **_facts("dependence", 0, 1, "higher", "wnmis", "marginals_3"),
    **_facts("dependence", -100, 1, "higher", "marginals_3_expected"),
    **_facts("tails", 0, 1, "higher", "tail_1", "tail_99", "extremes", "point_masses"),
    **_expected("coverage", 1e9, {"density": 1.0}),
    **_facts("coverage", 0, 1, "higher", "coverage", "coverage_expected"),
    # 1 less twice an area of at most 1.
    **_facts("coverage", -1, 1, "higher", "alpha_precision", "beta_recall"),
    "beta_recall_published": Fact("coverage", -1, 1, "expected", 0.5),
    **_areas("detection", 0, 1, "c2st_logistic", "c2st_xgboost"),
    **_areas("detection", 0, 1, "c2st_logistic_train", "c2st_xgboost_train"),
    # Ends of an interval that is symmetric, and may reach beyond what it is of.
    **_areas("detection", -1, 2, "c2st_logistic_low", "c2st_logistic_high"),
    **_areas("detection", -1, 2, "c2st_xgboost_low", "c2st_xgboost_high"),
    **_facts("detection", 0, 1, "higher", "c2st_logistic_score", "c2st_xgboost_score"),
    **_facts("detection", 0, 1, "higher", "c2st_logistic_train_score", "c2st_xgboost_train_score"),
    **_facts("detection", 0, 1e9, "higher", "c2st_rows", "c2st_train_rows"),
    **_expected("privacy", 1e9, {"dcr_median": "dcr_median_expected", "dcr_mean": "dcr_mean_expected"}),
    **_expected(
        "privacy", 1, {"dcr_share": 0.5, "nndr": "nndr_expected", "authenticity": "authenticity_expected"}
    ),
    **_facts("privacy", 0, 1e9, "higher", "dcr_median_expected", "dcr_mean_expected"),
    **_facts("privacy", 0, 1, "higher", "nndr_expected", "authenticity_expected", "copies_expected"),
    **_facts("privacy", 0, 1, "lower", "copies", "mia_tpr", "mia_max_tpr"),
    **_areas("privacy", 0, 1, "mia_auc", "mia_auc_low", "mia_auc_high"),
    **_areas("privacy", 0, 1, "mia_closest", "mia_density", "mia_local", "mia_max"),
    **_facts("faults", 0, 1, "lower", "out_of_range", "unseen", "new_gaps", "fractions"),
    **_expected("faults", 1, {"duplicates": "duplicates_expected"}),
    **_facts("faults", 0, 1, "lower", "copies_exact"),
    **_facts("faults", 0, 1, "higher", "duplicates_expected", "precision_kept"),
    **_facts("utility", 0, 1, "higher", "global_utility"),
    **_facts("utility", 0, 1e9, "higher", "utility_columns"),
    **_facts("augmentation", -1e6, 1, "higher", "augment_10", "augment_100"),
    **_facts("augmentation", -1e6, 1, "higher", "augment_10_real", "augment_100_real"),
    **_facts("augmentation", -1e6, 1e6, "higher", "augment_10_gain", "augment_100_gain"),
    **_facts("rivals", 0, 1, "higher", "rivals_shape", "rivals_trend", "rivals_wnmis"),
    **_facts("rivals", 0, 1, "higher", "rivals_c2st_logistic", "rivals_c2st_xgboost"),
    **_facts("rivals", 0, 1e9, "higher", "rivals_rows"),
    **_facts("nelbo", -1e12, 1e12, "lower", "nelbo", "nelbo_numeric", "nelbo_categorical", "nll"),
}
"""Scores of rows, and the bound of a model."""

PAST = _facts("coverage", -1, 1, "higher", "alpha_precision_oc", "beta_recall_oc")
"""Scores that older records have and that are made no more."""

_RANGES: dict[str, tuple[float, float, Better]] = {
    "f1_macro": (0, 1, "higher"),
    "accuracy": (0, 1, "higher"),
    "roc_auc": (0, 1, "higher"),
    "r2": (-1e15, 1, "higher"),
    "rmse": (0, 1e15, "lower"),
}
_EVALUATED = re.compile(
    rf"(catboost|xgboost|mlp|simple)(?:(?<=simple)_(?:tree|forest|linear|mlp))?_({'|'.join(_RANGES)})(_val)?"
)


def fact(score: str) -> Fact:
    """What is known of a score. Raises KeyError for one that none of our metrics makes."""
    found = _EVALUATED.fullmatch(score)
    if found is None:
        known = ROWS | PAST
        if score not in known:
            raise KeyError(f"{score!r} is not a score that tabstep.metrics.facts knows; add it there")
        return known[score]
    evaluator, kind, validation = found.groups()
    metric = "validation" if validation else "efficacy" if evaluator == "catboost" else evaluator
    return Fact(metric, *_RANGES[kind])


def known(score: str) -> Fact | None:
    """What is known of a score, where one of our metrics makes it."""
    try:
        return fact(score)
    except KeyError:
        return None
