"""`tabstep` by the protocol of TabDDPM's authors: what it is held against, and what the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tabstep.records.store import Record
from tabstep.registry import DEFAULT_SAMPLER
from tabstep.report.numbers.vector import VECTOR
from tabstep.report.pages import against
from tabstep.study import authors, nearness
from tests import committed
from tests.test_families import record

ROOT = Path(__file__).parents[1]


def of(
    dataset: str,
    method: str,
    steps: int | None,
    scores: list[float],
    seed: int = 0,
    sampler: str = DEFAULT_SAMPLER,
) -> Record:
    plain = record(sampler, steps or 1, seed, 0, 0, suite="authors")
    params = "published" if method == "tabddpm" else "default"
    walk = {"sampler": None, "grid": None} if steps is None else {}
    cell = replace(
        plain.cell, dataset=dataset, method=method, params=params, steps=steps, train_seed=seed, **walk
    )
    seeds = list(range(len(scores)))
    scored = replace(plain, cell=cell, task="regression", scores={"catboost_r2": scores}, eval_seeds=seeds)
    return replace(scored, settings={"method": {"T": 100} if method == "tabddpm" else {}})


RECORDS = [
    *(of("house", "tabstep", 5, [0.66 + seed / 100, 0.68 + seed / 100], seed) for seed in (0, 1)),
    of("house", "tabstep", 50, [0.69, 0.70]),
    of("house", "mixture", None, [0.5, 0.6]),
    of("insurance", "tabstep", 50, [0.88, 0.88]),
]
BESIDE = [
    of("insurance", "tabddpm", 100, [0.89, 0.90, 0.89, 0.90]),
    of("insurance", "real", None, [0.9, 0.9]),
    of("abalone", "real", None, [0.5, 0.5]),
]


def test_what_was_trained_here_goes_before_what_is_published() -> None:
    known = authors.bars(BESIDE)
    facts = pd.read_csv(against.REFERENCE)
    (row,) = facts[
        (facts["dataset"] == "house") & (facts["method"] == "TabDDPM") & (facts["table"] == against.TABLE)
    ].itertuples()
    assert known["house"] == authors.Bar(row.mean, row.std, "paper")
    assert known["insurance"].mean == pytest.approx(0.895)
    assert known["insurance"].std == pytest.approx(0.005 * (4 / 3) ** 0.5)
    assert known["insurance"].source == "here"


def test_fewer_steps_and_other_samplers_are_neither_in_the_bar_nor_in_ours() -> None:
    more = [*BESIDE, of("insurance", "tabddpm", 50, [0.1, 0.1])]
    assert authors.bars(more) == authors.bars(BESIDE)
    other = of("house", "tabstep", 50, [0.1, 0.1], sampler="ddim")
    assert authors.numbers([*RECORDS, other], more).equals(authors.numbers(RECORDS, BESIDE))


@pytest.mark.parametrize(
    ("value", "says"), [(0.65, "below"), (0.67, "within"), (0.68, "within"), (0.69, "above")]
)
def test_a_deviation_of_the_bar_decides(value: float, says: str) -> None:
    assert authors.Bar(0.677, 0.01, "paper").says(value) == says


def full(plain: Record, **scores: float) -> Record:
    """With all scores of the vector."""
    values = {s.name: s.best for s in VECTOR[1:]} | scores
    return replace(plain, scores=plain.scores | {name: [value] for name, value in values.items()})


def test_every_score_is_compared_where_both_were_measured_by_it(tmp_path: Path) -> None:
    theirs = [
        full(of("insurance", "tabddpm", 100, [0.89, 0.91], draw), c2st_xgboost=c2st)
        for draw, c2st in ((0, 0.6), (1, 0.7))
    ]
    ours = [
        full(of("insurance", "tabstep", 5, [0.86, 0.86]), c2st_xgboost=0.61, coverage=0.5),
        of("insurance", "tabstep", 5, [0.1, 0.1], seed=1),  # efficacy alone
        full(of("insurance", "tabstep", 5, [0.1, 0.1], sampler="ddim")),
        full(of("insurance", "tabddpm", 50, [0.1, 0.1])),
        full(of("house", "tabstep", 5, [0.1, 0.1])),
    ]
    found = authors.pairs(ours, [*theirs, full(of("insurance", "tabddpm", 50, [0.1, 0.1]))])
    assert [(p.dataset, p.steps, p.score.name) for p in found] == [("insurance", 5, s.name) for s in VECTOR]
    authors.write([*RECORDS, *ours], [*BESIDE, *theirs], [], tmp_path)
    text = (tmp_path / "authors.md").read_text()
    row = "| insurance | 5 | 0.900 -> ~~0.860~~ | 0.650 -> **0.610** | 0.000 -> 0.000 | 1.000 -> 1.000 |"
    assert f"{row} 1.000 -> 1.000 | 1.000 -> ~~0.500~~ |" in text
    authors.write(RECORDS, BESIDE, [], tmp_path)
    assert "By every score" not in (tmp_path / "authors.md").read_text()


def test_the_page_counts_tables_and_names_those_below(tmp_path: Path) -> None:
    authors.write(RECORDS, BESIDE, [], tmp_path)
    text = (tmp_path / "authors.md").read_text()
    assert "| `tabstep` | 5 | 0 | 1: house | 0 |" in text
    assert "| `tabstep` | 50 | 1: house | 0 | 1: insurance |" in text
    (house,) = (line for line in text.splitlines() if line.startswith("| house (kept aside) |"))
    assert "| 0.677 ± 0.010 (paper) |" in house
    assert "0.675 ± 0.013, within" in house
    table = authors.numbers(RECORDS, BESIDE)
    assert {*table["dataset"]} == {"house", "insurance"}  # tables that ours was run on


def test_the_page_here_is_made_from_the_records_here(tmp_path: Path) -> None:
    results = ROOT / "results"
    beside = [r for name in authors.BESIDE for r in committed.records(name)]
    authors.write(committed.records("authors"), beside, committed.records(nearness.SUITE), tmp_path)
    for name in ("authors.md", "authors.csv"):
        assert (tmp_path / name).read_bytes() == (results / "authors" / "report" / name).read_bytes()


def listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names) or "none"


def test_what_the_recipe_says_of_the_authors_is_what_the_page_has() -> None:
    table = pd.read_csv(ROOT / "results" / "authors" / "report" / "authors.csv")
    docs = " ".join((ROOT / "docs" / "recipe.md").read_text(encoding="utf-8").split())
    ours = table[(table["method"] == "tabstep") & (table["params"] == "default")]
    for steps, told in ((50, "At 50 evaluations the default is"), (5, "At 5 it is")):
        part = ours[ours["steps"] == steps].set_index("dataset")
        above, within, below = ([*part.index[part["says"] == says]] for says in ("above", "within", "below"))
        said = (
            f"above it on {listed(above)}, within a deviation on {len(within)} and below on {listed(below)}"
        )
        assert f"{told} {said}" in docs
    longer = table[(table["params"] == "long") & (table["steps"] == 50)].set_index("dataset")
    within, below = ([*longer.index[longer["says"] == says]] for says in ("within", "below"))
    last = ours[ours["steps"] == 50].set_index("dataset")
    assert [*longer.index] == [*last.index[last["says"] == "below"]]  # these four tables
    assert f"it is at 50 within a deviation on {listed(within)} and below on {listed(below)}." in docs
    usual, real = (
        ours[ours["steps"] == 50].set_index("dataset"),
        table[table["method"] == "real"].set_index("dataset"),
    )
    under = [
        name
        for name in usual.index[usual["says"] == "below"]
        if real.loc[name, "efficacy"] < usual.loc[name, "bar"]
    ]
    values = (listed([f"{each[name]:.3f}" for name in under]) for each in (real["efficacy"], usual["bar"]))
    assert f"On {listed(under)} real rows are below it as well, with {' beside '.join(values)}." in docs
    assert (ours["train_seeds"] == 1).all() == ("with one network a table" in docs)
    page = (ROOT / "results" / "recipe" / "report" / "recipe.md").read_text(encoding="utf-8")
    costs = [
        [float(cell) for cell in line.split("|")[3:5]]
        for line in page.split("## Arithmetic")[1].splitlines()
        if line.startswith("| ") and line.split("|")[3].strip()[:1].isdigit()
    ]
    ratio = sum(theirs for theirs, _ in costs) / sum(mine for _, mine in costs)
    assert f"1/{ratio:.0f} of theirs, by the arithmetic of the {len(costs)} tables together" in docs
