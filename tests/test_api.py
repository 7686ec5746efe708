"""The Python API: same columns and dtypes back, gaps modelled, files without pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep import TabDDPM

FAST = TabDDPM(T=50, steps=200, layers=(64,), batch_size=512, lr=3e-3)


def messy(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age = rng.integers(18, 90, n)
    income = np.round(rng.lognormal(10, 1, n), 2)
    city = rng.choice(["Rome", "Oslo", "Lima"], n, p=[0.5, 0.3, 0.2]).astype(object)
    city[rng.random(n) < 0.2] = None
    income[city == "Lima"] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "income": income,
            "city": city,
            "member": rng.random(n) < 0.3,
            "level": pd.Categorical(rng.choice(["lo", "mid", "hi"], n), ["lo", "mid", "hi"], ordered=True),
            "visits": pd.array(rng.poisson(3, n), dtype="Int64"),
            "score32": rng.random(n).astype("float32"),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "country": "Peru",
            "rank": rng.choice([1, 2, 5], n),
        }
    )


@pytest.mark.parametrize("target", [None, "income_full", "member", "level"])
def test_columns_and_dtypes_come_back(target: str | None) -> None:
    frame = messy()
    if target == "income_full":
        frame["income_full"] = frame["income"].fillna(0)
    before = frame.copy(deep=True)
    model = tabstep.fit(frame, target, categorical=["rank"], method=FAST, progress="none")
    rows = model.sample(300, steps=10)
    pd.testing.assert_frame_equal(frame, before)
    assert list(rows.columns) == list(frame.columns)
    assert rows.dtypes.equals(frame.dtypes)
    assert set(rows["city"].dropna()) <= {"Rome", "Oslo", "Lima"}
    assert set(rows["rank"]) <= {1, 2, 5}
    assert set(rows["country"]) == {"Peru"}
    assert rows["age"].between(18, 90).all()


def test_missingness_is_modelled_and_not_dropped() -> None:
    frame = messy(2000)
    method = TabDDPM(T=100, steps=800, layers=(128, 128), batch_size=1024, lr=2e-3)
    rows = tabstep.fit(frame, method=method, progress="none").sample(4000, steps=50)
    assert rows["city"].isna().mean() == pytest.approx(frame["city"].isna().mean(), abs=0.04)
    # income is missing just where the city is Lima: the dependence must survive, not only the rate
    lima = rows["city"] == "Lima"
    assert rows.loc[lima, "income"].isna().mean() > 0.8
    assert rows.loc[~lima, "income"].isna().mean() < 0.1


def test_save_and_load_give_the_same_rows_without_pickle(tmp_path: Path) -> None:
    model = tabstep.fit(messy(), "member", method=FAST, progress="none")
    model.save(tmp_path / "model")
    assert {p.suffix for p in (tmp_path / "model").iterdir()} == {".safetensors", ".json"}
    again = tabstep.load(tmp_path / "model")
    for chosen in ({}, {"sampler": "ancestral"}, {"sampler": "ddim"}):  # the default first
        a, b = (m.sample(50, **chosen, steps=5, seed=3) for m in (model, again))  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(a, b)
    assert not model.sample(50, steps=5, seed=4).equals(model.sample(50, steps=5, seed=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(key=[f"id{i}" for i in range(len(f))]), "like an id"),
        (lambda f: pd.concat([f, f[["age"]]], axis=1), "repeat: age"),
        (lambda f: f.rename(columns={"age": 7}), "must be strings"),
        (lambda f: f.assign(o=[(1, 2)] * len(f)), "holds tuple"),
        (lambda f: f.head(5), "at least 10 rows"),
        (lambda f: f.assign(age=np.inf), "infinite"),
    ],
)
def test_bad_frames_are_refused_with_the_reason(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        tabstep.fit(change(messy(60)), method=FAST, progress="none")


def test_bad_requests_name_the_choices() -> None:
    model = tabstep.fit(messy(60), method=TabDDPM(T=20, steps=2, layers=(8,)), progress="none")
    with pytest.raises(ValueError, match=r"steps must be in 1\.\.20, got 21"):
        model.sample(5, steps=21)
    with pytest.raises(ValueError, match="sampler must be one of"):
        model.sample(5, sampler="dimm")
    with pytest.raises(ValueError, match="n must be at least 1"):
        model.sample(0)
    with pytest.raises(ValueError, match="no column 'price'"):
        tabstep.fit(messy(60), "price")
