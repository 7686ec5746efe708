"""Networks of a fitted model that were taught to jump, for one and two evaluations; a saved model keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from tabstep.api import asked
from tabstep.api.choosing import has_steps
from tabstep.diffusion.model import Diffusion
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.setting import Artifacts, Setting
from tabstep.samplers.start import CORRELATED

SAMPLER = "distilled-correlated"
START = f"{CORRELATED}-0"  # the artifact of its start
MOST = Distilled.most  # evaluations that networks are taught for


def budgets(given: Any) -> tuple[int, ...]:
    """Numbers of evaluations to teach networks for, one or several. Raises ValueError."""
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    try:
        return tuple(sorted({asked.whole("distill", K, 1, MOST) for K in several}))
    except ValueError as error:
        raise ValueError(
            f"{error}; from {MOST + 1} evaluations on the default sampler needs no network taught"
        ) from None


def wanted(given: Any, settings: Any) -> tuple[int, ...]:
    """The same before a method is fitted. Raises ValueError also where it has no steps, or fewer."""
    found = budgets(given)
    if found and not has_steps(settings):
        raise ValueError(f"distill: {type(settings).__name__} draws rows without steps; leave it out")
    if found and found[-1] > settings.T:
        raise ValueError(f"distill: {found[-1]} evaluations of a model with T = {settings.T}")
    return found


def names(model: Diffusion, K: int) -> tuple[str, ...]:
    """The artifacts that rows of K evaluations need: the start, and a network for each call."""
    sampler = cast("Distilled", SAMPLERS[SAMPLER])
    setting = Setting(model.process)
    return START, *sampler.names(sampler.path(setting, GRIDS[sampler.grid], K), setting.seed)


def possible(model: Diffusion) -> range:
    """The numbers of evaluations that networks could be taught for."""
    return range(1, min(MOST, model.schedule.T) + 1)


def ready(model: Diffusion, artifacts: Artifacts) -> tuple[int, ...]:
    """The numbers of evaluations whose networks are at hand."""
    return tuple(
        K for K in possible(model) if all(artifacts.held(name) is not None for name in names(model, K))
    )


def best(model: Diffusion, artifacts: Artifacts, steps: Any, grid: Any) -> str:
    """The sampler for a number of evaluations where none is named: by taught networks where they are at hand."""
    return SAMPLER if grid is None and steps in ready(model, artifacts) else DEFAULT_SAMPLER


def check(found: Mapping[str, Tensor], model: Diffusion) -> None:
    """Raises ValueError where tensors are not weights of a copy of the model's network."""
    own = {name: (tuple(v.shape), v.dtype) for name, v in model.network.state_dict().items()}
    if {name: (tuple(v.shape), v.dtype) for name, v in found.items()} != own:
        raise ValueError("the weights of a taught network are not those of a copy of the network")
