"""Optuna studies: where they are kept, whose trials count, and what a finished one says of itself."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import psutil
from alembic.util import CommandError
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tabstep.data import plain

OWNER = "owner"
REASON = "reason"
GRACE_S = 60.0


DATABASES = ("postgresql", "mysql", "mariadb")
WRONG = (
    *(LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, AssertionError),
    *(SQLAlchemyError, CommandError, OptunaError),
)
"""What comes of a storage that somebody else wrote."""


class Unreadable(ValueError):
    """A storage that is damaged, or is something else; the message names it and says what to do."""


class NothingFound(RuntimeError):
    """A study without a single completed trial; the message holds the reasons of the failed ones."""


def open_storage(place: Path | str | None) -> BaseStorage:
    """A journal file for a Path, a database for a URL (say postgresql+psycopg://...), memory for None.

    SQLite is refused: several workers on it end in "database is locked". Raises ValueError, `Unreadable` where what
    is there cannot be read, and ImportError without the driver of a database.
    """
    if place is None:
        return InMemoryStorage()
    if isinstance(place, Path):
        return _journal(place)
    if "://" not in place:
        raise ValueError(f"a storage is a database URL such as postgresql+psycopg://..., got {place!r}")
    try:
        kind = make_url(place).get_backend_name().lower()
    except (ArgumentError, ValueError):
        raise ValueError("this is no database URL, such as postgresql+psycopg://user@host/base") from None
    if kind == "sqlite":
        raise ValueError("SQLite locks up under several workers; leave --storage out to use a journal file")
    if kind not in DATABASES:
        raise ValueError(f"a storage is a database of {', '.join(DATABASES)}, got {plain.shown(kind)}")
    return _database(place)


def _database(place: str) -> BaseStorage:
    """All of it is read here, as a journal is: texts of JSON, numbers and names; nothing of it is run."""
    try:
        storage = RDBStorage(place, engine_kwargs={"pool_pre_ping": True})
        _look_through(storage)
    except WRONG as error:
        raise Unreadable(
            f"{shown(place)} cannot be reached, or holds no studies that this version can read ({_said(error)}); "
            "name another database"
        ) from error
    return storage


def _look_through(storage: BaseStorage) -> None:
    """Read every trial of every study."""
    for study in storage.get_all_studies():
        for trial in storage.get_all_trials(study._study_id, deepcopy=False):
            _check(trial)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {plain.cleaned(' '.join(str(error).split()), 200)}"


def _journal(place: Path) -> BaseStorage:
    """All of it is read here, a line of JSON for each step of a study, and whatever is wrong there is told here."""
    if place.exists() and not place.is_file():
        raise Unreadable(f"{place} is no plain file")
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileSymlinkLock(str(place))
    try:
        if place.exists():
            _cut(place, lock)
        storage = JournalStorage(JournalFileBackend(str(place), lock))
        _look_through(storage)
    except WRONG as error:
        raise Unreadable(
            f"{place} is no journal of studies that this version can read ({_said(error)}); move it away, and its "
            "studies begin anew"
        ) from error
    return storage


def _cut(place: Path, lock: JournalFileSymlinkLock) -> None:
    """Cut off what a process that was killed left of its last line: no line could follow it.

    Raises ValueError where the first or the last whole line is none of a journal.
    """
    lock.acquire()
    try:
        with place.open("rb+") as file:
            content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            lines = whole.splitlines()
            if content and not (lines and all(isinstance(json.loads(lines[i]), dict) for i in (0, -1))):
                raise ValueError("a line is no JSON object")
            file.truncate(len(whole))
    finally:
        lock.release()


def _check(trial: FrozenTrial) -> None:
    """Raise ValueError where what a trial says of itself is not as it is written here."""
    who, why = trial.user_attrs.get(OWNER), trial.user_attrs.get(REASON)
    kinds: dict[str, Any] = {"machine": str, "pid": int, "started": (int, float)}
    if who is not None and not (
        isinstance(who, dict) and all(isinstance(who.get(name), kind) for name, kind in kinds.items())
    ):
        raise ValueError(f"trial {trial.number} has no owner but {plain.shown(who)}")
    if why is not None and not isinstance(why, str):
        raise ValueError(f"trial {trial.number} has no reason but {plain.shown(why)}")
    trial._validate()


def shown(place: Path | str) -> str:
    """Where studies are kept, for people to read: without the password of a database."""
    return str(place) if isinstance(place, Path) else make_url(place).render_as_string(hide_password=True)


def owner() -> dict[str, Any]:
    """Who runs a trial: this process, told apart from another that gets the same number later."""
    process = psutil.Process()
    return {"machine": _machine(), "pid": process.pid, "started": process.create_time()}


def release_dead(study: optuna.Study, *, timeout_s: float) -> int:
    """End the running trials whose process is gone; return how many.

    On this machine the process is looked up; elsewhere a trial is dead when it outlasted `timeout_s`, which
    would have stopped it. They become FAIL without a reason, which hides them from sampler and pruner and leaves
    them out of every count.
    """
    dead = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _alive(trial, timeout_s):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            dead += 1
    return dead


def _alive(trial: FrozenTrial, timeout_s: float) -> bool:
    who = trial.user_attrs.get(OWNER)
    if who is not None and who["machine"] == _machine():
        try:
            return bool(abs(psutil.Process(who["pid"]).create_time() - who["started"]) < 1.0)
        except psutil.NoSuchProcess:
            return False
    assert trial.datetime_start is not None
    return (datetime.now() - trial.datetime_start).total_seconds() < timeout_s + GRACE_S


def _machine() -> str:
    """Stable on one machine until it starts again; no name in it."""
    return hashlib.sha256(f"{platform.node()} {psutil.boot_time():.0f} {os.getuid()}".encode()).hexdigest()[
        :16
    ]


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that ended, for better or worse; one whose process died has no reason and does not count."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
    return [t for t in ended if t.state != TrialState.FAIL or REASON in t.user_attrs]


def seconds(trials: list[FrozenTrial]) -> float:
    """What the trials cost together, on all workers."""
    return sum(trial.duration.total_seconds() for trial in trials if trial.duration is not None)


def statistics(study: optuna.Study) -> dict[str, Any]:
    """Counts, cost and failures of the trials that count. Raises `NothingFound` when none completed."""
    trials = counted(study)
    states = Counter(trial.state for trial in trials)
    failures = [trial.user_attrs[REASON] for trial in trials if trial.state == TrialState.FAIL]
    if not states[TrialState.COMPLETE]:
        raise NothingFound(
            f"no trial of {study.study_name} completed; reasons: {'; '.join(failures) or 'none ran'}"
        )
    return {
        "trials_complete": states[TrialState.COMPLETE],
        "trials_pruned": states[TrialState.PRUNED],
        "trials_failed": states[TrialState.FAIL],
        "failures": failures,
        "seconds": seconds(trials),
    }
