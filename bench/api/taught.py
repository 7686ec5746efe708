"""Networks of a fitted model that were taught to jump, for one and two evaluations; a saved model keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from tabstep.api import asked, started
from tabstep.api.choosing import has_steps
from tabstep.contracts import Unsupported
from tabstep.diffusion.model import Diffusion
from tabstep.registry import DEFAULT_SAMPLER, GRIDS, SAMPLERS
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.judged import FOLDS, LEAST_ROWS, Judge, regrets, standard_error
from tabstep.samplers.setting import Artifacts, Setting, Table, path_for
from tabstep.samplers.start import CORRELATED, MIXTURE, Gaussians, Products, Start

SAMPLER = "distilled"
START = f"{CORRELATED}-0"  # the artifact of the start that no other sampler has
STARTS: Mapping[type[Start], str] = {Gaussians: START, Products: MIXTURE}
MOST = Distilled.most  # evaluations that networks are taught for
_SEED = 0  # of the settings that a user's model prepares samplers with


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


def begin(K: int) -> str:
    """The artifact that says where paths of K calls begin, which no model needs where that is not measured."""
    return _sampler().reached(K, _SEED)


def names(model: Diffusion, artifacts: Artifacts, K: int) -> tuple[str, ...]:
    """The artifacts that rows of K evaluations need: the start, and a network for each call."""
    sampler = _sampler()
    setting = Setting(model.process, artifacts=artifacts)
    start, path = sampler.begin(setting, K).start, sampler.path(setting, GRIDS[sampler.grid], K)
    return STARTS[type(sampler.starts[start])], *sampler.names(start, path, _SEED)


def kept(model: Diffusion, artifacts: Artifacts) -> tuple[str, ...]:
    """The artifacts that go with a model when it is saved; not all need be there."""
    each = (
        name for K in ready(model, artifacts) for name in (begin(K), *names(model, artifacts, K), judged(K))
    )
    return tuple(dict.fromkeys(each))


def possible(model: Diffusion) -> range:
    """The numbers of evaluations that networks could be taught for."""
    return range(1, min(MOST, model.schedule.T) + 1)


def ready(model: Diffusion, artifacts: Artifacts) -> tuple[int, ...]:
    """The numbers of evaluations whose networks are at hand."""
    return tuple(
        K
        for K in possible(model)
        if all(artifacts.held(name) is not None for name in names(model, artifacts, K))
    )


def before(model: Diffusion, artifacts: Artifacts, sampler: Any, K: int, table: Table | None) -> str | None:
    """What to say before networks are taught for a sampler, None where none are to be.

    Raises Unsupported where they would be, and there are no training rows.
    """
    if not isinstance(sampler, Distilled) or K not in possible(model):
        return None
    setting = Setting(model.process, artifacts=artifacts)
    start, path = sampler.begin(setting, K).start, sampler.path(setting, GRIDS[sampler.grid], K)
    if all(artifacts.held(name) is not None for name in sampler.names(start, path, _SEED)):
        return None
    said = f"{K} evaluation{'s' if K > 1 else ''}"
    if table is None:
        raise Unsupported(
            f"no networks were taught for {said} before this model was saved, and that takes its training rows: "
            f"fit(..., distill={K}), or `tabstep fit --distill {K}`, keeps them; leave the sampler out to draw without"
        )
    return (
        f"networks are taught for {said} first, in a minute or a few; model.distill({K}) shows how far that is, and "
        "save keeps them"
    )


def best(model: Diffusion, setting: Setting, steps: Any, grid: Any) -> str:
    """The sampler for a number of evaluations where none is named.

    By taught networks where they are at hand, and were not judged to be worse than the default (`judge`); else by the
    rows that paths begin at, `started.best`.
    """
    if grid is not None:
        return DEFAULT_SAMPLER
    taught = steps in ready(model, setting.artifacts) and not is_worse(setting.artifacts.held(judged(steps)))
    return SAMPLER if taught else started.best(setting, steps)


def judged(K: int) -> str:
    """The artifact that says how taught networks and the default compare at K evaluations, where that was measured."""
    return f"judged-{K}"


def judge(setting: Setting, K: int) -> bool:
    """Whether taught networks were found to draw worse rows than the default does, on held rows; kept with them.

    By the largest regret over the scores of `samplers.judged`, and only beyond one standard error. With few held rows
    nothing is measured, and they are not.
    """
    if setting.held is None or len(setting.held.x) < LEAST_ROWS:
        return False

    def measured() -> dict[str, Tensor]:
        draws, ways = Judge(setting), [SAMPLERS[name] for name in (SAMPLER, DEFAULT_SAMPLER)]
        found = [draws(way, path_for(way, GRIDS[way.grid], setting, K)) for way in ways]
        return {"regret": torch.from_numpy(regrets(found))}

    return is_worse(setting.artifacts.tensors(judged(K), measured))


def is_worse(found: Mapping[str, Tensor] | None) -> bool:
    """Whether the first of two ways has the larger regret (2, folds), by more than one standard error."""
    if found is None:
        return False
    apart = (found["regret"][0] - found["regret"][1]).numpy()
    return bool(apart.mean() > standard_error(apart))


def check(found: Mapping[str, Mapping[str, Tensor]], model: Diffusion) -> tuple[str, ...]:
    """Which of a saved model's tensors, by artifact, are of taught networks or say where their paths begin.

    Raises ValueError where weights are not those of a copy of the model's network, for a begin that leaves no room for
    its calls or is of no start, and where what they were held against is no measure.
    """
    calls = {begin(K): K for K in possible(model)}
    said = {name: tensors for name, tensors in found.items() if name in calls}
    compared = {name: tensors for name, tensors in found.items() if name in map(judged, possible(model))}
    for tensors in compared.values():
        regret = tensors.get("regret", torch.tensor(0))
        if regret.shape != (2, FOLDS) or not regret.is_floating_point() or not regret.isfinite().all():
            raise ValueError("taught networks that are held against nothing")
    for name, tensors in said.items():
        horizon = tensors.get("horizon", torch.tensor(0))
        if (
            horizon.dtype != torch.int64
            or horizon.dim()
            or not calls[name] <= int(horizon) <= model.schedule.T
        ):
            raise ValueError(f"a taught network that jumps from no time in {calls[name]}..{model.schedule.T}")
        start = tensors.get("start", torch.tensor(-1))
        if start.dtype != torch.int64 or start.dim() or not 0 <= int(start) < len(_sampler().starts):
            raise ValueError("a taught network that jumps from the rows of no start")
    possibly = {name for K in possible(model) for name in names(model, Artifacts.holding(said), K)}
    networks = tuple(name for name in found if name in possibly - {*STARTS.values()})
    own = {name: (tuple(v.shape), v.dtype) for name, v in model.network.state_dict().items()}
    for name in networks:
        if {key: (tuple(v.shape), v.dtype) for key, v in found[name].items()} != own:
            raise ValueError("the weights of a taught network are not those of a copy of the network")
    return *said, *compared, *networks


def _sampler() -> Distilled:
    return cast("Distilled", SAMPLERS[SAMPLER])
