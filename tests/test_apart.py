"""Whatever a method from outside does ends with its process, and other records are as they were without it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from tabstep import external
from tabstep.engine import run
from tabstep.engine.executors import Local
from tabstep.engine.filters import Filters, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.records import store
from tabstep.records.store import Record
from tabstep.sandbox import sitter
from tabstep.sandbox.process import attempt, begun
from tests.conftest import Kept
from tests.test_run import TINY, small_table

pytestmark = pytest.mark.whole

METHOD = '''
import os, sys
from dataclasses import dataclass

@dataclass(frozen=True)
class {name}:
    """Training rows again, after it did something."""
    def fit(self, train, schema, *, seed, device="cpu"):
        {does}
        return Again(train)

@dataclass
class Again:
    train: object
    def sample(self, n, *, seed):
        return self.train.sample(n, replace=True, random_state=seed).reset_index(drop=True)
'''

SPOIL = """
        import random, shutil, signal, tempfile, warnings, numpy, torch
        torch.set_default_dtype(torch.float64); torch.manual_seed(5); torch.use_deterministic_algorithms(True)
        torch.set_num_threads(3); numpy.seterr(all="raise"); numpy.random.seed(1); random.seed(1)
        warnings.simplefilter("error"); os.environ.clear(); os.umask(0o777)
        signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGALRM, signal.SIG_DFL)
        from tabstep.records import store
        from tabstep.metrics import catboost_trees
        catboost_trees.catboost_efficacy = lambda *a, **k: {"catboost_f1_macro": 1.0}
        store.write = lambda *a, **k: None
        place = tempfile.mkdtemp(); os.chdir(place); shutil.rmtree(place); sys.path.clear()
"""
SLEEPER = f"[sys.executable, '-c', 'import time; time.sleep(971)', {__name__!r}]"
CHILD = f"import subprocess; subprocess.Popen({SLEEPER}, start_new_session=True)"

# What a method does -> how its own cells end, and what is said of them.
HOSTILE = {
    "spoils": (SPOIL, "ok", ""),
    "leaves_0": (
        f"{CHILD}; os._exit(0)",
        "failed",
        "its process ended (exit code 0) before its rows",
    ),
}
SLOW = {
    "leaves_1": ("os._exit(1)", "failed", "ended (exit code 1)"),
    "exits": ("sys.exit(0)", "failed", "ended (exit code 0)"),
    "interrupts": ("raise KeyboardInterrupt", "failed", "before its rows"),
    "base": ("raise BaseException('no')", "failed", "ended (exit code 1)"),
    "killed": ("os.kill(os.getpid(), 9)", "failed", "was ended by SIGKILL"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", "failed", "was ended by SIGSEGV"),
    "forks": ("os.fork() or os.setsid() or os.fork() or __import__('time').sleep(971)", "ok", ""),
    "closes": ("os.closerange(0, 3)", "ok", ""),
    "prints": ("print('x' * 5_000_000)", "ok", ""),
    "surrogate": (r"raise RuntimeError('\udc80')", "failed", r"RuntimeError: \udc80"),
    "hogs": ("hog = bytearray(64 * 2**30)", "failed", "MemoryError"),
    "pipe": (
        "from tabstep.engine import drawn_rows\n"
        "        drawn_rows.write = lambda path, *_: (path.parent.mkdir(parents=True), os.mkfifo(path))",
        "failed",
        "",
    ),
}


def files(folder: Path, what: dict[str, tuple[str, str, str]]) -> tuple[str, ...]:
    found = []
    for name, (does, _, _) in what.items():
        path = folder / f"{name}.py"
        path.write_text(METHOD.format(name=name, does=does))
        found.append(str(path))
    return tuple(found)


def told(record: Record) -> dict[str, object]:
    """What a record says apart from times."""
    return {
        "scores": record.scores,
        "key": record.key,
        "rows": record.rows,
        "settings": record.settings["method"],
    }


@pytest.mark.parametrize("what", [HOSTILE, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["fast", "slow"])
def test_whatever_a_method_does_the_others_are_as_without_it(
    what: dict[str, tuple[str, str, str]], tmp_path: Path
) -> None:
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    folders = []
    with Local(1, 1, memory_bytes=16 * 2**30) as inner:
        for methods in (("marginals",), (*files(tmp_path, what), "marginals")):
            todo = plan(narrow(TINY, Filters(methods=methods)), [source])
            folders.append(Folder(tmp_path / str(len(methods))))
            run.execute(todo, folders[-1], executor=Kept(inner))
    alone, among = ([r for r in store.read_all(f.runs)[0] if r.cell.method == "marginals"] for f in folders)
    assert [told(r) for r in alone] == [told(r) for r in among]
    assert [r.status for r in among] == ["ok", "ok"]
    ended = {r.cell.method: r for r in store.read_all(folders[1].runs)[0]}
    for name, (_, status, said) in what.items():
        assert ended[name].status == status, (name, ended[name].reason)
        assert said in (ended[name].reason or ""), name
        if status == "ok":
            assert ended[name].scores["catboost_f1_macro"] != [1.0], "it was scored by us"
    assert left("971") == [], "nothing outlives the run"
    assert list(folders[1].apart.iterdir()) == []


def left(seconds: str) -> list[int]:
    """Processes that a method of this file left."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if f"sleep({seconds})" in " ".join(process.info["cmdline"] or [])
        and __name__ in process.info["cmdline"]
    ]


@pytest.mark.parametrize(
    ("does", "status", "said"),
    [
        ("threading.Thread(target=time.sleep, args=(971,)).start()", 0, ""),
        ("atexit.register(time.sleep, 971)", 0, ""),
        ("atexit.register(os._exit, 7); sys.modules.clear(); sys.stdout.write('buffered')", 0, "buffered"),
        ("threading.Thread(target=time.sleep, args=(971,)).start(); 1 / 0", 1, "ZeroDivisionError"),
        ("os._exit = None; sys.stdout = sys.stderr = None", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('gone')", 1, "gone"),
    ],
)
def test_what_is_done_is_over(does: str, status: int, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Threads that go on, and what is registered for the end, once held the process until its limit, or for ever."""
    ending = attempt(f"import atexit, os, sys, threading, time; {does}", limit_s=60)
    assert ending.status == status
    assert said in capfd.readouterr().err


def test_all_of_it_ends_at_a_limit_and_when_who_asked_is_gone(tmp_path: Path) -> None:
    code = f"import os, sys; {CHILD}; __import__('time').sleep(971)"
    with pytest.raises(TimeoutError, match="longer than the limit of 2 s"):
        attempt(code, limit_s=2)
    assert left("971") == []
    asks = f"from tabstep.sandbox.process import attempt; attempt({code!r})"
    asking = psutil.Popen([sys.executable, "-c", asks], cwd=tmp_path)
    _until(lambda: left("971"))
    asking.kill()
    asking.wait()
    _until(lambda: not left("971"))


LIMITS = """
import json, os, resource, sys
found = [resource.getrlimit(getattr(resource, name)) for name in ("RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_CORE")]
with open(sys.argv[1] + ".large", "wb") as file:
    try:
        os.truncate(file.fileno(), found[0][0] + 1)
    except OSError as error:
        found.append(error.strerror)
with open(sys.argv[1], "w") as file:
    json.dump(found, file)
"""


def test_a_stranger_has_the_limits_that_break_nothing_honest(tmp_path: Path) -> None:
    said = tmp_path / "said"
    attempt(f"exec({LIMITS!r})", str(said), limit_s=60)
    size, cpu_s = sitter.FILE_BYTES, 60 * (os.cpu_count() or 1)
    assert json.loads(said.read_text()) == [[size, size], [cpu_s, cpu_s], [0, 0], "File too large"]


def test_one_that_got_away_from_its_sitter_ends_with_its_seconds() -> None:
    code = "import os; os.fork() and os.kill(os.getppid(), 9)\nwhile True: pass  # sleep(973)"
    try:
        with begun(f"exec({code!r})", __name__, limit_s=1 / (os.cpu_count() or 1)) as running:
            assert running.over(60)
            assert str(running.end()) == "was lost"
        _until(lambda: not left("973"))
    finally:
        for pid in left("973"):
            os.kill(pid, 9)


def _until(holds: object) -> None:
    end = time.monotonic() + 60
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_a_file_imports_from_beside_it_is_in_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(METHOD.format(name="Mine", does="if seed < 0:\n            import near"))
    alone = external.find(str(path)).digest
    (tmp_path / "other.py").write_text("X = 1\n")
    assert external.find(str(path)).digest == alone, "what is not imported does not count"
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "__init__.py").write_text("from .deep import X\n")
    (tmp_path / "near" / "deep.py").write_text("X = 1\n")
    found = [external.find(str(path)).digest]
    (tmp_path / "near" / "deep.py").write_text("X = 2\n")
    found.append(external.find(str(path)).digest)
    assert len({alone, *found}) == 3
    (tmp_path / "near" / "deep.py").write_text("X = 1\n")
    assert external.find(str(path)).digest == found[0]
