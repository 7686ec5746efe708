"""DDIM on mixed tables: deterministic numbers, categories that stay or jump."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Setting, Steps


@dataclass(frozen=True)
class DDIM:
    """Non-Markovian steps (Song et al. 2021), with the multinomial family of their appendix A.

    eta      0 deterministic numbers, 1 the small-variance DDPM posterior
    eta_cat  0 keeps a class as often as the family allows, 1 never keeps it on purpose
    clip_x0  clamp predicted clean numbers to the training range
    """

    eta: float = 0.0
    eta_cat: float = 0.0
    clip_x0: bool = True
    grid: ClassVar[str] = "trailing"

    def __post_init__(self) -> None:
        for name in ("eta", "eta_cat"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Nothing to prepare: one evaluation for every step of the path."""
        process = setting.process
        alpha_bar = process.schedule.at

        def draw(noise: Noise, y: Tensor | None) -> State:
            state = process.prior(noise, y)
            for t, s in pairwise(path):
                x0_hat, scores, _ = process.predict(state, t, clip_x0=self.clip_x0)
                z = noise.normal() if self.eta > 0 and s > 0 else None
                x = gaussian.ddim_step(state.x, x0_hat, alpha_bar(t), alpha_bar(s), z, eta=self.eta)
                c = process.stay_or_jump(scores, state.c, t, s, noise, eta=self.eta_cat)
                state = State(x, c, y)
            return state

        return draw
