"""Sits by a stranger's process: `python -I sitter.py COMMAND...` runs it in a session of its own, and ends all of it.

A script of the standard library alone, so that it starts in hundredths of a second. It ends the command with whatever
that started when the command ends, whatever its status, and when standard input closes: the pipe closes with whoever
asked for the command, however that ended. The command's status, negative for a signal, is the one line of standard
output; what the command prints goes to standard error.

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
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02
END_S = 20.0  # for a crowd that forks while it is ended
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _begin() -> None:
    """In the new process, before the command: it goes with its sitter, gains no rights and dumps no memory."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


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


def main(command: list[str]) -> None:
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_begin,
    )
    while process.poll() is None and not select.select([sys.stdin], [], [], POLL_S)[0]:
        pass
    _end(process.pid)
    with suppress(OSError):  # nobody may be there to read it
        os.write(1, f"{process.returncode}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
