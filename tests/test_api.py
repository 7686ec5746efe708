"""The Python API: same columns and dtypes back, gaps modelled, files without pickle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

import tabstep
from tabstep import TabDDPM

FAST = TabDDPM(T=50, steps=200, layers=(64,), batch_size=512, lr=3e-3)
HASTY = replace(FAST, steps=20)  # for what does not depend on how much was learned


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
    model = tabstep.fit(frame, target, categorical=["rank"], method=HASTY, progress="none")
    rows = model.sample(300, steps=10)
    pd.testing.assert_frame_equal(frame, before)
    assert list(rows.columns) == list(frame.columns)
    assert rows.dtypes.equals(frame.dtypes)
    assert set(rows["city"].dropna()) <= {"Rome", "Oslo", "Lima"}
    assert set(rows["rank"]) <= {1, 2, 5}
    assert set(rows["country"]) == {"Peru"}
    assert rows["age"].between(18, 90).all()


def test_missingness_is_modelled_and_not_dropped(learned: tabstep.Synthesizer) -> None:
    frame, rows = messy(2000), learned.sample(4000, steps=20)
    assert rows["city"].isna().mean() == pytest.approx(frame["city"].isna().mean(), abs=0.04)
    # income is missing just where the city is Lima: the dependence must survive, not only the rate
    lima = rows["city"] == "Lima"
    assert rows.loc[lima, "income"].isna().mean() > 0.8
    assert rows.loc[~lima, "income"].isna().mean() < 0.1


@pytest.mark.whole
@pytest.mark.parametrize("labels", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_table_whose_every_column_has_gaps_is_modelled_with_them(labels: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, gone = rng.normal(size=600), rng.random((600, 2)) < [0.3, 0.1]
    other = np.where(x > 0, "up", "down") if labels else 10 * np.sign(x) + rng.normal(size=600)
    frame = pd.DataFrame({"x": x, "other": other}).mask(gone)
    model = tabstep.fit(frame, method=FAST, progress="none")
    rows = model.sample(2000, steps=5)
    assert rows.dtypes.to_dict() == frame.dtypes.to_dict()
    np.testing.assert_allclose(rows.isna().mean(), frame.isna().mean(), atol=0.06)
    kept = model.edit(frame.head(20), keep="other", steps=2, particles=2)
    assert_series_equal(kept["other"], frame["other"].head(20))
    model.save(tmp_path)
    assert_frame_equal(tabstep.load(tmp_path).sample(5, steps=2), model.sample(5, steps=2))


@pytest.mark.whole
def test_save_and_load_give_the_same_rows_without_pickle(tmp_path: Path) -> None:
    model = tabstep.fit(messy(), "member", method=HASTY, progress="none")
    model.save(tmp_path / "model")
    assert {p.suffix for p in (tmp_path / "model").iterdir()} == {".safetensors"}
    again = tabstep.load(tmp_path / "model")
    assert again.origin == model.origin
    assert (model.origin.target, model.origin.rows, model.origin.seed) == ("member", 600, 0)
    for chosen in ({}, {"sampler": "ancestral"}, {"sampler": "ddim"}):  # the default first
        a, b = (m.sample(50, **chosen, steps=5, seed=3) for m in (model, again))  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(a, b)
    assert not model.sample(50, steps=5, seed=4).equals(model.sample(50, steps=5, seed=3))


@pytest.fixture(scope="module")
def learned() -> tabstep.Synthesizer:
    """Enough training to know that income is missing in Lima."""
    method = TabDDPM(T=100, steps=400, layers=(96, 96), batch_size=512, lr=3e-3)
    return tabstep.fit(messy(2000), "member", categorical=["rank"], method=method, progress="none")


@pytest.mark.whole
def test_edited_rows_keep_what_is_fixed_and_follow_it(learned: tabstep.Synthesizer) -> None:
    rows = messy(2000).sample(150, random_state=0)
    moved = learned.edit(rows, {"city": "Lima", "since": "2021-05-01"}, keep=["age", "visits"], steps=25)
    assert moved.dtypes.equals(rows.dtypes)
    assert list(moved.columns) == list(rows.columns)
    assert (moved["city"] == "Lima").all()
    assert (moved["since"] == pd.Timestamp("2021-05-01")).all()
    for kept in ("age", "visits"):
        assert moved[kept].tolist() == rows[kept].tolist()
    assert moved["income"].isna().mean() > 0.9  # as in all rows from there
    assert (moved["score32"].to_numpy() != rows["score32"].to_numpy()).mean() > 0.9
    other = learned.edit(rows, {"city": ["Oslo", "Rome"] * 75}, steps=25)
    assert other["income"].isna().mean() < 0.1
    assert 0.15 < other["member"].mean() < 0.45  # not fixed, so drawn: it depends on nothing here
    gaps = learned.edit(rows, {"income": None}, steps=25)
    assert gaps["income"].isna().all()
    assert (gaps["city"] == "Lima").mean() > 0.8
    once, again = (learned.edit(rows.head(20), {"income": None}, steps=5) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)


def test_columns_that_are_not_fixed_need_not_be_there(learned: tabstep.Synthesizer) -> None:
    rows = learned.edit(pd.DataFrame({"age": [20, 80]}), keep=["age"], steps=5)
    assert rows["age"].tolist() == [20, 80]
    assert rows.dtypes.equals(messy(20).dtypes)


@pytest.mark.whole
def test_rows_come_back_from_their_noise(learned: tabstep.Synthesizer) -> None:
    frame = messy(2000).head(40)
    back = learned.decode(learned.encode(frame))
    assert back.dtypes.equals(frame.dtypes)
    labels = ["city", "member", "level", "rank", "country"]
    pd.testing.assert_frame_equal(back[labels], frame[labels])
    assert back["income"].isna().tolist() == frame["income"].isna().tolist()
    assert (back["age"] - frame["age"]).abs().median() == 0


@pytest.mark.whole
def test_the_way_from_a_row_to_another(learned: tabstep.Synthesizer) -> None:
    frame = messy(2000)
    first, last = frame.iloc[[1]], frame.iloc[[5]]
    rows = learned.interpolate(first, last, 5)
    assert rows.dtypes.equals(frame.dtypes)
    assert len(rows) == 5
    for end, row in ((0, first), (4, last)):
        assert rows["city"].iloc[end] == row["city"].item()
        assert abs(rows["age"].iloc[end] - row["age"].item()) <= 2


@pytest.mark.parametrize(
    ("changes", "keep", "message"),
    [
        ({"age": 200}, [], r"age = 200: training rows lie within 18 \.\. 89"),
        ({"age": 30.5}, [], "holds whole numbers, got 30.5"),
        ({"age": None}, [], "in no training row it is"),
        ({"age": "old"}, [], "'age': holds numbers, got 'old'"),
        ({"city": "Paris"}, [], "city = Paris: training rows have Lima, Oslo, Rome"),
        ({"country": "Chile"}, [], "country = Chile: it is Peru in all training rows"),
        ({"since": "soon"}, [], "holds dates or times, such as 2024-01-31, got 'soon'"),
        ({"since": "2031-01-01"}, [], "2031-01-01 00:00:00: training rows lie within 2020-01-01"),
        ({"agee": 3}, [], "no column 'agee'"),
        ({}, ["agee"], "no column 'agee'"),
        ({"age": 30}, ["age"], "both changed and kept"),
        ({}, [], "nothing is fixed"),
    ],
)
def test_edits_to_what_no_training_row_has_are_refused(
    learned: tabstep.Synthesizer, changes: dict[str, object], keep: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        learned.edit(messy(20), changes, keep=keep)


def test_bad_inversions_are_refused(learned: tabstep.Synthesizer) -> None:
    frame = messy(20)
    with pytest.raises(ValueError, match="method must be one of upward, newton, joint"):
        learned.encode(frame, method="naive")
    with pytest.raises(ValueError, match="lack the column 'visits'"):
        learned.encode(frame.drop(columns="visits"))
    with pytest.raises(ValueError, match="first must be a frame of one row, got 20"):
        learned.interpolate(frame, frame.iloc[[0]])
    with pytest.raises(ValueError, match="there are no rows"):
        learned.encode(frame.head(0))


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
