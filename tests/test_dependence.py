"""Mutual information, triples, tails: by hand, against naive code, and of fresh and independent rows."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.table import Schema
from tabstep.metrics.dependence import dependence, marginals_3, wnmis
from tabstep.metrics.shape import shape
from tabstep.metrics.tails import tails

SCHEMA = Schema("binclass", "y", ("a", "b"), ("c",))


def table(n: int, seed: int, rho: float = 0.8) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = rho * a + np.sqrt(1 - rho**2) * rng.normal(size=n)
    c = np.where(a + 0.3 * rng.normal(size=n) > 0, "high", "low").astype(object)
    y = np.where(rng.random(n) < 0.3, "1", "0").astype(object)
    return pd.DataFrame({"a": a, "b": b, "c": c, "y": y})


def independent(rows: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame({c: rows[c].to_numpy()[rng.permutation(len(rows))] for c in rows.columns})


def with_gaps(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    rows.loc[rows.index[:30], "a"] = np.nan
    rows.loc[rows.index[20:60], "c"] = None
    return rows


def naive_wnmis(synthetic: pd.DataFrame, real: pd.DataFrame) -> float:
    """As the paper's code has it: bins by pandas, information by scikit-learn."""
    from sklearn.metrics import normalized_mutual_info_score

    coded = []
    for side in (synthetic, real):
        out = side.copy()
        for name in SCHEMA.numbers:
            edges = np.histogram_bin_edges(real[name].dropna(), bins=10)
            if side[name].nunique() > len(edges):
                out[name] = pd.cut(side[name], bins=list(edges), include_lowest=True)
        coded.append(pd.DataFrame({c: pd.Categorical(out[c]).codes for c in SCHEMA.columns}))
    error = weights = 0.0
    for a, b in combinations(SCHEMA.columns, 2):
        s, r = (normalized_mutual_info_score(side[a], side[b], average_method="arithmetic") for side in coded)
        error += (s + r) * abs(s - r)
        weights += s + r
    return float(1 - error / weights)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_weighted_similarity_is_the_published_one(rho: float) -> None:
    real, fake = with_gaps(table(700, 0)), table(500, 1, rho).assign(a=lambda f: 1.3 * f["a"])
    assert wnmis(fake, real, SCHEMA)["wnmis"] == pytest.approx(naive_wnmis(fake, real), abs=1e-9)
    whole = real.round(0), with_gaps(fake).round(0)  # few values: no bins
    assert wnmis(*whole, SCHEMA)["wnmis"] == pytest.approx(naive_wnmis(*whole), abs=1e-9)


def test_information_by_hand() -> None:
    """Two coins that are one in the real table and independent in the other: error 1, and all the weight."""
    schema = Schema("binclass", "y", (), ("c",))
    coins = pd.DataFrame({"c": list("aabb"), "y": list("0011")})
    apart = pd.DataFrame({"c": list("abab"), "y": list("0011")})
    assert wnmis(coins, coins, schema)["wnmis"] == pytest.approx(1)
    assert wnmis(apart, coins, schema)["wnmis"] == pytest.approx(0)
    constant = pd.DataFrame({"c": ["a"] * 4, "y": ["0"] * 4})
    assert wnmis(constant, constant, schema)["wnmis"] == 1


def test_independent_marginals_have_the_right_shape_and_fail_here() -> None:
    real, fresh = table(3000, 0), table(3000, 1)
    loose = independent(real)
    assert shape(loose, real, SCHEMA)["shape"] == pytest.approx(1)
    good, bad = (dependence(rows, real, table(3000, 2), SCHEMA, seed=0) for rows in (fresh, loose))
    assert good["wnmis"] > 0.97
    assert bad["wnmis"] < 0.75
    assert good["marginals_3"] == pytest.approx(good["marginals_3_expected"], abs=0.01)
    assert bad["marginals_3"] < 0.75


def test_triples_agree_with_crossed_tables() -> None:
    real, fake = with_gaps(table(900, 0)), with_gaps(table(600, 1, 0.2))
    parts = {}
    for name in SCHEMA.columns:
        if name in SCHEMA.numbers:
            cuts = [-np.inf, *np.quantile(real[name].dropna(), [0.2, 0.4, 0.6, 0.8]), np.inf]
            parts[name] = [pd.cut(side[name], cuts).astype(str) for side in (fake, real)]
        else:
            parts[name] = [side[name].astype(str) for side in (fake, real)]
    found = []
    for names in combinations(SCHEMA.columns, 3):
        p, q = (
            (parts[names[0]][i] + "|" + parts[names[1]][i] + "|" + parts[names[2]][i]).value_counts(
                normalize=True
            )
            for i in (0, 1)
        )
        found.append(1 - p.sub(q, fill_value=0).abs().sum() / 2)
    assert marginals_3(fake, real, real, SCHEMA, seed=0)["marginals_3"] == pytest.approx(np.mean(found))


def test_rare_labels_share_a_part_and_many_columns_are_sampled() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"x{i:02}" for i in range(30))
    schema = Schema("binclass", "y", (), names)

    def drawn(n: int) -> pd.DataFrame:
        labels = np.array([f"l{i}" for i in range(50)], dtype=object)
        return pd.DataFrame({c: labels[rng.integers(0, 50, n)] for c in (*names, "y")})

    # Parts are those of training rows: the labels that are most frequent in one of the two are so by chance.
    train, real, fresh = drawn(400), drawn(400), drawn(400)
    found = marginals_3(fresh, real, train, schema, seed=0)
    assert found["marginals_3"] == pytest.approx(found["marginals_3_expected"], abs=0.03)
    assert found == marginals_3(fresh, real, train, schema, seed=0)


def spiked(n: int, seed: int, scale: float = 1.0, zeros: float = 0.4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = table(n, seed)
    return rows.assign(
        a=np.where(rng.random(n) < zeros, 0.0, scale * rng.standard_t(4, n)), b=scale * rows["b"]
    )


def test_tails_by_hand() -> None:
    real = pd.DataFrame({"a": np.arange(1000.0), "b": np.zeros(1000), "c": "p", "y": "0"})
    # A tenth of the values is below the real 1 % quantile of 9.99, which ten are: shares 0.1 and 0.01.
    fake = real.assign(
        a=np.where(np.arange(1000) < 100, 0.0, 500.0), b=np.where(np.arange(1000) < 250, 1.0, 0.0)
    )
    found = tails(fake, real, SCHEMA, seed=0)
    assert found["tail_1"] == pytest.approx(0.1)
    assert found["tail_99"] == 0
    ends = [1, 1 - 499 / 999, 1, 0]  # of a, of b (a constant, in units of 1)
    assert found["extremes"] == pytest.approx(np.mean(ends))
    assert found["point_masses"] == pytest.approx(0.75)  # zero is the only one
    assert tails(real, real, SCHEMA, seed=0) == {"tail_1": 1, "tail_99": 1, "extremes": 1, "point_masses": 1}


def test_a_shrunken_sampler_loses_its_tails_and_a_smooth_one_its_masses() -> None:
    real = spiked(4000, 0)
    fresh, narrow = (tails(spiked(4000, 1, scale), real, SCHEMA, seed=0) for scale in (1.0, 0.7))
    for name in ("tail_1", "tail_99"):
        assert fresh[name] > 0.6, name
        assert narrow[name] < 0.4, name
    assert fresh["point_masses"] > 0.95
    assert tails(spiked(4000, 1, zeros=0.0), real, SCHEMA, seed=0)["point_masses"] == 0
    assert tails(real.assign(a=np.nan), real, SCHEMA, seed=0)["point_masses"] == 0


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 9), st.floats(0, 1))
def test_scores_are_in_their_range_whatever_the_rows(n: int, m: int, seed: int, gaps: float) -> None:
    rng = np.random.default_rng(seed)
    fake, real = table(n, seed, 0.1), table(m, seed + 1)
    fake.loc[rng.random(n) < gaps, "a"] = np.nan
    real.loc[rng.random(m) < gaps, "c"] = None
    fake["b"] = fake["b"] * 10.0 ** rng.integers(0, 6)
    found = dependence(fake, real, table(40, 3), SCHEMA, seed=0) | tails(fake, real, SCHEMA, seed=0)
    assert np.isfinite(list(found.values())).all()
    found.pop("marginals_3_expected")
    assert all(0 <= value <= 1 for value in found.values())
