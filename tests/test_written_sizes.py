"""Numbers whose unit goes with their size: read exactly, written as the column is, and refused where ways differ."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabstep.data.columns import Number, from_json, to_json
from tabstep.data.forms import Raw
from tabstep.data.written_sizes import WrittenSizes, sizes
from tests.test_asked import fitted

COUNTS = WrittenSizes("object", ("", "k", "M"), (1, 1000, 10**6), (0, 1, 1), exact=True, decimal=".", gap="")
METRES = WrittenSizes("object", ("cm", "m"), (1, 100), (0, 2), exact=False, decimal=",", gap=" ")


def test_a_text_is_read_in_the_last_decimal_of_the_smallest_unit() -> None:
    assert [COUNTS.parse(text) for text in ("850", "10.9k", "-7.1M", "0")] == [8500, 109_000, -71_000_000, 0]
    assert [METRES.parse(text) for text in ("90 cm", "1,8 m", "2 m")] == [9000, 18_000, 20_000]
    for text in ("0.9k", "1000", "10.90k", "10,9k", "10.9 k", "10.9G", "1e3", "", "k", "-0", "9" * 40):
        assert COUNTS.parse(text) is None, text


def test_a_number_is_rounded_as_its_unit_is_written() -> None:
    assert [COUNTS.text(10 * n) for n in (7, 1234, 999_940, 999_960, 7_149_999)] == [
        "7",
        "1.2k",
        "999.9k",
        "1.0M",
        "7.1M",
    ]
    assert COUNTS.text(-10 * 999_960) == "-1.0M"
    assert COUNTS.text(-4) == "0"
    assert [METRES.text(100 * n) for n in (99, 100, 185)] == ["99 cm", "1 m", "1,85 m"]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-(10**13), 10**13), min_size=5, max_size=30),
    st.booleans(),
    st.sampled_from(["", " "]),
)
def test_what_is_written_is_read_again_and_found(numbers: list[int], exact: bool, gap: str) -> None:
    form = WrittenSizes(
        "object", ("B", "KB", "MB", "GB"), (1, 1024, 1024**2, 1024**3), (0, 2, 2, 2), exact, ".", gap
    )
    texts = list(
        dict.fromkeys([*map(form.text, numbers), "5 B" if gap else "5B", "3.25 GB" if gap else "3.25GB"])
    )
    assert [form.text(form.parse(text) or 0) for text in texts] == texts
    found = sizes(texts, "object")
    assert found is not None
    assert found.write(found.read(pd.Series(texts, dtype=object))).tolist() == texts


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["850", "1.5k", "2.0M"], ("", "k", "M")),
        (["3.5 million", "1.0 billion"], ("million", "billion")),
        (["59 W", "2.03 kW", "1.10 MW"], ("W", "kW", "MW")),
        (["90 cm", "1.8 m", "2 m"], ("cm", "m")),
        (["512 KB", "1.5 GB", "900 MB", "12 B"], ("B", "KB", "MB", "GB")),
        (["1010 KB", "1.5 MB"], ("KB", "MB")),  # by 1024
    ],
)
def test_units_are_told_by_their_names(texts: list[str], names: tuple[str, ...]) -> None:
    found = sizes(texts, "object")
    assert found is not None
    assert found.names == names
    assert found.write(found.read(pd.Series(texts, dtype=object))).tolist() == texts


@pytest.mark.parametrize(
    "texts",
    [
        ["5 apples", "3 pears"],
        ["0.5 kg", "200 g"],  # a half is written in two ways
        ["1.5k", "2.5K"],
        ["1.5 k", "2.5M"],
        ["1.5k", "2,5M"],
        ["1.5k", "2.5k"],  # one unit alone is a number in text
        ["1.5k", "many"],
        [],
    ],
)
def test_what_is_not_written_in_one_way_is_none(texts: list[str]) -> None:
    assert sizes(texts, "object") is None


def test_a_column_of_them_is_drawn_as_numbers() -> None:
    rng = random.Random(0)
    views = [COUNTS.text(int(10 ** rng.uniform(2, 8))) for _ in range(300)]
    frame = pd.DataFrame({"views": views, "n": [rng.random() for _ in range(300)]})
    model = fitted(frame)
    drawn = model.sample(200, seed=0)["views"]
    assert all(COUNTS.parse(text) is not None for text in drawn)
    assert len(set(drawn) - set(views)) > 20


def test_it_is_kept_with_a_model_and_takes_numbers() -> None:
    column: Any = Number("views", COUNTS)
    assert from_json(to_json(column)) == column
    assert COUNTS.like(pd.Series([12_345, "7", None, 12.0], dtype=object)).tolist() == [
        "12.3k",
        "7",
        None,
        "12",
    ]
    assert METRES.like(pd.Series([185.5, 99.25], dtype=object)).tolist() == ["1,86 m", "99 cm"]
    for odd in ("x", "12", float("inf"), 0.001):
        with pytest.raises(ValueError, match="holds numbers such as 1,5 m, got"):
            METRES.like(pd.Series([odd], dtype=object))
    with pytest.raises(ValueError, match=r"is written as 1\.5k, got '1500'"):
        COUNTS.read(pd.Series(["1500"], dtype=object))
    raw = COUNTS.read(pd.Series(["7", None], dtype=object))
    assert isinstance(raw, Raw)
    assert raw.gap.tolist() == [False, True]
