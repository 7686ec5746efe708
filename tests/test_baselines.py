"""Every competitor keeps the contract; those written here also meet known answers."""

from __future__ import annotations

import pickle
import random
import sys
import warnings
from dataclasses import asdict, is_dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from scipy.stats import chisquare, ks_2samp, norm, spearmanr
from sklearn.preprocessing import StandardScaler

from tabstep.baselines import sdv_adapter
from tabstep.baselines.bootstrap import Bootstrap
from tabstep.baselines.copula import GaussianCopula, LabelMargin, NumberMargin
from tabstep.baselines.copulagan import CopulaGAN
from tabstep.baselines.ctgan import CTGAN
from tabstep.baselines.marginals import Marginals
from tabstep.baselines.mixture import MixtureOfProducts
from tabstep.baselines.real import Real
from tabstep.baselines.row_form import conform
from tabstep.baselines.smote import SMOTE, allot, halves
from tabstep.baselines.tvae import TVAE
from tabstep.contracts import Model, Unsupported
from tabstep.data.table import Schema
from tabstep.metrics.dcr import dcr

SMALL: dict[str, Any] = {"epochs": 1, "embedding_dim": 8}
GAN: dict[str, Any] = {**SMALL, "batch_size": 40, "generator_dim": (16,), "discriminator_dim": (16,)}
SDV = [
    CTGAN(**GAN),
    CopulaGAN(**GAN),
    TVAE(**SMALL, batch_size=40, compress_dims=(16,), decompress_dims=(16,)),
]
OWN = [Real(), Marginals(), Bootstrap(), MixtureOfProducts(), SMOTE(), GaussianCopula()]
METHODS = {type(method).__name__: method for method in [*OWN, *SDV]}
TABLES = ["binclass", "multiclass", "regression", "numeric"]


def toy(kind: str, n: int = 80) -> tuple[pd.DataFrame, Schema]:
    """A small table with awkward names and values: dots, spaces, categories like missing values."""
    generator = np.random.default_rng(7)
    x = generator.normal(size=n)
    frame = pd.DataFrame(
        {
            "x": x,
            "x.normalized": generator.poisson(3, n).astype("int64"),  # a name that ctgan makes from "x"
            "whole float": generator.integers(0, 50, n).astype("float64"),
        }
    )
    numeric, categorical = tuple(frame), ()
    whole = {"x.normalized", "whole float"}
    if kind != "numeric":
        frame["x.component"] = generator.choice(np.array(["nan", "", "None", "1"], dtype=object), n)
        frame["c1"] = np.where(x + generator.normal(size=n) > 0, "1.0", "0.0").astype(object)
        categorical = ("x.component", "c1")
    if kind == "regression":
        frame["y y"] = (10 * x + generator.normal(size=n)).round().astype("int64")
        whole.add("y y")
    else:
        classes = 3 if kind == "multiclass" else 2
        codes = np.digitize(x + 0.2 * generator.normal(size=n), [-0.2, 1.0][: classes - 1])
        frame["y y"] = np.array(["no", "yes", "maybe"], dtype=object)[codes]
    task = "binclass" if kind == "numeric" else kind
    return frame, Schema(task, "y y", numeric, categorical, frozenset(whole))  # type: ignore[arg-type]


def global_states() -> list[bytes]:
    return [
        pickle.dumps(random.getstate()),
        pickle.dumps(np.random.get_state()),  # noqa: NPY002
        torch.get_rng_state().numpy().tobytes(),
    ]


ONE_ADAPTER = {
    ("CTGAN", "multiclass"),
    ("CTGAN", "numeric"),
    ("CopulaGAN", "regression"),
    ("TVAE", "binclass"),
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        # Methods of sdv take seconds and share an adapter: each of them and each kind of table once is fast.
        pytest.param(*case, marks=pytest.mark.slow)
        if case[0] in ("CTGAN", "CopulaGAN", "TVAE") and case not in ONE_ADAPTER
        else case
        for case in product(METHODS, TABLES)
    ],
)
def test_contract(name: str, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    method, (train, schema) = METHODS[name], toy(kind)
    untouched, states = train.copy(deep=True), global_states()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model = method.fit(train, schema, seed=3)
        rows = model.sample(70, seed=5)

    assert isinstance(model, Model)
    assert global_states() == states
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in heard] == []
    pd.testing.assert_frame_equal(train, untouched)

    assert tuple(rows.columns) == schema.columns
    assert rows.dtypes.to_dict() == train.dtypes.to_dict()
    assert rows.index.equals(pd.RangeIndex(70))
    assert not rows.isna().any().any()
    for column in schema.labels:
        assert set(rows[column]) <= set(train[column])
        assert rows[column].map(type).eq(str).all()
    for column in schema.numbers:
        assert rows[column].between(train[column].min() - 1e-9, train[column].max() + 1e-9).all()
    for column in schema.integer:
        assert (rows[column] == rows[column].round()).all()

    assert not model.sample(70, seed=6).equals(rows)
    pd.testing.assert_frame_equal(model.sample(70, seed=5), rows)  # whatever was drawn before
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(model)).sample(70, seed=5), rows)
    assert len(model.sample(1, seed=0)) == 1
    assert len(model.sample(2 * len(train) + 3, seed=0)) == 2 * len(train) + 3

    random.seed(99)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    pd.testing.assert_frame_equal(method.fit(train, schema, seed=3).sample(70, seed=5), rows)


@pytest.mark.parametrize("name", METHODS)
def test_method_is_a_described_record_with_a_search_space(name: str) -> None:
    cls = type(METHODS[name])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [cls.suggest(study.ask()) for _ in range(20)]
    assert all(isinstance(method, cls) and is_dataclass(method) for method in drawn)
    if asdict(cls()):
        assert len(set(drawn)) > 1
    assert not (cls.__doc__ or "").startswith(f"{cls.__name__}(")  # the docstring that dataclass makes up
    assert (cls.__doc__ or "").splitlines()[0].endswith(".")


def test_conform_refuses_missing_values() -> None:
    train, schema = toy("numeric")
    broken = train.assign(x=np.nan)
    with pytest.raises(ValueError, match="missing values in x"):
        conform(broken, train, schema)


# --- real and marginals


def test_real_at_full_size_is_a_permutation() -> None:
    train, schema = toy("binclass")
    rows = Real().fit(train, schema, seed=0).sample(len(train), seed=1)
    assert not rows.equals(train)
    order = list(schema.columns)
    pd.testing.assert_frame_equal(
        rows.sort_values(order, ignore_index=True), train.sort_values(order, ignore_index=True)
    )


@pytest.mark.parametrize(("n", "counts"), [(30, {0, 1}), (190, {2, 3})])
def test_real_repeats_no_row_more_than_it_must(n: int, counts: set[int]) -> None:
    train, schema = toy("binclass")
    rows = Real().fit(train, schema, seed=0).sample(n, seed=1)
    assert set(rows["x"].value_counts().reindex(train["x"], fill_value=0)) == counts


def test_marginals_keep_columns_and_lose_dependence() -> None:
    x = np.random.default_rng(0).normal(size=2000)
    label = np.where(x > 0.5, "high", "low").astype(object)
    train = pd.DataFrame({"x": x, "twice": 2 * x, "y": label})
    schema = Schema("binclass", "y", ("x", "twice"), ())
    rows = Marginals().fit(train, schema, seed=0).sample(4000, seed=1)
    assert np.corrcoef(train["x"], train["twice"])[0, 1] > 0.99
    assert abs(np.corrcoef(rows["x"], rows["twice"])[0, 1]) < 4 / np.sqrt(4000)
    assert abs(rows.groupby("y")["x"].mean().diff().iloc[1]) < 0.15  # train: about 1.7
    assert set(rows["x"]) <= set(x)
    assert ks_2samp(rows["x"], x).pvalue > 0.001
    assert (rows["y"] == "high").mean() == pytest.approx((label == "high").mean(), abs=0.03)


def test_bootstrap_is_caught_by_privacy_alone() -> None:
    """Each row comes as often as chance has it, and every one of them is a copy."""
    train, schema = toy("regression", 400)
    rows = Bootstrap().fit(train, schema, seed=0).sample(4000, seed=1)
    counts = rows["x"].value_counts().reindex(train["x"], fill_value=0)
    assert set(rows["x"]) <= set(train["x"])
    assert chisquare(counts).pvalue > 1e-4
    fresh, _ = toy("regression", 800)
    fresh = fresh.iloc[400:].reset_index(drop=True)
    found = dcr(rows.head(400), train, fresh, schema, seed=0)
    assert found["copies"] == 1
    assert found["dcr_median"] == 0


# --- Gaussian copula


def latent(n: int, rho: float, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(
        [0, 0, 0], [[1, rho, 0], [rho, 1, 0], [0, 0, 1]], n
    )


def test_copula_margins_invert_themselves() -> None:
    generator = np.random.default_rng(0)
    numbers = pd.Series(generator.normal(size=57))
    margin = NumberMargin.of(numbers)
    np.testing.assert_allclose(margin.value(margin.uniform(numbers, generator)), numbers, rtol=0, atol=1e-12)
    words = pd.Series(["b", "a", "b", "c", "a", "b"], dtype=object)
    labels = LabelMargin.of(words)
    assert labels.categories.tolist() == ["b", "a", "c"]
    np.testing.assert_allclose(labels.upper, [3 / 6, 5 / 6, 1])
    assert labels.value(labels.uniform(words, generator)).tolist() == words.tolist()
    assert labels.value(np.array([0.0, 0.49, 0.51, 0.99])).tolist() == ["b", "b", "a", "c"]


@pytest.mark.parametrize("rho", [-0.8, 0.0, 0.6])
def test_copula_recovers_latent_correlation_under_any_margins(rho: float) -> None:
    z = latent(5000, rho)
    train = pd.DataFrame({"a": np.exp(2 * z[:, 0]), "b": z[:, 1] ** 3, "y": z[:, 2]})
    schema = Schema("regression", "y", ("a", "b"), ())
    model = GaussianCopula().fit(train, schema, seed=0)
    expected = np.array([[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    np.testing.assert_allclose(model.factor @ model.factor.T, expected, atol=4 / np.sqrt(5000))
    rows = model.sample(20000, seed=1)
    # Spearman's correlation of a Gaussian copula: 6 / pi * arcsin(rho / 2).
    assert spearmanr(rows["a"], rows["b"]).statistic == pytest.approx(
        6 / np.pi * np.arcsin(rho / 2), abs=0.06
    )
    assert ks_2samp(rows["a"], train["a"]).statistic < 0.025


def test_copula_keeps_frequencies_and_dependence_of_categories() -> None:
    z = latent(4000, 0.8)
    label = np.array(["common", "rare", "middle"], dtype=object)[np.digitize(z[:, 1], [0.25, 1.5]) * 2 % 3]
    train = pd.DataFrame({"x": z[:, 0], "noise": z[:, 2], "y": label})
    rows = (
        GaussianCopula()
        .fit(train, Schema("multiclass", "y", ("x", "noise"), ()), seed=0)
        .sample(20000, seed=1)
    )
    share, real = rows["y"].value_counts(normalize=True), train["y"].value_counts(normalize=True)
    for name, p in real.items():
        assert share[name] == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 20000))
    means, real_means = rows.groupby("y")["x"].mean(), train.groupby("y")["x"].mean()
    assert list(means.sort_values().index) == list(real_means.sort_values().index)
    assert np.ptp(means) > 0.5 * np.ptp(real_means)


def test_copula_places_ties_at_their_middle_rank() -> None:
    z, cut, rho = latent(4000, 0.7), 0.5, 0.7
    spend = np.maximum(z[:, 0] - cut, 0)  # about 69 % zeros
    train = pd.DataFrame({"spend": spend, "b": z[:, 1], "y": z[:, 2]})
    model = GaussianCopula().fit(train, Schema("regression", "y", ("spend", "b"), ()), seed=0)
    # The score g of spend is the latent normal above the cut and the constant a below it;
    # corr(g, b) = rho corr(g, z), from the moments of a normal above the cut.
    below, density = norm.cdf(cut), norm.pdf(cut)
    a = norm.ppf(below / 2)
    above = cut * density + 1 - below  # E[z^2; z > cut]
    deviation = np.sqrt(a**2 * below + above - (a * below + density) ** 2)
    expected = rho * (above - a * density) / deviation
    assert (model.factor @ model.factor.T)[0, 1] == pytest.approx(expected, abs=0.03)
    zeros = (model.sample(20000, seed=1)["spend"] == 0).mean()
    assert zeros == pytest.approx((spend == 0).mean(), abs=4 * np.sqrt(below * (1 - below) / 20000))


def test_copula_of_a_repeated_column_and_full_shrinkage() -> None:
    z = latent(1000, 0.0)
    train = pd.DataFrame({"a": z[:, 0], "again": z[:, 0], "y": z[:, 2]})
    schema = Schema("regression", "y", ("a", "again"), ())
    rows = GaussianCopula().fit(train, schema, seed=0).sample(1000, seed=1)
    np.testing.assert_allclose(rows["a"], rows["again"], atol=1e-4)
    apart = GaussianCopula(shrinkage=1.0).fit(train, schema, seed=0).sample(4000, seed=1)
    assert abs(np.corrcoef(apart["a"], apart["again"])[0, 1]) < 4 / np.sqrt(4000)
    with pytest.raises(ValueError, match="shrinkage must be in"):
        GaussianCopula(shrinkage=1.5)


# --- SMOTE


def steps_between_neighbours(new: np.ndarray, old: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """For each row of `new`, its distance to the nearest segment from a row of `old` to one of that row's k
    nearest others, and how far along that segment it lies, from the nearer end (0..1/2)."""
    distance = np.linalg.norm(old[:, None] - old[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    start = np.repeat(np.arange(len(old)), k)
    end = np.argsort(distance, axis=1)[:, :k].ravel()
    along = old[end] - old[start]  # (pairs, d)
    offset = new[:, None] - old[start][None]  # (n, pairs, d)
    step = np.clip((offset * along).sum(-1) / (along**2).sum(-1), 0, 1)
    gap = np.linalg.norm(offset - step[..., None] * along, axis=2)
    nearest = gap.argmin(axis=1)
    chosen = step[np.arange(len(new)), nearest]
    return gap.min(axis=1), np.minimum(chosen, 1 - chosen)


@pytest.mark.parametrize("task", ["binclass", "regression"])
def test_smote_rows_lie_between_neighbours_of_one_class(task: str) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(80, 3)) * [1, 100, 0.01]
    train = pd.DataFrame(x, columns=["a", "b", "c"])
    signal = x[:, 0] + 0.1 * generator.normal(size=80)
    if task == "regression":
        train["y"] = signal
        old_class, inputs = signal > np.median(signal), ["a", "b", "c", "y"]
    else:
        old_class, inputs = generator.permutation(np.arange(80) < 40), ["a", "b", "c"]
        train["y"] = np.where(old_class, "up", "down").astype(object)
    schema = Schema(task, "y", ("a", "b", "c"), ())  # type: ignore[arg-type]
    rows = SMOTE(k_neighbors=4).fit(train, schema, seed=0).sample(60, seed=1)

    scaler = StandardScaler().fit(train[inputs])
    old, new = scaler.transform(train[inputs]), scaler.transform(rows[inputs])
    # for regression: rows between two of the upper half lie above the median too
    upper = rows["y"] > np.median(signal) if task == "regression" else rows["y"] == "up"
    new_class = upper.to_numpy()
    assert new_class.sum() == 30
    steps = []
    for c in (False, True):
        gap, step = steps_between_neighbours(new[new_class == c], old[old_class == c], k=4)
        assert gap.max() < 1e-9
        steps.append(np.sort(step))
    assert np.linalg.norm(new[:, None] - old[None], axis=2).min() > 1e-9  # no copies
    assert not np.allclose(steps[0], steps[1])  # classes of one size do not share their random numbers


def test_smote_follows_class_proportions_with_few_rows_in_a_class() -> None:
    generator = np.random.default_rng(0)
    label = np.repeat(np.array(["a", "b", "c"], dtype=object), [70, 27, 3])
    train = pd.DataFrame(
        {"x": generator.normal(size=100), "k": generator.choice(list("uv"), 100), "y": label}
    )
    train["k"] = train["k"].astype(object)
    model = SMOTE(k_neighbors=5).fit(train, Schema("multiclass", "y", ("x",), ("k",)), seed=0)
    assert model.sample(200, seed=0)["y"].value_counts().to_dict() == {"a": 140, "b": 54, "c": 6}
    small = model.sample(400, seed=0).query("y == 'c'")["x"]
    assert small.between(train["x"].tail(3).min(), train["x"].tail(3).max()).all()


def test_smote_takes_the_category_of_the_neighbourhood() -> None:
    generator = np.random.default_rng(0)
    side = generator.permutation(np.arange(200) < 100)
    train = pd.DataFrame({"x": np.where(side, 10.0, -10.0) + generator.normal(size=200)})
    train["k"] = np.where(side, "right", "left").astype(object)
    train["y"] = generator.choice(np.array(["no", "yes"], dtype=object), 200)
    rows = SMOTE().fit(train, Schema("binclass", "y", ("x",), ("k",)), seed=0).sample(300, seed=0)
    assert ((rows["x"] > 0) == (rows["k"] == "right")).all()


def test_smote_says_what_it_cannot_do() -> None:
    words = pd.DataFrame({"k": list("uvuv"), "y": list("aabb")}, dtype=object)
    with pytest.raises(Unsupported, match="has none"):
        SMOTE().fit(words, Schema("binclass", "y", (), ("k",)), seed=0)
    single = pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": np.array(["a", "a", "lonely"], dtype=object)})
    with pytest.raises(Unsupported, match="has 1 of 'lonely'"):
        SMOTE().fit(single, Schema("binclass", "y", ("x",), ()), seed=0)
    with pytest.raises(ValueError, match="k_neighbors must be at least 1, got 0"):
        SMOTE(k_neighbors=0)


def test_shares_and_halves() -> None:
    assert allot(10, np.array([1, 1, 1])).tolist() == [4, 3, 3]
    assert allot(10, np.array([66, 33, 1])).tolist() == [7, 3, 0]
    assert allot(1, np.array([10, 90])).tolist() == [0, 1]
    assert halves(np.array([4.0, 1.0, 3.0, 2.0])).tolist() == [1, 0, 1, 0]
    assert halves(np.array([0.0, 1.0, 1.0, 1.0])).tolist() == [0, 1, 1, 1]


# --- through sdv


@pytest.mark.parametrize(
    "method",
    [SDV[0], *(pytest.param(method, marks=pytest.mark.slow) for method in SDV[1:])],
    ids=lambda method: type(method).__name__,
)
def test_sdv_settings_arrive_and_seed_decides_the_model(method: Any) -> None:
    train, schema = toy("binclass", n=60)
    larger = replace(method, epochs=3, batch_size=500)  # more than there are rows
    model = larger.fit(train, schema, seed=0)
    assert model.synthesizer.get_loss_values()["Epoch"].tolist() == [0, 1, 2]
    used = model.synthesizer.get_parameters()
    assert {name: used[name] for name in asdict(larger)} == asdict(larger)
    assert used["enable_gpu"] is False
    rows = model.sample(510, seed=1)
    assert len(rows) == 510
    assert not larger.fit(train, schema, seed=1).sample(510, seed=1).equals(rows)


@pytest.mark.parametrize("method", SDV, ids=lambda method: type(method).__name__)
def test_without_sdv_or_device_unsupported(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    train, schema = toy("binclass", n=60)
    with pytest.raises(Unsupported, match="got 'meta'"):
        method.fit(train, schema, seed=0, device="meta")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(Unsupported, match="got 'cuda'"):
        method.fit(train, schema, seed=0, device="cuda")
    for module in [name for name in sys.modules if name == "sdv" or name.startswith("sdv.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "sdv", None)
    with pytest.raises(Unsupported, match=r"pip install 'tabstep\[sdv\]'"):
        method.fit(train, schema, seed=0)


def test_wide_tables_are_not_commented_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    words = np.array([f"word {i}" for i in range(1100)], dtype=object)
    train = pd.DataFrame({"word": words, "y": np.where(np.arange(1100) % 2, "odd", "even").astype(object)})
    schema = Schema("binclass", "y", (), ("word",))
    assert len(CTGAN(**{**GAN, "batch_size": 500}).fit(train, schema, seed=0).sample(9, seed=0)) == 9
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cls", [CTGAN, CopulaGAN])
def test_gan_batch_must_hold_whole_packs(cls: type[CTGAN]) -> None:
    with pytest.raises(ValueError, match="multiple of pac = 10, got 256"):
        cls(batch_size=256)
    assert cls(batch_size=256, pac=8).batch_size == 256


def test_seeded_gives_the_globals_back_after_an_error() -> None:
    states = global_states()
    inside: list[bytes] = []

    def fail() -> None:
        with sdv_adapter.seeded(1, torch.device("cpu")):
            inside.extend(global_states())
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert all(a != b for a, b in zip(inside, states, strict=True))
    assert global_states() == states
