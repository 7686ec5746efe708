"""Point masses of number columns: what many rows share exactly is a class, and only the rest is a number.

A column with 80 % zeros is two things. Carried to a normal scale as one number, its mass sits at an end or a plateau,
where few steps of a sampler miss it and many steps smear it. As a category it is drawn exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from tabstep.data.plateaus import Plateaus
from tabstep.data.table import Schema

FREE = "free"  # the class of a row whose value is no atom
SUFFIX = "__atom__"
MOST = 32  # atoms of a column; a column with no more distinct values may be atoms alone


@dataclass(frozen=True)
class AtomRule:
    """Which values of a number column are atoms, decided by the training rows alone.

    share      of the rows that a value must hold
    end_share  the same for the smallest and the largest value, where clipping and caps leave their mass, if it holds
               `excess` times the rows of the value beside it: the end of any column of whole numbers holds some
    """

    share: float = 0.05
    end_share: float = 0.01
    excess: float = 3.0

    def __post_init__(self) -> None:
        for name in ("share", "end_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in (0, 1], got {getattr(self, name)}")

    def find(self, values: np.ndarray) -> tuple[float, ...]:
        """The atoms of complete values (n,), rising; all distinct values where hardly any row would be left free.

        What is left must be worth a number: at least a hundredth of the rows and more than two distinct values.
        """
        distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
        # A value that one row has is no mass, however short the table.
        heavy = (counts >= self.share * len(values)) & (counts > 1)
        for end, beside in ((0, 1), (-1, -2)):
            if len(distinct) > 1 and counts[end] >= max(
                self.end_share * len(values), self.excess * counts[beside]
            ):
                heavy[end] = True
        if not heavy.any():
            return ()
        few = len(distinct) <= MOST
        if few and (counts[~heavy].sum() < 0.01 * len(values) or (~heavy).sum() <= 2):
            return tuple(distinct.tolist())
        first = np.sort(np.argsort(-np.where(heavy, counts, 0), kind="stable")[: min(MOST, int(heavy.sum()))])
        return tuple(distinct[first].tolist())


def companion(column: str) -> str:
    """The name of the category that says which atom a row of `column` is."""
    return f"{column}{SUFFIX}"


@dataclass(frozen=True)
class Atoms:
    """The atoms of some number columns, rising, and whether a column has values beside them.

    values    column -> its atoms; a column without atoms is not named
    plateaus  of the columns of `values` that have a number beside their atoms; the others are categories alone
    """

    values: Mapping[str, tuple[float, ...]]
    plateaus: Mapping[str, Plateaus]

    @property
    def free(self) -> Set[str]:
        """The columns with atoms that have a number beside them."""
        return self.plateaus.keys()

    @classmethod
    def find(cls, train: pd.DataFrame, schema: Schema, rule: AtomRule) -> Atoms:
        """Learn from complete training rows. A regression target keeps its number: it is what rows are judged by.

        Raises ValueError for a column whose name ends as those of companions do.
        """
        taken = [name for name in schema.columns if name.endswith(SUFFIX)]
        if taken:
            raise ValueError(f"column names may not end in {SUFFIX!r}: {', '.join(taken)}; rename them")
        values: dict[str, tuple[float, ...]] = {}
        plateaus = {}
        for name in schema.numbers:
            column = train[name].to_numpy(np.float64)
            found = rule.find(column)
            whole = bool(np.isin(column, found).all())
            if whole and name == schema.target:
                continue
            if found:
                values[name] = found
            if found and not whole:
                plateaus[name] = Plateaus.find(column, found)
        return cls(values, plateaus)

    def spread(self, column: str, values: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Normal scores (n,) of values (n,) among all rows, given those that free values have among themselves."""
        ranks = self.plateaus[column].spread(ndtr(z), values, self.values[column])
        return np.asarray(ndtri(ranks))

    def gathered(self, column: str, z: np.ndarray) -> np.ndarray:
        """The inverse of `spread`: normal scores (n,) among the free values."""
        return np.asarray(ndtri(self.plateaus[column].gathered(ndtr(z))))

    def classes(self, column: str) -> tuple[str, ...]:
        """The classes of the companion of a column, sorted as text."""
        labels = [_label(i) for i in range(len(self.values[column]))]
        return tuple(sorted([*labels, FREE] if column in self.free else labels))

    def is_atom(self, column: str, values: np.ndarray) -> np.ndarray:
        """Which values (n,) are atoms of the column."""
        return np.isin(np.asarray(values, dtype=np.float64), self.values.get(column, ()))

    def marks(self, column: str, values: np.ndarray) -> np.ndarray:
        """The class of each value, (n,) objects. Raises ValueError where a column of atoms alone has another value."""
        atoms = np.asarray(self.values[column])
        place = np.searchsorted(atoms, values).clip(max=len(atoms) - 1)
        hit = atoms[place] == values
        if column not in self.free and not hit.all():
            odd = float(np.asarray(values)[~hit][0])
            raise ValueError(f"column {column!r} has the value {odd:g}, which no training row has")
        labels = np.asarray([_label(i) for i in range(len(atoms))], dtype=object)
        return np.where(hit, labels[place], FREE)

    def restored(self, column: str, marks: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """The values (n,) of drawn classes; `numbers` (n,) stand where a row is free."""
        atoms = np.asarray(self.values[column])
        free = marks == FREE
        codes = np.where(free, _label(0), marks).astype(np.int64)
        return atoms[codes] if numbers is None else np.where(free, numbers, atoms[codes])


def _label(i: int) -> str:
    """Of the i-th atom; sorted as text they stay in order."""
    return f"{i:02d}"
