"""The timestep grid of least price on held-out rows, by dynamic programming on a fitted network."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tabstep.contracts import Unsupported
from tabstep.diffusion import flow, nelbo, schedule_search
from tabstep.diffusion.nelbo import Variance
from tabstep.samplers.setting import Setting, Steps, whole_steps

VERSION = 2  # raise when the same model and rows give another table; 2: the last step has the price of its own variance

PRICED_AS: dict[Variance, Variance] = {"small": "large"}
"""Variances whose own bound is no guide. With the smallest variance the last step's decoder is next to a point, the
bound is nearly all its price, and the search spends every step near the rows; nor does that bound fall with K."""


@dataclass(frozen=True)
class DP:
    """Times of least NELBO on held-out rows (Watson et al. 2021), for the sampler's own variance; one search, all K.

    The smallest variance is searched for as the largest (`PRICED_AS`). A solver, which has no variance, pays the bound
    for classes, and for numbers what its steps lose (`flow.errors`). That is in nats too: after K steps, each off by
    the part e_k of a deviation, a normal column is (sum e_k)^2 <= K sum e_k^2 nats from the right one, to second order.

    candidates   times to choose from, evenly spaced, always with 1 and T; 0 takes all of them
    weight_num, weight_cat   of the numeric and of the categorical nats
    rows         held-out rows to measure on
    """

    candidates: int = 200
    weight_num: float = 1.0
    weight_cat: float = 1.0
    rows: int = 512

    def __call__(self, setting: Setting, K: int) -> Steps:
        """Build the table, or read it, and walk back from (K, T). Raises `Unsupported` without held-out rows."""
        T = setting.T
        K = whole_steps(K, T)
        if K in (1, T):
            return (T, 0) if K == 1 else tuple(range(T, -1, -1))  # nothing to choose
        if setting.variance == "learned" and not setting.process.learned_variance:
            raise Unsupported("learned variances need a network that predicts them, such as iddpm")
        times = self.times(T, K)
        numeric, categorical = self.table(setting, times)
        if setting.solver:
            numeric = K * self.errors(setting, times)
        cost = self.weight_num * numeric + self.weight_cat * categorical
        nodes = schedule_search.shortest(cost, K).path(K)
        return tuple(times[i] for i in nodes)

    def times(self, T: int, K: int) -> list[int]:
        """0, then candidates up to T; a budget of more than half of them is given a finer choice."""
        wanted = T if self.candidates == 0 else max(self.candidates, 2 * K)
        if wanted >= T:
            return list(range(T + 1))
        stride = T // wanted
        return sorted({0, 1, *range(stride, T, stride), T})

    def table(self, setting: Setting, times: list[int]) -> nelbo.Parts:
        """L(s, t) over the candidates, once per fitted model."""
        variance = PRICED_AS.get(setting.variance, setting.variance)

        def make() -> dict[str, torch.Tensor]:
            parts = nelbo.table(
                setting.process,
                setting.rows(self.rows),
                times,
                variance,
                clip_x0=setting.clip_x0,
                seed=setting.seed,
            )
            return parts._asdict()

        name = f"nelbo-v{VERSION}-{variance}-{self._measured(setting, times)}"
        found = setting.artifacts.tensors(name, make)
        return nelbo.Parts(found["numeric"], found["categorical"])

    def errors(self, setting: Setting, times: list[int]) -> torch.Tensor:
        """What steps of a solver lose of the numbers, over the candidates, once per fitted model."""

        def make() -> dict[str, torch.Tensor]:
            rows = setting.rows(self.rows)
            return {
                "errors": flow.errors(
                    setting.process, rows, times, clip_x0=setting.clip_x0, seed=setting.seed
                )
            }

        return setting.artifacts.tensors(f"flow-{self._measured(setting, times)}", make)["errors"]

    def _measured(self, setting: Setting, times: list[int]) -> str:
        clip = "clipped" if setting.clip_x0 else "unclipped"
        return f"{clip}-{len(times) - 1}-of-{setting.T}-{self.rows}-{setting.seed}"
