"""Numbers that are others times what several come to, see `data.priced`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tabstep.data.counted import RELATIVE
from tabstep.data.lines import NEAR
from tabstep.data.priced import Priced
from tabstep.data.together import together
from tabstep.data.weighted_search import fitted, furthest, parts

MANY = 10  # values of what is made
FEWEST = 3  # values of a price
MOST = 20  # columns that are looked at
MOST_PARTS = 6
FIRST = 128  # rows, and 4 for each column, that candidates are tried on before all are


def priced(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], made: Callable[[str], bool]
) -> Iterator[Priced]:
    """Rules that hold in all rows of a frame in common units, at most one for each column.

    made  whether others make a column; such are parts only where those that make them do not tell
    """
    varied = [n for n in numbers if frame[n].nunique() > 1][:MOST]
    x = frame[varied].to_numpy(np.float64)
    among, there = together(x)
    known, rows = [varied[k] for k in among], x[there][: FIRST + 4 * len(among), among]
    near = NEAR * np.array([steps[name] for name in known]) + RELATIVE * np.abs(rows).max(axis=0, initial=0)
    taken: set[str] = set()
    for i, by in enumerate(known):
        names = [name for name in known if name != by]
        if frame[by].nunique() < FEWEST or len(names) < 3 or len(rows) < 4 * len(known):
            continue
        away = furthest(rows[:, [i]] * np.delete(rows, i, axis=1), rows)
        for of in (known[k] for k in np.flatnonzero(away <= near)):
            if of == by or of in taken or made(of) or frame[of].nunique() < MANY:
                continue
            others = [name for name in names if name != of and name not in taken]
            times = frame[others].mul(frame[by], axis=0).assign(**{of: frame[of]})
            told = parts(times, others, of, steps, [name for name in others if made(name)])
            rule = fitted(times, told, of, steps) if 2 <= len(told) <= MOST_PARTS else None
            if rule is None:
                continue
            grids = steps[by], *rule.grids
            found = Priced(by, rule.parts, rule.factors, rule.base, of, rule.down, rule.step, grids)
            if not found.breaks(frame).any():
                taken.add(of)
                yield found
