"""What `make gpu-check` does in a folder that `make offline` built, once it is verified and installed.

Device tests, times of training and sampling steps, then the published configurations table by table, until the clock
says stop. What is finished is archived as soon as it is: a run that is killed loses nothing but what it works on.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabstep.sharing.offline_home import SAID, Home
from tabstep.sharing.offline_lock import Refused, verified

TESTS_S, STEPS_S = 150.0, 90.0  # the most seconds for the device tests, and for timing steps
TABLE_CORES = 4  # cores for each table that is trained at the same time: it draws on as many
POLL_S = 0.2
MIB = 2**20


def begin(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, its output in a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=env, process_group=0)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command, if it runs, and what it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def within(seconds: float, command: Sequence[str], log: Path, env: Mapping[str, str]) -> str:
    """Run a command for so long at most: `ok`, `stopped`, or with which status it failed."""
    process = begin(command, log, env)
    try:
        return _how(process.wait(timeout=max(seconds, 0)))
    except subprocess.TimeoutExpired:
        return "stopped"
    finally:
        end(process)


def in_turn(
    names: Sequence[str],
    start: Callable[[str], subprocess.Popen[bytes]],
    at_once: int,
    until: float,
    after: Callable[[dict[str, str]], None],
) -> dict[str, str]:
    """Run a command for each name, the first names first, until the clock (`time.monotonic`) says `until`.

    Returns how each ended: `ok`, failed, `stopped`, or `not begun`. `after` is told that whenever one has ended.
    """
    found, waiting = dict.fromkeys(names, "not begun"), deque(names)
    active: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while (waiting or active) and time.monotonic() < until:
            while waiting and len(active) < at_once:
                name = waiting.popleft()
                active[name], found[name] = start(name), "stopped"
            for name in [name for name, process in active.items() if process.poll() is not None]:
                found[name] = _how(active.pop(name).returncode)
                after(found)
            time.sleep(POLL_S)
    finally:
        for process in active.values():
            end(process)
    return found


def _how(status: int) -> str:
    return "ok" if status == 0 else f"failed with status {status}"


def check(
    root: Path, lock: Mapping[str, Any], machine: Mapping[str, Any], asked: argparse.Namespace, until: float
) -> int:
    """All steps on a machine; 0 where nothing failed, whether or not every table was reached.

    root  the folder; machine  its environment, with the `name` of the device; until  as in `in_turn`
    """
    env = {**os.environ, "TABSTEP_DEVICE": asked.device, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env["TABSTEP_DATA"] = str(root / "data")
    tables, results = [*filter(None, asked.tables.split(","))], root / "results" / machine["name"]
    home = Home(results, Path(asked.out).resolve(), tables, round(asked.part * MIB), asked.parts)
    said: dict[str, Any] = {"commit": lock["commit"], "machine": machine, "steps": {}, "tables": {}}
    passed = passed_before(home, said)

    def step(name: str, seconds: float, *command: str) -> None:
        if name in passed:
            said["steps"][name] = passed[name]
            _say(f"{name}: ok before, {passed[name]['seconds']} s")
            return
        begun = time.monotonic()
        log = home.checks / f"{name}.log"
        how = within(min(seconds, until - begun), [sys.executable, "-m", *command], log, env)
        said["steps"][name] = {"how": how, "seconds": round(time.monotonic() - begun, 1)}
        _say(f"{name}: {how} after {time.monotonic() - begun:.0f} s")
        home.pack(said)

    def start(table: str) -> subprocess.Popen[bytes]:
        run = ["run", asked.suite, "--dataset", table, "--method", "tabddpm", "--until", "draw"]
        run += ["--device", asked.device, "--workers", str(asked.draws), "--results", str(results / table)]
        return begin([sys.executable, "-m", "tabstep", *run], home.checks / f"{table}.log", env)

    def after(found: dict[str, str]) -> None:
        said["tables"] = found
        home.pack(said)
        _say(
            f"{until - time.monotonic():.0f} s left; " + ", ".join(f"{n}: {how}" for n, how in found.items())
        )

    alone = ["--noconftest", "-c", os.devnull, "--rootdir", str(root), "-p", "no:cacheprovider", "-q", "-ra"]
    step("tests", TESTS_S, "pytest", *alone, str(root / "tests" / "test_devices.py"))
    shapes = [part for name in filter(None, asked.shape.split(",")) for part in ("--shape", name)]
    step("perf", STEPS_S, *f"tabstep study perf --device {asked.device} --results {results}".split(), *shapes)
    said["tables"] = in_turn(tables, start, asked.at_once, until, after)
    left = home.pack(said)
    _report(said, home, left, asked.suite)
    hows = [*said["tables"].values(), *(step["how"] for step in said["steps"].values())]
    return int(any(how.startswith("failed") for how in hows))


def passed_before(home: Home, said: Mapping[str, Any]) -> dict[str, Any]:
    """Steps that passed in an earlier call, of this commit with these libraries: the time is for what is left."""
    path = home.checks / SAID
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if (
        not before
        or before["commit"] != said["commit"]
        or before["machine"]["libraries"] != said["machine"]["libraries"]
    ):
        return {}
    return {name: step for name, step in before["steps"].items() if step["how"] == "ok"}


def _report(said: Mapping[str, Any], home: Home, left: Sequence[Path], suite: str) -> None:
    for table, how in said["tables"].items():
        _say(f"{table}: {how}, rows of {len(home.drawn(table))} cells")
    if left:
        _say(f"too large for the archives: {', '.join(map(str, left))} in {home.results}")
    _say(f"Copy {home.out} to a checkout of {said['commit']} and there:")
    _say("  for f in home/*.tar; do tar --skip-old-files -xf $f -C results; done")
    _say(f"  tabstep run {suite} --dataset {','.join(said['tables'])} --method tabddpm --from score")


def machine_for(device: str, commit: str) -> dict[str, Any]:
    """The environment here and the `name` of the device as part of a path. Raises `Refused` where it will not do."""
    import torch

    from tabstep.records import where
    from tabstep.records.provenance import environment

    env = environment() | {"device": device}
    if env["commit"] != commit:
        raise Refused(f"the package that is imported is of commit {env['commit']}, the lock of {commit}")
    if device != "cpu" and not torch.cuda.is_available():
        raise Refused("torch finds no CUDA device here; --device cpu tries the way without one")
    return env | {"name": where.slug(where.named(env) or device)}


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)


def options(lock: Mapping[str, Any]) -> argparse.ArgumentParser:
    """Of the command line."""
    parser = argparse.ArgumentParser(description="Use the card of a machine without internet.")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the way without a card")
    parser.add_argument("--seconds", type=float, default=540.0, help="after which what runs is stopped")
    parser.add_argument("--suite", default="reproduce", help="whose cells of tabddpm are fitted and drawn")
    parser.add_argument("--tables", default=",".join(lock["tables"]), help='in this order; "" for none')
    at_once = max(1, (os.cpu_count() or 1) // TABLE_CORES)
    parser.add_argument(
        "--at-once", type=_positive, default=at_once, help="tables that are trained at the same time"
    )
    parser.add_argument("--draws", type=int, default=5, help="of a table at the same time")
    parser.add_argument("--shape", default="", help="shapes of `tabstep study perf`; all when left out")
    parser.add_argument("--out", default="home", help="where archives go")
    parser.add_argument("--part", type=float, default=15.0, help="the most MiB of an archive")
    parser.add_argument("--parts", type=int, default=7, help="the most archives of rows")
    return parser


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(root: Path, arguments: Sequence[str]) -> int:
    """The check in a folder; 2 where the folder or the machine will not do."""
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # leaves by the way of exceptions: children are ended
    begun = time.monotonic()
    try:
        lock = verified(root)
        asked = options(lock).parse_args(arguments)
        machine = machine_for(asked.device, lock["commit"])
    except Refused as error:
        _say(f"refused: {error}")
        return 2
    _say(f"{machine['name']}: Python {machine['python']}, torch {machine['libraries']['torch']}")
    return check(root, lock, machine, asked, begun + asked.seconds)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
