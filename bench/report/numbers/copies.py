"""Entrants that come twice: in the records of one origin, and again in those that another handed in."""

from __future__ import annotations

from collections.abc import Sequence

from tabstep.records.store import Cell, Record
from tabstep.report.numbers.table import GROUP, PRIMARY

Group = tuple[object, ...]  # the values of `GROUP`


def group_of(cell: Cell) -> Group:
    """The entry that a cell belongs to: all of its key but the seeds."""
    return tuple(getattr(cell, name) for name in GROUP)


def copies(known: Sequence[Record], handed_in: Sequence[Record]) -> dict[Group, float]:
    """Entries of `handed_in` of which every cell is known with the same key, thus the same code, data and settings.

    With each comes the largest absolute difference of the score of its task (units of that score) from the known
    one: 0 for a copy, more where another machine, or a mistake, made other rows. Infinite where but one has a score.
    """
    mine = {(r.cell, r.key): r for r in known}
    found: dict[Group, float] = {}
    others: set[Group] = set()
    for record in handed_in:
        group, twin = group_of(record.cell), mine.get((record.cell, record.key))
        if twin is None:
            others.add(group)
        else:
            found[group] = max(found.get(group, 0.0), _apart(twin, record))
    return {group: apart for group, apart in found.items() if group not in others}


def _apart(a: Record, b: Record) -> float:
    first, second = (r.scores.get(PRIMARY[r.task]) for r in (a, b))
    if not first or not second:
        return 0.0 if first == second else float("inf")
    return abs(sum(first) / len(first) - sum(second) / len(second))
