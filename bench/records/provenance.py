"""Where a number was made: the code, the machine and the libraries, without a path, user or host name."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from tabstep.data import plain

PACKAGE = Path(__file__).resolve().parents[1]
BUILT = "built.json"
"""In the package, where it was carried to another machine as a wheel: the commit that the wheel was built from."""

LIBRARIES = (
    "torch",
    "numpy",
    "pandas",
    "scikit-learn",
    "catboost",
    "xgboost",
    "optuna",
    "sdv",
    "imbalanced-learn",
)


def environment(more: Iterable[str] = ()) -> dict[str, Any]:
    """What is needed to judge and repeat a number made by this process; plain JSON values only.

    commit, dirty       the checkout that holds the package, or the one that it was built from (`BUILT`); both None
                        where neither is known, with `commit_reason`
    python, platform    versions; the kernel release is left out, which may name the host
    cpu, cores          model (None if unknown) and logical cores of the machine
    cpu_kind            family and model by number, and the vector instructions that torch uses: virtual machines give
                        processors of several generations one name, and these make other bits, and take other seconds
    memory_bytes        memory of the machine
    gpu                 name of the first CUDA device, None without one
    libraries           version of each of `LIBRARIES` and of the distributions `more`, None where not installed
    torch_threads       threads of one operator, at the moment of the call

    All but the threads is found once per process: a file edited later does not change the code that runs.
    """
    import torch

    fixed = _fixed()
    libraries = {**fixed["libraries"], **{name: _version(name) for name in more}}
    return {**fixed, "libraries": libraries, "torch_threads": torch.get_num_threads()}


@functools.cache
def _fixed() -> dict[str, Any]:
    import torch

    return {
        **origin(PACKAGE),
        "python": platform.python_version(),
        "platform": " ".join(filter(None, (platform.system(), platform.machine(), *platform.libc_ver()))),
        "cpu": _of_cpu("model name") or platform.processor() or None,
        "cpu_kind": _cpu_kind(torch.backends.cpu.get_cpu_capability()),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def origin(package: Path) -> dict[str, Any]:
    """The checkout that tracks the package; else the commit that a wheel says it was built from."""
    found = checkout(package)
    if found["commit"] is not None or not (package / BUILT).is_file():
        return found
    commit = plain.shaped(package / BUILT, {"commit": str})["commit"]
    return {"commit": commit, "dirty": False, "commit_reason": None}


def checkout(folder: Path) -> dict[str, Any]:
    """Commit of the git checkout that tracks files in `folder`, and whether tracked files differ from it.

    `dirty` disregards `results/` at the top, which running the benchmark itself changes, and untracked files.
    An environment inside a checkout that ignores it (a `.venv`) is not part of that checkout.
    """

    def unknown(reason: str) -> dict[str, Any]:
        return {"commit": None, "dirty": None, "commit_reason": reason}

    try:
        if not _git(folder, "ls-files", "--", "."):
            return unknown("the package is not tracked by the git checkout around it")
        commit = _git(folder, "rev-parse", "HEAD")
        changes = _git(
            folder, "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)results"
        )
    except FileNotFoundError:
        return unknown("git is not installed")
    except subprocess.CalledProcessError as error:  # its message may hold a path, so only the code is kept
        return unknown(f"not a readable git checkout (git {error.cmd[4]} returned {error.returncode})")
    return {"commit": commit, "dirty": bool(changes), "commit_reason": None}


def _git(folder: Path, *arguments: str) -> str:
    # Without optional locks: many workers may ask at the same time as a person commits.
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _of_cpu(name: str) -> str | None:
    """What Linux says of the first processor; platform.processor() is empty on most of its systems."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines() if listing.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)
    return next(found, None)


def _cpu_kind(instructions: str) -> str:
    numbered = ((word, _of_cpu(name)) for word, name in (("family", "cpu family"), ("model", "model")))
    return ", ".join([*(f"{word} {number}" for word, number in numbered if number), instructions])


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
