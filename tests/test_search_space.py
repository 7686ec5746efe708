"""A study belongs to one search space: what changes the space changes the digest, and nothing else does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import Trial

from tabstep.baselines.smote import SMOTE
from tabstep.engine.job import Source
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.registry import METHODS
from tabstep.samplers import space
from tabstep.tuning import evaluators, rounds, search_space, studies
from tabstep.tuning import methods as tuning
from tabstep.tuning.rounds import Budget
from tabstep.tuning.trials import SamplerTask, Task
from tests.test_run import small_table
from tests.test_tuning import FAST


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


@dataclass(frozen=True)
class Leaf:
    """A parameter of a made-up space; `then` is asked for where the answer is the first of the choices."""

    name: str
    low: float
    width: float
    choices: int
    then: Leaf | None = None

    def ask(self, trial: Trial) -> dict[str, Any]:
        found: dict[str, Any] = {
            f"{self.name}-real": trial.suggest_float(f"{self.name}-real", self.low, self.low + self.width)
        }
        chosen = trial.suggest_categorical(f"{self.name}-kind", [*range(self.choices)])
        found[f"{self.name}-kind"] = chosen
        return found | (self.then.ask(trial) if self.then is not None and chosen == 0 else {})


leaves = st.builds(
    Leaf, st.sampled_from("abc"), st.integers(-3, 3), st.integers(1, 4), st.integers(2, 4), st.none()
)
trees = st.builds(lambda outer, inner: replace(outer, name="outer", then=inner), leaves, st.none() | leaves)


@pytest.mark.whole
@settings(max_examples=25, deadline=None)
@given(trees, trees)
def test_two_spaces_have_one_digest_where_they_are_the_same(one: Leaf, other: Leaf) -> None:
    assert (search_space.digest(one.ask) == search_space.digest(other.ask)) == (one == other)


def asked(low: float = 0.0, *, cut: int = 1, constant: float = 1.0) -> Callable[[Trial], Any]:
    def suggest(trial: Trial) -> Any:
        depth = trial.suggest_int("depth", 1, 4)
        found = {"depth": depth, "constant": constant}
        if depth > cut:
            found["rate"] = trial.suggest_float("rate", low, 1.0, log=low > 0)
        return found

    return suggest


def test_a_range_a_scale_a_condition_and_a_constant_belong_to_the_space() -> None:
    spaces = [asked(), asked(1e-3), asked(cut=2), asked(constant=2.0)]
    assert len({search_space.digest(s) for s in spaces}) == len(spaces)
    assert search_space.digest(asked()) == search_space.digest(asked()), "whatever else was asked before"


def test_what_a_suggestion_refuses_is_part_of_the_space() -> None:
    def picky(trial: Trial) -> int:
        value = trial.suggest_int("value", 1, 4)
        if value == 3:
            raise ValueError("not three")
        return value

    assert search_space.digest(picky) != search_space.digest(lambda t: t.suggest_int("value", 1, 4))


@pytest.mark.parametrize(
    "distribution",
    [
        optuna.distributions.IntDistribution(3, 20),
        optuna.distributions.IntDistribution(1, 9, step=4),
        optuna.distributions.IntDistribution(1, 20, log=True),
        optuna.distributions.FloatDistribution(1e-5, 3e-3, log=True),
        optuna.distributions.FloatDistribution(-1.0, 0.7, step=0.1),
        optuna.distributions.FloatDistribution(0.1, 0.3),
        optuna.distributions.CategoricalDistribution(["a", None, 3]),
    ],
)
def test_answers_lie_inside_and_reach_both_ends(distribution: Any) -> None:
    study = optuna.create_study(sampler=search_space.Answers())
    found = [study.ask({"p": distribution}).params["p"] for _ in range(100)]
    assert all(distribution._contains(distribution.to_internal_repr(value)) for value in found)
    ends = getattr(distribution, "choices", None) or (distribution.low, distribution.high)
    assert all(any(value == end for value in found) for end in ends)


def narrowed(low: int, high: int) -> Any:
    return classmethod(lambda cls, trial: cls(k_neighbors=trial.suggest_int("k_neighbors", low, high)))


class Here:
    """A pool of this process, where a method can be patched."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], _: float | None
    ) -> Future[Any]:
        done = Future[Any]()
        done.set_result(function(*arguments))
        return done


@pytest.mark.whole
def test_a_method_whose_space_changes_starts_another_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source("small", file=small_table(tmp_path / "small.csv"), target="label")
    task, place = Task(source, "smote", FAST, draws=1), tmp_path / "smote.journal"
    monkeypatch.setattr(rounds, "Local", Here)
    found = {}
    for low, high in [(5, 6), (8, 9), (5, 6)]:
        monkeypatch.setattr(SMOTE, "suggest", narrowed(low, high))
        found[low] = tuning.tune(task, Budget(trials=2), place)
        assert low <= found[low]["settings"]["k_neighbors"] <= high
        assert found[low]["trials_complete"] + found[low]["trials_pruned"] == 2
    names = optuna.get_all_study_names(studies.open_storage(place))
    assert sorted(names) == sorted({f["study"] for f in found.values()})
    assert len(names) == 2, "the first space came back to its own study"


def test_the_rows_to_draw_belong_to_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(Source("adult"), "smote", FAST)
    before = tuning.study_name(task, "rows")
    monkeypatch.setattr("tabstep.tuning.trials.SHARES", (-3, 1))
    assert tuning.study_name(task, "rows") != before


def test_the_space_of_a_sampler_belongs_to_its_study(monkeypatch: pytest.MonkeyPatch) -> None:
    task = SamplerTask(Source("adult"), "tabddpm", FAST, "tiny", Path("nowhere"), "key", steps=5, rows=10)
    names = [tuning.study_name(task, "rows")]
    for name, value in [("TEMPERATURES", (0.5, 2.0)), ("FIXED_GRIDS", ("trailing", "quad"))]:
        monkeypatch.setattr(space, name, value)
        names.append(tuning.study_name(task, "rows"))
    assert len(set(names)) == len(names)


def test_an_evaluator_whose_space_changes_starts_another_study_and_its_first_trial_must_lie_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_efficacy import noisy

    data, place = noisy(), tmp_path / "study.journal"

    def depths(low: int, high: int) -> Any:
        return classmethod(lambda cls, trial: cls(depth=trial.suggest_int("depth", low, high), iterations=20))

    for low, high in [(4, 6), (6, 7)]:
        monkeypatch.setattr(CatBoostParams, "suggest", depths(low, high))
        found = evaluators.tune(data.train, data.schema, trials=2, folds=2, storage=place)
        assert low <= found["params"]["depth"] <= high
        assert found["trials_complete"] + found["trials_pruned"] == 2
    assert len(optuna.get_all_study_names(studies.open_storage(place))) == 2
    monkeypatch.setattr(CatBoostParams, "suggest", depths(2, 4))
    with pytest.raises(ValueError, match=r"depth = 6, outside its search space IntDistribution\(high=4"):
        evaluators.tune(data.train, data.schema, trials=2, folds=2, storage=place)


@pytest.mark.parametrize("name", METHODS)
def test_the_digest_of_a_method_does_not_depend_on_the_state_of_anything(name: str) -> None:
    random.seed(0)
    first = search_space.digest(METHODS[name].suggest)
    random.seed(1)
    assert search_space.digest(METHODS[name].suggest) == first
