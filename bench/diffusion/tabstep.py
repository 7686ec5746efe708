"""Our own diffusion: TabDDPM's process on a representation that few steps can draw."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tabstep.data.atoms import AtomRule
from tabstep.data.encode import Encoder
from tabstep.data.table import Schema
from tabstep.diffusion.tabddpm import TabDDPM


@dataclass(frozen=True)
class TabStep(TabDDPM):
    """TabDDPM with the point masses of number columns as categories (see `data.atoms`).

    atom_share  of the training rows that a value must hold to be a category; 1 leaves only constant columns, which no
                method sees, so that it is TabDDPM
    end_share   the same for the smallest and the largest value of a column
    """

    atom_share: float = 0.05
    end_share: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rule  # noqa: B018  a share out of range is refused before any work

    @property
    def rule(self) -> AtomRule:
        """Which values are categories."""
        return AtomRule(self.atom_share, self.end_share)

    def encoder(self, train: pd.DataFrame, schema: Schema) -> Encoder:
        """Point masses apart, the rest as TabDDPM encodes it."""
        return Encoder.fit(
            train, schema, normalization=self.normalization, rounding=self.rounding, atoms=self.rule
        )
