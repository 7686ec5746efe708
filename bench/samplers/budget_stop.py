"""Early-stopped paths whose begin is chosen for the budget: a classifier looks at the rows after all K evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tabstep.diffusion.mixed import Draw, State
from tabstep.samplers.early_stop import started
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, digest, name_of, path_from
from tabstep.samplers.start import Start

PRIOR = {1: 0.1, 2: 0.25, 5: 0.4, 10: 0.55}
"""T'/T by evaluations, from sweeps on two tables; between them, and beyond, it is linear in the logarithm."""

RATIOS = (0.25, 0.5, 1.0, 1.5, 2.5, 4.0)  # to the prior, of the begins to choose from; none is after T
HELD_ROWS = 4096
LEAST_ROWS = 200  # below, what a classifier finds is noise
FOLDS = 5


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
        name = f"begin-{what}-{K}-{setting.T}-{setting.seed}"
        found = setting.artifacts.tensors(name, lambda: choose_begin(self, setting, grid, K))
        return int(found["horizon"])

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """From T' to 0."""
        return path_from(self.horizon(setting, grid, K), self.update, grid, setting, K)

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Fit the start, and prepare the update for the path from T' = path[0]."""
        return started(self.update, self.start, setting, path)


def prior_share(K: int) -> float:
    """T'/T for K evaluations where nothing can be measured."""
    known = [math.log(k) for k in PRIOR]
    shares = [*PRIOR.values()]
    slope = (shares[-1] - shares[-2]) / (known[-1] - known[-2])
    beyond = max(0.0, math.log(K) - known[-1])
    return min(1.0, float(np.interp(math.log(K), known, shares)) + slope * beyond)


def begin_at(share: float, T: int, K: int) -> int:
    """The time nearest to this part of T that leaves room for K evaluations."""
    return min(T, max(K, round(share * T)))


@torch.no_grad()
def choose_begin(sampler: BudgetStop, setting: Setting, grid: Grid, K: int) -> Mapping[str, Tensor]:
    """The begin of which rows are told from held ones least, and nearest to the prior among those as good as it.

    Drawn with the labels of the held rows and with one noise for all begins, so that they are compared in pairs; as
    they are written, with whole numbers rounded, which hides much of what an encoded row shows. As good is what is
    within one standard error of the difference, over folds. Returns `horizon` (), `times` (m,) and the
    `areas` under the curve (m, FOLDS).
    """
    held = setting.rows(HELD_ROWS)
    T = setting.T
    times = sorted({begin_at(ratio * prior_share(K), T, K) for ratio in RATIOS})
    like = setting.process.noise(setting.seed, 0, len(held.x))
    areas = []
    for t in times:
        noise = like.apart(setting.process.d_num)  # from its beginning, and not that of any draw
        rows = sampler.prepare(setting, grid(setting.until(t).seen_by(sampler.update), K))(noise, held.y)
        areas.append(areas_under_curve(as_written(setting, rows), held))
    found = np.array(areas)
    return {
        "horizon": torch.tensor(times[nearest_of_the_best(found, times, begin_at(prior_share(K), T, K))]),
        "times": torch.tensor(times),
        "areas": torch.from_numpy(found),
    }


def as_written(setting: Setting, rows: State) -> State:
    """Encoded rows after a way to the table and back; as they are where no table is known."""
    if setting.table is None:
        return rows
    encoder = setting.table.encoder
    return State(*encoder.encode(encoder.decode(*rows)))


def nearest_of_the_best(areas: np.ndarray, times: list[int], prior: int) -> int:
    """Index of the time nearest to the prior, by ratio, of those whose areas (m, folds) are not above the least ones.

    Not above: by less than one standard error of the mean difference in pairs of folds.
    """
    best = int(areas.mean(1).argmin())
    worse = areas - areas[best]
    error = worse.std(1, ddof=1) / math.sqrt(areas.shape[1])
    good = np.flatnonzero(worse.mean(1) <= error)
    return int(min(good, key=lambda i: abs(math.log(times[i] / prior))))


def areas_under_curve(drawn: State, held: State) -> list[float]:
    """How well boosted trees tell as many drawn rows from held ones, by fold: 0.5 is not at all."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    x = np.concatenate([points(drawn), points(held)])
    n = len(held.x)
    label = np.repeat([1, 0], n)
    fold = np.tile(np.arange(n) % FOLDS, 2)  # a drawn row and the held one with its label stay together
    areas = []
    for k in range(FOLDS):
        rest = fold != k
        trees = HistGradientBoostingClassifier(
            max_iter=50, max_leaf_nodes=15, early_stopping=False, random_state=0
        ).fit(x[rest], label[rest])
        areas.append(float(roc_auc_score(label[~rest], trees.predict_proba(x[~rest])[:, 1])))
    return areas


def points(rows: State) -> np.ndarray:
    """Encoded rows as features: numbers, classes by their index, and the label."""
    y = [] if rows.y is None else [rows.y.unsqueeze(1)]
    return torch.cat([part.double() for part in (rows.x, rows.c, *y)], 1).cpu().numpy()
