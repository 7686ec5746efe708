"""One setting for several tables: the front of two measures, what ends a trial early, and no test rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import optuna
import pandas as pd
import pytest
from optuna.trial import FixedTrial, TrialState, create_trial
from typer.testing import CliRunner

from tabstep.cli.app import app
from tabstep.data.completion import Completion
from tabstep.data.table import Development
from tabstep.diffusion.tabstep import TabStep
from tabstep.diffusion.work import arithmetic
from tabstep.engine.job import Source
from tabstep.registry import METHODS
from tabstep.tuning import joint, rounds, search_space
from tabstep.tuning.joint import AREAS, COST, Joint
from tabstep.tuning.rounds import Budget
from tests.test_run import small_table
from tests.test_search_space import Here


@dataclass(frozen=True)
class Brief(TabStep):
    """As `tabstep`, of a few steps."""

    USUAL: ClassVar[dict[str, Any]] = {"steps": 4, "width": 8}

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Self:
        width = trial.suggest_categorical("width", [8, 16])
        return cls(steps=trial.suggest_int("steps", 2, 8), batch_size=32, layers=(width,), T=20)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Joint:
    monkeypatch.setitem(METHODS, "tabstep", Brief)
    monkeypatch.setattr(rounds, "Local", Here)
    small = small_table(tmp_path / "small.csv")
    large = tmp_path / "large.csv"
    pd.concat([pd.read_csv(small)] * 2).to_csv(large, index=False)
    sources = (Source("large", file=large, target="label"), Source("small", file=small, target="label"))
    return Joint(sources, "tabstep", steps=2)


def finished(cost: float, **areas: float) -> Any:
    attributes = {COST: cost, AREAS: areas}
    return create_trial(values=[0.0, cost], user_attrs=attributes, state=TrialState.COMPLETE)


@pytest.mark.parametrize(
    ("cost", "areas", "beaten"),
    [
        (10.0, {"a": 0.64}, True),  # worse by more than .03, and no cheaper
        (10.0, {"a": 0.62}, False),
        (9.9, {"a": 0.99}, False),  # nothing that is finished is as cheap
        (20.0, {"a": 0.62}, True),  # beaten by the dearer one
        (20.0, {"a": 0.50, "b": 0.68}, False),  # by means over the tables that were seen
        (20.0, {"a": 0.50, "b": 0.75}, True),
    ],
)
def test_a_trial_is_beaten_by_one_that_is_better_and_costs_no_more(
    cost: float, areas: dict[str, float], beaten: bool
) -> None:
    known = [finished(10.0, a=0.60, b=0.60, c=0.90), finished(15.0, a=0.58, b=0.60, c=0.5)]
    assert joint.is_beaten(areas, cost, known) is beaten
    assert not joint.is_beaten(areas, cost, [])


@pytest.mark.whole
def test_a_study_ends_with_its_front_and_goes_on(task: Joint, tmp_path: Path) -> None:
    place, seen = tmp_path / "joint.journal", []
    found = joint.tune(
        task, Budget(trials=4), place, watch=lambda done, _, ended: seen.extend([done] if ended else [])
    )
    assert seen == [1, 2, 3, 4]
    assert found["trials_complete"] + found["trials_pruned"] == 4
    assert [*found["tables"]] == ["small", "large"]  # cheapest first
    assert found["trials"][0]["trial"] == 0
    costs = [line[COST] for line in found["front"]]
    areas = [line["area"] for line in found["front"]]
    assert costs == sorted(costs)
    assert areas == sorted(areas, reverse=True)
    for line in found["front"]:
        assert 0.5 <= min(line["areas"].values()) <= line["area"] <= max(line["areas"].values()) <= 1
        assert line["settings"]["steps"] == line["params"]["steps"]
        cheaper = [t for t in found["trials"] if t["state"] == "complete" and t[COST] <= line[COST]]
        assert min(t["area"] for t in cheaper) == line["area"]
    again = joint.tune(task, Budget(trials=4), place)
    assert again["front"] == found["front"]
    written = joint.write(tmp_path / "out", found)
    assert [path.suffix for path in written] == [".json", ".png", ".pdf", ".csv"]
    assert json.loads(written[0].read_text())["front"] == found["front"]
    assert joint.study_name(replace(task, steps=3)) != joint.study_name(task)


@pytest.mark.whole
def test_what_a_trial_says_is_what_its_training_costs_and_test_rows_do_not_count(task: Joint) -> None:
    tables = [Development.of(source.load()) for source in task.in_order()]
    trial = FixedTrial({"width": 16, "steps": 5})
    area, cost = joint.objective(trial, task, tables, ())  # type: ignore[arg-type]
    method = Brief(steps=5, batch_size=32, layers=(16,), T=20)
    wanted = 0.0
    for table in tables:
        whole = Completion.fit(table.train, table.schema)
        train = whole.forward(table.train)
        wanted += arithmetic(method, method.encoder(train, whole.inner), len(train))
    assert cost == wanted
    assert area == pytest.approx(sum(trial.user_attrs[AREAS].values()) / 2)
    for source in task.sources:
        dataset = source.load()
        spoiled = Development.of(replace(dataset, test=dataset.test.head(3)))
        assert joint.area(method, spoiled, task) == trial.user_attrs[AREAS][source.name]


def test_a_trial_that_is_beaten_on_the_first_table_sees_no_other(task: Joint) -> None:
    tables = [Development.of(source.load()) for source in task.in_order()]
    trial = FixedTrial({"width": 16, "steps": 5})
    with pytest.raises(optuna.TrialPruned):
        joint.objective(trial, task, tables, [finished(1.0, small=0.1, large=0.1)])  # type: ignore[arg-type]
    assert [*trial.user_attrs[AREAS]] == ["small"]


def test_the_first_trial_lies_in_the_space_and_is_next_to_the_default() -> None:
    search_space.require(TabStep.USUAL, TabStep.suggest)
    first, default = TabStep.suggest(FixedTrial(TabStep.USUAL)), TabStep()  # type: ignore[arg-type]
    assert first.layers == default.layers
    for name in ("batch_size", "lr", "frequencies", "signal_floor", "levels"):
        assert getattr(first, name) == getattr(default, name), name
    assert first.steps == pytest.approx(default.steps, rel=0.05)


def test_what_cannot_be_tuned_so_is_told(task: Joint) -> None:
    with pytest.raises(ValueError, match="a setting for several tables needs two of them, got small"):
        Joint(task.sources[1:], "tabstep")
    with pytest.raises(ValueError, match="what a training of smote costs is not known; choose a diffusion"):
        replace(task, method="smote")
    said = CliRunner().invoke(app, ["tune-joint", "tabstep", "--dataset", "mlc-churn"])
    assert said.exit_code == 2
    assert "needs two of them, got mlc-churn" in said.output
