"""Every breach of a method's contract has its own message; good rows pass."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.data.validity import Invalid, check

SCHEMA = Schema("binclass", "y", ("n", "m"), ("c",), frozenset({"m"}))
TRAIN = pd.DataFrame({"n": [0.5, 1.5, 2.5], "m": [1, 2, 3], "c": ["a", "b", "a"], "y": ["no", "yes", "no"]})

Break = Callable[[pd.DataFrame], object]


def test_good_rows_pass() -> None:
    check(TRAIN, TRAIN, SCHEMA, 3)
    check(TRAIN.head(0), TRAIN, SCHEMA, 0)
    check(TRAIN.set_axis([7, 7, 7], axis=0), TRAIN, SCHEMA, 3)  # the index carries nothing
    beyond = TRAIN.assign(n=1e9, m=-7.5)  # strange, but for the scores to judge
    check(beyond, TRAIN, SCHEMA, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: r.to_numpy(), "sample must return a DataFrame, got ndarray"),
        (lambda r: None, "sample must return a DataFrame, got NoneType"),
        (lambda r: r.drop(columns="m"), "wrong columns: missing ['m'], unexpected []"),
        (lambda r: r.assign(extra=1), "wrong columns: missing [], unexpected ['extra']"),
        (lambda r: r[["m", "n", "c", "y"]], "or out of order"),
        (lambda r: pd.concat([r, r[["c"]]], axis=1), "wrong columns"),
        (lambda r: r.head(2), "asked for 3 rows, got 2"),
        (lambda r: pd.concat([r, r]), "asked for 3 rows, got 6"),
        (lambda r: r.assign(n=r["n"].astype(str)), "column 'n' must hold numbers, got object"),
        (lambda r: r.assign(n=r["n"] + 1j), "column 'n' must hold numbers, got complex128"),
        (lambda r: r.assign(n=True), "column 'n' must hold numbers, got bool"),
        (lambda r: r.assign(n=[0.5, np.nan, 1.0]), "column 'n' has 1 values that are NaN or infinite, of 3"),
        (
            lambda r: r.assign(m=[np.inf, 1.0, -np.inf]),
            "column 'm' has 2 values that are NaN or infinite, of 3",
        ),
        (
            lambda r: r.assign(m=pd.array([1, None, 3], dtype="Int64")),
            "column 'm' has 1 values that are NaN or infinite, of 3",
        ),
        (lambda r: r.assign(c=["a", "z", "b"]), "'c' has categories that the training rows lack: 'z'"),
        (
            lambda r: r.assign(c=["a", None, "b"]),
            "column 'c' has categories that the training rows lack: None",
        ),
        (
            lambda r: r.assign(y=["no", "maybe", "no"]),
            "column 'y' has categories that the training rows lack",
        ),
    ],
)
def test_each_breach_has_its_message(spoil: Break, message: str) -> None:
    with pytest.raises(Invalid, match=re.escape(message)):
        check(spoil(TRAIN.copy()), TRAIN, SCHEMA, 3)  # type: ignore[arg-type]


def test_the_target_of_a_regression_is_a_number() -> None:
    schema = Schema("regression", "y", ("n",), ())
    train = pd.DataFrame({"n": [1.0, 2.0], "y": [0.1, 0.2]})
    check(train, train, schema, 2)
    with pytest.raises(Invalid, match="column 'y' has 1 values that are NaN"):
        check(train.assign(y=[0.1, np.nan]), train, schema, 2)
