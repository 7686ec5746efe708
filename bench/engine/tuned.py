"""What was tuned for a dataset, in the user's folder or in the project's: evaluators, methods, samplers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from tabstep import published
from tabstep.contracts import Unsupported
from tabstep.data import plain
from tabstep.data.cards import DataError
from tabstep.data.table import Dataset
from tabstep.engine.filters import Refused, choose
from tabstep.engine.job import Evaluator, Job
from tabstep.engine.keys import fit_key_of
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.metrics.efficacy import params_of
from tabstep.metrics.mlp import MLPParams
from tabstep.metrics.xgboost_trees import XGBoostParams
from tabstep.registry import GRIDS, METHODS, make_method
from tabstep.samplers import space
from tabstep.shipped import shipped
from tabstep.suite import EvaluatorSource

TUNED = shipped("results", "tuned")


def evaluator(source: EvaluatorSource, dataset: Dataset, tuned_in: Path | None = None) -> Evaluator:
    """CatBoost's parameters. Raises `Unsupported` where there are none, DataError where they are of other data."""
    if source == "default":
        return Evaluator(source, asdict(CatBoostParams.default()))
    if source == "fast":
        return Evaluator(source, asdict(CatBoostParams.fast()))
    if source == "published":
        return Evaluator(source, asdict(published.catboost(dataset.name)))
    known = _evaluator("catboost", dataset, tuned_in)
    if known is None:
        raise Unsupported(f"no tuned evaluator: results/tuned/{dataset.name}/catboost.json does not exist")
    return Evaluator(source, asdict(_built(CatBoostParams.of, known, f"{dataset.name}/catboost")))


def beside(name: str, source: EvaluatorSource, dataset: Dataset, tuned_in: Path | None) -> Evaluator:
    """An evaluator beside CatBoost. Only XGBoost has parameters to tune; what is not tuned is at its defaults."""
    if name == "simple":
        return Evaluator("fixed", {})
    if name == "mlp":
        return Evaluator("fixed", asdict(MLPParams()))
    if source == "fast":
        return Evaluator(source, asdict(XGBoostParams.fast()))
    known = _evaluator(name, dataset, tuned_in) if source == "tuned" else None
    if known is None:
        return Evaluator("default", asdict(XGBoostParams.default()))
    return Evaluator(
        source, asdict(_built(partial(params_of, XGBoostParams), known, f"{dataset.name}/{name}"))
    )


def settings(base: Job, method: str, tuned_in: Path | None = None) -> dict[str, Any]:
    """What `tabstep tune` found for this method and data, with all its settings.

    Raises `Refused` where it did not, or on other data.
    """
    dataset = base.cell.dataset
    path = _place(tuned_in, dataset, f"{method}.json")
    again = f"run `tabstep tune {method} --dataset {dataset}` first"
    if not path.exists():
        raise Refused(f"no tuned settings: results/tuned/{dataset}/{method}.json does not exist; {again}")
    kinds = {"digest": str, "settings": dict, "log2_rows": (int, float)}
    found = _read(path, kinds, again)
    if not -10 <= found["log2_rows"] <= 10:
        raise Refused(f"results/tuned/{dataset}/{method}.json: log2_rows is {found['log2_rows']:g}; {again}")
    if base.dataset_digest and found["digest"] != base.dataset_digest:
        raise Refused(
            f"results/tuned/{dataset}/{method}.json was tuned on data {found['digest'][:12]}, "
            f"found {base.dataset_digest[:12]}; {again}"
        )
    try:
        return found | {"settings": asdict(make_method(METHODS[method], found["settings"]))}  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise Refused(f"results/tuned/{dataset}/{method}.json: {error}; {again}") from error


def with_sampler(job: Job, steps: int, tuned_in: Path | None) -> Job:
    """The cell of the sampler that `tabstep tune-sampler` found. Raises `Refused` where it did not for this model."""
    cell = job.cell
    name = f"{space.file_name(cell.method, cell.params, steps)}.json"
    path = _place(tuned_in, cell.dataset, name)
    again = (
        f"run `tabstep tune-sampler {cell.suite} --dataset {cell.dataset} --method {cell.method} "
        f"--steps {steps}` first"
    )
    if not path.exists():
        raise Refused(f"no tuned sampler: results/tuned/{cell.dataset}/{name} does not exist; {again}")
    stored = _read(path, {"fit_key": str, "settings": dict}, again)
    # Where the data cannot be reached the cell is skipped anyway, and its model is not known.
    if job.dataset_digest and stored["fit_key"] != fit_key_of(replace(job, cell=replace(cell, train_seed=0))):
        raise Refused(f"results/tuned/{cell.dataset}/{name} was tuned on another model; {again}")
    found = stored["settings"]
    try:
        space.built(found)
        grid = choose("grid", found["grid"], GRIDS)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"results/tuned/{cell.dataset}/{name} holds no sampler ({error}); {again}") from error
    cell = replace(cell, sampler=space.TUNED, grid=grid, steps=steps)
    return replace(job, cell=cell, tuned=found)


def _evaluator(evaluator: str, dataset: Dataset, tuned_in: Path | None) -> dict[str, Any] | None:
    path = _place(tuned_in, dataset.name, f"{evaluator}.json")
    if not path.exists():
        return None
    try:
        stored = plain.shaped(path, {"digest": str, "params": dict})
    except (plain.NotPlain, OSError) as error:
        raise DataError(f"results/tuned/{dataset.name}/{evaluator}.json: {error}; tune again") from error
    if stored["digest"] != dataset.digest:
        raise DataError(
            f"results/tuned/{dataset.name}/{evaluator}.json was tuned on data {stored['digest'][:12]}, "
            f"found {dataset.digest[:12]}; tune again"
        )
    params: dict[str, Any] = stored["params"]
    return params


def _built(make: Callable[[dict[str, Any]], Any], known: dict[str, Any], name: str) -> Any:
    """Parameters of what a file holds. Raises DataError where it holds others."""
    try:
        return make(known)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"results/tuned/{name}.json: params are not those of an evaluator ({error})"
        ) from error


def _read(path: Path, kinds: Mapping[str, Any], again: str) -> dict[str, Any]:
    try:
        return plain.shaped(path, kinds)
    except (plain.NotPlain, OSError) as error:
        raise Refused(f"results/tuned/{path.parent.name}/{path.name}: {error}; {again}") from error


def _place(tuned_in: Path | None, dataset: str, name: str) -> Path:
    """Of what was tuned, in the user's folder if it is there, else in the project's."""
    own = None if tuned_in is None else tuned_in / dataset / name
    return own if own is not None and own.exists() else TUNED / dataset / name
