"""A run that is killed at any instant goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

KILLS = 30
CELLS = 4 + 4  # TabDDPM: two samplers at two budgets
PAID = ("fit_s", "prepare_s", "sample_s")  # seconds are those of the run that paid them


def command(folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "tabstep", "run", "smoke", "--workers", "2"),
        *("--method", "real,marginals,copula,smote,tabddpm"),
        *("--results", str(folder / "results")),
    ]


def finish(folder: Path) -> pd.DataFrame:
    found = subprocess.run(command(folder), capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{CELLS} cells done, 0 failed" in found.stdout
    return pd.read_csv(folder / "results" / "smoke" / "report" / "results.csv").drop(
        columns=[*PAID, "commit"]
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_killed_at_thirty_instants_ends_with_the_table_of_an_undisturbed_one(tmp_path: Path) -> None:
    chance = random.Random(0)
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    for folder in (calm, killed):
        folder.mkdir()
    begun = time.monotonic()
    expected = finish(calm)
    whole_s = time.monotonic() - begun
    runs = killed / "results" / "smoke" / "runs"
    finished: dict[Path, int] = {}
    kills = {"parent": 0, "worker": 0, "too late": 0}
    while kills["parent"] + kills["worker"] < KILLS:
        process = subprocess.Popen(command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 1.0) * whole_s)
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        if process.poll() is not None:
            kills["too late"] += 1
        elif workers and chance.random() < 0.4:
            os.kill(chance.choice(workers).pid, signal.SIGKILL)
            kills["worker"] += 1
            process.wait()
        else:
            process.kill()
            kills["parent"] += 1
            process.wait()
        # What was finished before is as it was, and what is there now is whole.
        for path, stamp in finished.items():
            assert path.stat().st_mtime_ns == stamp, f"{path} was done twice"
        for path in runs.rglob("*.json") if runs.exists() else []:
            record = json.loads(path.read_text())
            if record["status"] == "ok":
                finished[path] = path.stat().st_mtime_ns
        if kills["too late"] > 0 and len(finished) == CELLS:
            # Everything is done: take half of it away, and go on killing.
            for path in chance.sample(sorted(finished), CELLS // 2):
                path.unlink()
                del finished[path]
                if chance.random() < 0.5:
                    rows = Path(str(path).replace("/runs/", "/samples/"))
                    rows.unlink(missing_ok=True)
            kills["too late"] = 0
    pd.testing.assert_frame_equal(finish(killed), expected)
    assert list((killed / "results").rglob("*.tmp")) == []
