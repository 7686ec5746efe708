"""What wide rows cost: how many are denoised at once, and a word about columns of very many levels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

BATCH_ROWS = 8192  # the most rows denoised at once, the same for every sampler
BATCH_NUMBERS = 2**24  # and the most numbers in them, one-hot: 64 MiB in float32
LEAST_ROWS = 512  # at once, however wide: fewer would mostly make noise for their neighbours

MANY = 1000  # levels of one column, from which its cost is told
STEP_BYTES = 28  # that a training step holds for a row and level: about seven numbers in float32
LEVELS_A_SECOND = 5e7  # that one core draws in one step


class ManyLevels(UserWarning):
    """A column has so many levels that it decides what fitting and drawing cost."""


def batch_rows(width: int) -> int:
    """Rows of `width` numbers, one-hot, to denoise at once: fewer of wide ones, so that memory is bounded."""
    return max(LEAST_ROWS, min(BATCH_ROWS, BATCH_NUMBERS // max(1, width) // LEAST_ROWS * LEAST_ROWS))


def warn_of_many_levels(categories: Mapping[str, Sequence[str]], rows: int) -> None:
    """Warn of each column with more than `MANY` levels, with what it costs to train on batches of that many rows."""
    for name, levels in categories.items():
        K = len(levels)
        if K > MANY:
            warnings.warn(
                f"column {name!r} has {K:,} levels, and each is an input and an output of the network: about "
                f"{rows * K * STEP_BYTES / 2**30:.1f} GiB in a training step of {rows:,} rows, and "
                f"{1000 * K / LEVELS_A_SECOND:.1f} s of a core for each step of drawing 1,000 rows; "
                "group its rare levels, leave it out, or lower batch_size",
                ManyLevels,
                stacklevel=3,
            )
