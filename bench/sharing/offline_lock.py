"""The lock of a folder that `make offline` built: what every file must be, checked before any of it is installed.

`tabstep.sharing.offline` copies this file into the folder, as `check.py`. It is of the standard library alone: on the
other machine nothing else is there yet, and what it verifies it must not import first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

LOCK = "lock.json"
NEXT = "tabstep.sharing.offline_check"  # a module of what is installed, which does the rest


class Refused(Exception):
    """The folder or the machine will not do; the message says what to change."""


def digest(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def faults(root: Path, files: Iterable[Mapping[str, Any]]) -> list[str]:
    """The files of a lock that are not as it says."""
    found = []
    for entry in files:
        path = root / entry["path"]
        if not path.is_file():
            found.append(f"{entry['path']} is missing")
        elif digest(path) != entry["sha256"]:
            found.append(f"{entry['path']} is not the file that the lock names")
    return found


def verified(root: Path) -> dict[str, Any]:
    """The lock of a folder whose files are as it says, on a machine that has what is not carried. Raises `Refused`."""
    lock: dict[str, Any] = json.loads((root / LOCK).read_text(encoding="utf-8"))
    if wrong := faults(root, lock["files"]):
        raise Refused("; ".join(wrong) + ": build the folder again, or copy it again")
    here = ".".join(map(str, sys.version_info[:2]))
    if here != lock["python"]:
        raise Refused(
            f"this is Python {here}, the wheels are for {lock['python']}: `make offline OFFLINE_PYTHON={here}`"
        )
    lacking = [name for name in lock["present"] if not _there(name)]
    if lacking:
        names = ",".join(lacking)
        raise Refused(f"this machine lacks {names}: `make offline CARRY={names}` takes them along")
    return lock


def _there(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def install(root: Path, lock: Mapping[str, Any]) -> Path:
    """Put the wheels of the lock into the folder `site`, once, and return it. Raises `Refused`.

    On PYTHONPATH they come before what the machine has, which stays as it is.
    """
    site, mark = root / "site", digest(root / LOCK)
    if (site / LOCK).is_file() and (site / LOCK).read_text() == mark:
        return site
    shutil.rmtree(site, ignore_errors=True)
    wheels = [str(root / entry["path"]) for entry in lock["files"] if entry["path"].endswith(".whl")]
    options = ["--no-index", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--quiet"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(site), *wheels]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"pip could not install the wheels: {done.stderr.strip()}")
    (site / LOCK).write_text(mark)
    return site


def main() -> None:
    """Verify, install, and become the check itself."""
    root = Path(__file__).resolve().parent
    try:
        site = install(root, verified(root))
    except Refused as error:
        sys.exit(f"refused: {error}")
    env = {**os.environ, "PYTHONPATH": str(site)}
    os.execve(sys.executable, [sys.executable, "-m", NEXT, str(root), *sys.argv[1:]], env)


if __name__ == "__main__":
    main()
