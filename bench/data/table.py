"""Frozen records of data: what a table is, before anything is learned from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["binclass", "multiclass", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True)
class Schema:
    """Roles of the columns of a table.

    The canonical order of a frame is `numeric`, then `categorical`, then `target` (see `columns`).
    The target is in neither of the first two; it is a class label for classification and a number for
    regression. `integer` names the numeric columns (and the target) whose training values are all whole.
    """

    task: Task
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    integer: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {self.task!r}")
        repeated = sorted({c for c in self.columns if self.columns.count(c) > 1})
        if repeated:
            raise ValueError(f"each column has one role; named more than once: {', '.join(repeated)}")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in canonical order."""
        return (*self.numeric, *self.categorical, self.target)

    @property
    def features(self) -> tuple[str, ...]:
        """All columns but the target."""
        return (*self.numeric, *self.categorical)

    @property
    def is_regression(self) -> bool:
        return self.task == "regression"

    @property
    def numbers(self) -> tuple[str, ...]:
        """Columns that hold numbers: the numeric features, and the target of a regression."""
        return (*self.numeric, self.target) if self.is_regression else self.numeric

    @property
    def labels(self) -> tuple[str, ...]:
        """Columns that hold categories: the categorical features, and the target of a classification."""
        return self.categorical if self.is_regression else (*self.categorical, self.target)


@dataclass(frozen=True)
class Dataset:
    """A table with its fixed parts. Frames hold `schema.columns` in that order.

    Numbers are float64 or int64, NaN where missing; categories are `str` objects, None where missing.
    `digest` is the SHA-256 that identifies values, columns and split; `source` says where they came from.
    """

    name: str
    schema: Schema
    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    digest: str
    source: str


@dataclass(frozen=True)
class Development:
    """The part of a `Dataset` that choices may be made on. It has no test rows, and no way back to them.

    classes  sorted labels of the target in train and val, () for a regression
    digest   that of the whole data set, for the record
    """

    name: str
    schema: Schema
    train: pd.DataFrame
    val: pd.DataFrame
    classes: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Leave the test rows behind."""
        target = dataset.schema.target
        seen = {str(label) for part in (dataset.train, dataset.val) for label in part[target].unique()}
        classes = () if dataset.schema.is_regression else tuple(sorted(seen))
        return cls(dataset.name, dataset.schema, dataset.train, dataset.val, classes, dataset.digest)
