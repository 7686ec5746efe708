"""Strided ancestral sampling, the sampler of DDPM and of TabDDPM, with five reverse variances."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor

from tabstep.contracts import Unsupported
from tabstep.diffusion import gaussian
from tabstep.diffusion.mixed import Draw, State
from tabstep.diffusion.nelbo import Variance, passes, step_variance
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Setting, Steps


@dataclass(frozen=True)
class Ancestral:
    """Posterior steps with fresh noise (Ho et al. 2020; Austin et al. 2021); exact categories given the head.

    variance  "large" is beta_{t|s}, the reference's; "small" the posterior variance. "analytic" adds the error of the
              prediction, measured by column on held-out rows, so that it also holds what the network does not know.
              "score" is that of the paper (Bao et al. 2022): the variance of x_0 given x_t by the size of the predicted
              noise, one number for all columns, at most that of two points at the ends of a column. For a perfect
              network and columns that are alike both are the same; near T "score" is a small difference of large
              numbers and needs many rows. "learned" is the network's own (Nichol & Dhariwal 2021)
    clip_x0   clamp predicted clean numbers to the training range; the reference does not
    """

    variance: Variance = "large"
    clip_x0: bool = True
    grid: ClassVar[str] = "trailing"

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Nothing to prepare, but for "analytic" and "score": one network call on held-out rows for every step."""
        process = setting.process
        alpha_bar = process.schedule.at
        if self.variance == "learned" and not process.learned_variance:
            raise Unsupported("learned variances need a network that predicts them, such as iddpm")
        moments: dict[int, Tensor] = {}
        if self.variance in ("analytic", "score") and process.d_num and len(path) > 2:
            held = setting.rows()
            for out in passes(process, held, path[:-2], clip_x0=self.clip_x0, seed=setting.seed):
                moments[out.t] = out.moment_of(self.variance).to(held.x)

        def draw(noise: Noise, y: Tensor | None) -> State:
            state = process.prior(noise, y)
            for t, s in pairwise(path):
                x0_hat, scores, fraction = process.predict(state, t, clip_x0=self.clip_x0)
                x = x0_hat
                if s > 0:  # the last step is noiseless
                    p = gaussian.posterior(alpha_bar(t), alpha_bar(s))
                    moment = moments.get(t, process.x_min)
                    var = step_variance(process, p, self.variance, moment, fraction)
                    x = p.on_x0 * x0_hat + p.on_xt * state.x + var**0.5 * noise.normal()
                state = State(x, process.posterior_classes(scores, state.c, t, s, noise), y)
            return state

        return draw
