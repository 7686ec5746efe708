"""Tune an evaluator, CatBoost or XGBoost, once per data set, on its real training rows only.

The objective and CatBoost's search space are TabDDPM's: the mean macro-F1 or R2 over 5 folds, where a fold, as
there, both stops the training early and scores it. So the score is optimistic; it only ranks.

Departures, all of them to afford it on a few cores:

- a median pruner may drop a trial between two folds, by the mean of its folds so far;
- the first trial is the library's nominal defaults, so that the winner of even a short study scores no lower;
- the sampler is seeded anew for every trial by its position, so that a study resumed from its journal asks
  for the trials that an uninterrupted one would have asked for.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import optuna
import pandas as pd
from catboost import CatBoostError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState
from sklearn.model_selection import KFold, StratifiedKFold
from xgboost.core import XGBoostError

from tabstep.data.sources import Unreachable, load
from tabstep.data.table import Schema
from tabstep.metrics import efficacy, evaluators
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.metrics.efficacy import Degenerate, codes, fit_evaluator, inputs, labels
from tabstep.metrics.xgboost_trees import XGBoostParams
from tabstep.records.provenance import environment
from tabstep.tuning import search_space, studies

log = logging.getLogger(__name__)

VERSION = 1  # raise when the same rows and settings lead to other trials: old journals are then left alone


Params = CatBoostParams | XGBoostParams
TUNED: dict[str, type[CatBoostParams] | type[XGBoostParams]] = {
    "catboost": CatBoostParams,
    "xgboost": XGBoostParams,
}
SCORES = {"catboost": efficacy.VERSION, "xgboost": evaluators.VERSION}


def fold_scores(
    train: pd.DataFrame, schema: Schema, params: Params, *, folds: int, seed: int, threads: int
) -> Iterator[float]:
    """Yield the score of each shuffled fold, macro-F1 (stratified) or R2, trained on the other folds."""
    kind = KFold if schema.is_regression else StratifiedKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    classes = labels(train[schema.target], schema)
    for kept, held in splitter.split(train, train[schema.target]):
        rows, watched = train.iloc[kept], train.iloc[held]
        evaluator = fit_evaluator(params, rows, watched, schema, classes=classes, seed=seed, threads=threads)
        yield evaluator.scores(watched)[_metric(schema)]


def tune(
    train: pd.DataFrame,
    schema: Schema,
    *,
    evaluator: str = "catboost",
    trials: int = 100,
    folds: int = 5,
    seed: int = 0,
    max_seconds: float | None = None,
    threads: int = 1,
    storage: Path | None = None,
) -> dict[str, Any]:
    """Search for the parameters with the best cross-validated score on `train`; returns plain JSON values.

    `storage` is an Optuna journal file, for one process at a time: a study of the same rows, search space and
    settings goes on where it ended, and only its missing trials run. After `max_seconds` (wall clock) of this call
    no further trial starts, but one that runs is finished and a new study runs at least one, so a call may last
    longer. A trial on which the evaluator fails is kept as failed with its reason. Raises RuntimeError when no
    trial completed, and ValueError when the nominal defaults lie outside the search space.

    Keys of the result: `params`; `cv_score` with its `cv_metric`; `cv_score_nominal`, that of the first trial
    (None if it failed); `trials_asked` and the counts `trials_complete`, `trials_pruned`, `trials_failed`;
    `failures`; `seconds` of all these trials; `folds, seed, threads` and the versions of both modules.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if max_seconds is not None and max_seconds < 0:
        raise ValueError(f"max_seconds must not be negative, got {max_seconds}")
    nominal = asdict(TUNED[evaluator].nominal(schema))
    search_space.require(nominal, TUNED[evaluator].suggest)
    study = optuna.create_study(
        storage=studies.open_storage(storage),
        study_name=_study_name(evaluator, train, schema, folds=folds, seed=seed),
        direction="maximize",
        pruner=MedianPruner(n_startup_trials=10),
        load_if_exists=True,
    )
    for stale in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # Its process died. FAIL hides it from the sampler and the pruner; without a reason it is not counted.
        study.tell(stale.number, state=TrialState.FAIL)

    start = time.monotonic()
    while (position := len(studies.counted(study))) < trials:
        if position > 0 and max_seconds is not None and time.monotonic() - start >= max_seconds:
            log.warning("stopped by max_seconds=%g after %d of %d trials", max_seconds, position, trials)
            break
        study.sampler = TPESampler(seed=int(np.random.SeedSequence([seed, position]).generate_state(1)[0]))
        if position == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(nominal)
        trial = study.ask()
        params = TUNED[evaluator].suggest(trial)
        value, state = _run(trial, params, train, schema, folds=folds, seed=seed, threads=threads)
        _log_progress(study.tell(trial, value, state), position=position, trials=trials)
    return _result(study, schema, evaluator) | {
        "trials_asked": trials,
        "folds": folds,
        "seed": seed,
        "threads": threads,
    }


def _run(
    trial: Trial,
    params: Params,
    train: pd.DataFrame,
    schema: Schema,
    *,
    folds: int,
    seed: int,
    threads: int,
) -> tuple[float | None, TrialState]:
    """Run one trial; returns its value, if it has one, and how it ended."""
    scores: list[float] = []
    try:
        for score in fold_scores(train, schema, params, folds=folds, seed=seed, threads=threads):
            scores.append(score)
            trial.report(fmean(scores), step=len(scores) - 1)
            if len(scores) < folds and trial.should_prune():
                return None, TrialState.PRUNED
    except (CatBoostError, XGBoostError, Degenerate) as error:
        trial.set_user_attr(studies.REASON, f"fold {len(scores)}: {type(error).__name__}: {error}")
        return None, TrialState.FAIL
    trial.set_user_attr("fold_scores", scores)
    return fmean(scores), TrialState.COMPLETE


def _result(study: optuna.Study, schema: Schema, evaluator: str) -> dict[str, Any]:
    statistics = studies.statistics(study)
    first, best = studies.counted(study)[0], study.best_trial
    return {
        "params": best.params,
        "cv_score": best.value,
        "cv_metric": _metric(schema),
        "cv_score_nominal": first.value if first.state == TrialState.COMPLETE else None,
        **statistics,
        "tuning_version": VERSION,
        "efficacy_version": SCORES[evaluator],
    }


def _log_progress(trial: FrozenTrial, *, position: int, trials: int) -> None:
    reported = trial.intermediate_values
    log.info(
        "trial %d/%d %s, %d folds, %s, %.1f s%s",
        position + 1,
        trials,
        trial.state.name.lower(),
        len(reported),
        f"{reported[max(reported)]:.4f}" if reported else "no score",
        trial.duration.total_seconds() if trial.duration is not None else float("nan"),
        f", {trial.user_attrs['reason']}" if trial.state == TrialState.FAIL else "",
    )


def _metric(schema: Schema) -> str:
    return "r2" if schema.is_regression else "f1_macro"


def _study_name(evaluator: str, train: pd.DataFrame, schema: Schema, *, folds: int, seed: int) -> str:
    """A name that changes with the values the evaluator is given and with what is searched.

    So a journal never goes on with other rows or in another space.
    """
    y = train[schema.target]
    seen = inputs(train, schema).set_axis(range(len(schema.features)), axis=1)
    seen["target"] = y.to_numpy(np.float64) if schema.is_regression else codes(y, labels(y, schema))
    digest = hashlib.sha256(repr((schema.task, len(schema.numeric))).encode())
    digest.update(pd.util.hash_pandas_object(seen, index=False).to_numpy().tobytes())
    rows, space = digest.hexdigest()[:16], search_space.digest(TUNED[evaluator].suggest)
    return f"{evaluator}-v{VERSION}.{SCORES[evaluator]}-{rows}-space{space}-folds{folds}-seed{seed}"


def write_atomically(path: Path, record: dict[str, Any]) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(draft, path)


def tune_tables(
    names: Sequence[str],
    out: Path,
    *,
    evaluator: str = "catboost",
    mirror: Path | None = None,
    trials: int = 100,
    folds: int = 5,
    seed: int = 0,
    threads: int = 1,
    max_seconds: float | None = None,
) -> None:
    """Tune an evaluator for each named data set and write `out`/<name>/<evaluator>.json beside its journal.

    A data set whose rows cannot be had is skipped with a warning. `trials` counts those of earlier runs.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name in names:
        try:
            dataset = load(name, mirror=mirror)
        except Unreachable as absent:
            log.warning("%s: skipped, %s", name, absent)
            continue
        log.info("%s: %d training rows", name, len(dataset.train))
        found = tune(
            dataset.train,
            dataset.schema,
            evaluator=evaluator,
            trials=trials,
            folds=folds,
            seed=seed,
            max_seconds=max_seconds,
            threads=threads,
            storage=out / name / f"{evaluator}.journal",
        )
        record = {"dataset": name, "digest": dataset.digest, **found, "environment": environment()}
        write_atomically(out / name / f"{evaluator}.json", record)
        log.info("%s: best %s %.4f", name, found["cv_metric"], found["cv_score"])
