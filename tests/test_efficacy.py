"""The evaluator on tables whose answer is known, and its tuning on a toy problem."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from pathlib import Path

import catboost
import numpy as np
import optuna
import pandas as pd
import pytest
from catboost import CatBoostClassifier, CatBoostError
from optuna.trial import TrialState

from tabstep.data.table import Dataset, Schema, Task
from tabstep.metrics import catboost_trees, efficacy, evaluators
from tabstep.metrics.catboost_trees import CatBoostParams, catboost_efficacy
from tabstep.metrics.efficacy import Degenerate
from tabstep.metrics.xgboost_trees import XGBoostParams
from tabstep.tuning import evaluators as evaluator_tuning
from tabstep.tuning.evaluators import fold_scores, tune, write_atomically

FAST = CatBoostParams(learning_rate=0.3, depth=3, leaf_estimation_iterations=1)
FIELDS = [field.name for field in fields(CatBoostParams)]

Scores = dict[str, float]


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer rounds than the protocol's 2000: toy tables are learned in a few dozen."""
    monkeypatch.setattr(catboost_trees, "ITERATIONS", 60)


def dataset(task: Task, rows: int = 900, seed: int = 0) -> Dataset:
    """A noiseless table: the target is a function of one number `a` and one category `c`; `b` is noise."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"a": generator.uniform(-1, 1, rows), "b": generator.normal(size=rows)}
        | {"c": generator.choice(["u", "v"], rows)}
    )
    sign = np.where(frame["c"] == "u", 1.0, -1.0)
    match task:
        case "regression":
            frame["y"] = 3 * frame["a"] + 2 * sign + 10
        case "binclass":
            frame["y"] = np.where(frame["a"] * sign > 0, "yes", "no")
        case "multiclass":
            frame["y"] = np.select([frame["a"] < -0.4, frame["a"] < 0.3], ["low", "mid"], "top")
    third = rows // 3
    parts = [frame.iloc[i * third : (i + 1) * third].reset_index(drop=True) for i in range(3)]
    return Dataset("toy", Schema(task, "y", ("a", "b"), ("c",)), *parts, digest="d", source="made here")


def score(synthetic: pd.DataFrame, data: Dataset, params: CatBoostParams = FAST, seed: int = 0) -> Scores:
    return catboost_efficacy(synthetic, data, seed=seed, params=params)


@pytest.mark.parametrize(("task", "floor"), [("binclass", 0.95), ("multiclass", 0.95)])
def test_a_noiseless_class_is_learned_and_shuffled_labels_are_not(task: Task, floor: float) -> None:
    data = dataset(task)
    learned = score(data.train, data)
    assert min(learned["catboost_f1_macro"], learned["catboost_accuracy"]) > floor
    shuffled = data.train.assign(y=np.random.default_rng(1).permutation(data.train["y"]))
    classes = data.test["y"].nunique()
    # Early stopping on real rows may pick a lucky round, hence the margin over chance, 1 / classes.
    assert score(shuffled, data)["catboost_f1_macro"] < 1 / classes + 0.2


def test_a_noiseless_number_is_learned_and_shuffled_ones_are_not() -> None:
    data = dataset("regression")
    learned = score(data.train, data)
    assert learned["catboost_r2"] > 0.98
    variance = float(data.test["y"].var(ddof=0))
    assert learned["catboost_rmse"] == pytest.approx(np.sqrt((1 - learned["catboost_r2"]) * variance))
    shuffled = data.train.assign(y=np.random.default_rng(1).permutation(data.train["y"]))
    assert score(shuffled, data)["catboost_r2"] < 0.1


def test_names_of_the_scores() -> None:
    names = {task: set(score(dataset(task).train, dataset(task))) for task in ("binclass", "multiclass")}
    assert names["binclass"] == {"catboost_f1_macro", "catboost_accuracy", "catboost_roc_auc"}
    assert names["multiclass"] == {"catboost_f1_macro", "catboost_accuracy"}


def test_an_affine_change_of_the_target_keeps_r2_and_scales_rmse() -> None:
    data = dataset("regression")
    parts = {part: getattr(data, part) for part in ("train", "val", "test")}
    moved = replace(data, **{part: rows.assign(y=1000 * rows["y"] - 7e4) for part, rows in parts.items()})
    first, second = score(data.train, data), score(moved.train, moved)
    assert second["catboost_r2"] == pytest.approx(first["catboost_r2"], abs=1e-4)
    assert second["catboost_rmse"] == pytest.approx(1000 * first["catboost_rmse"], rel=1e-2)


def test_the_target_is_standardised_by_the_synthetic_rows_not_by_the_real_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = dataset("regression")
    shifted = data.train.assign(y=4 * data.train["y"] + 100)
    seen: list[np.ndarray] = []
    regressor = catboost.CatBoostRegressor

    class Watched(regressor):  # type: ignore[misc, valid-type]
        def fit(self, pool, eval_set):  # type: ignore[no-untyped-def] # noqa: ANN001
            seen.extend([np.array(pool.get_label(), float), np.array(eval_set.get_label(), float)])
            return super().fit(pool, eval_set=eval_set)

    monkeypatch.setattr(catboost, "CatBoostRegressor", Watched)
    score(shifted, data)
    fitted, watched = seen
    assert fitted.mean() == pytest.approx(0, abs=1e-6)
    assert fitted.std() == pytest.approx(1, abs=1e-6)
    mean, std = shifted["y"].mean(), shifted["y"].std(ddof=0)
    np.testing.assert_allclose(watched, (data.val["y"] - mean) / std, rtol=1e-5)


@pytest.mark.parametrize("task", ["binclass", "multiclass", "regression"])
def test_the_order_of_the_test_rows_is_irrelevant(task: Task) -> None:
    data = dataset(task)
    mixed = replace(data, test=data.test.sample(frac=1, random_state=3))
    assert score(data.train, mixed) == pytest.approx(score(data.train, data))


def test_the_same_seed_gives_the_same_score_and_the_rows_stay_as_they_were() -> None:
    data = dataset("regression")
    before = data.train.copy()
    noisy = data.train.assign(y=data.train["y"] + np.random.default_rng(2).normal(size=len(data.train)))
    assert score(noisy, data, seed=4) == score(noisy, data, seed=4)
    assert score(noisy, data, seed=4) != score(noisy, data, seed=5)
    pd.testing.assert_frame_equal(data.train, before)


def test_val_and_test_are_told_apart() -> None:
    data = dataset("regression")
    spoiled = replace(data, test=data.test.assign(y=data.test["y"].iloc[::-1].to_numpy()))
    on_val = {
        which.source: catboost_efficacy(which.train, which, seed=0, params=FAST, split="val")
        for which in (data, replace(spoiled, source="spoiled"))
    }
    assert on_val["spoiled"] == on_val["made here"]  # the test part is not read
    assert on_val["made here"]["catboost_r2"] > 0.98
    assert score(spoiled.train, spoiled)["catboost_r2"] < 0.5
    both = catboost_efficacy(spoiled.train, spoiled, seed=0, params=FAST, split="both")
    assert both["catboost_r2_val"] == on_val["spoiled"]["catboost_r2"]
    assert both["catboost_r2"] == score(spoiled.train, spoiled)["catboost_r2"]
    with pytest.raises(ValueError, match="train"):
        catboost_efficacy(data.train, data, seed=0, params=FAST, split="train")  # type: ignore[arg-type]


def test_unseen_categories_and_missing_values_are_scored() -> None:
    data = dataset("binclass")
    test = data.test.copy()
    test.loc[:9, "c"] = "never seen"
    test.loc[10:19, "c"] = None
    test.loc[20:29, "a"] = np.nan
    synthetic = data.train.copy()
    synthetic.loc[:4, "c"] = None
    synthetic.loc[5:9, "b"] = np.nan
    f1 = score(synthetic, replace(data, test=test))["catboost_f1_macro"]
    assert 0.8 < f1 <= 1


def test_a_missing_category_is_a_category_of_its_own() -> None:
    data = dataset("binclass")

    def told_by_absence(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(c=np.where(rows["y"] == "yes", None, "nan"), a=0.0)

    parts = [told_by_absence(part) for part in (data.train, data.val, data.test)]
    told = Dataset("toy", data.schema, *parts, digest="d", source="made here")
    assert score(told.train, told)["catboost_accuracy"] == 1


def test_a_class_that_the_synthetic_rows_lack_is_scored_as_wrong() -> None:
    data = dataset("multiclass")
    lacking = data.train[data.train["y"] != "top"]
    scores = score(lacking, data)
    share = (data.test["y"] == "top").mean()
    assert scores["catboost_accuracy"] <= 1 - share
    assert scores["catboost_accuracy"] > 1 - share - 0.05
    # By hand: "low" is near perfect; "mid" takes in all of "top"; "top" has F1 = 0.
    mid = (data.test["y"] == "mid").mean()
    expected = (1 + 2 * mid / (2 * mid + share) + 0) / 3
    assert scores["catboost_f1_macro"] == pytest.approx(expected, abs=0.03)


def test_the_positive_class_is_the_second_in_sorted_order() -> None:
    data = dataset("binclass")
    assert efficacy.labels(data.train["y"], data.schema) == ("no", "yes")
    classes = ("no", "yes")
    fitted = efficacy.fit_evaluator(FAST, data.train, data.val, data.schema, classes=classes, seed=0)
    probability = fitted.predict(data.test)[:, 1]
    assert probability[data.test["y"] == "yes"].min() > probability[data.test["y"] == "no"].mean()
    agreement = ((probability > 0.5) == (data.test["y"] == "yes")).mean()
    assert fitted.scores(data.test)["accuracy"] == pytest.approx(agreement)


def test_rows_that_teach_no_dependence_are_scored_as_their_prior() -> None:
    data, numbers = dataset("binclass"), dataset("regression")
    always = (data.test["y"] == "yes").mean()
    collapsed = score(data.train.assign(y="yes"), data)
    # Of the two classes one is never predicted; the other has recall 1 and precision `always`.
    f1 = 2 * always / (1 + always) / 2
    expected = {"catboost_f1_macro": f1, "catboost_accuracy": always, "catboost_roc_auc": 0.5}
    assert collapsed == pytest.approx(expected)
    y = numbers.test["y"]
    constant = score(numbers.train.assign(y=2.5), numbers)
    assert constant["catboost_rmse"] == pytest.approx(np.sqrt(((y - 2.5) ** 2).mean()))
    assert constant["catboost_r2"] == pytest.approx(1 - ((y - 2.5) ** 2).mean() / y.var(ddof=0))
    flat = score(numbers.train.assign(a=0.0, b=1.0, c="u"), numbers)
    mean = numbers.train["y"].mean()
    assert flat["catboost_rmse"] == pytest.approx(np.sqrt(((y - mean) ** 2).mean()))
    three = dataset("multiclass")
    rows = three.train.assign(a=0.0, b=1.0, c="u")
    often = rows["y"].mode()[0]
    assert score(rows, three)["catboost_accuracy"] == pytest.approx((three.test["y"] == often).mean())


def test_degenerate_rows_are_refused_with_the_reason() -> None:
    data, numbers = dataset("binclass"), dataset("regression")
    with pytest.raises(Degenerate, match="maybe"):
        score(data.train.assign(y=["maybe", *data.train["y"][1:]]), data)
    with pytest.raises(Degenerate, match="1 of 300"):
        score(numbers.train.assign(y=[np.nan, *numbers.train["y"][1:]]), numbers)
    with pytest.raises(Degenerate, match="infinite in 1"):
        score(numbers.train.assign(y=[np.inf, *numbers.train["y"][1:]]), numbers)
    with pytest.raises(Degenerate, match="one class only"):
        score(data.train, replace(data, test=data.test[data.test["y"] == "no"]))


def test_parameters_from_a_mapping() -> None:
    data = dataset("binclass")
    by_name = catboost_efficacy(data.train, data, seed=0, params=asdict(FAST))
    assert by_name == score(data.train, data)
    with pytest.raises(ValueError, match="rsm"):
        CatBoostParams.of({"depth": 4, "rsm": 0.5})
    assert CatBoostParams.default() == CatBoostParams.of({})


def test_the_defaults_are_those_of_catboost() -> None:
    data = dataset("multiclass")  # its bootstrap is the one that has a bagging temperature
    classes = efficacy.labels(data.train["y"], data.schema)

    def settings(params: CatBoostParams) -> dict[str, object]:
        parts = (data.train, data.val)
        fitted = efficacy.fit_evaluator(params, *parts, data.schema, classes=classes, seed=0)
        return dict(fitted.predictor.model.get_all_params())

    default = settings(CatBoostParams.default())
    plain = CatBoostClassifier(
        iterations=catboost_trees.ITERATIONS,
        loss_function="MultiClass",
        verbose=False,
        allow_writing_files=False,
    )
    features, watched = (efficacy.inputs(rows, data.schema) for rows in (data.train, data.val))
    labelled = list(efficacy.numbered(data.schema).categorical)
    plain.fit(features, data.train["y"], cat_features=labelled, eval_set=(watched, data.val["y"]))
    assert default["iterations"] == catboost_trees.ITERATIONS
    assert {name: default[name] for name in FIELDS} == {name: plain.get_all_params()[name] for name in FIELDS}
    assert default["learning_rate"] != pytest.approx(0.03)  # chosen by CatBoost, not its fallback
    chosen = settings(CatBoostParams(0.2, 4, 7.0, 0.25, 3, 50))
    assert [chosen[name] for name in FIELDS] == pytest.approx([0.2, 4, 7.0, 0.25, 3, 50])
    # What the published early_stopping_rounds=50 with od_pval=0.001 amounts to.
    assert (chosen["od_type"], chosen["od_wait"]) == ("IncToDec", 50)
    assert chosen["od_pval"] == pytest.approx(0.001)
    assert chosen["eval_metric"] == "TotalF1"


@pytest.mark.parametrize("task", ["binclass", "multiclass", "regression"])
def test_the_nominal_defaults_are_what_catboost_takes_beside_its_learning_rate(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catboost_trees, "ITERATIONS", 200)  # with fewer it takes one leaf iteration
    data = dataset(task)
    classes = efficacy.labels(data.train["y"], data.schema)
    left_out = CatBoostParams(learning_rate=0.03)
    parts = (data.train, data.val)
    fitted = efficacy.fit_evaluator(left_out, *parts, data.schema, classes=classes, seed=0)
    taken = fitted.predictor.model.get_all_params()
    values = {
        name: value
        for name, value in asdict(CatBoostParams.nominal(data.schema)).items()
        if value is not None
    }
    if task != "multiclass":  # the other losses have no bagging temperature
        assert "bagging_temperature" not in taken
        del values["bagging_temperature"]
    assert {name: taken[name] for name in values} == pytest.approx(values)


def test_nothing_is_written_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = dataset("regression")
    score(data.train, data)
    assert list(tmp_path.iterdir()) == []


# Tuning


@pytest.fixture(autouse=True)
def silent_optuna() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


def noisy(task: Task = "regression") -> Dataset:
    data = dataset(task, rows=360)
    return replace(data, train=data.train.assign(a=data.train["a"] + np.linspace(-0.3, 0.3, 120)))


def test_tuning_is_given_training_rows_only() -> None:
    names = list(inspect.signature(tune).parameters)
    assert names[:2] == ["train", "schema"]
    assert not {"dataset", "val", "test"} & set(names)


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_the_winner_scores_at_least_what_the_nominal_defaults_do(task: Task) -> None:
    data = noisy(task)
    found = tune(data.train, data.schema, trials=3, folds=2)
    by_hand = fold_scores(
        data.train, data.schema, CatBoostParams.nominal(data.schema), folds=2, seed=0, threads=1
    )
    assert found["cv_score_nominal"] == pytest.approx(np.mean(list(by_hand)))
    again = fold_scores(
        data.train, data.schema, CatBoostParams.of(found["params"]), folds=2, seed=0, threads=1
    )
    assert found["cv_score"] == pytest.approx(np.mean(list(again)))
    assert found["cv_score"] >= found["cv_score_nominal"]
    assert found["cv_metric"] == ("r2" if task == "regression" else "f1_macro")
    assert (found["trials_complete"], found["trials_pruned"], found["trials_failed"]) == (3, 0, 0)


def test_xgboost_is_tuned_in_the_same_way() -> None:
    data = noisy("binclass")
    found = tune(data.train, data.schema, evaluator="xgboost", trials=4, folds=2)
    nominal = XGBoostParams.nominal(data.schema)
    by_hand = fold_scores(data.train, data.schema, nominal, folds=2, seed=0, threads=1)
    assert found["cv_score_nominal"] == pytest.approx(np.mean(list(by_hand)))
    assert found["cv_score"] >= found["cv_score_nominal"]
    assert set(found["params"]) == {f.name for f in fields(XGBoostParams)} - {"rounds"}
    assert found["efficacy_version"] == evaluators.VERSION


def trials_in(journal: Path) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage).trials


@pytest.mark.whole
def test_a_resumed_study_runs_only_what_is_missing_and_ends_as_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = noisy()
    fits: list[CatBoostParams] = []
    fit = evaluator_tuning.fit_evaluator

    def counted(*arguments, **named):  # type: ignore[no-untyped-def]
        fits.append(arguments[0])
        return fit(*arguments, **named)

    monkeypatch.setattr(evaluator_tuning, "fit_evaluator", counted)
    whole = tune(data.train, data.schema, trials=4, folds=2)
    assert len(fits) == 8

    broken = tmp_path / "deeper" / "study.journal"
    fits.clear()
    assert tune(data.train, data.schema, trials=2, folds=2, storage=broken)["trials_complete"] == 2
    resumed = tune(data.train, data.schema, trials=4, folds=2, storage=broken)
    assert len(fits) == 8
    assert len(set(fits)) == 4
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    assert tune(data.train, data.schema, trials=4, folds=2, storage=broken) == resumed
    assert len(fits) == 8  # nothing was missing


@pytest.mark.whole
def test_a_trial_that_was_cut_short_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, journal = noisy(), tmp_path / "study.journal"
    whole = tune(data.train, data.schema, trials=3, folds=2)
    tune(data.train, data.schema, trials=2, folds=2, storage=journal)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluator_tuning, "fit_evaluator", killed)
        with pytest.raises(KeyboardInterrupt):
            tune(data.train, data.schema, trials=3, folds=2, storage=journal)
    resumed = tune(data.train, data.schema, trials=3, folds=2, storage=journal)
    assert {**resumed, "seconds": 0} == {**whole, "seconds": 0}
    ended = [trial.state for trial in trials_in(journal)]
    assert ended == [TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


def test_other_rows_start_another_study(tmp_path: Path) -> None:
    data, journal = noisy(), tmp_path / "study.journal"
    tune(data.train, data.schema, trials=1, folds=2, storage=journal)
    changed = data.train.assign(b=data.train["b"] + 1e-9)
    with pytest.raises(ValueError, match="max_seconds"):
        tune(changed, data.schema, trials=1, folds=2, max_seconds=-1.0, storage=journal)
    tune(changed, data.schema, trials=1, folds=2, storage=journal)
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    assert len(optuna.get_all_study_names(storage)) == 2


def test_a_time_limit_stops_between_trials_and_says_how_many_ran() -> None:
    data = noisy()
    found = tune(data.train, data.schema, trials=50, folds=2, max_seconds=0.0)
    assert (found["trials_asked"], found["trials_complete"]) == (50, 1)


def test_a_failed_trial_is_kept_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, journal = noisy(), tmp_path / "study.journal"
    fit = evaluator_tuning.fit_evaluator

    def failing(*arguments, **named):  # type: ignore[no-untyped-def]
        if arguments[0] != CatBoostParams.nominal(data.schema):
            raise CatBoostError("no memory left")
        return fit(*arguments, **named)

    monkeypatch.setattr(evaluator_tuning, "fit_evaluator", failing)
    found = tune(data.train, data.schema, trials=3, folds=2, storage=journal)
    assert (found["trials_complete"], found["trials_failed"]) == (1, 2)
    assert found["failures"] == ["fold 0: CatBoostError: no memory left"] * 2
    assert CatBoostParams.of(found["params"]) == CatBoostParams.nominal(data.schema)
    assert [t.state for t in trials_in(journal)] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL]

    with pytest.raises(RuntimeError, match=r"no trial .* completed.*infinite in 60"):
        tune(data.train.assign(y=np.inf), data.schema, trials=1, folds=2)


def test_a_hopeless_trial_is_pruned_between_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []

    def staged(*_: object, **__: object) -> Iterator[float]:
        # Ten trials that complete come first, then worse ones: the pruner must stop those after a fold.
        value = 0.9 if len(calls) < 30 else 0.1
        for _fold in range(3):
            calls.append(value)
            yield value

    monkeypatch.setattr(evaluator_tuning, "fold_scores", staged)
    data = noisy()
    found = tune(data.train, data.schema, trials=12, folds=3)
    assert (found["trials_complete"], found["trials_pruned"]) == (10, 2)
    assert len(calls) == 30 + 2


def test_the_written_file_gives_the_parameters_back(tmp_path: Path) -> None:
    data = noisy()
    found = tune(data.train, data.schema, trials=2, folds=2)
    path = tmp_path / "toy" / "catboost.json"
    write_atomically(path, {"dataset": "toy", **found})
    assert CatBoostParams.of(json.loads(path.read_text())["params"]) == CatBoostParams.of(found["params"])
    assert json.loads(path.read_text())["cv_score"] == found["cv_score"]
    assert [entry.name for entry in path.parent.iterdir()] == ["catboost.json"]


def test_the_command_writes_one_file_a_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = noisy()
    asked: list[object] = []

    def load(name: str, *, mirror: Path | None) -> Dataset:
        asked.append((name, mirror))
        return replace(data, name=name)

    monkeypatch.setattr(evaluator_tuning, "load", load)
    evaluator_tuning.tune_tables(["one", "two"], tmp_path / "tuned", mirror=tmp_path, trials=2, folds=2)
    assert asked == [("one", tmp_path), ("two", tmp_path)]
    record = json.loads((tmp_path / "tuned" / "two" / "catboost.json").read_text())
    assert (record["dataset"], record["digest"], record["trials_complete"]) == ("two", "d", 2)
    assert record["environment"]["libraries"]["catboost"]
    assert json.loads((tmp_path / "tuned" / "one" / "catboost.json").read_text())["params"]["depth"] in range(
        3, 11
    )
