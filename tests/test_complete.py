"""Completion makes any table complete and gives every value back that it did not have to fill."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from tabstep.data.completion import MISSING, Completion, companion
from tabstep.data.table import Schema

SCHEMA = Schema("binclass", "y", ("age", "flat", "sparse", "empty"), ("town", "same", "void"))


def table() -> pd.DataFrame:
    """Every special case once: gaps, a constant with and without gaps, columns that are missing throughout."""
    return pd.DataFrame(
        {
            "age": [20.0, np.nan, 30.5, 41.0, np.nan, 20.0],
            "flat": [7, 7, 7, 7, 7, 7],
            "sparse": [2.0, np.nan, 2.0, 2.0, np.nan, 2.0],
            "empty": [np.nan] * 6,
            "town": ["Rome", None, "Oslo", "Rome", None, "Bern"],
            "same": ["x"] * 6,
            "void": pd.Series([None] * 6, dtype=object),
            "y": ["no", "yes", "no", "yes", "yes", "no"],
        }
    )


def test_roles_of_the_inner_schema() -> None:
    completion = Completion.fit(table(), SCHEMA)
    assert completion.inner.numeric == ("age",)
    assert completion.inner.categorical == ("town", f"age{MISSING}", f"sparse{MISSING}")
    assert completion.inner.target == "y"
    assert completion.gaps == ("age", "sparse")
    assert completion.constant == {"flat": 7, "sparse": 2.0, "empty": None, "same": "x", "void": None}
    assert type(completion.constant["flat"]) is int, "constants go into JSON, so they are no numpy scalars"
    assert not completion.is_identity


def test_forward_is_complete_and_fills_from_the_values_of_the_column() -> None:
    frame = table()
    completion = Completion.fit(frame, SCHEMA)
    complete = completion.forward(frame, seed=3)
    assert tuple(complete.columns) == completion.inner.columns
    assert not complete.isna().any().any()
    gap = frame["age"].isna()
    assert set(complete["age"][gap]) <= {20.0, 30.5, 41.0}
    assert list(complete["age"][~gap]) == list(frame["age"][~gap])
    assert list(complete[f"age{MISSING}"]) == ["no", "yes", "no", "no", "yes", "no"]
    assert list(complete["town"]) == ["Rome", MISSING, "Oslo", "Rome", MISSING, "Bern"]


def test_fill_follows_the_seed_and_the_distribution_of_present_values() -> None:
    values = np.where(np.arange(6000) < 3000, np.nan, np.arange(6000) % 3)  # three values, equally often
    frame = pd.DataFrame({"x": values, "y": np.where(np.arange(6000) % 2, "a", "b").astype(object)})
    completion = Completion.fit(frame, Schema("binclass", "y", ("x",), ()))
    first, again, other = (completion.forward(frame, seed=seed) for seed in (0, 0, 1))
    assert_frame_equal(first, again)
    assert not first.equals(other)
    share = first["x"][:3000].value_counts(normalize=True)
    assert set(share.index) == {0.0, 1.0, 2.0}
    np.testing.assert_allclose(share, 1 / 3, atol=0.05)  # deviation of a share: 0.009


def test_inverse_restores_values_gaps_constants_and_dtypes() -> None:
    frame = table()
    completion = Completion.fit(frame, SCHEMA)
    back = completion.inverse(completion.forward(frame))
    assert_frame_equal(back, frame)
    assert [v is None for v in back["town"]] == [False, True, False, False, True, False]
    assert all(v is None for v in back["void"])


def test_inverse_gives_as_many_rows_as_it_gets() -> None:
    completion = Completion.fit(table(), SCHEMA)
    rows = completion.forward(table())
    for n in (0, 1, 4):
        back = completion.inverse(rows.iloc[2 : 2 + n])
        assert len(back) == n
        assert tuple(back.columns) == SCHEMA.columns
        assert list(back.index) == list(range(n))


def test_companion_decides_over_the_value() -> None:
    completion = Completion.fit(table(), SCHEMA)
    rows = completion.forward(table())
    rows[f"age{MISSING}"] = "yes"
    rows[f"sparse{MISSING}"] = "no"
    back = completion.inverse(rows)
    assert back["age"].isna().all()
    assert list(back["sparse"]) == [2.0] * 6


def test_input_is_not_changed() -> None:
    frame, completion = table(), Completion.fit(table(), SCHEMA)
    rows = completion.forward(frame)
    assert_frame_equal(frame, table())
    before = rows.copy()
    completion.inverse(rows)
    assert_frame_equal(rows, before)
    rows.loc[:, "y"] = "changed"
    assert_frame_equal(frame, table())


def test_a_whole_table_is_left_as_it_is() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "c": ["a", "b", "a"], "y": [0.5, 1.5, 2.0]})
    schema = Schema("regression", "y", ("n",), ("c",), frozenset({"n"}))
    completion = Completion.fit(frame, schema)
    assert completion.is_identity
    assert completion.inner == schema
    assert_frame_equal(completion.forward(frame), frame)
    assert_frame_equal(completion.inverse(frame), frame)


def test_integer_columns_stay_integer_unless_rows_hold_fractions() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "y": [10, 20, 30]})
    completion = Completion.fit(frame, Schema("regression", "y", ("n",), (), frozenset({"n", "y"})))
    whole = completion.inverse(pd.DataFrame({"n": [2.0, 3.0], "y": [10.0, 30.0]}))
    assert [str(t) for t in whole.dtypes] == ["int64", "int64"]
    kept = completion.inverse(pd.DataFrame({"n": [2.5, 3.0], "y": [10.0, 30.0]}))
    assert list(kept["n"]) == [2.5, 3.0], "a fraction is a fact about the method, not to be rounded away here"
    assert str(kept["y"].dtype) == "int64"


def test_integer_flags_of_constants_are_dropped() -> None:
    schema = Schema("binclass", "y", ("a", "b"), (), frozenset({"a", "b"}))
    frame = pd.DataFrame({"a": [1, 1], "b": [1, 2], "y": ["p", "q"]})
    assert Completion.fit(frame, schema).inner.integer == {"b"}


def test_a_target_of_one_value_is_refused() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": ["a", "a", "a"]})
    with pytest.raises(ValueError, match=r"target 'y' has one value, 'a': nothing to predict"):
        Completion.fit(frame, Schema("binclass", "y", ("x",), ()))


X, Y = companion("x"), companion("y")
LETTERS: list[str | None] = ["a", None, "b"]


@pytest.mark.parametrize(
    ("schema", "y", "inner"),
    [
        (Schema("binclass", "y", ("x",), ()), LETTERS, Schema("multiclass", "y", ("x",), (X,))),
        (Schema("multiclass", "y", ("x",), ()), ["a", None, "a"], Schema("binclass", "y", ("x",), (X,))),
        (Schema("regression", "y", ("x",), ()), [1.0, None, 3.0], Schema("binclass", Y, ("x", "y"), (X,))),
        (Schema("regression", "y", ("x",), ()), [2.0, None, 2.0], Schema("binclass", Y, ("x",), (X,))),
    ],
)
def test_a_target_with_gaps_is_modelled_with_them(schema: Schema, y: list[Any], inner: Schema) -> None:
    frame = pd.DataFrame(
        {"x": [1.0, 2.0, None], "y": pd.Series(y, dtype=None if schema.is_regression else object)}
    )
    completion = Completion.fit(frame, schema)
    assert completion.inner == inner
    complete = completion.forward(frame)
    assert list(complete.columns) == list(inner.columns)
    assert not complete.isna().any().any()
    assert_frame_equal(completion.inverse(complete), frame)


def test_names_and_texts_that_would_be_taken_for_gaps_are_refused() -> None:
    name = f"x{MISSING}"
    frame = pd.DataFrame({name: [1.0, 2.0], "y": ["a", "b"]})
    with pytest.raises(ValueError, match=name):
        Completion.fit(frame, Schema("binclass", "y", (name,), ()))
    frame = pd.DataFrame({"x": [MISSING, "other"], "y": ["a", "b"]})
    with pytest.raises(ValueError, match=f"'x' may not hold the text '{MISSING}'"):
        Completion.fit(frame, Schema("binclass", "y", (), ("x",)))


NUMBERS = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9))
TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "", "nan", "None", "yes"]))


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(2, 12), seed=st.integers(0, 5))
def test_round_trip_of_any_table(data: st.DataObject, rows: int, seed: int) -> None:
    def draw(values: st.SearchStrategy[Any]) -> list[Any]:
        return data.draw(st.lists(values, min_size=rows, max_size=rows))

    frame = pd.DataFrame(
        {
            "u": pd.Series(draw(NUMBERS), dtype="float64"),
            "v": pd.Series(draw(st.integers(-2, 2)), dtype="int64"),
            "c": pd.Series(draw(TEXTS), dtype=object),
            "d": pd.Series(draw(TEXTS), dtype=object),
            "y": pd.Series(["p", "q"] * rows, dtype=object)[:rows],
        }
    )
    schema = Schema("binclass", "y", ("u", "v"), ("c", "d"))
    completion = Completion.fit(frame, schema)
    complete = completion.forward(frame, seed=seed)
    assert not complete.isna().any().any()
    assert all(complete[name].nunique() > 1 for name in completion.inner.categorical)
    assert_frame_equal(completion.inverse(complete), frame)
