"""Times that can be compared: a serial pass over fitted models, one process, nothing else running."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.data import plain
from tabstep.diffusion.mixed import Denoiser
from tabstep.diffusion.model import Diffusion
from tabstep.engine import cells, models
from tabstep.engine.job import Folder, Job, is_diffusion
from tabstep.records import store
from tabstep.records.clock import Stopwatch, calibrate, synchronize, torch_threads, watched_memory
from tabstep.records.provenance import environment
from tabstep.records.store import Cell, Problem

VERSION = 1  # raise when what is measured changes

BATCHES = (1, 1000, 100_000)
REPEATS = 5

COLUMNS = (
    *("suite", "dataset", "method", "params", "sampler", "grid", "steps", "device", "threads", "rows", "nfe"),
    *("repeats", "median_s", "q1_s", "q3_s", "rows_per_s", "network_s", "decode_s", "prepare_s"),
    *("memory_bytes", "memory_before_bytes", "device_memory_bytes"),
    *("gemm_gflops", "copy_gb_s", "busy", "gemm_gflop"),
    *("status", "reason", "commit"),
)


@dataclass(frozen=True)
class Clock:
    """How to time: batches in rows; at least `repeats` draws each, after one that does not count.

    A batch whose `repeats` would take longer than `limit_s`, by that first draw, is skipped.
    """

    batches: tuple[int, ...] = BATCHES
    repeats: int = REPEATS
    limit_s: float = 300.0

    def __post_init__(self) -> None:
        if not self.batches or min(self.batches) < 1:
            raise ValueError(f"batches must be one or more positive numbers of rows, got {self.batches}")
        if self.repeats < 5:
            raise ValueError(f"repeats must be at least 5 for a median and quartiles, got {self.repeats}")
        if self.limit_s <= 0:
            raise ValueError(f"limit_s must be positive, got {self.limit_s}")


Parts = tuple[float | None, float | None, float | None]
"""Seconds of the network and of decoding in one draw, and evaluations per row; None without a network."""


@dataclass(frozen=True)
class Draws:
    """What is timed: `draw(rows, seed)`, and the seconds that it took to prepare it."""

    draw: Callable[[int, int], Parts]
    prepare_s: float


@dataclass(frozen=True)
class Timed(Denoiser):
    """A denoiser whose calls are timed."""

    denoiser: Denoiser
    watch: Stopwatch

    def __call__(self, x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        with self.watch.running():
            return self.denoiser(x, c, t, y)


def measure(draws: Draws, rows: int, clock: Clock, device: str) -> dict[str, Any]:
    """Median and quartiles of the seconds from noise, or nothing, to `rows` decoded rows; memory of the first draw."""
    machine = calibrate(device)
    begun = time.perf_counter()
    with watched_memory(device) as memory:
        draws.draw(rows, 0)
        synchronize(device)
    first = time.perf_counter() - begun
    known = {
        "rows": rows,
        "prepare_s": draws.prepare_s,
        "memory_bytes": memory.peak,
        "memory_before_bytes": memory.before,
        "device_memory_bytes": memory.device_peak,
        **asdict(machine),
    }
    if first * clock.repeats > clock.limit_s:
        reason = (
            f"one draw of {rows} rows took {first:.0f} s; {clock.repeats} are more than {clock.limit_s:g} s"
        )
        return {**known, "status": "skipped", "reason": reason}
    seconds, parts = [], []
    for repeat in range(clock.repeats):
        synchronize(device)
        start = time.perf_counter()
        parts.append(draws.draw(rows, repeat + 1))
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    q1, median, q3 = (float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75)))
    network, decode, nfe = (
        None if any(v is None for v in part) else float(np.median(part)) for part in zip(*parts, strict=True)
    )
    return {
        **known,
        "repeats": clock.repeats,
        "median_s": median,
        "q1_s": q1,
        "q3_s": q3,
        "rows_per_s": rows / median,
        "network_s": network,
        "decode_s": decode,
        "nfe": nfe,
        "status": "ok",
        "reason": None,
    }


def of_diffusion(job: Job, folder: Folder) -> Draws:
    """Raises FileNotFoundError without a fitted model, and `Unsupported`."""
    fitted = models.fitted_diffusion(folder.model(job), job.source, job.device)
    model: Diffusion = fitted.model
    watch = Stopwatch(job.device)
    prepared = cells.prepare(
        job, fitted, replace(model.process, denoiser=Timed(model.process.denoiser, watch))
    )
    counter: Any = model.process.denoiser

    def draw(rows: int, seed: int) -> tuple[float, float, float]:
        watch.take()
        before = counter.rows
        encoded = model.denoise(prepared.draw, rows, seed=seed)
        network = watch.take()
        start = time.perf_counter()
        model.encoder.decode(*encoded)
        return network, time.perf_counter() - start, (counter.rows - before) / rows

    return Draws(draw, prepared.seconds)


def of_baseline(job: Job) -> Draws:
    """Fits it first: models of methods without steps are not kept."""
    model = models.fit_baseline(job).model

    def draw(rows: int, seed: int) -> tuple[None, None, None]:
        model.sample(rows, seed=seed)
        return None, None, None

    return Draws(draw, 0.0)


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
                "batches": _batches(job, folder, clock),
                "env": environment(),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            content = json.dumps(found, indent=1, allow_nan=False) + "\n"
            store.replace(_path(folder, cell), content.encode())


def _batches(job: Job, folder: Folder, clock: Clock) -> list[dict[str, Any]]:
    try:
        draws = of_diffusion(job, folder) if is_diffusion(job) else of_baseline(job)
        return [measure(draws, rows, clock, job.device) for rows in clock.batches]
    except FileNotFoundError:
        cell = job.cell
        reason = f"no fitted model; `tabstep run {cell.suite} --dataset {cell.dataset}` makes it"
        status = "skipped"
    except Unsupported as error:
        status, reason = "skipped", str(error)
    except Exception as error:  # noqa: BLE001  whatever a competitor raises is one row, not the end of the pass
        status, reason = "failed", f"{type(error).__name__}: {error}"
    return [{"rows": rows, "status": status, "reason": reason} for rows in clock.batches]


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
        "cpu": environment()["cpu"],
    }


def _path(folder: Folder, cell: Cell) -> Path:
    return folder.root / "times" / PurePosixPath(cell.path)


def _known(folder: Folder, job: Job, clock: Clock) -> bool:
    try:
        content = _read(_path(folder, job.cell))
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
    for batch in found["batches"]:
        if not isinstance(batch, dict) or not set(batch) <= set(COLUMNS):
            raise ValueError("a batch has other fields")
        for name, value in batch.items():
            kind = str if name in ("status", "reason") else int | float
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"{name} of a batch is {plain.kind(value)}")
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
        shared = {"device": content["device"], "threads": content["threads"], "commit": commit}
        lines += [{**content["cell"], **shared, **batch} for batch in content["batches"]]
    found = pd.DataFrame(lines, columns=list(COLUMNS)).astype({"steps": "Int64"})
    found = found.sort_values(["dataset", "method", "params", "sampler", "grid", "steps", "rows"])
    found = found.reset_index(drop=True)
    return found.assign(gemm_gflop=found["median_s"] * found["gemm_gflops"])
