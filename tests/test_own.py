"""Bring your own table: what is inferred, and that every fault is named with its remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.data import cards, own_table
from tabstep.data.cards import DataError
from tabstep.data.doubtful_numbers import counts_rows
from tabstep.data.files import read_table, taken_for_gaps
from tabstep.data.frames import PARTS
from tabstep.data.table import Dataset
from tabstep.data.written_dates import numbered

ROWS = 60


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, ROWS),
            "height": rng.normal(1.7, 0.1, ROWS).round(3),
            "city": rng.choice(["Bern", "Rome", "Oslo"], ROWS),
            "smoker": rng.choice([True, False], ROWS),
            "flag": rng.choice([0, 1], ROWS),
            "label": ["yes", "no", "no"] * (ROWS // 3),
        }
    )


def save(folder: Path, frame: pd.DataFrame, name: str = "mine.csv") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def whole(dataset: Dataset) -> pd.DataFrame:
    return pd.concat([dataset.train, dataset.val, dataset.test])


def test_roles_and_task_are_inferred(tmp_path: Path) -> None:
    dataset = own_table.read(save(tmp_path, table()), "label")
    schema = dataset.schema
    assert (dataset.name, dataset.source, schema.task) == ("mine", "file mine.csv", "binclass")
    assert schema.numeric == ("age", "height")
    assert schema.categorical == ("city", "smoker", "flag")
    assert schema.integer == {"age"}
    assert set(whole(dataset)["smoker"]) == {"True", "False"}
    assert set(whole(dataset)["flag"]) == {"0", "1"}
    assert [len(getattr(dataset, part)) for part in PARTS] == [38, 10, 12]
    assert (dataset.test["label"] == "yes").sum() == 4  # a third, as in the table


@pytest.mark.parametrize("name", ["mine.tsv", "mine.parquet"])
def test_the_format_of_the_file_does_not_matter(name: str, tmp_path: Path) -> None:
    expected = own_table.read(save(tmp_path, table()), "label")
    found = own_table.read(save(tmp_path, table(), name), "label")
    assert found.digest == expected.digest
    pd.testing.assert_frame_equal(found.train, expected.train)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b", "c"] * 20, "multiclass"),
        ([1, 2, 3] * 20, "multiclass"),
        ([1.0, 2.0] * 30, "binclass"),
        ([True, False] * 30, "binclass"),
        (range(ROWS), "regression"),
        ([0.5, 1.0, 2.0] * 20, "regression"),
    ],
)
def test_the_target_decides_the_task(values: object, task: str, tmp_path: Path) -> None:
    dataset = own_table.read(save(tmp_path, table().assign(label=values)), "label")
    assert dataset.schema.task == task
    expected = {"regression": "numbers"}.get(task, "labels")
    assert "label" in getattr(dataset.schema, expected)


def test_what_is_inferred_can_be_overruled(tmp_path: Path) -> None:
    path = save(tmp_path, table().assign(label=[1, 2, 3] * 20))
    dataset = own_table.read(
        path, "label", "regression", numeric=["flag"], categorical=["age"], drop=["city"]
    )
    assert dataset.schema.task == "regression"
    assert dataset.schema.numeric == ("height", "flag")
    assert dataset.schema.categorical == ("age", "smoker")
    assert dataset.train["label"].dtype == np.int64
    assert all(isinstance(value, str) for value in dataset.train["age"])


def test_missing_values_and_constant_columns_are_kept(tmp_path: Path) -> None:
    frame = table().assign(same=7)
    frame.loc[:4, "height"] = np.nan
    frame.loc[:2, "city"] = None
    frame.loc[:1, "flag"] = np.nan
    dataset = own_table.read(save(tmp_path, frame), "label")
    lines = {line.column: line for line in own_table.columns(dataset)}
    assert list(lines) == list(dataset.schema.columns)
    assert (lines["height"].missing, lines["city"].missing, lines["flag"].missing) == (5, 3, 2)
    assert (lines["city"].role, lines["city"].distinct, lines["city"].dtype) == ("categorical", 3, "text")
    assert (lines["age"].role, lines["age"].dtype) == ("numeric", "int64")
    assert lines["label"].role == "target"
    assert [line.column for line in lines.values() if line.is_constant] == ["same"]
    assert {type(value) for value in whole(dataset)["city"]} == {str, type(None)}
    assert set(whole(dataset)["flag"]) == {"0", "1", None}


def test_columns_are_called_what_they_are_to_their_user(tmp_path: Path) -> None:
    days = pd.date_range("2020-02-29", periods=len(table()), freq="37D")
    frame = table().assign(
        born=days.strftime("%d.%m.%Y"), seen=days.astype("M8[s]"), paid=[f"${i}.50" for i in range(len(days))]
    )
    frame["took"] = pd.to_timedelta(np.arange(len(days)) * 90, unit="s")
    path = save(tmp_path, frame, "mine.parquet")
    assert own_table.kinds(path, own_table.read(path, "label")) == {
        "born": "date in text, by day",
        "seen": "date, by day",
        "paid": "number in text",
        "took": "duration, by second",
    }


def test_reading_twice_gives_the_same_rows_and_other_rows_another_digest(tmp_path: Path) -> None:
    first, again = (own_table.read(save(tmp_path, table()), "label") for _ in range(2))
    pd.testing.assert_frame_equal(first.train, again.train)
    assert first.digest == again.digest
    changed = own_table.read(save(tmp_path, table().assign(age=table()["age"] + 1)), "label")
    assert changed.digest != first.digest


# --- cards


def test_a_card_can_be_written_and_read_again(tmp_path: Path) -> None:
    path = save(tmp_path, table().assign(extra=1))
    dataset = own_table.read(path, "label", drop=["extra"])
    (tmp_path / "mine.toml").write_text(own_table.card(dataset), "utf-8")
    card = cards.read(tmp_path / "mine.toml")
    again = own_table.reread(path, card)
    assert (again.digest, again.schema) == (dataset.digest, dataset.schema)
    edited = replace(card, numeric=(*card.numeric, "flag"), categorical=("city", "smoker"), digest="")
    assert own_table.reread(path, edited).schema.numeric == ("age", "height", "flag")
    save(tmp_path, table().iloc[::-1])
    with pytest.raises(DataError, match=f"mine.csv: digest: expected {dataset.digest}, found"):
        own_table.reread(path, card)


# --- faults

AGES = table()["age"].astype(str)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": np.nan}, "every value of 'height' is missing; drop the column"),
        ({"height": np.inf}, "column 'height' holds 60 infinite values"),
        ({"label": "yes"}, "the target 'label' has one value, 'yes'"),
        ({"label": 1.5}, "the target 'label' has one value, '1.5'"),
        ({"label": ["yes", None] * 30}, "the target 'label' is missing in 30 rows; remove those rows"),
        ({"label": ["a"] * 29 + ["b"] * 29 + ["c"] * 2}, r"1 of 3 classes .* fewer than 3 rows.*'c' \(2\)"),
        (
            {"city": [f"id-{row}" for row in range(ROWS)]},
            "'city' has a different text in every row, 60, like an id; --drop city leaves it out",
        ),
        ({"age": [*AGES[:-1], "?"]}, r"column 'age' holds numbers, but also \?.*--categorical age takes all"),
    ],
)
def test_a_column_that_cannot_be_used_is_named(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        own_table.read(save(tmp_path, table().assign(**changes)), "label")


def test_prose_is_refused_unless_listed(tmp_path: Path) -> None:
    frame = pd.concat([table()] * 5, ignore_index=True)
    frame["note"] = [f"text of {chr(97 + row % 200 % 7)} {row % 200}" for row in range(len(frame))]
    path = save(tmp_path, frame)
    with pytest.raises(
        DataError, match=r"'note' has 200 values in 300 rows, like prose; --drop note leaves it out"
    ):
        own_table.read(path, "label")
    assert "note" in own_table.read(path, "label", categorical=["note"]).schema.categorical
    assert "note" not in own_table.read(path, "label", drop=["note"]).schema.columns


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "lable"}, "no column 'lable': did you mean 'label'"),
        ({"target": "label", "drop": ["agee"]}, "cannot drop 'agee'.*did you mean 'age'"),
        ({"target": "label", "drop": ["label"]}, "'label' is dropped, and named for a use"),
        ({"target": "label", "task": "ranking"}, "task must be one of .*, found 'ranking'"),
        ({"target": "label", "task": "multiclass"}, "has 2 classes, which is not multiclass"),
        ({"target": "label", "task": "regression"}, "column 'label' holds text that is no number"),
        ({"target": "city", "task": "binclass"}, "has 3 classes, which is not binclass"),
        ({"target": "label", "numeric": ["city"]}, "column 'city' holds text that is no number"),
        ({"target": "label", "drop": list(table())[:-1]}, "expected features beside the target"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        own_table.read(save(tmp_path, table()), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a header line"),
        ("a,b\n", "expected rows, found none"),
        ("a,y\n1,x\n2,y,3\n", "cannot be read"),
        ("a,y\n1,x,3\n2,y,3\n", "cannot be read"),
        ("a,y\n1,x\n2,y\n3,x\n4,y\n5,x\n6,y\n", "6 rows cannot be split"),
    ],
)
def test_a_broken_csv_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        own_table.read(path, "y")


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file at .*none\.csv"):
        own_table.read(tmp_path / "none.csv", "y")
    with pytest.raises(DataError, match=r"mine\.xlsx: expected a file ending in \.csv, \.tsv or \.parquet"):
        own_table.read(tmp_path / "mine.xlsx", "y")
    for name, content, says in (
        ("mine.parquet", b"PAR0", "cannot be read"),
        (
            "mine.csv",
            b"a,y\n\x81\xfe,1\n",
            "is not in UTF-8: byte 0x81 at 4; save it in UTF-8, or read it with",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} {says}"):
            own_table.read(tmp_path / name, "y")


@pytest.mark.parametrize(
    ("values", "found"),
    [([[1, 2]] * ROWS, "ndarray"), ([b"a", b"b"] * (ROWS // 2), "bytes; use .str.decode")],
)
def test_values_that_are_no_numbers_texts_or_dates_are_named(
    values: object, found: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=f"'age' holds {found}.*drop it \\(--drop age\\)"):
        own_table.read(save(tmp_path, table().assign(age=values), "mine.parquet"), "label")


def test_dates_are_numbers_in_the_unit_that_all_keep_to(tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("1970-01-11", periods=ROWS))
    frame = table().assign(age=days, city=days.dt.strftime("%d.%m.%Y"), height=days + pd.Timedelta("90min"))
    dataset = own_table.read(save(tmp_path, frame, "mine.parquet"), "label")
    assert {"age", "city", "height"} <= dataset.schema.integer
    rows = whole(dataset)
    assert sorted(rows["age"]) == sorted(rows["city"]) == list(range(10, 10 + ROWS))
    assert rows["height"].min() == 10 * 24 * 60 + 90  # minutes


def test_numbers_in_writing_are_numbers(tmp_path: Path) -> None:
    amounts = [f"${1000 + 7.25 * row:,.2f}" for row in range(ROWS)]
    parts = [f"{row / 4:.2f}".replace(".", ",") + " %" for row in range(ROWS)]
    dataset = own_table.read(save(tmp_path, table().assign(age=amounts, height=parts)), "label")
    assert dataset.schema.numeric == ("age", "height")
    assert sorted(whole(dataset)["age"]) == [100_000 + 725 * row for row in range(ROWS)]  # cents
    assert sorted(whole(dataset)["height"]) == [25 * row for row in range(ROWS)]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    frame = table().assign(
        mail=[f"a{row % 9}@b.org" for row in range(ROWS)],
        key=[f"key {row} {row % 7}" for row in range(ROWS)],
        empty=np.nan,
        label=["yes", None] * (ROWS // 2),
    )
    with pytest.raises(DataError) as found:
        own_table.read(save(tmp_path, frame), "label")
    for part in (
        "5 faults",
        "e-mail addresses",
        "like an id",
        "every value of 'empty'",
        "missing in 30 rows",
    ):
        assert part in str(found.value)


def test_a_comma_in_a_name_is_part_of_it_where_there_is_such_a_column(tmp_path: Path) -> None:
    path = save(tmp_path, table().rename(columns={"city": "city, or town"}))
    assert own_table.read(path, "label", drop=["city, or town"]).schema.categorical == ("smoker", "flag")
    assert own_table.read(path, "label", drop="age,height").schema.numeric == ()


def test_texts_that_pandas_takes_for_gaps_are_told_and_can_be_kept(tmp_path: Path) -> None:
    frame = table().assign(city=["None", "Bern", ""] * (ROWS // 3), label=["NA", "no", "no"] * (ROWS // 3))
    path = save(tmp_path, frame)
    with pytest.raises(
        DataError, match=r"missing in 20 rows; 'NA' in 20 rows read as missing: --literal label"
    ):
        own_table.read(path, "label")
    dataset = own_table.read(path, "label", literal=["label"])
    assert set(whole(dataset)["label"]) == {"NA", "no"}
    (note,) = own_table.notes(path, dataset, ["label"])
    assert note == "city: 'None' in 20 rows read as missing; --literal city takes such texts as values"
    kept = own_table.read(path, "label", literal=["label", "city"])
    assert set(whole(kept)["city"]) == {"None", "Bern", None}
    assert own_table.notes(path, kept, ["label", "city"]) == []


def test_pandas_types_with_gaps_are_read(tmp_path: Path) -> None:
    frame = table()
    frame["age"] = frame["age"].astype("Int64").mask(frame.index < 3)
    frame["city"] = frame["city"].astype("category")
    frame["smoker"] = frame["smoker"].astype("boolean").mask(frame.index < 2)
    dataset = own_table.read(save(tmp_path, frame, "mine.parquet"), "label")
    assert dataset.train["age"].dtype == np.float64
    assert whole(dataset)["age"].isna().sum() == 3
    assert set(whole(dataset)["smoker"]) == {"True", "False", None}
    assert dataset.schema.categorical == ("city", "smoker", "flag")


def texts(path: Path, text: str) -> pd.DataFrame:
    path.write_text(text, encoding="utf-8")
    return read_table(path)


def test_a_file_with_other_marks_between_is_read_by_its_header(tmp_path: Path) -> None:
    found = texts(tmp_path / "a.csv", "a;b c;y\n1;2,5;x\n2;3,5;z\n")
    assert list(found) == ["a", "b c", "y"]
    assert found["b c"].tolist() == ["2,5", "3,5"]
    assert list(texts(tmp_path / "b.csv", "a,b;c\n1,2\n")) == ["a", "b;c"]
    assert list(texts(tmp_path / "c.tsv", "a\n1\n")) == ["a"]


def test_a_first_column_without_a_name_is_the_index(tmp_path: Path) -> None:
    found = texts(tmp_path / "a.csv", ",a\n7,x\n9,\n")
    assert found["index"].tolist() == [7, 9]
    assert found["a"].isna().tolist() == [False, True]
    assert taken_for_gaps(tmp_path / "a.csv", ["a"]) == {}
    assert list(texts(tmp_path / "b.csv", ",index\n7,x\n")) == ["Unnamed: 0", "index"]


def test_digits_with_zeros_before_them_are_codes(tmp_path: Path) -> None:
    found = texts(tmp_path / "a.csv", 'zip,n,x,gap\n01067,10,0.5,\n"80331",20,0,007\n')
    assert found["zip"].tolist() == ["01067", "80331"]
    assert found["n"].tolist() == [10, 20]
    assert found["x"].tolist() == [0.5, 0.0]
    assert found["gap"].tolist() == [None, "007"]


def test_numbers_that_count_the_rows_and_days_are_told_from_others() -> None:
    rng = np.random.default_rng(0)
    ids = pd.Series(rng.permutation(np.arange(500, 560)))
    assert counts_rows(ids)
    assert not counts_rows(ids.where(ids != 501, 900))  # a hole
    assert counts_rows(pd.Series([2**63 - 1, -(2**63)])) is False  # further apart than 64 bits tell
    assert numbered(pd.Series([20240131, 20231201])) == "days"
    assert numbered(pd.Series([20240131.0, 20231201.0])) == "days"
    assert numbered(pd.Series([20240818131751, 19991231235959])) == "times"
    assert numbered(pd.Series([202408181317, 199912312359])) == "times"
    for odd in (
        [20240132, 20231201],
        [20240131.0, None],
        [20240818131761],
        [202408182417],
        [20240131.5],
        [150, 99],
    ):
        assert numbered(pd.Series(odd)) == ""
