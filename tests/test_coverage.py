"""Coverage, detection and faults: closed forms, what fresh real rows score, what a broken sampler does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.metrics.areas import area_interval
from tabstep.metrics.coverage import NEIGHBOURS, balls, coverage, expected_coverage, support
from tabstep.metrics.detection import detection
from tabstep.metrics.faults import faults
from tabstep.metrics.space import Points, embed

SCHEMA = Schema("regression", "y", ("a", "b"), ("c",), frozenset({"b"}))


def table(n: int, seed: int, spread: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    c = rng.choice(np.array(["p", "q", "r"], dtype=object), n, p=[0.6, 0.3, 0.1])
    a = spread * rng.normal(size=n) + (c == "p")
    return pd.DataFrame({"a": a, "b": rng.integers(0, 50, n), "c": c, "y": a + 0.3 * rng.normal(size=n)})


TRAIN, REAL, FRESH = table(2000, 0), table(1500, 1), table(1500, 2)


def shuffled(rows: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame({c: rows[c].to_numpy()[rng.permutation(len(rows))] for c in rows.columns})


def scores(synthetic: pd.DataFrame) -> dict[str, float]:
    return coverage(synthetic, REAL, TRAIN, SCHEMA, seed=0)


def test_balls_by_hand() -> None:
    real = np.array([[0.0], [1], [2], [3], [4], [5], [6]])
    # The fifth neighbour of 0 and of 6 is 5 away, of 1 and 5 it is 4, of 2 and 4 it is 3, of 3 it is 3.
    found = balls(Points(real), Points(np.array([[-4.5], [3.0], [100.0]])))
    assert found["density"] == pytest.approx((1 + 7 + 0) / (5 * 3))
    assert found["coverage"] == 1
    assert balls(Points(real), Points(np.array([[-4.5], [100.0]])))["coverage"] == pytest.approx(1 / 7)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 200, 1), (200, 50, 3), (50, 200, 10)])
def test_fresh_rows_cover_as_much_as_the_closed_form_says(n: int, m: int, d: int) -> None:
    rng = np.random.default_rng(0)
    found = [
        balls(Points(rng.normal(size=(n, d)) ** 3), Points(rng.normal(size=(m, d)) ** 3)) for _ in range(60)
    ]
    for name, wanted in (("coverage", expected_coverage(n, m)), ("density", 1.0)):
        values = [f[name] for f in found]
        assert abs(np.mean(values) - wanted) < 4 * np.std(values) / 60**0.5 + 1e-9


@pytest.mark.whole
def test_the_support_of_a_ball() -> None:
    rng = np.random.default_rng(0)
    x = Points(rng.normal(size=(4000, 3)))

    def found(y: np.ndarray) -> dict[str, float]:
        return support(x, Points(y))

    fresh = found(rng.normal(size=(4000, 3)))
    assert fresh["alpha_precision"] > 0.97
    assert fresh["beta_recall"] > 0.93
    # The first neighbour is as often real as synthetic, so half of the real rows count.
    assert fresh["beta_recall_published"] == pytest.approx(0.5, abs=0.03)
    # All at the centre: inside every support, so the curve is 1 everywhere; none of it reaches the outskirts.
    point = found(1e-6 * rng.normal(size=(4000, 3)))
    assert point["alpha_precision"] < 0.05
    assert point["beta_recall"] < 0.05
    far = found(rng.normal(size=(4000, 3)) + 20)
    assert far["alpha_precision"] == pytest.approx(0, abs=1e-3)
    wide = found(1.5 * rng.normal(size=(4000, 3)))
    assert wide["alpha_precision"] < 0.75


def test_the_published_recall_is_what_its_authors_code_says() -> None:
    """Row by row, with the 30 values of beta that they take."""
    rng = np.random.default_rng(3)
    real, synthetic = rng.normal(size=(300, 2)), 0.8 * rng.normal(size=(300, 2))
    betas = np.linspace(0, 1, 30)
    centre = synthetic.mean(0)
    hits, far = [], []
    for i, row in enumerate(real):
        to_real = min(np.linalg.norm(row - other) for j, other in enumerate(real) if j != i)
        nearest_one = min(synthetic, key=lambda s: np.linalg.norm(row - s))
        hits.append(np.linalg.norm(row - nearest_one) <= to_real)
        far.append(np.linalg.norm(nearest_one - centre))
    reach = np.quantile(far, betas)
    curve = np.array([np.mean(np.array(hits) & (np.array(far) <= r)) for r in reach])
    wanted = 1 - np.abs(betas - curve).sum() / betas.sum()
    found = support(Points(real), Points(synthetic))["beta_recall_published"]
    assert found == pytest.approx(wanted, abs=0.02)


def test_fresh_real_rows_pass_and_marginals_do_not() -> None:
    fresh, broken = scores(FRESH), scores(shuffled(TRAIN))
    expected = expected_coverage(1500, 1500)
    assert fresh["coverage"] == pytest.approx(expected, abs=0.02)
    assert fresh["density"] == pytest.approx(1, abs=0.1)
    for name in ("alpha_precision", "beta_recall"):
        assert fresh[name] > 0.8, name
    assert broken["coverage"] < expected - 0.1
    assert broken["density"] < 0.8


def test_a_shrunken_sampler_has_precision_without_recall() -> None:
    narrow = scores(table(1500, 2, spread=0.3))
    assert narrow["density"] > 0.95
    assert narrow["coverage"] < expected_coverage(1500, 1500) - 0.1


def test_few_rows_cover_little_even_as_copies() -> None:
    few = coverage(REAL.head(12), REAL, TRAIN, SCHEMA, seed=0)
    assert few["coverage"] < 0.1
    assert few["beta_recall"] < 0.2
    fresh = coverage(FRESH.head(150), REAL, TRAIN, SCHEMA, seed=0)
    assert fresh["coverage_expected"] == pytest.approx(expected_coverage(1500, 150))
    assert fresh["coverage"] == pytest.approx(fresh["coverage_expected"], abs=0.05)


@pytest.mark.parametrize("n", [pytest.param(400, marks=pytest.mark.slow), 3000])
def test_row_and_column_order_do_not_matter(n: int) -> None:
    """Also where a part of the rows is drawn, and by which rows share a fold."""
    synthetic = table(n, 2)
    rng = np.random.default_rng(0)
    turned = Schema("regression", "y", ("b", "a"), ("c",), frozenset({"b"}))
    frames = [
        f.sample(frac=1, random_state=rng.integers(99))[["y", "c", "b", "a"]]
        for f in (synthetic, REAL, TRAIN)
    ]
    assert coverage(*frames, turned, seed=0) == pytest.approx(
        coverage(synthetic, REAL, TRAIN, SCHEMA, seed=0), abs=1e-9
    )
    wanted = detection(synthetic, REAL, TRAIN, SCHEMA, seed=0)
    assert detection(*frames, SCHEMA, seed=0) == pytest.approx(wanted, abs=1e-6)


def test_units_do_not_matter() -> None:
    scale = lambda f: f.assign(a=3 * f["a"] - 7)  # noqa: E731
    base = coverage(FRESH, REAL, TRAIN, SCHEMA, seed=0)
    assert coverage(scale(FRESH), scale(REAL), scale(TRAIN), SCHEMA, seed=0) == pytest.approx(base, abs=1e-9)


@pytest.mark.whole
def test_detection_of_nothing_of_marginals_and_of_a_shift() -> None:
    def found(rows: pd.DataFrame) -> dict[str, float]:
        return detection(rows, REAL, TRAIN, SCHEMA, seed=0)

    fresh = found(FRESH)
    for name in ("c2st_logistic", "c2st_xgboost"):
        assert abs(fresh[name] - 0.5) < 0.04
        assert fresh[f"{name}_low"] < fresh[name] < fresh[f"{name}_high"]
        assert fresh[f"{name}_high"] - fresh[f"{name}_low"] < 0.06
    broken = found(shuffled(TRAIN))
    assert broken["c2st_xgboost_low"] > 0.6
    assert broken["c2st_logistic"] < 0.55  # every column by itself is right
    shifted = found(FRESH.assign(a=FRESH["a"] + 1))
    assert shifted["c2st_logistic_low"] > 0.6
    for one in (fresh, broken, shifted):
        for name in ("c2st_logistic", "c2st_xgboost", "c2st_logistic_train", "c2st_xgboost_train"):
            assert one[f"{name}_score"] == pytest.approx(1 - (2 * max(one[name], 0.5) - 1))
    assert (fresh["c2st_rows"], fresh["c2st_train_rows"]) == (1500, 1500)
    assert found(FRESH.head(200))["c2st_train_rows"] == 200
    # Copies pass against the rows that they are copies of.
    assert found(TRAIN)["c2st_xgboost_train_score"] > 0.97


@pytest.mark.whole
def test_the_interval_of_an_area_holds_it() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        label = np.repeat([0, 1], 60)
        score = rng.normal(size=120) + label  # area Phi(1 / sqrt 2)
        area, low, high = area_interval([(label, score)])
        assert area == pytest.approx(roc_auc_score(label, score))
        held += low <= 0.7602 <= high
    assert 0.91 < held / 300 < 0.985


def test_faults_by_hand() -> None:
    train = pd.DataFrame(
        {"a": [0.0, 1.0, 1.0, np.nan], "b": [1, 2, 2, 3], "c": ["p", "q", "q", None], "y": [0.0, 1, 1, 2]}
    )
    rows = pd.DataFrame(
        {
            "a": [0.0, 2.0, np.nan, 0.5, 0.5],
            "b": [1.0, 2.5, 3, np.nan, 1],
            "c": ["p", "z", None, "p", "p"],
            "y": [0.0, 1, 2, 1, 1],
        }
    )
    assert faults(rows, train, SCHEMA) == {
        "out_of_range": 0.2,
        "unseen": 0.2,
        "new_gaps": 0.2,  # in b, not in a, which has gaps in training
        "fractions": 0.2,
        "duplicates": 0.0,
        "duplicates_expected": 0.25,
        "copies_exact": 0.4,  # the first row, and the third with its gaps
    }
    twice = faults(pd.concat([rows, rows]), train, SCHEMA)
    assert twice["duplicates"] == 0.5
    assert faults(train, train, SCHEMA)["copies_exact"] == 1


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 7 rows, got 6"):
        coverage(FRESH.head(6), REAL, TRAIN, SCHEMA, seed=0)
    with pytest.raises(ValueError, match="needs 10 rows, got 9"):
        detection(FRESH.head(9), REAL, TRAIN, SCHEMA, seed=0)


@pytest.mark.parametrize(("shift", "rho"), [pytest.param(0.2, 0.0, marks=pytest.mark.slow), (0.5, 0.8)])
def test_logistic_detection_agrees_with_sdmetrics(shift: float, rho: float) -> None:
    """The public score on the scale 1 - (2 area - 1), with folds, scaling and encoding of its own."""
    pytest.importorskip("sdmetrics")
    from sdmetrics.single_table import LogisticDetection

    schema = Schema("binclass", "y", ("a", "b", "c"), ("k",))

    def rows(seed: int, shift: float = 0.0, rho: float = 0.8) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        z = rng.normal(size=(1500, 3))
        b = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
        kinds, labels = (rng.choice(list(found), 1500) for found in ("uvw", "np"))
        return pd.DataFrame({"a": z[:, 0] + shift, "b": b, "c": np.exp(z[:, 2]), "k": kinds, "y": labels})

    real, train, synthetic = rows(1), rows(2), rows(3, shift, rho)
    columns = {name: {"sdtype": "categorical" if name in "ky" else "numerical"} for name in real}
    np.random.seed(0)  # noqa: NPY002  its folds are drawn from here
    theirs = LogisticDetection.compute(real, synthetic, {"columns": columns})
    ours = detection(synthetic, real, train, schema, seed=0)["c2st_logistic_score"]
    assert ours == pytest.approx(theirs, abs=0.02)


def test_equal_distances_are_equal_whatever_their_last_bits() -> None:
    """Rows of labels alone: a ball has many rows at its edge, which are all in it."""
    columns = tuple("abcdefghijkl")
    schema = Schema("binclass", "a", (), columns[1:])
    rng = np.random.default_rng(0)
    real, synthetic = (
        pd.DataFrame({c: rng.choice(np.array(["p", "q", "r", "s"], object), 300) for c in columns})
        for _ in range(2)
    )
    apart = [(real.to_numpy()[:, None] != side.to_numpy()[None]).sum(2) for side in (real, synthetic)]
    held = apart[1] <= np.sort(apart[0], 1)[:, NEIGHBOURS, None]
    found = balls(*(embed(side, real, schema) for side in (real, synthetic)))
    assert found["density"] == pytest.approx(held.sum() / (NEIGHBOURS * 300))
    assert found["coverage"] == held.any(1).mean()


@pytest.mark.whole
@pytest.mark.parametrize(("d", "fresh", "narrow"), [(2, 0.975, 0.89), (10, 0.734, 0.841), (20, 0.543, 0.612)])
def test_beta_recall_of_fresh_rows_falls_with_columns_and_narrow_rows_may_have_more(
    d: int, fresh: float, narrow: float
) -> None:
    """What the page of scores says of it: not 1, of as many normal rows; and more with a tenth less spread."""
    names = [f"c{i}" for i in range(d)]
    schema = Schema("regression", "c0", tuple(names[1:]), ())

    def rows(n: int, seed: int) -> pd.DataFrame:
        return pd.DataFrame(np.random.default_rng(seed).normal(size=(n, d)), columns=names)

    for spread, expected in ((1.0, fresh), (0.9, narrow)):
        found = [
            coverage(spread * rows(1000, 3 * s + 2), rows(1000, 3 * s + 1), rows(2000, 3 * s), schema, seed=0)
            for s in range(4)
        ]
        assert np.mean([scores["beta_recall"] for scores in found]) == pytest.approx(expected, abs=0.01)
