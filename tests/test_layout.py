"""Lines of a file that are no rows, names that are no names, and how files write flags and exponents."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.data import inference
from tabstep.data.cards import DataError
from tabstep.data.columns import Category, as_text, from_json, to_json
from tabstep.data.files import read_table, taken_for_gaps, told
from tabstep.data.wishes import Sampling, Wishes

BODY = ["1,a,2.5", "2,b,3.5", '3,"x\ny",4.5', "4,,5.5"]


def written(path: Path, *lines: str, end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode("utf-8-sig"))
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize(
    ("lines", "note"),
    [
        (["# made today", "n,t,x", *BODY], "line 1 of a.csv, '# made today', stands above the names"),
        (["Report,,", "", "n,t,x", *BODY], "'Report,,', stands above the names"),
        (["n,t,x", "(1),,mm", *BODY], None),
        (["n,t,x", ",,mm", *BODY], "line 2 of a.csv, ',,mm', holds units"),
        (
            ["n,t,x", *BODY[:3], "n,t,x", *BODY[3:], "n,t,x"],
            "line 6 of a.csv, 'n,t,x', holds the names again",
        ),
        (["n,t,x", *BODY, "Total:,,16.0", ""], "holds totals"),
        (["n,t,x", *BODY, ",sum,16.0"], "holds totals"),
        (["n,t,x", *BODY, "5,sum,16.0"], None),
        (["n,t,x", "NA,,NA", *BODY], None),
    ],
)
def test_lines_that_are_no_rows_are_left_out_with_a_note(
    tmp_path: Path, lines: list[str], note: str | None, end: str
) -> None:
    path = written(tmp_path / "a.csv", *lines, end=end)
    table, notes = read_table(path), " ".join(told(path))
    assert list(table) == ["n", "t", "x"]
    if note is None:
        assert len(table) == len(BODY) + 1
        assert notes == ""
        return
    assert note in notes
    assert table["n"].tolist() == [1, 2, 3, 4]
    assert table["x"].tolist() == [2.5, 3.5, 4.5, 5.5]
    assert taken_for_gaps(path, ["t"]) == {}


def test_units_stand_above_numbers_with_gaps_too(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "t;w", "min;kW", "0;n/a", "1;1,5", "2;-", "3;2,5")
    assert "line 2 of a.csv, 'min;kW', holds units" in " ".join(told(path))
    assert len(read_table(path)) == 4


def test_a_file_of_other_marks_is_read_below_its_title(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "Stand 1.1.2024", "a;b;c", "1,5;x;2", "2,5;y;3")
    assert list(read_table(path)) == ["a", "b", "c"]


def test_rows_that_are_longer_than_the_names_say_so(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "made, today", "n,t,x", *BODY)
    with pytest.raises(DataError, match="its line of names has 2 cells, 'made,  today', and rows have more"):
        read_table(path)


def test_names_that_are_empty_or_come_twice_are_those_of_pandas(tmp_path: Path) -> None:
    """A column without a name and without values, as separators at the end make it, is left out."""
    path = written(tmp_path / "a.csv", "a,a,a.1,,b,", "1,2,3,4,5,", "6,7,8,9,10,")
    table = read_table(path)
    plain = pd.read_csv(path)
    assert list(table) == list(plain)[:-1] == ["a", "a.2", "a.1", "Unnamed: 3", "b"]
    assert table.iloc[0].tolist() == [1, 2, 3, 4, 5]
    assert "'a' is called 'a.2', '' is called 'Unnamed: 3'" in " ".join(told(path))


@pytest.mark.parametrize(
    ("values", "drawn", "text"),
    [
        (["TRUE", "FALSE"], [True, False], ["TRUE", "FALSE"]),
        (["true", "", "false"], [False, None, True], ["false", None, "true"]),
        (["True", "False"], [True, False], [True, False]),
        (["TRUE", "true", "FALSE"], [True, False], [True, False]),
        (["7.87E-02", "1.00E+03", "5.25E+00"], [0.5, 31415.9], ["5.00E-01", "3.14E+04"]),
        (["5.069e+06", "", "1.250e+05", "7.000e+04"], [4766712.0], ["4.767e+06"]),
        (["5e+06", "3e+05", "2e-03"], [4766712.0], ["5e+06"]),
        (["7.87E-02", "1.0E+03", "5.25E+00"], [0.5], [0.5]),
    ],
)
def test_flags_and_exponents_are_written_as_they_came(
    tmp_path: Path, values: list[str], drawn: list[object], text: list[object]
) -> None:
    path = written(tmp_path / "a.csv", "n,v", *(f"{i},{v}" for i, v in enumerate(values * 3)))
    (_, column), faults = inference.infer(read_table(path), Wishes(), Sampling())
    assert not faults
    column = from_json(to_json(column))
    if isinstance(column, Category) and column.flags:
        assert [column.meant(text) for text in column.flags] == [False, True]
    back = as_text((column,), pd.DataFrame({"v": drawn}))["v"]
    assert back.astype(object).where(back.notna(), None).tolist() == text
    assert np.isin(column.read(read_table(path)["v"]).astype(str), ["True", "False"]).any() == (
        values[0].lower() == "true"
    )


def test_whole_numbers_with_gaps_are_whole_as_labels(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "q,x", *(f"{i % 3 + 1 if i % 4 else ''},{i}.5" for i in range(60)))
    columns, faults = inference.infer(read_table(path), Wishes(categorical=("q",)), Sampling())
    assert not faults
    rows = columns[0].write(pd.Series(["1", "3", None], dtype=object))
    assert rows.astype(object).where(rows.notna(), None).tolist() == [1, 3, None]
    assert rows.to_csv(index=False, header=False) == '1\n3\n""\n'


def test_lines_of_marks_alone_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a;b;c\n" + "".join(f"{k};{k * 2};x\n" for k in range(20)) + ";;\n" + '7;8;y\n; ;""\n')
    frame = read_table(path)
    assert len(frame) == 21
    assert frame["a"].dtype == "int64"
    assert "2 lines of a.csv hold nothing but ';': they are taken for no rows" in told(path)


SALES = [f"{['Rome', 'Oslo', 'Bern'][i % 3]},{10 + i % 7},{i % 11 + 0.25}" for i in range(40)]
SUM, MEAN = "Total,515,196.0", "Average,12.88,4.90"


@pytest.mark.parametrize(
    "below",
    [
        [SUM],
        [SUM, "Source: ERP export 2024"],
        [SUM, "", "Source: ERP export 2024,,"],
        [SUM, MEAN],
        [MEAN],
        [SUM, "Max,16,10.25", "exported on Monday, at noon, by me, from the office"],
        ["(40 rows)"],
        ["40 rows"],
        ["", "Zeilen: 40"],
        ["Total (40 rows),515,196.0"],
        ["Total général,515,196.0"],
        ["Gesamtsumme:,515,196.0", "Mittelwert,12.9,5.2", "Quelle: Amt"],
        [",515,196.0"],
        [",,196.0"],
        ["合计,515,196.0"],
        ["Average,12.88,"],
    ],
)
def test_lines_below_the_rows_are_no_rows(tmp_path: Path, below: list[str]) -> None:
    path = written(tmp_path / "a.csv", "city,n,x", *SALES, *below)
    table, notes = read_table(path), told(path)
    assert len(table) == len(SALES)
    assert table["n"].dtype == np.int64
    assert len(notes) == len([line for line in below if line])
    assert all("it is taken for no row" in note for note in notes)


@pytest.mark.parametrize(
    "last",
    [
        ["Rome,,"],
        ["Rome"],
        ["Lima"],
        ["Lima,,"],
        [",12,3.25"],
        [",515,3.25"],
        ["Max,16,3.25"],
        ["Media,12,3.25"],
        ["Count,40,3.25"],
        ["Total energies,11,2.5"],
        ["Total,11,2.5", "Rome,11,3.5"],
        ["515,11,2.5"],
    ],
)
def test_rows_at_the_end_stay(tmp_path: Path, last: list[str]) -> None:
    path = written(tmp_path / "a.csv", "city,n,x", *SALES, *last)
    assert len(read_table(path)) == len(SALES) + len(last)
    assert told(path) == []


def test_what_stands_in_a_column_above_names_no_totals(tmp_path: Path) -> None:
    brands = [f"{['Total', 'Esso', 'Shell'][i % 3]},{['FR', 'DE'][i % 2]},{i}" for i in range(31)]
    assert len(read_table(written(tmp_path / "a.csv", "brand,in,x", *brands))) == len(brands)
    days = [f"T{i % 5},2024-01-{i // 5 + 1:02},{i}" for i in range(40)]
    assert len(read_table(written(tmp_path / "b.csv", "share,day,x", *days, "SUM,2024-01-08,5"))) == 41


def test_totals_are_sums_however_they_are_written(tmp_path: Path) -> None:
    rows = [f"Rom;1.{i:03},50" for i in range(20)]
    path = written(tmp_path / "a.csv", "ort;eur", *rows, ";20.200,00")
    assert len(read_table(path)) == 20
    mixed = [f'{i},"{1000 + i:,}"' for i in range(20)]
    path = written(tmp_path / "b.csv", "n,x", *mixed, '190,"20,190"')
    assert len(read_table(path)) == 20


@pytest.mark.parametrize(
    ("lines", "is_row"),
    [
        ([f"{place},{i}.5,2024-01-0{1 + i % 9}" for i, place in enumerate(["North", "South"] * 5)], True),
        ([f"{i}.25,{i},{3 * i}" for i in range(10)], True),
        (["region,units", *(f"{place},{i}" for i, place in enumerate(["North", "South"] * 5))], False),
        (["country,2019,2020", *(f"c{i},{i},{2 * i}" for i in range(10))], False),
        (["2019,2020,2021", *(f"{i},{i}.5,{2 * i}" for i in range(10))], False),
        (["kind,size", *(f"kind,{i}" for i in range(10))], False),
        (["a,b", *("x,y" for _ in range(10))], False),
        (["North,1.5", "South,2.5"], False),
        (["North,0.1,Units", *(f"North,{i},{i}" for i in range(10))], False),
    ],
)
def test_a_first_line_that_looks_like_a_row_is_told(tmp_path: Path, lines: list[str], is_row: bool) -> None:
    notes = told(written(tmp_path / "a.csv", *lines))
    said = "is taken for names and looks like a row: put names above it"
    assert any(said in note for note in notes) == is_row
