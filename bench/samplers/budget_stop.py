"""Early-stopped paths whose begin hangs on the budget: measured, by the rows after all K evaluations, or known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tabstep.diffusion.mixed import Draw
from tabstep.samplers.early_stop import started
from tabstep.samplers.judged import LEAST_ROWS, Judge, regrets, standard_error
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest, name_of, path_from
from tabstep.samplers.start import Start

PRIOR = {1: 0.05, 2: 0.1, 5: 0.25, 10: 0.4}
"""T'/T by evaluations, from sweeps on five tables; elsewhere it is linear in the logarithm."""

SOLVED = {1: 0.1, 2: 0.2, 3: 0.4, 5: 0.5, 10: 0.6}
"""The same for solvers of second order without noise, chosen at 2 to 10 evaluations by held rows of seven tables."""

RATIOS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # to the prior, of the begins to choose from; none is after T

VERSION = 6  # raise when the same model, rows and start give another begin; 6: by larger trees


@dataclass(frozen=True)
class KnownStop:
    """ES-DDPM (Lyu et al. 2022) with T' by the number of evaluations alone, from `prior`: nothing is measured.

    update, start  as of `BudgetStop`
    """

    update: Sampler
    start: Start
    prior: ClassVar[Mapping[int, float]] = PRIOR

    @property
    def grid(self) -> str:
        return self.update.grid

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """From T' to 0."""
        return path_from(begin_at(prior_share(K, self.prior), setting.T, K), self.update, grid, setting, K)

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Fit the start, and prepare the update for the path from T' = path[0]."""
        return started(self.update, self.start, setting, path)


@dataclass(frozen=True)
class SolvedStop(KnownStop):
    """The same for a solver of second order without noise: it begins earlier in noise, by `SOLVED`, and its steps
    shorten towards the rows."""

    prior: ClassVar[Mapping[int, float]] = SOLVED

    @property
    def grid(self) -> str:
        return "quad"


@dataclass(frozen=True)
class BudgetStop:
    """ES-DDPM (Lyu et al. 2022) with T' chosen for the budget, by held rows or by the prior where there are none.

    update  the sampler that walks from T' to 0
    start   the generator; its fit and the choice of T' are part of preparing, its draws are part of sampling

    The more evaluations there are, the earlier in noise they pay to begin, and the later the better the start is.
    """

    update: Sampler
    start: Start

    @property
    def grid(self) -> str:
        return self.update.grid

    def horizon(self, setting: Setting, grid: Grid, K: int) -> int:
        """T' for K evaluations on a grid."""
        if setting.held is None or len(setting.held.x) < LEAST_ROWS or K == setting.T:
            return begin_at(prior_share(K), setting.T, K)
        self.start.fit(setting)  # not inside the choice, whose price is its own
        what = f"{digest(self.update)}-{digest(self.start)}-{name_of(grid)}"
        name = f"begin-v{VERSION}-{what}-{K}-{setting.T}-{setting.seed}"
        found = setting.artifacts.tensors(name, lambda: choose_begin(self, setting, grid, K))
        return int(found["horizon"])

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """From T' to 0."""
        return path_from(self.horizon(setting, grid, K), self.update, grid, setting, K)

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Fit the start, and prepare the update for the path from T' = path[0]."""
        return started(self.update, self.start, setting, path)


def prior_share(K: int, prior: Mapping[int, float] = PRIOR) -> float:
    """T'/T for K evaluations where nothing is measured, at most 1."""
    logs, shares = [math.log(k) for k in prior], [*prior.values()]
    slope = (shares[-1] - shares[-2]) / (logs[-1] - logs[-2])
    beyond = max(0.0, math.log(K) - logs[-1])
    return min(1.0, float(np.interp(math.log(K), logs, shares)) + slope * beyond)


def begin_at(share: float, T: int, K: int) -> int:
    """The time nearest to this part of T that leaves room for K evaluations."""
    return min(T, max(K, round(share * T)))


def choose_begin(sampler: BudgetStop, setting: Setting, grid: Grid, K: int) -> Mapping[str, Tensor]:
    """The begin of least regret over the scores of `judged`, and of those as good as it the nearest to the prior.

    As good is what is within one standard error of the difference. Returns `horizon` (), `times` (m,) and the `regret`
    in margins (m, FOLDS), each with one fold left out.
    """
    judge, T = Judge(setting), setting.T
    times = sorted({begin_at(ratio * prior_share(K), T, K) for ratio in RATIOS})
    paths = [grid(setting.until(t).seen_by(sampler.update), K) for t in times]
    regret = regrets([judge(sampler, path) for path in paths])
    return {
        "horizon": torch.tensor(times[nearest_of_the_best(regret, times, begin_at(prior_share(K), T, K))]),
        "times": torch.tensor(times),
        "regret": torch.from_numpy(regret),
    }


def nearest_of_the_best(regret: np.ndarray, times: list[int], prior: int) -> int:
    """Index of the time nearest to the prior, by ratio, of those whose regret (m, FOLDS) is not above the least.

    Not above: by less than one standard error of the difference to it.
    """
    worse = regret - regret[regret.mean(1).argmin()]
    good = np.flatnonzero(worse.mean(1) <= standard_error(worse))
    return int(min(good, key=lambda i: abs(math.log(times[i] / prior))))
