"""Scores of synthetic rows that need no evaluator: groups that a suite names, or that a run asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from tabstep.data.table import Dataset
from tabstep.metrics.coverage import coverage as coverage_scores
from tabstep.metrics.dcr import dcr
from tabstep.metrics.detection import detection as detection_scores
from tabstep.metrics.distances import distances
from tabstep.metrics.faults import faults as fault_scores
from tabstep.metrics.membership import membership
from tabstep.metrics.shape import shape
from tabstep.metrics.trend import trend

VERSION = 1  # raise when a score below changes for the same rows

SEED = 0  # of the subsets that privacy scores draw: the same for all competitors


def fidelity(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """How near columns and pairs of columns are to those of the real test rows."""
    parts = (score(synthetic, dataset.test, dataset.schema) for score in (shape, trend, distances))
    return {name: value for part in parts for name, value in part.items()}


def privacy(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What the rows give away of the training rows; the test rows stand for people who were not in training."""
    rows = synthetic, dataset.train, dataset.test, dataset.schema
    return dcr(*rows, seed=SEED) | membership(*rows, seed=SEED)


def coverage(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """Whether the rows lie where the real test rows do, and everywhere that those do."""
    return coverage_scores(synthetic, dataset.test, dataset.train, dataset.schema, seed=SEED)


def detection(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """Whether a classifier can tell the rows from the real test rows."""
    return detection_scores(synthetic, dataset.test, dataset.train, dataset.schema, seed=SEED)


def faults(synthetic: pd.DataFrame, dataset: Dataset) -> dict[str, float]:
    """What no real row would show."""
    return fault_scores(synthetic, dataset.train, dataset.schema)


GROUPS: Mapping[str, Callable[[pd.DataFrame, Dataset], dict[str, float]]] = {
    "fidelity": fidelity,
    "privacy": privacy,
    "coverage": coverage,
    "detection": detection,
    "faults": faults,
}
