"""How near to training rows theirs and ours come: which records count, and what the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tabstep.records.store import Record
from tabstep.study import authors, nearness
from tests import committed
from tests.test_authors import BESIDE, RECORDS, of

ROOT = Path(__file__).parents[1]


def far(plain: Record, distance: float, fresh: float = 0.2, share: float = 0.5) -> Record:
    values = {"dcr_mean": [distance], "dcr_mean_expected": [fresh], "dcr_share": [share]}
    return replace(plain, scores={**plain.scores, **values}, eval_seeds=[0])


def ours(dataset: str, at_5: float, at_50: float) -> list[Record]:
    return [
        far(of(dataset, "tabstep", 5, [0.5]), at_5),
        far(of(dataset, "tabstep", 50, [0.5]), at_50, share=0.55),
        far(of(dataset, "tabstep", 50, [0.5], sampler="ddim"), 9.0),
        far(of(dataset, "smote", None, [0.5]), 0.05),
    ]


THEIRS = [
    far(of("insurance", "tabddpm", 100, [0.9]), 0.08, share=0.8),
    far(of("insurance", "tabddpm", 10, [0.9]), 9.0),  # not by all its steps
]


def test_distances_are_parts_of_those_of_fresh_rows() -> None:
    found = authors.near_of([*ours("house", 0.2, 0.19), *ours("insurance", 0.2, 0.24)], THEIRS)
    house, insurance = found
    assert (house.dataset, house.here, house.shares) == ("house", False, None)
    assert house.theirs == pytest.approx(0.096 / 0.2)  # Table 7
    assert house.ours == pytest.approx({5: 1.0, 50: 0.95})
    assert house.smote == pytest.approx(0.25)
    assert (insurance.here, insurance.theirs, insurance.shares) == (True, pytest.approx(0.4), (0.8, 0.55))


def test_a_table_of_which_something_is_not_known_is_left_out() -> None:
    assert not authors.near_of(ours("tabsyn-magic", 0.2, 0.2), [])  # none of the paper
    assert not authors.near_of(ours("house", 0.2, 0.2)[:1], [])
    assert not nearness.page([], ["house"])
    assert not nearness.said([], ["house"])


def test_the_page_says_on_which_tables_rows_are_nearer_than_fresh_ones(tmp_path: Path) -> None:
    few = [*ours("house", 0.2, 0.17), *ours("insurance", 0.2, 0.18), *ours("king", 0.2, 0.1798)]
    authors.write(RECORDS, [*BESIDE, *THEIRS], few, tmp_path)
    text = (tmp_path / "authors.md").read_text()
    assert "| house | 0.200 | **0.48** (paper) | 1.00 | **0.85** | **0.25** |  |" in text
    assert "| insurance | 0.200 | **0.40** (here) | 1.00 | 0.90 | **0.25** | 0.80 -> 0.55 |" in text
    told = " ".join(text.split("## How near to training rows")[1].split())
    assert "on 2 of 3 tables (house, insurance), those of `tabstep` at 50 on 1 (house)." in told
    assert "Of the 1 on which `tabstep` is below it by efficacy that holds of TabDDPM on 1" in told
    assert "theirs and ours are insurance 0.40 and 0.90." in told


def test_what_the_recipe_says_of_it_is_what_the_records_give() -> None:
    beside = [r for name in authors.BESIDE for r in committed.records(name)]
    found = authors.near_of(committed.records(nearness.SUITE), beside)
    table = authors.numbers(committed.records("authors"), beside)
    docs = " ".join((ROOT / "docs" / "recipe.md").read_text(encoding="utf-8").split())
    under = {n.dataset: n for n in found if n.dataset in authors.below(table)}
    names = [*under]
    assert f"Where it is below at 50, on {', '.join(names[:-1])} and {names[-1]}," in docs
    for each in ("theirs", "last"):
        parts = [f"{getattr(n, each):.2f}" for n in under.values()]
        assert f"{', '.join(parts[:-1])} and {parts[-1]}" in docs
    (insurance,) = (n for n in found if n.dataset == "insurance")
    assert insurance.smote is not None
    assert insurance.shares is not None
    assert f"on insurance {insurance.theirs:.2f}, where SMOTE has {insurance.smote:.2f}" in docs
    assert (
        "a share of {:.2f} of them is nearer to a training row than to a fresh one, of ours {:.2f}".format(
            *insurance.shares
        )
        in docs
    )
