"""Scores of synthetic rows that need no evaluator beside them: groups that a suite names, or that a run asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.table import Dataset
from tabstep.metrics.augmentation import augmentation as augmentation_scores
from tabstep.metrics.coverage import coverage as coverage_scores
from tabstep.metrics.dcr import dcr
from tabstep.metrics.dependence import dependence as dependence_scores
from tabstep.metrics.detection import detection as detection_scores
from tabstep.metrics.distances import distances
from tabstep.metrics.faults import faults as fault_scores
from tabstep.metrics.membership import membership
from tabstep.metrics.precision import precision
from tabstep.metrics.rivals import rivals as rivals_scores
from tabstep.metrics.shape import shape
from tabstep.metrics.space import FAR
from tabstep.metrics.tails import tails as tail_scores
from tabstep.metrics.trend import trend
from tabstep.metrics.utility import utility as utility_scores

SEED = 0  # of the subsets that scores draw: the same for all competitors


def fidelity(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """How near columns and pairs of columns are to those of the real test rows."""
    rows = within(synthetic, dataset)
    parts = (score(rows, dataset.test, dataset.schema) for score in (shape, trend, distances))
    return {name: value for part in parts for name, value in part.items()}


def dependence(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What pairs and triples of columns have to do with each other, beside the real test rows."""
    return dependence_scores(
        within(synthetic, dataset), dataset.test, dataset.train, dataset.schema, seed=SEED
    )


def tails(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """Whether number columns have the tails and the point masses of the real test rows."""
    return tail_scores(synthetic, dataset.test, dataset.schema, seed=SEED)


def privacy(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What the rows give away of the training rows; the test rows stand for people who were not in training."""
    rows = synthetic, dataset.train, dataset.test, dataset.schema
    return dcr(*rows, seed=SEED) | membership(*rows, seed=SEED)


def coverage(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """Whether the rows lie where the real test rows do, and everywhere that those do."""
    return coverage_scores(synthetic, dataset.test, dataset.train, dataset.schema, seed=SEED)


def detection(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """Whether a classifier can tell the rows from the real test rows, and from the training rows."""
    return detection_scores(synthetic, dataset.test, dataset.train, dataset.schema, seed=SEED)


def rivals(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What others publish: how like the training rows the rows are."""
    return rivals_scores(within(synthetic, dataset), dataset.train, dataset.schema, seed=SEED)


def utility(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What the rows teach of every column, in parts of what the training rows do."""
    rows = within(synthetic, dataset)
    return utility_scores(rows, dataset.test, dataset.train, dataset.schema, seed=SEED)


def augmentation(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What the rows add to real ones."""
    return augmentation_scores(within(synthetic, dataset), dataset, seed=SEED)


def faults(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What no real row would show."""
    rows = synthetic, dataset.train, dataset.schema
    return fault_scores(*rows) | precision(*rows)


def within(synthetic: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """The rows, with numbers that lie `FAR` training ranges away or more at that distance.

    What is absurd stays far off, and sums and squares of it stay numbers.
    """
    changed = {}
    for name in dataset.schema.numbers:
        known = dataset.train[name].dropna().to_numpy(np.float64)
        if len(known):
            low, high = float(known.min()), float(known.max())
            far = FAR * ((high - low) or abs(high) or 1.0)
            x = synthetic[name].to_numpy(np.float64)
            if ((x < low - far) | (x > high + far)).any():
                changed[name] = np.clip(x, low - far, high + far)
    return synthetic.assign(**changed) if changed else synthetic


GROUPS: Mapping[str, Callable[[pd.DataFrame, Dataset], dict[str, float]]] = {
    "fidelity": fidelity,
    "dependence": dependence,
    "tails": tails,
    "privacy": privacy,
    "coverage": coverage,
    "detection": detection,
    "utility": utility,
    "augmentation": augmentation,
    "faults": faults,
    "rivals": rivals,
}

VERSIONS: Mapping[str, int] = {
    "fidelity": 1,
    "dependence": 2,
    "tails": 2,
    "privacy": 3,
    "coverage": 3,
    "detection": 3,
    "utility": 2,
    "augmentation": 2,
    "faults": 2,
    "rivals": 1,
}
"""Of each group: raise when one of its scores changes for the same rows, or when it gains or loses one."""


def version(metrics: Iterable[str]) -> Any:
    """What stands in the key of a cell for the groups among `metrics`: groups at their first version are left out."""
    later = {group: VERSIONS[group] for group in sorted(set(metrics) & set(GROUPS)) if VERSIONS[group] > 1}
    return later or 1
