"""How far rows of a few evaluations are from those of all steps: loss by loss, and which of them the draws decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabstep.records.store import Record
from tabstep.report.numbers.budget import BASE
from tabstep.report.numbers.vector import EFFICACY, VECTOR, Score
from tabstep.study.paired import Difference
from tabstep.study.recipe import OURS

BEFORE = "dpmpp-2m-sde"
"""The solver of the default from noise, as few evaluations were drawn before there were other begins."""

DEVIATIONS = 2
"""Of single draws with all steps, which a loss within their scatter is at most."""

Draw = tuple[int, int]  # seeds of training and of sampling
Way = tuple[str, int]  # sampler, evaluations


@dataclass(frozen=True, eq=False)
class Loss:
    """What one score of a table loses at a budget against all steps of the same networks, in margins of the score.

    draws    (n,) losses, each of the same seeds of training and sampling
    before   the mean of `BEFORE`, None where it was not drawn
    scatter  deviation of a single draw with all steps from the mean of its network
    """

    dataset: str
    steps: int
    score: Score
    draws: np.ndarray
    before: float | None
    scatter: float

    @property
    def mean(self) -> float:
        return float(self.draws.mean())

    @cached_property
    def says(self) -> str:
        """ "kept" where the mean is at most a margin, "lost" where a 95 % t-interval over the draws is beyond one,
        else "undecided"."""
        if self.mean <= 1:
            return "kept"
        return "lost" if Difference(self.draws).interval[0] > 1 else "undecided"

    @property
    def is_within_scatter(self) -> bool:
        return self.mean <= DEVIATIONS * self.scatter


def losses(records: Iterable[Record], chosen: Mapping[tuple[str, int], str]) -> list[Loss]:
    """Those of the sampler that is chosen for a table and budget, of tables that have every score, and all steps.

    chosen  sampler by (dataset, evaluations)
    """
    drawn = _drawn(records)
    found = []
    for (dataset, steps), sampler in chosen.items():
        ways = drawn.get(dataset, {})
        most = max((k for name, k in ways if name == BASE), default=0)
        full, own = ways.get((BASE, most), {}), ways.get((sampler, steps), {})
        shared = sorted({*full} & {*own})
        if steps >= most or not shared:
            continue
        before = ways.get((BEFORE, steps), {})
        for i, score in enumerate(VECTOR):
            found.append(
                Loss(
                    dataset,
                    steps,
                    score,
                    np.array([own[at][i] - full[at][i] for at in shared]),
                    _mean([before[at][i] - full[at][i] for at in shared if at in before]),
                    _scatter({at: values[i] for at, values in full.items()}),
                )
            )
    return found


def _drawn(records: Iterable[Record]) -> dict[str, dict[Way, dict[Draw, np.ndarray]]]:
    """By table, way and draw how far each score of the vector is from its best, in margins; lower is better."""
    found: dict[str, dict[Way, dict[Draw, np.ndarray]]] = {}
    for r in records:
        cell = r.cell
        if r.status != "ok" or cell.method != OURS or cell.sampler is None or cell.steps is None:
            continue
        values = [r.scores.get(score.metrics[r.task]) for score in VECTOR]
        if all(values):
            off = [
                (np.mean(value) - score.best) * (1 if score.lower else -1) / score.margin  # type: ignore[arg-type]
                for value, score in zip(values, VECTOR, strict=True)
            ]
            ways = found.setdefault(cell.dataset, {})
            ways.setdefault((cell.sampler, cell.steps), {})[cell.train_seed, cell.sample_seed] = np.array(off)
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _scatter(values: Mapping[Draw, float]) -> float:
    """Deviation of draws from the mean of their network, over all networks; 0 where each has one draw."""
    networks: dict[int, list[float]] = {}
    for (network, _), value in values.items():
        networks.setdefault(network, []).append(value)
    free = len(values) - len(networks)
    squares = sum(float(np.square(np.subtract(of, np.mean(of))).sum()) for of in networks.values())
    return (squares / free) ** 0.5 if free else 0.0


def said(found: Sequence[Loss]) -> list[str]:
    """How near few evaluations come, a sentence for each of five, two and one that there is."""
    told = []
    five = [loss for loss in found if loss.steps == 5]
    if five:
        far = {loss.dataset for loss in five if loss.mean > 1 and not loss.is_within_scatter}
        tables = {loss.dataset for loss in five}
        told.append(
            f"At five evaluations all {len(VECTOR)} scores are at most a margin worse than with all steps, or within "
            f"the scatter of single draws with all steps, on {len(tables - far)} of {len(tables)} tables; "
            f"{sum(loss.is_within_scatter for loss in five)} of {len(five)} scores are within that scatter."
        )
    for words, steps, allowed in (("two", 2, 1), ("one", 1, 2)):
        apart = [loss for loss in found if (loss.steps, loss.score.name) == (steps, "c2st_xgboost")]
        if apart:
            kept = sum(loss.mean <= allowed for loss in apart)
            margin = f"{allowed * apart[0].score.margin:.2f}".removeprefix("0")
            told.append(
                f"At {words} C2ST is within {margin} of that of all steps on {kept} of {len(apart)} tables."
            )
    return told


def counts(found: Sequence[Loss]) -> list[dict[str, str]]:
    """A line a budget: of how many scores on all tables the loss is kept, undecided and lost."""
    lines = []
    for steps in sorted({loss.steps for loss in found}):
        own = [loss for loss in found if loss.steps == steps]
        by = {says: sum(loss.says == says for loss in own) for says in ("kept", "undecided", "lost")}
        lines.append(
            {
                **{"evaluations": str(steps), "scores": str(len(own))},
                "before, at most a margin": str(
                    sum(loss.before is not None and loss.before <= 1 for loss in own)
                ),
                "at most a margin": str(by["kept"]),
                "more, undecided": str(by["undecided"]),
                "more": str(by["lost"]),
                "within the scatter": str(sum(loss.is_within_scatter for loss in own)),
            }
        )
    return lines


def largest(found: Sequence[Loss]) -> list[dict[str, str]]:
    """A line a table: its largest loss at each budget, before, an arrow, and now, with whose it is and its verdict."""
    lines = []
    for dataset in dict.fromkeys(loss.dataset for loss in found):
        line = {"table": dataset}
        for steps in sorted({loss.steps for loss in found}):
            own = [loss for loss in found if (loss.dataset, loss.steps) == (dataset, steps)]
            line[f"at {steps}"] = _largest(own) if own else ""
        lines.append(line)
    return lines


def _largest(own: Sequence[Loss]) -> str:
    now = max(own, key=lambda loss: loss.mean)
    known = [(loss.before, loss.score) for loss in own if loss.before is not None]
    before = max(known, key=lambda pair: pair[0]) if known else None
    verdict = "" if now.says == "kept" else f", {now.says}"
    began = f"{_number(before[0])} {_short(before[1])} -> " if before else ""
    return f"{began}{_number(now.mean)} {_short(now.score)}{verdict}"


def _number(loss: float) -> str:
    return f"{round(loss, 1) + 0.0:.1f}"  # no minus before a zero


def _short(score: Score) -> str:
    return "efficacy" if score is EFFICACY else score.title.partition(" (")[0]
