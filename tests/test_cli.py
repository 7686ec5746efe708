"""The command line: what it refuses before work starts, what it hands on, what it prints and its exit status."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tabstep.cli.app import app
from tabstep.data import cards
from tabstep.engine import run
from tabstep.engine.filters import Refused
from tabstep.engine.folder import Folder
from tabstep.engine.job import Outcome, Source, _dataset
from tabstep.engine.own_names import TABLES, claim
from tabstep.engine.plan import Plan
from tabstep.engine.run import Status
from tabstep.records import store
from tabstep.registry import GRIDS, METHODS, SAMPLERS
from tabstep.suites import SUITES
from tests.test_report import small_run


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch, blank_figures: None) -> list[Plan]:
    """Plans that reached the harness; nothing is run."""
    seen: list[Plan] = []

    def execute(plan: Plan, folder: Folder, **_: Any) -> Status:
        seen.append(plan)
        for record in small_run():
            store.write(folder.runs, record)
        return Status(len(plan.jobs), [Outcome(job.cell, "ok") for job in plan.jobs])

    monkeypatch.setattr(run, "execute", execute)
    return seen


# Help and lists


def test_help_teaches() -> None:
    shown = call("--help")
    assert shown.exit_code == 0
    for text in ("tabstep run smoke", "report", "list", "data", "tune-evaluator"):
        assert text in shown.output
    shown = call("run", "--help")
    for option in (
        "--dataset",
        "--method",
        "--sampler",
        "--steps",
        "--seed",
        "--workers",
        "--device",
        "--data-mirror",
    ):
        assert option in shown.output
    assert call().exit_code == 2, "no command is an error, with the help"


def test_list_names_everything() -> None:
    shown = call("list").output.split()
    for name in (*cards.names(), *METHODS, *SAMPLERS, *GRIDS, *SUITES):
        assert name in shown
    grids = call("list", "grids").output
    assert "trailing" in grids
    assert "tabddpm" not in grids


# Refused before work starts


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "quik"), ("suite 'quik'", "quick")),
        (("run", "--dataset", "diamond-price"), ("dataset 'diamond-price'", "diamonds-price")),
        (("run", "--method", "tabdpm"), ("method 'tabdpm'", "tabddpm")),
        (("run", "--sampler", "dim"), ("sampler 'dim'", "ddim")),
        (("run", "--grid", "trail"), ("grid 'trail'", "trailing")),
        (("run", "--steps", "5,x"), ("--steps", "'x'")),
        (("run", "--steps", "0"), ("steps must be positive", "0")),
        (("run", "--seed", "-1"), ("--seed", "'-1'")),
        (("run", "--device", "tpu"), ("--device", "'tpu'")),
        (("run", "--target", "y"), ("--target only with --csv",)),
        (("rows", "--task", "regression"), ("--task only with --csv",)),
        (("rows", "--csv", "a.csv"), ("--csv needs --target",)),
        (("tune", "smote", "--dataset", "wilt", "--storage", "nonsense"), ("database URL", "'nonsense'")),
        (("tune-sampler", "smoke", "--steps", "5", "--storage", "nonsense"), ("database URL", "'nonsense'")),
        (("run", "--csv", "nowhere.csv"), ("--csv needs --target",)),
        (("run", "quick", "--csv", "a.csv", "--target", "y"), ("leave out the suite",)),
        (("run", "--csv", "nowhere.csv", "--target", "y"), ("nowhere.csv",)),
        (("run", "own"), ("names no datasets", "--csv")),
        (("run", "[/bold]"), ("suite '[/bold]'",)),
        (("list", "things"), ("'things'", "datasets")),
        (("report", "quick"), ("no records", "tabstep run quick")),
    ],
)
def test_bad_requests(
    arguments: tuple[str, ...], expected: tuple[str, ...], plans: list[Plan], tmp_path: Path
) -> None:
    where = () if arguments[0] == "list" else ("--results", tmp_path)
    refused = call(*arguments, *where)
    assert refused.exit_code == 2, refused.output
    assert refused.stdout == ""
    message = " ".join(refused.stderr.split())
    for text in expected:
        assert text in message
    assert plans == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [("--workers", "-1"), ("--timeout", "0"), ("--workers", "two")])
def test_bad_numbers(option: tuple[str, str], plans: list[Plan]) -> None:
    assert call("run", "smoke", *option).exit_code == 2
    assert plans == []


# What reaches the harness


@pytest.mark.whole
def test_filters_reach_the_plan(plans: list[Plan], tmp_path: Path) -> None:
    asked = ("--dataset", "mlc-churn", "--method", "real,tabddpm", "--sampler", "ddim", "--steps", "5,T")
    done = call("run", "quick", *asked, "--seed", "3", "--workers", "1", "--results", tmp_path)
    assert done.exit_code == 0, done.output
    (plan,) = plans
    T = dict(SUITES["quick"].entries[-1].settings)["T"]
    cells = {
        (j.cell.dataset, j.cell.method, j.cell.sampler, j.cell.steps, j.cell.train_seed) for j in plan.jobs
    }
    assert cells == {
        ("mlc-churn", "real", None, None, 3),
        ("mlc-churn", "tabddpm", "ddim", 5, 3),
        ("mlc-churn", "tabddpm", "ddim", T, 3),
    }
    assert {j.workers for j in plan.jobs} == {1}
    assert "3 cells done, 0 failed, 0 skipped" in done.output


@pytest.mark.whole
def test_own_table(plans: list[Plan], tmp_path: Path) -> None:
    table, card = tmp_path / "mine.csv", tmp_path / "mine.toml"
    rows = "".join(f"{i},{'ab'[i % 2]},{i * 1.5}\n" for i in range(60))
    table.write_text("id,kind,price\n" + rows)
    done = call(
        "run",
        "--csv",
        table,
        "--target",
        "price",
        "--drop",
        "id",
        "--method",
        "real",
        "--card",
        card,
        "--results",
        tmp_path,
    )
    assert done.exit_code == 0, done.output
    assert "mine: regression, target price" in done.output
    assert plans[0].jobs[0].source.load().schema.columns == ("kind", "price")
    assert 'target = "price"' in card.read_text()


def test_two_tables_of_one_name_are_not_one_dataset(tmp_path: Path) -> None:
    def source(place: str, scale: float) -> Source:
        path = tmp_path / place / "mine.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("a,y\n" + "".join(f"{i * scale},{i * 1.5}\n" for i in range(60)))
        return Source("mine", file=path, target="y")

    folder = Folder(tmp_path / "results")
    claim(source("first", 1.0), folder)
    claim(source("copied", 1.0), folder)  # the same rows
    claim(source("first", 1.0), folder)
    other = source("second", 2.0)
    with pytest.raises(Refused, match=r"mine means .*first/mine\.csv in .*second/mine\.csv holds other rows"):
        claim(other, folder)
    (tmp_path / "results" / TABLES).write_text("{")  # damaged: it is written anew
    claim(other, folder)
    _dataset.cache_clear()
    claim(source("second", 3.0), folder)  # edited
    Path(tmp_path / "second" / "mine.csv").unlink()
    claim(source("third", 4.0), folder)


def test_unreachable_tables_are_skipped_with_a_reason(tmp_path: Path) -> None:
    done = call("run", "ceiling", "--dataset", "wilt", "--results", tmp_path, "--data-mirror", tmp_path)
    assert done.exit_code == 0
    assert "0 cells done, 0 failed, 1 skipped" in done.output
    assert "skipped: wilt real" in done.output
    (record,), _ = store.read_all(tmp_path / "ceiling" / "runs")
    assert record.status == "skipped"


# How it ends


@pytest.mark.whole
@pytest.mark.usefixtures("blank_figures")
def test_a_failed_cell_gives_status_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fine: list[Any] = []

    def execute(plan: Plan, folder: Folder, **_: Any) -> Status:
        for record in small_run():
            store.write(folder.runs, record)
        first, *others = plan.jobs
        fine.extend(others)
        return Status(
            len(plan.jobs),
            [Outcome(first.cell, "failed", "no [/b] way"), *(Outcome(j.cell, "ok") for j in others)],
        )

    monkeypatch.setattr(run, "execute", execute)
    done = call("run", "smoke", "--results", tmp_path)
    assert done.exit_code == 1
    assert f"{len(fine)} cells done, 1 failed, 0 skipped" in done.output
    assert "no [/b] way" in done.output
    assert "tracebacks are in" in done.output


def test_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def execute(*_: Any, **__: Any) -> Status:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "execute", execute)
    stopped = call("run", "smoke", "--results", tmp_path)
    assert stopped.exit_code == 130
    assert "the same command goes on from here" in stopped.stderr


@pytest.mark.whole
def test_report_needs_records_only(tmp_path: Path) -> None:
    for record in small_run():
        store.write(tmp_path / "quick" / "runs", record)
    done = call("report", "quick", "--results", tmp_path)
    assert done.exit_code == 0, done.output
    assert "adult (catboost_f1_macro)" in done.output
    names = {path.name for path in (tmp_path / "quick" / "report").iterdir()}
    assert {"results.csv", "results.md", "spread.csv", "quality_against_cost.png"} <= names


@pytest.mark.whole
@pytest.mark.usefixtures("blank_figures")
def test_report_names_records_that_it_cannot_read(tmp_path: Path) -> None:
    runs = tmp_path / "quick" / "runs"
    for record in small_run():
        store.write(runs, record)
    (runs / "adult" / "torn.json").write_text('{"half": ')
    done = call("report", "quick", "--results", tmp_path)
    assert done.exit_code == 0
    assert "torn.json" in done.stderr


# Data


def test_data_check(tmp_path: Path) -> None:
    good = call("data", "check", "mlc-churn", "--data-mirror", tmp_path)
    assert good.exit_code == 0, good.output
    assert "ok" in good.output
    absent = call("data", "check", "wilt", "--data-mirror", tmp_path)
    assert absent.exit_code == 0, "an absent table is not a wrong one"
    assert "unreachable" in absent.output
    shutil.copy(Path(__file__), tmp_path / "wilt.parquet")
    assert call("data", "check", "wilt", "--data-mirror", tmp_path).exit_code == 1
