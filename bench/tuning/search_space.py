"""A search space told apart from another: what `suggest` asks for, and what it makes of the answers.

Optuna meets a space trial by trial and goes on with whatever trials a study has, those of an older space too. So the
name of a study holds a digest of the space, found by asking: `suggest` runs on many trials whose answers are fixed, and
every parameter with its range, in every branch that these reach, goes into the digest with the settings that came out.
A comment or a renamed variable changes nothing; a range, a choice, a condition or a constant does.

A branch that none of the probes enters is not seen: one that is open to a share p of the answers is missed with
probability (1 - p)^PROBES, at p = 5 % one in 28,000.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

PROBES = 200
PARTS = 8  # of a range of real numbers: answers are its ends and the points between

Suggest = Callable[[Trial], Any]


class Answers(BaseSampler):
    """Fixed answers: by the number of the trial and the name of the parameter, and by nothing else."""

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, *_: Any) -> dict[str, Any]:
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Without logarithms or powers, so that all machines give the same numbers."""
        share = random.Random(f"{trial.number} {param_name}").random()
        match param_distribution:
            case CategoricalDistribution(choices=choices):
                return choices[int(share * len(choices))]
            case IntDistribution(low=low, high=high, step=step):
                return low + step * int(share * ((high - low) // step + 1))
            case FloatDistribution(low=low, high=high, step=None):
                return min(high, low + (high - low) * int(share * (PARTS + 1)) / PARTS)
            case FloatDistribution(low=low, high=high, step=float(step)):
                return min(high, low + step * int(share * (round((high - low) / step) + 1)))
        raise TypeError(f"{param_name}: no answer to {type(param_distribution).__name__}")


def digest(*suggests: Suggest) -> str:
    """12 digits that change with the space of any of these; see the head of this file."""
    found = hashlib.sha256()
    for suggest in suggests:
        study = optuna.create_study(study_name="search space", sampler=Answers())
        for _ in range(PROBES):
            trial = study.ask()
            try:
                made = _plain(suggest(trial))
            except Exception as error:  # noqa: BLE001  a trial with these answers fails, and says why
                made = f"raises {type(error).__name__}"
            asked = {name: distribution_to_json(ranged) for name, ranged in trial.distributions.items()}
            found.update(json.dumps([asked, made], sort_keys=True).encode())
    return found.hexdigest()[:12]


def require(point: Mapping[str, Any], *suggests: Suggest) -> None:
    """Raise ValueError where a value of `point`, to be tried first, lies outside the space: Optuna would take it."""
    for suggest in suggests:
        study = optuna.create_study(study_name="search space", sampler=Answers())
        study.enqueue_trial(dict(point))
        trial = study.ask()
        suggest(trial)
        for name, ranged in trial.distributions.items():
            if name in point and not ranged._contains(ranged.to_internal_repr(point[name])):
                raise ValueError(
                    f"the first trial has {name} = {point[name]!r}, outside its search space {ranged}; "
                    "widen the space or change that trial"
                )


def _plain(value: Any) -> Any:
    """As JSON, to 9 digits, which all machines agree on; of what is no plain value, the name of its type."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return f"{value:.9g}"
        case Mapping():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return type(value).__qualname__
