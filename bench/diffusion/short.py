"""TabDDPM trained for early-stopped paths alone."""

from __future__ import annotations

from dataclasses import dataclass

from tabstep.diffusion.tabddpm import TabDDPM


@dataclass(frozen=True)
class ShortTabDDPM(TabDDPM):
    """TabDDPM trained on times up to `stop` T only, for paths that begin at another generator's rows (Lyu et al. 2022).

    All of the network is spent on those times. Its last time is that of its schedule, so the share of the categorical
    loss and the `stop` of a sampler count from there; samplers that begin in noise cannot use it.
    """

    stop: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.stop <= 1:
            raise ValueError(f"stop must be in (0, 1], got {self.stop}")

    @property
    def last(self) -> int:
        return max(1, round(self.stop * self.T))
