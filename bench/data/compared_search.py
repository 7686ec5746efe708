"""Labels that say which of two columns is larger, see `data.compared`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain
from tabstep.data.compared import SIGNS, Compared, above
from tabstep.data.counted import extent
from tabstep.data.labelled import labelled
from tabstep.data.periods import A_DAY

FIRST = 256  # rows that candidates are tried on before all are
FEWEST = 3  # values of a column that is compared
MOST_LABELS = 4  # three, and one where a number is missing
MOST_COMPARED = 60  # columns of which pairs are looked at


def compared(
    frame: pd.DataFrame,
    numbers: Sequence[str],
    few: Sequence[str],
    steps: Mapping[str, float],
    units: Mapping[str, str],
) -> Iterator[Compared]:
    """Rules that hold in all rows of a frame in common units that have both numbers.

    numbers, few  columns of numbers or times, and columns of few values that may tell which is larger
    steps, units  of the columns: only those in one unit are compared
    """
    coded = [found for found in labelled(frame, few) if 1 < len(found[2]) <= MOST_LABELS]
    if not coded:
        return
    # A row of zeros for what says nothing, -1.
    mark = np.eye(MOST_LABELS + 1, MOST_LABELS)
    marks = np.column_stack([mark[codes[:FIRST]] for _, codes, _ in coded])
    kinds = {name: frame[name].dtype.kind for name in numbers}
    names = [name for name in numbers if frame[name].nunique() >= FEWEST][:MOST_COMPARED]
    head, ends = frame.iloc[:FIRST], {name: extent(frame[name]) for name in names}
    for first, second in combinations(names, 2):
        if kinds[first] != kinds[second] and "M" in kinds[first] + kinds[second]:
            continue
        if units.get(first) != units.get(second):
            continue
        fine = kinds[first] == "M" and min(steps[first], steps[second]) < A_DAY
        for unit in (0.0, A_DAY) if fine else (0.0,):
            # By sign and label how many of the first rows: a label is told where no sign has two.
            seen = (
                np.stack([np.sign(above(head[first], head[second], unit)) == sign for sign in SIGNS]) @ marks
            )
            told = ((seen > 0).reshape(len(SIGNS), len(coded), MOST_LABELS).sum(axis=2) <= 1).all(axis=0)
            sign = np.sign(above(frame[first], frame[second], unit)) if told.any() else np.empty(0)
            for of, codes, values in (each for each, may in zip(coded, told, strict=True) if may):
                found = {s: np.unique(codes[(sign == s) & (codes >= 0)]) for s in SIGNS}
                pairs = tuple((s, plain(values[those[0]])) for s, those in found.items() if len(those))
                is_told = all(len(those) <= 1 for those in found.values())
                if is_told and len({label for _, label in pairs}) > 1 and of not in (first, second):
                    own = (ends[first], ends[second]), (steps[first], steps[second])
                    yield Compared(first, second, of, pairs, unit, *own)  # type: ignore[arg-type]
