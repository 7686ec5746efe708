"""Tuning sees no test rows, spends its budget exactly, survives interruption and shares a study between workers."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.trial import FixedTrial, TrialState

from tabstep.cli.tune import Watching
from tabstep.contracts import Unsupported
from tabstep.data.table import Development
from tabstep.engine import cells, models, tuned
from tabstep.engine.filters import Filters, Refused, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Source
from tabstep.engine.plan import plan
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.records import store
from tabstep.registry import DEFAULT_SAMPLER, METHODS, SAMPLERS, UNTUNED
from tabstep.samplers import space
from tabstep.samplers.budget_stop import KnownStop
from tabstep.samplers.tempered import Tempered
from tabstep.suite import Entry
from tabstep.tuning import methods as tuning
from tabstep.tuning import studies, trials
from tabstep.tuning.rounds import Budget, Ended
from tabstep.tuning.trials import SamplerTask, Task
from tests.test_run import TINY, small_table

FAST = asdict(CatBoostParams.fast())


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("tuning") / "small.csv"
    return Source("small", file=small_table(path), target="label")


@pytest.fixture
def task(source: Source) -> Task:
    return Task(source, "smote", FAST, draws=1)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


# What it may see


def test_the_tuner_has_no_test_rows(source: Source) -> None:
    dataset = source.load()
    data = Development.of(dataset)
    frames = [v for f in fields(data) if isinstance(v := getattr(data, f.name), pd.DataFrame)]
    assert sum(map(len, frames)) == len(dataset.train) + len(dataset.val)
    assert not hasattr(data, "test")


def test_values_do_not_depend_on_test_rows(task: Task) -> None:
    dataset = task.source.load()
    spoiled = replace(dataset, test=dataset.test.sample(frac=1, random_state=0).head(3))
    spoiled.test["label"] = "never"
    trial = FixedTrial({"k_neighbors": 5, "log2_rows": 0})
    values = [trials.objective(trial, task, Development.of(d)) for d in (dataset, spoiled)]  # type: ignore[arg-type]
    assert values[0] == values[1]
    other = replace(dataset, val=dataset.val.assign(label=dataset.val["label"].to_numpy()[::-1]))
    assert trials.objective(trial, task, Development.of(other)) != values[0]  # type: ignore[arg-type]


# Trials


def study() -> optuna.Study:
    return optuna.create_study(direction="maximize")


@dataclass(frozen=True)
class Wayward:
    """Fails in the way that it is told to."""

    how: str = "raises"

    @classmethod
    def suggest(cls, trial: optuna.Trial) -> Wayward:
        return cls(trial.suggest_categorical("how", ["raises", "diverges", "unsupported"]))

    def fit(self, train: pd.DataFrame, *_: Any, **__: Any) -> Any:
        if self.how == "raises":
            raise MemoryError("no room")
        if self.how == "unsupported":
            raise Unsupported("not installed")
        train["x"] = float("nan")
        return Same(train)


@dataclass(frozen=True)
class Same:
    rows: pd.DataFrame

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        return self.rows.sample(n, replace=True, random_state=seed).reset_index(drop=True)


@pytest.mark.parametrize(
    ("how", "reason"), [("raises", "MemoryError: no room"), ("diverges", "Invalid: column 'x'")]
)
def test_failures_are_failed_trials(
    how: str, reason: str, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "smote", Wayward)
    s = study()
    s.enqueue_trial({"how": how})
    ended = trials.attempt(s.ask(), task, Development.of(task.source.load()))
    assert (ended.state, ended.value) == (TrialState.FAIL, None)
    assert str(ended.reason).startswith(reason)


def test_an_unsupported_method_ends_the_study(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "smote", Wayward)
    s = study()
    s.enqueue_trial({"how": "unsupported"})
    with pytest.raises(Unsupported, match="not installed"):
        trials.attempt(s.ask(), task, Development.of(task.source.load()))


def test_a_bad_proxy_prunes_before_the_dear_draws(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return True

    scored: list[CatBoostParams] = []
    real = trials.score

    def watched(rows: pd.DataFrame, data: Development, params: CatBoostParams, **more: Any) -> float:
        scored.append(params)
        return real(rows, data, params, **more)

    monkeypatch.setattr(trials, "score", watched)
    s = optuna.create_study(direction="maximize", pruner=Never())
    ended = trials.attempt(s.ask(), replace(task, evaluator={}), Development.of(task.source.load()))
    assert ended == Ended(TrialState.PRUNED)
    assert scored == [CatBoostParams.fast()]


@pytest.mark.whole
def test_every_diffusion_trial_is_one_fit_and_its_draws(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = METHODS["tabddpm"]
    monkeypatch.setattr(
        kind,
        "suggest",
        classmethod(lambda cls, trial: cls(T=5, steps=trial.suggest_int("steps", 2, 3), layers=(8,))),
    )
    s = study()
    task = Task(source, "tabddpm", FAST, draws=2, steps=3)
    ended = trials.attempt(s.ask(), task, Development.of(source.load()))
    assert ended.state == TrialState.COMPLETE, ended.reason
    (trial,) = s.get_trials()
    assert sorted(trial.intermediate_values) == [0, 1], "the proxy, then the mean of all draws but the last"
    assert len(trial.user_attrs["scores"]) == 2


@pytest.mark.parametrize("name", METHODS)
def test_the_list_of_untuned_methods_is_right(name: str) -> None:
    s = study()
    trial = s.ask()
    METHODS[name].suggest(trial)
    assert (not trial.params) == (name in UNTUNED)


# Whole studies, in worker processes


def test_a_trial_that_goes_on_is_told_of_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter(np.arange(0.0, 400.0, 0.25))
    watching = Watching(clock=lambda: float(next(clock)))
    for _ in range(520):
        watching(0, 3, None)
    watching(1, 3, Ended(TrialState.COMPLETE, (0.61234, 2e12)))
    for _ in range(280):
        watching(1, 3, None)
    watching(2, 3, Ended(TrialState.FAIL, reason="no room"))
    assert capsys.readouterr().out.splitlines() == [
        "[   0/3] running (1:00)",
        "[   0/3] running (2:01)",
        "[   1/3] complete 0.6123, 2e+12",
        "[   1/3] running (1:00)",
        "[   2/3] fail no room",
    ]


@pytest.mark.whole
@pytest.mark.usefixtures("shared_worker")
def test_budget_resume_and_result(task: Task, tmp_path: Path) -> None:
    place = tmp_path / "smote.journal"
    first = tuning.tune(task, Budget(trials=2), place)
    assert first["trials_complete"] == 2
    dead = optuna.load_study(study_name=first["study"], storage=studies.open_storage(place)).ask()
    dead.set_user_attr(studies.OWNER, studies.owner() | {"started": 0.0})
    seen: list[int] = []
    whole = tuning.tune(
        task, Budget(trials=3), place, watch=lambda done, _, ended: seen.extend([done] if ended else [])
    )
    assert seen == [3], "only what is missing, and the trial of a dead process does not count"
    assert whole["trials_complete"] + whole["trials_pruned"] == 3
    assert whole["seconds"] > first["seconds"] > 0
    assert whole["score"] >= first["score"]
    path = tuning.write(tmp_path, task.name, whole)
    assert path == tmp_path / "small" / "smote.json"
    assert json.loads(path.read_text())["settings"] == {"k_neighbors": whole["params"]["k_neighbors"]}
    spent = tuning.tune(task, Budget(trials=9, seconds=whole["seconds"] / 2), place)
    assert spent == whole | {"budget": spent["budget"], "created": spent["created"]}, (
        "no trial starts any more"
    )


def shared(task: Task, place: Path | str) -> None:
    """Two calls with two workers each on one study."""
    results: list[dict[str, Any]] = []
    call = threading.Thread(
        target=lambda: results.append(tuning.tune(task, Budget(trials=6), place, workers=2))
    )
    studies.open_storage(place)  # tables are made once
    call.start()
    results.append(tuning.tune(task, Budget(trials=6), place, workers=2))
    call.join()
    assert len(results) == 2
    s = optuna.load_study(study_name=results[0]["study"], storage=studies.open_storage(place))
    trials = s.get_trials()
    assert [t.number for t in trials] == list(range(len(trials)))
    assert all(t.state in (TrialState.COMPLETE, TrialState.PRUNED) for t in trials), [
        t.user_attrs for t in trials
    ]
    assert 6 <= len(trials) <= 7, "two calls that ask in one instant may overshoot by one"


@pytest.mark.slow
def test_calls_share_a_journal(task: Task, tmp_path: Path) -> None:
    shared(task, tmp_path / "shared.journal")


@pytest.mark.whole
@pytest.mark.skipif(
    "TABSTEP_POSTGRES" not in os.environ,
    reason="no PostgreSQL: set TABSTEP_POSTGRES to the URL of a database to test against, as .ci/run does",
)
def test_calls_share_a_real_database(task: Task) -> None:
    task = replace(task, seed=uuid.uuid4().int % 2**31)  # a study of its own
    shared(task, os.environ["TABSTEP_POSTGRES"])


def test_a_password_is_not_shown() -> None:
    assert (
        studies.shown("postgresql+psycopg://me:secret@host/base") == "postgresql+psycopg://me:***@host/base"
    )


def test_sqlite_is_refused() -> None:
    with pytest.raises(ValueError, match="SQLite"):
        studies.open_storage("sqlite:///a.db")
    with pytest.raises(ValueError, match="URL"):
        studies.open_storage("a.db")


# What a run does with it


def test_a_run_takes_tuned_settings(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "TUNED", tmp_path)
    suite = narrow(
        replace(
            TINY,
            datasets=("adult",),
            entries=(Entry("real"), Entry("tabddpm", "tiny", {"T": 10}), Entry("smote")),
        ),
        Filters(params="tuned"),
    )
    assert [(e.method, e.params) for e in suite.entries] == [
        ("real", "default"),
        ("tabddpm", "tuned"),
        ("smote", "tuned"),
    ]
    digest = source.load().digest
    with pytest.raises(Refused, match=r"small/tabddpm.json does not exist; run `tabstep tune tabddpm"):
        plan(suite, [source])
    for method, settings in (("tabddpm", {"T": 20, "layers": [16, 16]}), ("smote", {"k_neighbors": 7})):
        found = {
            "dataset": "small",
            "method": method,
            "settings": settings,
            "log2_rows": -1,
            "digest": digest,
        }
        tuning.write(tmp_path, method, found)
    jobs = plan(suite, [source]).jobs
    diffusion = next(j for j in jobs if j.cell.method == "tabddpm")
    assert diffusion.settings["layers"] == (16, 16)
    assert diffusion.rows == round(len(source.load().train) / 2)
    assert next(j for j in jobs if j.cell.method == "real").rows == len(source.load().train)
    tuning.write(tmp_path, "smote", found | {"digest": "of other data"})
    with pytest.raises(Refused, match="was tuned on data of other"):
        plan(suite, [source])


# Samplers of a fitted model


@pytest.fixture(scope="module")
def fitted(source: Source, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Folder]:
    job = next(j for j in plan(TINY, [source]).jobs if j.cell.method == "tabddpm")
    folder = Folder(tmp_path_factory.mktemp("fitted"))
    models.fit_diffusion(job, folder)
    return job, folder


@pytest.fixture
def sampler_task(fitted: tuple[Job, Folder]) -> SamplerTask:
    job, folder = fitted
    return SamplerTask(
        job.source,
        job.cell.method,
        FAST,
        params=job.cell.params,
        model=folder.model(job),
        fit_key=job.fit_key,
        steps=3,
        rows=job.rows,
        draws=1,
    )


@pytest.mark.parametrize("update", space.UPDATES)
@pytest.mark.parametrize("categories", [True, False])
def test_what_is_suggested_is_a_sampler(update: str, categories: bool) -> None:
    values = {"update": update, "grid": "quad", "clip_x0": False, "variance": "small", "eta": 0.25}
    values |= {"eta_cat": 0.75, "sde": True, "temperature": 0.8}
    found = space.suggest(FixedTrial(values), categories=categories)
    assert json.loads(json.dumps(found)) == found, "it is kept as JSON"
    sampler: Any = space.built(found)
    assert isinstance(sampler, Tempered) == categories
    inner = sampler.update if categories else sampler
    assert type(inner) is space.UPDATES[update]
    for name, value in found["settings"].items():
        assert getattr(inner, name) == value
    assert sampler.clip_x0 is False


def test_the_update_of_the_default_of_users_is_tried_first(sampler_task: SamplerTask) -> None:
    found = space.suggest(FixedTrial(dict(space.FIRST)), categories=False)
    default = SAMPLERS[DEFAULT_SAMPLER]
    assert isinstance(default, KnownStop)
    assert space.built(found) == default.update
    assert found["grid"] == SAMPLERS[DEFAULT_SAMPLER].grid


@pytest.mark.whole
@pytest.mark.usefixtures("shared_worker")
def test_a_study_of_samplers_and_the_run_of_what_it_found(
    fitted: tuple[Job, Folder], sampler_task: SamplerTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, folder = fitted
    found = tuning.tune(sampler_task, Budget(trials=3), tmp_path / "samplers.journal")
    s = optuna.load_study(
        study_name=found["study"], storage=studies.open_storage(tmp_path / "samplers.journal")
    )
    assert s.trials[0].params == dict(space.FIRST), "first the default, so that nothing worse is found"
    assert found["score"] >= s.trials[0].value
    monkeypatch.setattr(tuned, "TUNED", tmp_path / "tuned")
    suite = narrow(TINY, Filters(methods=("tabddpm",), samplers=("tuned",), steps=(3,)))
    with pytest.raises(
        Refused, match=r"no tuned sampler: .*/small/tabddpm-tiny-sampler-3.json .* tune-sampler own"
    ):
        plan(suite, [job.source])
    path = tuning.write(tmp_path / "tuned", sampler_task.name, found)
    assert path.name == "tabddpm-tiny-sampler-3.json"
    todo = plan(suite, [job.source])
    asked = [j.cell for j in todo.jobs]
    assert {(c.sampler, c.grid, c.steps) for c in asked} == {("tuned", found["settings"]["grid"], 3)}
    assert (
        todo.jobs[0].draw_key
        != plan(
            narrow(TINY, Filters(methods=("tabddpm",), samplers=("ddim",), steps=(3,))),
            [job.source],
        )
        .jobs[0]
        .draw_key
    )
    outcome = cells.run_cell(todo.jobs[0], folder)
    assert outcome.status == "ok", outcome.reason
    record = store.read(folder.runs / asked[0].path)
    assert record.settings["sampler"] == found["settings"]
    assert record.nfe == 3
    store.replace(path, json.dumps(found | {"fit_key": "of another"}).encode())
    with pytest.raises(Refused, match="was tuned on another model"):
        plan(suite, [job.source])


def test_the_grid_of_a_tuned_sampler_is_not_chosen_again() -> None:
    with pytest.raises(Refused, match="leave out --grid"):
        narrow(TINY, Filters(samplers=("tuned",), grids=("quad",)))
