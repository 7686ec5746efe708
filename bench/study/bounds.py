"""Is the searched schedule the best one? Its theorem on the table it was found on, and its margin on fresh rows."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

from torch import Tensor

from tabstep.diffusion import nelbo, schedule_search
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.nelbo import Variance
from tabstep.registry import GRIDS
from tabstep.samplers.setting import Setting

FIXED = ("linspace", "trailing", "quad", "logsnr")
ROWS = 512
MOST = 100  # budgets 1 .. MOST are checked


def measure(setting: Setting, fresh: State, variance: Variance) -> dict[str, Any]:
    """Full tables of L(s, t) on the held rows of `setting` and on `fresh` rows with other noise, and what they say.

    Returns, for a schedule searched on the held rows: `excess`, the most by which it exceeds a fixed grid there, over
    all budgets (a theorem says never above 0, but for rounding); `held` and `fresh`, the NELBO of every grid at each
    budget in nats per row; the seconds and network calls of one table.
    """
    T = setting.T
    times = list(range(T + 1))
    tables, seconds, calls = [], [], []
    for rows, seed in ((setting.rows(), setting.seed), (fresh, setting.seed + 1)):
        start, before = time.perf_counter(), _evaluated(setting.process)
        parts = nelbo.table(setting.process, rows, times, variance, clip_x0=setting.clip_x0, seed=seed)
        seconds.append(time.perf_counter() - start)
        calls.append((_evaluated(setting.process) - before) // len(rows.x))
        tables.append((parts.numeric + parts.categorical, float(sum(nelbo.prior(setting.process, rows)))))
    (held, held_prior), (new, new_prior) = tables
    most = min(MOST, T)
    best = schedule_search.shortest(held, most)
    excess = max(
        float(best.cost[K, T]) - _along(held, GRIDS[grid](setting, K))
        for K in range(1, most + 1)
        for grid in FIXED
    )
    paths = {
        K: {"dp": best.path(K), **{grid: GRIDS[grid](setting, K) for grid in FIXED}}
        for K in (1, 2, 5, 10, 20, 50, 100)
        if most >= K
    }
    return {
        "variance": variance,
        "excess": excess,
        "seconds": seconds[0],
        "calls": calls[0],
        "held": {
            K: {g: held_prior + _along(held, p) for g, p in grids.items()} for K, grids in paths.items()
        },
        "fresh": {K: {g: new_prior + _along(new, p) for g, p in grids.items()} for K, grids in paths.items()},
        "dp": {K: list(grids["dp"]) for K, grids in paths.items()},
    }


def _along(table: Tensor, path: tuple[int, ...]) -> float:
    return float(sum(table[s, t] for t, s in pairwise(path)))


def _evaluated(process: Process) -> int:
    return int(getattr(process.denoiser, "rows", 0))
