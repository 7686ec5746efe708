"""Ways of writing that real exports have: mixed dates, codes, bounds, marks that are labels, units."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.data import comparable, constraint_search, inference
from tabstep.data.columns import Category, Number, from_json, to_json
from tabstep.data.doubtful_numbers import doubts
from tabstep.data.wishes import Sampling, Wishes
from tests.test_asked import fitted

DAYS = pd.Series(pd.date_range("2024-01-03", periods=60, freq="5D"))
SLASHED = DAYS.map(lambda day: f"{day.month}/{day.day}/{day.year}")


def column(texts: Any, **wishes: Any) -> Number:
    (found,), faults = inference.infer(pd.DataFrame({"v": list(texts)}), Wishes(**wishes), Sampling())
    assert not faults
    assert isinstance(found, Number)
    made = from_json(to_json(found))
    assert isinstance(made, Number)
    return made


def fault(texts: Any, **wishes: Any) -> str:
    _, (found,) = inference.infer(pd.DataFrame({"v": list(texts)}), Wishes(**wishes), Sampling())
    return found


@pytest.mark.parametrize("form", [None, "%m/%d/%Y", "%-m/%-d/%Y"])
def test_dates_in_several_ways_are_read_where_one_says_so_and_written_as_most_are(form: str | None) -> None:
    mixed = SLASHED.where(DAYS.index % 9 != 0, DAYS.dt.strftime("%Y-%m-%d"))
    assert "holds dates written as %-m/%-d/%Y and as %Y-%m-%d; --date v=%-m/%-d/%Y says which" in fault(mixed)
    found = column(mixed, date={"v": form})
    assert found.write(pd.Series(found.read(mixed))).tolist() == SLASHED.tolist()


def test_a_way_of_writing_is_meant_as_strptime_reads_it() -> None:
    found = column(SLASHED, date={"v": "%m/%d/%Y"})
    assert found.write(pd.Series(found.read(SLASHED))).tolist() == SLASHED.tolist()
    assert "is not written as %d.%m.%Y throughout, as in '1/3/2024'" in fault(SLASHED, date={"v": "%d.%m.%Y"})
    spoilt = [*SLASHED, "soon"]
    assert "is not written as %m/%d/%Y throughout, as in 'soon'" in fault(spoilt, date={"v": "%m/%d/%Y"})


def test_codes_with_zeros_before_them_are_numbers_where_one_says_so() -> None:
    zips = [f"{n:05}" for n in range(7, 90_000, 1_300)]
    assert "has a different text in every row" in fault(zips)
    assert "has 70 codes in 140 rows, too many to be labels; --numeric v draws them as numbers" in fault(
        zips * 2
    )
    found = column(zips * 2, numeric=("v",))
    assert found.write(pd.Series(found.read(pd.Series(zips)))).tolist() == zips
    assert "is no number" in fault([*zips, "7"], numeric=("v",))


def test_a_bound_among_numbers_is_a_fault_that_names_its_mend() -> None:
    texts = [f"0.{n}" for n in range(10, 99)] + ["<0.1"] * 5
    assert "holds numbers, but also <0.1; --missing '<0.1' takes such texts for gaps" in fault(texts)


def test_a_share_of_a_hundred_is_a_number_and_two_numbers_are_none() -> None:
    shares = [f"{n}/100" for n in range(1, 100)]
    found = column(shares)
    assert found.write(pd.Series(found.read(pd.Series(shares)))).tolist() == shares
    often = [
        f"{n}/{n % 90}" for n in range(80, 320)
    ] * 10  # blood pressures are no labels, however many rows there are
    assert "holds two numbers in a cell, such as '80/80'; make two columns of it" in fault(often)
    for pairs in ([f"{n}.5 ± 0.{n}" for n in range(1, 60)], [f"{n}.7,-{n}.2" for n in range(1, 60)]):
        assert "holds two numbers in a cell" in fault(pairs)


def test_texts_of_one_shape_with_digits_are_ids_and_no_prose() -> None:
    codes = [f"KX{n:02}-{n:03}-1234-{n:04}" for n in range(60)]
    assert "like an id; --id v has new ones made" in fault(codes)


def test_a_dash_among_labels_is_told() -> None:
    frame = pd.DataFrame({"v": ["good", "bad", "-"] * 10, "stars": ["★", "★★", "★★★"] * 10})
    columns, _ = inference.infer(frame, Wishes(), Sampling())
    (note,) = doubts(frame, columns, (), Sampling())
    assert note == "v is '-' in 10 rows, which is drawn as a label: --missing v=- takes such texts for gaps"


def test_columns_of_other_units_are_in_no_order() -> None:
    hours = np.arange(1, 401)
    rng = np.random.default_rng(0)
    pay = hours + rng.integers(0, 60, 400)
    for unit, rules in (("hrs", 1), ("$", 0)):
        frame = pd.DataFrame({"low": [f"{n} hrs" for n in hours], "high": [f"{n} {unit}" for n in pay]})
        columns, faults = inference.infer(frame, Wishes(), Sampling())
        assert not faults
        table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
        found = constraint_search.find(comparable.frame(columns, table), comparable.units(columns))
        assert len(found) == rules


def test_a_label_is_meant_whatever_blanks_stand_around_it() -> None:
    labels = Category.of(pd.Series([" <=50K", " >50K", "a", "a "]))
    assert [labels.meant(text) for text in (">50K", "a", " a", "b")] == [" >50K", "a", " a", "b"]


def european(n: int = 300) -> pd.DataFrame:
    """Thousands with points, all below a million, and decimals with commas as pandas writes them."""
    rng = np.random.default_rng(0)
    whole = np.concatenate([rng.integers(1, 999, n // 5), rng.integers(1000, 90_000, n - n // 5)])
    return pd.DataFrame(
        {
            "km": [f"{v:,}".replace(",", ".") for v in whole],
            "price": [str(v).replace(".", ",") for v in np.round(rng.normal(60, 9, n), 1)],
            "mark": rng.choice(list("abc"), n),
        }
    )


def test_thousands_that_a_program_reads_as_decimals_are_told_and_read_where_one_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cars.csv"
    european().to_csv(path, sep=";", index=False)
    with pytest.warns(
        UserWarning, match=r"km is drawn with decimals, and \d+\.\d\d0 beside whole numbers looks like "
    ):
        fitted(path)
    model = fitted(path, numeric="km=1.234,5")
    rows = model.sample(200, steps=5)
    assert rows["km"].str.fullmatch(r"\d{1,3}(\.\d{3})?").all()
    assert rows["km"].str.contains(".", regex=False).mean() > 0.5
    assert rows["price"].str.fullmatch(r"-?\d+,\d").all()
    # Another file is read as the first was, also where all its numbers are below a thousand.
    european(1000).head(200).to_csv(path, sep=";", index=False)
    assert "km" in str(model.report(path, steps=2))


@pytest.mark.parametrize("texts", [["0.500", "850"], ["1.250", "1.25"], ["1.250", "0.125"], ["1.255", "850"]])
def test_decimals_are_not_told_as_thousands(texts: list[str], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    pd.DataFrame({"x": texts * 30, "y": np.arange(60) % 7, "k": list("ab") * 30}).to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(path)
