"""Values that stand for gaps are compared as what a column holds, in a fit and in rows that come after it."""

from __future__ import annotations

import datetime
import warnings
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.api.preparing import frame_of
from tabstep.data.forms import Plain
from tabstep.data.gap_marks import stands
from tests.test_asked import fitted, plain

DAYS = pd.Series(pd.date_range("2024-01-01", periods=4))
NUMBERS = pd.Series([0, 1, 99, 5])
FAR = pd.Series([datetime.date(2024, 1, 1), datetime.date(9999, 12, 31)], dtype=object)
COLUMNS: dict[str, tuple[pd.Series[Any], Any, int]] = {
    **{
        f"{kind} of {mark!r}": (NUMBERS.astype(kind), mark, 2)
        for kind in ("int64", "uint8", "Int64", "float32", "int8[pyarrow]", "double[pyarrow]", "object", "category")
        for mark in ("99", 99, 99.0, np.int64(99), "99.0", ["?", 99])
    },
    "tenth": (pd.Series([0.1, 0.2], dtype="float32"), 0.1, 0),
    "Arrow's tenth": (pd.Series([0.1, 0.2], dtype="float[pyarrow]"), 0.1, 0),
    "Decimal": (pd.Series([Decimal("1.5"), Decimal("0.1")]), 0.1, 1),
    "beyond floats": (pd.Series([2**53, 2**53 + 1]), 2**53 + 1, 1),
    "False": (pd.Series([True, False]), False, 1),
    "Arrow's True": (pd.Series([True, False], dtype="bool[pyarrow]"), "True", 0),
    "text": (pd.Series(["?", "a"]), "?", 0),
    "Arrow's text": (pd.Series(["?", "a"], dtype="string[pyarrow]"), ["?", 7], 0),
    **{
        f"{kind} of {mark!r}": (DAYS.astype(kind), mark, 1)
        for kind in ("datetime64[ns]", "datetime64[s]", "timestamp[us][pyarrow]")
        for mark in ("2024-01-02", "2024-01-02 00:00", pd.Timestamp("2024-01-02"), np.datetime64("2024-01-02"))
    },
    "clock": (DAYS.dt.tz_localize("Europe/Berlin"), "2024-01-02", 1),
    "instant": (DAYS.dt.tz_localize("UTC"), "2024-01-02T01:00+01:00", 1),
    "date": (DAYS.dt.date, "2024-01-02", 1),
    "Arrow's date": (DAYS.dt.date.astype("date32[pyarrow]"), datetime.date(2024, 1, 2), 1),
    "far": (FAR, "9999-12-31", 1),
    "period": (pd.Series(pd.period_range("2024-01", periods=3, freq="M")), pd.Period("2024-02", "M"), 1),
    "length": (pd.Series(pd.to_timedelta([1, 2], unit="D")), datetime.timedelta(days=2), 1),
    "clock time": (pd.Series([datetime.time(1), datetime.time(23, 59)]), "23:59", 1),
}  # fmt: skip


@pytest.mark.parametrize(("column", "mark", "place"), COLUMNS.values(), ids=COLUMNS)
def test_a_mark_is_compared_as_what_a_column_holds(column: pd.Series[Any], mark: Any, place: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = frame_of(pd.DataFrame({"v": column}), (), {"v": mark})
    assert np.flatnonzero(rows["v"].isna()).tolist() == [place]


@pytest.mark.parametrize("mark", ["0", 0, 1, "1.0", "?", "2024", 20240101, 10**30, "2024-13-01"], ids=str)
def test_no_mark_means_a_value_of_another_kind(mark: Any) -> None:
    """0 is not False, 2024 is no day and no length."""
    columns = {
        "flag": [True, False],
        "object": pd.Series([True, False], dtype=object),
        "arrow": pd.array([True, False], dtype="bool[pyarrow]"),
        "day": DAYS.head(2),
        "length": pd.to_timedelta([2024, 1], unit="ns"),
        "small": pd.array([2, 3], dtype="int8[pyarrow]"),
    }
    for column in columns.values():
        assert not stands(pd.Series(column), [str(mark)]).any()


def test_rows_after_a_fit_have_its_gaps() -> None:
    frame = plain(60).assign(n=pd.array([*range(59), 999], dtype="int64[pyarrow]"))
    frame.loc[::4, "x"] = -1.0
    model = fitted(frame, missing={"n": 999, "x": -1})
    assert model.completion.gaps == ("x", "n")
    some = frame.tail(4).set_axis(list("abcd"))
    kept = model.edit(some, keep=["x", "n"], steps=2, particles=2)
    assert kept["n"].isna().tolist() == [False, False, False, True]
    assert kept.index.tolist() == list("abcd")
    assert len(model.encode(some, steps=2).x_T) == 4
    assert len(model.interpolate(some.head(1), some.tail(1), n=3, steps=2)) == 3
    filled = model.impute(some.drop(columns="x"), columns="k", steps=2, particles=2)
    assert filled["n"].isna().tolist() == [False, False, False, True]


@pytest.mark.parametrize("dtype", ["Float64", "Float32", "double[pyarrow]"])
def test_nan_among_pandas_own_numbers_is_a_gap(dtype: str) -> None:
    zeros = pd.Series([1.0, 0.0, 1.0] * 20, dtype=dtype)
    values = pd.Series(np.arange(60) / 8, dtype=dtype) * zeros / zeros  # 0 / 0
    assert not values.isna().any()
    raw = Plain.of(values).read(values)
    assert raw.gap.tolist() == [False, True, False] * 20
    frame = plain(60).assign(x=values)
    model = fitted(frame)
    assert model.completion.gaps == ("x",)
    rows = model.sample(40, steps=2)
    assert rows["x"].dtype == values.dtype
    assert not model.impute(frame.head(6), steps=2, particles=2)["x"].isna().any()
