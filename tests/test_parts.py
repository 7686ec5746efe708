"""Rows in a file: those of `sample`, made part by part, whole or not at all."""

from __future__ import annotations

import datetime
import weakref
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import tabstep
from tabstep import TabDDPM, TabStep
from tabstep.api import drawing
from tabstep.data import parts
from tabstep.data.parquet import type_of, typed

N = 2300  # four batches of 512 and a rest


def table(n: int = 400) -> pd.DataFrame:
    """Columns whose text or type would depend on the other rows of a part."""
    rng = np.random.default_rng(0)
    paid = [None if rng.random() < 0.997 else Decimal(int(v)) / 100 for v in rng.integers(0, 10**6, n)]
    paid[:2] = [Decimal("0.05"), Decimal("99999.95")]
    return pd.DataFrame(
        {
            "class": rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            "age": rng.integers(18, 90, n),
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 30, n) * 12, unit="h"),
            "day": [datetime.date(2024, 1, int(d)) for d in rng.integers(1, 28, n)],
            "rare": np.where(rng.random(n) < 0.005, "yes", None),
            "level": pd.Categorical(rng.choice(["lo", "hi"], n), ["lo", "hi", "never"], ordered=True),
            "paid": paid,
            "took": pd.to_timedelta(rng.integers(1, 9, n), unit="D"),
        }
    )


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    return tabstep.fit(table(), "class", method=TabDDPM(T=20, steps=60, layers=(32,)), progress="none")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 512 rows, parts of 1024."""
    monkeypatch.setattr("tabstep.diffusion.model.batch_rows", lambda _: 512)
    monkeypatch.setattr(drawing, "PART_ROWS", 1024)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [1, 512, 1024, 1025, N])
def test_the_rows_are_those_of_sample(model: tabstep.Synthesizer, tmp_path: Path, n: int) -> None:
    rows = model.sample(n, steps=3, seed=4)
    model.sample_to(tmp_path / "rows.parquet", n, steps=3, seed=4)
    rows.to_parquet(tmp_path / "whole.parquet", index=False)
    read = pd.read_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(read, pd.read_parquet(tmp_path / "whole.parquet"))
    assert pq.ParquetFile(tmp_path / "rows.parquet").num_row_groups == -(-n // 1024)
    assert read["class"].tolist() == rows["class"].tolist()
    model.sample_to(tmp_path / "rows.csv", n, steps=3, seed=4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "rows.parquet", "whole.parquet"]
    text = rows.assign(seen=rows["seen"].map(str), took=rows["took"].map(str))
    assert (tmp_path / "rows.csv").read_text() == text.to_csv(index=False)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_a_killed_run_goes_on_to_the_same_bytes(
    model: tabstep.Synthesizer, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / name, tmp_path / f"whole-{name}"
    model.sample_to(whole, N, steps=3)
    path.write_text("older")
    made: list[int] = []
    batch = drawing.Network.batch

    def dying(self: drawing.Network, start: int, n: int) -> drawing.Batch:
        made.append(start)
        if len(made) == 4:
            raise KeyboardInterrupt
        return batch(self, start, n)

    monkeypatch.setattr(drawing.Network, "batch", dying)
    with pytest.raises(KeyboardInterrupt):
        model.sample_to(path, N, steps=3)
    assert path.read_text() == "older"
    said: list[tuple[int, int]] = []
    model.sample_to(path, N, steps=3, progress=lambda done, n: said.append((done, n)))
    assert made == [0, 512, 1024, 1536, 1024, 1536, 2048]
    assert said == [(1024, N), (1536, N), (2048, N), (N, N)]
    assert path.read_bytes() == whole.read_bytes()
    assert not path.with_name(f"{name}.parts").exists()


@pytest.mark.usefixtures("small")
def test_parts_of_another_request_are_not_taken(model: tabstep.Synthesizer, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"

    def die(done: int, n: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.sample_to(path, N, steps=3, seed=1, progress=die)
    assert path.with_name("rows.csv.parts").is_dir()
    model.sample_to(path, N, steps=3, seed=2)
    assert path.read_text() == _text(model, 2)
    assert path.read_text() != _text(model, 1)


def _text(model: tabstep.Synthesizer, seed: int) -> str:
    rows = model.sample(N, steps=3, seed=seed)
    return rows.assign(seen=rows["seen"].map(str), took=rows["took"].map(str)).to_csv(index=False)


@pytest.mark.usefixtures("small")
def test_no_more_than_a_part_is_held(
    model: tabstep.Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames of batches that are alive together, over ten parts of two."""
    made: list[weakref.ref[pd.DataFrame]] = []
    most = 0
    batch = drawing.Network.batch

    def counted(self: drawing.Network, start: int, n: int) -> drawing.Batch:
        nonlocal most
        found = batch(self, start, n)
        made.append(weakref.ref(found.rows))
        most = max(most, sum(ref() is not None for ref in made))
        return found

    monkeypatch.setattr(drawing.Network, "batch", counted)
    model.sample_to(tmp_path / "rows.parquet", 10 * 1024, steps=1)
    assert len(made) == 20
    assert most <= 4  # a part that is made while the one before is let go of


@pytest.mark.parametrize(
    ("name", "make", "kind", "message"),
    [
        ("rows.xlsx", None, ValueError, "expected a name ending in .parquet, .pq, .csv, .tsv"),
        ("rows.csv", lambda p: p.mkdir(), FileExistsError, "no plain file and is not replaced"),
        (
            "rows.csv",
            lambda p: p.with_name("rows.csv.parts").mkdir(),
            FileExistsError,
            "no folder of parts of rows; move it away",
        ),
    ],
)
def test_what_is_in_the_way_is_left_alone(
    model: tabstep.Synthesizer,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None] | None,
    kind: type[Exception],
    message: str,
) -> None:
    if make is not None:
        make(tmp_path / name)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(kind, match=message):
        model.sample_to(tmp_path / name, 10, steps=2)
    assert sorted(tmp_path.iterdir()) == before


def test_values_that_parquet_does_not_hold_are_told(tmp_path: Path) -> None:
    mixed = pd.DataFrame({"a": pd.Series([1, "x"], dtype=object)})
    with pytest.raises(ValueError, match="a file of CSV does"):
        parts.write(tmp_path / "rows.parquet", {}, 2, lambda _: iter([(mixed, {"rows": 2})]))
    parts.write(tmp_path / "rows.csv", {}, 2, lambda _: iter([(mixed, {"rows": 2})]))
    assert (tmp_path / "rows.csv").read_text() == "a\n1\nx\n"


def test_a_parquet_has_the_types_that_pandas_forgets(tmp_path: Path) -> None:
    """Decimals as wide, and times of day as fine, as in the file that was read; also by a saved model."""
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "paid": pa.array(
                [Decimal(int(v)).scaleb(-3) for v in rng.integers(0, 10**6, 90)], pa.decimal128(12, 3)
            ),
            "at": pa.array([datetime.time(int(h), 30) for h in rng.integers(0, 24, 90)], pa.time32("ms")),
            "x": rng.normal(size=90),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    model = tabstep.fit(tmp_path / "in.parquet", method=TabStep(T=20, steps=5, layers=(8,)), progress="none")
    model.save(tmp_path / "model")
    for drawer in (model, tabstep.load(tmp_path / "model")):
        drawer.sample_to(tmp_path / "out.parquet", 30, steps=2)
        found = pq.read_schema(tmp_path / "out.parquet")
        assert [str(found.field(name).type) for name in ("paid", "at", "x")] == [
            "decimal128(12, 3)",
            "time32[ms]",
            "double",
        ]
    for odd in ("int64", "decimal128[ms]", "time32(9, 1)", "decimal128(12, 3) or so"):
        with pytest.raises(ValueError, match="no type as decimal128"):
            type_of(odd)


def test_a_total_with_more_digits_than_any_that_was_read_is_written() -> None:
    drawn = pa.schema([("sum", pa.decimal128(6, 2)), ("part", pa.decimal128(4, 2)), ("none", pa.null())])
    found = typed(drawn, {"sum": "decimal128(5, 2)", "part": "decimal128(5, 2)", "none": "decimal128(5, 2)"})
    assert found.types == [pa.decimal128(6, 2), pa.decimal128(5, 2), pa.decimal128(5, 2)]
