"""`tabstep fit` and `tabstep sample`: from a table to rows, what is shown on the way, what is refused before it."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import tabstep
from tabstep.api import fitting
from tabstep.cli import sample
from tabstep.cli.waiting import Waiting
from tabstep.data.files import read_table
from tabstep.data.listed import lines
from tabstep.registry import DEFAULT_SAMPLER, FEW_EVALUATIONS
from tests.test_cli import call

QUICK = ("--set", "T=20", "--set", "steps=15", "--set", "layers=16,16", "--set", "batch_size=64")


def messy(n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-01-03") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    return pd.DataFrame(
        {
            "key": [f"C-{i:04d}" for i in range(n)],
            "class": rng.choice(["fraud", "fine"], n, p=[0.3, 0.7]),
            "paid": [f"{v:,.2f} €".replace(",", " ").replace(".", ",") for v in rng.lognormal(6, 1, n)],
            "due": days.strftime("%d/%m/%Y"),
            "zone": rng.choice(["NA", "EU"], n),
            "age": rng.integers(18, 90, n),
            "same": 1,
        }
    ).assign(until=lambda rows: rows["age"] + rng.integers(0, 9, n))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "my.csv"
    messy().to_csv(path, index=False)
    return path


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("the training began")

    monkeypatch.setattr(fitting, "train", fail)


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.whole
def test_from_a_table_to_rows(table: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "rows.csv"
    done = call(
        "fit", table, "--save", folder, "--target", "class", "--id", "key", "--literal", "zone", *QUICK
    )
    assert done.exit_code == 0, done.output
    shown = flat(done.output)
    for text in (
        "my.csv: 90 rows, target class",
        "key ids, made anew from C-0090",
        "class 2 labels fine, fraud",
        "paid numbers to 2 decimals, in text as '1 234,00 €'",
        "due times to the day, in text as %d/%m/%Y",
        "age whole numbers 18 .. 89",
        "same constant 1",
        "in every row: until is between 0 and 8 more than age",
    ):
        assert text in shown
    done = call("sample", folder, "--rows", 70, "--out", out, "--steps", 3, "--seed", 2)
    assert done.exit_code == 0, done.output
    how = f"drawn by {DEFAULT_SAMPLER} on trailing, 3 evaluations a row"
    assert flat(done.output) == f"{how} 70 rows: {flat(str(out))}"
    rows = tabstep.load(folder).sample(70, steps=3, seed=2)
    assert out.read_text() == rows.to_csv(index=False)
    assert list(rows) == list(messy())
    assert set(rows["zone"]) == {"NA", "EU"}
    refused = call("sample", folder, "--rows", 70, "--out", tmp_path / "no.csv", "--sampler", "ddss")
    assert refused.exit_code != 0
    assert "drawn by" not in refused.output  # no row was


@pytest.mark.whole
def test_a_training_that_its_time_cut_short_is_said_to_be_one(table: Path, tmp_path: Path) -> None:
    known = "--id", "key", "--literal", "zone", "--set", "layers=[8]", "--save", tmp_path / "model"
    short = flat(call("fit", table, *known, "--seconds", 1, "--set", "steps=1000000").output)
    assert re.search(r"enough for [\d,]+ steps of training, 1,000,000 are usual: rows will be poor", short)
    whole = call("fit", table, *known, "--seconds", 1, "--set", "steps=1")
    assert whole.exit_code == 0
    assert "enough for" not in flat(whole.output)


def test_a_condition_names_the_target(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.parquet"
    done = call(
        *(
            "sample",
            table,
            "--rows",
            40,
            "--out",
            out,
            "--steps",
            3,
            "--drop",
            "key",
            "--save",
            tmp_path / "m",
        ),
        *("--where", "class=fraud", "--where", "age=20..70", "--where", "due=..01/09/2024", *QUICK),
    )
    assert done.exit_code == 0, done.output
    rows = pd.read_parquet(out)
    assert set(rows["class"]) == {"fraud"}
    assert rows["age"].between(20, 70).all()
    assert (pd.to_datetime(rows["due"], format="%d/%m/%Y") <= pd.Timestamp("2024-09-01")).all()
    shown = flat(done.output)
    assert "target: class, so that the network itself meets the condition" in shown
    frame = messy()
    met = (frame["class"] == "fraud") & frame["age"].between(20, 70)
    met &= pd.to_datetime(frame["due"], format="%d/%m/%Y") <= pd.Timestamp("2024-09-01")
    assert f"{met.sum()} of 90 rows of the table" in shown
    assert "class = fraud: exact, by the label that the network is conditioned on" in shown
    assert "age in 20 .. 70 and due in .. 01/09/2024: exact for the sampler" in shown
    assert "'NA' in" in shown
    assert "--literal zone takes such texts as values" in shown
    again = call(
        "sample",
        tmp_path / "m",
        "--rows",
        20,
        "--out",
        tmp_path / "even.tsv",
        "--balance",
        "class",
        "--steps",
        2,
    )
    assert again.exit_code == 0, again.output
    assert sorted(pd.read_csv(tmp_path / "even.tsv", sep="\t")["class"].value_counts()) == [10, 10]


@pytest.mark.usefixtures("no_training")
def test_all_faults_come_in_one_message_with_what_mends_them(table: Path, tmp_path: Path) -> None:
    frame = messy().assign(
        mail=[f"{i}@mail.com" for i in range(90)],
        day=["01/02/2024", "03/04/2024"] * 45,
        size=["3", "4", "big"] * 30,
    )
    frame["size"] = [str(i) for i in range(89)] + ["big"]
    frame.to_csv(table, index=False)
    done = call("sample", table, "--rows", 5, "--out", tmp_path / "rows.csv")
    assert done.exit_code == 2
    shown = flat(done.output)
    for text in (
        "my.csv: 4 faults",
        "--id key has new ones made",
        "'mail' holds e-mail addresses; --id mail",
        "--date day=%d/%m/%Y says which",
        "'size' holds numbers, but also big; --missing big takes such texts for gaps",
    ):
        assert text in shown, shown


@pytest.mark.usefixtures("no_training")
def test_faults_of_options_and_of_the_table_come_together(table: Path, tmp_path: Path) -> None:
    options = (
        "--where",
        "clas=fraud",
        "--sampler",
        "nope",
        "--set",
        "nop=3",
        "--id",
        "kye",
        "--balance",
        "size",
    )
    done = call("sample", table, "--rows", 5, "--out", tmp_path / "rows.xlsx", *options)
    assert done.exit_code == 2
    for text in (
        "error: 6 faults:",
        "- rows.xlsx: expected a name ending in .parquet",
        "- TabStep has no setting nop",
        "- where: no column 'clas'; did you mean 'class'?",
        "- balance: no column 'size'",
        "- my.csv: no column 'kye': did you mean 'key'?",
        "- my.csv: column 'key' has a different text in every row",
    ):
        assert text in flat(done.output), done.output
    done = call("fit", table, "--save", tmp_path / "m", "--set", "nop=3", "--literal", "zon")
    assert "error: 2 faults:\n- TabStep has no setting nop" in done.output
    assert "- my.csv: no column 'zon': did you mean 'zone'" in flat(done.output)
    done = call(
        "sample", table, "--rows", 5, "--out", tmp_path / "r.csv", "--drop", "key", "--sampler", "dimm"
    )
    assert re.search(
        r"one of the \d+ of `tabstep list samplers`, got 'dimm'; did you mean 'ddim'", flat(done.output)
    )


def test_rows_have_the_marks_between_them_that_the_table_has(tmp_path: Path) -> None:
    table, folder = tmp_path / "my.csv", tmp_path / "model"
    messy().drop(columns="key").to_csv(table, sep=";", index=False)
    assert call("fit", table, "--save", folder, *QUICK).exit_code == 0
    for out, mark in ((tmp_path / "rows.csv", ";"), (tmp_path / "rows.tsv", "\t")):
        assert call("sample", folder, "--rows", 20, "--out", out, "--steps", 2).exit_code == 0
        names = [name for name in messy() if name != "key"]
        assert out.read_text().splitlines()[0].split(mark) == names
        assert list(read_table(out)) == names


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{table}", "--out", "{table}"], "is the table itself"),
        (["{table}", "--out", "rows.xlsx"], "expected a name ending in .parquet"),
        (["nothing/", "--out", "r.csv"], "no file at nothing"),
        (["{folder}", "--out", "r.csv"], "holds no model; `tabstep fit my.csv --save"),
        (
            ["{folder}", "--out", "r.csv", "--target", "class", "--id", "key"],
            "--target, --id: only with a table",
        ),
        (
            ["{table}", "--out", "r.csv", "--drop", "kye"],
            "cannot drop 'kye', there is no such column: did you mean 'key'",
        ),
        (
            ["{table}", "--out", "r.csv", "--drop", "key", "--where", "clas=fraud"],
            "no column 'clas'; did you mean 'class'",
        ),
        (
            ["{table}", "--out", "r.csv", "--drop", "key", "--where", "class=frod"],
            "class = frod: training rows have fine, fraud",
        ),
        (
            ["{table}", "--out", "r.csv", "--drop", "key", "--where", "age=190.."],
            "training rows lie within 18 .. 89",
        ),
        (["{table}", "--out", "r.csv", "--drop", "key", "--balance", "age"], "'age' holds numbers or dates"),
        (["{table}", "--out", "r.csv", "--drop", "key", "--sampler", "dimm"], "did you mean 'ddim'"),
        (
            ["{table}", "--out", "r.csv", "--drop", "key", "--steps", "2000"],
            "steps must be in 1..1000, got 2000",
        ),
        (
            ["{table}", "--out", "r.csv", "--method", "smote", "--steps", "5", "--drop", "key"],
            "SMOTE draws rows with",
        ),
        (
            ["{table}", "--out", "r.csv", "--method", "smote", "--save", "m"],
            "a model of SMOTE cannot be saved",
        ),
        (["{table}", "--out", "r.csv", "--set", "stepz=3"], "no setting stepz; it has: T"),
        (["{table}", "--out", "r.csv", "--set", "stepz=3"], "did you mean 'steps'"),
        (
            ["{table}", "--out", "r.csv", "--seconds", "9", "--method", "tabddpm"],
            "seconds needs method='tabstep'",
        ),
        (["{table}", "--out", "r.csv", "--set", "steps"], "expected NAME=VALUE"),
        (["{table}", "--out", "r.csv", "--set", "steps=0"], "steps must be at least 1"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_the_training(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    given = [a.format(table=table, folder=tmp_path / "folder") for a in arguments]
    done = call("sample", *given, "--rows", 5)
    assert done.exit_code == 2, done.output
    assert message in flat(done.output)


def test_help_teaches_with_examples() -> None:
    assert sample.DEFAULT == DEFAULT_SAMPLER
    assert f"{FEW_EVALUATIONS[0]} to {FEW_EVALUATIONS[-1]}" == sample.FEW
    for command in ("fit", "sample"):
        shown = flat(call(command, "--help").output)
        assert "Examples: tabstep" in shown
        assert "--id" in shown


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal() -> None:
    text, now = io.StringIO(), 0.0
    with Waiting(Console(file=text, width=100), "drawing", "rows", clock=lambda: now) as view:
        view(1000, 5000)  # from before
        for done in (2000, 3000, 4000):
            now += 6.0
            view(done, 5000, 0.25)
        now += 60.0
        view(5000, 5000, 0.25)  # what follows says that it is done
    assert text.getvalue() == "drawing: 3,000 of 5,000 rows, loss 0.25, about 0:12 left\n"


def test_the_time_left_is_that_of_what_is_going_on() -> None:
    """What is prepared before the first step, and another network before this one, tell nothing of its steps."""
    text, now = io.StringIO(), 0.0
    with Waiting(Console(file=text, width=100), "teaching", "steps", clock=lambda: now) as view:
        now += 100.0
        for _ in range(2):
            view(0, 10)
            now += 11.0
            view(5, 10)
            now += 100.0
    said = text.getvalue().splitlines()
    assert said == [
        "teaching: 0 of 10 steps",
        "teaching: 5 of 10 steps, about 0:11 left",
        "teaching: 0 of 10 steps",
        "teaching: 5 of 10 steps, about 0:11 left",
    ]


def test_on_a_terminal_it_is_a_bar() -> None:
    text = io.StringIO()
    with Waiting(Console(file=text, width=100, force_terminal=True), "fitting", "steps") as view:
        view(3, 10, 0.5)
        view(10, 10, 0.25)
    assert "fitting, loss 0.25" in text.getvalue()
    assert "10/10" in text.getvalue()


def test_every_kind_of_column_is_described() -> None:
    from tabstep.data.inference import infer
    from tabstep.data.wishes import Python, Wishes
    from tests.test_columns import MADE

    frame = pd.DataFrame({name: values for name, values in MADE.items()})
    columns, faults = infer(frame, Wishes(), Python())
    assert not faults
    shown = {line.column: line for line in lines(frame, columns)}
    assert list(shown) == list(frame)
    assert all(line.taken and line.values for line in shown.values())


def test_a_damaged_model_is_one_line(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert call("fit", table, "--save", folder, "--drop", "key", "--literal", "zone", *QUICK).exit_code == 0
    file = folder / "fitted.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    done = call("sample", folder, "--rows", 5, "--out", tmp_path / "rows.csv")
    assert done.exit_code == 2
    assert flat(done.output).startswith("error: ")
    assert "Traceback" not in done.output
