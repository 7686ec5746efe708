"""Ranks with jumps: uniform whatever the column is, monotone, and undone exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from tabstep.data import scales
from tabstep.data.lattice import Lattice
from tabstep.data.ranks import MOST, Ranks

RNG = np.random.default_rng(0)
COLUMNS = {
    "whole": RNG.integers(0, 12, 3000).astype(float),
    "zeros": np.where(RNG.random(3000) < 0.8, 0.0, RNG.gamma(2, 10, 3000)),
    "cap": RNG.normal(size=3000).clip(max=0.7),
    "steps of 0.005": np.round(np.round(RNG.normal(0.5, 0.1, 3000) / 0.005) * 0.005, 3),
    "smooth": RNG.normal(size=3000),
    "rare": np.array([*[1.0] * 2990, *np.arange(2.0, 12.0)]),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_ranks_of_rows_are_uniform_and_give_the_values_back(column: np.ndarray) -> None:
    ranks = Ranks.fit(column)
    found = ranks.ranks(column, np.random.default_rng(1).random(len(column)))
    assert stats.kstest(found, "uniform").pvalue > 0.01
    back = ranks.at(found)
    shared = np.isin(column, ranks.values)
    assert (back[shared] == column[shared]).all()
    assert np.abs(back - column).max() <= 0.01 * np.ptp(column)


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_uniform_ranks_draw_the_distribution_of_the_column(column: np.ndarray) -> None:
    """Every value that holds a thousandth of the rows comes as often as it did, up to the grid of ranks."""
    grid = (np.arange(200_000) + 0.5) / 200_000
    drawn = Ranks.fit(column).at(grid)
    values, counts = np.unique(column, return_counts=True)
    for value, share in zip(values, counts / len(column), strict=True):
        if share >= max(1 / MOST, 2 / len(column)):
            assert (drawn == value).mean() == pytest.approx(share, abs=1e-3)
    assert drawn.min() == column.min()
    assert drawn.max() == column.max()


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30, unique=True),
    counts=st.lists(st.integers(1, 9), min_size=30, max_size=30),
    seed=st.integers(0, 9),
)
def test_any_column_keeps_its_order_and_comes_back(values: list[float], counts: list[int], seed: int) -> None:
    column = np.repeat(values, counts[: len(values)])
    ranks = Ranks.fit(column)
    u = np.random.default_rng(seed).random(len(column))
    found = ranks.ranks(column, u)
    order = np.argsort(column, kind="stable")
    pairs = np.diff(column[order]) > 0
    assert (np.diff(found[order])[pairs] > 0).all()
    back = ranks.at(found)
    once = np.isin(column, ranks.values[ranks.lower == ranks.upper])
    assert (back[~once] == column[~once]).all()
    assert np.allclose(back[once], column[once], rtol=1e-9, atol=1e-9 * (1 + np.ptp(column)))
    exact = Fraction(len(column))
    for value in values:
        below, at = (column < value).sum(), (column == value).sum()
        mine = found[column == value]
        assert (mine >= float(below / exact) - 1e-12).all()
        assert (mine <= float((below + at) / exact) + 1e-12).all()


def test_between_knots_it_is_linear_and_outside_it_is_the_end() -> None:
    ranks = Ranks.fit(np.array([0.0, 0.0, 1.5, 3.1]))
    # Jump of 0 up to 1/2, then knots at 5/8 and 7/8.
    assert ranks.ranks(np.array([0.75]), np.zeros(1)) == pytest.approx(0.5 + 0.125 / 2)
    assert ranks.ranks(np.array([-9.0, 9.0]), np.zeros(2)) == pytest.approx([0.0, 0.875], abs=1e-3)
    assert ranks.at(np.array([0.0, 0.3, 0.999])).tolist() == [0.0, 0.0, 3.1]
    assert ranks.at(np.array([0.75])) == pytest.approx(2.3)


def test_float32_does_not_move_a_row_to_another_value() -> None:
    column = COLUMNS["whole"]
    scale = scales.fitted("ranks", [column])
    scores = scale.forward(column[:, None]).astype(np.float32)
    assert (scale.inverse(scores.astype(np.float64))[:, 0] == column).all()


def test_a_restored_scale_is_the_same() -> None:
    columns = [column[:3000] for column in COLUMNS.values()]
    one = scales.fitted("ranks", columns)
    other = scales.restored(one.arrays)
    x = np.stack(columns, 1)
    scores = one.forward(x)
    assert (other.forward(x) == scores).all()
    assert (other.inverse(scores) == one.inverse(scores)).all()
    assert (other.ends == one.ends).all()


@pytest.mark.parametrize(
    ("values", "lattice"),
    [
        ([1.0, 2, 5], (1.0, 1.0, 0)),
        ([10.0, 20, 50], (10.0, 10.0, 0)),
        ([3.0, 8, 13], (3.0, 5.0, 0)),
        ([0.455, 0.46, 0.515], (0.455, 0.005, 3)),
        ([-0.5, 0.25], (-0.5, 0.75, 2)),
        ([0.1 + 0.2, 1.1], (0.1 + 0.2, 0.8, 1)),
        ([7.0], (7.0, 1.0, 0)),
        ([1 / 3, 2 / 3], None),
        ([0.0, 1e300], None),
        (
            [float(np.float32(37.88)), float(np.float32(-122.23))][::-1],
            (float(np.float32(-122.23)), 160.11, 2),
        ),
    ],
)
def test_the_lattice_by_hand(values: list[float], lattice: tuple[float, float, int] | None) -> None:
    assert Lattice.find(np.array(values)) == lattice


@settings(max_examples=80, deadline=None)
@given(
    start=st.integers(-(10**6), 10**6),
    step=st.integers(1, 500),
    decimals=st.integers(0, 4),
    places=st.sets(st.integers(0, 1000), min_size=2, max_size=30),
)
def test_values_of_a_lattice_are_on_it_and_so_is_all_that_is_rounded(
    start: int, step: int, decimals: int, places: set[int]
) -> None:
    values = np.array(sorted((start + k * step) / 10**decimals for k in places))
    found = Lattice.find(values)
    assert found is not None
    assert (found.nearest(values) == values).all()
    drawn = found.nearest(np.linspace(values[0], values[-1], 57))
    units = np.round((drawn - values[0]) / (step / 10**decimals), 6)
    assume(np.gcd.reduce(np.diff(sorted(places))) == 1)
    assert (units == np.round(units)).all()
