"""Everything that can be named on the command line: one line adds a competitor, a sampler or a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

from tabstep.baselines.copula import GaussianCopula
from tabstep.baselines.copulagan import CopulaGAN
from tabstep.baselines.ctgan import CTGAN
from tabstep.baselines.marginals import Marginals
from tabstep.baselines.real import Real
from tabstep.baselines.smote import SMOTE
from tabstep.baselines.tvae import TVAE
from tabstep.baselines.vae import VAE
from tabstep.contracts import Method
from tabstep.diffusion.improved import ImprovedDDPM
from tabstep.diffusion.short import ShortTabDDPM
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.ddss import DDSS
from tabstep.samplers.deq import DEQ
from tabstep.samplers.dp import DP
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.early_stop import SWEEP, EarlyStop
from tabstep.samplers.grid import linspace, logsnr, quad, trailing
from tabstep.samplers.setting import Grid, Sampler
from tabstep.samplers.start import Conditional, Foreign, Start
from tabstep.samplers.unipc import UniPC

METHODS: dict[str, type[Any]] = {
    "real": Real,
    "marginals": Marginals,
    "smote": SMOTE,
    "copula": GaussianCopula,
    "vae": VAE,
    "tvae": TVAE,
    "ctgan": CTGAN,
    "copulagan": CopulaGAN,
    "tabddpm": TabDDPM,
    "iddpm": ImprovedDDPM,
    "tabddpm-short": ShortTabDDPM,
}


def walks(kind: type[Any]) -> bool:
    """Whether a method's fit is a denoiser, to be crossed with samplers and step budgets: it says its `last` step."""
    return hasattr(kind, "last")


DIFFUSIONS = frozenset(name for name, kind in METHODS.items() if walks(kind))

UNTUNED = frozenset({"real", "marginals"})
"""Methods without anything to tune: `--params tuned` runs them as they are."""

STARTS: dict[str, Start] = {
    "vae": Conditional(),
    "tvae": Foreign(TVAE()),
    "ctgan": Foreign(CTGAN()),
    "copula": Foreign(GaussianCopula()),
    "smote": Foreign(SMOTE()),
}


def early_stopped(
    updates: Mapping[str, Sampler], starts: Iterable[str], stops: Iterable[float | None]
) -> dict[str, Sampler]:
    """Every update from every start: `es-ddim-vae` chooses its T', `es-ddim-vae-30` begins at 0.3 T."""
    return {
        f"es-{name}-{start}" + ("" if stop is None else f"-{100 * stop:.0f}"): EarlyStop(
            update, STARTS[start], stop
        )
        for (name, update), start, stop in product(updates.items(), starts, stops)
    }


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
    "deq": DEQ(),
    "deq-anderson": DEQ(history=5),
    "ddss": DDSS(),
    "ddss-rows": DDSS(features=("rows",)),
    "ggdm": DDSS(learn=("update",)),
    **early_stopped({"ancestral": Ancestral(), "ddim": DDIM()}, STARTS, [None]),
    **early_stopped({"ancestral": Ancestral()}, ["vae", "ctgan"], SWEEP),
}

DEFAULT_SAMPLER = "dpmpp-2m-sde"
"""What a user gets who names none: on its own grid it keeps, in the mean over the five tables of the study of samplers,
all of the full-T efficacy at 5, 10 and 20 steps; the one sampler ahead of it narrows the numeric columns."""

GRIDS: dict[str, Grid] = {
    "linspace": linspace,
    "trailing": trailing,
    "quad": quad,
    "logsnr": logsnr,
    "dp": DP(),
}


def make_method(kind: type[Any], settings: Mapping[str, Any]) -> Method:
    """A method with some fields set. Raises ValueError on a field that does not exist."""
    known = [f.name for f in fields(kind)]
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(
            f"{kind.__name__} has no setting {', '.join(unknown)}; it has: {', '.join(known) or 'none'}"
        )
    # JSON has no tuples: a list read from a file is one.
    method: Method = kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
    return method


def about(item: Any) -> str:
    """The first line of a docstring: what `tabstep list` prints."""
    return ((item.__doc__ or "").strip().splitlines() or [""])[0]


def options(settings: Any) -> str:
    """The fields of a dataclass of settings, those that are settings themselves by their kind alone."""
    return ", ".join(
        f"{name}={type(value).__name__ if is_dataclass(value) else value}"
        for name, value in vars(settings).items()
    )
