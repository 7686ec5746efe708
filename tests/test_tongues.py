"""Dates with names of months and days in other languages: read, written as they were, and told from labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tabstep.data.columns import Category, from_json, to_json
from tabstep.data.constraint_search import find
from tabstep.data.tongues import NAMES
from tabstep.data.written_dates import WrittenMoments, dates
from tests.test_constraints import common
from tests.test_writings import column, fault

DAYS = pd.Series(pd.date_range("2021-01-01", periods=200, freq="5D"))


def texts(form: str, whose: str, case: Callable[[str], str] = str) -> list[str]:
    """`DAYS` by a form of strftime, with the names of one language in place of %A, %a, %B and %b."""
    written = []
    for day in DAYS:
        found = form
        for what, place in (
            ("A", day.weekday()),
            ("a", day.weekday()),
            ("B", day.month - 1),
            ("b", day.month - 1),
        ):
            if f"%{what}" in found:
                found = found.replace(f"%{what}", case(NAMES[whose, what][place]))
        written.append(day.strftime(found))
    return written


def test_each_language_has_its_names_once() -> None:
    for (whose, what), names in NAMES.items():
        assert len({name.casefold() for name in names}) == {"A": 7, "a": 7, "B": 12, "b": 12}[what], whose


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
@pytest.mark.parametrize(("whose", "what"), [key for key in NAMES if key[0] != "en" and key[1] in "Bb"])
def test_months_of_each_language_are_read_and_written_as_they_were(
    whose: str, what: str, case: Callable[[str], str]
) -> None:
    for form in (f"%-d. %{what} %Y", f"%d %{what} %Y %H:%M"):
        there = texts(form, whose, case)
        found = dates(list(dict.fromkeys(there)), "object")
        assert found is not None, there[:3]
        raw = found.read(pd.Series(there, dtype=object))
        assert (raw.values.astype(f"M8[{found.grain}]").astype("M8[ns]") == DAYS.to_numpy("M8[ns]")).all()
        assert found.write(raw).tolist() == there


@pytest.mark.parametrize(
    ("form", "whose"),
    [
        *[("%A, %-d. %B %Y", "de"), ("%a, %d.%m.%Y", "de"), ("%A %-d %B %Y", "fr"), ("%a %-d %b %Y", "fr")],
        *[("%A, %-d de %B de %Y", "es"), ("%-d de %B de %Y", "pt"), ("%d-%b-%y", "es"), ("%B %Y", "it")],
        *[
            ("%b %Y", "de2"),
            ("%b. %Y", "de"),
            ("%d/%b/%Y", "pt"),
            ("%a %-d %b %Y", "nl"),
            ("%A %d %B %Y", "it"),
        ],
        *[("%-d %B %Y", "ru"), ("%-d %B %Y", "pl"), ("%a %d.%m.%Y", "fr2")],
    ],
)
def test_columns_of_them_are_times(form: str, whose: str) -> None:
    there = texts(form, whose)
    found = column(there)
    assert isinstance(found.form, WrittenMoments)
    assert from_json(to_json(found)) == found
    assert found.write(pd.Series(found.read(pd.Series(there)))).tolist() == there
    assert found.like(pd.Series(["2021-01-01"])).tolist() == [there[0]]


def test_english_comes_first_and_a_name_of_none_is_none() -> None:
    found = dates(texts("%-d %b %Y", "en"), "object")
    assert found is not None
    assert found.form == "%-d %b %Y"
    assert dates([*texts("%-d. %B %Y", "de"), "3. Brumaire 2021"], "object") is None
    assert dates([*texts("%-d. %B %Y", "de"), "31. Februar 2021"], "object") is None
    assert dates([f"mars {v} and one more in may {v}" for v in range(300)], "object") is None
    mixed = texts("%-d. %B %Y", "de")[:20] + texts("%-d. %B %Y", "fr")[20:60]
    assert dates(list(dict.fromkeys(mixed)), "object") is None, "one column is of one language"


def test_a_form_of_ones_own_is_of_the_language_that_is_there() -> None:
    there = texts("%Y, %B %d", "de")
    assert "--date 'v=%Y, %B %d' reads dates" in fault(there)
    found = column(there, date={"v": "%Y, %B %d"})
    assert isinstance(found.form, WrittenMoments)
    assert found.form.form == "%Y, %{de}B %d"
    assert found.write(pd.Series(found.read(pd.Series(there)))).tolist() == there
    assert "is not written as" in fault([*there, "2021, Brumaire 03"], date={"v": "%Y, %B %d"})


def test_rules_between_them_are_found_and_labels_stay_labels() -> None:
    begin, days = texts("%-d. %B %Y", "de"), np.random.default_rng(0).integers(1, 9, len(DAYS))
    frame = pd.DataFrame(
        {
            "begin": begin,
            "end": (DAYS + pd.to_timedelta(days, unit="D")).dt.strftime("%d.%m.%Y"),
            "days": days,
            "month": texts("%B", "de"),
        }
    )
    rules = {str(rule) for rule in find(common(frame))}
    assert "days = days from begin to end" in rules
    assert "month is told by the month of begin" in rules
    assert Category.of(frame["month"]).values.keys() == set(NAMES["de", "B"])
