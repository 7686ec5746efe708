"""Fitted models: one of a diffusion is stored and serves all of its cells; others are fitted when rows are drawn."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from tabstep.baselines.holdout import halves
from tabstep.data import plain
from tabstep.data.completion import Completion
from tabstep.data.replacing import replace
from tabstep.diffusion.mixed import State
from tabstep.diffusion.model import FILE, Diffusion
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Source
from tabstep.records import where
from tabstep.records.clock import timed
from tabstep.samplers.setting import Artifacts


def fit_diffusion(job: Job, folder: Folder) -> None:
    """Fit the denoiser that serves all cells of (dataset, method, params, train seed), and store it.

    The folder appears whole or not at all; the fit's own cost and environment lie in `fit.json`.
    """
    target = folder.model(job)
    if sound(target):
        return
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    train = completion.forward(dataset.train)
    method = job.method
    with timed(job.device) as span:
        model: Diffusion = method.fit(train, completion.inner, seed=job.cell.train_seed, device=job.device)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save(fresh)
    facts = {
        "fit_s": span.seconds,
        "peak_bytes": span.peak_bytes,
        "dataset": job.cell.dataset,
        "dataset_digest": job.dataset_digest,
        "method": job.cell.method,
        "settings": job.describe()["method"],
        "digests": {path.name: _digest(path) for path in sorted(fresh.iterdir())},
        "train_seed": job.cell.train_seed,
        "env": job.environment(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    replace(fresh / "fit.json", json.dumps(facts, indent=1).encode())
    shutil.rmtree(target, ignore_errors=True)
    try:
        fresh.rename(target)
    except OSError:  # a worker of a killed run was faster
        if not sound(target):
            raise
        shutil.rmtree(fresh, ignore_errors=True)


def sound(path: Path) -> bool:
    """Whether `path` holds a whole model as it was stored."""
    try:
        digests = facts_of(path)["digests"]
        return FILE in digests and all(
            _digest(path / PurePath(name).name) == digest for name, digest in digests.items()
        )
    except (OSError, plain.NotPlain):
        return False


def facts_of(path: Path) -> dict[str, Any]:
    """What is written beside the model there: of what it is, and what it cost. Raises OSError and `plain.NotPlain`."""
    kinds = {"digests": dict, "env": dict, "created": str, "fit_s": (int, float)}
    return plain.shaped(path / "fit.json", kinds)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Fitted:
    """A model in this process and what it cost; for a diffusion also encoded training, validation and test rows."""

    model: Any
    completion: Completion
    train: pd.DataFrame
    fit_s: float
    encoded: State | None = None
    held: State | None = None
    test: State | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=Artifacts)


def origin_of(path: Path) -> dict[str, Any]:
    """Commit, time and device of the whole model in `path`. Raises FileNotFoundError where there is none."""
    if not sound(path):
        raise FileNotFoundError(f"no whole model in {path.parent.name}/{path.name}; `--until fit` fits it")
    facts = facts_of(path)
    return {
        "commit": facts["env"].get("commit"),
        "dirty": facts["env"].get("dirty"),
        "created": facts["created"],
        "on": where.named(facts["env"]),
    }


@lru_cache(maxsize=2)
def fitted_diffusion(path: Path, source: Source, device: str) -> Fitted:
    """The model that `fit_diffusion` stored in `path`. Raises FileNotFoundError where there is no whole one."""
    fitted_at = origin_of(path)
    dataset = source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    model = Diffusion.load(path, device)
    train = completion.forward(dataset.train)
    held, test = (_known(model, completion.forward(part)) for part in (dataset.val, dataset.test))
    return Fitted(
        model,
        completion,
        train,
        facts_of(path)["fit_s"],
        model.encode(train),
        held,
        test,
        fitted_at,
        Artifacts(path / "artifacts"),
    )


def _known(model: Diffusion, rows: pd.DataFrame) -> State:
    """Encoded rows, without those that hold a category which the training rows lack."""
    return model.encode(rows[model.encoder.known(rows)])


def fit_baseline(job: Job) -> Fitted:
    """Fit a method without steps, on training rows or those that it hands out; its models are not kept."""
    dataset = job.source.load()
    completion = Completion.fit(dataset.train, dataset.schema)
    rows = halves(dataset)[0] if job.hands_out_fresh_rows else dataset.train
    train = completion.forward(rows)
    method = job.method
    with timed(job.device) as fitting:
        model = method.fit(train.copy(), completion.inner, seed=job.cell.train_seed, device=job.device)
    return Fitted(model, completion, train, fitting.seconds)
