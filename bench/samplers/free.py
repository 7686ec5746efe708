"""A first step that costs no evaluation: at the noise end the answer of the network is known without it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tabstep.diffusion.mixed import Draw
from tabstep.samplers.early_stop import started
from tabstep.samplers.setting import Grid, Sampler, Setting, Steps, checked
from tabstep.samplers.start import Moments, Start


@dataclass(frozen=True)
class FreeFirst:
    """The step away from T drawn from what training rows say of it, and K evaluations for the steps after it.

    At T rows are noise: the best prediction of a number is its mean given the label, that of a class its frequency
    given the label, and a network can only be worse. What the step draws is known better still. By the moments of the
    training rows of a label y the numbers at a time t are about

        N(sqrt(abar_t) mean_y, abar_t Cov_y + (1 - abar_t) I)

    and classes have their noised frequencies: exact where numbers are normal and classes independent of all else, and
    everywhere in means, covariances and single classes.

    update  the sampler that walks on
    start   the generator whose noised rows stand in for the law of the rows there
    """

    update: Sampler
    start: Start = field(default_factory=Moments)

    @property
    def grid(self) -> str:
        return self.update.grid

    def path(self, setting: Setting, grid: Grid, K: int) -> Steps:
        """The path of one evaluation more, without its first time; all times where there is none to spare."""
        seen = setting.seen_by(self.update)
        return grid(seen, K) if K == setting.T else checked(grid(seen, K + 1), setting.T, K + 1)[1:]

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Take the moments of the training rows, and prepare the update for a path that begins at their noised rows."""
        return started(self.update, self.start, setting, path)
