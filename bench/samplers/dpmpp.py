"""DPM-Solver++(2M) on mixed tables: a second-order multistep for numbers, categories that stay or jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.nelbo import Variance
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Setting, Steps


@dataclass(frozen=True)
class DPMSolverPP:
    """Second-order multistep solver in data prediction, DPM-Solver++(2M) (Lu et al. 2022), one evaluation a step.

    sde      solve the reverse stochastic equation instead of the deterministic one
    clip_x0  clamp predicted clean numbers to the training range
    """

    sde: bool = False
    clip_x0: bool = True
    grid: ClassVar[str] = "trailing"

    @property
    def variance(self) -> Variance | None:
        """By which grids price it, where it draws noise. Its own is the small one, whose bound is no guide."""
        return "analytic" if self.sde else None

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Nothing to prepare."""
        process = setting.process
        half_log_snr = process.schedule.half_log_snr.tolist()
        alpha_bar = process.schedule.at

        def draw(noise: Noise, y: Tensor | None) -> State:
            state = process.prior(noise, y)
            before: tuple[float, Tensor] | None = None  # half log SNR and prediction of the last step
            for t, s in pairwise(path):
                x0_hat, scores, _ = process.predict(state, t, clip_x0=self.clip_x0)
                x = x0_hat  # the step to 0 has infinite length: first order, no noise
                if s > 0:
                    h = half_log_snr[s] - half_log_snr[t]
                    clean = x0_hat
                    if before is not None:
                        r = (half_log_snr[t] - before[0]) / h
                        clean = x0_hat + (x0_hat - before[1]) / (2 * r)
                    shrink = math.sqrt((1 - alpha_bar(s)) / (1 - alpha_bar(t)))
                    if self.sde:
                        kept = -math.expm1(-2 * h)
                        x = (
                            shrink * math.exp(-h) * state.x
                            + math.sqrt(alpha_bar(s)) * kept * clean
                            + math.sqrt((1 - alpha_bar(s)) * kept) * noise.normal()
                        )
                    else:
                        x = shrink * state.x - math.sqrt(alpha_bar(s)) * math.expm1(-h) * clean
                    before = (half_log_snr[t], x0_hat)
                state = State(x, process.stay_or_jump(scores, state.c, t, s, noise), y)
            return state

        return draw
