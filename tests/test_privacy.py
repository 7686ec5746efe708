"""Privacy scores: copies are caught by each, fresh real rows pass each."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.metrics.dcr import dcr
from tabstep.metrics.membership import membership
from tabstep.metrics.space import embed, nearest

SCHEMA = Schema("regression", "y", ("a", "b"), ("c",))


def table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    c = rng.choice(np.array(["p", "q", "r"], dtype=object), n)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": c, "y": x[:, 2]})


TRAIN, HOLDOUT, FRESH = table(1500, 0), table(1500, 1), table(1500, 2)


def scores(synthetic: pd.DataFrame, seed: int = 0) -> dict[str, float]:
    return dcr(synthetic, TRAIN, HOLDOUT, SCHEMA, seed=seed) | membership(
        synthetic, TRAIN, HOLDOUT, SCHEMA, seed=seed
    )


def test_by_hand() -> None:
    schema = Schema("regression", "y", (), ("c",))
    train = pd.DataFrame({"c": ["p", "q"], "y": [0.0, 10.0]})
    holdout = pd.DataFrame({"c": ["p", "q"], "y": [5.0, 9.0]})
    synthetic = pd.DataFrame({"c": ["p", "p", "q"], "y": [0.0, 4.0, 6.0]})
    found = dcr(synthetic, train, holdout, schema, seed=0)
    # Distances to the training rows: (0, sqrt 2), (.4, sqrt 1.36), (.4, sqrt 1.36).
    assert found["dcr_median"] == pytest.approx(0.4)
    assert found["dcr_mean"] == pytest.approx(0.8 / 3)
    assert found["nndr"] == pytest.approx(0.4 / np.sqrt(1.36))
    assert found["dcr_share"] == pytest.approx(1 / 3)  # holdout at .5, .1, .3
    assert found["copies"] == pytest.approx(1 / 3)
    assert found["copies_expected"] == 0


def test_one_difference_of_labels_is_the_distance_one() -> None:
    row = TRAIN.iloc[[0]].assign(c="p")
    for other in ("q", "never seen"):
        gap = embed(row, TRAIN, SCHEMA) - embed(row.assign(c=other), TRAIN, SCHEMA)
        assert np.linalg.norm(gap) == pytest.approx(1)


def test_nearest_agrees_with_all_distances() -> None:
    from scipy.spatial.distance import cdist

    points, others = embed(FRESH[:200], TRAIN, SCHEMA), embed(TRAIN[:300], TRAIN, SCHEMA)
    np.testing.assert_allclose(
        nearest(points, others, 3), np.sort(cdist(points, others), 1)[:, :3], atol=1e-7
    )


def test_a_copy_is_caught_by_every_score() -> None:
    found = scores(TRAIN.sample(frac=1, random_state=7))
    for name in ("dcr_median", "dcr_mean", "nndr"):
        assert found[name] == 0
    assert found["copies"] == 1
    assert found["dcr_share"] > 0.99
    assert found["mia_auc"] > 0.99
    assert found["mia_tpr"] > 0.99


def test_fresh_real_rows_pass_every_score() -> None:
    found, usual = scores(FRESH), nearest(embed(HOLDOUT, TRAIN, SCHEMA), embed(TRAIN, TRAIN, SCHEMA))
    n = len(HOLDOUT) // 2
    assert found["dcr_median"] == pytest.approx(np.median(usual), rel=0.1)
    assert found["dcr_mean"] == pytest.approx(usual.mean(), rel=0.1)
    assert found["copies"] == found["copies_expected"] == 0
    assert found["nndr"] > 0.5
    assert found["dcr_share"] == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / len(FRESH)))
    assert found["mia_auc"] == pytest.approx(0.5, abs=4 * np.sqrt(1 / (6 * n)))
    assert found["mia_tpr"] < 0.04


def test_half_a_copy_lies_between() -> None:
    found = scores(pd.concat([TRAIN[:750], FRESH[:750]]))
    assert found["copies"] == pytest.approx(0.5)
    assert found["dcr_share"] == pytest.approx(0.75, abs=0.04)
    assert 0.65 < found["mia_auc"] < 0.95


def test_order_of_columns_and_units_do_not_matter() -> None:
    some = FRESH[:300]
    wanted = dcr(some, TRAIN, HOLDOUT, SCHEMA, seed=0)
    turned = Schema("regression", "y", ("b", "a"), ("c",))
    moved = [frame.assign(a=5 * frame["a"] - 2) for frame in (some, TRAIN, HOLDOUT)]
    assert dcr(*moved, turned, seed=0) == pytest.approx(wanted)
    # Matched sizes leave nothing to chance here, so rows may come in any order.
    shuffled = [frame.sample(frac=1, random_state=1) for frame in (some, TRAIN, HOLDOUT)]
    assert dcr(*shuffled, SCHEMA, seed=3) == pytest.approx(wanted)


def test_missing_numbers_are_far_from_present_ones() -> None:
    gone = TRAIN.iloc[[0]].assign(a=np.nan)
    assert nearest(embed(gone, TRAIN, SCHEMA), embed(TRAIN, TRAIN, SCHEMA))[0, 0] >= 1
    assert nearest(embed(gone, TRAIN, SCHEMA), embed(gone, TRAIN, SCHEMA))[0, 0] == 0
