"""One at a time: a results folder that somebody writes into is held until they are done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from tabstep.engine.folder import Folder


class Busy(RuntimeError):
    """Another run holds the results folder."""


@contextmanager
def held(folder: Folder) -> Iterator[None]:
    """Hold a folder that is there. Raises `Busy` while another does, and OSError where it cannot be written."""
    lock = FileLock(folder.root / ".lock")
    try:
        # Of the operating system: gone with the process that holds it, however that ends.
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy(f"another run works on {folder.root}; wait for it, or choose another --results") from None
    try:
        yield
    finally:
        lock.release()
