"""Steps that draw classes together: columns that depend on each other share a component of a mixture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from tabstep.diffusion import mixture
from tabstep.diffusion.mixed import Denoiser, Draw, Process, State
from tabstep.diffusion.mixture import Mixture
from tabstep.diffusion.noise import Noise
from tabstep.samplers.setting import Sampler, Setting, Steps
from tabstep.samplers.start import Products

LEAST = 1e-30  # of a probability, so that its logarithm is finite


@dataclass(frozen=True)
class Tied:
    """A sampler whose steps draw dependent classes.

    A network says of each column what its clean class may be, and a step draws the columns one by one, as if they did
    not hang on each other: the error of few steps that no solver mends. A mixture of such products does depend, and
    Di4C (Hayakawa et al. 2024) teaches a network to be one. Here the mixture is at hand: that of the training rows,
    fitted by EM in seconds. Given a noised row each component has a weight; one is drawn, and what the network says of
    each column is multiplied by how much likelier a class is by this component than by all of them. In the mean over
    components that changes nothing of a column, but all columns of a row see the same one. Where the mixture is the
    law of the rows, a single step is exact.

    update  what walks; its numbers are its own
    start   the mixture
    """

    update: Sampler
    start: Products = field(default_factory=Products)

    @property
    def grid(self) -> str:
        return self.update.grid

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Fit the mixture, or find it fitted. Raises `Unsupported` without it and without training rows."""
        if not setting.process.blocks.sizes:
            return self.update.prepare(setting, path)
        components = self.start.components(setting)

        def draw(noise: Noise, y: Tensor | None) -> State:
            tied = together(setting.process, components, noise.apart(noise.d_num))
            process = replace(setting.process, denoiser=tied)
            return self.update.prepare(replace(setting, process=process), path)(noise, y)

        return draw


def together(process: Process, components: Mixture, noise: Noise) -> Denoiser:
    """The denoiser of a process whose scores at each call are those given one component, which this noise draws.

    components  of numbers and categories, and of the label, as the last category, where rows have one
    """

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        numbers, scores = process.denoiser(x, c, t, y)
        told = leaning(components, process, State(x, c, y), int(t), noise.choice())
        return numbers, scores + told.to(scores)

    return denoiser


def leaning(m: Mixture, process: Process, rows: State, t: int, u: Tensor) -> Tensor:
    """How much likelier each clean class is by one component than by the mixture, (n, sum K) logarithms.

    rows  noised to time t; u (n, 1) uniform numbers, which draw the component given its row
    """
    sizes, a = process.blocks.sizes, process.schedule.at(t)
    now = mixture.noised(m, a, clean=len(m.sizes) - len(sizes))
    log_r = mixture.evidence(now, rows.x, mixture.classes(rows)).log_softmax(1)  # (n, Z)
    z = mixture.component(log_r, u)
    told = []
    for i in range(len(sizes)):
        clean, seen = m.tables[i].exp(), now.tables[i][:, rows.c[:, i]].T  # (Z, K); log q(c_t | z) (n, Z)
        # p(c_0 = k | row, z) is clean[z, k] q(c_t | k) / q(c_t | z), and q(c_t | k) is in both
        by_all = (log_r - seen).exp() @ clean
        by_one = clean[z] / seen.gather(1, z.unsqueeze(1)).exp()
        told.append(by_one.clamp(min=LEAST).log() - by_all.clamp(min=LEAST).log())
    return torch.cat(told, 1)
