"""Conditions against the rules of a table: those that no row meets are refused, others are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tests.test_cli import call
from tests.test_sample import QUICK, messy, no_training  # noqa: F401

DAY = pd.Timestamp("2024-01-01")


def table(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    start, nights = rng.integers(0, 300, n), rng.integers(1, 15, n)
    city = rng.choice(["Oslo", "Rome", "Lima"], n)
    return pd.DataFrame(
        {
            "start": DAY + pd.to_timedelta(start, unit="D"),
            "end": DAY + pd.to_timedelta(start + nights, unit="D"),
            "city": city,
            "code": pd.Series(city).map({"Oslo": "N", "Rome": "I", "Lima": "P"}),
            "net": nights * 10,
            "tax": nights + start % 7,
            "gross": nights * 11 + start % 7,
            "paid": (nights * 10 * rng.beta(2, 2, n)).round(),
            "size": np.where(nights < 5, "short", np.where(nights < 10, "mid", "long")),
            "tip": np.where(city == "Lima", np.nan, rng.integers(0, 40, n)),
        }
    )


@pytest.fixture(scope="module")
def model() -> Any:
    found = tabstep.fit(table(), method="marginals", progress="none")
    kinds = {type(rule).__name__ for rule in found.constraints}
    assert {"Order", "Spaced", "Codes", "Sum", "Gaps", "Bands"} <= kinds, found.constraints
    return found


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        ({"paid": (80, None), "net": (None, 70)}, "paid <= net"),
        ({"paid": 80, "net": 70}, "paid <= net"),
        ({"paid": [80, 90], "net": (None, 70)}, "paid <= net"),
        (
            {"start": ("2024-05-01", None), "end": (None, "2024-04-30")},
            "end is between 1 day and 14 days",
        ),
        (
            {"start": "2024-05-01", "end": "2024-05-01"},
            "end is between 1 day and 14 days after start",
        ),
        (
            {"start": "2024-05-01", "end": "2024-05-16"},
            "end is between 1 day and 14 days after start",
        ),
        ({"start": (None, "2024-05-01"), "end": ("2024-05-16", None)}, "and 14 days after start"),
        ({"start": ["2024-05-02", "2024-05-09"], "end": (None, "2024-05-02")}, "between 1 day and 14 days"),
        ({"city": "Oslo", "code": "P"}, "codes of one another"),
        ({"city": ["Oslo", "Rome"], "code": ["P"]}, "codes of one another"),
        ({"net": 100, "tax": 12, "gross": 110}, r"net \+ tax = gross"),
        ({"size": "short", "net": (50, None)}, "size is a band of net"),
        ({"size": ["short", "long"], "net": (60, 80)}, "size is a band of net"),
        ({"city": "Lima", "tip": (1, 5)}, "tip is missing where city is Lima"),
        ({"city": ["Oslo", "Rome"], "tip": None}, "tip is missing where city is Lima"),
    ],
)
def test_what_goes_against_a_rule_is_refused(model: Any, where: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=f"go against what holds in every row of the table: .*{rule}"):
        model.sample(3, where=where)


@pytest.mark.parametrize(
    "where",
    [
        {"paid": (60, None), "net": (None, 60)},
        {"paid": [50, 90], "net": (None, 60)},
        {"start": (None, "2024-05-01"), "end": ("2024-05-01", None)},
        {"start": (None, "2024-05-01"), "end": ("2024-05-15", None)},
        {"start": ["2024-05-01", "2024-05-09"], "end": (None, "2024-05-02")},
        {"city": ["Oslo", "Lima"], "code": ["P", "I"]},
        {"net": [100, 50], "tax": [12, 10], "gross": [112, 130]},
        {"city": ["Lima", "Oslo"], "tip": (1, 5)},
        {"city": "Lima", "tip": None},
        {"size": "short", "net": (None, 50)},
        {"size": "long", "net": (60, None)},
        {"city": ["Lima", "Oslo"], "tip": [None, 3]},
    ],
)
def test_what_some_row_may_meet_is_not(model: Any, where: dict[str, Any]) -> None:
    request = model._delivery(3, 0, where, None, {}).request
    assert len(request.by_choice) == len(where)


def test_a_command_says_so_before_the_training(tmp_path: Any, no_training: None) -> None:  # noqa: F811
    path = tmp_path / "my.csv"
    messy().to_csv(path, index=False)
    options = ("--id", "key", "--literal", "zone", "--where", "age=60..70", "--where", "until=20..30")
    done = call("sample", path, "--rows", 9, "--out", tmp_path / "rows.csv", *options, *QUICK)
    assert done.exit_code == 2
    assert (
        "go against what holds in every row of the table: until is between 0 and 8 more than age"
        in " ".join(done.output.split())
    )


def test_all_that_is_wrong_with_a_call_is_said_at_once(model: Any) -> None:
    with pytest.raises(
        ValueError, match=r"(?s)4 faults:.*n must be.*seed must be.*'citty'.*balance: no column"
    ):
        model.sample(0, seed=-1, where={"citty": "Oslo"}, balance="cod")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"where": "n>3"}, "where must be columns with their values"),
        ({"where": lambda row: True}, "where must be columns with their values"),
        ({"balance": ["city"]}, "balance must name a column"),
    ],
)
def test_what_names_no_column_is_refused(model: Any, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.sample(3, **asked)
