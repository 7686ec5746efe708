"""A log file for each task: whatever it prints, libraries in C included, and when it began and ended."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

OUT, ERR = 1, 2


@contextmanager
def logged(path: Path, what: str) -> Iterator[None]:
    """Append standard output and standard error of a block to `path`.

    File descriptors are turned round, so that no other thread of the process must print meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as log:
        saved = os.dup(OUT), os.dup(ERR)
        log.write(f"{_now()} {what}\n".encode())
        _flush()
        os.dup2(log.fileno(), OUT)
        os.dup2(log.fileno(), ERR)
        start = time.perf_counter()
        try:
            yield
        finally:
            _flush()
            for kept, target in zip(saved, (OUT, ERR), strict=True):
                os.dup2(kept, target)
                os.close(kept)
            log.write(f"{_now()} ended after {time.perf_counter() - start:.1f} s\n".encode())


def in_log(path: Path, what: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Call a function with its output in the log, as a task does."""
    with logged(path, what):
        return function(*arguments)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
