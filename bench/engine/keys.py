"""Content hashes: whatever changes a number is in them; where and how fast it ran is not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

from tabstep.engine.job import DRAW_VERSION, FIT_VERSION, STEPS_VERSION, Job
from tabstep.metrics import efficacy, evaluators, likelihood, rows


def fit_key_of(job: Job) -> str:
    return _hash(
        {
            "version": FIT_VERSION,
            "dataset": job.dataset_digest,
            "method": job.cell.method,
            "settings": job.describe()["method"],
            "seed": job.cell.train_seed,
            **({} if job.code is None else {"code": job.code.digest}),
        }
    )


def with_keys(job: Job) -> Job:
    """The job with its keys: of the fitted model, of the rows, and of the finished cell."""
    described = job.describe()
    fit_key = fit_key_of(job)
    by_steps = job.last is not None
    # A method without steps has no bound: its keys have the version with which they began.
    bound = likelihood.VERSION if by_steps and "nelbo" in job.metrics else 1
    whole: dict[str, Any] = {
        "fit": fit_key,
        "versions": [DRAW_VERSION, efficacy.VERSION],
        "cell": asdict(job.cell),
        "described": described,
        "eval_seeds": job.eval_seeds,
    }
    if job.metrics != ("efficacy",):
        whole["metrics"] = [*job.metrics, bound]
    if set(job.metrics) & set(rows.GROUPS):
        whole["rows"] = rows.version(job.metrics)
    if job.beside:
        whole["beside"] = evaluators.VERSION
    drawn = {
        "fit": fit_key,
        "version": DRAW_VERSION,
        "cell": {k: v for k, v in asdict(job.cell).items() if k != "suite"},
        "described": {k: v for k, v in described.items() if k in ("sampler", "grid", "rows")},
        "bound": bound if "nelbo" in job.metrics else None,
    }
    if by_steps:
        whole["steps"] = drawn["steps"] = STEPS_VERSION
    return replace(job, fit_key=fit_key, draw_key=_hash(drawn), key=_hash(whole))


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
