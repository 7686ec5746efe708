"""Python code in a process of its own, and how that ended.

What it does to its modules, threads, environment, signals, folder or random state ends with it, and so does every
process that it started. It has the rights of the user: it reads and writes the same files, reaches the network, and
may end processes of the same user, its sitter included. No namespace or container is set up here; for code that one
does not trust with that, run all of tabstep in one.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SITTER = Path(__file__).with_name("sitter.py")


BEGIN = """
import os, sys, traceback
leave, sys.path[:] = os._exit, {path!r}
status = 1
try:
    exec({code!r})
    status = 0
except SystemExit as end:
    status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
except BaseException:
    traceback.print_exc()
finally:
    try:
        sys.stdout.flush()
    finally:
        leave(status & 255)
"""  # what is done is over: threads that go on, and what is registered for the end, are waited for by nobody


@dataclass(frozen=True)
class Ending:
    """How a process ended: its exit code, negative for a signal; None for one that was not heard of again."""

    status: int | None

    def __str__(self) -> str:
        if self.status is None:
            return "was lost"
        if self.status < 0:
            try:
                return f"was ended by {signal.Signals(-self.status).name}; out of memory or a crash"
            except ValueError:
                return f"was ended by signal {-self.status}"
        return f"ended (exit code {self.status})"


@dataclass(frozen=True)
class Running:
    """Code that was begun, by its sitter."""

    sitter: subprocess.Popen[bytes]

    def over(self, wait_s: float | None) -> bool:
        """Wait for its end, no longer than that, and say whether it came."""
        try:
            self.sitter.wait(wait_s)  # the sitter's one line fits into the pipe
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> Ending:
        """End it with all that it started, if it goes on, and say how it ended."""
        assert self.sitter.stdin is not None
        assert self.sitter.stdout is not None
        self.sitter.stdin.close()
        said = self.sitter.stdout.read().strip()
        return Ending(int(said) if said.lstrip(b"-").isdigit() else None)


@contextmanager
def begun(code: str, *arguments: str, limit_s: float | None = None) -> Iterator[Running]:
    """Run `code` beside this process, which watches over it; all of it ends with the block, and with this process.

    It has this process' limits and environment, its output is on standard error.

    arguments  `sys.argv[1:]` there
    limit_s    seconds that the caller means to wait: no process of it gets more of them on all processors
    """
    begin = BEGIN.format(path=sys.path, code=code)
    cpu_s = "" if limit_s is None else str(math.ceil(limit_s * (os.cpu_count() or 1)))
    command = [sys.executable, "-I", str(SITTER), cpu_s, sys.executable, "-c", begin, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as sitter:
        assert sitter.stdin is not None
        try:
            yield Running(sitter)
        finally:
            sitter.stdin.close()


def attempt(code: str, *arguments: str, limit_s: float | None = None) -> Ending:
    """Run `code` as `begun` does, and wait for its end. Raises TimeoutError after `limit_s` seconds."""
    with begun(code, *arguments, limit_s=limit_s) as running:
        if not running.over(limit_s):
            raise TimeoutError(f"took longer than the limit of {limit_s:g} s")
        return running.end()
