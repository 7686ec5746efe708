"""ES-DDPM: paths that begin early, at the noised rows of another generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.noise import Noise, stream
from tabstep.samplers.kernel import kernel_widths, permutation_level, row_features, squared_mmd
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest, path_from
from tabstep.samplers.start import Start

CANDIDATES = 10  # begins to choose from, evenly spaced
HELD_ROWS = 1024

VERSION = 2  # raise when the same model, rows and start give another horizon


@dataclass(frozen=True)
class EarlyStop:
    """Early-stopped diffusion (Lyu et al. 2022): another generator's rows, noised to T' < T and denoised from there.

    update  the sampler that walks from T' to 0
    start   the generator; its fit is part of preparing, its draws are part of sampling
    stop    T'/T, where 0 leaves the generator's rows as they are; None chooses the earliest of ten begins at which
            noised generated rows and noised held-out rows cannot be told apart
    """

    update: Sampler
    start: Start
    stop: float | None = None

    def __post_init__(self) -> None:
        if self.stop is not None and not 0 <= self.stop <= 1:
            raise ValueError(f"stop must be in [0, 1], got {self.stop}")

    @property
    def grid(self) -> str:
        return self.update.grid

    def horizon(self, setting: Setting, grid: Grid, K: int) -> int:
        """T', whatever the budget. Where it is chosen, raises `Unsupported` without held-out rows."""
        if self.stop is not None:
            return round(self.stop * setting.T)
        begin = self.start.fit(setting)  # not inside the choice, whose price is its own
        name = f"horizon-v{VERSION}-{digest(self.start)}-{setting.T}-{setting.seed}"
        return int(setting.artifacts.tensors(name, lambda: choose_horizon(setting, begin))["horizon"])

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """From T' to 0."""
        return path_from(self.horizon(setting, grid, K), self.update, grid, setting, K)

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Fit the start, and prepare the update for the path from T' = path[0]."""
        return started(self.update, self.start, setting, path)


def started(update: Sampler, start: Start, setting: Setting, path: Steps) -> Draw:
    """Draw by noising the rows of a start to T' = path[0] and walking from there; at T' = 0 they stay as they are."""
    begin = start.fit(setting)
    if path[0] == 0:
        return begin
    stopped = setting.until(path[0])
    denoise = update.prepare(stopped, path)

    def draw(noise: Noise, y: Tensor | None) -> State:
        noised = stopped.process.noised(begin(noise, y), noise)
        return denoise(noise.beginning(noised.x, noised.c), noised.y)

    return draw


@torch.no_grad()
def choose_horizon(setting: Setting, begin: Draw) -> Mapping[str, Tensor]:
    """The earliest of ten times at which generated and held-out rows, both noised, pass for one law.

    No network is called. Returns `horizon` (), and for all ten `times`, the squared MMD `distance` and its 95 %
    `level` under permutations of the rows, (10,) each. The last time passes by default.
    """
    process, held = setting.process, setting.rows(HELD_ROWS)
    times = sorted({max(1, round(setting.T * i / CANDIDATES)) for i in range(1, CANDIDATES + 1)})
    fresh = process.noise(setting.seed, 0, len(held.x)).apart(process.d_num)  # not the noise of any draw
    other = fresh.apart(process.d_num).apart(process.d_num)
    rows = begin(fresh, held.y)
    classes = 0 if held.y is None or rows.y is None else int(torch.maximum(held.y.max(), rows.y.max())) + 1
    distances, levels = [], []
    for t in times:
        stopped = process.until(t)
        a, b = (
            row_features(s.x, process.blocks.one_hot(s.c, s.x.dtype), s.y if classes else None, classes)
            for s in (stopped.noised(rows, fresh), stopped.noised(held, other))
        )
        widths = kernel_widths(b)
        distances.append(float(squared_mmd(a, b, widths)))
        levels.append(permutation_level(a, b, widths, stream(setting.seed, 4000, t)))
    passing = [t for t, d, level in zip(times, distances, levels, strict=True) if d <= level]
    return {
        "horizon": torch.tensor(passing[0] if passing else times[-1]),
        "times": torch.tensor(times),
        "distance": torch.tensor(distances, dtype=torch.float64),
        "level": torch.tensor(levels, dtype=torch.float64),
    }
