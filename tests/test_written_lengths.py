"""Lengths of time in text: every way gives its texts back, and what none gives back is none."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

import tabstep
from tabstep.api import conditions
from tabstep.data import comparable, inference
from tabstep.data.columns import Number, from_json, to_json
from tabstep.data.described import kind
from tabstep.data.wishes import Sampling, Wishes
from tabstep.data.written_lengths import WAYS, WrittenLengths, lengths

SECONDS = np.random.default_rng(0).integers(60, 150_000, 60).tolist()


def column(texts: list[str]) -> Number:
    (found,), faults = inference.infer(pd.DataFrame({"v": texts}), Wishes(), Sampling())
    assert not faults
    made = from_json(to_json(found))
    assert isinstance(made, Number)
    return made


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_its_texts_back(way: str) -> None:
    form = WrittenLengths.of(way, "object")
    texts = [form.text(value) for value in (*SECONDS, 0, -61)]
    assert [form.parse(text) for text in texts] == [*SECONDS, 0, -61]
    found = lengths(texts, "object")
    assert found is not None
    assert [found.text(found.parse(text) or 0) for text in texts] == texts


@pytest.mark.parametrize(
    ("text", "value"),
    [("1:61:00", None), ("1:5", None), ("٣:00", None), ("-0:00:00", None), ("27:00:01", 97201)],
)
def test_what_is_not_written_so_is_no_length(text: str, value: int | None) -> None:
    assert WrittenLengths.of("{H}:{M:02}:{S:02}", "object").parse(text) == value


def test_lengths_as_python_writes_them_are_lengths() -> None:
    """Days only where there are any, one of them without an s, and a negative day from which the rest counts up."""
    plain = [timedelta(seconds=s) for s in (*SECONDS, 0, 86_400, -1, -86_400, -90_001, 172_800)]
    texts = list(map(str, plain))
    assert {"1 day, 0:00:00", "2 days, 0:00:00", "-1 day, 23:59:59", "-2 days, 22:59:59"} < set(texts)
    found = column(texts)
    common = comparable.values(found, pd.Series(found.read(pd.Series(texts))))
    assert [value.to_pytimedelta() for value in common] == plain
    assert found.write(pd.Series(found.read(pd.Series(texts)))).tolist() == texts


def test_parts_that_are_nothing_may_be_left_out() -> None:
    texts = [f"{s // 3600}h {s // 60 % 60}m" if s >= 3600 else f"{s // 60}m" for s in SECONDS] + [
        "2h",
        "26h 5s",
    ]
    found = column(texts)
    assert found.read(pd.Series(["2h", "26h 5s", "1h 1m"])).tolist() == [7200, 93605, 3660]
    assert kind(found) == "lengths of time to the second, in text as 26h 3m 4s"


def test_minutes_that_are_always_written_stay() -> None:
    texts = [f"{s // 3600}h {s % 3600 // 60}m" if s >= 3600 else f"{s // 60}m" for s in (*SECONDS, 7200)]
    found = column(texts)
    assert kind(found) == "lengths of time to the minute, in text as 26h 3m"
    assert found.write(pd.Series(found.read(pd.Series(texts)))).tolist() == texts


def test_lengths_as_pandas_writes_them_are_lengths() -> None:
    """Those of its files and of isoformat, in the same time."""
    plain = [pd.Timedelta(seconds=s) for s in SECONDS]
    for texts in (list(map(str, plain)), [length.isoformat() for length in plain]):
        found = column(texts)
        common = comparable.values(found, pd.Series(found.read(pd.Series(texts))))
        assert common.tolist() == plain
        assert found.write(pd.Series(found.read(pd.Series(texts)))).tolist() == texts
    assert kind(found) == "lengths of time to the second, in text as P1DT2H3M4S"


def test_a_day_that_ends_at_24_00_is_read() -> None:
    texts = [f"{h:02}:{m:02}" for h in range(0, 24) for m in (0, 30)] + ["24:00"]
    found = column(texts)
    assert found.read(pd.Series(["24:00"])).tolist() == [1440]
    assert found.write(pd.Series([1440.0, 90.4])).tolist() == ["24:00", "01:30"]


def test_lengths_are_drawn_and_met_as_they_are_written() -> None:
    frame = pd.DataFrame({"v": [f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" for s in SECONDS], "x": SECONDS})
    method = tabstep.TabDDPM(T=10, steps=20, layers=(8,), batch_size=32)
    model = tabstep.fit(frame, method=method, progress="none")
    where = conditions.written(["v=0:30:00..30:00:00"], model.columns)
    rows = model.sample(40, steps=3, where=where)
    hours = rows["v"].str.split(":").str[0].astype(int)
    assert hours.between(0, 30).all()
    assert (hours > 23).any()
    same = model.sample(40, steps=3, where={"v": (pd.Timedelta(minutes=30), pd.Timedelta(hours=30))})
    assert same.equals(rows)
    with pytest.raises(ValueError, match="holds lengths of time such as 26:03:04, got 7"):
        model.sample(4, steps=3, where={"v": (7, None)})
