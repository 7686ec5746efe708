"""One draw under the clock: what is timed, how often, and by which process."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from tabstep.contracts import Unsupported
from tabstep.data import plain
from tabstep.diffusion.mixed import Denoiser, Learned
from tabstep.diffusion.model import Diffusion
from tabstep.engine import cells, models
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, is_diffusion
from tabstep.engine.worker import start_worker
from tabstep.records.clock import Stopwatch, calibrate, synchronize, watched_memory
from tabstep.sandbox.process import attempt

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

    denoiser: Learned
    watch: Stopwatch

    @property
    def network(self) -> nn.Module:
        return self.denoiser.network

    def using(self, network: nn.Module) -> Denoiser:
        """The same around another network: its calls are timed too."""
        other = self.denoiser.using(network)

        def timed(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
            with self.watch.running():
                return other(x, c, t, y)

        return timed

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
    counter: Any = model.process.denoiser
    prepared = cells.prepare(job, fitted, replace(model.process, denoiser=Timed(counter, watch)))

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


def batches(job: Job, folder: Folder, clock: Clock) -> list[dict[str, Any]]:
    """What was measured of a cell, for each batch. A method from outside that draws itself does so in a process of its
    own, which measures it, and a sampler or grid from outside leads a copy of the network in one; another network of a
    diffusion is drawn from here."""
    if job.led or (job.foreign and not is_diffusion(job)):
        return _apart(job, folder, clock)
    return _here(job, folder, clock)


def _here(job: Job, folder: Folder, clock: Clock) -> list[dict[str, Any]]:
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
    return _without(clock, status, reason)


def _without(clock: Clock, status: str, reason: str) -> list[dict[str, Any]]:
    return [{"rows": rows, "status": status, "reason": reason} for rows in clock.batches]


def _apart(job: Job, folder: Folder, clock: Clock) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        request, said = Path(name, "request.pickle"), Path(name, "said.json")
        if job.led and models.sound(folder.model(job)):
            shutil.copytree(folder.model(job), Folder(Path(name)).model(job))
        request.write_bytes(pickle.dumps((job, Folder(Path(name)), clock)))
        code = "from tabstep.engine.measuring import inside; inside(*sys.argv[1:])"
        ending = attempt(code, str(request), str(said))
        try:
            found: list[dict[str, Any]] = plain.load(said)
            check(found)
            if [batch.get("rows") for batch in found] != [*clock.batches]:
                raise plain.NotPlain("it measured other batches")
        except FileNotFoundError:
            return _without(clock, "failed", f"its process {ending} before it was timed")
        except (plain.NotPlain, OSError) as error:
            return _without(clock, "failed", f"its process {ending}, and left no times: {error}")
    return found


def inside(request: str, said: str) -> None:
    """In the process of the method: measure what the request, which `_apart` wrote, asks for."""
    job, folder, clock = pickle.loads(Path(request).read_bytes())
    start_worker(job.threads)
    Path(said).write_text(json.dumps(_here(job, folder, clock), allow_nan=False), encoding="utf-8")


def check(found: Any) -> None:
    """Raise `plain.NotPlain` for what is no list of measured batches."""
    if not isinstance(found, list):
        raise plain.NotPlain(f"batches are {plain.kind(found)}")
    for batch in found:
        if not isinstance(batch, dict) or not set(batch) <= set(COLUMNS):
            raise plain.NotPlain("a batch has other fields")
        for name, value in batch.items():
            kind = str if name in ("status", "reason") else int | float
            if value is not None and not isinstance(value, kind):
                raise plain.NotPlain(f"{name} of a batch is {plain.kind(value)}")
