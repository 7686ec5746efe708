"""What lies between two columns: found where it is small, learned by itself, seen by no user."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep import TabStep
from tabstep.api.preparing import prepare
from tabstep.data import comparable, inference
from tabstep.data.constraint_search import find as rules_of
from tabstep.data.keeping import keep
from tabstep.data.spans import Span, find
from tabstep.data.wishes import Python, Wishes
from tests.test_cli import call
from tests.test_keeping import torn

SMALL = TabStep(T=50, steps=400, layers=(64, 64), batch_size=512)


def orders(n: int = 1500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    order = pd.Series(pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"))
    ship = order + pd.to_timedelta(rng.choice([0, 1, 2, 7], n, p=[0.1, 0.5, 0.3, 0.1]), unit="D")
    deliver = ship + pd.to_timedelta(rng.integers(1, 6, n), unit="D")
    start = rng.integers(1000, 90_000, n)
    return pd.DataFrame(
        {
            "order": order,
            "deliver": deliver.where(rng.random(n) > 0.1),
            "ship": ship,
            "kind": rng.choice(list("abc"), n),
            "start": start,
            "end": start + rng.integers(1, 300, n),
            "signed": np.round(rng.normal(500, 100, n), 2),
            "other": np.round(rng.normal(500, 100, n), 2),
        }
    )


def spans_of(frame: pd.DataFrame) -> tuple[Span, ...]:
    columns, faults = inference.infer(frame, Wishes(), Python())
    assert not faults
    table = pd.DataFrame({c.name: c.read(frame[c.name]) for c in columns})
    rules = rules_of(comparable.frame(columns, table), comparable.units(columns))
    return find(columns, table, rules)[0]


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    return tabstep.fit(orders(), method=SMALL, progress="none")


def test_small_differences_of_wide_columns_are_found_and_no_others() -> None:
    found = {span.name: span.rule.gives[0] for span in spans_of(orders())}
    assert found == {"order .. ship": "ship", "ship .. deliver": "deliver", "start .. end": "end"}


@pytest.mark.whole
def test_what_other_rules_tell_needs_no_span() -> None:
    frame = orders().assign(days=lambda f: (f["ship"] - f["order"]).dt.days, copy=lambda f: f["start"])
    assert {span.name for span in spans_of(frame)} == {"ship .. deliver", "start .. end"}
    wide = orders().assign(ship=lambda f: f["order"] + pd.to_timedelta(np.arange(len(f)) % 300, unit="D"))
    assert {span.name for span in spans_of(wide)} == {"order .. deliver", "start .. end"}


def test_the_end_of_an_export_is_left_where_it_is() -> None:
    """Many rows end on one day: the other date moves, or the spike would come apart."""
    frame = orders()[["order", "ship", "kind"]]
    frame.loc[:199, "ship"] = frame["ship"].max()
    frame.loc[:199, "order"] = frame["ship"].max() - pd.to_timedelta(np.arange(200) % 11, unit="D")
    rule = spans_of(frame.assign(order=frame["order"] + pd.to_timedelta(np.arange(len(frame)) % 3, unit="h")))
    assert [span.rule.gives[0] for span in rule] == ["order"]


@pytest.mark.whole
def test_differences_are_drawn_as_they_are_and_no_column_is_added(model: tabstep.Synthesizer) -> None:
    real, rows = orders(), model.sample(1500, seed=1)
    assert list(rows.columns) == list(real.columns)
    for low, high in (("order", "ship"), ("ship", "deliver")):
        days, known = ((f[high] - f[low]).dt.days.dropna() for f in (rows, real))
        shares, wanted = (d.value_counts(normalize=True) for d in (days, known))
        assert 0.5 * shares.sub(wanted, fill_value=0).abs().sum() < 0.1
        assert rows[high].dropna().between(real[high].min(), real[high].max()).all()
    apart, known = rows["end"] - rows["start"], real["end"] - real["start"]
    assert apart.between(known.min(), known.max()).mean() > 0.99
    assert apart.std() == pytest.approx(known.std(), rel=0.2)
    assert rows["deliver"].isna().mean() == pytest.approx(0.1, abs=0.05)


@pytest.mark.whole
def test_rows_around_what_is_fixed_are_as_far_from_it_as_was_drawn(model: tabstep.Synthesizer) -> None:
    real = orders().dropna().head(40).reset_index(drop=True)
    day = pd.Timestamp("2023-05-05")
    late = model.edit(real, {"deliver": day}, keep="kind", steps=5, particles=4)
    assert (late["deliver"] == day).all()
    assert (day - late["order"]).dt.days.between(1, 12).all()
    first = model.edit(real, keep="order", steps=5, particles=4)
    assert (first["ship"] - first["order"]).dt.days.between(0, 7).all()
    filled = model.impute(real.assign(ship=pd.NaT), steps=5, particles=4)
    assert filled["ship"].between(real["order"], real["deliver"]).all()


@pytest.mark.whole
def test_both_ends_may_be_fixed_at_any_distance(model: tabstep.Synthesizer) -> None:
    real = orders().dropna().head(5)
    far = model.edit(real, {"order": "2022-01-10", "ship": "2023-09-09"}, steps=5, particles=4)
    assert set(far["ship"]) == {pd.Timestamp("2023-09-09")}
    latent = model.encode(real, steps=10)
    back = model.decode(latent)
    assert (back["ship"] - back["order"]).equals((real["ship"] - real["order"]).reset_index(drop=True))


@pytest.mark.whole
def test_spans_go_with_a_model_and_are_told(model: tabstep.Synthesizer, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = tabstep.load(tmp_path / "m")
    assert again.spans == model.spans
    pd.testing.assert_frame_equal(again.sample(60, steps=4), model.sample(60, steps=4))
    assert "order and ship" in str(model.report(orders(), steps=2).to_json(tmp_path / "r.json").read_text())
    with pytest.raises(ValueError, match="no span as this version writes them"):
        Span.from_json(model.spans[0].to_json() | {"column": model.spans[1].to_json()["column"]})


@pytest.mark.whole
def test_the_command_says_so(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    orders(200).to_csv(path, index=False)
    quick = ("--set", "T=20", "--set", "steps=5", "--set", "layers=16,16")
    done = call("fit", path, "--save", tmp_path / "m", *quick)
    assert done.exit_code == 0, done.output
    assert "what lies between order and ship is learned by itself" in " ".join(done.output.split())


@pytest.mark.whole
@pytest.mark.parametrize("seed", range(4))
def test_columns_come_together_whatever_was_drawn(seed: int) -> None:
    ready = prepare(orders(), None, Wishes(), Python(), 0)
    columns: list[Any] = [*ready.columns, *(span.column for span in ready.spans)]
    table = pd.DataFrame({c.name: c.read(orders()[c.name]) for c in ready.columns})
    table = table.assign(**{s.name: s.filled(ready.columns, table, 0) for s in ready.spans})
    frame = comparable.frame(columns, table)
    before = torn(frame, seed)
    after = keep([*ready.constraints, *(span.rule for span in ready.spans)], before)
    for low, high in (("order", "ship"), ("ship", "deliver"), ("start", "end")):
        same = (after[f"{low} .. {high}"] == before[f"{low} .. {high}"]).mean()
        assert same > 0.97
        gap = after[[low, high]].isna().any(axis=1)
        assert (gap | (after[low] <= after[high])).all()


def test_dates_that_never_vary_have_no_span() -> None:
    day = pd.Timestamp("2024-01-01")
    frame = orders(200)[["order", "kind"]].assign(made=day, read=day + pd.Timedelta(days=2))
    gone = frame.assign(
        read=frame["read"].where(np.arange(200) % 2 == 0, frame["order"]), order=frame["order"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spans_of(frame) == ()
        spans_of(gone)


def test_the_other_end_moves_where_one_would_leave_what_was_seen() -> None:
    """Also before what lies apart may give way: a date is as far as was drawn, and within those of the table."""
    ready = prepare(orders(), None, Wishes(), Python(), 0)
    columns: list[Any] = [*ready.columns, *(span.column for span in ready.spans)]
    table = pd.DataFrame({c.name: c.read(orders()[c.name]) for c in ready.columns})
    table = table.assign(**{s.name: s.filled(ready.columns, table, 0) for s in ready.spans})
    rules = [*ready.constraints, *(span.rule for span in ready.spans)]
    before = comparable.frame(columns, table).head(100)
    last = orders()["ship"].max()
    late = before.assign(**{"order": last - pd.Timedelta(days=1), "ship": last, "order .. ship": 7.0})
    after = keep(rules, late)
    assert (after["ship"] <= last).all()
    assert ((after["ship"] - after["order"]).dt.days == 7).all()
    fixed = keep(rules, late, fixed=["order"])
    assert (fixed["order"] == late["order"]).all()
    assert ((fixed["ship"] - fixed["order"]).dt.days == 7).all()
