"""What a user says of columns: ids that are made anew, dates in a stated way of writing, and faults that say so."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api.preparing import frame_of
from tabstep.data import comparable
from tabstep.data.identifiers import Identifier, finished
from tabstep.data.inference import infer
from tabstep.data.wishes import CommandLine, Python, Sampling, Wishes, dates, numbers
from tests.test_asked import fitted, plain


@pytest.mark.parametrize(
    ("values", "made"),
    [
        ([7, 3, 5], ["8", "9"]),
        (["ord-008", "ord-010", "ord-099"], ["ord-100", "ord-101"]),
        (["8", "10"], ["11", "12"]),
        (["ann@a.com", "bob@b.org"], ["person1@example.org", "person2@example.org"]),
        (["x y", "z"], ["key-1", "key-2"]),
        (["key-a", "z"], ["new-key-1", "new-key-2"]),
        (pd.array([7, None], dtype="Int64"), ["8", "9"]),
        (
            pd.Series([89490200001000000006, 7, None], dtype=object),
            ["89490200001000000007", "89490200001000000008"],
        ),
        (
            ["C89490200001000000006", "C89490200001000000001"],
            ["C89490200001000000007", "C89490200001000000008"],
        ),
    ],
    ids=str,
)
def test_names_go_on_where_the_old_ones_end(values: Any, made: list[str]) -> None:
    column = pd.Series(values, name="key")
    found = Identifier.of(column, 0)
    found = replace(found, gaps=0.0)
    rows = found.write(0, 2, 0)
    assert [str(v) for v in rows] == made
    assert rows.dtype == column.dtype
    later = found.write(1, 3, 0)
    assert later.iloc[0] == rows.iloc[1]
    assert not set(found.write(0, 500, 0)) & set(column.dropna())
    assert found.write(0, 500, 0).is_unique
    assert found.example == made[0]


@pytest.mark.parametrize(
    ("dtype", "last"),
    [
        *[("int8", 127), ("uint8", 255), ("int64", 2**63 - 1), ("uint64", 2**64 - 1), ("Int16", 2**15 - 1)],
        *[("int8[pyarrow]", 127), ("float64", 2**53), ("float32", 2**24), ("Float64", 2**53)],
    ],
)
def test_numbers_are_new_and_each_its_own_or_there_are_none(dtype: str, last: int) -> None:
    """Beyond the last whole number of a dtype there is an error, and of floats the same number again."""
    with pytest.raises(ValueError, match=f"with numbers up to {last}, of which 0 are new, for 2 rows"):
        Identifier.of(pd.Series([last, 3], name="key", dtype=dtype), 0)
    column = pd.Series([last - 20, 3], name="key", dtype=dtype)
    found = Identifier.of(column, 0)
    rows = found.write(5, 15, 0)
    assert rows.dtype == column.dtype
    assert rows.is_unique
    assert int(rows.iloc[-1]) == last
    with pytest.raises(ValueError, match=r"column 'key' .* of which 20 are new, for 21 rows"):
        found.write(0, 21, 0)


@pytest.mark.parametrize(
    "shape", [str, lambda u: u.hex, lambda u: str(u).upper()], ids=["dashed", "plain", "capitals"]
)
def test_uuids_are_others_in_every_draw(shape: Any) -> None:
    column = pd.Series([shape(uuid.UUID(int=171 + i)) for i in range(9)], name="key")
    found = Identifier.of(column, 0)
    once, again, other = found.write(0, 50, 1), found.write(0, 50, 1), found.write(0, 50, 2)
    assert once.tolist() == again.tolist()
    assert not set(once) & set(other)
    assert len(once[0]) == len(column[0])
    assert uuid.UUID(once[0]).version == 4
    assert (once[0] == once[0].upper()) == (shape(uuid.UUID(int=171)) == shape(uuid.UUID(int=171)).upper())


def test_ids_of_more_than_64_bits_are_made_anew(tmp_path: Path) -> None:
    """Of a CSV and of a frame, from a saved model too; without `id` the message says so."""
    frame = plain(40).assign(card=[89490200001000000000 + 7 * i for i in range(40)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    for source in (frame, tmp_path / "a.csv"):
        with pytest.raises(ValueError, match=r"beyond 64 bits; id=\['card'\] has new ones made"):
            fitted(source)
        model = fitted(source, id="card")
        model.save(tmp_path / "model")
        rows = tabstep.load(tmp_path / "model").sample(5, steps=2, seed=0)
        assert rows["card"].tolist() == [89490200001000000274 + i for i in range(5)]


@pytest.mark.parametrize("values", [[0.5, 1.5], [True, False], [(1,), (2,)], [None, None]], ids=str)
def test_what_names_no_rows_is_refused(values: list[Any]) -> None:
    with pytest.raises(ValueError, match="drop it"):
        Identifier.of(pd.Series(values, name="key"), 0)


def table(n: int = 60) -> pd.DataFrame:
    frame = plain(n)
    frame.insert(0, "key", [f"id{i:03}" for i in range(n)])
    frame["mail"] = [f"{chr(97 + i % 26)}{i}@mail.com" for i in range(n)]
    return frame


def test_ids_come_back_in_their_places_and_go_with_a_model(tmp_path: Path) -> None:
    frame = table()
    model = fitted(frame, id=["key", "mail"])
    rows = model.sample(30, steps=2)
    assert list(rows) == list(frame)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows["key"].tolist() == [f"id{i:03}" for i in range(60, 90)]
    assert rows["mail"].str.fullmatch(r"person\d+@example.org").all()
    model.save(tmp_path)
    again = tabstep.load(tmp_path)
    pd.testing.assert_frame_equal(again.sample(30, steps=2), rows)
    again.sample_to(tmp_path / "rows.csv", 30, steps=2)
    assert pd.read_csv(tmp_path / "rows.csv")["key"].tolist() == rows["key"].tolist()
    some = model.sample(10, steps=2, where={"n": (20, 60)})
    assert some["key"].tolist() == [f"id{i:03}" for i in range(60, 70)]
    for asked in ({"keep": "key"}, {"changes": {"mail": "a@example.org"}}):
        with pytest.raises(
            ValueError, match=r"'(key|mail)' names rows, and new names are made: put yours into"
        ):
            model.edit(frame.head(3), **asked)
    filled = model.impute(frame.head(5).assign(n=np.nan), steps=2, particles=2)
    assert filled["key"].tolist() == frame["key"].head(5).tolist()


def test_names_are_put_where_they_were() -> None:
    rows = pd.DataFrame({"b": [1, 2]})
    ids = [Identifier.of(pd.Series([1], name=name), place) for name, place in (("c", 2), ("a", 0))]
    assert list(finished(rows, tuple(ids), 0, 0)) == ["a", "b", "c"]


def test_faults_say_what_mends_them() -> None:
    frame = table().assign(day=["01/02/2024", "03/04/2024"] * 30)
    said = {
        speech: "\n".join(infer(frame, Wishes(), speech)[1])
        for speech in (Python(), CommandLine(), Sampling())
    }
    for speech, mended in (
        (Python(), ("id=['key'] has new ones made", "date={'day': '%d/%m/%Y'} says which")),
        (Sampling(), ("--id key has new ones made", "--date day=%d/%m/%Y says which")),
    ):
        for text in mended:
            assert text in said[speech], said[speech]
    assert "--id" not in said[CommandLine()]
    assert "--date" not in said[CommandLine()]
    assert "--drop key" in said[CommandLine()]


@pytest.mark.parametrize("wish", [{"day": "%d/%m/%Y"}, "day=%d/%m/%Y"], ids=str)
def test_dates_are_read_as_they_are_said_to_be_written(wish: Any) -> None:
    days = pd.date_range("2024-01-01", periods=10).strftime("%d/%m/%Y").tolist()
    frame = plain(60).assign(day=days * 6, month=["2024-01", "2024-03"] * 30)
    model = fitted(frame, date=wish if isinstance(wish, dict) else [wish, "month"])
    rows = model.sample(50, steps=2)
    read = pd.to_datetime(rows["day"], format="%d/%m/%Y")
    assert read.between("2024-01-01", "2024-01-10").all()
    assert rows["month"].str.fullmatch(r"2024-0\d").all()


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64"])
def test_whole_numbers_are_dates_where_it_is_said(dtype: str) -> None:
    days = pd.Series([20240130, 20240131, 20240202, 20240203] * 15).astype(dtype)
    if dtype != "int64":
        days[::7] = None
    frame = plain(60).assign(day=days)
    rows = fitted(frame, date="day").sample(80, steps=2)
    assert rows["day"].dtype == frame["day"].dtype
    shown = rows["day"].dropna().astype("int64").astype(str)
    assert pd.to_datetime(shown, format="%Y%m%d").between("2024-01-30", "2024-02-03").all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"date": {"day": "%d/%m/%Y"}}, "'day' is not written as %d/%m/%Y throughout, as in 'soon'"),
        ({"date": "k"}, "'k' holds no dates in one of the ways that are known"),
        ({"date": "x"}, "'x' holds numbers that are not whole, which are no dates"),
        ({"date": "dy"}, "no column 'dy': did you mean 'day'"),
        ({"id": "kye"}, "no column 'kye'"),
        ({"id": "k", "drop": "k"}, "is dropped, and named for a use"),
        ({"id": "k", "numeric": "k"}, "is named numeric and id; choose one"),
        ({"id": "k", "target": "k"}, "is named target and id; choose one"),
        ({"literal": "k"}, "literal is for the path of a CSV"),
        ({"progress": "loud"}, "progress must be bar, none or a function"),
    ],
    ids=str,
)
def test_wishes_that_cannot_be_met_are_told(options: dict[str, Any], message: str) -> None:
    frame = plain(60).assign(day=["13/01/2024", "14/01/2024", "soon"] * 20)
    with pytest.raises(ValueError, match=message):
        fitted(frame, **{"categorical": "day"} | options if "date" not in options else options)


def test_texts_of_a_file_that_are_no_gaps(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    plain(60).assign(k=["NA", "SA", "EU"] * 20).to_csv(path, index=False)
    rows = fitted(path, literal="k").sample(60, steps=2)
    assert set(rows["k"]) <= {"NA", "SA", "EU"}
    assert not rows["k"].isna().any()


def test_texts_that_stand_for_gaps(tmp_path: Path) -> None:
    frame = plain(60)
    frame["n"] = frame["n"].astype(object).where(frame.index % 20 > 0, "unknown")
    with pytest.raises(
        ValueError, match=r"but also unknown; missing=\['unknown'\] takes such texts for gaps"
    ):
        fitted(frame)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    for given in (frame, tmp_path / "rows.csv"):
        model = fitted(given, missing="unknown")
        assert model.completion.gaps == ("n",)
        assert set(model.sample(40, steps=2)["n"].dropna()) <= set(range(90))


def test_progress_is_called() -> None:
    said: list[tuple[int, int, float]] = []
    fitted(plain(), progress=lambda *step: said.append(step))
    assert [step for step, _, _ in said] == [1, 2]
    assert {steps for _, steps, _ in said} == {2}


def test_dates_of_a_call() -> None:
    assert dates(["a", "b=%Y", "c,d"], ["a", "b", "c", "d"]) == {"a": None, "b": "%Y", "c": None, "d": None}
    assert dates({"a": None}, ["a"]) == {"a": None}
    assert dates("a=b", ["a=b"]) == {"a=b": None}


def test_a_name_that_no_file_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"column '\\ud800x': its name holds half a character"):
        fitted(plain().assign(**{"\ud800x": range(len(plain()))}))


def test_numbers_of_a_call() -> None:
    known = ["a", "b", "c", "d=1,234.5"]
    assert numbers(["a,b", "c=1.234,5"], known) == {"a": None, "b": None, "c": ","}
    assert numbers("d=1,234.5", known) == {"d=1,234.5": None}
    assert numbers({"a": "1,234.5", "b": None}, known) == {"a": ".", "b": None}
    for wrong in ("a=1,5", {"a": ","}):
        with pytest.raises(ValueError, match=r"a is written as 1,234\.5 or as 1\.234,5, got"):
            numbers(wrong, known)


@pytest.mark.parametrize(("example", "first"), [("1,234.5", 1200), ("1.234,5", 1.2)])
def test_a_decimal_mark_is_told_by_an_example(example: str, first: float) -> None:
    frame = pd.DataFrame({"kg": [f"{v % 9 + 1},{200 + v}" for v in range(90)], "x": np.arange(90.0)})
    with pytest.raises(
        ValueError, match=r"numeric={'kg': '1,234.5'} or numeric={'kg': '1.234,5'} says which"
    ):
        fitted(frame)
    model = fitted(frame, numeric={"kg": example})
    column = model.columns[0]
    read = comparable.values(column, pd.Series(column.read(frame["kg"])))
    assert read.iloc[0] == first
    with pytest.raises(ValueError, match="'x' holds no numbers in writing"):
        fitted(frame, numeric={"kg": example, "x": example})


def test_ids_are_missing_as_often_as_they_were_wherever_a_batch_begins() -> None:
    column = pd.Series([f"C-{k:04d}" if k % 4 else None for k in range(400)], name="key")
    found = Identifier.of(column, 2)
    whole = found.write(0, 2000, 5)
    assert whole.isna().mean() == pytest.approx(0.25, abs=0.03)
    assert whole.dropna().is_unique
    parts = pd.concat([found.write(0, 700, 5), found.write(700, 1300, 5)], ignore_index=True)
    pd.testing.assert_series_equal(parts, whole)
    assert not found.write(0, 2000, 6).isna().equals(whole.isna())
    assert found.example == "C-0400"


def test_versions_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    versions = ["1.1", "1.10", "1.2", "2.0"]
    pd.DataFrame({"version": versions * 50, "x": np.arange(200) % 17}).to_csv(path, index=False)
    model = tabstep.fit(path, literal="version", method="bootstrap", progress="none")
    assert set(model.sample(200)["version"]) == set(versions)


def test_a_mapping_of_gaps_names_columns_that_are_there(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 5.0] * 20, "k": list("ab") * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    for table in (frame, tmp_path / "t.csv"):
        with pytest.raises(ValueError, match="missing: no column 'X'"):
            frame_of(table, (), {"X": 5})
        assert frame_of(table, (), {"x": 5})["x"].isna().sum() == 20


def test_what_names_no_columns_is_refused_and_none_is_none() -> None:
    said = {option: None for option in ("drop", "numeric", "categorical", "date", "id", "literal", "missing")}
    assert fitted(plain(), **said).sample(3, steps=2).shape == (3, 3)
    with pytest.raises(ValueError, match="columns are named by a text or by several, got 5"):
        fitted(plain(), drop=5)
    with pytest.raises(ValueError, match=r"target must be the name of a column, got \['k'\]"):
        fitted(plain(), target=["k"])


def test_days_in_texts_of_digits_are_told_as_those_of_numbers_are() -> None:
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.arange(40) * 7, unit="D")
    frame = plain().assign(day=days.strftime("%Y%m%d"))
    with pytest.warns(UserWarning, match=r"day is drawn as a number, and looks like days: date=\['day'\]"):
        fitted(frame, numeric="day")
