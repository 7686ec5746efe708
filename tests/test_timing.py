"""The clock: what it counts, what it leaves out, and what a pass over fitted models writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tabstep.data import plain
from tabstep.engine import measuring, models, timing
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.measuring import Clock, Draws
from tabstep.engine.plan import plan
from tabstep.records import clock
from tabstep.records.clock import Machine, Stopwatch
from tabstep.report.pages import times
from tests.test_run import TINY, small_table

MIB = 2**20
FROM_OUTSIDE = """
import os, time
from dataclasses import dataclass
from pathlib import Path

@dataclass(frozen=True)
class Mine:
    def fit(self, train, schema, *, seed, device="cpu"):
        Path(__file__).with_name("pid").write_text(str(os.getpid()))
        self.__dict__["train"] = train
        return self

    def sample(self, n, *, seed):
        time.sleep(0.01)
        return self.train.head(n)
"""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that needs no second to be listened to."""
    monkeypatch.setattr(measuring, "calibrate", lambda device: Machine(20.0, 10.0, 0.0))


@pytest.mark.usefixtures("quiet")
def test_the_first_draw_does_not_count_and_quartiles_are_those_of_the_others() -> None:
    naps = [
        0.5,
        0.01,
        0.05,
        0.02,
        0.04,
        0.03,
    ]  # seconds; the middle ones of the last five are 0.02, 0.03, 0.04
    asked: list[tuple[int, int]] = []

    def draw(rows: int, seed: int) -> tuple[float, float, float]:
        time.sleep(naps[len(asked)])
        asked.append((rows, seed))
        return float(len(asked)), 0.5, 7.0

    found = measuring.measure(Draws(draw, 1.5), 40, Clock(), "cpu")
    assert asked == [(40, seed) for seed in range(6)]
    assert [found[q] for q in ("q1_s", "median_s", "q3_s")] == pytest.approx([0.02, 0.03, 0.04], abs=0.008)
    assert found["rows_per_s"] == pytest.approx(40 / found["median_s"])
    assert (found["network_s"], found["decode_s"], found["nfe"]) == (4.0, 0.5, 7.0)  # medians of draws 2 .. 6
    assert (found["prepare_s"], found["status"]) == (1.5, "ok")


@pytest.mark.usefixtures("quiet")
def test_a_batch_that_takes_too_long_is_skipped_after_its_first_draw() -> None:
    calls = []

    def draw(rows: int, seed: int) -> tuple[None, None, None]:
        calls.append(seed)
        time.sleep(0.05)
        return None, None, None

    found = measuring.measure(Draws(draw, 0.0), 10, Clock(limit_s=0.2), "cpu")
    assert calls == [0]
    assert (found["status"], "median_s" in found) == ("skipped", False)
    assert "one draw of 10 rows took" in found["reason"]
    assert measuring.measure(Draws(draw, 0.0), 10, Clock(limit_s=2.0), "cpu")["status"] == "ok"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batches": ()}, "batches"),
        ({"batches": (10, 0)}, "batches"),
        ({"repeats": 4}, "repeats"),
        ({"limit_s": 0}, "limit_s"),
    ],
)
def test_a_clock_that_could_not_time_is_refused(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Clock(**settings)


def test_a_stopwatch_counts_what_runs_under_it_alone() -> None:
    watch = Stopwatch("cpu")
    for _ in range(3):
        with watch.running():
            time.sleep(0.02)
        time.sleep(0.05)
    assert 0.06 <= watch.take() < 0.15
    assert watch.take() == 0.0


ALONE = f"""
import subprocess, sys, time
import numpy as np
from tabstep.records import clock

with clock.watched_memory() as mine:
    held = np.ones({64 * MIB}, dtype=np.uint8)
    time.sleep(0.3)
    del held
with clock.watched_memory() as child:
    # Before it runs its program, the child is a copy of this process for many polls, as on a busy machine.
    command = [sys.executable, "-c", "import time; held = b'x' * {64 * MIB}; time.sleep(0.3)"]
    subprocess.run(command, check=True, preexec_fn=lambda: time.sleep(0.15))
print(mine.peak - mine.before, child.peak - child.before, child.device_peak)
"""


@pytest.mark.whole
def test_memory_is_that_of_the_process_and_its_children_at_its_highest() -> None:
    # In a process of its own: the one that runs the tests has children and freed memory of other tests.
    printed = subprocess.run([sys.executable, "-c", ALONE], check=True, capture_output=True, text=True).stdout
    mine, child, device = printed.split()
    assert 60 * MIB < int(mine) < 90 * MIB
    assert 60 * MIB < int(child) < 120 * MIB
    assert device == "None"


@pytest.mark.whole
def test_the_machine_is_measured() -> None:
    found = clock.calibrate()
    n = clock.GEMM_SIZE["cpu"]
    a = np.ones((n, n), dtype=np.float32)
    a @ a
    start = time.perf_counter()
    a @ a
    rough = 2 * n**3 / (time.perf_counter() - start) / 1e9
    assert rough / 20 < found.gemm_gflops < rough * 20  # another library, on a machine that may be busy
    assert 0.1 < found.copy_gb_s < 20_000
    assert 0 <= found.busy <= 1


@pytest.mark.whole
@pytest.mark.usefixtures("quiet")
def test_a_pass_times_each_cell_once_and_says_what_it_could_not_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    todo, folder = plan(TINY, [source], threads=2), Folder(tmp_path / "results")
    said, threads = [], []

    def say(line: str) -> None:
        said.append(line)
        threads.append(torch.get_num_threads())

    timing.run(todo.jobs, folder, Clock((1, 30)), say)
    assert set(threads) == {2}
    assert torch.get_num_threads() == 1, "the process has its own threads again"
    assert said == [
        "1/4 small real",
        "2/4 small marginals",
        "3/4 small tabddpm ddim trailing 2",
        "4/4 small tabddpm ddim trailing 5",
    ]
    before = timing.table(folder)
    assert dict(before.groupby("method")["status"].unique().map(list)) == {
        "marginals": ["ok"],
        "real": ["ok"],
        "tabddpm": ["skipped"],
    }
    assert before["reason"].dropna().str.contains("no fitted model; `tabstep run own").all()

    models.fit_diffusion(next(job for job in todo.jobs if job.cell.method == "tabddpm"), folder)
    said.clear()
    timing.run(todo.jobs, folder, Clock((1, 30)), said.append)
    assert said == ["1/2 small tabddpm ddim trailing 2", "2/2 small tabddpm ddim trailing 5"]
    said.clear()
    timing.run(todo.jobs, folder, Clock((1, 30)), said.append)
    assert said == []

    found = timing.table(folder)
    assert tuple(found.columns) == measuring.COLUMNS
    assert (found["status"] == "ok").all()
    assert sorted(found["rows"]) == [1] * 4 + [30] * 4
    diffusion = found[found["method"] == "tabddpm"]
    assert (diffusion["nfe"] == diffusion["steps"]).all()
    assert (diffusion["network_s"] + diffusion["decode_s"] < diffusion["q3_s"] * 1.5).all()
    assert (diffusion[["network_s", "decode_s"]] > 0).all(axis=None)
    assert found["gemm_gflop"].to_numpy() == pytest.approx(20.0 * found["median_s"].to_numpy())

    def broken(*arguments: Any) -> Any:
        raise RuntimeError("no luck")

    monkeypatch.setattr(measuring, "of_baseline", broken)
    timing.run(todo.jobs, folder, Clock((2,)), said.append)
    again = timing.table(folder)
    assert set(again[again["status"] == "failed"]["method"]) == {"real", "marginals"}
    assert set(again["reason"].dropna()) == {"RuntimeError: no luck"}


@pytest.mark.whole
def test_a_method_from_outside_is_timed_in_a_process_of_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(FROM_OUTSIDE)
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    (job,) = plan(narrow(TINY, Filters(methods=(str(mine),))), [source]).jobs[:1]
    found = measuring.batches(job, Folder(tmp_path), Clock((2, 3), limit_s=60))
    assert [(batch["rows"], batch["status"], batch["nfe"]) for batch in found] == [
        (2, "ok", None),
        (3, "ok", None),
    ]
    assert (tmp_path / "pid").read_text() != str(os.getpid())
    assert found[0]["median_s"] >= 0.01


@pytest.mark.parametrize(
    "text",
    ["{}", "[1]", '[{"rows": 2, "more": 1}]', '[{"rows": "2"}]', '[{"status": 1}]', '[{"median_s": []}]'],
)
def test_times_that_a_stranger_made_up_out_of_shape_are_refused(text: str) -> None:
    with pytest.raises(plain.NotPlain):
        measuring.check(plain.parse(text))


def test_the_page_has_a_line_a_cell_and_says_what_disturbed_or_is_missing(tmp_path: Path) -> None:
    shared = {"suite": "own", "dataset": "small", "params": "default", "device": "cpu", "threads": 2}
    ok = {
        **shared,
        **{"method": "tabddpm", "sampler": "ddim", "grid": "trailing", "steps": 5, "nfe": 5.0, "repeats": 5},
        **{"q1_s": 0.1, "median_s": 0.2, "q3_s": 0.3, "rows_per_s": 5.0, "network_s": 0.1, "decode_s": 0.02},
        **{"memory_bytes": 300 * MIB, "gemm_gflop": 4.0, "busy": 0.3, "status": "ok", "rows": 1},
    }
    slow = {**ok, "rows": 1000, "q1_s": 1.0, "median_s": 2.0, "q3_s": 3.0, "rows_per_s": 500.0}
    missing = {**shared, "method": "real", "rows": 1, "status": "skipped", "reason": "no luck"}
    table = pd.DataFrame([ok, slow, missing], columns=list(measuring.COLUMNS)).astype({"steps": "Int64"})
    csv, page = times.write(table, tmp_path)
    text = page.read_text()
    assert (
        "| tabddpm | ddim trailing | 5 | 200 ms [100, 300] | 2 s [1, 3] | 500 | 5% | 1% | 4 | 300 |" in text
    )
    assert "Not alone: other work took up to 30% of the cores" in text
    assert "1 skipped: no luck" in text
    assert list(pd.read_csv(csv).columns) == list(measuring.COLUMNS)


def test_times_of_two_devices_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of the same machine as the CPU: neither file nor section nor key is shared."""
    env = {"cpu": "Made-up 9000", "gpu": "A 100", "commit": "1" * 40}
    monkeypatch.setattr(timing, "environment", lambda: env)
    done = {"status": "ok", "rows": 1, "median_s": 1.0, "q1_s": 1.0, "q3_s": 1.0, "gemm_gflops": 2.0}
    more = {"rows_per_s": 1.0, "memory_bytes": MIB, "busy": 0.0}
    monkeypatch.setattr(measuring, "batches", lambda *_: [done | more])
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    tiny, folder = narrow(TINY, Filters(methods=("real",))), Folder(tmp_path / "results")
    said: list[str] = []
    for device in ("cpu", "cuda", "cuda"):
        timing.run(plan(tiny, [source], device=device).jobs, folder, Clock((1,)), said.append)
    assert said == ["1/1 small real"] * 2, "a third time is one too many"
    found = timing.table(folder)
    assert sorted(found["device"]) == ["A 100", "cpu"]
    text = times.write(found, tmp_path)[1].read_text()
    assert "## small, A 100\n" in text
    assert "## small\n" in text
    env["gpu"] = "B 200"
    timing.run(plan(tiny, [source], device="cuda").jobs, folder, Clock((1,)), said.append)
    assert sorted(timing.table(folder)["device"]) == ["A 100", "B 200", "cpu"]
