"""The grid chosen for a sampler and a budget by the rows that they draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.samplers.grid import Karras, trailing
from tabstep.samplers.judged import LEAST_ROWS, Judge, Shortfalls, regrets, standard_error
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest, path_for

VERSION = 2  # raise when the same model, rows and sampler give another path


@dataclass(frozen=True)
class Measured:
    """Even steps, or even steps in a root of sigma with fitted ends, whichever gives the better rows.

    The price that `dp` minimises is of single steps; this draws as many rows as are held with the sampler itself and
    compares them by their regret over several scores (`judged`). It searches the ends and the root one after the other,
    a handful of numbers for all times: free times would fit the noise of the scores. It moves only for more than one
    standard error.

    sigma_max, sigma_min, rho  what is tried of each, beside the values of `karras`
    """

    sigma_max: tuple[float, ...] = (3.0, 20.0, 60.0)
    sigma_min: tuple[float, ...] = (0.03, 0.3)
    rho: tuple[float, ...] = (3.0, 15.0)

    def __call__(self, setting: Setting, K: int) -> Steps:
        """Even steps, where a search begins: without a sampler there is nothing to draw with."""
        return trailing(setting, K)

    def path_of(self, sampler: Sampler, setting: Setting, K: int) -> Steps:
        """The chosen path, searched once. Raises `Unsupported` with fewer than 200 held rows."""
        if K == setting.T:
            return path_for(sampler, trailing, setting, K)
        rows = 0 if setting.held is None else len(setting.held.x)
        if rows < LEAST_ROWS:
            raise Unsupported(f"this judges drawn rows by at least {LEAST_ROWS} held-out ones, got {rows}")
        name = f"measured-v{VERSION}-{digest(self)}-{digest(sampler)}-{K}-{setting.T}-{setting.seed}"
        found = setting.artifacts.tensors(name, lambda: search(self, sampler, setting, K))
        return tuple(found["path"].tolist())


def search(family: Measured, sampler: Sampler, setting: Setting, K: int) -> Mapping[str, Tensor]:
    """The `path` (K + 1,), and the `paths` tried (m, K + 1) with their `regret` in margins (m, FOLDS)."""
    judge = Judge(setting)
    found: dict[Steps, Shortfalls] = {}

    def tried(grid: Grid) -> Steps:
        path = path_for(sampler, grid, setting, K)
        if path not in found:
            found[path] = judge(sampler, path)
        return path

    path, present = tried(trailing), Karras()
    trials: list[tuple[str, float]] = [("rho", present.rho)]
    trials += [(name, value) for name in ("sigma_max", "sigma_min", "rho") for value in getattr(family, name)]
    for name, value in trials:
        other = replace(present, **{name: value})
        new = tried(other)
        regret = dict(zip(found, regrets(list(found.values())), strict=True))
        gain = regret[path] - regret[new]
        if gain.mean() > standard_error(gain):
            path, present = new, other
    return {
        "path": torch.tensor(path),
        "paths": torch.tensor(list(found)),
        "regret": torch.from_numpy(regrets(list(found.values()))),
    }
