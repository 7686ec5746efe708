"""The study of the recipe: pairs of the two methods, what they say, and the arithmetic of a training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from tabstep.data.table import Schema
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.diffusion.tabstep import TabStep
from tabstep.diffusion.work import arithmetic
from tabstep.records.store import Record
from tabstep.study import recipe
from tabstep.study.paired import Difference
from tabstep.suites import BRIEF, KEPT_ASIDE, LARGE, LONG, SUITES
from tests import committed
from tests.test_families import record


def of(method: str, dataset: str, seed: int, **scores: float) -> Record:
    plain = record("dpmpp-2m-sde", 5, 0, 0.7, 0.7, suite="recipe")
    cell = replace(plain.cell, method=method, dataset=dataset, train_seed=seed)
    return replace(plain, cell=cell, scores={name: [value] for name, value in scores.items()})


RECORDS = [
    *(of("tabddpm", "churn2", s, catboost_f1_macro=0.70, c2st_xgboost=0.60 + s / 100) for s in range(3)),
    *(of("tabstep", "churn2", s, catboost_f1_macro=0.705, c2st_xgboost=0.52 + s / 50) for s in range(2)),
    of("tabddpm", "buddy", 0, c2st_xgboost=0.55, dcr_share=0.5),
    of("tabstep", "buddy", 0, c2st_xgboost=0.65, dcr_share=0.6),
    of("smote", "buddy", 0, c2st_xgboost=0.5),
]


def test_pairs_are_of_the_seeds_that_both_have_and_gains_are_towards_the_best() -> None:
    efficacy, detected, aside = recipe.pairs(RECORDS)
    assert (efficacy.dataset, efficacy.says, len(efficacy.gain)) == ("churn2", "same", 2)
    assert detected.gain == pytest.approx([0.08, 0.07])
    assert detected.says == "better"
    assert (aside.dataset, aside.says) == ("buddy", "worse")
    # Below one half is as good as one half: nothing is gained there.
    assert replace(aside, ours=np.array([0.42]), theirs=np.array([0.5])).gain == pytest.approx([0.0])


def test_the_page_counts_tables_and_says_how_many_seeds(tmp_path: Path) -> None:
    page, numbers = recipe.write(RECORDS, {"churn2": {"tabddpm": 5e12, "published": 2e15}}, tmp_path)
    text = page.read_text()
    assert "Training seeds: 2 on churn2, 1 on buddy." in " ".join(text.split())
    assert "| chosen on (1) | 5 | 0 / 1 / 0 | 1 / 0 / 0 |" in text
    assert "| kept aside (1) | 5 | 0 / 0 / 0 | 0 / 0 / 1 |" in text
    assert "| churn2 | 5 | 0.700 -> 0.705 | 0.605 -> **0.530** |" in text
    assert "| buddy | 5 | 0.550 -> ~~0.650~~ | 0.50 -> 0.60 |" in text
    assert "| churn2 | 5 | 2e+03 |" in text
    table = pd.read_csv(numbers)
    assert table["train_seeds"].tolist() == [2, 2, 1]
    assert table["gain_std"].isna().tolist() == [False, False, True]
    assert table["kept_aside"].tolist() == [False, False, True]


def test_arithmetic_is_six_for_every_weight_and_row() -> None:
    frame = pd.DataFrame({"a": np.arange(50.0), "b": np.arange(50.0) ** 2})
    schema = Schema("regression", "b", ("a",), (), frozenset())
    plain = TabDDPM(layers=(8, 4), batch_size=32, steps=10)
    weights = 2 * 128 + 128 * 8 + 8 * 4 + 4 * 2 + 2 * 128 * 128  # in, hidden, out, embedding of the time
    assert arithmetic(plain, plain.encoder(frame, schema), 50) == 6 * weights * 32 * 10
    assert arithmetic(plain, plain.encoder(frame, schema), 20) == 6 * weights * 20 * 10
    ours = TabStep(layers=(8, 4), batch_size=32, steps=10, frequencies=3)
    weights = (2 + 12) * 8 + 8 * 8 + 8 * 4 + 4 * 2 + 128 * 128 + 128 * 8
    assert arithmetic(ours, ours.encoder(frame, schema), 50) == 6 * weights * 32 * 10


def test_what_is_tuned_costs_at_most_four_times_the_default_and_has_layers_that_add() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2000, 6)), columns=list("abcdef"))
    schema = Schema("regression", "f", tuple("abcde"), (), frozenset())
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [TabStep.suggest(study.ask()) for _ in range(100)]
    usual = arithmetic(TabStep(), TabStep().encoder(frame, schema), 2000)
    costs = [arithmetic(method, method.encoder(frame, schema), 2000) / usual for method in drawn]
    assert 0.02 < min(costs) < max(costs) < 4
    assert all(len({*method.layers}) == 1 for method in drawn)
    assert {method.levels for method in drawn} == {0, 12}


def joined(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "none"


def test_the_docs_say_what_the_committed_records_say() -> None:
    """By name, which tables are better and worse at 50 evaluations, and how near rows of diabetes come."""
    root = Path(__file__).resolve().parents[1]
    records = committed.records("recipe")
    found = [pair for pair in recipe.pairs(records) if pair.steps == 50]
    said = {
        (score, says): joined(sorted(p.dataset for p in found if p.score.name == score and p.says == says))
        for score in ("c2st_xgboost", "efficacy")
        for says in ("better", "worse")
    }
    docs = " ".join((root / "docs" / "recipe.md").read_text(encoding="utf-8").split())
    better, worse = (said["c2st_xgboost", says] for says in ("better", "worse"))
    assert f"`tabstep` is ahead on {better}, behind on {worse}, and within its margin, .03, on" in docs
    better, worse = (said["efficacy", says] for says in ("better", "worse"))
    assert f"by efficacy it is ahead on {better} and behind on {worse}" in docs
    page = " ".join((root / "results" / "README.md").read_text(encoding="utf-8").split())
    better, worse = (said["c2st_xgboost", says] for says in ("better", "worse"))
    assert f"better by the margin or more on {better}, worse on {worse}, and within it on the others" in page
    gains = [
        p.gain.mean()
        for p in recipe.pairs(records, recipe.WAS)
        if (p.steps, p.score.name) == (50, "c2st_xgboost")
    ]
    low, high = Difference(np.array(gains)).interval
    mean = f"less C2ST at 50 evaluations by {np.mean(gains):.3f} [{low:.3f}, {high:.3f}]"
    assert f"{mean} in the mean over {len(gains)} tables" in docs
    aside = [
        p.gain.mean()
        for p in recipe.pairs(records, recipe.WAS)
        if (p.steps, p.score.name) == (50, "c2st_xgboost") and p.dataset in KEPT_ASIDE
    ]
    low, high = Difference(np.array(aside)).interval
    assert ("on the five tables kept aside alone that is undecided" in docs) == (low < 0 < high)
    ours = [r for r in records if recipe.who(r.cell) in (recipe.OURS, recipe.WAS) and r.cell.train_seed == 0]
    now, then = (
        np.median([*{r.cell.dataset: r.fit_s for r in ours if recipe.who(r.cell) == name}.values()])
        for name in (recipe.OURS, recipe.WAS)
    )
    assert f"the median network of fourteen took {now:.0f}, and {then:.0f} before" in docs
    rows = [
        line.split("|")
        for line in (root / "results" / "recipe" / "report" / "recipe.md").read_text().splitlines()
    ]
    (near,) = (row[-2].strip() for row in rows if [c.strip() for c in row[1:3]] == ["diabetes", "50"])
    theirs, ours = near.split(" -> ")
    assert f"fresh ones {theirs[1:]} against {ours[1:]})" in docs


def before(dataset: str, seed: int, value: float) -> Record:
    plain = of("tabstep", dataset, seed, c2st_xgboost=value)
    return replace(plain, cell=replace(plain.cell, params=recipe.WAS))


def test_what_the_default_was_is_a_contestant_of_its_own(tmp_path: Path) -> None:
    """It is in no pair of the two methods, and stands beside what the default is by the seeds that both have."""
    known = [*RECORDS, before("churn2", 0, 0.58), before("churn2", 1, 0.60), before("buddy", 1, 0.9)]
    alone, beside = recipe.pairs(RECORDS), recipe.pairs(known)
    assert recipe.numbers(beside).equals(recipe.numbers(alone))
    (pair,) = recipe.pairs(known, recipe.WAS)
    assert pair.theirs.tolist() == [0.58, 0.60]
    assert pair.gain == pytest.approx([0.06, 0.06])
    page = recipe.write(known, {}, tmp_path)[0].read_text(encoding="utf-8")
    assert "## What the default was" in page
    assert "0.590 -> **0.530**" in page
    assert (
        "what the default was"
        not in recipe.write(RECORDS, {}, tmp_path)[0].read_text(encoding="utf-8").lower()
    )


def test_studies_name_settings_that_are_what_they_say_of_them() -> None:
    (entry,) = (e for e in SUITES["recipe"].entries if e.params == recipe.WAS)
    assert TabStep(**entry.settings) == TabStep(steps=4000, batch_size=1024, levels=0)
    assert TabStep(**LONG).steps == 3 * TabStep().steps
    assert 4 * TabStep(**BRIEF).steps == TabStep().steps
    assert TabStep(**LARGE).steps * LARGE["batch_size"] == TabStep().steps * TabStep().batch_size
