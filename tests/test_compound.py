"""Columns of several numbers in a cell: which are, what comes back, and what a user can ask of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabstep
from tabstep.data import compound
from tabstep.data.compound import Compound
from tabstep.data.compound_numbers import Numbers
from tabstep.data.wishes import Python, Wishes
from tests.test_cli import call

N = 300
TINY = tabstep.TabStep(steps=30, layers=(16,), T=20, held_share=0.0)


def table(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    high = rng.integers(95, 180, N)
    low = (high * 0.6 + rng.normal(0, 4, N)).astype(int)
    sides = rng.integers(5, 90, (N, 3))
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, N),
            "pressure": [f"{a}/{b}" for a, b in zip(high, low, strict=True)],
            "ward": rng.choice(["north", "south"], N),
            "size": [f"{a} x {b} x {c} cm" for a, b, c in sides],
            "place": [f"({x:.3f}, {y:.3f})" for x, y in rng.uniform([40, -75], [42, -73], (N, 2))],
        }
    )


def spread(frame: pd.DataFrame, wishes: Wishes | None = None) -> tuple[Compound, ...]:
    return compound.spread(frame, wishes or Wishes(), Python(), None)[1]


@pytest.mark.parametrize(
    ("write", "around"),
    [
        (lambda a, b: f"{a}/{b}", ("", "/", "")),
        (lambda a, b: f"({a / 7:.2f}, {-b / 7:.2f})", ("(", ", ", ")")),
        (lambda a, b: f"{a / 7:.2f},{-b / 7:.2f}", ("", ",", "")),
        (lambda a, b: f"POINT (-{a / 7:.3f} {b / 7:.3f})", ("POINT (", " ", ")")),
        (lambda a, b: f"{a},5/{b},5", ("", "/", "")),
        (lambda a, b: f"{a}-{b}", ("", "-", "")),
        (lambda a, b: f"{a}y {b}m", ("", "y ", "m")),
        (lambda a, b: f"{a}mm x {b}mm", ("", "mm x ", "mm")),
        (lambda a, b: f"{a} ± {b / 10:.1f} kg", ("", " ± ", " kg")),
        (lambda a, b: f"{a}Nm@ {b}rpm", ("", "Nm@ ", "rpm")),
        (lambda a, b: f"{a} x {b} x {a + b} cm", ("", " x ", " x ", " cm")),
        (lambda a, b: f"{a}d {b}h {a + b}m", ("", "d ", "h ", "m")),
    ],
)
def test_cells_come_apart_and_together_again(write: Any, around: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    cells = [write(a, b) for a, b in rng.integers(1, 400, (N, 2))]
    frame = pd.DataFrame({"x": range(N), "cell": cells, "y": range(N)})
    frame.loc[[3, 7], "cell"] = None
    apart, found = compound.spread(frame, Wishes(), Python(), None)
    assert [each.around for each in found] == [around]
    assert list(apart.columns) == ["x", *found[0].parts, "y"]
    pd.testing.assert_frame_equal(compound.together(apart, found), frame)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(-999, 999), st.integers(-999, 999)), min_size=30, max_size=60))
def test_whatever_the_numbers_are_a_cell_is_written_back(pairs: list[tuple[int, int]]) -> None:
    column = pd.Series([f"{a} : {b}" for a, b in pairs], name="pair")
    found = Numbers.of(column, ())
    assert found is not None
    numbers = pd.DataFrame(found.apart(column)).astype(int)
    assert list(numbers.itertuples(index=False, name=None)) == pairs
    assert found.together(pd.DataFrame(found.apart(column))).tolist() == column.tolist()


@pytest.mark.parametrize(
    "write",
    [
        lambda i, r: f"{r.integers(10)}.{r.integers(50)}.{r.integers(50)}",  # versions
        lambda i, r: f"192.168.{r.integers(255)}.{r.integers(255)}",
        lambda i, r: f"{r.integers(200, 999)}-{r.integers(100, 999)}-{r.integers(1000, 9999)}",  # telephones
        lambda i, r: (
            f"{r.integers(100, 999)}-{r.integers(10, 99)}-{r.integers(1000, 9999)}"
        ),  # social security
        lambda i, r: f"2024-{1000 + i}",  # orders of a year
        lambda i, r: f"17-{1000 + i}",  # names of rows
        lambda i, r: f"{r.integers(10, 99)}A{r.integers(10, 99)}",  # codes
        lambda i, r: f"{r.integers(1, 13)}/{r.integers(1, 29)}/20{r.integers(10, 25)}",  # days
        lambda i, r: f"{r.integers(0, 24):02d}:{r.integers(0, 60):02d}",
        lambda i, r: f"{18 + 10 * r.integers(6)}-{27 + 10 * r.integers(6)}",  # labels
        lambda i, r: f"{r.integers(1, 9)},{r.integers(100, 999)}",  # one number
        lambda i, r: f"{r.integers(99)}/{r.integers(99)}" if i % 9 else "none",
        lambda i, r: f"{r.integers(99)}/{r.integers(99):03d}",  # zeros before a number say a code
    ],
)
def test_other_texts_stay_as_they_are(write: Any) -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"cell": [write(i, rng) for i in range(N)], "y": range(N)})
    apart, found = compound.spread(frame, Wishes(), Python(), None)
    assert found == ()
    assert apart is frame


def test_what_something_was_said_of_stays_as_it_is() -> None:
    frame = table()
    assert [each.name for each in spread(frame)] == ["pressure", "size", "place"]
    said = Wishes(categorical=("size",), drop=("place",))
    assert [each.name for each in spread(frame, said)] == ["pressure"]
    assert compound.spread(frame, Wishes(), Python(), "pressure")[1] == spread(frame)[1:]
    taken = frame.assign(**{"pressure (1)": 1})
    assert [each.name for each in spread(taken)] == ["size", "place"]


CELLS = {
    "pressure": r"\d+/\d+",
    "size": r"\d+ x \d+ x \d+ cm",
    "place": r"\(\d+\.\d{3}, -\d+\.\d{3}\)",
}


def check(rows: pd.DataFrame, like: pd.DataFrame) -> None:
    assert list(rows.columns) == list(like.columns)
    assert rows.dtypes.tolist() == like.dtypes.tolist()
    for name, pattern in CELLS.items():
        assert all(re.fullmatch(pattern, cell) for cell in rows[name])


def test_rows_are_written_as_the_table_is_and_new() -> None:
    frame = table()
    model = tabstep.fit(frame, method="mixture", progress="none")
    rows = model.sample(400, seed=1)
    check(rows, frame)
    numbers = rows["pressure"].str.split("/", expand=True).astype(int)
    assert np.corrcoef(numbers[0], numbers[1])[0, 1] > 0.8  # learned as numbers, and together
    assert not {*rows["place"]} & {*frame["place"]}


GENRES = [
    *("Action", "Animation", "Comedy", "Crime", "Drama", "Family", "Horror", "Music", "Mystery"),
    *("Romance", "Sci-Fi", "Sport", "War", "Western"),
]


def films(seed: int = 0, between: str = "|") -> pd.DataFrame:
    """Two of the genres go together, and one is of long films."""
    rng = np.random.default_rng(seed)
    has = rng.random((N, len(GENRES))) < 0.25
    sci_fi, war, comedy = (GENRES.index(name) for name in ("Sci-Fi", "War", "Comedy"))
    has[:, sci_fi] &= has[:, 0]
    has[~has.any(axis=1), comedy] = True
    cells = [between.join(g for g, there in zip(GENRES, row, strict=True) if there) for row in has]
    minutes = rng.integers(80, 120, N) + 60 * has[:, war]
    return pd.DataFrame({"minutes": minutes, "genres": cells, "year": rng.integers(1950, 2020, N)})


@pytest.mark.parametrize("between", ["|", ", ", ";", " / "])
def test_labels_come_apart_and_together_again(between: str) -> None:
    frame = films(between=between)
    apart, (found,) = compound.spread(frame, Wishes(), Python(), None)
    assert set(found.parts) == {f"genres ({label})" for label in GENRES}
    assert apart.shape == (N, 2 + len(GENRES))
    pd.testing.assert_frame_equal(compound.together(apart, [found]), frame)
    gaps = frame.assign(genres=frame["genres"].where(frame.index % 5 != 0, None))
    apart, found = compound.spread(gaps, Wishes(), Python(), None)
    pd.testing.assert_frame_equal(compound.together(apart, found), gaps)


def test_labels_that_are_seldom_or_in_no_order_stay_whole() -> None:
    frame = films()
    assert len(spread(frame)) == 1
    for cell in ("Comedy|Noir", "Comedy|Action", "Comedy|Comedy", "Comedy| Drama"):
        other = frame.copy()
        other.loc[5, "genres"] = cell
        assert spread(other) == ()
    rng = np.random.default_rng(1)
    names = [
        f"{rng.choice(GENRES[:7])}, {rng.choice(GENRES[7:])}, {rng.choice(['I', 'II', 'III'])}"
        for _ in range(N)
    ]
    assert spread(frame.assign(genres=names)) == ()  # always as many: none is there or not
    few = frame.assign(genres=np.where(frame["minutes"] > 100, "Action|War", "Comedy|Drama"))
    assert spread(few) == ()  # cells that come back are labels themselves


def test_drawn_cells_have_labels_that_go_together() -> None:
    frame = films()
    model = tabstep.fit(frame, method="mixture", progress="none")
    rows = model.sample(500, seed=1)
    assert list(rows.columns) == list(frame.columns)
    told = [cell.split("|") for cell in rows["genres"]]
    assert all(cell == sorted(set(cell)) and {*cell} <= {*GENRES} for cell in told)
    assert len({*rows["genres"]} - {*frame["genres"]})
    assert np.mean(["Action" in cell for cell in told if "Sci-Fi" in cell]) > 0.4  # .25 in all cells
    long = rows["minutes"] > 130
    assert rows["genres"].str.contains("War")[long].mean() > 2 * rows["genres"].str.contains("War").mean()
    asked = model.sample(20, where={"genres (War)": True}, seed=1)
    assert asked["genres"].str.contains("War").all()
    one = frame["genres"].iloc[0]
    assert (model.sample(5, where={"genres": one})["genres"] == one).all()
    with pytest.raises(ValueError, match=r"'genres' is written as Action\|Animation, got 'Noir'"):
        model.sample(3, where={"genres": "Noir"})


def test_cells_that_are_missing_are_missing_as_a_whole() -> None:
    frame = table()
    frame.loc[frame["ward"] == "north", "pressure"] = None
    rows = tabstep.fit(frame, method="mixture", progress="none").sample(300, seed=1)
    assert (rows["pressure"].isna() == (rows["ward"] == "north")).mean() > 0.9
    assert all(re.fullmatch(CELLS["pressure"], cell) for cell in rows["pressure"].dropna())


@pytest.fixture(scope="module")
def model() -> Any:
    return tabstep.fit(table(), method=TINY, progress="none")


@pytest.mark.filterwarnings("ignore::tabstep.api.how.PoorlyMet")
def test_what_a_model_does_with_cells(model: Any, tmp_path: Path) -> None:
    frame = table()
    check(model.sample(50), frame)
    model.save(tmp_path / "model")
    again = tabstep.load(tmp_path / "model")
    assert again.compounds == model.compounds
    pd.testing.assert_frame_equal(again.sample(20, seed=3), model.sample(20, seed=3))
    model.sample_to(tmp_path / "rows.csv", 30, seed=2)
    check(pd.read_csv(tmp_path / "rows.csv"), frame)

    few = frame.head(4)
    latent = model.encode(few, steps=5)
    check(model.decode(latent), frame)
    edited = model.edit(few, {"pressure": "120/80"}, keep="place", steps=2, particles=4)
    assert (edited["pressure"] == "120/80").all()
    assert edited["place"].tolist() == few["place"].tolist()
    several = model.edit(few, {"pressure": ["120/80", "125/70", "140/90", "99/60"]}, steps=2, particles=4)
    assert several["pressure"].tolist() == ["120/80", "125/70", "140/90", "99/60"]

    holes = few.copy()
    holes.loc[[0, 2], "pressure"] = None
    filled = model.impute(holes, columns="pressure", steps=2, particles=4)
    check(filled, frame)
    assert filled.loc[[1, 3], "pressure"].tolist() == few.loc[[1, 3], "pressure"].tolist()


@pytest.mark.filterwarnings("ignore::tabstep.api.how.PoorlyMet")
def test_conditions_are_on_one_cell_or_on_its_numbers(model: Any) -> None:
    rows = model.sample(20, where={"pressure (1)": (100, 140)}, seed=1)
    assert rows["pressure"].str.split("/").str[0].astype(int).between(100, 140).all()
    one = table()["pressure"].iloc[0]
    assert (model.sample(3, where={"pressure": one}, steps=2)["pressure"] == one).all()
    with pytest.raises(ValueError, match=r"'pressure' is written as N/N, got 'high'"):
        model.sample(3, where={"pressure": "high"})
    with pytest.raises(ValueError, match=r"name one cell such as N/N, or 'pressure \(1\)', 'pressure \(2\)'"):
        model.sample(3, where={"pressure": (100, 140)})


def test_a_report_reads_cells_and_says_so(model: Any) -> None:
    found = model.report(table(), steps=5)
    assert {"pressure (1)", "pressure (2)"} <= {column.name for column in found.portrait.columns}
    (said,) = (line for line in found.portrait.changed if line.startswith("Several values in a cell"))
    assert "pressure (N/N), size (N x N x N cm), place ((N, N))" in said


def test_a_file_from_a_stranger_does_not_name_other_columns() -> None:
    good = {
        "kind": "numbers",
        "name": "a",
        "dtype": "str",
        "parts": ["a (1)", "a (2)"],
        "around": ["", "/", ""],
        "gap": "None",
    }
    assert compound.from_json(good).example == "N/N"
    labels = {
        **{"kind": "labels", "name": "a", "dtype": "str", "parts": ["a (x)", "a (y)"], "labels": ["x", "y"]},
        **{"between": "|", "usual": None, "gap": "nan"},
    }
    assert compound.from_json(labels).example == "x|y"
    for bad in ({"labels": ["x"]}, {"between": ""}, {"usual": "z"}, {"kind": "other"}):
        with pytest.raises(ValueError, match="compound"):
            compound.from_json(labels | bad)
    for bad in ({"around": ["/"]}, {"gap": "?"}, {"parts": [1, 2]}, {"name": None}):
        with pytest.raises(ValueError, match="compound"):
            compound.from_json(good | bad)
    with pytest.raises(ValueError, match="compound"):
        compound.from_json({"name": "a"})


def test_a_column_of_lists_is_refused_as_before() -> None:
    frame = table().assign(tags=[["a", "b"]] * N)
    with pytest.raises(ValueError, match="'tags' holds list"):
        tabstep.fit(frame, method="mixture", progress="none")


def test_from_the_command_line(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    asked = ("--rows", "40", "--method", "mixture", "--where", "pressure (1)=100..150")
    said = " ".join(call("sample", tmp_path / "t.csv", *asked, "--out", tmp_path / "o.csv").output.split())
    assert "several values in a cell: pressure (N/N), size (N x N x N cm), place ((N, N));" in said
    rows = pd.read_csv(tmp_path / "o.csv")
    check(rows, table())
    assert rows["pressure"].str.split("/").str[0].astype(int).between(100, 150).all()
