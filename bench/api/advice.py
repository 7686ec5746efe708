"""How many steps a table needs: a brief fit on a part of it, budgets swept, and each judged by the vector of scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tabstep.api import asked, choosing, fitting
from tabstep.api.compared import FEWEST, Parts, canonical, varying, vector
from tabstep.api.preparing import frame_of, prepare, wishes_of
from tabstep.api.synthesizer import Synthesizer
from tabstep.data.wishes import Gaps, Python, as_written
from tabstep.registry import DEFAULT_SAMPLER
from tabstep.report.numbers.budget import BASE
from tabstep.report.numbers.vector import VECTOR, Score

BUDGETS = (1, 2, 5, 10, 20, 50)
SHARE = 0.25  # of the rows that the brief fit does not see
DRAWS = 3  # of each budget but all steps, with seeds of their own
POOR = 0.85  # C2ST with all steps beyond which a network has not learned enough for steps to matter
MOST = 2_000  # rows of a draw


@dataclass(frozen=True)
class Line:
    """One budget. `means` of the scores by name, `kept` whether each is as with all steps, `seconds` to draw once."""

    steps: int
    means: Mapping[str, float]
    kept: Mapping[str, bool]
    seconds: float


@dataclass(frozen=True)
class Advice:
    """Budgets from few to all steps, the last, and what they say.

    scores  those that judge; the last line is all steps of the sampler `ancestral`, the measure
    noisy   those whose measure scatters by more than their margin on so few rows: they judge nothing
    rows    of a draw; fit_s: seconds of the brief fit
    trained steps of training that the brief fit had time for, and those of the method
    """

    scores: tuple[Score, ...]
    noisy: tuple[Score, ...]
    lines: tuple[Line, ...]
    rows: int
    fit_s: float
    trained: tuple[int, int]

    def enough(self, score: Score) -> int | None:
        """The least budget from which on a score is kept; None where it is all steps."""
        return _least([(line.steps, line.kept[score.name]) for line in self.lines[:-1]])

    @property
    def steps(self) -> int | None:
        """The least budget from which on every score is kept; None where none of them is enough, or no score judges."""
        each = [self.enough(score) for score in self.scores]
        return max((k for k in each if k is not None), default=None) if None not in each else None

    def __str__(self) -> str:
        most, full = self.lines[-2], self.lines[-1]
        listed = ", ".join(f"{s.title} {self.enough(s) or f'more than {most.steps}'}" for s in self.scores)
        beside = f"where all {full.steps} steps take {full.seconds:.2g} s"
        if not self.scores:
            said = "Nothing can be said of this table: every score scatters by more than its margin"
        elif self.steps is None:
            said = (
                f"None of these budgets is enough by every score ({listed}): {self.rows:,} rows in "
                f"{most.steps} steps take {most.seconds:.2g} s, {beside}"
            )
        else:
            line = next(line for line in self.lines if line.steps == self.steps)
            said = (
                f"This table needs {self.steps} steps ({listed}): {self.rows:,} rows take {line.seconds:.2g} s, "
                f"{beside}"
            )
        left_out = ", ".join(score.title for score in self.noisy)
        noisy = f"; not judged, too noisy on so few rows: {left_out}" if left_out else ""
        found = full.means.get("c2st_xgboost", 0.0)
        done, usual = self.trained
        why = [f"a C2ST of {found:.2f} with all steps"] if found > POOR else []
        why += [f"time for {done:,} of {usual:,} steps of training"] if done < fitting.BRIEF * usual else []
        poor = (
            f"The brief fit is poor ({', '.join(why)}), so few steps lose little: give it more seconds. By it: "
            if why
            else ""
        )
        return f"{poor}{said}{noisy}."


def advise(
    table: pd.DataFrame | str | Path,
    target: str | None = None,
    *,
    budgets: int | Sequence[int] = BUDGETS,
    sampler: str = DEFAULT_SAMPLER,
    method: Any = None,
    seconds: float | None = 60,
    categorical: str | Sequence[str] = (),
    numeric: str | Sequence[str] | Mapping[str, str | None] = (),
    date: str | Sequence[str] | Mapping[str, str | None] = (),
    id: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    literal: str | Sequence[str] = (),
    missing: Gaps = (),
    seed: int = 0,
) -> Advice:
    """Fit for some seconds on three quarters of a table, and score draws of each budget against the rest.

    A score is kept where its mean over three draws is as good as in one draw with all steps of `ancestral`, within the
    margin of the score (`report.numbers.vector`); efficacy is among the scores where there is a target. Where draws of
    the largest budget scatter by more than the margin, the score judges nothing. A brief fit is not the one that will
    be used: a longer one is sharper and may want more steps. The other arguments are those of `fit`. Raises ValueError
    as `fit`, and for a table that is too short.
    """
    frame = asked.frame("table", frame_of(table, literal, missing, as_written(numeric)))
    settings, seed = choosing.settings_of(method, seconds=seconds), asked.seed(seed)
    if not choosing.has_steps(settings):
        raise ValueError(f"advice is on steps, and {type(settings).__name__} draws rows without any")
    wishes = wishes_of(
        frame,
        numeric=numeric,
        categorical=categorical,
        drop=drop,
        date=date,
        id=id,
        literal=literal,
        missing=missing,
    )
    wanted = _below(budgets, settings.last)
    known, held = apart(frame, seed)
    if len(held) < FEWEST:
        raise ValueError(
            f"table: too few rows for advice: {len(held)} are left to compare with, {FEWEST} are needed"
        )
    model = fitting.train(prepare(known, target, wishes, Python(), seed), settings, "cpu", "none")
    assert isinstance(model, Synthesizer)
    return swept(model, known, held, wanted, sampler)


def apart(frame: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows for the brief fit, and those that it does not see."""
    order = np.random.default_rng(seed).permutation(len(frame))
    cut = int(len(frame) * SHARE)
    held, known = (frame.iloc[np.sort(part)].reset_index(drop=True) for part in (order[:cut], order[cut:]))
    return known, held


def swept(
    model: Synthesizer,
    known: pd.DataFrame,
    held: pd.DataFrame,
    budgets: Sequence[int] = BUDGETS,
    sampler: str = DEFAULT_SAMPLER,
) -> Advice:
    """Advice by a model fitted on `known` and by the rows `held`. Raises ValueError as `advise`."""
    last = model.model.schedule.T
    wanted = _below(budgets, last)
    read = [canonical(model.columns, model.compounds, part, "table") for part in (known, held)]
    parts = Parts.of(varying(model.completion, model.columns), read[0], read[1], model.origin.seed)
    n, aimed = min(MOST, len(parts.like)), model.origin.target is not None
    drawn = [(k, *_drawn(model, parts, n, sampler, k, range(DRAWS), aimed)) for k in wanted]
    drawn.append((last, *_drawn(model, parts, n, BASE, last, range(1), aimed)))
    most, full = drawn[-2][1], drawn[-1][1]
    scores = [s for s in VECTOR if s.name in full]
    # One draw of all steps, the dearest: its scatter is told by those with most steps of the others.
    judges = tuple(s for s in scores if s.name in most and most[s.name].std(ddof=1) <= s.margin)
    lines = tuple(
        Line(
            steps,
            {name: float(values.mean()) for name, values in of.items()},
            {s.name: s.name in of and _keeps(s, of[s.name].mean(), full[s.name].mean()) for s in judges},
            draw_s,
        )
        for steps, of, draw_s in drawn
    )
    noisy = tuple(s for s in scores if s not in judges)
    trained = model.model.curve[-1][0] if model.model.curve else 0, int(model.model.method["steps"])
    return Advice(judges, noisy, lines, n, model.origin.fit_s, trained)


def _below(budgets: int | Sequence[int], last: int) -> list[int]:
    """Budgets, one or several, that are fewer than all steps. Raises ValueError."""
    several = [budgets] if isinstance(budgets, int | str) else list(budgets)
    wanted = sorted({asked.whole("budgets", k, 1, last) for k in several} - {last})
    if not wanted:
        raise ValueError(f"there is no budget below all {last} steps of the model, got {several}")
    return wanted


def _keeps(score: Score, mean: float, full: float) -> bool:
    return bool(score.shortfall(mean) - score.shortfall(full) <= score.margin + 1e-12)


def _least(ladder: Sequence[tuple[int, bool]]) -> int | None:
    """The least budget from which on all are kept."""
    found = None
    for steps, kept in reversed(ladder):
        if not kept:
            break
        found = steps
    return found


def _drawn(
    model: Synthesizer, parts: Parts, n: int, sampler: str, steps: int, seeds: Sequence[int], aimed: bool
) -> tuple[dict[str, np.ndarray], float]:
    """The scores of the vector that all draws have, by name (draws,), and the seconds of the fastest one."""
    scores, seconds = [], []
    for seed in seeds:
        begun = time.perf_counter()
        rows = model.sample(n, sampler=sampler, steps=steps, seed=seed)
        seconds.append(time.perf_counter() - begun)
        found, _ = vector(
            canonical(model.columns, model.compounds, rows, "drawn"), parts, aimed=aimed, seed=0
        )
        scores.append({s.name: found.get(s.metrics[parts.schema.task]) for s in VECTOR})
    values = {name: [draw[name] for draw in scores] for name in scores[0]}
    return {name: np.array(of, float) for name, of in values.items() if None not in of}, min(seconds)
