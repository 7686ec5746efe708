"""How near to training rows the rows of TabDDPM's authors' configuration and ours come, beside fresh rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from tabstep.records.store import Record
from tabstep.registry import DEFAULT_SAMPLER
from tabstep.report.pages import against
from tabstep.study.markdown import pipes
from tabstep.study.paired import by_table
from tabstep.study.recipe import OURS, THEIRS

SUITE = "few-steps"
"""Whose records say how near our rows come, and those of SMOTE."""

TABLE = "Table 7: privacy, mean distance to closest record"
DISTANCE, FRESH, SHARE = "dcr_mean", "dcr_mean_expected", "dcr_share"
BUDGETS = (5, 50)
NEAR = 0.9  # of the distance of fresh rows, from which down a page says that rows are nearer than they


@dataclass(frozen=True)
class Nearness:
    """Of a table the mean distance of fresh rows to the nearest training row, and of drawn rows as a part of it.

    fresh   of test rows, in the space of `metrics.dcr`
    theirs  of TabDDPM's authors' configuration trained in full, drawn by all its steps
    here    whether that was measured here, else in Table 7 of their paper
    ours    of the default, by evaluations
    smote   of SMOTE, which draws between training rows
    shares  on the scale of `dcr_share`, where copies are at 1 and fresh rows at 0.5: theirs and ours at the most
            evaluations, where theirs was measured
    """

    dataset: str
    fresh: float
    theirs: float
    here: bool
    ours: Mapping[int, float]
    smote: float | None
    shares: tuple[float, float] | None

    @property
    def last(self) -> float:
        """Of ours, at the most evaluations."""
        return self.ours[max(self.ours)]


def nearness(few: Sequence[Record], full: Sequence[Record]) -> list[Nearness]:
    """Of the tables that all is known of, by name.

    few   records of `SUITE`
    full  of the authors' configuration drawn by all its steps
    """
    usual = {"method": OURS, "params": "default", "sampler": DEFAULT_SAMPLER}
    fresh = by_table(few, FRESH, method=OURS)
    ours = {steps: by_table(few, DISTANCE, steps=steps, **usual) for steps in BUDGETS}
    share = by_table(few, SHARE, steps=BUDGETS[-1], **usual)
    smote = by_table(few, DISTANCE, method="smote")
    measured, shared = by_table(full, DISTANCE), by_table(full, SHARE)
    facts = pd.read_csv(against.REFERENCE)
    facts = facts[(facts["table"] == TABLE) & (facts["method"] == against.NAMES[THEIRS])]
    theirs = {str(f["dataset"]): float(f["mean"]) for f in facts.to_dict("records")} | dict(measured)
    known = sorted({*fresh} & {*theirs}.intersection(*ours.values()))
    return [
        Nearness(
            dataset=name,
            fresh=fresh[name],
            theirs=theirs[name] / fresh[name],
            here=name in measured,
            ours={steps: values[name] / fresh[name] for steps, values in ours.items()},
            smote=smote[name] / fresh[name] if name in smote else None,
            shares=(shared[name], share[name]) if name in shared and name in share else None,
        )
        for name in known
    ]


def page(found: Sequence[Nearness], below: Sequence[str]) -> list[str]:
    """A section for the page of the authors; nothing where nothing is known.

    below  tables on which ours is below theirs by efficacy, at the most evaluations
    """
    if not found:
        return []
    rows = [
        {
            "table": n.dataset,
            "fresh rows": f"{n.fresh:.3f}",
            "TabDDPM, in full": f"{_marked(n.theirs)} ({'here' if n.here else 'paper'})",
            **{f"`tabstep` at {steps}": _marked(value) for steps, value in n.ours.items()},
            "`smote`": "" if n.smote is None else _marked(n.smote),
            "share nearer to training rows": "" if n.shares is None else "{:.2f} -> {:.2f}".format(*n.shares),
        }
        for n in found
    ]
    return [
        "",
        "## How near to training rows",
        "",
        "The mean distance to the nearest training row: of fresh rows, the test rows, as it is, and of drawn rows as a",
        "part of that (copies have 0). TabDDPM is measured here where it was trained here, else it is Table 7 of the",
        f"paper. Bold: nearer than {NEAR:.1f} of fresh rows. The share is that of rows nearer to a training row than",
        "to a fresh one, TabDDPM, an arrow, `tabstep` at the most evaluations: copies have 1, fresh rows .5. Ours and",
        f"SMOTE are those of `{SUITE}`.",
        "",
        *said(found, below),
        "",
        *pipes(rows),
    ]


def said(found: Sequence[Nearness], below: Sequence[str]) -> list[str]:
    """What these tables say, as lines; nothing where nothing is known."""
    if not found:
        return []
    most = max(found[0].ours)
    theirs = [n.dataset for n in found if _is_near(n.theirs)]
    ours = [n.dataset for n in found if _is_near(n.last)]
    lines = [
        f"Rows of TabDDPM in full are nearer to training rows than {NEAR:.1f} of the distance of fresh rows on",
        f"{len(theirs)} of {len(found)} tables{_listed(theirs)}, those of `tabstep` at {most} on"
        f" {len(ours)}{_listed(ours)}.",
    ]
    under = [n for n in found if n.dataset in below]
    if under:
        also = sum(n.dataset in theirs for n in under)
        parts = ", ".join(f"{n.dataset} {n.theirs:.2f} and {n.last:.2f}" for n in under)
        lines += [
            f"Of the {len(under)} on which `tabstep` is below it by efficacy that holds of TabDDPM on {also}: theirs",
            f"and ours are {parts}.",
        ]
    return lines


def _is_near(part: float) -> bool:
    return round(part, 2) < NEAR  # as it is printed


def _marked(part: float) -> str:
    return f"**{part:.2f}**" if _is_near(part) else f"{part:.2f}"


def _listed(names: Iterable[str]) -> str:
    text = ", ".join(names)
    return f" ({text})" if text else ""
