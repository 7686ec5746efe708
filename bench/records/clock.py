"""Wall-clock seconds, peak memory, and what the machine does in a second, as a unit for both."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import torch


@dataclass
class Span:
    """Filled in when the span ends: wall-clock seconds, and the process' peak resident bytes so far."""

    seconds: float = 0.0
    peak_bytes: int = 0


def synchronize(device: str | torch.device) -> None:
    """Wait for queued work of an accelerator; the CPU has none."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def timed(device: str | torch.device = "cpu") -> Iterator[Span]:
    """Time a block, with the device synchronised at both ends."""
    span = Span()
    synchronize(device)
    start = time.perf_counter()
    yield span
    synchronize(device)
    span.seconds = time.perf_counter() - start
    unit = 1 if sys.platform == "darwin" else 1024
    span.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """torch's threads while a block runs; the process has its own again afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Memory:
    """Peak bytes of this process and its children while a block ran, on the device too; `before` it began."""

    before: int = 0
    peak: int = 0
    device_peak: int | None = None


MEMORY_POLL_S = 0.02
# Far longer than a child takes from its start to the program that it was started for, on a busy machine too.
CHILD_START_S = 1.0


@contextmanager
def watched_memory(device: str | torch.device = "cpu") -> Iterator[Memory]:
    """Poll the memory of the process tree from a thread, which takes time: never in a block whose time counts."""
    seen: dict[int, float] = {}
    memory = Memory(before=_tree_bytes(seen))
    cuda = torch.device(device).type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    done = threading.Event()

    def poll() -> None:
        while True:
            memory.peak = max(memory.peak, _tree_bytes(seen))
            if done.wait(MEMORY_POLL_S):
                return

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        memory.peak = max(memory.peak, _tree_bytes(seen))
        done.set()
        thread.join()
        if cuda:
            memory.device_peak = torch.cuda.max_memory_allocated(device)


def _tree_bytes(seen: dict[int, float]) -> int:
    """Resident bytes of this process and its children. `seen` keeps, from call to call, when each was first seen:
    the system's own start times are a second off where it knows the time of its boot in whole seconds."""
    me = psutil.Process()
    total = me.memory_info().rss
    programs = {me.pid: me.cmdline()}
    now = time.monotonic()
    for process in me.children(recursive=True):
        try:
            programs[process.pid] = process.cmdline()
            # Until it runs its own program, a child's memory is its parent's, and would be counted twice.
            starts = programs[process.pid] == programs.get(process.ppid())
            if not starts or now - seen.setdefault(process.pid, now) >= CHILD_START_S:
                total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.ZombieProcess):  # a child that has just ended
            continue
    return total


@dataclass
class Stopwatch:
    """Sums the time of many short blocks, without making the device wait between them."""

    device: str
    _spans: list[tuple[Any, Any]] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        start = self._mark()
        yield
        self._spans.append((start, self._mark()))

    def take(self) -> float:
        """Seconds since the last call."""
        synchronize(self.device)
        cuda = torch.device(self.device).type == "cuda"
        total = sum(a.elapsed_time(b) / 1000 if cuda else b - a for a, b in self._spans)
        self._spans.clear()
        return float(total)

    def _mark(self) -> Any:
        if torch.device(self.device).type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


@dataclass(frozen=True)
class Machine:
    """What a machine did just before a measurement, with this process' threads: units to compare times in.

    gemm_gflops  float32 product of two square matrices, 10^9 operations a second
    copy_gb_s    copy of a large array, 10^9 bytes read or written a second
    busy         share of all cores that other work took
    """

    gemm_gflops: float
    copy_gb_s: float
    busy: float


GEMM_SIZE = {"cpu": 1024, "cuda": 8192}
COPY_BYTES = 2**28
LISTEN_S = 0.5


def calibrate(device: str | torch.device = "cpu") -> Machine:
    """Listen to the machine for half a second, then measure it for about another."""
    from torch.utils.benchmark import Timer

    busy = psutil.cpu_percent(interval=LISTEN_S) / 100
    where = torch.device(device)
    n = GEMM_SIZE[where.type]
    a, b, out = (torch.ones(n, n, device=where) for _ in range(3))
    source, target = (torch.ones(COPY_BYTES // 4, device=where) for _ in range(2))
    known = {"a": a, "b": b, "out": out, "source": source, "target": target, "torch": torch}

    def seconds(statement: str) -> float:
        timer = Timer(statement, globals=known, num_threads=torch.get_num_threads())
        return float(timer.blocked_autorange(min_run_time=0.2).median)

    return Machine(
        gemm_gflops=2 * n**3 / seconds("torch.mm(a, b, out=out)") / 1e9,
        copy_gb_s=2 * COPY_BYTES / seconds("target.copy_(source)") / 1e9,
        busy=busy,
    )
