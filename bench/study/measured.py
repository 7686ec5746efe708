"""Measurements of fitted models beside the cells of a suite: one file a dataset, made once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from tabstep.data import plain
from tabstep.engine import models
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job
from tabstep.engine.models import Fitted
from tabstep.records import store
from tabstep.records.clock import calibrate
from tabstep.records.provenance import environment

Lines = Callable[[Fitted], list[dict[str, Any]]]


def measure(
    jobs: Sequence[Job], folder: Folder, lines: Lines, version: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure the model of each job, which is fitted where it is missing; what is measured already is read.

    lines    the measurement: plain values only
    version  raised when it changes
    """
    found = []
    for job in jobs:
        path = folder.root / "study" / f"{job.cell.dataset}.json"
        key = f"{job.fit_key}-v{version}-{job.device}-{torch.get_num_threads()}"
        if not _is_of(path, key):
            say(f"measuring {job.cell.dataset}")
            models.fit_diffusion(job, folder)
            fitted = models.fitted_diffusion(folder.model(job), job.source, job.device)
            content = {
                "key": key,
                "dataset": job.cell.dataset,
                "machine": asdict(calibrate(job.device)),
                "lines": lines(fitted),
                "env": environment() | {"device": job.device},
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            store.replace(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())
        found.append(plain.table(path))
    return found


def _is_of(path: Path, key: str) -> bool:
    """Whether a file holds this measurement; a damaged one is made again."""
    try:
        return bool(plain.shaped(path, {"key": str, "lines": list})["key"] == key)
    except (OSError, plain.NotPlain):
        return False
