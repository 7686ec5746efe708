"""Two entrants by every score of the vector at once: a verdict by each, and one that no score decides alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from tabstep.records.store import Record
from tabstep.report.numbers.compare import LEVEL, Verdict, units, versus
from tabstep.report.numbers.vector import EFFICACY, VECTOR


@dataclass(frozen=True)
class Joint:
    """What is to be said of a first entrant beside a second.

    by       for each score that both have, its verdict; differences are better above 0, whatever the score
    without  scores of which nothing is claimed, as fewer than two pairs of cells have them
    says     equal where it is by every score; better (worse) where it is by one and better (worse) or equal by all;
             mixed where it is better by one and worse by another; else undecided
    """

    by: Mapping[str, Verdict]
    without: tuple[str, ...]
    says: Literal["better", "worse", "equal", "mixed", "undecided"]


def jointly(records: Sequence[Record], first: str, second: str) -> Joint:
    """Compare two entrants by every score of the vector, `better` and `worse` after Holm's correction over scores.

    Equality needs none: all of its tests have to say so. The margin is that of the score; of efficacy 1 % of the
    second's, as everywhere. Raises ValueError where no score has two pairs of cells.
    """
    found: dict[str, Verdict] = {}
    for score in VECTOR:
        of = units(records, score)
        a, b = of.get(first, {}), of.get(second, {})
        if len(set(a) & set(b)) >= 2:
            margins = {} if score is EFFICACY else {"margin": 0.0, "least": score.margin}
            found[score.name] = versus(a, b, **margins)
    if not found:
        raise ValueError("two pairs of cells are needed for a comparison, by any score of the vector")
    by = corrected(found)
    without = tuple(score.name for score in VECTOR if score.name not in by)
    return Joint(by, without, together([verdict.says for verdict in by.values()]))


def corrected(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """The verdicts with `p_different`, and what they say, by Holm's method over all of them."""
    order = sorted(verdicts, key=lambda name: verdicts[name].p_different)
    out, reached = dict(verdicts), 0.0
    for place, name in enumerate(order):
        verdict = verdicts[name]
        reached = max(reached, min(1.0, (len(order) - place) * verdict.p_different))
        undecided = verdict.says in ("better", "worse") and reached >= LEVEL
        out[name] = replace(verdict, p_different=reached, says="undecided" if undecided else verdict.says)
    return out


def together(says: Sequence[str]) -> Literal["better", "worse", "equal", "mixed", "undecided"]:
    """One verdict of several; see `Joint`."""
    found = set(says)
    if {"better", "worse"} <= found:
        return "mixed"
    if found == {"equal"}:
        return "equal"
    if found <= {"better", "equal"}:
        return "better"
    return "worse" if found <= {"worse", "equal"} else "undecided"
