"""Every score that we make is known, with its metric, its range and its better end."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tabstep.data.sources import load
from tabstep.metrics import rows
from tabstep.metrics.facts import ROWS, fact
from tabstep.records import store

RESULTS = Path(__file__).resolve().parents[1] / "results"


@pytest.mark.whole
@pytest.mark.parametrize("group", rows.GROUPS)
def test_each_group_makes_the_scores_that_are_known_of_it(group: str) -> None:
    dataset = load("mlc-churn")
    found = rows.GROUPS[group](dataset.train.head(400), dataset)
    assert set(found) == {name for name, known in ROWS.items() if known.metric == group}
    for name, value in found.items():
        assert math.isfinite(value)
        assert fact(name).low <= value <= fact(name).high, name


@pytest.mark.whole
def test_scores_of_the_records_here_are_known_and_in_range() -> None:
    """What we publish, we would take from others."""
    seen = set()
    for folder in sorted(RESULTS.glob("*/runs")):
        for record in store.read_all(folder)[0]:
            for name, values in record.scores.items():
                seen.add(name)
                assert all(fact(name).low <= value <= fact(name).high for value in values), (
                    record.cell,
                    name,
                )
    assert {"nelbo", "catboost_r2", "catboost_rmse_val", "simple_tree_f1_macro", "shape"} <= seen


@pytest.mark.parametrize(
    ("score", "metric", "better"),
    [
        ("catboost_rmse", "efficacy", "lower"),
        ("catboost_rmse_val", "validation", "lower"),
        ("xgboost_r2", "xgboost", "higher"),
        ("simple_forest_f1_macro", "simple", "higher"),
        ("nelbo_categorical", "nelbo", "lower"),
        ("alpha_precision_oc", "coverage", "higher"),
        ("dcr_share", "privacy", "expected"),
    ],
)
def test_evaluators_and_bounds(score: str, metric: str, better: str) -> None:
    assert (fact(score).metric, fact(score).better) == (metric, better)


@pytest.mark.parametrize(
    "score", ["catboost_", "catboost_f1", "mine_r2", "catboost_tree_r2", "shape_val", ""]
)
def test_what_none_of_us_makes_is_not_known(score: str) -> None:
    with pytest.raises(KeyError):
        fact(score)


def test_what_should_be_as_of_fresh_rows_names_what_that_is() -> None:
    for name, known in ROWS.items():
        assert (known.better == "expected") == (known.expected is not None)
        if isinstance(known.expected, str):
            assert fact(known.expected).metric == known.metric, name
    assert fact("dcr_share").expected == 0.5
    assert fact("density").expected == 1


def test_groups_at_their_first_version_leave_keys_as_they_were() -> None:
    assert rows.version(("efficacy", "fidelity", "nelbo")) == 1
    later = rows.version(("efficacy", "fidelity", "privacy"))
    assert later == {"privacy": rows.VERSIONS["privacy"]}
    assert set(rows.VERSIONS) == set(rows.GROUPS)
