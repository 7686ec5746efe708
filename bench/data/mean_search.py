"""Numbers that are means of others, see `data.mean`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from tabstep.data.mean import Mean
from tabstep.data.together import together

FIRST = 512  # rows that weights are told from
MANY = 10  # values of a mean
MOST = 40  # columns among which they are looked for
FINEST = 20  # parts of which weights are whole numbers
NEAR = 0.02  # that a weight may be off what is told, and of what a mean varies by that is none


def means(
    frame: pd.DataFrame, numbers: Sequence[str], steps: Mapping[str, float], given: Collection[str]
) -> Iterator[Mean]:
    """Rules that hold in all rows of a frame in common units: the coefficients of a regression on all other columns are
    plain, above 0, and come to 1. Columns that are `given` by others are neither a mean nor a part."""
    names = [
        n for n in numbers if frame[n].dtype.kind in "iuf" and n not in given and frame[n].nunique() >= MANY
    ]
    names = names[:MOST]
    x = frame[names].to_numpy(np.float64)
    taken: set[str] = set()
    for k, of in enumerate(names):
        shown = x[~np.isnan(x[:, k])]
        own = [j for j, name in enumerate(names) if j != k and name not in taken]
        others = [j for j in own if not np.isnan(shown[:, j]).any()]
        weights = _weights(shown[:, others], shown[:, k])
        if weights is None:
            places, rows = together(shown[:, own])
            others = [own[place] for place in places]
            weights = _weights(shown[rows][:, others], shown[rows, k])
        if weights is None:
            continue
        parts = {names[j]: weight for j, weight in zip(others, weights, strict=True) if weight}
        rule = Mean(
            tuple(parts),
            tuple(map(float, parts.values())),
            of,
            steps[of],
            tuple(steps[name] for name in parts),
            (of, *sorted(parts, key=lambda name: -parts[name])),
        )
        if not rule.breaks(frame).any():
            taken.add(of)
            yield rule


def _weights(x: np.ndarray, y: np.ndarray) -> list[Fraction] | None:
    """The weights (d,) by which columns x (n, d) may come to y (n,), 0 of those that are no part; None for none."""
    if len(y) < 4 * x.shape[1] or x.shape[1] < 2:
        return None
    x, y = x[:FIRST] - x[:FIRST].mean(axis=0), y[:FIRST] - y[:FIRST].mean()
    size = np.sqrt((x**2).mean(axis=0)) + 1e-300
    try:
        found = np.linalg.lstsq(x / size, y, rcond=None)[0] / size
    except np.linalg.LinAlgError:  # beyond what floats hold
        return None
    if not np.isfinite(found).all():
        return None
    told = np.abs(found) * size > NEAR * y.std()
    weights = [
        Fraction(w).limit_denominator(FINEST) if part else Fraction(0)
        for w, part in zip(found, told, strict=True)
    ]
    off = max((abs(float(w) - f) for w, f in zip(weights, found, strict=True) if w), default=1.0)
    plain = off < NEAR and min(weights) >= 0 and sum(weights) == 1 and sum(w > 0 for w in weights) > 1
    return weights if plain else None
