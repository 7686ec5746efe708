"""Every command with every option at hostile values: it ends in a line and a status, never in a traceback."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import tabstep
from tabstep import TabDDPM
from tabstep.api import fitting
from tabstep.cli.app import app
from tabstep.data.sources import load
from tabstep.engine import run, timing
from tabstep.engine.run import Status
from tabstep.records import store
from tabstep.sharing import conformance
from tabstep.study import perf
from tabstep.tuning import evaluators, methods
from tests.test_report import small_run

FEW = 1  # values of each option in the fast test
TEXTS = (
    *(
        "",
        " ",
        ",",
        "a,,b",
        "x" * 5000,
        "a\x00b",
        "\ud800",
        "\x1b[2J",
        "../../etc/passwd",
        "/",
        "=1+1",
        "{}",
        "*",
    ),
    *(
        "-1",
        "0",
        "nan",
        "inf",
        "1e300",
        "9" * 25,
        "9" * 5000,
        "\u0663",
        "\uff11",
        "T",
        "here",
        "[/red]",
        "%s",
    ),
)


def every(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command below a group, with the words that call it."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from every(inner, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(every(typer.main.get_command(app)))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results, a table, and files that are none."""
    root = tmp_path_factory.mktemp("hostile")
    for record in small_run():
        store.write(root / "results" / "smoke" / "runs", record)
    rows = load("mlc-churn").train.head(60)
    rows.to_csv(root / "ok.csv", index=False)
    rows[["account_length", "total_day_charge", "churn"]].to_csv(root / "mine.csv", index=False)
    (root / "garbage.csv").write_bytes(bytes(range(256)) * 40)
    (root / "garbage.parquet").write_bytes(b"PAR1" + bytes(range(256)) * 4 + b"PAR1")
    (root / "empty.csv").write_bytes(b"")
    (root / "method.py").write_bytes(b"def fit(:\n")
    (root / "folder.csv").mkdir()
    os.mkfifo(root / "pipe.csv")
    return root


PATHS = (
    *("ok.csv", "garbage.csv", "garbage.parquet", "empty.csv", "method.py", "folder.csv", "pipe.csv"),
    *("missing.csv", "ok.csv/inside", "/dev/null"),
)
TUNED = {
    **{"dataset": "x", "score": 0.0, "seconds": 0.0},
    "settings": {"update": "ddim", "grid": "trailing", "settings": {}},
}
GIVEN = {  # what a command is given where an argument or option must be
    **{"suite": "smoke", "dataset": "mlc-churn", "method": "smote", "rows": "ok.csv", "name": "mine"},
    **{"bundle": "garbage.csv", "a": "results/smoke", "b": "results/smoke"},
    **{"source": "mine.csv", "save": "model", "out": "rows.csv"},
}
ROWS = {"rows": "3"}  # of `sample`, where it is a number


@pytest.fixture(scope="module")
def model(place: Path) -> tabstep.Synthesizer:
    return tabstep.fit(place / "mine.csv", method=TabDDPM(T=2, steps=1, layers=(4,)), progress="none")


@pytest.fixture(autouse=True)
def no_work(place: Path, model: tabstep.Synthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long does nothing; all that is before and after it is there. Studies train on tables of a mirror."""
    monkeypatch.chdir(place)
    monkeypatch.delenv("TABSTEP_DATA", raising=False)
    monkeypatch.setattr(run, "execute", lambda *_, **__: Status(0))
    monkeypatch.setattr(timing, "run", lambda *_, **__: None)
    monkeypatch.setattr(conformance, "apart", lambda *_, **__: iter(()))
    monkeypatch.setattr(fitting, "train", lambda *_: model)
    monkeypatch.setattr(methods, "tune", lambda *_, **__: TUNED)
    monkeypatch.setattr(evaluators, "tune_tables", lambda *_, **__: None)
    monkeypatch.setattr(perf, "measure", lambda *_, **__: iter(()))


def needed(parameter: Any) -> bool:
    """Whether a command line has it though it is not the hostile one; the smallest suite, so that it is fast."""
    return bool(parameter.required or (parameter.name == "suite" and parameter.param_type_name == "argument"))


def lines(path: tuple[str, ...], few: int | None) -> Iterator[list[str]]:
    """Command lines, each with one hostile value."""
    command = COMMANDS[path]
    rng = random.Random(" ".join(path))
    chosen: list[Any] = [p for p in command.params if p.name not in ("help", "version")]
    for parameter in chosen:
        if getattr(parameter, "is_flag", False):
            continue
        values = [*TEXTS, *PATHS]
        for value in values if few is None else rng.sample(values, few):
            line = list(path)
            for other in chosen:
                given = GIVEN | ROWS if path == ("sample",) else GIVEN
                of = value if other is parameter else given.get(other.name) if needed(other) else None
                if of is not None:
                    option = [] if other.param_type_name == "argument" else [max(other.opts, key=len)]
                    line += [*option, of]
            yield line


def check(line: list[str]) -> None:
    found = CliRunner().invoke(app, line)
    shown = [word[:60] for word in line]
    assert found.exception is None or isinstance(found.exception, SystemExit), (shown, found.exception)
    assert found.exit_code in (0, 1, 2), (shown, found.exit_code, found.output[-300:])
    assert "Traceback" not in found.output, shown
    assert found.exit_code != 2 or found.output.strip(), shown
    assert not any(word == "" for word in line) or found.exit_code == 2, (shown, "an empty value is an error")


@pytest.mark.whole
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_ends_in_a_line_and_a_status(path: tuple[str, ...]) -> None:
    for line in lines(path, FEW):
        check(line)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_with_every_hostile_value(path: tuple[str, ...]) -> None:
    for line in lines(path, None):
        check(line)


def test_an_error_of_this_program_has_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(store, "read_all", broken)
    found = CliRunner().invoke(app, ["compare", "smoke"])
    assert found.exit_code == 70
    assert "TABSTEP_TRACEBACK=1" in " ".join(found.stderr.split())
