"""A sampler whose network speaks more or less surely of the classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from tabstep.diffusion.mixed import Draw
from tabstep.diffusion.nelbo import Variance
from tabstep.samplers.setting import Sampler, Setting, Steps


@dataclass(frozen=True)
class Tempered:
    """The categorical head to the power 1/temperature, normalised: below 1 the likely classes gain, above 1 they lose.

    The numbers do not see it. At 1 this is `update` itself.
    """

    update: Sampler
    temperature: float

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}")

    @property
    def grid(self) -> str:
        return self.update.grid

    @property
    def clip_x0(self) -> bool:
        return bool(getattr(self.update, "clip_x0", True))

    @property
    def variance(self) -> Variance | None:
        """That of the update, where it has one."""
        variance: Variance | None = getattr(self.update, "variance", None)
        return variance

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """As the update does, with the tempered network."""
        process = setting.process

        def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
            numeric, scores = process.denoiser(x, c, t, y)
            return numeric, scores / self.temperature

        return self.update.prepare(replace(setting, process=replace(process, denoiser=denoiser)), path)
