"""Heights in feet and inches, and ranks: read exactly, written as the column is, refused where ways differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.data import comparable, inference
from tabstep.data.columns import Number, from_json, to_json
from tabstep.data.wishes import Python, Wishes
from tabstep.data.written_feet import WrittenFeet, feet
from tabstep.data.written_ranks import WrittenRanks, ranks
from tests.test_asked import fitted
from tests.test_writings import column


@pytest.mark.parametrize(
    "way",
    [
        "{}'{}\"",
        "{}' {}''",
        "{}′{}″",
        "{}ft {}in",
        "{} ft {} in",
        "{} ft. {} in.",
        "{} feet {} inches",
        "{}'{}",
    ],
)
def test_heights_are_inches_and_written_as_they_were(way: str) -> None:
    inches = np.random.default_rng(0).normal(67, 6, 300).round().astype(int)
    texts = [way.format(*divmod(int(number), 12)) for number in inches]
    found = column(texts)
    assert isinstance(found.form, WrittenFeet)
    assert (found.read(pd.Series(texts)) == inches).all()
    assert found.write(pd.Series(found.read(pd.Series(texts)))).tolist() == texts
    assert from_json(to_json(found)) == found
    assert found.like(pd.Series([65])).tolist() == [way.format(5, 5)]
    for other in (-1, 65.5, "tall", pd.Timestamp("2024-01-01")):
        with pytest.raises(ValueError, match="holds heights such as"):
            found.like(pd.Series([other], dtype=object))


@pytest.mark.parametrize(
    "texts", [["5'7\"", "5'12\""], ["5'7\"", "5'7"], ["5'7\"", "05'7\""], ["5'7\"", "tall"], []]
)
def test_what_is_no_height_is_none(texts: list[str]) -> None:
    assert feet(texts, "object") is None


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_ranks_are_whole_numbers_and_written_as_they_were(case: Any) -> None:
    said = {
        1: "1st",
        2: "2nd",
        3: "3rd",
        4: "4th",
        11: "11th",
        12: "12th",
        13: "13th",
        21: "21st",
        103: "103rd",
    }
    said |= {0: "0th", 111: "111th", 112: "112th", 1000: "1000th", 1022: "1022nd"}
    form = ranks([case(text) for text in said.values()], "object")
    assert isinstance(form, WrittenRanks)
    assert {form.parse(case(text)) for text in said.values()} == said.keys()
    numbers = np.random.default_rng(0).integers(1, 200, 400)
    texts = [form.text(int(number)) for number in numbers]
    found = column(texts)
    assert found.form == form
    assert found.write(pd.Series(found.read(pd.Series(texts)))).tolist() == texts
    assert found.like(pd.Series([7])).tolist() == [case("7th")]
    with pytest.raises(ValueError, match=r"holds ranks such as 23rd, got -1".replace("23rd", case("23rd"))):
        found.like(pd.Series([-1]))


@pytest.mark.parametrize(
    "texts", [["1st", "2th"], ["1st", "2ND"], ["01st"], ["first", "2nd"], ["1st", "2"], []]
)
def test_what_is_no_rank_is_none(texts: list[str]) -> None:
    assert ranks(texts, "object") is None


def test_rows_of_a_model_are_written_so() -> None:
    rng = np.random.default_rng(0)
    inches = rng.normal(67, 6, 300).round().astype(int)
    frame = pd.DataFrame(
        {
            "height": [f"{v // 12}'{v % 12}\"" for v in inches],
            "rank": [WrittenRanks("object", upper=False).text(int(v)) for v in rng.integers(1, 90, 300)],
            "weight": (inches * 2.2 + rng.normal(0, 9, 300)).round(1),
        }
    )
    columns, _ = inference.infer(frame, Wishes(), Python())
    assert comparable.units(columns) == {"height": "'\""}  # which is below no weight, whatever the numbers
    model = fitted(frame)
    assert all(isinstance(c, Number) for c in model.columns)
    rows = model.sample(50, steps=2)
    assert feet(list(rows["height"].unique()), "object") is not None
    assert ranks(list(rows["rank"].unique()), "object") is not None
    assert (
        model.sample(20, steps=2, where={"height": ("5'4\"", "5'9\"")})["height"].isin(
            ["5'4\"", "5'5\"", "5'6\"", "5'7\"", "5'8\"", "5'9\""]
        )
    ).all()
