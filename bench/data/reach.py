"""What arithmetic makes stays where training rows are: where it would be what none was, what it is made of moves.

Parts that were drawn each by itself can come to less than nothing. The total stays as it was drawn, within its ends,
and one part makes up for it where that stays within its own; of a sum, where none can alone, each goes as far as its
ends let it. Training rows are such points, and the ends are theirs, so this always comes out where no part is held.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from tabstep.data import instead
from tabstep.data.arithmetic import Made, Total
from tabstep.data.constraints import Codes, Constraint, Sum, broken
from tabstep.data.counted import RELATIVE, Seen, counted, fits, of_counted, on_grid


class Added(Protocol):
    """A rule by which a total is what parts come to."""

    @property
    def terms(self) -> tuple[tuple[str, int, float], ...]:
        """Of each part its name, sign and grid, those first that give way first."""

    @property
    def whole(self) -> tuple[str, float]:
        """The total, and its grid."""

    @property
    def seen(self) -> Seen: ...

    def exact(self, frame: pd.DataFrame) -> np.ndarray:
        """What the parts come to (n,), NaN for gaps."""


def made_within(rules: Sequence[Constraint], frame: pd.DataFrame, fixed: Collection[str]) -> pd.DataFrame:
    """The frame with another column moved where what arithmetic makes would lie outside the training rows' numbers.

    What was drawn of it stays there: a part of it goes where that says, if it stays within its own. What others make
    or determine is no such part.
    """
    made = [rule for rule in rules if isinstance(rule, Made) and not isinstance(rule, Total)]
    held = {*fixed, *(rule.of for rule in rules if isinstance(rule, Codes | Made))}
    held |= {rule.total for rule in rules if isinstance(rule, Sum)}
    for rule in (rule for rule in made if rule.of not in fixed):
        out = broken(rule, frame)
        if out.any():
            out &= rule.beyond(rule.of, rule.made(frame)) & ~rule.beyond(rule.of, frame[rule.of])
        for name in (name for name in rule.gives if name not in held):
            if out.any():
                moved = rule.moved(name, frame)
                tried = instead.put(frame, name, moved, out)
                stays = out & ~rule.beyond(name, moved) & ~rule.beyond(rule.of, rule.made(tried))
                frame, out = instead.put(frame, name, moved, stays), out & ~stays
    return frame


def within(rule: Added, frame: pd.DataFrame, wrong: np.ndarray, held: Collection[str]) -> pd.DataFrame:
    """The frame with parts moved in those of the rows that break a sum where they come to what no total was.

    What cannot be made up for stays: parts that are held or have gaps, grids that are coarser than that of another.
    """
    known = {name: (low, high) for name, low, high in rule.seen}
    total, finest = rule.whole
    grids = [finest, *(step for _, _, step in rule.terms)]
    free = [
        (name, sign, step)
        for name, sign, step in rule.terms
        if name in known and name not in held and all(fits(other, step) for other in grids)
    ]
    if total not in known or not free:
        return frame
    exact = rule.exact(frame)
    out = wrong & _beyond(exact, known[total])
    if not out.any():
        return frame
    left = np.where(out, np.clip(counted(frame[total]), *known[total]) - exact, 0.0)
    for name, sign, step in free:
        moved = counted(frame[name]) + sign * left
        alone = (left != 0) & ~_beyond(moved, known[name])
        frame, left = _put(frame, name, moved, step, alone), np.where(alone, 0.0, left)
    for name, sign, step in free:
        x = counted(frame[name])
        moved = np.clip(x + sign * left, *known[name])
        there = (left != 0) & ~np.isnan(x)
        frame, left = _put(frame, name, moved, step, there), np.where(there, left - sign * (moved - x), left)
    return frame


def _beyond(x: np.ndarray, seen: tuple[float, float]) -> np.ndarray:
    near = RELATIVE * (seen[1] - seen[0])
    return ~((x >= seen[0] - near) & (x <= seen[1] + near))


def _put(frame: pd.DataFrame, name: str, to: np.ndarray, step: float, where: np.ndarray) -> pd.DataFrame:
    return instead.put(frame, name, on_grid(of_counted(to, frame[name]), step), where)
