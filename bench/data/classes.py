"""Classes of a column: its labels, a gap, the number that many rows have, such as 0, and any other number or time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain

Class = str | float | None | tuple[()]
OTHER: tuple[()] = ()
"""The class of what is neither a gap nor listed; a tuple, since no label and no number is one."""

MOST_LISTED = 50  # labels of a column that are classes of their own
FEWEST, SPIKE = 30, 0.05  # rows, and share of them, with a number that is a class of its own


def classes(column: pd.Series[Any]) -> list[Class]:
    """The classes of a column: its labels, or a gap, a number that many rows have at an end or at 0, and the rest."""
    gap = [None] if column.isna().any() else []
    if column.dtype == object:
        labels = sorted(str(plain(label)) for label in column.dropna().unique())
        return [*gap, *labels] if len(labels) <= MOST_LISTED else [*gap, OTHER]
    ends = [] if column.dtype.kind in "mM" else [0.0, float(column.min()), float(column.max())]
    least = max(FEWEST, SPIKE * len(column))
    spikes = [end for end in ends if (column == end).sum() >= least][:1]
    return [*gap, *spikes, OTHER] if column.nunique() > len(spikes) else [*gap, *spikes]


def coded(column: pd.Series[Any], kinds: Sequence[Class]) -> np.ndarray:
    """The place of each value's class (n,) int in `kinds`, -1 for none."""
    place: dict[Any, int] = {kind: i for i, kind in enumerate(kinds)}
    rest = place.get(OTHER, -1)
    if column.dtype == object:
        codes, labels = pd.factorize(column, use_na_sentinel=False)
        of = [place.get(label, -1 if label is None else rest) for label in map(plain, labels)]
        return np.array(of, dtype=np.int64)[codes]
    found = np.where(column.isna().to_numpy(), place.get(None, -1), rest)
    for kind in kinds:
        if isinstance(kind, float):
            found = np.where((column == kind).to_numpy(), place[kind], found)
    return found


def called(name: str, of: Sequence[Class], kinds: Sequence[Class]) -> str:
    """That a column has one of some classes, in words; of those with the rest, that it has none of the others."""
    if OTHER in of:
        return f"{name} is not {listed([kind for kind in kinds if kind not in of])}"
    return f"{name} is {listed(of)}"


def listed(kinds: Sequence[Class]) -> str:
    """Labels, numbers and gaps in words."""
    return " or ".join(
        "missing" if kind is None else f"{kind:.12g}" if isinstance(kind, float) else str(kind)
        for kind in kinds
    )
