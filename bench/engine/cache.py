"""What a results folder holds of a plan, why a piece of it does not count, and what nothing refers to any more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tabstep.data import plain
from tabstep.engine import drawn_rows, models
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Stage, is_diffusion
from tabstep.records import store


@dataclass(frozen=True)
class State:
    """Whether a stage of a cell is done, and why it is or is not."""

    stage: Stage
    done: bool
    why: str


def why(job: Job, folder: Folder) -> list[State]:
    """The states of the three stages of a cell, first to last."""
    return [_of_fit(job, folder), _of_draw(job, folder), _of_score(job, folder)]


def _of_fit(job: Job, folder: Folder) -> State:
    if not is_diffusion(job):
        return State("fit", False, "models of methods without steps are not kept; fitted when rows are drawn")
    path = folder.model(job)
    if models.sound(path):
        return State("fit", True, f"models/{job.fit_key}")
    if path.exists():
        return State("fit", False, f"models/{job.fit_key} is not whole or damaged")
    wanted = {"dataset_digest": job.dataset_digest, "settings": job.describe()["method"]}
    for facts in _models(folder):
        same = (facts["dataset"], facts["method"], facts["train_seed"])
        if same == (job.cell.dataset, job.cell.method, job.cell.train_seed):
            found = {name: facts[name] for name in wanted}
            changed = _changes(found, json.loads(json.dumps(wanted))) or ["the version of the fit"]
            return State("fit", False, f"another model is there, of other {'; '.join(changed)}")
    return State("fit", False, "never fitted")


def _of_draw(job: Job, folder: Folder) -> State:
    path = folder.rows(job.cell)
    try:
        drawn_rows.read(path, job.draw_key, job.source.load().schema)
    except drawn_rows.Missing as gap:
        return State("draw", False, str(gap))
    return State("draw", True, str(path.relative_to(folder.root)))


def _of_score(job: Job, folder: Folder) -> State:
    try:
        found = store.look_up(folder.runs, job.cell)
    except FileNotFoundError:
        return State("score", False, "never scored")
    except store.Malformed as error:
        return State("score", False, str(error.__cause__))
    if found.status != "ok":
        return State("score", False, f"{found.status}: {found.reason}")
    if found.key == job.key:
        return State("score", True, str((folder.runs / job.cell.path).relative_to(folder.root)))
    then = {
        "dataset": found.dataset_digest,
        "evaluator seeds": found.eval_seeds,
        **{
            name: value
            for name, value in found.settings.items()
            if name not in ("fitted", "drawn", "unscored")
        },
    }
    now = {"dataset": job.dataset_digest, "evaluator seeds": list(job.eval_seeds), **job.describe()}
    changed = _changes(then, json.loads(json.dumps(now))) or ["code (a version) or metrics"]
    return State("score", False, f"the record is of other {'; '.join(changed)}")


def _changes(then: Any, now: Any, name: str = "") -> list[str]:
    """Where two JSON values differ, as `name: before -> after`."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            change
            for key in sorted({*then, *now})
            for change in _changes(then.get(key), now.get(key), f"{name}.{key}".lstrip("."))
        ]
    return [] if then == now else [f"{name}: {then} -> {now}"]


def _models(folder: Folder) -> Iterator[dict[str, Any]]:
    for path in sorted((folder.root / "models").glob("*/fit.json")):
        try:
            kinds = {
                "dataset": str,
                "dataset_digest": str,
                "method": str,
                "train_seed": int,
                "settings": dict,
            }
            yield plain.shaped(path, kinds)
        except (OSError, plain.NotPlain):
            continue


@dataclass(frozen=True)
class Waste:
    """A file or folder that nothing refers to, its size, and why it is waste."""

    path: Path
    size: int
    why: Literal[
        "no cell of the suite has this model", "no cell of the suite has these rows", "left half-written"
    ]


def waste(jobs: Sequence[Job], folder: Folder) -> list[Waste]:
    """What no cell of the jobs refers to: models of other settings, rows of other cells, leftovers.

    `jobs` are all of the suite: a part of it would make waste of the rest.
    """
    models, rows = {folder.model(job) for job in jobs}, {folder.rows(job.cell) for job in jobs}
    found: list[Waste] = []
    for path in sorted((folder.root / "models").glob("*")):
        if path.suffix == ".tmp":
            found.append(Waste(path, _size([path]), "left half-written"))
        elif path not in models:
            found.append(Waste(path, _size([path]), "no cell of the suite has this model"))
    for path in sorted((folder.root / "samples").rglob("*.parquet")):
        if path not in rows:
            beside = path.with_suffix(".json")
            found.append(Waste(path, _size([path]), "no cell of the suite has these rows"))
            if beside.exists():
                found.append(Waste(beside, _size([beside]), "no cell of the suite has these rows"))
    for part in ("runs", "samples"):
        for path in sorted((folder.root / part).rglob(".*.tmp")):
            found.append(Waste(path, _size([path]), "left half-written"))
    return found


def remove(found: Iterable[Waste]) -> None:
    """Delete it; what is gone already is no error."""
    for each in found:
        if each.path.is_dir() and not each.path.is_symlink():
            shutil.rmtree(each.path, ignore_errors=True)
        else:
            each.path.unlink(missing_ok=True)


def _size(paths: Iterable[Path]) -> int:
    files = [f for path in paths for f in (path.rglob("*") if path.is_dir() else [path])]
    return sum(f.stat().st_size for f in files if f.is_file())
