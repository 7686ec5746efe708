"""Numbers and times that lie as much above others as a label says, see `data.offset`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.comparable import plain
from tabstep.data.counted import counted
from tabstep.data.labelled import labelled
from tabstep.data.offset import Offset, slack

MANY = 10  # values of what is added to
MOST = 12  # columns of numbers among which pairs are looked at
MOST_ADDED = 12  # amounts
LEAST = 30  # rows that would be off, were the label another row's


def offsets(
    frame: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    numbers: Sequence[str],
    few: Sequence[str],
    steps: Mapping[str, float],
) -> Iterator[Offset]:
    """Rules that hold in all rows of a frame in common units, of which the larger column is made.

    pairs    of times that compare
    numbers  columns of plain numbers
    few      columns of few values, which may say what is added
    """
    many = [name for name in numbers if frame[name].nunique() >= MANY][:MOST]
    marks = [*labelled(frame, few)]
    for by, of in (*pairs, *((a, b) for a in many for b in many if a != b)):
        low, high = counted(frame[by]), counted(frame[of])
        near = slack(high, (steps[by], steps[of]))
        rows = np.flatnonzero(~np.isnan(high - low))
        added = (high - low)[rows]
        if len(np.unique(low[rows])) < MANY or np.median(added) <= 0:
            continue
        if np.count_nonzero(np.diff(np.sort(added)) > 2 * near.max(initial=0)) >= MOST_ADDED:
            continue
        for on, codes, values in marks:
            there = codes[rows] >= 0
            amounts = _amounts(added[there], codes[rows][there], len(values), near[rows][there])
            if on not in (by, of) and amounts is not None:
                told: list[tuple[Any, float]] = [
                    (plain(value), float(a))
                    for value, a in zip(values, amounts, strict=True)
                    if not np.isnan(a)
                ]
                known = sorted(told, key=lambda pair: pair[1])
                yield Offset(on, by, of, tuple(known), (steps[by], steps[of]), frame[of].dtype.kind == "M")


def _amounts(added: np.ndarray, codes: np.ndarray, labels: int, near: np.ndarray) -> np.ndarray | None:
    """What each of some labels adds (labels,), NaN of one without rows, from added (n,) and codes (n,); None where it
    is not the same in all rows with a label, or is so whatever the label."""
    found = pd.Series(added).groupby(codes).median().reindex(range(labels)).to_numpy(np.float64)
    if (np.abs(added - found[codes]) > near).any():
        return None
    shares = np.unique(found[codes].round(9), return_counts=True)[1] / len(codes)
    if len(codes) * (1 - float((shares**2).sum())) < LEAST or len(codes) - labels < LEAST:
        return None
    return found.round(9)
