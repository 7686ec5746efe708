"""What papers say of solvers, grids and starts, held against draws of the same networks by each score of the vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tabstep.records.store import Record
from tabstep.registry import FREE, MIXED
from tabstep.report.numbers.vector import VECTOR
from tabstep.study.markdown import pipes, reflow
from tabstep.study.paired import Difference

COLUMNS = ("score", "text", "source", "steps", "difference")
C2ST = "c2st_xgboost"


@dataclass(frozen=True)
class Saying:
    """`first` is said to be better than `second` with all else the same.

    choice  what they are values of: "sampler" or "grid"
    pairs   (first, second), as many as it is said of; their mean is taken
    among   samplers that grids are compared with, all where it is empty
    """

    text: str
    source: str
    choice: str
    pairs: tuple[tuple[str, str], ...]
    among: tuple[str, ...] = ()

    @property
    def other(self) -> str:
        return "grid" if self.choice == "sampler" else "sampler"


def _solver(text: str, source: str, *pairs: tuple[str, str]) -> Saying:
    return Saying(text, source, "sampler", pairs)


def _grid(text: str, source: str, first: str, second: str = "linspace") -> Saying:
    return Saying(text, source, "grid", ((first, second),), tuple(FREE))


SAYINGS = (
    _solver(
        "noise-free steps (`ddim`) beat those with noise (`ancestral`)",
        "Song et al. 2021",
        ("ddim", "ancestral"),
    ),
    _solver("order two (`dpmpp-2m`) beats order one (`ddim`)", "Lu et al. 2022", ("dpmpp-2m", "ddim")),
    _solver(
        "order two with noise (`dpmpp-2m-sde`) beats order one with noise (`ancestral`)",
        "Lu et al. 2022",
        ("dpmpp-2m-sde", "ancestral"),
    ),
    _solver(
        "noise beside order two (`dpmpp-2m-sde`) beats none (`dpmpp-2m`)",
        "Karras et al. 2022",
        ("dpmpp-2m-sde", "dpmpp-2m"),
    ),
    _solver("a corrector (`unipc-2`) beats none (`dpmpp-2m`)", "Zhao et al. 2023", ("unipc-2", "dpmpp-2m")),
    _grid("times of least bound (`dp`) beat even ones (`linspace`)", "Watson et al. 2021", "dp"),
    _grid("times of least bound (`dp`) beat even ones without t = 1 (`trailing`)", "", "dp", "trailing"),
    _grid(
        "even times without t = 1 (`trailing`) beat those with it (`linspace`)", "Lin et al. 2024", "trailing"
    ),
    _grid("times even in the log of signal to noise (`logsnr`) beat `linspace`", "Lu et al. 2022", "logsnr"),
    _grid("times even in a root of sigma (`karras`) beat `linspace`", "Karras et al. 2022", "karras"),
    _grid("times even in a root (`quad`) beat `linspace`", "Song et al. 2021", "quad"),
    _solver(
        "to begin at rows of a mixture beats noise",
        "Lyu et al. 2022",
        *((f"mixture-{name}", name) for name in MIXED),
    ),
    _solver(
        "a first step by moments, without the network (`free-`), beats one with it",
        "",
        *((f"free-{name}", name) for name in FREE),
    ),
)
"""What papers say of what the race holds against each other; those without a source are ours."""


def asked(records: Sequence[Record]) -> pd.DataFrame:
    """One line a score, saying and budget: `COLUMNS`.

    The difference is of what `first` and `second` are off the best value of the score, so that below 0 speaks for the
    saying: in the mean over draws, over the pairs and over what else there is to choose, by table. A choice that lacks
    one of the two on a table is left out there.
    """
    lines = [
        {
            "dataset": r.cell.dataset,
            "steps": r.cell.steps,
            "sampler": r.cell.sampler,
            "grid": r.cell.grid,
            **{s.name: s.shortfall(float(np.mean(r.scores[s.metrics[r.task]]))) for s in VECTOR},
        }
        for r in records
    ]
    table = pd.DataFrame(lines, columns=["dataset", "steps", "sampler", "grid", *(s.name for s in VECTOR)])
    found = []
    for steps, part in table.groupby("steps"):
        for saying in SAYINGS:
            among = part[part["sampler"].isin(saying.among)] if saying.among else part
            values = among.groupby(["dataset", saying.other, saying.choice])[[s.name for s in VECTOR]].mean()
            for score in VECTOR:
                gap = _gap(values[score.name].unstack(saying.choice), saying.pairs)
                if len(gap):
                    line = (score.name, saying.text, saying.source, steps, Difference(gap))
                    found.append(dict(zip(COLUMNS, line, strict=True)))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _gap(values: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """By dataset, of values by dataset and the other choice (rows) and this one (columns)."""
    gaps = [values[a] - values[b] for a, b in pairs if a in values and b in values]
    if not gaps:
        return np.empty(0)
    return pd.concat(gaps).dropna().groupby("dataset").mean().to_numpy(float)


def rows(found: pd.DataFrame, score: str = C2ST) -> list[dict[str, str]]:
    """One row a saying, by this score: what it makes better at each budget."""
    made: dict[str, dict[str, str]] = {}
    for line in found[found["score"] == score].to_dict("records"):
        row = made.setdefault(line["text"], {"claim": line["text"], "of": line["source"] or "ours"})
        row[f"at {line['steps']}"] = str(line["difference"])
    return list(made.values())


def tally(found: pd.DataFrame) -> list[dict[str, str]]:
    """One row a score: of how many sayings at a budget it decides, and which way."""
    made = []
    for score in VECTOR:
        told = [d for d in found.loc[found["score"] == score.name, "difference"] if d.told]
        better = sum(d.values.mean() < 0 for d in told)
        made.append(
            {
                "by": score.title,
                "decided": str(len(told)),
                "for": str(better),
                "against": str(len(told) - better),
            }
        )
    return made


def section(records: Sequence[Record]) -> list[str]:
    """Lines of a page: who decides, then what is decided by each score."""
    found = asked(records)
    if found.empty:
        return []
    questions = len(found) // len(VECTOR)
    lines = [
        "## What papers say",
        "",
        *reflow(
            [
                f"{len(SAYINGS)} sayings, each at {found['steps'].nunique()} budgets: {questions} questions, of which",
                f"{questions / 20:.1f} would be decided by chance alone. They were put after the regrets above, and",
                "means of C2ST by sampler and grid, had been seen; all that were put are here. Samplers are compared",
                "on the same grid, in the mean over grids; grids with the same sampler, in the mean over those that",
                "begin in noise. A number is what the first is off the best value of the score less that of the",
                "second: below 0 speaks for the saying. In brackets a 95 % t-interval over the tables of heat 1; bold",
                "does not hold zero.",
            ]
        ),
        "",
        *pipes(tally(found)),
        "",
    ]
    for score in VECTOR:
        lines += [f"### By {score.title}", "", *pipes(rows(found, score.name)), ""]
    return lines
