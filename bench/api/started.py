"""Which sampler draws at a few evaluations where none is named: by how good the rows are that its paths begin at.

The default begins at noised rows of a mixture, late in noise, and adds noise on the way. Where trees tell the rows of
the mixture from real ones easily, there is more to mend than a few such steps do: there a solver of second order begins
earlier in noise, and goes straight. See the study of few steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tabstep.registry import DEFAULT_SAMPLER, EARLIER_SAMPLER, FEW_EVALUATIONS, POOR_START
from tabstep.samplers.judged import FOLDS, LEAST_ROWS, areas_under_curve, coded, schema, written
from tabstep.samplers.setting import Setting
from tabstep.samplers.start import Products

ALONE = "mixture-alone"  # the artifact that says how well the rows of the mixture are told
ROWS = 2048  # of a mixture, and as many training rows


def best(setting: Setting, steps: Any) -> str:
    """The sampler for a number of evaluations, measured once; the default where it makes no difference, or nothing can
    be measured. What is no number is refused where rows are drawn."""
    if not isinstance(steps, Real) or steps not in FEW_EVALUATIONS:
        return DEFAULT_SAMPLER
    measure(setting)
    found = setting.artifacts.held(ALONE)
    return EARLIER_SAMPLER if found is not None and float(found["area"]) > POOR_START else DEFAULT_SAMPLER


@torch.no_grad()
def measure(setting: Setting) -> None:
    """Keep how well rows of the fitted mixture are told, once; with few training rows, or none at hand, nothing is."""
    if setting.held is None or len(setting.held.x) < LEAST_ROWS:
        return

    def told() -> dict[str, Tensor]:
        process, held = setting.process, setting.rows(ROWS)
        noise = process.noise(setting.seed, 0, len(held.x)).apart(process.d_num)  # not that of any draw
        drawn = Products().fit(setting)(noise, held.y)
        columns = coded(written(setting, drawn), written(setting, held), schema(setting))
        areas = areas_under_curve(*columns, np.arange(len(held.x)) % FOLDS)
        return {"area": torch.tensor(np.mean(areas), dtype=torch.float64)}

    setting.artifacts.tensors(ALONE, told)


def check(found: Mapping[str, Tensor]) -> None:
    """Raises ValueError where tensors are no such artifact."""
    area = found.get("area", torch.tensor(torch.nan))
    if {*found} != {"area"} or area.dim() or area.dtype != torch.float64 or not 0 <= float(area) <= 1:
        raise ValueError("rows of a mixture that are told by no share of pairs")
