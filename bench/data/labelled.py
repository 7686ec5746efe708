"""What the labels of columns may say, with gaps as a label of their own, and without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd


def labelled(frame: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray, Any]]:
    """Columns, the codes (n,) of their labels, and these in rising order: those with fewest labels first.

    Of a city and its country, which may both say what is told, the country says more. Each comes with a gap as the last
    label; and one that has gaps once more, with -1 where they are.
    """
    for name in sorted(names, key=lambda name: frame[name].nunique()):
        codes, values = pd.factorize(frame[name], sort=True, use_na_sentinel=False)
        yield name, codes, values
        if frame[name].isna().any():
            yield name, *pd.factorize(frame[name], sort=True)
