"""Python code in a process of its own, and how that ended.

What it does to its modules, threads, environment, signals, folder or random state ends with it, and so does every
process that it started. It has the rights of the user: it reads and writes the same files, reaches the network, and
may end processes of the same user, its sitter included. No namespace or container is set up here; for code that one
does not trust with that, run all of tabstep in one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SITTER = Path(__file__).with_name("sitter.py")


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


def attempt(code: str, *arguments: str, limit_s: float | None = None) -> Ending:
    """Run `code` with this process' limits and environment, its output on standard error, and wait for its end.

    arguments  `sys.argv[1:]` there
    limit_s    seconds; then, and when this process is gone, all of it is ended. Raises TimeoutError
    """
    begin = f"import sys; sys.path[:] = {sys.path!r}; {code}"
    command = [sys.executable, "-I", str(SITTER), sys.executable, "-c", begin, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as sitter:
        assert sitter.stdin is not None
        assert sitter.stdout is not None
        try:
            sitter.wait(limit_s)  # its one line fits into the pipe
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"took longer than the limit of {limit_s:g} s") from None
        finally:
            sitter.stdin.close()
        said = sitter.stdout.read().strip()
    return Ending(int(said) if said.lstrip(b"-").isdigit() else None)
