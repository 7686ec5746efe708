"""What a report of one model says, as plain values: scores beside floors, columns, rules, and where it comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tabstep.metrics import facts
from tabstep.metrics.margins import C2ST
from tabstep.report.numbers.leak import Verdict
from tabstep.report.numbers.vector import VECTOR

Grade = Literal["as real", "near", "between", "below the floor", "off"]
WATCHED = "of these held out by the fit"
MARGIN = 0.01  # of scores that the vector does not have
NEAR = 0.25  # of the way from real rows to independent columns


@dataclass(frozen=True)
class Level:
    """One score of the drawn rows, beside those of real rows and of independent columns; None where there is none.

    real   of real rows that are as many as the drawn ones, against the same real rows
    floor  of the columns of real rows, each drawn on its own: marginals that are right, and no dependence
    reason why there is no score
    """

    group: str
    name: str
    title: str
    value: float | None
    real: float | None
    floor: float | None
    reason: str = ""

    @property
    def margin(self) -> float:
        """By how much a score may be worse than that of real rows and still be like it."""
        if self.name.startswith("c2st") and self.name.endswith("_score"):
            return 2 * C2ST  # 1 - (2 area - 1) goes twice as far as the area
        return next((s.margin for s in VECTOR if self.name in s.metrics.values()), MARGIN)

    @property
    def lower(self) -> bool:
        """Whether small is good."""
        return facts.fact(self.name).better == "lower"

    def worse(self, value: float) -> float:
        """By how much a value is worse than that of real rows, below 0 where it is better."""
        assert self.real is not None
        enough = facts.fact(self.name).enough  # an area below one half is chance, and no better than one half
        least = -math.inf if enough is None else enough
        a, b = max(value, least), max(self.real, least)
        return a - b if self.lower else b - a

    @property
    def grade(self) -> Grade | None:
        """How far the drawn rows are from real ones, by the margin and by what independent columns reach."""
        if self.value is None or self.real is None:
            return None
        off = self.worse(self.value)
        if off <= self.margin:
            return "as real"
        far = 0.0 if self.floor is None else self.worse(self.floor)
        if self.floor is not None and off > far + self.margin:
            return "below the floor"
        if far <= 2 * self.margin:
            return "off"  # independent columns are as good as real rows: they say nothing of this score
        return "near" if off <= NEAR * far else "between"


@dataclass(frozen=True)
class Share:
    """A part of the rows that shows a fault, or keeps a rule."""

    title: str
    drawn: float
    real: float


@dataclass(frozen=True)
class Column:
    """One column in real and drawn rows.

    kind      what it is taken for
    distance  total variation distance of the shares
    at        lower ends of bins, or labels; `width` of the bins, None of labels
    ends      the first and the last bin's outer end as the user writes values; empty for labels
    """

    name: str
    kind: str
    distance: float
    at: tuple[float | str, ...]
    width: tuple[float | None, ...]
    real: tuple[float, ...]
    drawn: tuple[float, ...]
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Two columns and how like their dependence is, 0..1."""

    first: str
    second: str
    similarity: float


@dataclass(frozen=True)
class Portrait:
    """A report of one model.

    title       what it is called
    made        when, in UTC
    measured    against which real rows, in a sentence
    rows        counts of training rows, of those of them that only said when the fit was to stop, and of the others
    fit         settings, target, seed and seconds of the fit, and the machine and libraries
    draw        sampler, grid, steps, seed, seconds, evaluations
    changed     what was dropped or changed at the fit, a sentence each
    report_s    seconds that the report took
    """

    title: str
    made: str
    measured: str
    rows: Mapping[str, int]
    scores: tuple[Level, ...]
    privacy: Verdict
    faults: tuple[Share, ...]
    rules: tuple[Share, ...]
    columns: tuple[Column, ...]
    pairs: tuple[Pair, ...]
    changed: tuple[str, ...]
    fit: Mapping[str, Any]
    draw: Mapping[str, Any]
    environment: Mapping[str, Any]
    report_s: float

    def to_json(self) -> dict[str, Any]:
        """As plain values; numbers that are none are None. Grades are among them."""
        plain: dict[str, Any] = _finite(asdict(self))
        for level, found in zip(self.scores, plain["scores"], strict=True):
            found |= {"margin": level.margin, "better": "lower" if level.lower else "higher"}
            found["grade"] = level.grade
        return plain


def watched(portrait: Portrait) -> str:
    """How training rows count that the network did not see; nothing where it saw all."""
    n = portrait.rows[WATCHED]
    if not n:
        return ""
    return (
        f"Of the {portrait.fit['rows']:,} rows that it was given the fit held out {n:,} by itself, to choose when to "
        "stop. They count as training rows here, so a leak of the others shows a little less than it is."
    )


def headline(portrait: Portrait) -> str:
    """How good the rows are, in a sentence or two."""
    graded = [level for level in portrait.scores if level.grade is not None]
    like = [level for level in graded if level.grade == "as real"]
    poor = [level for level in graded if level.grade in ("below the floor", "between", "off")]
    said = f"{len(like)} of {len(graded)} scores are like those of real rows"
    if poor:
        said += (
            f"; far from them: {', '.join(dict.fromkeys(level.title.partition(',')[0] for level in poor))}"
        )
    worst = max(portrait.columns, key=lambda c: c.distance, default=None)
    if worst is not None:
        said += f". Of single columns, {worst.name} is furthest from the real one: {worst.distance:.0%} of rows differ"
    return f"{said}."


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
