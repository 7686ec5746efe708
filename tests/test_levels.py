"""Number columns with few levels as classes: what is one, that every value comes back, that edits and ranges work."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data.encode import ROWS_OF_A_LEVEL, Encoder
from tabstep.data.settings import told
from tabstep.data.table import Schema
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep

RNG = np.random.default_rng(0)
N = 600
TABLE = pd.DataFrame(
    {
        "rooms": RNG.integers(1, 7, N),
        "floors": RNG.choice([1.0, 1.5, 2.0], N),
        "size": RNG.normal(100, 20, N),
        "kind": RNG.choice(list("abcd"), N),
        "price": RNG.choice([1.0, 2.0, 3.0], N),
    }
)
SCHEMA = Schema("regression", "price", ("rooms", "floors", "size"), ("kind",), frozenset({"rooms"}))


def fitted(levels: int, table: pd.DataFrame = TABLE) -> Encoder:
    return Encoder.fit(table, SCHEMA, normalization="ranks", levels=levels)


def test_columns_of_few_values_are_classes_and_the_target_never() -> None:
    encoder = fitted(6)
    assert encoder.levels == {"rooms": (1, 2, 3, 4, 5, 6), "floors": (1, 1.5, 2)}
    assert encoder.numbers == ["price", "size"]
    assert [*encoder.coded] == ["floors", "kind", "rooms"]  # by their number of classes
    assert encoder.sizes == (3, 4, 6)
    assert [*fitted(5).levels] == ["floors"]
    assert not fitted(2).levels
    assert not fitted(0).levels


def test_a_level_needs_rows() -> None:
    """Or every column of a table of a few rows would be one of levels."""
    assert "rooms" in fitted(6, TABLE.head(6 * ROWS_OF_A_LEVEL)).levels
    assert "rooms" not in fitted(6, TABLE.head(6 * ROWS_OF_A_LEVEL - 1)).levels


def test_rows_come_back() -> None:
    for encoder in (
        fitted(6),
        Encoder.from_json(json.loads(json.dumps(fitted(6).to_json())), fitted(6).scale.arrays),
    ):
        back = encoder.decode(*encoder.encode(TABLE))
        exact = ["rooms", "floors", "kind", "price"]
        pd.testing.assert_frame_equal(back[exact], TABLE[exact])
        assert back["rooms"].dtype == np.int64
        assert np.allclose(back["size"], TABLE["size"], rtol=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_a_value_between_levels_goes_to_the_nearest(values: list[float]) -> None:
    encoder = fitted(6)
    rows = pd.concat([TABLE.head(1)] * len(values), ignore_index=True).assign(floors=values)
    back = encoder.decode(*encoder.encode(rows))["floors"].to_numpy()
    far = np.abs(np.subtract.outer(values, [1.0, 1.5, 2.0]))
    assert np.allclose(np.abs(back - values), far.min(1))


def test_ranges_and_middles_are_of_all_number_columns() -> None:
    few, none = fitted(6), fitted(0)
    assert few.ranges == none.ranges
    assert few.middles.keys() == none.middles.keys()
    assert few.middles["floors"] == 1.5


def test_settings_without_levels_have_the_keys_that_they_had() -> None:
    assert "levels" not in told(TabStep(levels=0))
    assert told(TabStep())["levels"] == 12
    with pytest.raises(ValueError, match="levels must be at least 0, got -1"):
        TabStep(levels=-1)


def test_without_columns_of_few_values_nothing_changes() -> None:
    """Bit by bit: the part costs nothing where it has nothing to do."""
    table = TABLE[["size", "kind", "price"]]
    schema = replace(SCHEMA, numeric=("size",), integer=frozenset())
    weights = []
    for levels in (0, 12):
        method = TabStep(steps=5, layers=(16,), batch_size=64, levels=levels)
        weights.append(method.fit(table, schema, seed=0).network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_tabddpm_has_none() -> None:
    assert not TabDDPM(normalization="ranks").encoder(TABLE, SCHEMA).levels


@pytest.fixture(scope="module")
def synthesizer() -> tabstep.Synthesizer:
    method = TabStep(steps=30, layers=(32,), batch_size=128, levels=12)
    return tabstep.fit(TABLE, target="price", method=method, progress="none")


def test_drawn_rows_have_levels_of_the_table(synthesizer: tabstep.Synthesizer) -> None:
    rows = synthesizer.sample(200, steps=5)
    assert rows.dtypes.equals(TABLE.dtypes)
    assert set(rows["rooms"]) <= set(TABLE["rooms"])
    assert set(rows["floors"]) <= set(TABLE["floors"])


def test_a_level_can_be_kept_in_an_edit_and_asked_for(synthesizer: tabstep.Synthesizer) -> None:
    given = TABLE.head(20)
    edited = synthesizer.edit(given, keep=["rooms", "kind"], steps=5)
    assert edited["rooms"].tolist() == given["rooms"].tolist()
    assert edited["kind"].tolist() == given["kind"].tolist()
    asked = synthesizer.sample(30, steps=5, where={"rooms": (2, 3)})
    assert set(asked["rooms"]) <= {2, 3}
