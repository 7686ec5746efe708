"""Trials of a study, one after the other or several at a time, until its budget is spent."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import Trial, TrialState
from pebble import ProcessExpired

from tabstep.contracts import Unsupported
from tabstep.engine.executors import Local, gpus
from tabstep.tuning import studies

POLL_S = 0.2

Value = float | tuple[float, ...]
"""What a trial is worth: by one measure, or by each of several."""


@dataclass(frozen=True)
class Budget:
    """The same for every method: trials, and seconds of all of them together, after which none starts."""

    trials: int = 50
    seconds: float | None = None
    trial_s: float = 3600.0  # a trial that takes longer is stopped and fails

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")
        for name in ("seconds", "trial_s"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class Ended:
    """How a trial ended: its value or, for a failure, the reason."""

    state: TrialState
    value: Value | None = None
    reason: str | None = None


Watch = Callable[[int, int, Ended | None], None]
"""Called with (trials that count, trials asked, how one ended) for each that ended, and with None while they run."""


def carry_on(
    study: optuna.Study,
    place: Path | str,
    budget: Budget,
    work: Callable[..., Ended],
    task: Any,
    *,
    workers: int,
    watch: Watch,
) -> None:
    """Go on with a study that is kept in `place` until its budget is spent.

    work  does a trial in a worker: it is called with (place, name of the study, id of the trial, its position, task)

    Several calls, on one machine or many, may share a study: a trial in flight anywhere counts towards the budget.
    """
    active: dict[Future[Any], Trial] = {}

    def may_start() -> bool:
        ended = studies.counted(study)
        elsewhere = len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        in_budget = budget.seconds is None or studies.seconds(ended) < budget.seconds
        return in_budget and len(ended) + elsewhere < budget.trials

    studies.release_dead(study, timeout_s=budget.trial_s)
    done = len(studies.counted(study))
    with Local(workers, task.threads, gpus=gpus() if task.device == "cuda" else ()) as pool:
        try:
            while True:
                while len(active) < workers and may_start():
                    position = len(studies.counted(study)) + len(active)
                    trial = study.ask()
                    trial.set_user_attr(studies.OWNER, studies.owner())
                    arguments = (place, study.study_name, trial._trial_id, position, task)
                    active[pool.submit(work, arguments, budget.trial_s)] = trial
                if not active:
                    break
                ready, _ = wait(active, timeout=POLL_S, return_when=FIRST_COMPLETED)
                if not ready:
                    watch(done, budget.trials, None)
                for future in ready:
                    trial = active.pop(future)
                    ended = _outcome(future, budget.trial_s)
                    if ended.reason is not None:
                        trial.set_user_attr(studies.REASON, ended.reason)
                    study.tell(trial, ended.value, ended.state)
                    done = len(studies.counted(study))
                    watch(done, budget.trials, ended)
        except BaseException:
            for trial in active.values():  # not counted: they ended for no reason of their own
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            raise


def _outcome(future: Future[Any], limit_s: float) -> Ended:
    error = future.exception()
    if error is None:
        ended: Ended = future.result()
        return ended
    if isinstance(error, ProcessExpired):
        return Ended(TrialState.FAIL, reason=f"worker process died (exit code {error.exitcode})")
    if isinstance(error, TimeoutError):
        return Ended(TrialState.FAIL, reason=f"took longer than the limit of {limit_s:g} s")
    raise error


def proposing(seed: int, position: int) -> BaseSampler:
    """What suggests the settings of a trial.

    Seeded by position, so that a study that was interrupted asks for the trials it would have asked for.
    """
    return TPESampler(seed=int(np.random.SeedSequence([seed, position]).generate_state(1)[0]))


@lru_cache(maxsize=1)
def storage(place: Path | str) -> BaseStorage:
    """The storage of a worker, opened once."""
    return studies.open_storage(place)


def outcome_of(score: Callable[[], Value]) -> Ended:
    """Run one trial. Whatever a method raises is a failed trial with its reason, never a score.

    `Unsupported` is passed on: it would be the end of every trial.
    """
    try:
        value = score()
    except optuna.TrialPruned:
        return Ended(TrialState.PRUNED)
    except Unsupported:
        raise
    except Exception as error:  # noqa: BLE001  see above
        return Ended(TrialState.FAIL, reason=f"{type(error).__name__}: {error}")
    if not np.isfinite(value).all():
        return Ended(TrialState.FAIL, reason=f"the score is {value}")
    return Ended(TrialState.COMPLETE, value)
