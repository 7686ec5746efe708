"""Numbers that a column alone does not tell are read as the other columns of the table are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.data import inference, neighbours, writing
from tabstep.data.files import read_table
from tabstep.data.wishes import Python, Sampling, Wishes

N = 60
WHOLE = np.random.default_rng(0).permutation(np.arange(30, 30 + N)) * 700 + 11_000
POINTS, COMMAS = [f"{v / 7:.2f}" for v in range(N)], [f"{v / 7:.2f}".replace(".", ",") for v in range(N)]
BY_COMMA, BY_POINT = [f"{v:,}" for v in WHOLE], [f"{v:,}".replace(",", ".") for v in WHOLE]


def read(frame: pd.DataFrame, name: str, wishes: Wishes | None = None) -> Any:
    columns, faults = inference.infer(frame, wishes or Wishes(), Python())
    assert not faults, faults
    (column,) = (c for c in columns if c.name == name)
    values = pd.Series(column.read(frame[name]))
    assert column.write(values).tolist() == frame[name].tolist()  # it comes back as it was
    return column.form


@pytest.mark.parametrize(
    ("unsure", "other", "places"),
    [
        (BY_COMMA, POINTS, 0),
        ([f"${t}" for t in BY_COMMA], POINTS, 0),
        (BY_COMMA, [f"{t} kg" for t in POINTS], 0),
        (BY_COMMA, COMMAS, 3),
        (BY_POINT, COMMAS, 0),
        (BY_POINT, [f"1.{100 + v}.{200 + v}" for v in range(N)], 0),  # two points are of thousands
        (BY_POINT, POINTS, 3),
    ],
)
def test_another_column_says_which_mark_it_is(unsure: list[str], other: list[str], places: int) -> None:
    frame = pd.DataFrame({"pay": unsure, "other": other})
    assert inference.infer(frame[["pay"]], Wishes(), Python())[1]  # alone it is refused
    form = read(frame, "pay")
    assert isinstance(form, writing.WrittenNumbers)
    assert form.places == places
    (note,) = neighbours.told(frame, Wishes(), Python())
    assert ("separates thousands" if places == 0 else "stands before decimals") in note
    assert "numeric={'pay': '1" in note


@pytest.mark.parametrize(
    "others",
    [
        {"a": POINTS, "b": COMMAS},  # they do not agree
        {"a": [f"{v}" for v in WHOLE]},  # no mark at all
        {"a": [f"{v:,}" for v in WHOLE + 70]},  # as unsure
        {"a": np.arange(N) / 7},  # of a frame, which says nothing of writing
        {"a": ["0.5", "1.5"] * (N // 2)},  # labels
    ],
)
def test_where_none_says_it_or_they_do_not_agree_it_stays_refused(others: dict[str, Any]) -> None:
    frame = pd.DataFrame({"pay": BY_COMMA, **others})
    faults = inference.infer(frame, Wishes(), Python())[1]
    assert any("'pay' can be read in two ways" in fault for fault in faults)
    assert not [*neighbours.told(frame, Wishes(), Python())]


def test_what_a_user_says_goes_first_and_says_it_of_others() -> None:
    frame = pd.DataFrame({"pay": BY_COMMA, "tax": [f"{v:,}" for v in WHOLE // 3], "other": POINTS})
    wishes = Wishes(numeric=("pay",), decimal={"pay": ","})
    assert read(frame[["pay", "other"]], "pay", wishes).places == 3
    faults = inference.infer(frame, wishes, Python())[
        1
    ]  # what is said of pay, and what other has, do not agree
    assert any("'tax' can be read in two ways" in fault for fault in faults)
    assert read(frame[["pay", "tax"]], "tax", wishes).places == 3


@pytest.mark.parametrize(
    ("rates", "read_as"),
    [
        ([f"{v / 10}" for v in range(3, 3 + N)], 0),  # 0.3: no thousands begin with a zero
        ([f"{v + 0.25}" for v in range(N)], 0),
        ([f"{20 + v / 10}" for v in range(N)], 0),
        ([f"1.{100 + v}" for v in range(N)], None),  # may be thousands themselves
        (["1.250", "850"] * (N // 2), None),
    ],
)
def test_floats_of_a_file_say_it_where_they_cannot_be_thousands(
    tmp_path: Path, rates: list[str], read_as: int | None
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("pay,rate\n" + "".join(f'"${a}",{b}\n' for a, b in zip(BY_COMMA, rates, strict=True)))
    frame = read_table(path)
    assert frame["rate"].dtype == float
    if read_as is None:
        assert inference.infer(frame, Wishes(), Sampling())[1]
    else:
        assert read(frame, "pay").places == read_as
        (note,) = neighbours.told(frame, Wishes(), Sampling())
        assert "; --numeric pay=1.234,5 says otherwise" in note


def test_what_is_no_text_is_none_of_its_business() -> None:
    frame = pd.DataFrame(
        {"pay": BY_COMMA, "lists": [["0.5"]] * N, "mixed": [1, "0.5"] * (N // 2), "other": POINTS}
    )
    assert neighbours.decimals(frame, Wishes()) == {"pay": "."}


def test_a_column_that_is_plain_costs_no_look_at_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "_mark", lambda *_: pytest.fail("looked"))
    assert not neighbours.decimals(pd.DataFrame({"a": POINTS, "b": ["x", "y"] * (N // 2)}), Wishes())
