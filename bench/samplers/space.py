"""What there is to tune of a sampler: the update and its options, the grid, and the temperature of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabstep.data import settings
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.dpmpp import DPMSolverPP
from tabstep.samplers.setting import Sampler
from tabstep.samplers.tempered import Tempered
from tabstep.samplers.unipc import UniPC

UPDATES: dict[str, type[Any]] = {
    "ancestral": Ancestral,
    "ddim": DDIM,
    "dpmpp-2m": DPMSolverPP,
    "unipc-2": UniPC,
}
"""Those that learn nothing by themselves: what DDSS or an early start learns is not Optuna's to search."""

FIXED_GRIDS = ("trailing", "linspace", "quad", "logsnr", "dp")
TEMPERATURES = (0.5, 1.5)

FIRST = {"update": "dpmpp-2m", "grid": "trailing", "clip_x0": True, "sde": True, "temperature": 1.0}
"""Tried first: the update of the sampler that users get by default; here all paths begin in noise."""


TUNED = "tuned"
"""What the sampler that was found is called on the command line and in records."""


def file_name(method: str, params: str, steps: int) -> str:
    """Of the result of tuning the sampler of a fitted method at a budget, below the dataset's, without the ending."""
    return f"{method}-{params}-sampler-{steps}"


def suggest(trial: Any, *, categories: bool) -> dict[str, Any]:
    """Plain values that `built` makes a sampler of, the name of the grid among them.

    categories  whether the table has categorical columns; without them a temperature does nothing
    """
    update = trial.suggest_categorical("update", [*UPDATES])
    options: dict[str, Any] = {"clip_x0": trial.suggest_categorical("clip_x0", [True, False])}
    if update == "ancestral":
        options["variance"] = trial.suggest_categorical("variance", ["large", "small", "analytic"])
    if update == "ddim":
        options["eta"] = trial.suggest_float("eta", 0, 1)
        if categories:
            options["eta_cat"] = trial.suggest_float("eta_cat", 0, 1)
    if update == "dpmpp-2m":
        options["sde"] = trial.suggest_categorical("sde", [True, False])
    found = {
        "update": update,
        "settings": options,
        "grid": trial.suggest_categorical("grid", FIXED_GRIDS),
    }
    if categories:
        found["temperature"] = trial.suggest_float("temperature", *TEMPERATURES, log=True)
    return found


def built(found: Mapping[str, Any]) -> Sampler:
    """The sampler of suggested values. Raises ValueError or TypeError for values that it does not take."""
    if found["update"] not in UPDATES:
        raise ValueError(f"update must be one of {', '.join(UPDATES)}, got {found['update']!r}")
    update: Sampler = settings.built(UPDATES[found["update"]], found["settings"])
    if "temperature" not in found:
        return update
    if not settings.fits(found["temperature"], float):
        raise ValueError(f"temperature must be a number, got {found['temperature']!r}")
    return Tempered(update, found["temperature"])
