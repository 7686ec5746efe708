"""How far few evaluations are from all steps: losses of known draws, their verdicts, and those of the records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tabstep.records.store import Record
from tabstep.report.numbers.vector import EFFICACY, VECTOR
from tabstep.study import distance, few_steps, seeds
from tests import committed
from tests.test_families import record
from tests.test_few_steps import FULL

ROOT = Path(__file__).parents[1]
C2ST = next(score for score in VECTOR if score.name == "c2st_xgboost")


def drawn(
    sampler: str, steps: int, draws: dict[tuple[int, int], float], score: str = "c2st_xgboost"
) -> list[Record]:
    """One record a draw, (seeds of training and sampling), all scores alike but one that is moved."""
    made = []
    for (train, sample), moved in draws.items():
        plain = record(sampler, steps, sample, 0, 0, suite="few-steps")
        cell = replace(plain.cell, method="tabstep", dataset="churn2", train_seed=train)
        scores = {name: [value + (moved if name == score else 0.0)] for name, value in FULL.items()}
        made.append(replace(plain, cell=cell, settings={"method": {"T": 20}}, scores=scores))
    return made


def of(losses: list[distance.Loss], name: str) -> distance.Loss:
    (found,) = (loss for loss in losses if loss.score.name == name)
    return found


DRAWS = {(0, 0): 0.0, (0, 1): 0.02, (1, 0): 0.1, (1, 1): 0.16}


def test_a_loss_is_held_against_all_steps_of_the_same_draw() -> None:
    few = {at: moved + 0.03 * (1 + at[1]) for at, moved in DRAWS.items()}
    records = [
        *drawn("ancestral", 20, DRAWS),
        *drawn("ddim", 2, few),
        *drawn("dpmpp-2m-sde", 2, dict.fromkeys(few, 0.3)),
    ]
    losses = distance.losses(records, {("churn2", 2): "ddim"})
    found = of(losses, "c2st_xgboost")
    assert sorted(found.draws) == pytest.approx(
        [1, 1, 2, 2]
    )  # margins of .03, whatever the networks differ by
    assert found.mean == pytest.approx(1.5)
    assert found.before == pytest.approx((0.3 - np.mean([*DRAWS.values()])) / 0.03)
    # Of a network with draws a and b it is (a - b)^2 / 2, and each network leaves one that is free.
    assert found.scatter == pytest.approx(((0.02**2 / 2 + 0.06**2 / 2) / 2) ** 0.5 / 0.03)
    assert all(loss.mean == pytest.approx(0) for loss in losses if loss is not found)


def test_a_score_that_is_better_has_a_loss_below_zero() -> None:
    more, full = dict.fromkeys(DRAWS, 0.02), dict.fromkeys(DRAWS, 0.0)
    for name, sign in (("catboost_f1_macro", -1), ("c2st_xgboost", 1)):
        records = [*drawn("ancestral", 20, full), *drawn("ddim", 2, more, name)]
        losses = distance.losses(records, {("churn2", 2): "ddim"})
        score = EFFICACY if sign < 0 else C2ST
        assert of(losses, score.name).mean == pytest.approx(sign * 0.02 / score.margin)
        assert of(losses, score.name).before is None


@pytest.mark.parametrize(
    ("draws", "says"),
    [
        ([3.0, -1.0, 2.0, -1.0], "kept"),
        ([1.4, 1.5, 1.6, 1.5], "lost"),
        ([9.0, -4.0, 3.0, 1.0], "undecided"),
        ([9.0], "undecided"),
    ],
)
def test_what_draws_do_not_decide_is_undecided(draws: list[float], says: str) -> None:
    loss = distance.Loss("churn2", 2, C2ST, np.array(draws), None, 0.1)
    assert loss.says == says


def test_draws_that_all_steps_lack_are_left_out() -> None:
    records = [*drawn("ancestral", 20, {(0, 0): 0.0}), *drawn("ddim", 2, {(0, 0): 0.03, (0, 1): 9.0})]
    found = of(distance.losses(records, {("churn2", 2): "ddim"}), "c2st_xgboost")
    assert (found.mean, found.scatter) == (pytest.approx(1), 0.0)
    assert distance.losses(records, {("churn2", 20): "ddim", ("house", 2): "ddim"}) == []


def test_a_table_is_shown_by_its_largest_loss_and_counted_by_its_verdicts() -> None:
    few = {at: 0.09 + 0.001 * sum(at) for at in DRAWS}
    full, before = dict.fromkeys(DRAWS, 0.0), dict.fromkeys(DRAWS, 0.3)
    records = [*drawn("ancestral", 20, full), *drawn("ddim", 2, few), *drawn("dpmpp-2m-sde", 2, before)]
    losses = distance.losses(records, {("churn2", 2): "ddim"})
    assert distance.largest(losses) == [{"table": "churn2", "at 2": "10.0 C2ST -> 3.0 C2ST, lost"}]
    (line,) = distance.counts(losses)
    assert line == {
        **{"evaluations": "2", "scores": "6", "before, at most a margin": "5", "at most a margin": "5"},
        **{"more, undecided": "0", "more": "1", "within the scatter": "5"},
    }
    assert distance.said(losses) == ["At two C2ST is within .03 of that of all steps on 0 of 1 tables."]


@pytest.mark.whole
def test_the_losses_of_draws_are_those_of_means() -> None:
    """Another way: `few_steps.losses` takes differences of means over seeds, and knows nothing of draws."""
    records = committed.records("few-steps")
    found = few_steps.losses(records)
    means = found.set_index(["dataset", "steps", "sampler"])
    best = few_steps.choice(found).set_index("steps")["sampler"]
    begun = few_steps.by_begin(records, found).set_index(["dataset", "steps"])["sampler"].to_dict()
    losses = few_steps.apart(records, found)
    assert len(losses) == len(few_steps.SHOWN) * found["dataset"].nunique() * len(VECTOR)
    for loss in losses:
        sampler = begun.get((loss.dataset, loss.steps), best[loss.steps])
        assert loss.mean == pytest.approx(
            means.loc[(loss.dataset, loss.steps, sampler), loss.score.name], abs=1e-9
        )


def test_the_readme_and_the_findings_say_how_near_few_evaluations_come() -> None:
    records = committed.records("few-steps")
    said = distance.said(few_steps.apart(records, few_steps.losses(records)))
    assert len(said) == 3
    for page in (ROOT / "README.md", ROOT / "results" / "FINDINGS.md"):
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert all(sentence in text for sentence in said)
    ours = [r for r in records if r.cell.method == "tabstep"]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert seeds.draws_said(ours) in text
