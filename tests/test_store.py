"""Records survive crashes, strangers and corruption; provenance tells a clean checkout from a changed one."""

from __future__ import annotations

import getpass
import json
import os
import socket
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tabstep.records import provenance, store, where
from tabstep.records.store import Cell, Malformed, Record

DDIM = Cell("paper", "adult", "tabddpm", "tuned", "ddim", "quad", 10, 1, 2)
SMOTE = Cell("paper", "adult", "smote", "default", None, None, None, 0, 0)


def make(cell: Cell = DDIM, **changes: Any) -> Record:
    record = Record(
        cell=cell,
        status="ok",
        reason=None,
        traceback=None,
        task="binclass",
        key="k1",
        settings={"lr": 0.001, "widths": [128, 256]},
        rows=1000,
        nfe=10,
        fit_s=12.5,
        prepare_s=0.0,
        sample_s=0.25,
        peak_bytes=None,
        scores={"catboost_f1_macro": [0.7, 0.8], "shape": [0.9]},
        eval_seeds=[0, 1],
        dataset_digest="abc",
        env={"commit": "1" * 40, "dirty": False},
        created="2026-01-31T12:00:00+00:00",
    )
    return replace(record, **changes)


def test_paths_are_as_documented() -> None:
    assert str(DDIM.path) == "adult/tabddpm-tuned/ddim-quad-10-t1-d2.json"
    assert str(SMOTE.path) == "adult/smote-default/t0-d0.json"


@pytest.mark.parametrize("field", ["suite", "dataset", "method", "params", "sampler", "grid"])
@pytest.mark.parametrize(
    "name", ["..", ".", "../up", "a/b", "/abs", "a\\b", "", "a b", "a\n", ".hidden", "ä"]
)
def test_names_cannot_leave_the_folder(field: str, name: str) -> None:
    with pytest.raises(ValueError, match=field):
        replace(DDIM, **{field: name})


@pytest.mark.parametrize(
    "change",
    [{"sampler": None}, {"steps": None}, {"steps": 0}, {"train_seed": -1}, {"sampler": None, "steps": None}],
)
def test_impossible_cells_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"sampler|steps|seeds"):
        replace(DDIM, **change)


def test_round_trip(tmp_path: Path) -> None:
    failed = make(
        SMOTE, status="failed", reason="boom", traceback="logs/x.txt", scores={}, rows=None, nfe=None
    )
    for record in (make(), failed):
        path = store.write(tmp_path, record)
        assert path == tmp_path / record.cell.path
        assert store.read(path) == record
    records, problems = store.read_all(tmp_path)
    assert [record.cell for record in records] == [SMOTE, DDIM]  # by path
    assert problems == []


def test_names_with_dashes_that_meet_in_one_path_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = replace(SMOTE, method="a-b", params="c"), replace(SMOTE, method="a", params="b-c")
    assert one.path == other.path
    store.write(tmp_path, make(one))
    with pytest.raises(ValueError, match="is the record of"):
        store.write(tmp_path, make(other))
    assert store.read(tmp_path / one.path).cell == one
    assert not store.done(tmp_path, other, "k1")


@pytest.mark.parametrize(
    "change",
    [
        {"scores": {"m": [float("nan"), 1.0]}},
        {"scores": {"m": [float("inf"), 1.0]}},
        {"scores": {"m": [1.0, 2.0, 3.0]}},
        {"scores": {"m": []}},
        {"scores": {"m": 0.5}},
        {"fit_s": float("nan")},
        {"fit_s": -1.0},
        {"nfe": float("inf")},
        {"rows": 1.5},
        {"nfe": True},
        {"status": "done"},
        {"status": "failed"},  # without a reason
        {"reason": "why"},  # though ok
        {"task": "ranking"},
        {"traceback": "/abs/log.txt"},
        {"traceback": "../log.txt"},
        {"eval_seeds": [0, 0]},
        {"created": "yesterday"},
        {"created": "2026-01-31T12:00:00"},
        {"created": "2026-01-31T12:00:00+02:00"},
    ],
    ids=str,
)
def test_wrong_values_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        make(**change)


def test_no_nan_reaches_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nan"):
        store.write(tmp_path, make(settings={"lr": float("nan")}))
    assert list(tmp_path.rglob("*.*")) == []


def test_a_failing_replace_keeps_the_old_record_and_no_leftover(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.write(tmp_path, make())

    def full(source: object, target: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        store.write(tmp_path, make(key="k2"))
    assert store.read(path).key == "k1"
    assert list(path.parent.iterdir()) == [path]


def test_a_process_killed_before_the_replace_leaves_only_rubbish_that_is_ignored(tmp_path: Path) -> None:
    path = store.write(tmp_path, make())
    if not (child := os.fork()):  # another program would import for seconds
        os.replace = lambda *_: os._exit(9)
        try:
            store.replace(path, b"{}")
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    leftovers = [file for file in path.parent.iterdir() if file != path]
    assert len(leftovers) == 1
    assert leftovers[0].read_bytes() == b"{}"  # whole before the replace

    assert store.read_all(tmp_path) == ([make()], [])
    assert store.clean(tmp_path) == 1
    assert list(path.parent.iterdir()) == [path]
    assert store.clean(tmp_path) == 0


def test_corrupt_and_foreign_files_are_reported_and_not_done(tmp_path: Path) -> None:
    good = store.write(tmp_path, make(SMOTE))
    text = good.read_text()
    content = json.loads(text)
    broken = {
        "half.json": text[: len(text) // 2],
        "empty.json": "",
        "list.json": "[]",
        "old.json": json.dumps({**content, "version": 0}),
        "extra.json": json.dumps({**content, "colour": "red"}),
        "lacking.json": json.dumps({name: content[name] for name in content if name != "nfe"}),
        "nan.json": text.replace("0.001", "NaN"),  # a setting, which no check of numbers looks into
        "escape.json": json.dumps({**content, "cell": {**content["cell"], "dataset": ".."}}),
        "moved.json": text,  # right, but not at its place
    }
    for name, wrong in broken.items():
        (tmp_path / "adult" / name).write_text(wrong)
    (tmp_path / "adult" / "bytes.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "adult" / "note.txt").write_text("not looked at")

    records, problems = store.read_all(tmp_path)
    assert records == [make(SMOTE)]
    assert {problem.path.name for problem in problems} == {*broken, "bytes.json"}
    assert all(problem.reason and not problem.path.is_absolute() for problem in problems)
    for name in broken.keys() - {"moved.json"}:  # wrong in themselves, not only out of place
        with pytest.raises(Malformed, match=name):
            store.read(tmp_path / "adult" / name)
    with pytest.raises(Malformed, match=r"old\.json is not a record: version must be 1, got 0"):
        store.read(tmp_path / "adult" / "old.json")

    assert store.done(tmp_path, SMOTE, "k1")
    good.write_text(text[:-20])
    assert not store.done(tmp_path, SMOTE, "k1")
    store.write(tmp_path, make(SMOTE))  # a broken file is no obstacle to doing the cell again
    assert store.done(tmp_path, SMOTE, "k1")


def test_done(tmp_path: Path) -> None:
    assert not store.done(tmp_path, DDIM, "k1")
    store.write(tmp_path, make())
    assert store.done(tmp_path, DDIM, "k1")
    assert not store.done(tmp_path, DDIM, "another")
    store.write(tmp_path, make(SMOTE, status="failed", reason="boom", scores={}))
    assert not store.done(tmp_path, SMOTE, "k1")
    assert store.done(tmp_path, SMOTE, "k1", count_failed=True)
    store.write(tmp_path, make(SMOTE, status="skipped", reason="cannot", scores={}))
    assert store.done(tmp_path, SMOTE, "k1")


def test_an_absent_folder_holds_nothing(tmp_path: Path) -> None:
    assert store.read_all(tmp_path / "absent") == ([], [])
    assert store.clean(tmp_path / "absent") == 0


def test_frame_has_one_row_per_score() -> None:
    table = store.frame([make(), make(SMOTE, status="failed", reason="boom", scores={})])
    found = [
        (
            row.metric,
            None if row.eval_seed is None or row.eval_seed != row.eval_seed else row.eval_seed,
            row.score,
        )
        for row in table.astype({"eval_seed": object}).itertuples()
        if row.metric != "shape"
    ]
    assert found == [("catboost_f1_macro", 0, 0.7), ("catboost_f1_macro", 1, 0.8)]
    shape = table[table["metric"] == "shape"]
    assert shape["score"].tolist() == [0.9]
    assert shape["eval_seed"].isna().all()  # a single value belongs to no evaluator seed
    assert table["steps"].tolist() == [10, 10, 10]
    assert {name: table[name].iloc[0] for name in asdict(DDIM)} == asdict(DDIM)
    assert list(store.frame([]).columns) == list(table.columns)


# --- provenance ---


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_environment_is_json_without_names_of_this_place() -> None:
    environment = provenance.environment()
    text = json.dumps(environment, allow_nan=False)
    assert environment["cores"] == os.cpu_count()
    assert environment["libraries"]["pandas"] == __import__("pandas").__version__
    assert set(environment["libraries"]) == set(provenance.LIBRARIES)
    assert environment["cpu_kind"].endswith(torch.backends.cpu.get_cpu_capability())
    assert (environment["commit"] is None) == (environment["commit_reason"] is not None)
    assert str(Path.cwd()) not in text
    assert str(Path.home()) + "/" not in text
    if len(socket.gethostname()) > 3:  # a host named "vm" may occur by chance
        assert socket.gethostname() not in text
    if len(getpass.getuser()) > 4:
        assert getpass.getuser() not in text
    environment["libraries"]["torch"] = "changed"
    assert provenance.environment()["libraries"]["torch"] != "changed"


def test_a_processor_has_the_kind_that_its_name_does_not_tell() -> None:
    assert where.processor({}) == where.processor({"cpu": None}) == "unknown processor"
    assert where.processor({"cpu": "AMD EPYC"}) == "AMD EPYC"
    assert where.processor({"cpu": "AMD EPYC", "cpu_kind": "family 25, AVX2"}) == "AMD EPYC (family 25, AVX2)"


def test_only_tracked_changes_outside_results_are_dirty(tmp_path: Path) -> None:
    code, result = tmp_path / "bench" / "code.py", tmp_path / "results" / "table.csv"
    inner = tmp_path / "bench" / "results" / "more.py"
    for file in (code, result, inner):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("1\n")
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    clean = provenance.checkout(code.parent)
    assert clean["dirty"] is False
    assert len(clean["commit"]) == 40
    assert clean["commit_reason"] is None

    result.write_text("2\n")
    (code.parent / "untracked.py").write_text("2\n")
    assert provenance.checkout(code.parent) == clean
    inner.write_text("2\n")  # only the folder at the top is disregarded
    assert provenance.checkout(code.parent) == {**clean, "dirty": True}


def test_outside_of_a_checkout_there_is_a_reason_and_no_commit(tmp_path: Path) -> None:
    outside = provenance.checkout(tmp_path)
    assert outside["commit"] is None
    assert outside["dirty"] is None
    assert "git" in outside["commit_reason"]
    assert str(tmp_path) not in outside["commit_reason"]

    git(tmp_path, "init")
    installed = tmp_path / ".venv"
    installed.mkdir()
    (installed / "code.py").write_text("1\n")
    assert "not tracked" in provenance.checkout(installed)["commit_reason"]


def test_a_package_that_was_carried_away_knows_the_commit_that_it_was_built_from(tmp_path: Path) -> None:
    (tmp_path / provenance.BUILT).write_text('{"commit": "%s"}' % ("2" * 40))
    assert provenance.origin(tmp_path) == {"commit": "2" * 40, "dirty": False, "commit_reason": None}
    git(tmp_path, "init")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "first")
    assert provenance.origin(tmp_path) == provenance.checkout(tmp_path), "a checkout knows better"
