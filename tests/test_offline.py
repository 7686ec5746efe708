"""The folder for a machine without internet: what is in it, what is refused, what is stopped, what comes home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tabstep import published
from tabstep.records import where
from tabstep.records.store import read_all
from tabstep.sharing import offline, offline_check, offline_lock
from tabstep.sharing.offline import Wheels, build, carried, in_order, wide
from tabstep.sharing.offline_home import Home, packed
from tabstep.sharing.offline_lock import LOCK, Refused, digest, faults, verified

ROOT = Path(__file__).resolve().parents[1]
HERE = ".".join(map(str, sys.version_info[:2]))
DATA = Path(os.environ.get("TABSTEP_DATA", "nowhere"))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file called as a table, and cards that name it."""
    path = tmp_path / "data" / "diabetes.parquet"
    path.parent.mkdir()
    path.write_bytes(b"rows")
    card = SimpleNamespace(mirror=SimpleNamespace(sha256=digest(path)))
    monkeypatch.setattr(offline.cards, "find", lambda name: card)
    return path.parent


def one_wheel(wanted: Wheels, folder: Path) -> None:
    """As if pip had been asked."""
    assert wanted.pins.is_file()
    (folder / "tomli_w-1.2.0-py3-none-any.whl").write_bytes(" ".join(wanted.names).encode())


@pytest.fixture
def built(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a network; our wheel is made by another test."""
    monkeypatch.setattr(offline, "wheel", lambda tree, commit, folder: None)
    build(data, tmp_path / "offline", python=HERE, tables=("diabetes",), fetch=one_wheel)
    return tmp_path / "offline"


def test_every_file_of_the_folder_is_in_its_lock(built: Path) -> None:
    lock = json.loads((built / LOCK).read_text())
    there = {p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file()} - {LOCK}
    assert {file["path"] for file in lock["files"]} == there
    assert {"check.py", "Makefile", "README.md", "tests/test_devices.py", "data/diabetes.parquet"} <= there
    assert len(lock["commit"]) == 40
    wheel = next(file for file in lock["files"] if file["path"].endswith(".whl"))
    assert (wheel["name"], wheel["version"]) == ("tomli-w", "1.2.0")
    assert wheel["sha256"] == digest(built / wheel["path"])
    names = (built / wheel["path"]).read_text().split()
    assert {"pebble", "tomli-w", "pooch", "pandas"} == set(names), "pandas, since we need one below a version"
    assert verified(built) == lock


def test_a_folder_or_a_machine_that_will_not_do_is_refused(built: Path) -> None:
    lock = json.loads((built / LOCK).read_text())

    def refused(**changes: Any) -> str:
        (built / LOCK).write_text(json.dumps(lock | changes))
        with pytest.raises(Refused) as error:
            verified(built)
        return str(error.value)

    assert "OFFLINE_PYTHON=" + HERE in refused(python="3.2")
    assert "CARRY=no-such-thing" in refused(present=["numpy", "no-such-thing"])
    (built / "check.py").write_text("other")
    (built / "Makefile").unlink()
    assert faults(built, lock["files"]) == [
        "Makefile is missing",
        "check.py is not the file that the lock names",
    ]
    assert "copy it again" in refused()


def test_the_folder_begins_without_what_it_carries(built: Path) -> None:
    """Its first file imports the standard library alone, and says in a line what is wrong."""
    (built / "data" / "diabetes.parquet").write_bytes(b"others")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(built / "check.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("refused: data/diabetes.parquet is not the file that the lock names")
    assert "Traceback" not in done.stderr


@pytest.mark.whole
def test_what_cannot_be_built_leaves_what_is_there(
    built: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(built / LOCK)

    def refused(out: Path, tables: tuple[str, ...] = ("diabetes",)) -> str:
        with pytest.raises(ValueError) as error:  # noqa: PT011  each says something else, which is returned
            build(data, out, python=HERE, tables=tables, fetch=one_wheel)
        return str(error.value)

    assert "no folder that this command made" in refused(data)
    assert "there is one for abalone, adult" in refused(built, ("wine",))
    assert "abalone.parquet: DATA names" in refused(built, ("abalone",))
    (data / "abalone.parquet").write_bytes(b"of another version")
    assert "not the file that the card of abalone names" in refused(built, ("abalone",))
    monkeypatch.setattr(offline, "MOST_BYTES", 1000)
    assert "name fewer tables" in refused(built)
    assert digest(built / LOCK) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "offline"], "nothing is left behind"


def test_what_is_carried_by_hand() -> None:
    ours = ["torch>=2.6", "pandas>=2.3,<3", "Tomli_W>=1.2", "scikit-learn>=1", "catboost>=1"]
    assert carried(ours, ("torch", "pandas", "scikit-learn")) == ("pandas", "tomli-w")
    assert carried(ours, ("pandas", "scikit-learn")) == ("torch", "pandas", "tomli-w")


def test_wide_tables_are_those_of_large_networks_and_the_cheapest_is_first() -> None:
    # 128 x 512, a batch of 4096, 30,000 steps; T = 1000, 500 rows
    assert published.work("diabetes") == (6 * 128 * 512 * 4096 * 30_000, 2 * 128 * 512 * 1000 * 500)
    assert in_order(("higgs-small", "diabetes", "king")) == ["diabetes", "king", "higgs-small"]
    assert set(wide()) == {"adult", "cardio", "churn2", "default", "higgs-small", "king", "miniboone"}
    assert wide()[:2] == ["king", "churn2"]


# On the other machine


def sleeper(seconds: float, log: Path) -> subprocess.Popen[bytes]:
    """A process with a child of its own, both asleep."""
    nap = f"import time; time.sleep({seconds})"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {nap!r}])"
    return offline_check.begin([sys.executable, "-c", code], log, os.environ)


def test_tables_run_in_turn_until_the_clock_says_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock strikes when the second of three tables works."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: time.sleep(0.01))
    monkeypatch.setattr(offline_check, "time", clock)
    working: list[psutil.Process] = []
    told: list[dict[str, str]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        process = sleeper(0 if name == "short" else 60, tmp_path / "log")
        if name == "long":
            working.append(psutil.Process(process.pid))
            while not (children := working[0].children()):
                time.sleep(0.01)
            working.extend(children)
            now[0] = 1.0
        return process

    found = offline_check.in_turn(("short", "long", "late"), start, 1, 0.5, lambda f: told.append(dict(f)))
    assert told == [{"short": "ok", "long": "not begun", "late": "not begun"}]
    assert found == {"short": "ok", "long": "stopped", "late": "not begun"}
    assert psutil.wait_procs(working, timeout=10)[1] == [], "what is stopped takes its children along"


def test_a_step_is_stopped_at_its_limit_and_a_failure_is_said(tmp_path: Path) -> None:
    def how(code: str, seconds: float) -> str:
        return offline_check.within(seconds, [sys.executable, "-c", code], tmp_path / "log", os.environ)

    assert how("print(1)", 30) == "ok"
    assert how("raise SystemExit(3)", 30) == "failed with status 3"
    assert how("import time; time.sleep(60)", 0.5) == "stopped"
    assert (tmp_path / "log").read_text() == "1\n"


def test_steps_that_passed_are_not_repeated_by_another_call(tmp_path: Path) -> None:
    home = Home(tmp_path / "A-100", tmp_path / "home", (), 1, 1)
    said = {"commit": "c", "machine": {"libraries": {"torch": "2"}, "memory_bytes": 1}}
    assert offline_check.passed_before(home, said) == {}
    passed = {"how": "ok", "seconds": 3.0}
    home.pack(said | {"steps": {"tests": passed, "perf": {"how": "stopped", "seconds": 9.0}}})
    again = {"commit": "c", "machine": {"libraries": {"torch": "2"}, "memory_bytes": 2}}
    assert offline_check.passed_before(home, again) == {"tests": passed}
    assert offline_check.passed_before(home, again | {"commit": "d"}) == {}
    assert offline_check.passed_before(home, again | {"machine": {"libraries": {"torch": "3"}}}) == {}


def test_no_tables_at_the_same_time_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = offline_check.options({"tables": ["diabetes"]})
    assert parser.parse_args(["--at-once", "3"]).at_once == 3
    with pytest.raises(SystemExit):
        parser.parse_args(["--at-once", "0"])
    assert "above 0, got '0'" in capsys.readouterr().err


def test_archives_are_no_larger_than_asked_and_name_what_they_leave() -> None:
    assert packed([5, 9, 4, 6, 1], part=10, parts=2) == [[0, 2, 4], [1]]
    assert packed([11], part=10, parts=2) == []


def test_the_first_rows_of_every_table_come_home_first(tmp_path: Path) -> None:
    results = tmp_path / "results" / "A-100"
    stamp = 0
    for table, draws in (("king", 3), ("adult", 2)):
        for draw in range(draws):
            path = results / table / "reproduce" / "samples" / table / f"d{draw}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(3000))
            path.with_suffix(".json").write_text("{}")
            os.utime(path, ns=(stamp, stamp))
            stamp += 10**9
    (results / "adult" / "reproduce" / "samples" / "adult" / "half.parquet").write_bytes(b"not whole")
    home = Home(results, tmp_path / "home", ("king", "adult"), part=33_000, parts=1)
    left = home.pack({"steps": {}})
    with tarfile.open(tmp_path / "home" / "rows-1.tar") as tar:
        names = tar.getnames()
    assert (
        names[::2] == [f"reproduce/samples/{t}/d{d}.parquet" for d in (0, 1) for t in ("king", "adult")][:3]
    )
    assert names[1::2] == [str(Path(name).with_suffix(".json")) for name in names[::2]]
    assert (tmp_path / "home" / "rows-1.tar").stat().st_size <= 33_000
    assert [str(path) for path in left] == [
        "reproduce/samples/adult/d1.parquet",
        "reproduce/samples/king/d2.parquet",
    ]
    with tarfile.open(tmp_path / "home" / "check.tar") as tar:
        assert tar.getnames() == ["checks/A-100/said.json"]


# For true


def needs(name: str) -> Iterator[str]:
    """A distribution that is installed here and those that it needs, extras apart."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        each = canonicalize_name(todo.pop())
        try:
            required = metadata.requires(each) or []
        except metadata.PackageNotFoundError:
            continue  # for another platform
        if each not in seen:
            seen.add(each)
            todo += [Requirement(text).name for text in required if "extra ==" not in text]
            yield each


def machine(folder: Path) -> Path:
    """An environment with what a machine with a card has, and nothing else of what is installed here; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    site = Path(found.stdout.strip())
    for name in {*chain.from_iterable(map(needs, offline.PRESENT))}:
        distribution = metadata.distribution(name)
        for part in {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (site / part).exists():
                (site / part).symlink_to(Path(str(distribution.locate_file(part))))
    return python


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not (DATA / "diabetes.parquet").is_file(), reason="needs TABSTEP_DATA")
def test_the_folder_is_built_installed_used_and_its_rows_are_scored_at_home(tmp_path: Path) -> None:
    build(DATA, tmp_path / "offline", python=HERE, tables=("diabetes",))
    python = machine(tmp_path / "machine")
    lacks = subprocess.run([python, "-c", "import pebble"], capture_output=True, text=True, check=False)
    assert "No module named 'pebble'" in lacks.stderr
    small = [
        "--device",
        "cpu",
        "--suite",
        "smoke",
        "--shape",
        "diabetes",
        "--draws",
        "1",
        "--seconds",
        "1200",
    ]
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TABSTEP"))}
    done = subprocess.run(
        [python, "check.py", *small],
        cwd=tmp_path / "offline",
        env=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests: ok" in done.stdout
    assert "perf: ok" in done.stdout
    assert "diabetes: ok, rows of 4 cells" in done.stdout
    for archive in sorted((tmp_path / "offline" / "home").glob("*.tar")):
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "results", filter="data")
    said = json.loads((tmp_path / "results" / "checks" / "cpu" / "said.json").read_text())
    score = [
        "run",
        "smoke",
        "--dataset",
        "diabetes",
        "--method",
        "tabddpm",
        "--from",
        "score",
        "--workers",
        "1",
    ]
    home = [sys.executable, "-m", "tabstep", *score, "--results", str(tmp_path / "results")]
    subprocess.run([*home, "--data-mirror", str(DATA)], check=True, capture_output=True)
    records, problems = read_all(tmp_path / "results" / "smoke" / "runs")
    assert problems == []
    assert [record.status for record in records] == ["ok"] * 4
    for record in records:
        assert record.settings["drawn"]["env"]["commit"] == said["commit"]
        assert where.trained(record) == where.drew(record) == "cpu"


def test_the_check_that_is_copied_is_the_one_that_was_read(built: Path) -> None:
    assert (built / "check.py").read_bytes() == Path(offline_lock.__file__).read_bytes()


def test_the_page_says_what_a_card_measured() -> None:
    record = json.loads((ROOT / "results" / "perf" / "perf-NVIDIA-H200.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "offline.md").read_text(encoding="utf-8")
    for line in (line for line in record["lines"] if line["limit"]):
        took, least = line["seconds"], line["limit"]
        assert f"| {line['path']} | {1e3 * took:.1f} | {1e3 * least:.2f} | {took / least:.1f} |" in page
