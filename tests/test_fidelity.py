"""Fidelity scores: by hand, against sdmetrics and scipy, extremes and invariances."""

from __future__ import annotations

import warnings
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.metrics.distances import distances
from tabstep.metrics.shape import column_similarity, shape
from tabstep.metrics.space import embed
from tabstep.metrics.tails import tails
from tabstep.metrics.trend import trend

SCHEMA = Schema("binclass", "y", ("a", "b"), ("c",))


def table(n: int, seed: int, rho: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = rho * a + np.sqrt(1 - rho**2) * rng.normal(size=n)
    c = np.where(a + 0.3 * rng.normal(size=n) > 0, "high", "low").astype(object)
    y = np.where(rng.random(n) < 0.3, "1", "0").astype(object)
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": y})


def scores(synthetic: pd.DataFrame, real: pd.DataFrame, schema: Schema = SCHEMA) -> dict[str, float]:
    return (
        shape(synthetic, real, schema) | trend(synthetic, real, schema) | distances(synthetic, real, schema)
    )


def marginals(real: pd.DataFrame, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame({name: rng.permutation(real[name].to_numpy()) for name in real})


def test_by_hand() -> None:
    schema = Schema("binclass", "y", ("a",), ())
    real = pd.DataFrame({"a": [0.0, 1.0, 2.0, 4.0], "y": ["0", "0", "1", "1"]})
    fake = pd.DataFrame({"a": [1.0, 2.0, 3.0, 5.0], "y": ["0", "1", "1", "1"]})
    np.testing.assert_allclose(column_similarity(fake, real, schema), [0.75, 0.75])
    found = distances(fake, real, schema)
    assert found["wasserstein"] == pytest.approx(1 / 4)  # shifted by 1, range 4
    p, q, m = np.array([0.25, 0.75]), np.array([0.5, 0.5]), np.array([0.375, 0.625])
    divergence = ((p * np.log2(p / m)).sum() + (q * np.log2(q / m)).sum()) / 2
    assert found["jensen_shannon"] == pytest.approx(np.sqrt(divergence))
    # Each table's own bins, 10 over its range: 1, 3, 6, 11 in both; only the second row's label differs.
    assert trend(fake, real, schema)["trend"] == pytest.approx(0.75)
    # Real edges 0, 0.4, ..., 4: fake falls into 3, 6, 8, 11; (3, 0), (6, 1) and (11, 1) are shared.
    assert trend(fake, real, schema)["trend_corrected"] == pytest.approx(0.75)
    # Three times as wide, its own bins hide it; in the real ones only (1, 0) and a quarter of (11, 1) are shared.
    wide = real.assign(a=3 * real["a"])  # 0, 3, 6, 12: real bins 1, 8, 11, 11
    assert trend(wide, real, schema)["trend"] == pytest.approx(1)
    assert trend(wide, real, schema)["trend_corrected"] == pytest.approx(0.5)


def test_sdmetrics_agrees() -> None:
    pytest.importorskip("sdmetrics")
    from sdmetrics.column_pairs import ContingencySimilarity, CorrelationSimilarity
    from sdmetrics.single_column import KSComplement, TVComplement

    real, fake = table(700, 0), table(500, 1, rho=0.3)
    real.loc[:20, "a"] = np.nan
    real.loc[5:9, "c"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = [
            (KSComplement if name in "ab" else TVComplement).compute(real[name], fake[name])
            for name in SCHEMA.columns
        ]
        np.testing.assert_allclose(column_similarity(fake, real, SCHEMA), wanted, atol=1e-12)
        binned = []
        for frame in (real, fake):
            binned.append(frame.copy())
            for name in "ab":
                edges = np.histogram_bin_edges(frame[name].dropna())
                binned[-1][name] = np.digitize(frame[name], edges)
        pairs = []
        for one, two in combinations(SCHEMA.columns, 2):
            both = [one, two]
            if set(both) == {"a", "b"}:
                pairs.append(CorrelationSimilarity.compute(real[both], fake[both]))
            else:
                sides = [frame[both].astype(str) for frame in binned]
                pairs.append(ContingencySimilarity.compute(*sides))
    assert trend(fake, real, SCHEMA)["trend"] == pytest.approx(np.mean(pairs), abs=1e-9)


def test_extremes() -> None:
    real = table(4000, 0)
    same, fresh, loose = scores(real, real), scores(table(4000, 1), real), scores(marginals(real), real)
    for name in ("shape", "trend", "trend_corrected"):
        assert same[name] == pytest.approx(1)
        # Bins of each table's own range hang on its extremes: `trend` takes fresh rows for worse than they are.
        assert fresh[name] > (0.85 if name == "trend" else 0.95)
    for name in ("wasserstein", "jensen_shannon", "correlation_l2"):
        assert same[name] == pytest.approx(0, abs=1e-7)
        assert fresh[name] < 0.1
    assert loose["shape"] == pytest.approx(1)
    assert loose["wasserstein"] == pytest.approx(0, abs=1e-12)
    assert loose["trend_corrected"] < 0.9
    assert loose["correlation_l2"] == pytest.approx(np.sqrt(2) * 0.8, abs=0.08)  # the off-diagonal, twice


def test_order_of_rows_and_columns_does_not_matter() -> None:
    real, fake = table(900, 0), table(800, 1, rho=0.2)
    wanted = scores(fake, real)
    turned = Schema("binclass", "y", ("b", "a"), ("c",))
    mixed = scores(fake.sample(frac=1, random_state=3), real.sample(frac=1, random_state=4), turned)
    assert mixed == pytest.approx(wanted)


def test_units_do_not_matter() -> None:
    real, fake = table(900, 0), table(800, 1, rho=0.2)
    wanted = scores(fake, real)
    moved = [frame.assign(a=8 * frame["a"] + 3, b=frame["b"] / 4) for frame in (fake, real)]
    assert scores(*moved) == pytest.approx(wanted, abs=2e-3)  # a value at an edge may change its bin


def test_only_the_corrected_trend_sees_a_stretched_column() -> None:
    """With one number, the bins of each table's own range hide that its synthetic values are tripled."""
    schema = Schema("binclass", "y", ("a",), ("c",))
    real = table(2000, 0)
    found = trend(real.assign(a=4 * real["a"]), real, schema)
    assert found["trend"] == pytest.approx(1, abs=1e-3)
    assert found["trend_corrected"] < 0.8


def test_a_constant_column_has_no_correlation_to_compare() -> None:
    real = table(500, 0)
    found = scores(real.assign(b=1.0), real)
    assert np.isfinite(list(found.values())).all()
    assert found["correlation_l2"] == pytest.approx(np.sqrt(2) * abs(real["a"].corr(real["b"])))


@pytest.mark.parametrize("levels", [3, 400])
def test_a_faster_count_has_the_same_digits(levels: int) -> None:
    """Joint frequencies by sorting all codes, as one would write them down, for few and for many labels."""
    rng = np.random.default_rng(0)
    labels = np.array([f"l{i}" for i in range(levels)], dtype=object)
    real, fake = (
        table(n, seed).assign(c=labels[rng.integers(0, levels, n)], y=labels[rng.integers(0, levels, n)])
        for n, seed in ((700, 0), (500, 1))
    )
    schema = Schema("multiclass", "y", ("a",), ("c",))
    edges = np.histogram_bin_edges(real["a"], bins=10)
    sides = [pd.DataFrame({"a": np.digitize(f["a"], edges), "c": f["c"], "y": f["y"]}) for f in (fake, real)]
    similar = []
    for one, two in combinations(schema.columns, 2):
        p, q = (side.groupby([one, two]).size() / len(side) for side in sides)
        p, q = p.align(q, fill_value=0.0)
        similar.append(1 - np.abs(p - q).sum() / 2)
    assert trend(fake, real, schema)["trend_corrected"] == pytest.approx(np.mean(similar), abs=1e-12)


def test_a_column_without_a_value_is_as_far_as_can_be() -> None:
    real = table(400, 0)
    schema = Schema("binclass", "y", ("a", "b"), ("c",))
    gone = real.assign(a=np.nan)
    found = scores(gone, real, schema)
    assert np.isfinite(list(found.values())).all()
    assert found["shape"] == pytest.approx(3 / 4)
    assert found["wasserstein"] == pytest.approx(1 / 2)
    neither = scores(gone, real.assign(a=np.nan), schema)
    assert neither["shape"] == 1
    assert neither["wasserstein"] == 0
    labels = column_similarity(real.assign(c=None), real, schema)
    assert labels[schema.columns.index("c")] == 0


@pytest.mark.parametrize(
    "value", [np.inf, -1e300, *(pytest.param(v, marks=pytest.mark.slow) for v in (-np.inf, 1e300))]
)
def test_what_is_absurd_gives_numbers(value: float) -> None:
    """Every group takes it, and every score stays in its range."""
    from tabstep.data.table import Dataset
    from tabstep.metrics import rows
    from tabstep.metrics.facts import fact

    parts = [table(n, seed) for n, seed in ((300, 0), (100, 1), (200, 2))]
    dataset = Dataset("d", SCHEMA, *parts, digest="", source="")
    odd = table(200, 3)
    odd.loc[:3, "a"] = value
    for group in rows.GROUPS.values():
        for name, found in group(odd, dataset).items():
            assert fact(name).low <= found <= fact(name).high, (name, found)


@pytest.mark.parametrize("unit", [1e200, 1e-200, 1e-3, 7.0])
def test_no_score_knows_the_unit_of_a_column(unit: float) -> None:
    synthetic, real = (table(300, seed).assign(a=lambda f: f["a"] * unit) for seed in (0, 1))
    found, wanted = scores(synthetic, real), scores(table(300, 0), table(300, 1))
    assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("kind", ["category", "string"])
def test_no_score_knows_the_dtype_of_labels(kind: str) -> None:
    from tabstep.data.table import Dataset
    from tabstep.metrics import rows

    plain = [table(n, seed) for n, seed in ((300, 0), (100, 1), (200, 2), (200, 3))]
    other = [frame.astype({"c": kind, "y": kind}) for frame in plain]
    for group in ("fidelity", "dependence", "faults", "privacy", "coverage"):
        wanted, found = (
            rows.GROUPS[group](parts[3], Dataset("d", SCHEMA, *parts[:3], digest="", source=""))
            for parts in (plain, other)
        )
        assert found == pytest.approx(wanted)


def test_rows_without_dependence_get_no_credit_for_columns_that_are_constant_or_empty() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    real = pd.DataFrame({"a": x + rng.normal(size=500), "b": x, "y": x + rng.normal(size=500)})
    schema = Schema("regression", "y", ("a", "b"), ())
    apart = pd.DataFrame({c: rng.permutation(real[c]) for c in real})
    bound = 1 - np.abs(real.corr().to_numpy()[np.triu_indices(3, 1)]).mean() / 2  # of no correlation at all
    for rows in (
        apart.assign(a=0.0, b=0.0),
        apart.assign(a=np.nan, b=np.nan),
        pd.concat([real.head(1)] * 500),
    ):
        found = trend(rows.reset_index(drop=True), real, schema)
        assert found["trend_corrected"] == pytest.approx(bound)
    constant = real.assign(a=0.0)  # where real rows have no correlation there is none to meet
    assert trend(apart, constant, schema)["trend_corrected"] == pytest.approx(
        1 - abs(constant["b"].corr(constant["y"]) - apart["b"].corr(apart["y"])) / 2
    )


def test_gaps_are_no_large_values() -> None:
    rng = np.random.default_rng(0)
    schema = Schema("binclass", "y", ("a",), ())

    def rows(fill: float) -> pd.DataFrame:
        a = rng.normal(size=1000)
        a[rng.random(1000) < 0.4] = fill
        return pd.DataFrame({"a": a, "y": rng.choice(["0", "1"], 1000)})

    real = rows(np.nan)
    assert trend(rows(np.nan), real, schema)["trend_corrected"] > 0.9
    assert trend(rows(1e4), real, schema)["trend_corrected"] < 0.75


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_a_column_that_is_constant_in_real_rows_has_no_unit(unit: float) -> None:
    schema = Schema("regression", "y", ("a",), ())
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"a": np.zeros(200), "y": rng.normal(size=200)})
    rare = pd.DataFrame({"a": unit * (np.arange(1000) == 0), "y": rng.normal(size=1000)})
    of_y = distances(rare.assign(a=0.0), real, schema)["wasserstein"]
    assert distances(rare, real, schema)["wasserstein"] == pytest.approx(of_y + 0.001 / 2)
    assert tails(rare, real, schema, seed=0)["extremes"] <= 1
    other = embed(rare, real, schema)
    assert set(np.unique(other.x[:, 0])) == {0.0, 1.0}
