"""CTGAN on normal scores, through sdv."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from tabstep.baselines import sdv_adapter
from tabstep.baselines.ctgan import CTGAN
from tabstep.data.table import Schema


@dataclass(frozen=True)
class CopulaGAN(CTGAN):
    """CTGAN on numbers made normal by a fitted distribution (Patki et al. 2016, Xu et al. 2019), through sdv.

    Settings and search space are those of CTGAN; the distribution is sdv's default.
    """

    default_distribution: Literal["norm", "beta", "truncnorm", "uniform", "gamma", "gaussian_kde"] = "beta"

    def fit(
        self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu"
    ) -> sdv_adapter.Fitted:
        """Fit distributions, then train; raises Unsupported without sdv (see `sdv_adapter.fit`)."""
        return sdv_adapter.fit("CopulaGANSynthesizer", asdict(self), train, schema, seed=seed, device=device)
