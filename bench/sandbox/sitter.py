"""Sits by a stranger's process: `python -I sitter.py CPU_S COMMAND...` runs it in its own session, and ends all of it.

A script of the standard library alone, so that it starts in hundredths of a second. It ends the command with whatever
that started when the command ends, whatever its status, and when standard input closes: the pipe closes with whoever
asked for the command, however that ended. The command's status, negative for a signal, is the one line of standard
output; what the command prints goes to standard error.

CPU_S, which may be empty, are the seconds of a processor that each process gets: one that got away from its sitter ends
then. No file of it grows beyond `FILE_BYTES`. Both bind what is bound to break something else, and no honest method.

On Linux orphans below become children of this process, so that those which left the group or the session are found
as well; elsewhere only the process group is ended.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02
END_S = 20.0  # for a crowd that forks while it is ended
FILE_BYTES = 8 * 2**30  # ten times the largest table that is read
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _beginning(cpu_s: str) -> Callable[[], None]:
    """In the new process, before the command: it goes with its sitter, gains no rights and has limits."""

    def begin() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        _lower(resource.RLIMIT_CORE, 0)
        _lower(resource.RLIMIT_FSIZE, FILE_BYTES)
        if cpu_s:
            _lower(resource.RLIMIT_CPU, int(cpu_s))

    return begin


def _lower(limit: int, value: int) -> None:
    """Set a limit for good, unless a lower one holds."""
    _, hard = resource.getrlimit(limit)
    least = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (least, least))


def below(root: int) -> list[int]:
    """Processes that descend from `root`, as the kernel lists them; none where there is no such list."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            after = path.read_text(errors="replace").rpartition(")")[2].split()  # the name may hold anything
            children.setdefault(int(after[1]), []).append(int(path.parent.name))
    found = list(children.get(root, []))
    for pid in found:  # grows while it is walked
        found += children.get(pid, [])
    return found


def _end(group: int) -> None:
    """End the group and all descendants: stopped first, so that none starts another meanwhile."""
    until = time.monotonic() + END_S
    while time.monotonic() < until:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
        left = below(os.getpid())
        for what in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with suppress(OSError):
                    os.kill(pid, what)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            return
        time.sleep(POLL_S)


def main(cpu_s: str, *command: str) -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_beginning(cpu_s),
    )
    while process.poll() is None and not select.select([sys.stdin], [], [], POLL_S)[0]:
        pass
    _end(process.pid)
    with suppress(OSError):  # nobody may be there to read it
        os.write(1, f"{process.returncode}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
