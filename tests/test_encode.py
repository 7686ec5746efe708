"""The encoder agrees with scikit-learn, inverts itself, and rounds as its two modes say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from sklearn.preprocessing import QuantileTransformer

from tabstep.data.encode import SNAP_AT_MOST, Encoder
from tabstep.data.table import Schema

ROWS = 900
CLASSIFY = Schema("multiclass", "y", ("smooth", "spiked", "count"), ("many", "few"), frozenset({"count"}))
REGRESS = Schema("regression", "y", ("smooth", "spiked", "count"), ("many", "few"), frozenset({"count", "y"}))


def table(seed: int = 0, rows: int = ROWS) -> pd.DataFrame:
    """A normal column, one that is 60 % zeros, a count of 0..8, two categories; y is a label."""
    rng = np.random.default_rng(seed)
    spiked = np.where(rng.random(rows) < 0.6, 0.0, rng.exponential(1000.0, rows))
    return pd.DataFrame(
        {
            "smooth": rng.normal(5.0, 2.0, rows),
            "spiked": spiked,
            "count": np.arange(rows, dtype=np.int64) % 9,
            "many": rng.choice(list("edcba"), rows),
            "few": rng.choice(["y", "x"], rows),
            "y": rng.choice(["2", "10", "b"], rows),
        }
    )


def regression(seed: int = 0, rows: int = ROWS) -> pd.DataFrame:
    return table(seed, rows).assign(y=np.random.default_rng(seed + 50).integers(100, 160, rows))


def reference(train: pd.DataFrame, columns: list[str]) -> QuantileTransformer:
    """scikit-learn's transformer as the TabDDPM authors set it up."""
    return QuantileTransformer(
        output_distribution="normal",
        n_quantiles=max(min(len(train) // 30, 1000), 10),
        subsample=10**9,
        random_state=0,
    ).fit(train[columns].to_numpy(np.float64))


@pytest.mark.parametrize("rows", [40, 299, 900])  # 10 quantiles, the lower limit, for the first two; then 30
def test_quantiles_agree_with_scikit_learn(rows: int) -> None:
    train, fresh = table(0, rows), table(1, 200)
    columns = list(CLASSIFY.numeric)
    expected = reference(train, columns)
    encoder = Encoder.fit(train, CLASSIFY)
    found = encoder.scale.arrays["quantiles"]
    assert found.shape == expected.quantiles_.shape
    np.testing.assert_allclose(found, expected.quantiles_, rtol=1e-12, atol=1e-12)
    # New rows may hold other categories; the numbers are what is compared.
    for frame in (train, fresh.assign(smooth=fresh["smooth"] * 3)):  # some beyond the training range
        x, _, _ = encoder.encode(frame.assign(many="a", few="x", y=train["y"].iloc[0]))
        np.testing.assert_allclose(x, expected.transform(frame[columns].to_numpy(np.float64)), atol=1e-5)
    z = np.random.default_rng(2).normal(size=(50, 3))
    c, y = torch.zeros(50, 2, dtype=torch.int64), torch.zeros(50, dtype=torch.int64)
    back = encoder.decode(torch.from_numpy(z), c, y)
    np.testing.assert_allclose(
        back[["smooth", "spiked"]], expected.inverse_transform(z)[:, :2], rtol=1e-9, atol=1e-9
    )


@pytest.mark.filterwarnings("ignore:n_quantiles")  # scikit-learn's own, of the reference
def test_few_rows_have_no_more_quantiles_than_rows() -> None:
    train = table(0, 6)
    found = Encoder.fit(train, CLASSIFY).scale.arrays["quantiles"]
    assert len(found) == 6 == len(reference(train, ["smooth"]).quantiles_)


def test_encoded_types_and_shapes() -> None:
    x, c, y = Encoder.fit(table(), CLASSIFY).encode(table().head(7))
    assert (x.dtype, c.dtype) == (torch.float32, torch.int64)
    assert (tuple(x.shape), tuple(c.shape)) == ((7, 3), (7, 2))
    assert y is not None
    assert (y.dtype, tuple(y.shape)) == (torch.int64, (7,))
    assert Encoder.fit(regression(), REGRESS).encode(regression())[2] is None


def test_decode_inverts_encode() -> None:
    train = table()
    encoder = Encoder.fit(train, CLASSIFY)
    back = encoder.decode(*encoder.encode(train))
    assert_frame_equal(back[["count", "many", "few", "y"]], train[["count", "many", "few", "y"]])
    zeros = train["spiked"] == 0
    assert (back["spiked"][zeros] == 0).all(), "a plateau of ties comes back exactly"
    # Within the range the map is a bijection, so only float32 is lost: relative to the spread of a column.
    for name in ("smooth", "spiked"):
        np.testing.assert_allclose(back[name], train[name], atol=1e-4 * np.ptp(train[name]))


def test_decoded_numbers_stay_in_the_training_range() -> None:
    train = regression()
    for normalization in ("quantile", "ranks", "minmax"):
        encoder = Encoder.fit(train, REGRESS, normalization=normalization)  # type: ignore[arg-type]
        far = torch.tensor([[-50.0], [50.0]]).expand(2, 4)
        rows = encoder.decode(far, torch.zeros(2, 2, dtype=torch.int64), None)
        for name in ("smooth", "spiked", "count", "y"):
            np.testing.assert_allclose(rows[name], [train[name].min(), train[name].max()], rtol=1e-12)


def test_minmax_scales_to_the_unit_interval_and_back() -> None:
    train = table()
    encoder = Encoder.fit(train, CLASSIFY, normalization="minmax")
    x, c, y = encoder.encode(train)
    values = train["smooth"].to_numpy()
    np.testing.assert_allclose(x[:, 0], (values - values.min()) / np.ptp(values), atol=1e-6)
    assert (x.amin(0).tolist(), x.amax(0).tolist()) == ([0.0] * 3, [1.0] * 3)
    back = encoder.decode(x, c, y)
    np.testing.assert_allclose(back["smooth"], train["smooth"], atol=1e-5)
    assert list(back["count"]) == list(train["count"])


def test_unknown_normalization() -> None:
    with pytest.raises(ValueError, match="normalization must be quantile, ranks or minmax, got 'standard'"):
        Encoder.fit(table(), CLASSIFY, normalization="standard")  # type: ignore[arg-type]


def test_regression_target_is_the_first_number() -> None:
    train = regression()
    encoder = Encoder.fit(train, REGRESS)
    x, _, y = encoder.encode(train)
    assert y is None
    assert encoder.d_num == 4
    np.testing.assert_allclose(
        x,
        reference(train, ["y", "smooth", "spiked", "count"]).transform(
            train[["y", "smooth", "spiked", "count"]].to_numpy(np.float64)
        ),
        atol=1e-5,
    )
    back = encoder.decode(*encoder.encode(train))
    assert tuple(back.columns) == REGRESS.columns, "decoded frames are in canonical order again"
    assert list(back["y"]) == list(train["y"])


def test_categories_lie_by_cardinality_in_sorted_codes() -> None:
    train = table()
    encoder = Encoder.fit(train, CLASSIFY)
    assert list(encoder.categories) == ["few", "many"], "fewest classes first, whatever the schema's order"
    assert encoder.sizes == (2, 5)
    assert encoder.categories["many"] == ("a", "b", "c", "d", "e")
    assert encoder.classes == ("10", "2", "b"), "labels are texts and sorted as such"
    _, c, y = encoder.encode(train)
    assert y is not None
    for row in range(20):
        assert encoder.categories["few"][c[row, 0]] == train["few"][row]
        assert encoder.categories["many"][c[row, 1]] == train["many"][row]
        assert encoder.classes[y[row]] == train["y"][row]


@pytest.mark.parametrize("column", ["many", "y"])
def test_unseen_category(column: str) -> None:
    encoder = Encoder.fit(table(), CLASSIFY)
    frame = table(1, 5)
    frame.loc[3, column] = "new"
    with pytest.raises(
        ValueError, match=f"column '{column}' has categories that the training rows lack: new"
    ):
        encoder.encode(frame)


def test_integers_mode_rounds_whole_columns_only() -> None:
    train = regression()
    encoder = Encoder.fit(train, REGRESS, rounding="integers")
    rows = _noise_decoded(encoder, 300)
    for name in ("count", "y"):
        assert str(rows[name].dtype) == "int64"
    assert (rows["smooth"] % 1 != 0).mean() > 0.9


def test_reference_mode_snaps_small_grids_and_never_the_target() -> None:
    small = 2 * np.arange(ROWS) % (2 * SNAP_AT_MOST)  # exactly as many distinct values as are still snapped
    large = np.arange(ROWS) % (SNAP_AT_MOST + 1)
    train = pd.DataFrame({"small": small, "large": large, "half": small / 2 + 0.5, "y": np.arange(ROWS) % 4})
    schema = Schema("regression", "y", ("small", "large", "half"), (), frozenset({"small", "large", "y"}))
    encoder = Encoder.fit(train, schema, rounding="reference")
    assert set(encoder.grids) == {"small"}
    plain = Encoder.fit(train, Schema("regression", "y", schema.numeric, ()))
    rows, exact = _noise_decoded(encoder, 400), _noise_decoded(plain, 400)  # of the same noise
    distance = np.abs(exact["small"].to_numpy()[:, None] - np.unique(small)[None, :])
    np.testing.assert_array_equal(rows["small"], np.unique(small)[distance.argmin(1)])
    for name in ("large", "half", "y"):
        np.testing.assert_array_equal(rows[name], exact[name])
        assert (rows[name] % 0.5 != 0).any()


@pytest.mark.parametrize("rounding", ["integers", "reference"])
@pytest.mark.parametrize("normalization", ["quantile", "ranks", "minmax"])
def test_a_broken_number_stays_visible(rounding: Any, normalization: Any) -> None:
    encoder = Encoder.fit(table(), CLASSIFY, rounding=rounding, normalization=normalization)
    x, c, y = encoder.encode(table().head(4))
    x[1, :] = torch.nan
    x[2, :] = torch.inf
    rows = encoder.decode(x, c, y)
    for name in CLASSIFY.numeric:
        assert list(rows[name].isna()) == [False, True, True, False], name


@pytest.mark.parametrize("normalization", ["quantile", "ranks", "minmax"])
def test_tables_of_one_kind_of_column(normalization: Any) -> None:
    train = table()
    only_labels = Schema("multiclass", "y", (), ("many",))
    encoder = Encoder.fit(train, only_labels, normalization=normalization)
    x, c, y = encoder.encode(train)
    assert (tuple(x.shape), encoder.d_num) == ((ROWS, 0), 0)
    assert_frame_equal(encoder.decode(x, c, y), train[["many", "y"]])
    only_numbers = Schema("multiclass", "y", ("count",), (), frozenset({"count"}))
    encoder = Encoder.fit(train, only_numbers, normalization=normalization)
    x, c, y = encoder.encode(train)
    assert (tuple(c.shape), encoder.sizes) == ((ROWS, 0), ())
    assert_frame_equal(encoder.decode(x, c, y), train[["count", "y"]])


@pytest.mark.parametrize("schema", [CLASSIFY, REGRESS])
@pytest.mark.parametrize("rounding", ["integers", "reference"])
@pytest.mark.parametrize("normalization", ["quantile", "ranks", "minmax"])
def test_json_round_trip(schema: Schema, rounding: Any, normalization: Any) -> None:
    train = regression() if schema.is_regression else table()
    encoder = Encoder.fit(train, schema, rounding=rounding, normalization=normalization)
    text = json.dumps(encoder.to_json(), allow_nan=False)
    again = Encoder.from_json(json.loads(text), encoder.scale.arrays)
    for name in ("schema", "normalization", "rounding", "categories", "classes", "grids"):
        assert getattr(again, name) == getattr(encoder, name), name
    assert list(again.categories) == list(encoder.categories), "order is what ties codes to columns"
    assert_frame_equal(_noise_decoded(again, 100), _noise_decoded(encoder, 100))


def test_input_is_not_changed() -> None:
    train = table()
    encoder = Encoder.fit(train, CLASSIFY)
    x, c, y = encoder.encode(train)
    before = x.clone()
    encoder.decode(x, c, y)
    assert_frame_equal(train, table())
    assert torch.equal(x, before)


def _noise_decoded(encoder: Encoder, n: int) -> pd.DataFrame:
    """Decoded rows of standard normal numbers and random classes, the same for every encoder of a schema."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(n, encoder.d_num, generator=generator)
    columns = [torch.randint(0, k, (n,), generator=generator) for k in encoder.sizes]
    c = torch.stack(columns, 1) if columns else torch.empty(n, 0, dtype=torch.int64)
    y = torch.randint(0, len(encoder.classes), (n,), generator=generator) if encoder.classes else None
    return encoder.decode(x, c, y)


def test_rows_with_what_training_lacks_are_known_to_be_unknown() -> None:
    schema = Schema("binclass", "y", ("a",), ("c",))
    train = pd.DataFrame({"a": [0.0, 1.0, 2.0], "c": ["u", "v", "u"], "y": ["no", "yes", "no"]})
    encoder = Encoder.fit(train, schema, normalization="quantile", rounding="integers")
    other = pd.DataFrame({"a": [0.0, 9.0, 1.0], "c": ["u", "w", "v"], "y": ["no", "yes", "maybe"]})
    assert encoder.known(other).tolist() == [True, False, False]
    assert encoder.known(train).all()
