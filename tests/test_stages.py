"""Stages one by one, what is kept between them, and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from tabstep import suites
from tabstep.cli.app import app
from tabstep.data.table import Schema
from tabstep.engine import cache, drawn_rows, models, outcomes, run
from tabstep.engine.drawn_rows import Cost, Drawn, Missing
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.held import Busy
from tabstep.engine.job import STAGES, Job, Stages
from tabstep.engine.plan import Plan, plan
from tabstep.records import store, where
from tests.test_run import TINY, Done, copy, done, pick, record_of, small_table

pytestmark = pytest.mark.whole

__all__ = ["copy", "done"]  # fixtures


# Rows on disk


def table() -> tuple[pd.DataFrame, Schema]:
    frame = pd.DataFrame(
        {
            "x": [0.1, np.nan, -1e300],
            "n": np.array([1, 2, 2**53], dtype=np.int64),
            "c": np.array(["None", None, "1"], dtype=object),
            "y": np.array(["a", "b", "a"], dtype=object),
        }
    )
    return frame, Schema("binclass", "y", ("x", "n"), ("c",), frozenset({"n"}))


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    frame, schema = table()
    known = Drawn(
        "k", Cost(1.0, 2.0, 3.0, 5.0, 6), {"cpu": "x"}, "now", {"nelbo": 1.5}, {"commit": "c"}, (9, 4, 0)
    )
    drawn_rows.write(tmp_path / "a" / "rows.parquet", frame, known)
    rows, found = drawn_rows.read(tmp_path / "a" / "rows.parquet", "k", schema)
    pd.testing.assert_frame_equal(rows, frame)
    assert [type(v) for v in rows["c"]] == [str, type(None), str]
    assert found == known


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda p: p.unlink(), "rows.parquet is gone"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1] + b"x"), "damaged"),
        (lambda p: p.with_suffix(".json").unlink(), "no rows were drawn"),
        (lambda p: p.with_suffix(".json").write_text('{"version": '), "not whole"),
        (lambda p: p.with_suffix(".json").write_text('{"version": 0}'), "version 0"),
    ],
)
def test_rows_that_are_not_whole_do_not_count(
    spoil: Callable[[Path], Any], says: str, tmp_path: Path
) -> None:
    frame, schema = table()
    path = tmp_path / "rows.parquet"
    drawn_rows.write(path, frame, Drawn("k", Cost(), {}, "now"))
    with pytest.raises(Missing, match="other settings"):
        drawn_rows.read(path, "another", schema)
    spoil(path)
    with pytest.raises(Missing, match=says):
        drawn_rows.read(path, "k", schema)


# Stages


def execute(todo: Plan, folder: Folder, stages: Stages) -> list[tuple[str, str | None]]:
    return [(o.status, o.reason) for o in run.execute(todo, folder, stages=stages).outcomes]


@pytest.mark.usefixtures("shared_worker")
def test_stages_one_by_one_make_the_records_of_all_at_once(done: Done, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "results")
    cells = len(done.plan.jobs)
    assert set(execute(done.plan, folder, ("fit",))) <= {("ok", None), ("ok", "already done")}
    assert len(list((folder.root / "models").iterdir())) == 1
    assert not folder.runs.exists()
    assert execute(done.plan, folder, ("draw",)) == [("ok", None)] * cells
    assert not folder.runs.exists()
    assert set(execute(done.plan, folder, ("fit", "draw"))) == {("ok", "already done")}
    assert execute(done.plan, folder, ("score",)) == [("ok", None)] * cells
    for job in done.plan.jobs:
        ours, whole = record_of(folder, job), record_of(done.folder, job)
        assert ours.scores == whole.scores
        assert (ours.key, ours.nfe, ours.rows) == (whole.key, whole.nfe, whole.rows)
        assert ours.settings["drawn"]["env"]["device"] == where.trained(ours) == where.drew(ours) == "cpu"
        assert None not in (ours.fit_s, ours.sample_s, ours.prepare_s)


@pytest.mark.usefixtures("shared_worker")
def test_what_a_stage_lacks_is_the_reason_of_a_skipped_cell(done: Done, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "results")
    found = execute(done.plan, folder, ("score",))
    assert found == [("skipped", "no rows were drawn; `--until draw` draws them")] * len(done.plan.jobs)
    diffusion = replace(done.plan, jobs=(pick(done.plan, "tabddpm", 2),))
    ((status, reason),) = execute(diffusion, folder, ("draw", "score"))
    assert status == "failed"
    assert "--until fit" in str(reason)


@pytest.mark.usefixtures("shared_worker")
def test_a_network_of_another_device_is_not_trained_again_beside_its_rows(copy: Done) -> None:
    job, gone = pick(copy.plan, "tabddpm", 5), pick(copy.plan, "tabddpm", 2)
    beside = copy.folder.rows(job.cell).with_suffix(".json")
    facts = json.loads(beside.read_text())
    beside.write_text(json.dumps(facts | {"fitted": {"on": "A 100"}}))
    shutil.rmtree(copy.folder.root / "models")
    for path in (copy.folder.runs / gone.cell.path, copy.folder.rows(gone.cell)):
        path.unlink()
    ((cell, reason),) = [
        (o.cell, str(o.reason)) for o in run.execute(copy.plan, copy.folder).outcomes if o.status != "ok"
    ]
    assert cell == gone.cell
    assert reason.startswith("its network was trained on A 100 and is not here")
    copy.folder.rows(job.cell).unlink()
    beside.unlink()
    assert {o.status for o in run.execute(copy.plan, copy.folder).outcomes} == {"ok"}


@pytest.mark.usefixtures("shared_worker")
def test_another_metric_draws_nothing_again(copy: Done) -> None:
    wanted = plan(narrow(TINY, Filters(metrics=("fidelity", "validation"))), [copy.source])
    assert {j.draw_key for j in wanted.jobs} == {j.draw_key for j in copy.plan.jobs}
    created = {j.cell: drawn_rows.known(copy.folder.rows(j.cell))["created"] for j in wanted.jobs}
    stamps = {j.cell: copy.folder.rows(j.cell).stat().st_mtime_ns for j in wanted.jobs}
    for model in (copy.folder.root / "models").iterdir():
        for file in model.iterdir():
            if file.is_file():
                file.unlink()  # no model is needed either
    assert execute(wanted, copy.folder, STAGES) == [("ok", None)] * len(wanted.jobs)
    for job in wanted.jobs:
        record, before = record_of(copy.folder, job), record_of(copy.folder, job)
        assert {"shape", "catboost_f1_macro_val"} < set(record.scores)
        assert record.sample_s == before.sample_s
        assert drawn_rows.known(copy.folder.rows(job.cell))["created"] == created[job.cell]
        assert copy.folder.rows(job.cell).stat().st_mtime_ns == stamps[job.cell]


@pytest.mark.usefixtures("shared_worker")
def test_damaged_rows_and_models_are_made_again(copy: Done) -> None:
    job = pick(copy.plan, "tabddpm", 2)
    whole = copy.folder.rows(job.cell).read_bytes()
    copy.folder.rows(job.cell).write_bytes(b"PAR1")
    weights = next(copy.folder.model(job).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"oops")
    assert not models.sound(copy.folder.model(job))
    (copy.folder.runs / job.cell.path).unlink()
    status = run.execute(copy.plan, copy.folder)
    assert {o.status for o in status.outcomes} == {"ok"}
    assert models.sound(copy.folder.model(job))
    assert copy.folder.rows(job.cell).read_bytes() == whole


BLOCK = """
import sys
for name in ("catboost", "xgboost", "optuna", "sdv", "ctgan", "copulas", "rdt"):
    sys.modules[name] = None
"""

# `tests.test_run` has the same, but imports what is blocked.
DRIVER = """
import sys
from tabstep.cli.app import app
from tabstep import suites
from tabstep.suite import Entry, Suite

tiny = Entry("tabddpm", "tiny", {"T": 10, "steps": 5, "layers": (8,)})
suites.SUITES["own"] = Suite(
    "own", "", (), (Entry("real"), tiny), (("ddim", "trailing"),), (2,), sample_seeds=2, eval_seeds=1, evaluator="fast"
)
sys.argv[0] = "tabstep"
app()
"""


@pytest.mark.usefixtures("shared_worker")
def test_rows_are_drawn_without_evaluators_and_scored_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box with a GPU need not have catboost, xgboost, optuna or sdv."""
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(BLOCK)
    table = small_table(tmp_path / "small.csv")
    command = ["run", "--csv", str(table), "--target", "label", "--method", "real,tabddpm", "--steps", "2"]
    command += ["--workers", "1", "--results", str(tmp_path / "results")]
    root = Path(__file__).resolve().parents[1]
    bare = os.environ | {"PYTHONPATH": f"{tmp_path / 'block'}{os.pathsep}{root}"}
    first = subprocess.run(
        [sys.executable, "-c", DRIVER, *command, "--until", "draw"],
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert "4 cells done" in first.stdout
    monkeypatch.setitem(suites.SUITES, "own", TINY)
    second = CliRunner().invoke(app, [*command, "--from", "score"])
    assert second.exit_code == 0, second.output
    records, _ = store.read_all(tmp_path / "results" / "own" / "runs")
    assert {r.status for r in records} == {"ok"}
    assert {r.settings["drawn"]["env"]["libraries"]["catboost"] for r in records} != {None}


# Two at once, and folders that cannot be written


@pytest.mark.usefixtures("shared_worker")
def test_two_runs_do_not_share_a_folder(copy: Done) -> None:
    with FileLock(copy.folder.root / ".lock"), pytest.raises(Busy, match="another run works on"):
        run.execute(copy.plan, copy.folder)
    run.execute(copy.plan, copy.folder)
    run.execute(copy.plan, copy.folder)  # and the lock is given back


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    table = small_table(tmp_path / "small.csv")
    (tmp_path / "file").write_text("not a folder")
    command = [sys.executable, "-m", "tabstep", "run", "--csv", str(table), "--target", "label"]
    command += ["--method", "real", "--results", str(tmp_path / "file" / "results")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "error:" in found.stderr
    assert "file" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system to fill")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.usefixtures("shared_worker")
def test_a_full_disk_and_a_read_only_one_lose_nothing_finished(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = small_table(tmp_path / "small.csv")
    monkeypatch.setitem(suites.SUITES, "own", TINY)
    command = [
        "run",
        "--csv",
        str(table),
        "--target",
        "label",
        "--method",
        "real,marginals",
        "--workers",
        "1",
    ]
    command += ["--results", str(small_disk / "results")]

    def run_it() -> tuple[int, str]:
        found = CliRunner().invoke(app, command)
        assert isinstance(found.exception, SystemExit | None), found.exception
        return found.exit_code, found.stderr

    assert run_it()[0] == 0
    runs = small_disk / "results" / "own" / "runs"
    whole = {path: path.read_bytes() for path in runs.rglob("*.json")}
    assert len(whole) >= 2
    gone, kept = sorted(whole)[0], dict(sorted(whole.items())[1:])
    gone.unlink()
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    code, said = run_it()
    assert code == 2
    assert "No space left on device" in said
    assert "finished cells are kept" in said
    assert {path: path.read_bytes() for path in runs.rglob("*.json")} == kept
    (small_disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, said = run_it()
    assert code == 2
    assert "Read-only file system" in said
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert run_it()[0] == 0
    found = {path: path.read_bytes() for path in runs.rglob("*.json")}
    assert {path: text for path, text in found.items() if path in kept} == kept, "nothing was done twice"
    assert found.keys() == whole.keys()
    assert not list(small_disk.rglob("*.tmp"))


# What is said of it


def states(job: Job, folder: Folder) -> dict[str, tuple[bool, str]]:
    return {s.stage: (s.done, s.why) for s in cache.why(job, folder)}


def test_why_a_stage_is_done_or_not(copy: Done, tmp_path: Path) -> None:
    job, empty = pick(copy.plan, "tabddpm", 2), Folder(tmp_path / "empty")
    assert [done for done, _ in states(job, copy.folder).values()] == [True] * 3
    assert [why for _, why in states(job, empty).values()] == [
        "never fitted",
        "no rows were drawn",
        "never scored",
    ]
    entry = replace(TINY.entries[2], settings={**TINY.entries[2].settings, "lr": 0.5})
    changed = pick(plan(replace(TINY, entries=(entry,)), [copy.source]), "tabddpm", 2)
    said = states(changed, copy.folder)
    assert said["fit"] == (
        False,
        f"another model is there, of other settings.lr: {job.describe()['method']['lr']} -> 0.5",
    )
    assert said["draw"] == (False, "the rows there were drawn with other settings, data or code")
    assert "method.lr" in said["score"][1]
    judged = pick(plan(replace(TINY, eval_seeds=2), [copy.source]), "tabddpm", 2)
    said = states(judged, copy.folder)
    assert said["draw"][0]
    assert said["score"] == (False, "the record is of other evaluator seeds: [0] -> [0, 1]")
    store.write(copy.folder.runs, outcomes.record(job, "failed", "out of memory"))
    assert states(job, copy.folder)["score"] == (False, "failed: out of memory")
    (copy.folder.model(job) / "fit.json").write_text(json.dumps({"digests": {"model.json": "0"}}))
    assert "not whole or damaged" in states(job, copy.folder)["fit"][1]


def test_only_what_nothing_refers_to_is_waste(copy: Done) -> None:
    assert cache.waste(copy.plan.jobs, copy.folder) == []
    orphan = copy.folder.root / "models" / "0123"
    orphan.mkdir()
    (orphan / "model.safetensors").write_bytes(b"x" * 100)
    rest = [job for job in copy.plan.jobs if job.cell.method != "marginals"]
    found = cache.waste(rest, copy.folder)
    assert [w.path for w in found if w.why == "no cell of the suite has this model"] == [orphan]
    assert sum(w.why == "no cell of the suite has these rows" for w in found) == 2 * 2
    assert found[0].size == 100
    cache.remove(found)
    assert cache.waste(rest, copy.folder) == []
    assert all(state.done for job in rest for state in cache.why(job, copy.folder) if state.stage != "fit")
