"""The one door for columns: what goes in comes back, over dtypes, units, zones, gaps and ways of writing."""

from __future__ import annotations

import datetime
import itertools
import json
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_series_equal

from tabstep.data import columns, doubtful_numbers, dtypes, inference, writing, written_dates
from tabstep.data.cards import DataError
from tabstep.data.columns import Category, Column, Number
from tabstep.data.forms import Plain
from tabstep.data.wishes import CommandLine, Python, Wishes, check_wishes, refuse

ROWS = 90
RNG = np.random.default_rng(0)
WHOLE = pd.Series(RNG.integers(0, 100, ROWS))
DAYS = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 700, ROWS), unit="D"))
SECONDS = DAYS + pd.to_timedelta(RNG.integers(0, 86_400, ROWS), unit="s")
TEXT = pd.Series(RNG.choice(["a", "b", "c"], ROWS))
CENTS = pd.Series(RNG.lognormal(3, 1, ROWS).round(2))
TOP = np.iinfo(np.int64).max


def card(k: int) -> str:
    """A number of 16 digits, the last one reckoned of the others as those of cards are."""
    digits = f"4{k:014}"
    doubled = [2 * int(d) if i % 2 == 0 else int(d) for i, d in enumerate(digits)]
    return digits + str(-sum(d - 9 if d > 9 else d for d in doubled) % 10)


def objects(values: Any) -> pd.Series[Any]:
    return pd.Series(list(values), dtype=object)


def arrow(values: Any, kind: pa.DataType) -> pd.Series[Any]:
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


def made() -> dict[str, pd.Series[Any]]:
    """A column of every dtype."""
    found: dict[str, Any] = {
        name: WHOLE.astype(name)
        for name in (
            *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
            *(
                "float16",
                "float32",
                "float64",
                "Int8",
                "Int32",
                "Int64",
                "UInt8",
                "UInt64",
                "Float32",
                "Float64",
            ),
        )
    }
    found |= {name: (WHOLE > 70).astype(name) for name in ("bool", "boolean")}
    found |= {f"cents of {name}": CENTS.astype(name) for name in ("float32", "float64", "Float64", "object")}
    found |= {
        "near the top of int64": TOP - WHOLE,
        "near the top of uint64": (np.iinfo(np.uint64).max - WHOLE.astype("uint64")),
        "normal": pd.Series(RNG.normal(size=ROWS)),
        "far floats": pd.Series(RNG.normal(size=ROWS) * 1e300),
        "object": TEXT.astype(object),
        "category": TEXT.astype("category"),
        "ordered": pd.Series(pd.Categorical(TEXT, ["c", "a", "z", "b"], ordered=True)),
        "category of int16": (WHOLE % 4).astype("int16").astype("category"),
        "flags": objects(WHOLE > 50),
        "ints": objects(int(v) for v in WHOLE),
        "dates": objects(d.date() for d in DAYS),
        "datetimes": objects(d.to_pydatetime() for d in SECONDS),
        "timestamps": DAYS.astype(object),
        "zoned timestamps": SECONDS.dt.tz_localize("UTC").astype(object),
        "times": objects(d.time() for d in SECONDS),
        "lengths": objects(datetime.timedelta(seconds=int(v)) for v in WHOLE),
        "decimals": objects(Decimal(int(v)) / 100 for v in WHOLE),
        "months": DAYS.dt.to_period("M"),
        "weeks": DAYS.dt.to_period("W"),
        "nanoseconds": DAYS + pd.to_timedelta(RNG.integers(0, 10**15, ROWS), unit="ns"),
        "far years": pd.Series(np.array(WHOLE + 3000 - 1970, dtype="M8[Y]").astype("M8[s]")),
    }
    for storage in ("python", "pyarrow"):
        for missing in (pd.NA, np.nan):
            found[f"text {storage} {missing}"] = TEXT.astype(pd.StringDtype(storage, na_value=missing))
    for unit in ("s", "ms", "us", "ns"):
        for name, moments in (("days", DAYS), ("seconds", SECONDS)):
            plain = moments.dt.as_unit(unit)
            found[f"{name} {unit}"] = plain
            found[f"{name} {unit} UTC"] = plain.dt.tz_localize("UTC")
            found[f"{name} {unit} Berlin"] = plain.dt.tz_localize(
                "Europe/Berlin", ambiguous=np.ones(ROWS, dtype=bool), nonexistent="shift_forward"
            )
        found[f"lengths {unit}"] = (SECONDS - SECONDS.min()).dt.as_unit(unit)
    for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.float64()):
        found[f"arrow {kind}"] = arrow(WHOLE.tolist(), kind)
    for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        found[f"arrow {kind}"] = dtypes.restored(TEXT.tolist(), f"arrow:{kind}")
    found |= {
        "arrow bool": arrow((WHOLE > 9).tolist(), pa.bool_()),
        "arrow date": arrow([d.date() for d in DAYS], pa.date32()),
        "arrow moments": arrow(SECONDS.tolist(), pa.timestamp("us")),
        "arrow zoned": arrow([d.tz_localize("UTC") for d in SECONDS], pa.timestamp("ms", "Europe/Berlin")),
        "arrow lengths": arrow((SECONDS - SECONDS.min()).tolist(), pa.duration("ms")),
        "arrow times": arrow([d.time() for d in SECONDS], pa.time64("us")),
        "arrow decimals": arrow([Decimal(int(v)) / 100 for v in WHOLE], pa.decimal128(10, 2)),
        "dollars": objects(f"${v:,.2f}" for v in 100 * CENTS),
        "written days": DAYS.dt.strftime("%Y-%m-%d"),
        "written times": SECONDS.dt.strftime("%H:%M:%S"),
        "written in text": DAYS.dt.strftime("%d.%m.%Y").astype("string[pyarrow]"),
        "near the top of UInt64": (np.iinfo(np.uint64).max - WHOLE.astype("uint64")).astype("UInt64"),
        "arrow halffloat": arrow(WHOLE.astype("float16").tolist(), pa.float16()),
        "arrow hundreds": arrow([Decimal(int(v)) * 100 for v in WHOLE], pa.decimal128(5, -2)),
    }
    return found


MADE = made()
HOLES = np.arange(ROWS) % 5 == 0


def only(column: pd.Series[Any], **wishes: tuple[str, ...]) -> Column:
    found, faults = inference.infer(column.to_frame("x"), Wishes(**wishes), Python())
    assert not faults, faults
    return found[0]


def again(column: Column) -> Column:
    """Through a file."""
    return columns.from_json(json.loads(json.dumps(columns.to_json(column), allow_nan=False)))


@pytest.mark.parametrize("gaps", ["whole", "gaps"])
@pytest.mark.parametrize("name", MADE)
def test_every_dtype_comes_back(name: str, gaps: str) -> None:
    values = MADE[name].rename("x")
    if gaps == "gaps":
        values = values.mask(HOLES)
    column = only(values)
    assert again(column) == column
    assert isinstance(list(doubtful_numbers.doubts(values.to_frame("x"), [column], [], Python())), list)
    back = column.write(pd.Series(column.read(values)))
    if (name, gaps) == ("nanoseconds", "gaps"):  # more of them than float64 tells apart
        assert (back - values).abs().max() <= (values.max() - values.min()) * 2.0**-53
        back = back.where(back.isna(), values)
    assert_series_equal(back, values, check_names=False)
    assert_series_equal(
        column.like(values.iloc[::-1]), values.iloc[::-1].reset_index(drop=True), check_names=False
    )


@pytest.mark.parametrize("name", [name for name in MADE if isinstance(only(MADE[name].rename("x")), Number)])
def test_whatever_is_drawn_lies_in_range_and_keeps_the_precision(name: str) -> None:
    """Numbers between the least and the greatest, as a model draws them; gaps too."""
    values = MADE[name].rename("x")
    column = only(values)
    assert isinstance(column, Number)
    read = column.read(values).astype(np.float64)
    drawn = pd.Series(read.min() + np.random.default_rng(1).random(300) * np.ptp(read))
    rows = column.write(drawn)
    assert rows.dtype == values.dtype
    assert values.dtype != object or {type(v) for v in rows} == {type(values.iloc[0])}
    canonical = column.read(rows)
    if "float" in name or name in ("normal", "far floats"):
        assert min(values) <= min(rows)
        assert max(rows) <= max(values)
    else:
        assert read.min() <= canonical.min() <= canonical.max() <= read.max()
    assert_series_equal(column.write(pd.Series(canonical)), rows)  # on the grid already
    assert column.write(drawn.mask(drawn.index % 2 == 0)).isna().sum() == 150


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (DAYS, "D"),
        (DAYS.dt.to_period("M").dt.to_timestamp(), "M"),
        (DAYS + pd.Timedelta("30min"), "m"),
        (SECONDS.dt.as_unit("ms"), "s"),
        (DAYS.dt.tz_localize("Europe/Berlin"), "D"),
        (DAYS.dt.tz_localize("Asia/Kolkata") + pd.Timedelta("1h"), "h"),
        (DAYS - DAYS.min(), "D"),
    ],
)
def test_the_grain_is_the_coarsest_that_all_keep_to(values: pd.Series[Any], unit: str) -> None:
    column: Any = only(values)
    assert column.form.grain == unit
    drawn = column.write(pd.Series(np.linspace(column.read(values).min(), column.read(values).max(), 50)))
    assert only(drawn).form.grain in ("Y", unit) if unit == "M" else only(drawn).form.grain == unit  # type: ignore[union-attr]


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["int8", "uint8", "int32", "int64", "uint64", "Int64", "UInt64"]),
    data=st.data(),
)
def test_whole_numbers_of_any_size_come_back(name: str, data: st.DataObject) -> None:
    """Exactly, where the range has at most 2**53 of them; no farther off than float64 must be elsewhere."""
    bounds = np.iinfo(name.lower())
    values = data.draw(
        st.lists(st.integers(int(bounds.min), int(bounds.max)), min_size=3, max_size=12, unique=True)
    )
    column = only(pd.Series(values, dtype=name, name="x"), numeric=("x",))
    back = [int(v) for v in column.write(pd.Series(column.read(pd.Series(values, dtype=name))))]
    spread = max(values) - min(values)
    assert max(abs(a - b) for a, b in zip(back, values, strict=True)) <= (
        0 if spread <= 2**53 else spread // 2**51
    )
    assert min(values) <= min(back) <= max(back) <= max(values)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["float32", "float64", "Float64"]),
    places=st.integers(0, 5),
    whole=st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=20, unique=True),
)
def test_decimals_are_kept(kind: str, places: int, whole: list[int]) -> None:
    values = pd.Series([v / 10**places for v in whole], dtype="float64").round(places).astype(kind)
    column: Any = only(values, numeric=("x",)) if places else only(values.rename("x"), numeric=("x",))
    assert column.form.decimals is None or column.form.decimals <= places
    assert_series_equal(column.write(pd.Series(column.read(values))), values)
    inner = pd.Series(np.linspace(float(values.min()), float(values.max()), 40))
    drawn = column.write(inner)
    if column.form.decimals is not None:
        exact = drawn.astype("float64").round(places).astype(kind)
        assert_series_equal(exact, drawn)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["int64", "Int64", "UInt64", "arrow:uint64", "arrow:int64", "object"]),
    way=st.sampled_from(["list", "text", "Decimal", "Int64", "UInt64"]),
    data=st.data(),
)
def test_whole_numbers_that_are_handed_in_are_exact(kind: str, way: str, data: st.DataObject) -> None:
    """Whatever dtype they come in, gaps among them or not; float64 would change those beyond 2**53."""
    bounds = np.iinfo("uint64" if "uint" in kind.lower() and way != "Int64" else "int64")
    least = 0 if "UInt64" in (kind, way) or kind == "arrow:uint64" else int(bounds.min)
    most = min(int(bounds.max), 2**63 - 1) if "UInt64" != kind != "arrow:uint64" else int(bounds.max)
    values: list[Any] = data.draw(st.lists(st.integers(least, most), min_size=3, max_size=8, unique=True))
    column = only(dtypes.restored(values, kind).rename("x"), numeric=("x",))
    makes: dict[str, Any] = {"text": str, "Decimal": Decimal}
    handed = pd.Series([makes.get(way, int)(v) for v in values], dtype=way if "Int" in way else object)
    holes = handed.index % 3 == 2
    back = column.like(handed.mask(holes) if kind != "int64" else handed)
    wanted = [None if hole and kind != "int64" else v for v, hole in zip(values, holes, strict=True)]
    assert [None if pd.isna(v) else int(v) for v in back] == wanted


def test_single_precision_is_what_it_prints() -> None:
    column = only(pd.Series([0.12, 0.5, 7.25], name="x"))
    assert column.like(pd.Series([0.12, 7.25], dtype="float32")).tolist() == [0.12, 7.25]
    third = np.float32(1 / 3)
    assert column.like(pd.Series([third])).tolist() == [float(third)]


@pytest.mark.parametrize("value", [[5], {}, {5}, (5, 6)], ids=str)
def test_what_is_no_label_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"column 'x': .* is no label"):
        only(TEXT.rename("x")).like(objects([value]))


CUTS = st.sampled_from([("", "."), (",", "."), (".", ","), (" ", ","), ("'", "."), ("", ",")])


@settings(max_examples=25, deadline=None)
@given(
    cuts=CUTS,
    places=st.integers(0, 3),
    around=st.sampled_from(
        [("", ""), ("$", ""), ("", " €"), ("", "%"), ("EUR ", ""), ("", " kg"), ("US$ ", "")]
    ),
    values=st.lists(st.integers(-(10**9), 10**9), min_size=21, max_size=30, unique=True),
    signs=st.sampled_from(
        [
            {"brackets": True},
            *({"plus": plus, "minus": minus} for plus in ("never", "positive") for minus in ("-", "−")),
            {"minus": "behind"},
        ]
    ),
    lakh=st.booleans(),
)
def test_numbers_in_writing_come_back_as_they_were_written(
    cuts: tuple[str, str],
    places: int,
    around: tuple[str, str],
    values: list[int],
    signs: dict[str, Any],
    lakh: bool,
) -> None:
    if signs.get("minus") == "behind" and around[1]:
        signs = {}  # behind what follows a number it is no minus
    form = writing.WrittenNumbers("object", *around, *cuts, places, lakh=lakh and bool(cuts[0]), **signs)
    texts = [form.text(v) for v in values]
    found, faults = inference.infer(pd.DataFrame({"x": texts}), Wishes(), Python())
    if faults:  # three decimals and no other mark may as well be thousands
        assert places == 3 or cuts[0] in (",", ".")
        assert "two ways" in faults[0]
        return
    column: Any = found[0]
    assert isinstance(column.form, writing.WrittenNumbers)
    assert column.write(pd.Series(column.read(objects(texts)))).tolist() == texts
    middle = column.write(pd.Series(np.linspace(*np.percentile(column.read(objects(texts)), [0, 100]), 9)))
    assert all(form.parse(text) is not None for text in middle)


@settings(max_examples=25, deadline=None)
@given(
    form=st.sampled_from(written_dates.STAMPS), first=st.integers(0, 2**31), step=st.integers(90_001, 10**7)
)
def test_dates_in_writing_come_back_as_they_were_written(form: str, first: int, step: int) -> None:
    moments = (np.int64(first) + step * np.arange(40)).astype("M8[s]").astype("M8[ns]")
    texts = written_dates.in_text(moments, form)
    found, faults = inference.infer(pd.DataFrame({"x": texts}), Wishes(), Python())
    if faults:  # day and month, where no day is beyond the twelfth
        assert "two ways" in faults[0]
        return
    column: Any = found[0]
    assert isinstance(column, Number)
    assert column.write(pd.Series(column.read(objects(texts)))).tolist() == texts


NUMBERS = ("{:.2f}", "{:,.2f}", "{:.3e}", "${:.2f}", "{:.2f} kg", "{:.2f}%", "{:.2f} ", "{:.2f}-", "<{:.2f}")
MOMENTS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%a, %d %b %Y", "%Y-%m-%d %H:%M", "%B %d, %Y", "%H:%M")


@pytest.mark.whole
@settings(max_examples=40, deadline=None)
@given(
    ways=st.one_of(
        st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True),
        st.lists(st.sampled_from(MOMENTS), min_size=1, max_size=3, unique=True),
    ),
    values=st.lists(st.integers(1000, 20_999), min_size=25, max_size=40, unique=True),
    times=st.integers(3, 6),
)
def test_amounts_and_dates_are_no_categories_however_they_are_written(
    ways: list[str], values: list[int], times: int
) -> None:
    """Each text comes back three times and more, as those of categories do."""
    written = [
        pd.Timestamp(86_460 * v, unit="s").strftime(way) if "%Y" in way or "%H" in way else way.format(v / 10)
        for v, way in zip(values, itertools.cycle(ways), strict=False)
    ]
    found, faults = inference.infer(pd.DataFrame({"x": written * times}), Wishes(), Python())
    assert faults or isinstance(found[0], Number)
    for fault in faults:
        assert re.search("holds (numbers|dates)|in two ways", fault), fault
        assert "categorical=['x']" in fault


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2023-01-15T08:07:31.020", "%Y-%m-%dT%H:%M:%S.%3f"),
        ("2023-01-15T08:07:31.020Z", "%Y-%m-%dT%H:%M:%S.%3fZ"),
        ("2023-01-15T08:07:31.020+02:00", "%Y-%m-%dT%H:%M:%S.%3f+02:00"),
        ("1/31/2024 9:05", "%-m/%-d/%Y %-H:%M"),
        ("1/31/24 9:05 AM", "%-m/%-d/%y %-I:%M %p"),
        ("9:05", "%-H:%M"),
    ],
)
def test_ways_of_scripts_and_spreadsheets_are_known(text: str, form: str) -> None:
    found = written_dates.dates([text], "object")
    assert found is not None
    assert found.form == form
    column = objects([text, None])
    assert found.write(found.read(column)).tolist() == [text, None]


@pytest.mark.parametrize(
    ("day", "text", "form"),
    [
        ("2015-01-07", "07-JAN-15", "%d-%^b-%y"),
        ("2015-01-07", "07JAN2015", "%d%^b%Y"),
        ("2015-01-07", "7-Jan-15", "%-d-%b-%y"),
        ("1999-01-17", "17-01-99", "%d-%m-%y"),
        ("2015-01-01", "Jan-15", "%b-%y"),
        ("2015-01-01", "1/2015", "%-m/%Y"),
        ("2015-01-01", "2015 Jan", "%Y %b"),
        ("2015-01-07T03", "2015-01-07 03", "%Y-%m-%d %H"),
    ],
)
def test_dates_of_databases_spreadsheets_and_months_are_read(day: str, text: str, form: str) -> None:
    found = written_dates.dates([text], "object")
    assert found is not None
    assert found.form == form
    assert written_dates.parsed(pd.Series([text], dtype=object), form)[0] == np.datetime64(day)
    column = objects([text, None])
    for way in (found, written_dates.dated(column, form.replace("^", ""))):
        assert way.write(way.read(column)).tolist() == [text, None]


@pytest.mark.parametrize(
    "labels",
    [
        ["9", "10", "11", "12", "other"],
        ["5 hours", "6 hours", "10 or more hours"],
        ["2500-4999", "5000-7499", "10000-12499"],
        ["5", "6", "7", "8", "10+"],
    ],
)
def test_few_labels_that_all_come_back_are_categories(labels: list[str]) -> None:
    """Though most rows read as numbers: drawn as they are, nothing is lost."""
    often = objects([*labels[:-1] * 30, *labels[-1:] * 3])
    assert isinstance(only(often), Category)


@pytest.mark.parametrize("mark", ["-", "?", "n.a."])
@pytest.mark.parametrize(
    "values", [[f"{v}.5" for v in range(30)], [f"2024-03-{v + 1:02}" for v in range(30)]]
)
def test_marks_of_gaps_are_named_however_often_they_stand(values: list[str], mark: str) -> None:
    column = pd.DataFrame({"x": [*values * 3, *[mark] * 60, *["none"] * 9]})
    _, faults = inference.infer(column, Wishes(), Python())
    assert re.search(r"holds (numbers|dates), but also", faults[0])
    assert f"missing={sorted([mark, 'none'])!r}" in faults[0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [f"the patient said {v} and left" for v in range(ROWS - 1)] + ["the patient said 0 and left"],
            "like prose",
        ),
        (
            [f"{'xyz'[v % 3]} visit {v // 2} was short and went well" for v in range(ROWS)],
            "like prose",
        ),
        (
            ["-", *(f"{100 + v % 50}/{70 + v % 13}" for v in range(ROWS - 1))],
            "two numbers in a cell, such as '100/70'",
        ),
        ([f"user{v % 30}@example.org" for v in range(ROWS)], "holds e-mail addresses"),
        ([f"+49 170 {1234567 + v % 30}" for v in range(ROWS)], "holds telephone numbers"),
        ([f"2024-{v:06}" for v in range(ROWS)], "different text in every row"),
        ([f"192.168.{v % 30}.{v % 7}" for v in range(ROWS)], "holds IP addresses"),
        ([f"2001:db8:0:0:0:0:{v % 30:x}:1" for v in range(ROWS)], "holds IP addresses"),
        ([f"DE89 3704 0044 0532 {v % 30:04} 00" for v in range(ROWS)], "holds bank accounts"),
        ([f"4111 1111 {v % 30:04} 1111" for v in range(ROWS)], "holds card numbers"),
        ([card(v % 30) for v in range(ROWS)], "holds card numbers"),
        ([int(card(v % 30)) for v in range(ROWS)], "holds card numbers"),
        ([f"@user_{v % 30}" for v in range(ROWS)], "holds names of users"),
        ([f"078-05-{v % 30:04}" for v in range(ROWS)], "holds social security numbers"),
        ([f"C-{v % 30:05d}" for v in range(ROWS)], "like an id"),
        ([f"{v % 30:08x}-1111-2222-3333-123456789012" for v in range(ROWS)], "holds identifiers"),
        ([f"0{v}" for v in range(ROWS)], "like an id"),
        ([*(f"{v}.5" for v in range(ROWS - 1)), "?"], r"holds numbers, but also \?"),
        ([*(f"${v}.5" for v in range(ROWS - 1)), "free"], "holds numbers, but also free"),
        ([*DAYS.dt.strftime("%Y-%m-%d")[1:], "soon"], "holds dates, but also soon"),
        (["03/04/2024", "05/06/2023", "07/08/2022"] * 30, "in two ways"),
        ([f"{v + 1},{234 + v}" for v in range(ROWS)], "in two ways"),
        ([complex(v) for v in range(ROWS)], "is complex128"),
        (objects([(v,) for v in range(ROWS)]), "holds tuple"),
        (pd.Series(pd.arrays.SparseArray([0, 1, 2] * 30)), r"use|\.sparse\.to_dense"),
        (pd.cut(WHOLE, 4), r"Interval values; as categories use \.astype\(str\)"),
        (objects([1.0, True, 0.0] * 30), "truth values and the numbers 0 or 1"),
        (objects(["a", "b\udc80"] * 45), "half a character"),
        (objects([np.datetime64("2024-01-01")] * ROWS), r"pd\.to_datetime"),
        (pd.Categorical(DAYS), r"\.astype\('datetime64"),
        (objects(pd.cut(WHOLE, 4)), r"\.astype\(str\)"),
        (objects(DAYS.dt.to_period("M")), r"\.astype\('period"),
        (objects([b"a", b"b"] * 45), r"\.str\.decode"),
        (
            objects([datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)] * 45),
            "utc=True",
        ),
        (objects([2**70 + v for v in range(ROWS)]), "beyond 64 bits"),
        ([np.inf, *range(ROWS - 1)], "holds 1 infinite values"),
        ([1e308, -1e308, *range(ROWS - 2)], "numbers up to 1e"),
        ([*DAYS.dt.strftime("%Y-%m-%d")[1:], "9999-12-31"], r"holds dates, but also 9999-12-31"),
        ([f"{1000 + v % 30}-02-03" for v in range(ROWS)], r"in years of 1678\.\.2261"),
        (objects([Decimal("Infinity"), *[Decimal(1)] * 89]), "holds infinite"),
    ],
)
def test_what_is_not_read_is_refused_with_a_way_out(values: Any, message: str) -> None:
    frame = pd.DataFrame({"x": values, "y": WHOLE})
    for speech in (Python(), CommandLine()):
        found, faults = inference.infer(frame, Wishes(), speech)
        assert [c.name for c in found] == ["y"]
        with pytest.raises(DataError, match=f"column 'x' .*({message})"):
            refuse(faults)
    if "like" in message or "addresses" in message:
        assert isinstance(only(frame["x"], categorical=("x",)), Category)


@pytest.mark.parametrize(
    "values",
    [
        TEXT,
        [f"level {v % 12}" for v in range(ROWS)],
        ["<=50K", ">50K", ">50K"] * 30,
        ["10-20", "20-30", "30+"] * 30,
        ["1", "2", "3"] * 30,
        ["2024-01-31", "31.01.2024", "2024-02-29"] * 30,
        ["SI2", "VS1", "VVS2"] * 28 + ["IF"] * 6,
        ["T1", "T2", "T3"] * 28 + ["Tx"] * 6,
        ["10%", "20%", "30%"] * 30,
        ["None", "NA", "nan"] * 30,
        [f"{v % 25}{'AB'[v % 25 % 2]}" for v in range(ROWS)],
        [f"{v % 30:05}" for v in range(ROWS)],
        [f"{v % 30}-{v % 30 + 5}" for v in range(ROWS)],
        ["Some college, no degree or less", "Never married and no children", "x"] * 30,
    ],
)
def test_honest_categories_are_taken(values: Any) -> None:
    column = only(pd.Series(values, dtype=object))
    assert isinstance(column, Category)
    assert set(column.values) == set(values)


PEOPLE = ["Anna Berg", "Tom Maier", "Lea Voss", "Jan Kern", "Ute Falk", "Max Roth", "Eva Lind", "Ole Beck"]


@pytest.mark.parametrize(
    "values",
    [
        [
            *(f"Called {who}, who wants the money back" for who in PEOPLE),
            f"Called {PEOPLE[0]}, who wants the money back",
        ],
        [f"Called {who}, who wants the money back" for who in PEOPLE[:3]],
        ["Called Anna Berg, who wants the money back"],
        [*(f"{who} complains" for who in PEOPLE), "Anna Berg complains"],
        ["yes", "no", "later"] * 30 + ["Anna Berg has moved to another town"] * 2 + ["see Tom, 0171 4400123"],
        [f"level {v % 25}" for v in range(400)]
        + [f"Called {who}, who wants the money back" for who in PEOPLE],
        [
            f"ring {who} at {number}"
            for who, number in zip(PEOPLE, ["+49 (0)171 44001", "(030) 4400123"], strict=False)
        ],
        ["ring me at 555-123-4567", "write to anna.berg@example.org", "the account is 4711000123"],
        [f"{who}の電話は夜にしてください" for who in "安岡森林原"],
    ],
)
def test_few_remarks_are_no_labels(values: list[str]) -> None:
    """Most cells empty: what a handful of people said is not drawn as it is."""
    frame = pd.DataFrame({"x": objects([*values, *[None] * 700]), "y": 1.5})
    for column in (frame["x"], frame["x"].astype("category")):
        _, faults = inference.infer(frame.assign(x=column), Wishes(), Python())
        assert "like prose" in faults[0]
    assert isinstance(only(frame["x"], categorical=("x",)), Category)


@pytest.mark.parametrize(
    "values",
    [
        ["don't know", "very satisfied", "No, never", "not at all"],
        ["I am neither satisfied nor dissatisfied", "I am satisfied with most of it", "I am not satisfied"]
        * 3,
        ["yes"] * 9 + ["no"] * 7 + ["I do not want to say so"],
        ["before 01.02.2024 or so", "after 01.02.2024 or so", "on 2024-01-02 or so"] * 3
        + ["on 01.02.2024 at noon"],
        ["income of 0 - 1000000", "1000000 - 2000000", "more than that"],
        ["2 of 5", "3 of 5"],
        ["a laptop or desktop, a server of ours", "a server of ours, paper", "paper, a laptop or desktop"],
    ],
)
def test_few_labels_may_come_seldom(values: list[str]) -> None:
    column = only(objects([*values, *[None] * 200]))
    assert isinstance(column, Category)
    assert set(column.values) == set(values)


def test_all_that_is_wrong_is_told_at_once() -> None:
    frame = pd.DataFrame({"a": [f"id {v}" for v in range(ROWS)], "b": [np.inf] * ROWS, "c": WHOLE})
    _, faults = inference.infer(frame, Wishes(), Python())
    with pytest.raises(DataError, match=r"2 faults:\n- column 'a' .*drop=\['a'\].*\n- column 'b' "):
        refuse(faults)
    wishes = Wishes(numeric=("cc", "a"), categorical=("a",), drop=("dd",))
    assert len(check_wishes(["a", "c"], wishes, "tt", Python())) == 4


@pytest.mark.parametrize("name", ["list<item: int8>", "decimal256(40, 2)"])
def test_a_dtype_without_a_name_is_refused(name: str) -> None:
    kinds = {"list<item: int8>": pa.list_(pa.int8()), "decimal256(40, 2)": pa.decimal256(40, 2)}
    with pytest.raises(ValueError, match="no name gives the dtype"):
        dtypes.name(pd.ArrowDtype(kinds[name]))


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+0530", "-03:00", " UTC"])
def test_times_with_an_offset_come_back(zone: str) -> None:
    moments = pd.Series(pd.to_datetime(["2024-01-31 23:59:01", "2023-03-01 00:00:00", None]))
    column = moments.dt.strftime("%Y-%m-%dT%H:%M:%S").where(moments.notna(), None) + zone
    form = written_dates.dates(list(column.dropna()), "object")
    assert form is not None
    assert form.form == f"%Y-%m-%dT%H:%M:%S{zone}"
    known = Number.of(column.rename("at"), form)
    canonical = pd.Series(known.read(column))
    assert canonical[0] - canonical[1] == (moments[0] - moments[1]).total_seconds()
    assert known.write(canonical)[:2].tolist() == column[:2].tolist()
    given = pd.Series([pd.Timestamp("2024-01-01T12:00:00", tz="UTC")])
    hours = {"+0530": 17.5, "-03:00": 9.0}.get(zone, 12.0)
    assert known.like(given)[0] == f"2024-01-01T{int(hours):02}:{int(hours % 1 * 60):02}:00{zone}"


def test_dates_are_no_offsets() -> None:
    found = written_dates.dates(["31-12-2024", "13-10-2024"], "object")
    assert found is not None
    assert found.form == "%d-%m-%Y"


@pytest.mark.parametrize(
    ("texts", "given", "meant"),
    [
        (
            ["€1,083.18", "€9.37"],
            ["€100", "€1,234", "1,234.5", "100", 100, 12.5],
            [10000, 123400, 123450, 10000, 10000, 1250],
        ),
        (
            ["1.083,18 kg", "9,37 kg"],
            ["70 kg", "1.234 kg", "12,5", "12.5", 12.5],
            [7000, 123400, 1250, 1250, 1250],
        ),
        (["12%", "7%", "110%"], ["25", "25 %", 25], [25, 25, 25]),
    ],
)
def test_a_number_that_a_user_gives_may_be_written_shorter(
    texts: list[str], given: list[Any], meant: list[int]
) -> None:
    form = writing.numbers(texts, "object")
    assert form is not None
    assert form.read(form.like(objects(given))).values.tolist() == meant
    with pytest.raises(ValueError, match="holds numbers such as"):
        form.like(objects(["much"]))


def test_separators_of_thousands_may_come_late() -> None:
    texts = [f"€{v}.50" for v in range(100, 200)]
    form = writing.numbers([*texts, "€1,083.18"], "object")
    assert form is not None
    assert form.parse("€1,083.18") == 108318
    assert form.text(1234567) == "€12,345.67"


def test_whole_numbers_with_gaps_are_whole_in_a_file() -> None:
    whole = [Number.of(pd.Series([1.0, np.nan, 7.0], name=name), Plain("float64", 0)) for name in "ab"]
    rows = pd.DataFrame({"a": [3.0, np.nan], "b": [3.0, 4.0]})
    assert columns.as_text(whole, rows, ("a",)).to_csv(index=False) == "a,b\n3,3.0\n,4.0\n"


@pytest.mark.parametrize(
    "kind",
    ["datetime64[ns]", "datetime64[s]", pd.ArrowDtype(pa.date32()), pd.ArrowDtype(pa.timestamp("us"))],
    ids=str,
)
def test_days_of_any_dtype_are_days_in_a_file(kind: Any) -> None:
    days = pd.Series(pd.to_datetime(["2024-01-31", None, "2023-12-01"]), name="x").astype(kind)
    (column,), _ = inference.infer(pd.DataFrame({"x": days}), Wishes(), Python())
    shown = columns.as_text((column,), pd.DataFrame({"x": days}))
    assert shown.to_csv(index=False) == 'x\n2024-01-31\n""\n2023-12-01\n'


def test_long_numbers_are_no_cards_by_chance_places_no_users_and_one_may_insist() -> None:
    rng = np.random.default_rng(0)
    plain = pd.Series(rng.integers(10**15, 10**16, 30))[rng.integers(0, 30, ROWS)].reset_index(drop=True)
    few = pd.Series(["@home", "@work", "@sea"] * (ROWS // 3))
    for column in (plain, plain.astype(str), pd.Series([4111111111111111] * ROWS), few):
        assert not inference.infer(column.to_frame("x"), Wishes(), Python())[1]
    (made,), faults = inference.infer(
        pd.DataFrame({"x": [int(card(v)) for v in range(ROWS)]}), Wishes(numeric=("x",)), Python()
    )
    assert isinstance(made, Number)
    assert not faults
