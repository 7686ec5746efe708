"""Do drawn rows give training rows away? Three pieces of evidence, each with what chance allows, and a verdict.

None proves that nothing leaks: the verdict says what was tried and how much it would have seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scipy.stats import hypergeom

Finding = Literal["leak", "sign", "none", "unknown"]

FEWEST = 100  # held-out rows; with fewer, chance allows anything
OFTEN = 0.05  # where as many fresh rows equal a training row, an equal row gives nobody away
MUCH = 0.05  # above an even chance by as much: of the area of an attack, and of the share of nearest rows
DEVIATIONS = 3.0
SIGN = 0.01  # as many equal rows or more happen by chance less often than that where they are a sign,
SURE = 1e-4  # and where they are a leak


@dataclass(frozen=True)
class Evidence:
    """One measurement.

    value     of the drawn rows; expected: of fresh real rows; allowed: up to where chance reaches
    finding   leak: far beyond chance; sign: beyond it; none; unknown: it could not be measured, and `note` says why
    """

    name: str
    title: str
    value: float | None
    expected: float | None
    allowed: float | None
    finding: Finding
    note: str


@dataclass(frozen=True)
class Verdict:
    """The worst of what was found, unknown where nothing was found but not all could be measured."""

    finding: Finding
    word: str
    sentence: str
    evidence: tuple[Evidence, ...]


WORDS: Mapping[Finding, str] = {
    "leak": "Yes, it leaks",
    "sign": "Perhaps: there is a sign of a leak",
    "none": "No sign of a leak",
    "unknown": "Cannot be told",
}


def verdict(evidence: tuple[Evidence, ...]) -> Verdict:
    """A verdict from all pieces of evidence."""
    found = [e.finding for e in evidence]
    worst: Finding = next((f for f in ("leak", "sign", "unknown") if f in found), "none")  # type: ignore[misc]
    titles = [e.title for e in evidence if e.finding == worst]
    at_fault = " and ".join([", ".join(titles[:-1])] * (len(titles) > 1) + titles[-1:]).capitalize()
    match worst:
        case "leak":
            said = (
                f"{at_fault}: far beyond what fresh real rows show. "
                "Give these rows to nobody who may not see the training rows."
            )
        case "sign":
            said = (
                f"{at_fault}: beyond what chance allows, but not far. "
                "Train for fewer steps, or on more rows, and look again."
            )
        case "unknown":
            said = (
                f"{at_fault}: not measured, because that takes {FEWEST} or more real rows that the model was not "
                "trained on. Hold some out before the fit, and give them to the report."
            )
        case _:
            said = (
                f"{at_fault} are as with fresh real rows. This is no proof: another attack may find more, and "
                "a leak within what chance reaches would not have been noticed."
            )
    return Verdict(worst, WORDS[worst], said, evidence)


@dataclass(frozen=True)
class Chance:
    """Real rows that a fit has not copied, and the share of them that equals a training row all the same."""

    share: float
    rows: int

    @classmethod
    def of_training(cls, share: float, rows: int) -> Chance:
        """From the share of training rows that equal another one. They come by twos, so they count as half as many."""
        return cls(share, rows // 2)

    def of(self, equal: int, drawn: int) -> float:
        """How often fresh rows have so many equal ones, or more, given how many there are in both parts together.

        Fisher's exact test, for a share of 0 in 100 rows is not a share of 0.
        """
        both = equal + round(self.share * self.rows)
        return float(hypergeom.sf(equal - 1, drawn + self.rows, both, drawn))

    def reach(self, drawn: int) -> float:
        """The largest share of drawn rows that is no sign."""
        low, high = 0, drawn + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.of(middle, drawn) >= SIGN else (low, middle)
        return low / drawn


def copies(share: float, drawn: int, *real: Chance) -> Evidence:
    """Rows that equal a training row in every column.

    real  what chance does, by held-out rows, by training rows, or by both: then it has to explain the share by each.
          Training rows that do not explain the held-out ones, as equal ones were taken out of them, say nothing
    """
    first, *others = real
    real = (first, *(r for r in others if r.of(round(first.share * first.rows), first.rows) >= SIGN))
    expected, allowed = max(r.share for r in real), min(r.reach(drawn) for r in real)
    p = min(r.of(round(share * drawn), drawn) for r in real)
    sure = p < SURE and share > 2 * expected and expected <= OFTEN
    finding: Finding = "none" if share <= allowed else "leak" if sure else "sign"
    note = f"Share of the {drawn:,} drawn rows that equal a training row in every column."
    return Evidence("copies", "exact copies", share, expected, allowed, finding, note)


def nearest(share: float, drawn: int, train: int, held: int) -> Evidence:
    """`dcr_share` of `metrics.dcr`: 0.5 for fresh real rows, 0.5 + c / 2 where the part c are copies.

    Drawn rows fall on either side as coins do. Which rows are held out adds next to nothing: in 255 trials with fresh
    rows the deviation was two thirds to nine tenths of that of the coins.
    """
    usual = train / (train + held)
    scatter = 0.5 / (1 - usual) * math.sqrt(usual * (1 - usual) / drawn)
    allowed = 0.5 + DEVIATIONS * scatter
    beyond = share > allowed
    finding: Finding = "none" if not beyond else "leak" if _is_far(share, allowed) else "sign"
    note = "Drawn rows nearer to a training row than to any held-out row: 0.5 is even, 1 is a copy each (DCR share)."
    return Evidence("dcr_share", "nearness to training rows", share, 0.5, allowed, finding, note)


def attacks(largest: float, low: float, high: float) -> Evidence:
    """The best of four attacks on membership: its area, and the 95 % interval of one of them.

    The largest of four lies above 0.5 by chance, by about half the width of that interval; in 255 trials with fresh
    rows never by the whole of it.
    """
    allowed = 0.5 + (high - low)
    beyond = largest > allowed
    finding: Finding = "none" if not beyond else "leak" if _is_far(largest, allowed) else "sign"
    note = "The best of four attacks that guess who was in training: 0.5 is guessing, 1 is knowing (AUC)."
    return Evidence("mia_max", "membership attacks", largest, 0.5, allowed, finding, note)


def _is_far(value: float, allowed: float) -> bool:
    """Whether a value is above 0.5 by `MUCH`, and by twice what chance allows."""
    return value > 0.5 + max(MUCH, 2 * (allowed - 0.5))


def unmeasured(name: str, title: str, why: str) -> Evidence:
    """What could not be measured."""
    return Evidence(name, title, None, None, None, "unknown", why)
