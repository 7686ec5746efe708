"""How drawn rows came to meet what was asked of them, and how well: for attributes of a frame, lines, warnings."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

NAME = "conditions"  # of the attribute of a frame that says it
POOR = 5.0  # even particles, below which rows follow their condition roughly
COSTLY = 0.02  # share of drawn rows that is kept, below which the cost is told


class PoorlyMet(UserWarning):
    """Rows that follow a condition roughly, or at a great cost."""


@dataclass(frozen=True)
class How:
    """What came of conditions.

    by_label      those that the network is conditioned on: exact, at no cost
    by_choice     those that rows were drawn for and kept or thrown away: exact for the sampler
    drawn, kept   how many rows were drawn for those, and met them; a few more than there are at the end
    by_particles  those that particles were weighted for: the better the more of them are worth something
    effective     how many of them that was in the mean, where it was least on the way to a row
    """

    by_label: tuple[str, ...] = ()
    by_choice: tuple[str, ...] = ()
    drawn: int = 0
    kept: int = 0
    by_particles: tuple[str, ...] = ()
    particles: int = 0
    effective: float | None = None

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def lines(self) -> list[str]:
        """In words, a line for each way."""
        found = []
        if self.by_label:
            found.append(f"{_listed(self.by_label)}: exact, by the label that the network is conditioned on")
        if self.by_choice and self.drawn:
            share = f"{self.kept:,} of {self.drawn:,} drawn rows were kept"
            found.append(
                f"{_listed(self.by_choice)}: exact for the sampler, {share} ({self.kept / self.drawn:.2%})"
            )
        if self.effective is not None:
            found.append(
                f"{_listed(self.by_particles)}: approximate, by {self.particles} particles a row, "
                f"worth {self.effective:.1f} even ones where that was least"
            )
        return found

    def warn(self, stacklevel: int) -> None:
        """Warn of what is poor."""
        if self.effective is not None and self.effective < POOR:
            warnings.warn(
                f"rows follow {_listed(self.by_particles)} roughly: their {self.particles} particles were worth "
                f"{self.effective:.1f} even ones; fix fewer columns, or take more particles",
                PoorlyMet,
                stacklevel=stacklevel + 1,
            )
        if self.drawn > 0 and self.kept < COSTLY * self.drawn and self.effective is None:
            warnings.warn(
                f"{self.kept:,} of {self.drawn:,} drawn rows met {_listed(self.by_choice)}: exact, but "
                f"{self.drawn / max(1, self.kept):,.0f} times the work of rows without it",
                PoorlyMet,
                stacklevel=stacklevel + 1,
            )


def _listed(said: Sequence[str]) -> str:
    return " and ".join(said)
