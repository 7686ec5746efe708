"""UniPC of order 2 on mixed tables: a predictor whose evaluation also corrects, categories that stay or jump."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Setting, Steps


@dataclass(frozen=True)
class UniPC:
    """Unified predictor-corrector UniPC-2 with B2(h) in data prediction (Zhao et al. 2023), one evaluation a step.

    The evaluation at the predicted row corrects it and then serves the next step, so that K steps still cost K.
    Classes drawn beside the predicted numbers are kept when these are corrected.

    clip_x0  clamp predicted clean numbers to the training range
    """

    clip_x0: bool = True
    grid: ClassVar[str] = "trailing"

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Nothing to prepare."""
        process = setting.process
        half_log_snr = process.schedule.half_log_snr.tolist()
        alpha_bar = process.schedule.at

        def draw(noise: Noise, y: Tensor | None) -> State:
            x, c, _ = process.prior(noise, y)  # x: the corrected numbers at t
            x0_hat, scores, _ = process.predict(State(x, c, y), path[0], clip_x0=self.clip_x0)
            before: tuple[float, Tensor] | None = None
            for t, s in pairwise(path):
                c = process.stay_or_jump(scores, c, t, s, noise)
                if s == 0:  # infinitely long: first order, nothing to correct with
                    return State(x0_hat, c, y)
                h = half_log_snr[s] - half_log_snr[t]
                B = math.expm1(-h)
                a_s = math.sqrt(alpha_bar(s))
                base = math.sqrt((1 - alpha_bar(s)) / (1 - alpha_bar(t))) * x - a_s * B * x0_hat
                slope, on_slope, on_change = None, 0.0, 0.5
                predicted = base
                if before is not None:
                    r = (before[0] - half_log_snr[t]) / h
                    slope = (before[1] - x0_hat) / r
                    predicted = base - a_s * B / 2 * slope
                    on_slope, on_change = corrector_weights(h, r)
                following, scores, _ = process.predict(State(predicted, c, y), s, clip_x0=self.clip_x0)
                change = on_change * (following - x0_hat)
                x = base - a_s * B * (change if slope is None else change + on_slope * slope)
                before = (half_log_snr[t], x0_hat)
                x0_hat = following
            raise AssertionError("a path ends at 0")

        return draw


def corrector_weights(h: float, r: float) -> tuple[float, float]:
    """Weights of the slope from the last prediction, at relative place r < 0, and of the change to the next one.

    They solve [[1, 1], [r, 1]] rho = b, with which the corrector is exact for predictions that are quadratic in the
    half log SNR (Zhao et al. 2023, eq. 9 with B2).
    """
    B = math.expm1(-h)
    phi = -B / h - 1
    b1 = phi / B
    b2 = 2 * (-phi / h - 0.5) / B
    on_slope = (b1 - b2) / (1 - r)
    return on_slope, b1 - on_slope
