"""Where values end: edges, and no thin tails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tabstep.data.determined import LEAST

NEAREST = (2 * LEAST, 4 * LEAST)  # values next to an end that tell how common they are there
THIN = 0.3  # share of those in the outer half, by numbers and by their logarithms; 1 / sqrt(60) or less in a tail
SET_BACK = 4  # distances between values by which an edge may be lower than the least value


Rounding = Callable[[float, float], float]
"""A number between two others, or below the lower: where an edge is likely to be."""


def is_edge(values: np.ndarray) -> bool:
    """Whether values (n,), ascending, end at an edge: a tail gets thinner outwards, an edge does not.

    Fewer than `NEAREST[0]` say nothing.
    """
    return len(values) >= NEAREST[0] and all(
        _outer(values[: np.searchsorted(values, values[nearest - 1], side="right")]) >= THIN
        for nearest in NEAREST
        if nearest <= len(values)
    )


def edge(values: np.ndarray, step: float, to: Rounding) -> float:
    """Where values (n,), ascending, begin that end at an edge, n at least `NEAREST[0]`.

    step  of the grid that they keep to, 0 where they are continuous
    to    where it is likely to be where values only come near to it

    The least of n values is above an edge by a value's distance from the next, in the mean. Where that is more than the
    grid, the edge is a round number at most four such distances lower; fresh rows seldom are beyond.
    """
    least = float(values[0])
    apart = float(values[NEAREST[0] - 1] - least) / (NEAREST[0] - 1)
    return least if apart <= step else to(least - SET_BACK * apart, least)


def _outer(nearest: np.ndarray) -> float:
    """The share of values, ascending, that are in the half of their span next to the end."""
    low, high = nearest[0], nearest[-1]
    middle = min((low + high) / 2, np.sqrt(low * high) if low > 0 else np.inf)
    return float(np.searchsorted(nearest, middle, side="right")) / len(nearest)
