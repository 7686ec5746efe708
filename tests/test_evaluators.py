"""The evaluators beside CatBoost on tables whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from tabstep.data.table import Dataset, Schema, Task
from tabstep.metrics import evaluators
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.metrics.dense import encoder
from tabstep.metrics.efficacy import Learner, Problem, efficacy, fit_evaluator, inputs, labels, numbered
from tabstep.metrics.mlp import MLPParams
from tabstep.metrics.simple import KINDS, Simple, simple_efficacy
from tabstep.metrics.xgboost_trees import PATIENCE, XGBoostParams

TASKS: tuple[Task, ...] = ("regression", "binclass", "multiclass")
LEARNERS: dict[str, Learner] = {
    "xgboost": XGBoostParams.default(),
    "mlp": MLPParams(layers=(64, 64), lr=3e-3),  # small, so that it is fast
    **{f"simple-{kind}": Simple(kind) for kind in KINDS},
}


def made(task: Task, rows: int = 900, seed: int = 0) -> Dataset:
    """The target is a function of a number `a` and a category `c` that each kind of evaluator can learn."""
    rng = np.random.default_rng(seed)
    a, c = rng.uniform(-1, 1, rows), rng.choice(["u", "v"], rows)
    latent = a + np.where(c == "u", 1.0, -1.0)
    target = {
        "regression": 3 * latent + 10,
        "binclass": np.where(latent > 0.1, "yes", "no"),
        "multiclass": np.select([latent < -0.8, latent < 0.8], ["low", "mid"], "top"),
    }
    frame = pd.DataFrame({"a": a, "b": rng.normal(size=rows), "c": c, "y": target[task]})
    parts = [frame.iloc[i::3].reset_index(drop=True) for i in range(3)]
    return Dataset("toy", Schema(task, "y", ("a", "b"), ("c",)), *parts, digest="d", source="made here")


def predictions(
    learner: Learner, data: Dataset, train: pd.DataFrame | None = None, seed: int = 0
) -> np.ndarray:
    classes = labels(data.train["y"], data.schema)
    rows = data.train if train is None else train
    return fit_evaluator(learner, rows, data.val, data.schema, classes=classes, seed=seed).predict(data.test)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", LEARNERS)
def test_a_dependence_that_is_there_is_learned_and_one_that_is_not_is_not(name: str, task: Task) -> None:
    data = made(task)
    score = "r2" if task == "regression" else "f1_macro"
    found = efficacy(LEARNERS[name], data.train, data, seed=0)
    assert found[score] > (0.85 if name == "simple-linear" else 0.9)
    shuffled = data.train.assign(y=data.train["y"].sample(frac=1, random_state=0).to_numpy())
    # Far below, not at chance: an evaluator that stops early is chosen among many by real labels.
    assert efficacy(LEARNERS[name], shuffled, data, seed=0)[score] < 0.75


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_seed_gives_the_same_evaluator(name: str) -> None:
    data = made("binclass")
    first, again = (predictions(LEARNERS[name], data, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["mlp", "simple-mlp", "simple-forest"])
def test_another_seed_gives_another_evaluator(name: str) -> None:
    data = made("regression")
    assert not np.array_equal(
        predictions(LEARNERS[name], data, seed=0), predictions(LEARNERS[name], data, seed=1)
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_units_of_the_numbers_do_not_matter(name: str) -> None:
    data = made("binclass")
    moved = replace(
        data, **{p: getattr(data, p).assign(a=lambda f: 8 * f["a"] + 32) for p in ("train", "val", "test")}
    )
    np.testing.assert_allclose(
        predictions(LEARNERS[name], data), predictions(LEARNERS[name], moved), atol=2e-2
    )


@pytest.mark.parametrize("name", LEARNERS)
def test_a_class_that_training_lacks_is_never_predicted_and_costs_its_share(name: str) -> None:
    data = made("multiclass")
    rows = data.train[data.train["y"] != "low"]
    probability = predictions(LEARNERS[name], data, rows)
    assert probability.shape == (len(data.test), 3)
    assert (probability.argmax(1) > 0).all()
    scores = efficacy(LEARNERS[name], rows, data, seed=0)
    assert scores["accuracy"] <= (data.test["y"] != "low").mean()


@pytest.mark.parametrize(
    "task", ["regression", "binclass", pytest.param("multiclass", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("name", LEARNERS)
def test_gaps_and_labels_that_training_lacks_do_not_stop_it(name: str, task: Task) -> None:
    data = made(task)

    def torn(frame: pd.DataFrame, label: str) -> pd.DataFrame:
        frame = frame.copy()
        frame.loc[frame.index[::7], "a"] = np.nan
        frame.loc[frame.index[::11], "c"] = None
        frame.loc[frame.index[::13], "c"] = label
        return frame

    gaps = replace(data, train=torn(data.train, "w"), val=torn(data.val, "x"), test=torn(data.test, "x"))
    found = predictions(LEARNERS[name], gaps)
    assert np.isfinite(found).all()
    if task != "regression":
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", LEARNERS)
def test_rows_that_teach_nothing_are_scored_as_their_prior(name: str) -> None:
    data = made("binclass")
    always = (data.test["y"] == "yes").mean()
    assert efficacy(LEARNERS[name], data.train.assign(y="yes"), data, seed=0)["accuracy"] == pytest.approx(
        always
    )


@pytest.mark.parametrize("name", [*LEARNERS, "catboost"])
def test_no_evaluator_sees_how_columns_are_called(name: str) -> None:
    learner = (LEARNERS | {"catboost": CatBoostParams.fast()})[name]
    names = dict(zip("abcy", ("<[x1]>", "", "x0,\t\"'\n", "a"), strict=True))
    plain = made("multiclass", rows=300)
    parts = [part.rename(columns=names) for part in (plain.train, plain.val, plain.test)]
    schema = Schema("multiclass", names["y"], (names["a"], names["b"]), (names["c"],))
    odd = Dataset("toy", schema, *parts, digest="d", source="made here")
    assert efficacy(learner, odd.train, odd, seed=0) == efficacy(learner, plain.train, plain, seed=0)


def problem(data: Dataset, y_watched: Callable[[np.ndarray], np.ndarray]) -> Problem:
    y, watched = (part["y"].eq("yes").to_numpy(np.int64) for part in (data.train, data.val))
    x, x_watched = (inputs(part, data.schema) for part in (data.train, data.val))
    return Problem(x, y, x_watched, y_watched(watched), numbered(data.schema), 2, 0, 1)


def test_xgboost_stops_by_the_watched_rows_and_goes_back_to_its_best_round() -> None:
    data = made("binclass")
    well = XGBoostParams.default()(problem(data, lambda y: y))
    ill = XGBoostParams.default()(problem(data, lambda y: 1 - y))
    assert ill.booster.num_boosted_rounds() == 1
    assert well.booster.num_boosted_rounds() > 5
    assert well.booster.num_boosted_rounds() <= 2000 - PATIENCE


def test_networks_of_two_threads_are_those_of_one() -> None:
    """Dropout draws from torch's one generator for all."""
    data, learner = made("regression"), MLPParams(layers=(32,), epochs=5)
    alone = [predictions(learner, data, seed=seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda seed: predictions(learner, data, seed=seed), (0, 1)))
    np.testing.assert_array_equal(both, alone)


def test_the_mlp_goes_back_to_its_best_epoch() -> None:
    data = made("binclass")
    features = inputs(data.test, data.schema)
    # Where the watched rows say the opposite the best epoch is the first: one epoch more changes nothing.
    ill = problem(data, lambda y: 1 - y)
    kept = MLPParams(lr=1e-2, patience=16)(ill)(features)
    np.testing.assert_array_equal(kept, MLPParams(lr=1e-2, epochs=1)(ill)(features))
    well = MLPParams(lr=1e-2)(problem(data, lambda y: y))(features)
    assert np.abs(well - kept).max() > 0.2


def test_the_linear_model_is_ridge_regression_of_scaled_columns() -> None:
    data = made("regression")
    x = np.column_stack(
        [
            *((data.train[n] - data.train[n].min()) / np.ptp(data.train[n]) for n in ("a", "b")),
            *(data.train["c"].eq(label) for label in ("u", "v")),
        ]
    )
    y = data.train["y"].to_numpy()
    centred = x - x.mean(0)
    weights = np.linalg.solve(centred.T @ centred + np.eye(4), centred.T @ (y - y.mean()))
    z = np.column_stack(
        [
            *((data.test[n] - data.train[n].min()) / np.ptp(data.train[n]) for n in ("a", "b")),
            *(data.test["c"].eq(label) for label in ("u", "v")),
        ]
    )
    expected = (z - x.mean(0)) @ weights + y.mean()
    np.testing.assert_allclose(predictions(Simple("linear"), data), expected, atol=1e-3)


def test_the_mean_of_the_simple_ones_is_their_mean() -> None:
    data = made("binclass")
    found = simple_efficacy(data.train, data, seed=0)
    for score in ("f1_macro", "accuracy", "roc_auc"):
        parts = [found[f"simple_{kind}_{score}"] for kind in KINDS]
        assert found[f"simple_{score}"] == pytest.approx(sum(parts) / 4)
    assert len(found) == 5 * 3
    with pytest.raises(ValueError, match="forest, linear"):
        efficacy(Simple("bush"), data.train, data, seed=0)


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    data = made("regression", rows=3000)
    encode = encoder(numbered(data.schema), "quantile", rows=1000, seed=0)
    found = encode.fit_transform(inputs(data.train, data.schema))
    assert found.shape == (1000, 4)
    assert np.quantile(found[:, 0], [0.16, 0.5, 0.84]) == pytest.approx([-1, 0, 1], abs=0.03)
    assert set(np.unique(found[:, 2:])) == {0.0, 1.0}


def test_scores_carry_the_name_of_their_evaluator() -> None:
    data = made("regression", rows=300)
    score = partial(evaluators.score, synthetic=data.train, dataset=data, seed=0, split="both", threads=1)
    assert set(score("xgboost", {"max_depth": 2})) == {
        "xgboost_r2",
        "xgboost_rmse",
        "xgboost_r2_val",
        "xgboost_rmse_val",
    }
    assert set(score("mlp", {"epochs": 2})) == {"mlp_r2", "mlp_rmse", "mlp_r2_val", "mlp_rmse_val"}
    with pytest.raises(ValueError, match="depth"):
        score("xgboost", {"depth": 2})
