"""Ways of writing that real exports have: mixed dates, codes, bounds, marks that are labels, units."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabstep.data import comparable, constraint_search, inference
from tabstep.data.columns import Category, Number, as_text, from_json, to_json
from tabstep.data.doubtful_numbers import doubts
from tabstep.data.files import read_table
from tabstep.data.wishes import Python, Sampling, Wishes
from tabstep.data.writing import numbers
from tabstep.data.written_dates import WrittenMoments, dates
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


TIMES = DAYS + pd.to_timedelta(np.arange(len(DAYS)) * 7919 % 86_400, unit="s")
DIGITS = {"days": "%Y%m%d", "months": "%Y%m", "times": "%Y%m%d%H%M%S", "minutes": "%Y%m%d%H%M"}


@pytest.mark.parametrize("form", DIGITS.values(), ids=DIGITS)
def test_days_in_digits_are_read_as_text_and_as_numbers(form: str) -> None:
    """As the note says, without a form; with gaps they are whole in a file."""
    texts = TIMES.dt.strftime(form)
    for values in (texts, texts.astype("int64"), texts.astype("int64").where(TIMES.index > 4)):
        found = column(values, date={"v": None})
        assert isinstance(found.form, WrittenMoments)
        assert found.form.form == form
        back = found.write(pd.Series(found.read(values)))
        pd.testing.assert_series_equal(back, values.reset_index(drop=True), check_names=False)
        shown = as_text((found,), back.to_frame("v"), gaps=("v",) if values.isna().any() else ())[
            "v"
        ].dropna()
        assert shown.astype(str).tolist() == texts[values.notna()].tolist()


@pytest.mark.parametrize(
    ("form", "way"),
    [
        ("%Y-%m-%dT%H:%M:%S%z", lambda t: f"{t:%Y-%m-%dT%H:%M:%S}+01:00"),
        ("%Y-%m-%d %H:%M:%S %z", lambda t: f"{t:%Y-%m-%d %H:%M:%S} +0000"),
        ("%Y-%m-%dT%H:%M:%S%z", lambda t: f"{t:%Y-%m-%dT%H:%M:%S}Z"),
        ("%d/%b/%Y:%H:%M:%S %Z", lambda t: f"{t:%d/%b/%Y:%H:%M:%S} UTC"),
        ("%d.%m.%Y %H:%M:%S.%f", lambda t: f"{t:%d.%m.%Y %H:%M:%S}.{t.second:03}"),
        ("%H:%M:%S.%f", lambda t: f"{t:%H:%M:%S}.{t.second % 10}"),
        ("%H:%M:%S.%f", lambda t: f"{t:%H:%M:%S}.{str(t.second * 37).rstrip('0') or 0}"),
        ("%d.%m.%Y %I:%M%p", lambda t: f"{t:%d.%m.%Y %-I:%M%p}".lower()),
        ("%d %b %Y", lambda t: f"{t:%d %b %Y}".lower()),
        ("%A %d %B %Y", lambda t: f"{t:%A %-d %B %Y}".upper()),
    ],
)
def test_a_form_of_strptime_is_written_back_as_the_texts_are(form: str, way: Callable[[Any], str]) -> None:
    texts = pd.Series([way(moment) for moment in TIMES])
    found = column(texts, date={"v": form})
    assert found.write(pd.Series(found.read(texts))).tolist() == texts.tolist()
    assert from_json(to_json(found)) == found
    assert found.like(pd.Series([texts[3]])).tolist() == [texts[3]]


def test_offsets_of_a_zone_are_read_by_a_form() -> None:
    moments = TIMES.dt.tz_localize("Europe/Berlin", ambiguous=np.ones(len(TIMES), bool))
    texts = pd.Series([f"{moment:%d_%b_%Y_%H:%M:%S%z}" for moment in moments])
    found = column(texts, date={"v": "%d_%b_%Y_%H:%M:%S%z"})
    assert found.write(pd.Series(found.read(texts))).tolist() == texts.tolist()


def test_what_a_form_reads_and_does_not_write_back_is_said() -> None:
    texts = [f"{moment:%d.%m.%Y  %H:%M}" for moment in TIMES[:60]] + ["01.02.2024 03:04"]
    said = fault(texts, date={"v": "%d.%m.%Y %H:%M"})
    assert "is not written as" in said or "would come back as" in said


@pytest.mark.parametrize(
    "form",
    [
        *("%d/%b/%Y", "%b. %-d, %Y", "%d/%b/%Y:%H:%M:%S", "%Y年%m月%d日", "%Y年%-m月%-d日", "%-d. %-m. %Y"),
        *("%Y-%b-%d", "%d. %B %Y", "%B %-d %Y", "%b %d %Y %H:%M", "%Y_%m_%d", "%d/%b/%Y %H:%M:%S"),
    ],
)
def test_dates_are_read_and_no_codes(form: str) -> None:
    texts = TIMES.dt.strftime(form)
    found = column(texts)
    assert isinstance(found.form, WrittenMoments)
    assert found.write(pd.Series(found.read(texts))).tolist() == texts.tolist()


def test_dates_of_other_orders_are_offered_a_form() -> None:
    texts = TIMES.dt.strftime("%Y, %B %d")
    assert "--date 'v=%Y, %B %d' reads dates" in fault(texts)
    assert isinstance(column(texts, date={"v": "%Y, %B %d"}).form, WrittenMoments)
    assert "date" not in fault([f"K{v % 90}-{v}" for v in range(180)])


def test_advice_is_in_the_words_of_the_call() -> None:
    """In Python as keywords, on the command line as options."""
    ways = {"03/04/2024": "%d/%m/%Y", "soon": "%d.%m.%Y"}
    for text, form in ways.items():
        frame = pd.DataFrame({"v": [text, text] * 20})
        for speech, said in ((Python(), f"date={{'v': '{form}'}}"), (Sampling(), f"--date v={form}")):
            assert said in inference.infer(frame, Wishes(date={"v": None}), speech)[1][0]


def test_numbers_in_hex_are_no_two_numbers() -> None:
    texts = [hex(v) for v in range(256)]
    assert "two numbers" not in fault(texts)
    assert "two numbers" in fault([f"{v % 99}x{v % 98}" for v in range(256)])


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
    for unit, rules in (("hrs", ["high is between 0 and 59 more than low"]), ("$", [])):
        frame = pd.DataFrame({"low": [f"{n} hrs" for n in hours], "high": [f"{n} {unit}" for n in pay]})
        columns, faults = inference.infer(frame, Wishes(), Sampling())
        assert not faults
        table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
        found = constraint_search.find(comparable.frame(columns, table), comparable.units(columns))
        assert [str(rule) for rule in found] == rules


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


@pytest.mark.whole
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


@pytest.mark.parametrize(
    ("texts", "zero", "plus"),
    [
        (["+1.50%", "-0.25%", "0.00%"], "0.00%", "+2.00%"),
        (["+1.50%", "-0.25%", "+0.00%"], "+0.00%", "+2.00%"),
        (["+1.50%", "-0.25%", "-0.00%"], "0.00%", "+2.00%"),
        (["1.50%", "-0.25%", "-0.00%"], "0.00%", "2.00%"),
        (["$+1,005.50", "$-3.25"], "$0.00", "$+2.00"),
        (["+$5.50", "-$3.25"], "$0.00", "+$2.00"),
        (["(0.00)", "(3.25)", "1.10"], "0.00", "2.00"),
        (["0.00-", "3.25-", "1.10"], "0.00", "2.00"),
        (["+1.10 €", "−3.25 €", "−0.00 €"], "0.00 €", "+2.00 €"),
    ],
)
def test_a_plus_is_written_where_it_was_and_a_zero_below_zero_is_zero(
    texts: list[str], zero: str, plus: str
) -> None:
    form = numbers(texts, "object")
    assert form is not None
    for text in texts:
        value = form.parse(text)
        assert value is not None
        assert value == 0 or form.text(value) == text
    assert (form.text(0), form.text(200)) == (zero, plus)


def test_a_plus_before_some_numbers_alone_is_no_way_of_writing() -> None:
    assert numbers(["+5%", "-3%", "7%"], "object") is None


def test_a_file_keeps_the_plus_of_its_numbers(tmp_path: Path) -> None:
    rows = [
        f"{(-1) ** i * i:+d},{i / 7 - 20:+.2f},{i + 100:05d},{10.0 ** (i % 9 - 4):+.1e},{i}"
        for i in range(300)
    ]
    path = tmp_path / "signed.csv"
    path.write_text("\n".join(["change,part,code,small,n", *rows]))
    table = read_table(path)
    assert table["change"].tolist()[:3] == ["+0", "-1", "+2"]
    assert table["part"].tolist()[-1] == "+22.71"
    assert table["code"].tolist()[:2] == ["00100", "00101"]
    assert table["small"].dtype.kind == "f", "an exponent is no way of writing that is known"
    assert table["n"].dtype.kind == "i"
    drawn = fitted(table[["change", "part", "n"]]).sample(50, seed=0)
    for name in ("change", "part"):
        assert {text[0] for text in drawn[name]} <= {"+", "-"}


def test_few_numbers_are_numbers_where_some_have_a_plus_and_others_a_minus() -> None:
    rng = np.random.default_rng(0)
    goals = rng.integers(0, 5, (300, 2))
    frame = pd.DataFrame({"home": goals[:, 0], "away": goals[:, 1]})
    by = [f"{k:+d}" if k else "0" for k in goals[:, 0] - goals[:, 1]]
    drawn = fitted(frame.assign(by=by)).sample(100, seed=0)
    assert (drawn["by"].astype(int) == drawn["home"] - drawn["away"]).all()
    assert set(drawn["by"]) <= set(by)
    grades = fitted(frame.assign(by=["+1", "+2", "0"] * 100)).sample(100, seed=0)["by"]
    assert set(grades) == {"+1", "+2", "0"}  # labels, for all that is known


def test_without_a_plus_columns_are_numbers_as_before(tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text("a,b,c\n" + "\n".join(f"{i},{-i},1e+{i % 5:02d}" for i in range(50)))
    assert [dtype.kind for dtype in read_table(path).dtypes] == ["i", "i", "f"]


def test_digits_may_stand_in_pairs_above_a_thousand() -> None:
    form = numbers(["₹12,34,567.50", "-₹1,00,000.25", "₹999.00"], "object")
    assert form is not None
    assert [form.text(n) for n in (100_000, -12_345_678_901, 5)] == [
        "₹1,000.00",
        "-₹12,34,56,789.01",
        "₹0.05",
    ]
    plain = numbers(["1,234.50", "56,789.25"], "object")
    assert plain is not None
    assert plain.text(123_456_700) == "1,234,567.00", "what both ways write alike is read the usual one"


def test_two_signs_of_minus_are_no_one_way_of_writing() -> None:
    for texts in (["-1.5 €", "−2.5 €", "3.0 €"], ["-1.5", "2.5-", "3.0"]):
        assert numbers(texts, "object") is None


@pytest.mark.parametrize("form", ["%G-W%V", "%GW%V", "W%V %G"])
def test_weeks_are_times_and_are_written_as_they_were(form: str) -> None:
    days = pd.date_range("2004-12-01", "2021-03-01", freq="9D")  # years of 52 weeks and of 53
    texts = [day.strftime(form) for day in days]
    found = dates(list(dict.fromkeys(texts)), "object")
    assert found is not None
    assert found.form == form
    read = found.read(pd.Series(texts, dtype=object))
    assert found.write(read).tolist() == texts
    mondays = days - pd.to_timedelta(days.weekday, unit="D")
    assert (read.values.astype(f"M8[{found.grain}]") == mondays.to_numpy()).all()
    assert dates(["2004-W54", "2005-W01"], "object") is None, "no year has 54 weeks"
