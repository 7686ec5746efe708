"""What is known of every score: which metric asks for it, where it must lie, and which end is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Fact:
    """Of one score.

    metric     that asks for it, as in `tabstep run --metric`; an evaluator's is its name, CatBoost's "efficacy"
    low, high  range of its values
    better     the end to rank by; of a share that should be one half, the nearer to it of what is seen
    """

    metric: str
    low: float
    high: float
    better: Better = "higher"


def _facts(metric: str, low: float, high: float, better: Better, *names: str) -> dict[str, Fact]:
    return dict.fromkeys(names, Fact(metric, low, high, better))


ROWS: dict[str, Fact] = {
    **_facts("fidelity", 0, 1, "higher", "shape", "trend", "trend_corrected"),
    **_facts("fidelity", 0, 1, "lower", "jensen_shannon"),
    **_facts("fidelity", 0, 1e9, "lower", "wasserstein", "correlation_l2"),
    **_facts("coverage", 0, 1e9, "higher", "density"),
    **_facts("coverage", 0, 1, "higher", "coverage"),
    # 1 less twice an area of at most 1.
    **_facts("coverage", -1, 1, "higher", "alpha_precision", "beta_recall"),
    **_facts("coverage", -1, 1, "higher", "alpha_precision_oc", "beta_recall_oc"),
    **_facts("detection", 0, 1, "lower", "c2st_logistic", "c2st_xgboost"),
    # Ends of an interval that is symmetric, and may reach beyond what it is of.
    **_facts("detection", -1, 2, "lower", "c2st_logistic_low", "c2st_logistic_high"),
    **_facts("detection", -1, 2, "lower", "c2st_xgboost_low", "c2st_xgboost_high"),
    **_facts("privacy", 0, 1e9, "higher", "dcr_median", "dcr_mean"),
    **_facts("privacy", 0, 1, "higher", "dcr_share", "nndr", "copies_expected"),
    **_facts("privacy", 0, 1, "lower", "copies", "mia_auc", "mia_tpr"),
    **_facts("faults", 0, 1, "lower", "out_of_range", "unseen", "new_gaps", "fractions", "duplicates"),
    **_facts("faults", 0, 1, "lower", "copies_exact"),
    **_facts("faults", 0, 1, "higher", "duplicates_expected"),
    **_facts("nelbo", -1e12, 1e12, "lower", "nelbo", "nelbo_numeric", "nelbo_categorical"),
}
"""Scores of rows, and the bound of a model."""

_RANGES: dict[str, tuple[float, float, Better]] = {
    "f1_macro": (0, 1, "higher"),
    "accuracy": (0, 1, "higher"),
    "roc_auc": (0, 1, "higher"),
    "r2": (-1e6, 1, "higher"),
    "rmse": (0, 1e12, "lower"),
}
_EVALUATED = re.compile(
    rf"(catboost|xgboost|mlp|simple)(?:(?<=simple)_(?:tree|forest|linear|mlp))?_({'|'.join(_RANGES)})(_val)?"
)


def fact(score: str) -> Fact:
    """What is known of a score. Raises KeyError for one that none of our metrics makes."""
    found = _EVALUATED.fullmatch(score)
    if found is None:
        if score not in ROWS:
            raise KeyError(f"{score!r} is not a score that tabstep.metrics.facts knows; add it there")
        return ROWS[score]
    evaluator, kind, validation = found.groups()
    metric = "validation" if validation else "efficacy" if evaluator == "catboost" else evaluator
    return Fact(metric, *_RANGES[kind])
