"""Everything that can be named on the command line: one line adds a competitor, a sampler or a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tabstep.baselines.copula import GaussianCopula
from tabstep.baselines.copulagan import CopulaGAN
from tabstep.baselines.ctgan import CTGAN
from tabstep.baselines.marginals import Marginals
from tabstep.baselines.real import Real
from tabstep.baselines.smote import SMOTE
from tabstep.baselines.tvae import TVAE
from tabstep.contracts import Method
from tabstep.diffusion.improved import ImprovedDDPM
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dp import DP
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.grid import linspace, logsnr, quad, trailing
from tabstep.samplers.setting import Grid, Sampler
from tabstep.samplers.unipc import UniPC

METHODS: dict[str, type[Any]] = {
    "real": Real,
    "marginals": Marginals,
    "smote": SMOTE,
    "copula": GaussianCopula,
    "tvae": TVAE,
    "ctgan": CTGAN,
    "copulagan": CopulaGAN,
    "tabddpm": TabDDPM,
    "iddpm": ImprovedDDPM,
}

DIFFUSIONS = frozenset({"tabddpm", "iddpm"})
"""Methods whose fit is a denoiser, to be crossed with samplers and step budgets."""

SAMPLERS: dict[str, Sampler] = {
    "ancestral": Ancestral(),
    "ancestral-small": Ancestral(variance="small"),
    "ancestral-unclipped": Ancestral(clip_x0=False),
    "analytic": Ancestral(variance="analytic"),
    "learned": Ancestral(variance="learned"),
    "ddim": DDIM(),
    "dpmpp-2m": DPMSolverPP(),
    "dpmpp-2m-sde": DPMSolverPP(sde=True),
    "unipc-2": UniPC(),
}

GRIDS: dict[str, Grid] = {
    "linspace": linspace,
    "trailing": trailing,
    "quad": quad,
    "logsnr": logsnr,
    "dp": DP(),
}


def make_method(name: str, settings: Mapping[str, Any]) -> Method:
    """A method with some fields set. Raises ValueError on a name or a field that does not exist."""
    kind = METHODS[name]
    known = [f.name for f in fields(kind)]
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"{name} has no setting {', '.join(unknown)}; it has: {', '.join(known) or 'none'}")
    method: Method = kind(**settings)
    return method


def about(item: Any) -> str:
    """The first line of a docstring: what `tabstep list` prints."""
    return ((item.__doc__ or "").strip().splitlines() or [""])[0]
