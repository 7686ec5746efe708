"""Every cell ends as one record: workers may fail, die, hang or be killed, and a second run picks up the rest."""

from __future__ import annotations

import operator
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from pandas.testing import assert_frame_equal

from tabstep import registry
from tabstep.contracts import Unsupported
from tabstep.data.table import Schema
from tabstep.engine import cells, executors, models, outcomes, run
from tabstep.engine.executors import Local
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Outcome, Source, is_diffusion
from tabstep.engine.plan import Plan, plan
from tabstep.engine.run import Status, Task
from tabstep.engine.worker import thread_limits
from tabstep.records import store
from tabstep.records.store import Record
from tabstep.report.numbers import table
from tabstep.report.pages import readable
from tabstep.suite import Entry, Suite
from tests.conftest import Kept

pytestmark = pytest.mark.whole

TINY = Suite(
    name="own",
    about="for tests",
    datasets=(),
    entries=(
        Entry("real"),
        Entry("marginals"),
        Entry("tabddpm", "tiny", {"T": 10, "steps": 5, "layers": (8,)}),
    ),
    samplers=(("ddim", "trailing"),),
    steps=(2, 5),
    sample_seeds=2,
    eval_seeds=1,
    evaluator="fast",
)
CELLS = 2 + 2 + 4


def small_table(path: Path) -> Path:
    """120 rows: numbers with gaps, a category with gaps, a constant, and a label that depends on them."""
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=120), rng.choice(["a", "b", "c"], 120)
    frame = pd.DataFrame(
        {
            "x": np.where(rng.random(120) < 0.1, np.nan, x.round(3)),
            "n": rng.integers(0, 50, 120),
            "c": np.where(rng.random(120) < 0.1, None, c),
            "k": 1.5,
            "label": np.where(x + (c == "a") > 0.3, "yes", "no"),
        }
    )
    frame.to_csv(path, index=False)
    return path


@dataclass(frozen=True)
class Done:
    """A finished run of `TINY` by one worker process."""

    source: Source
    plan: Plan
    folder: Folder
    status: Status


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, worker: Kept) -> Done:
    base = tmp_path_factory.mktemp("run")
    source = Source("small", file=small_table(base / "small.csv"), target="label")
    todo, folder = plan(TINY, [source]), Folder(base / "results")
    return Done(source, todo, folder, run.execute(todo, folder, executor=worker))


@pytest.fixture
def copy(done: Done, tmp_path: Path) -> Done:
    """The finished run, to be changed by a test."""
    shutil.copytree(done.folder.root, tmp_path / "results")
    return replace(done, folder=Folder(tmp_path / "results"))


def record_of(folder: Folder, job: Job) -> Record:
    return store.read(folder.runs / job.cell.path)


def stamps(folder: Folder) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.runs.rglob("*.json")}


def pick(found: Plan, method: str, steps: int | None = None, sample_seed: int = 0) -> Job:
    wanted = (method, steps, sample_seed)
    return next(j for j in found.jobs if (j.cell.method, j.cell.steps, j.cell.sample_seed) == wanted)


# A run from start to end


def test_every_cell_has_an_ok_record(done: Done) -> None:
    assert [o.status for o in done.status.outcomes] == ["ok"] * CELLS
    assert done.status.total == CELLS
    assert done.status.cost_left == pytest.approx(0)
    records, problems = store.read_all(done.folder.runs)
    assert problems == []
    assert {r.cell for r in records} == {j.cell for j in done.plan.jobs}
    for job in done.plan.jobs:
        record = record_of(done.folder, job)
        assert (record.status, record.key, record.rows) == ("ok", job.key, job.rows)
        assert set(record.scores) == {"catboost_f1_macro", "catboost_accuracy", "catboost_roc_auc"}
        assert record.dataset_digest == job.dataset_digest
        assert record.env["torch_threads"] == 1
        assert None not in (record.fit_s, record.prepare_s, record.sample_s, record.peak_bytes)
        assert record.nfe == job.cell.steps, "DDIM costs one evaluation a step; baselines cost none"


def test_drawn_rows_are_kept_in_the_form_of_the_table(done: Done) -> None:
    train = done.source.load().train
    for job in done.plan.jobs:
        rows = pd.read_parquet(done.folder.rows(job.cell))
        assert (list(rows.columns), len(rows)) == (list(train.columns), job.rows)
        assert list(rows.dtypes) == list(train.dtypes)
        assert (rows["k"] == 1.5).all()
        assert set(rows["c"].dropna()) <= set("abc")


def test_one_model_serves_all_cells_of_a_diffusion(done: Done) -> None:
    models = list((done.folder.root / "models").iterdir())
    assert [m.name for m in models] == [pick(done.plan, "tabddpm", 2).fit_key]
    fits = {record_of(done.folder, j).fit_s for j in done.plan.jobs if j.cell.method == "tabddpm"}
    assert len(fits) == 1


def test_a_second_run_does_nothing(copy: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    before = stamps(copy.folder)
    monkeypatch.setattr(run, "Local", None)  # to start a worker would be an error
    seen: list[Outcome] = []
    status = run.execute(copy.plan, copy.folder, watch=lambda _, o: seen.append(o) if o else None)
    assert stamps(copy.folder) == before
    assert status.outcomes == seen
    assert [(o.status, o.reason) for o in seen] == [("ok", "already done")] * CELLS


def test_leftovers_of_a_killed_run_are_removed(copy: Done) -> None:
    cell = copy.plan.jobs[0].cell
    record = copy.folder.runs / cell.path
    leftovers = [
        record.with_name(f".{record.name}.0123.tmp"),
        copy.folder.rows(cell).with_suffix(".tmp"),
        copy.folder.root / "models" / "abc.77.tmp" / "model.json",
    ]
    for path in leftovers:
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"half": ')
    before = stamps(copy.folder)
    run.execute(copy.plan, copy.folder)
    assert stamps(copy.folder) == before
    assert list(copy.folder.root.rglob("*.tmp")) == []


def test_only_what_is_missing_stale_broken_or_failed_is_pending(
    copy: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, broken, stale, failed = (pick(copy.plan, "tabddpm", s, d) for s in (2, 5) for d in (0, 1))
    (copy.folder.runs / gone.cell.path).unlink()
    (copy.folder.runs / broken.cell.path).write_text("{}")
    store.write(copy.folder.runs, replace(record_of(copy.folder, stale), key="of older settings"))
    store.write(copy.folder.runs, outcomes.record(failed, "failed", "of yesterday"))
    skipped = pick(copy.plan, "marginals")
    store.write(copy.folder.runs, outcomes.record(skipped, "skipped", "a library was not installed"))
    pending: list[Job] = []
    monkeypatch.setattr(run, "tasks", lambda jobs, *_: pending.extend(jobs) or [])
    monkeypatch.setattr(run, "_drain", lambda *arguments: None)
    run.execute(copy.plan, copy.folder)
    assert {j.cell for j in pending} == {j.cell for j in (gone, broken, stale, failed, skipped)}


def test_work_is_grouped_by_fit(done: Done, tmp_path: Path) -> None:
    fresh = run.tasks(done.plan.jobs, Folder(tmp_path))
    assert {t.function for t in fresh} == {models.fit_diffusion, cells.run_baseline}
    fit = next(t for t in fresh if t.function is models.fit_diffusion)
    assert [len(t.jobs) for t in fresh] == [4, 2, 2], "the dear fit first"
    assert [t.jobs for t in fit.then] == [(job,) for job in fit.jobs]
    fitted = run.tasks(done.plan.jobs, done.folder)
    assert sum(t.function is cells.run_cell for t in fitted) == 4, "a model that is there is not fitted again"
    assert models.fit_diffusion not in {t.function for t in fitted}


def test_cells_of_a_model_follow_each_other(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, folder = plan(TINY, [done.source], seeds=(0, 1, 2)), Folder(tmp_path)
    monkeypatch.setattr(models, "sound", lambda path: path.exists())
    for job in found.jobs:
        if is_diffusion(job):
            folder.model(job).mkdir(parents=True, exist_ok=True)
    keys = [t.jobs[0].fit_key for t in run.tasks(found.jobs, folder) if t.function is cells.run_cell]
    assert len(keys) == 3 * 4
    assert sum(a != b for a, b in pairwise(keys)) == 2


def test_a_score_that_cannot_be_computed_takes_no_other_with_it(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a score of the rows nor an evaluator beside; one that fails at the second seed is left out whole."""
    asked = replace(TINY, entries=(Entry("real"),), sample_seeds=1, eval_seeds=2, evaluator="fast")
    asked = narrow(asked, Filters(metrics=("fidelity", "detection", "simple", "xgboost")))
    calls: list[str] = []

    def fail_later(name: str, *_: object, **__: object) -> dict[str, float]:
        calls.append(name)
        if calls.count(name) == 2 and name == "simple":
            raise RuntimeError("second seed")
        return {f"{name}_score": 0.5}

    def too_few(*_: object) -> dict[str, float]:
        raise ValueError("too few rows")

    monkeypatch.setattr(cells.evaluators, "score", fail_later)
    monkeypatch.setattr(
        cells.rows_metrics, "GROUPS", {"fidelity": lambda *_: {"shape": 1.0}, "detection": too_few}
    )
    (job,) = plan(asked, [done.source]).jobs
    (outcome,) = cells.run_baseline([job], Folder(tmp_path))
    assert outcome.status == "ok"
    assert outcome.reason == "no detection: ValueError: too few rows; no simple: RuntimeError: second seed"
    record = record_of(Folder(tmp_path), job)
    assert {name.split("_")[0] for name in record.scores} == {"catboost", "shape", "xgboost"}
    assert record.settings["unscored"].keys() == {"detection", "simple"}


def test_scores_of_the_rows_are_recorded_where_they_are_asked_for(done: Done, tmp_path: Path) -> None:
    wanted = narrow(TINY, Filters(metrics=("fidelity", "privacy")))
    assert wanted.metrics == ("efficacy", "fidelity", "privacy")
    found = plan(wanted, [done.source])
    assert not {j.key for j in found.jobs} & {j.key for j in done.plan.jobs}
    folder = Folder(tmp_path)
    for method in ("real", "marginals"):
        cells.run_baseline([pick(found, method)], folder)
    real, marginals = (record_of(folder, pick(found, m)).scores for m in ("real", "marginals"))
    assert set(real) == set(marginals) > {"shape", "trend_corrected", "dcr_median", "mia_auc"}
    assert set(real) > set(record_of(done.folder, pick(done.plan, "real")).scores)
    assert real["copies"] == [1.0], "real rows are the training rows"
    assert marginals["copies"][0] < 0.5
    assert real["trend_corrected"][0] > marginals["trend_corrected"][0]


def test_other_evaluators_score_where_they_are_asked_for(done: Done, tmp_path: Path) -> None:
    found = plan(narrow(TINY, Filters(metrics=("xgboost", "mlp", "simple"))), [done.source])
    folder = Folder(tmp_path)
    for method in ("real", "marginals"):
        cells.run_baseline([pick(found, method)], folder)
    real, marginals = (record_of(folder, pick(found, m)) for m in ("real", "marginals"))
    plain = record_of(done.folder, pick(done.plan, "real"))
    assert real.scores["catboost_f1_macro"] == plain.scores["catboost_f1_macro"]
    for name in ("xgboost", "mlp", "simple", "simple_tree"):
        assert len(real.scores[f"{name}_f1_macro"]) == len(real.eval_seeds)
        assert np.mean(real.scores[f"{name}_f1_macro"]) > np.mean(marginals.scores[f"{name}_f1_macro"])
    beside = real.settings["beside"]
    assert [(name, beside[name]["source"]) for name in beside] == [
        ("xgboost", "fast"),
        ("mlp", "fixed"),
        ("simple", "fixed"),
    ]
    assert beside["xgboost"]["max_depth"] == 4


def test_a_worker_with_a_memory_limit_fails_the_cell_that_takes_more(done: Done, tmp_path: Path) -> None:
    folder, job = Folder(tmp_path), pick(done.plan, "real")
    call = f"start_worker(1, 3 * 2**30); np.ones(10); print('small'); np.ones({2**30})"
    code = f"import numpy as np; from tabstep.engine.worker import start_worker; {call}"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert failed.stdout == "small\n"
    assert "MemoryError" in failed.stderr
    with Local(1, 1, 3 * 2**30) as place:
        outcome = place.submit(cells.run_baseline, ([job], folder), None).result()[0]
    assert (outcome.status, outcome.reason) == ("ok", None)


def test_every_task_has_a_log_with_what_it_printed(done: Done, tmp_path: Path) -> None:
    logs = sorted(path.name for path in (done.folder.root / "logs").rglob("*.log"))
    assert "fit-t0.log" in logs
    assert len(logs) == 1 + 4 + 2  # the fit, cells, and a baseline each
    text = (done.folder.root / "logs" / "small" / "tabddpm-tiny" / "fit-t0.log").read_text()
    assert re.search(r"small tabddpm seed 0 fit\n(.*\n)*.* ended after \d+\.\d s", text)
    code = (
        "import os, sys; from pathlib import Path; from tabstep.engine.tasklog import logged\n"
        "with logged(Path(sys.argv[1]), 'a task'):\n    print('in'); os.system('echo deep; echo err >&2')\nprint('out')"
    )
    path = tmp_path / "a" / "task.log"
    found = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert found.stdout == "out\n"
    assert [line for line in path.read_text().splitlines() if " " not in line] == ["in", "deep", "err"]


class Instant:
    """An executor that does nothing, at once, and counts what it was handed."""

    def __init__(self, places: int, outcome: Outcome) -> None:
        self.places, self.outcome = places, outcome
        self.held: list[Future[Any]] = []
        self.most = self.told = 0

    def __enter__(self) -> Instant:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def submit(self, function: Any, arguments: Any, timeout_s: float | None) -> Future[Any]:
        future: Future[Any] = Future()
        self.held.append(future)
        self.told += 1
        self.most = max(self.most, len(self.held))
        if len(self.held) == 2 * self.places:
            self.finish()
        return future

    def finish(self) -> None:
        # From another thread, as executors do: callbacks are set by then.
        done, self.held = self.held, []
        threading.Timer(0.001, lambda: [f.set_result(self.outcome) for f in done]).start()

    def running(self, future: Future[Any]) -> bool:
        return not future.done()


def test_few_tasks_are_in_flight_however_many_there_are(done: Done, tmp_path: Path) -> None:
    job = pick(done.plan, "real")
    queue = [Task(str(i), cells.run_cell, (), (job,)) for i in range(4000)]
    place, status = Instant(50, Outcome(job.cell, "ok")), Status(total=len(queue))
    run._drain(place, queue, Folder(tmp_path), status, None, lambda *_: None)
    assert (place.told, len(status.outcomes)) == (4000, 4000)
    assert place.most == run.AHEAD * place.places


# Workers that fail


def in_worker(function: Callable[..., Any], *arguments: Any) -> Callable[[Task], Task]:
    """A task whose worker does something else; functions of the standard library, which a worker can import."""
    return lambda task: replace(task, function=function, arguments=arguments, then=())


def spoil(monkeypatch: pytest.MonkeyPatch, changes: dict[store.Cell, Callable[[Task], Task]]) -> None:
    genuine = run.tasks

    def spoiled(jobs: Any, *others: Any) -> list[Task]:
        found = genuine(jobs, *others)
        return [changes.get(task.jobs[0].cell, lambda same: same)(task) for task in found]

    monkeypatch.setattr(run, "tasks", spoiled)


def forget(done: Done, *jobs: Job) -> None:
    for job in jobs:
        (done.folder.runs / job.cell.path).unlink()


def test_a_worker_that_dies_or_raises_fails_its_own_cells_only(
    copy: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies, raises = pick(copy.plan, "tabddpm", 5), pick(copy.plan, "tabddpm", 2)
    redone = pick(copy.plan, "tabddpm", 2, 1)
    before = record_of(copy.folder, redone)
    forget(copy, dies, raises, redone)
    untouched = stamps(copy.folder)
    spoil(
        monkeypatch,
        {dies.cell: in_worker(os._exit, 3), raises.cell: in_worker(operator.truediv, 1, 0)},
    )
    status = run.execute(copy.plan, copy.folder)
    ended = {o.cell: o for o in status.outcomes}
    assert len(ended) == len(status.outcomes) == CELLS
    assert {c for c, o in ended.items() if o.status == "failed"} == {dies.cell, raises.cell}

    died = record_of(copy.folder, dies)
    assert (died.status, died.key, died.scores) == ("failed", dies.key, {})
    assert died.reason == "RuntimeError: worker process died (exit code 3); out of memory or a crash"
    raised = record_of(copy.folder, raises)
    assert raised.reason == "ZeroDivisionError: division by zero"
    for record in (died, raised):
        assert record.traceback is not None
        assert (copy.folder.root / record.traceback).read_text().strip().endswith(str(record.reason))

    after = record_of(copy.folder, redone)
    assert (after.status, after.scores, after.nfe) == ("ok", before.scores, before.nfe), (
        "same seeds, same scores"
    )
    assert {p: s for p, s in stamps(copy.folder).items() if p in untouched} == untouched


def test_a_task_that_takes_too_long_is_stopped(copy: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = pick(copy.plan, "tabddpm", 5)
    forget(copy, slow)
    untouched = stamps(copy.folder)
    spoil(monkeypatch, {slow.cell: in_worker(time.sleep, 3600)})
    status = run.execute(copy.plan, copy.folder, timeout_s=0.5)
    assert [o.cell for o in status.outcomes if o.status == "failed"] == [slow.cell]
    assert record_of(copy.folder, slow).reason == "TimeoutError: took longer than the limit of 0.5 s"
    assert {p: s for p, s in stamps(copy.folder).items() if p in untouched} == untouched


def test_interrupt_stops_the_workers(copy: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = pick(copy.plan, "tabddpm", 5)
    forget(copy, slow)
    spoil(monkeypatch, {slow.cell: in_worker(time.sleep, 3600)})

    def interrupt(status: Status, outcome: Outcome | None) -> None:
        if status.running:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.execute(copy.plan, copy.folder, watch=interrupt)
    assert not (copy.folder.runs / slow.cell.path).exists(), "an interrupted cell is not a failed one"


def test_thread_limits_are_set_for_workers_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with thread_limits(3):
        assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("3", "3")
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


# Cells that are skipped by the plan


def _gpu_of_worker(seconds: float) -> tuple[int, str | None]:
    time.sleep(seconds)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES")


def test_each_worker_has_one_gpu_also_after_a_crash() -> None:
    with Local(2, 1, gpus=("3", "GPU-7")) as place:
        seen = [place.submit(_gpu_of_worker, (0.2,), None) for _ in range(4)]
        before = dict(future.result() for future in seen)
        assert place.submit(os._exit, (1,), None).exception() is not None
        seen = [place.submit(_gpu_of_worker, (0.2,), None) for _ in range(4)]
        after = dict(future.result() for future in seen)
    assert sorted(before.values(), key=str) == sorted(after.values(), key=str) == ["3", "GPU-7"]
    assert len(set(before) & set(after)) == 1, "one is another process"


def test_workers_are_dealt_out_to_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5,7")
    assert executors.gpus() == ("2", "5", "7")
    with Local(2, 1, gpus=executors.gpus()) as place:
        assert len(place.pools) == 2, "no more workers than asked for"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert executors.gpus() == ()


def test_skipped_cells_are_recorded_but_never_over_a_finished_record(copy: Done) -> None:
    known, unknown = pick(copy.plan, "real"), replace(pick(copy.plan, "real", None, 1), key="other")
    forget(copy, unknown)
    before = stamps(copy.folder)
    todo = Plan(TINY, (), ((replace(known, key="other"), "no source"), (unknown, "no source")))
    for _ in range(2):
        status = run.execute(todo, copy.folder)
        assert [(o.status, o.reason) for o in status.outcomes] == [("skipped", "no source")] * 2
    assert record_of(copy.folder, known).status == "ok"
    found = record_of(copy.folder, unknown)
    assert (found.status, found.reason) == ("skipped", "no source")
    assert {p: s for p, s in stamps(copy.folder).items() if p in before} == before


# One piece of work, in this process


@dataclass(frozen=True)
class Broken:
    """A method that goes wrong as told."""

    how: str = ""

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Any:
        if self.how == "fit-raises":
            raise RuntimeError("no convergence")
        if self.how == "unsupported":
            raise Unsupported("needs two tables")
        if self.how == "changes-train":
            train.loc[:, "n"] = -1
        return BrokenModel(self.how, train)


@dataclass(frozen=True)
class BrokenModel:
    how: str
    train: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> Any:
        rows = self.train.sample(n, replace=True, random_state=seed, ignore_index=True)
        if self.how == "wrong-columns":
            return rows.rename(columns={"n": "m"})
        if self.how == "nan":
            return rows.assign(n=rows["n"].astype("float64").where(rows.index > 0))
        if self.how == "unseen":
            return rows.assign(c="z")
        if self.how == "few-rows":
            return rows.iloc[1:]
        if self.how == "no-frame":
            return rows.to_numpy()
        if self.how == "nan-target":
            return rows.assign(label=rows["label"].where(rows.index > 0))
        if self.how == "second-raises" and seed == 1:
            raise MemoryError
        return rows


REASONS = {
    "fit-raises": "RuntimeError: no convergence",
    "wrong-columns": "Invalid: wrong columns: missing ['n'], unexpected ['m'], or out of order",
    "nan": "Invalid: column 'n' has 1 values that are NaN or infinite, of ",
    "unseen": "Invalid: column 'c' has categories that the training rows lack: 'z'",
    "few-rows": "Invalid: asked for ",
    "no-frame": "Invalid: sample must return a DataFrame, got ndarray",
    "nan-target": "Invalid: column 'label' ",
}


@pytest.fixture
def broken(done: Done, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Job]]:
    monkeypatch.setitem(registry.METHODS, "broken", Broken)

    def jobs(how: str, sample_seeds: int = 1) -> list[Job]:
        suite = replace(TINY, entries=(Entry("broken", how, {"how": how}),), sample_seeds=sample_seeds)
        return list(plan(suite, [done.source]).jobs)

    return jobs


@pytest.mark.parametrize("how", REASONS)
def test_a_method_that_goes_wrong_is_one_failed_record(
    how: str, broken: Callable[..., list[Job]], tmp_path: Path
) -> None:
    (job,) = broken(how)
    folder = Folder(tmp_path)
    (outcome,) = cells.run_baseline([job], folder)
    assert outcome.status == "failed"
    assert str(outcome.reason).startswith(REASONS[how])
    record = record_of(folder, job)
    assert (record.status, record.reason, record.key) == ("failed", outcome.reason, job.key)
    assert (record.scores, record.eval_seeds) == ({}, [])
    assert record.traceback is not None
    log = (folder.root / record.traceback).read_text()
    assert log.startswith("Traceback")
    assert str(outcome.reason) in log
    assert len(list(folder.runs.rglob("*.json"))) == 1


def test_unsupported_is_skipped_without_a_traceback(broken: Callable[..., list[Job]], tmp_path: Path) -> None:
    (job,) = broken("unsupported")
    assert cells.run_baseline([job], Folder(tmp_path)) == [Outcome(job.cell, "skipped", "needs two tables")]
    record = record_of(Folder(tmp_path), job)
    assert (record.status, record.reason, record.traceback) == ("skipped", "needs two tables", None)
    assert not (tmp_path / "logs").exists()


def test_one_bad_draw_leaves_the_others(broken: Callable[..., list[Job]], tmp_path: Path) -> None:
    jobs = broken("second-raises", sample_seeds=3)
    outcomes = cells.run_baseline(jobs, Folder(tmp_path))
    assert [o.status for o in outcomes] == ["ok", "failed", "ok"]
    assert outcomes[1].reason == "MemoryError"
    failed = record_of(Folder(tmp_path), jobs[1])
    assert failed.fit_s is not None, "what was paid is kept"
    assert failed.sample_s is None


def test_a_method_cannot_change_the_training_rows(broken: Callable[..., list[Job]], tmp_path: Path) -> None:
    (job,) = broken("changes-train")
    before = job.source.load().train.copy()
    cells.run_baseline([job], Folder(tmp_path))
    assert_frame_equal(job.source.load().train, before)


def test_more_steps_than_the_model_has_are_skipped(done: Done, tmp_path: Path) -> None:
    job = pick(done.plan, "tabddpm", 5)
    job = replace(job, cell=replace(job.cell, steps=11))
    shutil.copytree(done.folder.model(job), Folder(tmp_path).model(job))
    outcome = cells.run_cell(job, Folder(tmp_path))
    assert (outcome.status, outcome.reason) == ("skipped", "11 steps asked of a model with T = 10")
    assert record_of(Folder(tmp_path), job).status == "skipped"


def test_a_sampler_that_raises_fails_its_cell(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dataclass(frozen=True)
    class Stuck:
        def prepare(self, *arguments: Any, **options: Any) -> Any:
            raise ValueError("no path")

    job = pick(done.plan, "tabddpm", 5)
    shutil.copytree(done.folder.model(job), Folder(tmp_path).model(job))
    monkeypatch.setitem(registry.SAMPLERS, "ddim", Stuck())
    outcome = cells.run_cell(job, Folder(tmp_path))
    assert (outcome.status, outcome.reason) == ("failed", "ValueError: no path")
    assert record_of(Folder(tmp_path), job).nfe is None


def test_a_missing_model_fails_its_cell(done: Done, tmp_path: Path) -> None:
    outcome = cells.run_cell(pick(done.plan, "tabddpm", 5), Folder(tmp_path))
    assert outcome.status == "failed"
    assert str(outcome.reason).startswith("FileNotFoundError")


def test_fitting_again_gives_the_same_model_and_never_twice(done: Done, tmp_path: Path) -> None:
    job, folder = pick(done.plan, "tabddpm", 5), Folder(tmp_path)
    models.fit_diffusion(job, folder)
    weights = folder.model(job) / "fitted.safetensors"
    assert weights.read_bytes() == (done.folder.model(job) / "fitted.safetensors").read_bytes()
    before = weights.stat().st_mtime_ns
    models.fit_diffusion(job, folder)
    assert weights.stat().st_mtime_ns == before
    assert [p.name for p in folder.model(job).parent.iterdir()] == [job.fit_key]


# Killed and started again

BUSY = r"""
import multiprocessing, sys, time
from pebble import ProcessPool
from tabstep.engine.worker import start_worker

TASK = "import os; open(%r, 'w').write(str(os.getpid()))\nwhile True: pass"
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    pool = ProcessPool(1, initializer=start_worker, initargs=(1,), context=context)
    pool.submit(exec, None, TASK % sys.argv[1])
    time.sleep(3600)
"""


def test_a_worker_does_not_outlive_a_killed_run(tmp_path: Path) -> None:
    script, started = tmp_path / "busy.py", tmp_path / "started"
    script.write_text(BUSY)
    process = subprocess.Popen([sys.executable, str(script), str(started)])
    try:
        while not started.exists() or not started.read_text():
            assert process.poll() is None
            time.sleep(0.1)
        worker = psutil.Process(int(started.read_text()))
    finally:
        process.kill()  # the parent alone, as the system does when memory is short
        process.wait()
    _, alive = psutil.wait_procs([worker], timeout=10)
    for left in alive:
        left.kill()
    assert alive == []


DRIVER = """
import sys
from tabstep.cli.app import app
from tabstep import suites
from tests.test_run import TINY

suites.SUITES["own"] = TINY
sys.argv[0] = "tabstep"
app()
"""


def test_a_killed_run_goes_on_to_the_same_results(done: Done, tmp_path: Path) -> None:
    """SIGKILL to the command and its workers after a random number of records, then the same command again."""
    assert done.source.file is not None
    command = [sys.executable, "-c", DRIVER, "run", "--csv", str(done.source.file), "--target", "label"]
    command += ["--workers", "1", "--results", str(tmp_path)]
    root = Path(__file__).resolve().parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    folder = Folder(tmp_path / "own")
    wanted = random.randrange(1, CELLS - 1)
    with (tmp_path / "first.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            while len(stamps(folder)) < wanted:
                assert process.poll() is None, (tmp_path / "first.log").read_text()
                time.sleep(0.005)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    before = stamps(folder)
    assert wanted <= len(before) < CELLS, "killed too late to test anything"

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"{CELLS} cells done, 0 failed" in again.stdout
    assert {p: s for p, s in stamps(folder).items() if p in before} == before, (
        f"killed after {wanted} records"
    )

    undisturbed = table.results(store.read_all(done.folder.runs)[0])
    resumed = pd.read_csv(folder.root / "report" / "results.csv", dtype={"steps": "Int64"})
    timing = ["fit_s", "prepare_s", "sample_s", "commit"]
    readable.write(store.read_all(done.folder.runs)[0], tmp_path / "undisturbed")
    expected = pd.read_csv(tmp_path / "undisturbed" / "results.csv", dtype={"steps": "Int64"})
    assert len(expected) == len(undisturbed) > 0
    assert_frame_equal(resumed.drop(columns=timing), expected.drop(columns=timing))


def test_a_cell_that_fails_later_keeps_what_it_finished(copy: Done) -> None:
    """Asked for more scores it may run out of time; the old ones are no worse for it."""
    job = replace(pick(copy.plan, "real"), key="other")
    before = record_of(copy.folder, job)
    for error in (RuntimeError("too slow"), Unsupported("not here")):
        outcome = outcomes.fail(copy.folder, job, error)
        assert outcome.status in ("failed", "skipped")
        assert record_of(copy.folder, job) == before
    assert "too slow" in copy.folder.log(job.cell).read_text(encoding="utf-8")
    forget(copy, job)
    outcomes.fail(copy.folder, job, RuntimeError("too slow"))
    assert record_of(copy.folder, job).status == "failed"


def test_leftovers_go_whatever_they_are(copy: Done, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    models = copy.folder.root / "models"
    models.mkdir(exist_ok=True)
    (models / "file.tmp").write_text("half")
    (models / "link.tmp").symlink_to(elsewhere, target_is_directory=True)
    (models / "folder.tmp").mkdir()
    run.execute(Plan(TINY, (), ()), copy.folder)
    assert list(models.glob("*.tmp")) == []
    assert elsewhere.is_dir()


def unheard() -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_do_not_hear_ctrl_c() -> None:
    """Not even while they are born; the run itself does."""
    with Local(2, 1) as place:
        assert all(place.submit(unheard, (), None).result() for _ in range(4))
    assert not unheard()
