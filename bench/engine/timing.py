"""Times that can be compared: a serial pass over fitted models, one after the other, nothing else running."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tabstep.data import plain
from tabstep.engine import measuring
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job
from tabstep.engine.measuring import Clock
from tabstep.records import store, where
from tabstep.records.clock import torch_threads
from tabstep.records.provenance import environment
from tabstep.records.store import Cell, Problem

VERSION = 1  # raise when what is measured changes


def run(jobs: Sequence[Job], folder: Folder, clock: Clock, say: Callable[[str], None]) -> None:
    """Time every cell at one training and one sampling seed; a cell that was timed in the same way is left."""
    todo = [job for job in once(jobs) if not _known(folder, job, clock)]
    with torch_threads(jobs[0].threads):
        for i, job in enumerate(todo, start=1):
            cell = job.cell
            way = f"{cell.sampler} {cell.grid} {cell.steps}" if cell.sampler else ""
            say(f"{i}/{len(todo)} {cell.dataset} {cell.method} {way}".rstrip())
            found = {
                "key": _key(job, clock),
                "cell": asdict(cell),
                "device": job.device,
                "threads": job.threads,
                "batches": measuring.batches(job, folder, clock),
                "env": environment(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            content = json.dumps(found, indent=1, allow_nan=False) + "\n"
            store.replace(_path(folder, job), content.encode())


def once(jobs: Iterable[Job]) -> list[Job]:
    """The jobs of the first seeds: others cost the same."""
    first: dict[Cell, Job] = {}
    for job in sorted(jobs, key=lambda job: (job.cell.train_seed, job.cell.sample_seed)):
        first.setdefault(replace(job.cell, train_seed=0, sample_seed=0), job)
    return list(first.values())


def _key(job: Job, clock: Clock) -> dict[str, Any]:
    return {
        "version": VERSION,
        "fit": job.fit_key,
        "clock": {**asdict(clock), "batches": list(clock.batches)},
        "device": job.device,
        "threads": job.threads,
        "cpu": where.processor(environment()),
        **({"gpu": environment()["gpu"]} if job.device != "cpu" else {}),
    }


def _path(folder: Folder, job: Job) -> Path:
    """Of a GPU in a folder of its name: times of two devices do not replace each other."""
    device = where.named(environment() | {"device": job.device})
    own = () if device in ("cpu", None) else (where.slug(device),)
    return folder.root.joinpath("times", *own, PurePosixPath(job.cell.path))


def _known(folder: Folder, job: Job, clock: Clock) -> bool:
    try:
        content = _read(_path(folder, job))
    except (OSError, ValueError, TypeError):
        return False  # as if it was never timed: it is measured again
    measured = all("gemm_gflops" in batch for batch in content["batches"])
    return measured and bool(content["key"] == _key(job, clock))


def _read(path: Path) -> dict[str, Any]:
    """The times of a cell. Raises ValueError for any other file."""
    kinds = {"key": dict, "cell": dict, "device": str, "threads": int, "batches": list, "env": dict}
    found = plain.shaped(path, kinds)
    if set(found["cell"]) != set(Cell.__dataclass_fields__):
        raise ValueError("cell has other fields")
    Cell(**found["cell"])
    measuring.check(found["batches"])
    return found


def damaged(folder: Folder) -> list[Problem]:
    """The files of times that are none, which `table` leaves out."""
    problems = []
    for path in sorted((folder.root / "times").rglob("*.json")):
        try:
            _read(path)
        except (OSError, ValueError, TypeError) as error:
            problems.append(Problem(path.relative_to(folder.root), str(error)))
    return problems


def table(folder: Folder) -> pd.DataFrame:
    """All times of a suite, a row each cell and batch; `gemm_gflop` is the median in units of the machine.

    That is the work, in 10^9 operations, which its matrix product would have done in that time.
    """
    lines = []
    for path in sorted((folder.root / "times").rglob("*.json")):
        try:
            content = _read(path)
        except (OSError, ValueError, TypeError):
            continue  # `damaged` says which and why
        env = content["env"]
        commit = f"{env['commit']}{'-dirty' if env.get('dirty') else ''}" if env.get("commit") else "unknown"
        device = where.named(env | {"device": content["device"]})
        shared = {"device": device, "threads": content["threads"], "commit": commit}
        lines += [{**content["cell"], **shared, **batch} for batch in content["batches"]]
    found = pd.DataFrame(lines, columns=list(measuring.COLUMNS)).astype({"steps": "Int64"})
    found = found.sort_values(["dataset", "method", "params", "sampler", "grid", "steps", "rows"])
    found = found.reset_index(drop=True)
    return found.assign(gemm_gflop=found["median_s"] * found["gemm_gflops"])
