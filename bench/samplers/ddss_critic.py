"""DDSS that goes on learning: its coefficients moved by a critic, which sees what a booster sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tabstep.diffusion.mixed import Draw
from tabstep.samplers import ggdm
from tabstep.samplers.by_critic import ByCritic
from tabstep.samplers.ddss import DDSS, drawing
from tabstep.samplers.setting import Setting, Steps, digest

VERSION = 1  # raise when the same model, rows and coefficients give others


@dataclass(frozen=True)
class CriticDDSS:
    """The coefficients of DDSS (Watson et al. 2022), learned further by a critic and the distance together.

    plain  how coefficients are learned before; DDIM's, these and what the descent comes by are judged by held rows,
           and DDIM's stay where none of the others is better
    by     the search
    """

    plain: DDSS = field(default_factory=DDSS)
    by: ByCritic = field(default_factory=ByCritic)
    grid: ClassVar[str] = "trailing"

    def prepare(self, setting: Setting, path: Steps) -> Draw:
        """Learn the coefficients of this path, or read them; raises as `DDSS` does."""
        process, plain = setting.process, self.plain
        begin = plain.coefficients(setting, path)  # not inside the search, whose price is its own
        self.by.prepare(setting)
        K = len(path) - 1
        found = setting.artifacts.tensors(
            f"ddss-critic-{K}-{digest(_Key(self, path, setting.seed))}",
            lambda: self.by.search(
                setting,
                [ggdm.ddim_offsets(K), begin],
                lambda offsets, noise, y: plain.rows(process, path, offsets, noise, y),
                learned=[name for part in plain.learn for name in ggdm.PARTS[part]],
                project=ggdm.project,
            ),
        )
        offsets = {name: found[name].to(process.x_min.device) for name in begin}
        return drawing(process, lambda noise, y: plain.rows(process, path, offsets, noise, y))


@dataclass(frozen=True)
class _Key:
    """What determines the coefficients of one fitted model."""

    settings: CriticDDSS
    path: Steps
    seed: int
    version: int = VERSION
