"""The tuned configurations that the TabDDPM authors released, as settings of our method and evaluator."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from tabstep.contracts import Unsupported
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.shipped import shipped

FILE = shipped("results", "reference", "tabddpm_configs.json")


class Published(NamedTuple):
    """Settings of `TabDDPM` and the number of rows to draw, which the authors tuned as well."""

    settings: dict[str, Any]
    rows: int


@cache
def _file() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return data


def _entry(dataset: str, part: str) -> dict[str, Any]:
    entry = _file().get(dataset, {}).get(part)
    if entry is None:
        known = sorted(name for name, parts in _file().items() if part in parts)
        raise Unsupported(f"no published configuration for {dataset}; there is one for {', '.join(known)}")
    found: dict[str, Any] = entry
    return found


def tabddpm(dataset: str) -> Published:
    """The configuration tuned with CatBoost, the row TabDDPM of the published tables.

    Raises Unsupported for a dataset that the authors did not use.
    """
    c = _entry(dataset, "ddpm_cb_best")
    settings = {
        "T": c["num_timesteps"],
        "schedule": c["scheduler_effective"],
        "layers": tuple(c["d_layers"]),
        "dropout": c["dropout"],
        "lr": c["lr"],
        "weight_decay": c["weight_decay"],
        "batch_size": c["batch_size"],
        "steps": c["steps"],
        "normalization": c["train_transform"]["normalization"],
        "rounding": "reference",
        "cat_input": "logonehot",
    }
    return Published(settings, c["sample_num"])


def work(dataset: str) -> tuple[float, float]:
    """Operations of the matrix products of the hidden layers, to compare tables by: of the fit, and of one draw.

    A product of n rows with an a x b matrix is 2 n a b; training does it there and twice back.
    """
    settings, rows = tabddpm(dataset)
    products = 2 * sum(a * b for a, b in pairwise(settings["layers"]))
    return 3.0 * products * settings["batch_size"] * settings["steps"], 1.0 * products * settings["T"] * rows


def catboost(dataset: str) -> CatBoostParams:
    """The authors' tuned CatBoost evaluator."""
    c = _entry(dataset, "eval_model_catboost_cv")
    names = CatBoostParams.__dataclass_fields__
    return CatBoostParams.of({name: c[name] for name in names if name in c})
