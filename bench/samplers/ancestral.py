"""Strided ancestral sampling, the sampler of DDPM and of TabDDPM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Draw, Process, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.grid import Path


@dataclass(frozen=True)
class Ancestral:
    """Posterior steps with fresh noise (Ho et al. 2020; Austin et al. 2021); exact categories given the head.

    variance  "large" is beta_{t|s}, the reference's; "small" the posterior variance
    clip_x0   clamp predicted clean numbers to the training range; the reference does not
    """

    variance: Literal["large", "small"] = "large"
    clip_x0: bool = True
    grid: ClassVar[str] = "trailing"

    def prepare(self, process: Process, path: Path, train: State, *, seed: int) -> Draw:
        """Nothing to prepare: one evaluation for every step of the path."""
        alpha_bar = process.schedule.at

        def draw(noise: Noise, y: Tensor | None) -> State:
            state = process.prior(noise, y)
            for t, s in pairwise(path):
                x0_hat, log_pi = process.predict(state, t, clip_x0=self.clip_x0)
                x = x0_hat
                if s > 0:  # the last step is noiseless
                    p = gaussian.posterior(alpha_bar(t), alpha_bar(s))
                    var = p.large if self.variance == "large" else p.small
                    x = p.on_x0 * x0_hat + p.on_xt * state.x + math.sqrt(var) * noise.normal()
                state = State(x, process.posterior_classes(log_pi, state.c, t, s, noise), y)
            return state

        return draw
