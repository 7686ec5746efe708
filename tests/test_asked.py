"""What a user hands to the Python API: numbers, names, sequences, paths; taken as meant, or one clear error."""

from __future__ import annotations

import dataclasses
import datetime
import gc
import weakref
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.base import clone

import tabstep
from tabstep import TabDDPM
from tabstep.api.preparing import frame_of
from tabstep.data import inference
from tabstep.data.constraints import Same, Sum
from tabstep.data.doubtful_numbers import doubts
from tabstep.data.files import read_table
from tabstep.data.identifiers import Identifier
from tabstep.data.wishes import Python, Sampling, Wishes
from tabstep.diffusion.model import Diffusion
from tests.test_columns import HOLES, MADE, ROWS

TINY = TabDDPM(T=20, steps=2, layers=(8,), batch_size=64)


def fitted(frame: Any, **options: Any) -> tabstep.Synthesizer:
    return tabstep.fit(frame, **({"method": TINY, "progress": "none"} | options))


def plain(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"x": rng.normal(size=n), "n": rng.integers(0, 90, n), "k": rng.choice(list("abc"), n)}
    )


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    return fitted(plain())


@pytest.mark.whole
def test_a_frame_of_every_dtype_comes_back(tmp_path: Path) -> None:
    """With gaps in every other column, through a model and its files."""
    frame = pd.DataFrame(
        {
            f"{i}, {name}": values.mask(HOLES) if i % 2 and "int" not in str(values.dtype) else values
            for i, (name, values) in enumerate(MADE.items())
        },
        index=np.arange(ROWS)[::-1],
    )
    model = fitted(frame)
    rows = model.sample(60, steps=2)
    assert list(rows.columns) == list(frame.columns)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows.index.equals(pd.RangeIndex(60))
    totals = {rule.total for rule in model.constraints if isinstance(rule, Sum)}
    assert "35, datetimes" in totals  # a day and a time of day in range may make a moment before the first
    copies = [set(rule.columns) for rule in model.constraints if isinstance(rule, Same)]
    for _ in copies:
        totals = totals.union(*(pair for pair in copies if pair & totals))
    for name in frame.columns:
        if name not in totals and rows[name].dtype.kind in "iufMm":
            drawn, training = rows[name].dropna(), frame[name].dropna()
            assert min(training) <= min(drawn) <= max(drawn) <= max(training), name
        assert rows[name].isna().any() <= frame[name].isna().any(), name
    model.save(tmp_path)
    assert_frame_equal(tabstep.load(tmp_path).sample(60, steps=2), rows)
    kept = model.edit(
        frame.head(5), {frame.columns[0]: 7}, keep=list(frame.columns[1:]), steps=2, particles=2
    )
    assert_frame_equal(kept[kept.columns[1:]], frame[frame.columns[1:]].head(5))


@pytest.mark.parametrize("n", [5, 5.0, np.float64(5), np.int8(5), np.array(5)])
def test_whole_numbers_of_any_kind_are_taken(model: tabstep.Synthesizer, n: Any) -> None:
    assert_frame_equal(model.sample(n, steps=n, seed=n), model.sample(5, steps=5, seed=5))


@pytest.mark.parametrize("value", ["5", None, True, 2.5, np.nan, np.inf, -1, [5], pd.NA, 1 + 0j])
@pytest.mark.parametrize("name", ["n", "steps", "seed"])
def test_other_numbers_are_one_clear_error(model: tabstep.Synthesizer, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be (in|at least) "):
        model.sample(**({"n": 5, "steps": 2} | {name: value}))


def test_names_that_are_not_there_come_with_the_nearest(model: tabstep.Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sampler must be one of .*'dimm'; did you mean 'ddim'"):
        model.sample(5, sampler="dimm")
    with pytest.raises(ValueError, match=r"grid must be one of .*'trailling'; did you mean 'trailing'"):
        model.sample(5, grid="trailling")
    with pytest.raises(ValueError, match=r"no column 'kk'.* 'k'"):
        model.edit(plain(), {"kk": "a"})
    with pytest.raises(ValueError, match="'holdout' hands out held-out rows"):
        fitted(plain(), method="holdout")
    with pytest.raises(ValueError, match="did you mean 'tabddpm'"):
        fitted(plain(), method="tabdpm")
    with pytest.raises(ValueError, match=r"method must be a name, settings such as.*got TabDDPM"):
        fitted(plain(), method=TabDDPM)
    with pytest.raises(ValueError, match="device must be cpu, cuda or auto, got 'gpu'"):
        fitted(plain(), device="gpu")
    with pytest.raises(ValueError, match=r"no file at .*x\.csv"):
        fitted(tmp_path / "x.csv")
    with pytest.raises(ValueError, match="frame must be a DataFrame or the path of a table, got dict"):
        fitted({"x": [1]})


def test_an_index_that_holds_something_is_not_lost_without_a_word(tmp_path: Path) -> None:
    """In a frame a warning says so, from a file of Parquet it is a column."""
    named = plain().rename_axis("row")
    with pytest.warns(UserWarning, match="the index row is left out"):
        fitted(named)
    with pytest.warns(UserWarning, match="an index such as Timestamp"):
        fitted(plain().set_index(pd.date_range("2024-01-01", periods=40)))
    named.to_parquet(tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet")) == ["row", *plain()]
    plain().iloc[::-1].to_parquet(tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet")) == list(plain())


def test_a_path_and_any_device_are_taken(tmp_path: Path) -> None:
    plain().to_csv(tmp_path / "x.csv", index=False)
    wanted = fitted(plain()).sample(5, steps=2)
    for path in (tmp_path / "x.csv", str(tmp_path / "x.csv")):
        assert_frame_equal(fitted(path, device="auto").sample(5, steps=2), wanted, rtol=1e-4)


SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "Index": pd.Index,
    "Series": pd.Series,
    "Series of other labels": lambda v: pd.Series(v, index=[5, 3, 4]),
    "Int64": lambda v: pd.array(v, dtype="Int64"),
    "generator": iter,
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_values_are_taken_by_place_whatever_index_they_have(model: tabstep.Synthesizer, kind: str) -> None:
    frame = plain()
    for rows in (frame.iloc[[7, 3, 12]], frame.iloc[[2, 1, 0]]):
        found = model.edit(rows, {"n": SEQUENCES[kind]([30, 10, 20])}, keep="k", steps=2, particles=2)
        assert found["n"].tolist() == [30, 10, 20]
        assert found["k"].tolist() == rows["k"].tolist()


@pytest.mark.parametrize(
    "values", [[1, 2], {"a": 1}, pd.DataFrame({"a": [1, 2, 3]}), np.ones((3, 1)), {1, 2, 3}]
)
def test_other_sequences_are_refused_by_name(model: tabstep.Synthesizer, values: Any) -> None:
    with pytest.raises(ValueError, match="changes: 'n' "):
        model.edit(plain(3), {"n": values})


def test_a_label_alone_is_refused_in_words() -> None:
    for frame in (plain()[["k"]], plain()[["k"]].assign(same=1)):
        with pytest.raises(
            ValueError, match=r"nothing to diffuse: only 'k' varies.*\.sample\(n, replace=True\)"
        ):
            fitted(frame)


def test_a_table_without_columns_to_model_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="frame has 50 rows and no column: nothing to model"):
        fitted(pd.DataFrame(index=range(50)))
    ids = pd.DataFrame({"a": range(50), "b": range(50)})
    for wish in ({"drop": ["a", "b"]}, {"drop": ["a"], "id": ["b"]}):
        with pytest.raises(ValueError, match="nothing to model: every column is an id, or dropped"):
            fitted(ids, **wish)


def test_columns_are_what_the_user_says(tmp_path: Path) -> None:
    frame = plain().assign(flag=[0, 1] * 20, note=[f"a note of {i}" for i in range(40)])
    with pytest.raises(ValueError, match=r"'note' has a different text in every row.*drop=\['note'\]"):
        fitted(frame)
    model = fitted(frame, drop="note", numeric=["flag"], categorical="n")
    rows = model.sample(200, steps=2)
    assert list(rows) == ["x", "n", "k", "flag"]
    assert set(rows["n"]) <= set(frame["n"])
    with pytest.raises(ValueError, match="cannot drop 'm', there is no such column"):
        fitted(frame, drop="m")


def test_a_model_that_is_dropped_is_freed_and_a_budget_encodes_no_training_rows() -> None:
    model = fitted(plain())
    with patch.object(Diffusion, "encode", side_effect=AssertionError("training rows were encoded")):
        for steps in range(1, 12):
            model.sample(3, steps=steps)
        model.sample(3, sampler="ddim", steps=2)
    assert len(model._draws) == 8
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_settings_are_cloned_and_a_model_says_what_it_is(model: tabstep.Synthesizer) -> None:
    again = clone(TINY)
    assert again == TINY
    assert again is not TINY
    assert TINY.get_params() == dataclasses.asdict(TINY)
    assert repr(model) == "<Synthesizer: 3 columns, no target, fitted on 40 rows>"


@pytest.mark.whole
def test_whole_numbers_that_may_be_something_else_are_told() -> None:
    frame = pd.DataFrame(
        {
            "row": range(40),
            "day": [20240101 + i % 28 for i in range(40)],
            "sent": [20240101120000 + 1_000_000 * (i % 28) + i for i in range(40)],
            "seen": [None if i % 9 == 0 else 202401011200 + 10_000 * (i % 28) + i for i in range(40)],
            "x": [7 * i % 41 for i in range(40)],
            "key": range(0, 80, 2),
            "account": [f"{10**9 + 7 * i % 41}" for i in range(40)],
        }
    )
    with pytest.warns(UserWarning, match="drawn as a number") as told:
        tabstep.fit(frame, method=tabstep.TabDDPM(T=4, steps=1, layers=(4,)), progress="none")
    texts = [str(one.message) for one in told]
    assert (
        "row numbers the rows, and is drawn as a number: id=['row'] has new ones made, drop=['row'] leaves it out"
        in texts
    )
    assert "day is drawn as a number, and looks like days: date=['day']" in texts
    assert "sent is drawn as a number, and looks like times: date=['sent']" in texts
    assert "seen is drawn as a number, and looks like times: date=['seen']" in texts
    assert len([text for text in texts if text.startswith("sent")]) == 1
    assert not [text for text in texts if text.startswith("x ")]
    assert [text.partition(", and")[0] for text in texts if text.startswith(("key", "account"))] == [
        "key rises or falls with every row",
        "account has another number of 10 digits in every row",
    ]


@pytest.mark.parametrize("speech", [Python(), Sampling()], ids=str)
def test_nines_apart_from_all_others_and_ids_that_recur_are_told(speech: Python | Sampling) -> None:
    frame = pd.DataFrame(
        {
            "age": [*range(1, 98), 999, 999, 999],
            "wide": [*range(0, 970, 10), 999, 999, 999],
            "once": [50, 999, *range(49), *range(51, 100)],
            "low": [*range(97), -99, -99, -99],
            "patient": [f"P{i // 2}" for i in range(100)],
            "visit": [f"V{i}" for i in range(100)],
        }
    )
    wishes = Wishes(id=("patient", "visit"))
    ids = [Identifier.of(frame[name], 0) for name in wishes.id]
    columns, _ = inference.infer(frame, wishes, speech)
    texts = list(doubts(frame, columns, ids, speech))
    assert [text.partition(":")[0] for text in texts] == [
        "patient has 50 names in 100 rows, and new ones come once each",
        "age is 999 in 3 rows, and else within 1 .. 97",
        "low is -99 in 3 rows, and else within 0 .. 96",
    ]
    assert ("missing=['age=999']" if speech == Python() else "--missing age=999") in texts[1]


@pytest.mark.parametrize("missing", ["999", ["?", "999"]], ids=str)
def test_a_number_may_stand_for_a_gap_in_a_frame_as_in_a_file(tmp_path: Path, missing: object) -> None:
    frame = pd.DataFrame({"age": [*range(38), 999, 999], "rate": [999.0, *(i / 8 for i in range(39))]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for table in (frame, tmp_path / "a.csv"):
        rows = frame_of(table, (), missing)  # type: ignore[arg-type]
        assert rows["age"].tolist()[:38] == list(range(38))
        assert rows.isna().sum().to_dict() == {"age": 2, "rate": 1}


@pytest.fixture(scope="module")
def kinds() -> tabstep.Synthesizer:
    """Columns whose values lie on grids."""
    rng = np.random.default_rng(0)
    days = rng.integers(0, 30, 60)
    return fitted(
        pd.DataFrame(
            {
                "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
                "local": pd.Timestamp("2024-01-01", tz="Europe/Berlin") + pd.to_timedelta(days, unit="D"),
                "far": np.datetime64("1500-01-01", "s") + days.astype("m8[D]"),
                "date": [datetime.date(2024, 1, 1 + d) for d in days],
                "text": [f"{1 + d:02}/01/2024" for d in days],
                "hours": pd.to_timedelta(days, unit="h"),
                "price": [f"{d}.50 €" for d in days],
                "cents": days / 100,
            }
        )
    )


NOON = pd.Timestamp("2024-01-05 12:00")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, NOON) for name in ("day", "date", "text")],
        ("local", pd.Timestamp("2024-01-05", tz="UTC")),
        ("far", "1500-01-05T12:00"),
        ("hours", "5h30m"),
        ("hours", 5),
        ("price", 12.345),
        ("price", "twelve"),
        ("cents", 0.123),
    ],
    ids=str,
)
def test_a_condition_that_no_row_could_meet_is_refused(
    kinds: tabstep.Synthesizer, name: str, value: Any
) -> None:
    """Taking the nearest value for it would draw rows that do not meet it."""
    with pytest.raises(ValueError, match=name):
        kinds.sample(1, steps=2, where={name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("day", "2024-01-05"),
        ("local", pd.Timestamp("2024-01-04 23:00", tz="UTC")),
        ("far", "1500-01-05"),
        ("far", np.datetime64("1500-01-05")),
        ("date", datetime.date(2024, 1, 5)),
        ("text", "2024-01-05"),
        ("hours", "4h"),
        ("price", "4.5"),
        ("price", 4.5),
        ("cents", np.float32(0.04)),
        ("cents", (np.float32(0.0351), 0.0449)),
    ],
    ids=str,
)
def test_a_value_is_meant_however_it_is_told(kinds: tabstep.Synthesizer, name: str, value: Any) -> None:
    one = {
        **{"day": NOON.normalize(), "local": pd.Timestamp("2024-01-05", tz="Europe/Berlin")},
        **{"far": np.datetime64("1500-01-05"), "date": datetime.date(2024, 1, 5), "text": "05/01/2024"},
        **{"hours": pd.Timedelta("4h"), "price": "4.50 €", "cents": 0.04},
    }
    assert (kinds.sample(2, steps=2, where={name: value})[name] == one[name]).all()


def test_edited_rows_keep_the_index_of_the_rows(model: tabstep.Synthesizer) -> None:
    """So that `frame.loc[rows.index]` and the like mean the same rows."""
    rows = plain().iloc[[7, 3, 11]].set_index(pd.Index(["a", "c", "b"], name="who"))
    edited = model.edit(rows, {"k": "a"}, keep="n", steps=2, particles=2)
    assert edited.index.equals(rows.index)
    assert edited["n"].equals(rows["n"])
