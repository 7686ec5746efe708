"""Packed records: every byte comes back, files go before the pack, and a damaged or foreign pack is no record."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from tabstep.cli.app import app
from tabstep.records import pack, store
from tabstep.records.gather import gather
from tabstep.records.store import Record
from tests.test_families import record
from tests.test_report import make

ROOT = Path(__file__).parents[1]


def some() -> list[Record]:
    return [
        record(sampler, steps, seed, 0.5, 0.5)
        for sampler in ("ddim", "ddss")
        for steps in (2, 5)
        for seed in (0, 1)
    ]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    root = tmp_path / "families" / "runs"
    for each in some():
        store.write(root, each)
    return root


def texts(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.json")}


def test_every_byte_comes_back(runs: Path) -> None:
    before, found = texts(runs), store.read_all(runs)
    assert store.packed(runs) == len(before) == 8
    assert [path.name for path in runs.rglob("*")] == [pack.NAME]
    assert store.read_all(runs) == found
    for each in found[0]:
        assert store.text(runs, each.cell) == before[str(each.cell.path)]
        assert store.look_up(runs, each.cell) == each
        assert store.done(runs, each.cell, each.key)
        assert not store.done(runs, each.cell, "another")


def test_the_same_records_make_the_same_file(runs: Path) -> None:
    store.packed(runs)
    first = (runs / pack.NAME).read_bytes()
    assert store.packed(runs) == 8
    assert (runs / pack.NAME).read_bytes() == first


def test_a_file_goes_before_the_pack_and_into_the_next(runs: Path) -> None:
    store.packed(runs)
    again = replace(record("ddim", 2, 0, 0.7, 0.7), key="again")
    store.write(runs, again)
    assert store.look_up(runs, again.cell) == again
    assert len(store.read_all(runs)[0]) == 8
    assert store.packed(runs) == 8
    assert not list(runs.rglob("*.json"))
    assert store.look_up(runs, again.cell) == again


def test_what_was_not_removed_when_killed_is_the_same_record(runs: Path) -> None:
    """The pack is written, whole, before a file goes: whenever that ends, every record is there once."""
    pack.write(runs, texts(runs))
    found, problems = gather(runs)
    assert (len(found), problems) == (8, [])


def test_columns_name_the_cells(runs: Path) -> None:
    store.packed(runs)
    frame = pd.read_parquet(runs / pack.NAME)
    assert {*frame["sampler"]} == {"ddim", "ddss"}
    assert {*frame["steps"]} == {2, 5}


def test_what_is_no_record_stays_and_is_told(runs: Path) -> None:
    (runs / "made" / "note.json").write_text("{}")
    store.packed(runs)
    assert [str(path.relative_to(runs)) for path in runs.rglob("*.json")] == ["made/note.json"]
    _, (problem,) = store.read_all(runs)
    assert str(problem).startswith("made/note.json: ")


def test_a_record_at_the_place_of_another_does_not_count(runs: Path) -> None:
    held = texts(runs)
    place, other = sorted(held)[:2]
    pack.write(runs, {place: held[other]})
    for path in runs.rglob("*.json"):
        path.unlink()
    records, (problem,) = store.read_all(runs)
    assert not records
    assert "holds the record that belongs at" in str(problem)


def test_a_text_that_is_no_record_has_no_cell_beside_it(runs: Path) -> None:
    pack.write(runs, {"made/x.json": b"{}"})
    assert pack.texts(runs)["made/x.json"] == b"{}"
    assert pq.read_table(runs / pack.NAME)["dataset"].to_pylist() == [None]
    assert [str(p.path) for p in store.read_all(runs)[1]] == ["made/x.json"]


def foreign(kind: str) -> bytes:
    if kind == "no Parquet":
        return b"PAR1 is what it says"
    sink = pa.BufferOutputStream()
    table = pa.table({"place": ["a"], "record": ["b"]})
    if kind == "another version":
        table = table.replace_schema_metadata({b"tabstep records": b"2"})
    elif kind == "lacks a column":
        table = table.drop_columns("record").replace_schema_metadata({b"tabstep records": b"1"})
    elif kind == "numbers":
        table = pa.table({"place": [1], "record": [2]}).replace_schema_metadata({b"tabstep records": b"1"})
    elif kind == "twice":
        table = pa.table({"place": ["a", "a"], "record": ["b", "b"]})
        table = table.replace_schema_metadata({b"tabstep records": b"1"})
    elif kind == "too long":
        table = pa.table({"place": ["a"], "record": ["b" * 2**21]})
        table = table.replace_schema_metadata({b"tabstep records": b"1"})
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    "kind", ["no Parquet", "no mark", "another version", "lacks a column", "numbers", "twice", "too long"]
)
def test_a_damaged_or_foreign_pack_is_told_and_the_files_count(runs: Path, kind: str) -> None:
    (runs / pack.NAME).write_bytes(foreign(kind))
    records, (problem,) = store.read_all(runs)
    assert len(records) == 8
    assert str(problem).startswith(f"{pack.NAME}: ")
    assert not store.done(runs, record("ddim", 50, 0, 0, 0).cell, "k")


def test_the_command_packs_and_says_by_how_much(runs: Path) -> None:
    results = runs.parents[1]
    ran = CliRunner().invoke(app, ["cache", "pack", "families", "--results", str(results)])
    assert ran.exit_code == 0, ran.output
    assert ran.output.startswith("8 records in ")
    ran = CliRunner().invoke(app, ["cache", "pack", "nothing", "--results", str(results)])
    assert ran.exit_code == 2
    assert "no records in" in ran.output
    with FileLock(runs.parent / ".lock"):
        ran = CliRunner().invoke(app, ["cache", "pack", "families", "--results", str(results)])
    assert ran.exit_code == 2
    assert "another run works on" in " ".join(ran.output.split())


@pytest.mark.whole
def test_the_records_here_come_back_and_take_a_fraction(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(ROOT / "results" / "recipe" / "runs", runs)
    found = store.read_all(runs)
    size = sum(len(store.text(runs, each.cell)) for each in found[0])
    assert store.packed(runs) == len(found[0]) > 100
    assert store.read_all(runs) == found
    assert (runs / pack.NAME).stat().st_size < size / 8


def test_packing_again_keeps_what_it_cannot_read(tmp_path: Path) -> None:
    """A record of a later version, and a pack that is cut: nothing of them is lost."""
    record = make({"catboost_f1_macro": [0.5]})
    store.write(tmp_path, record)
    store.packed(tmp_path)
    place = str(record.cell.path)
    later = pack.texts(tmp_path)[place].replace(b'"version": 1', b'"version": 2', 1)
    assert later != pack.texts(tmp_path)[place]
    pack.write(tmp_path, {place: later})
    other = replace(record, cell=replace(record.cell, dataset="wilt"))
    store.write(tmp_path, other)
    assert store.packed(tmp_path) == 1
    assert pack.texts(tmp_path)[place] == later
    assert store.look_up(tmp_path, other.cell) == other
    whole = (tmp_path / pack.NAME).read_bytes()
    (tmp_path / pack.NAME).write_bytes(whole[:-50])
    store.write(tmp_path, record)
    with pytest.raises(store.Malformed):
        store.packed(tmp_path)
    assert (tmp_path / pack.NAME).read_bytes() == whole[:-50]
    assert (tmp_path / place).is_file()


def test_links_to_folders_are_left_alone(tmp_path: Path) -> None:
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    elsewhere.mkdir()
    record = make({"catboost_f1_macro": [0.5]})
    store.write(runs, record)
    (runs / "link").symlink_to(elsewhere, target_is_directory=True)
    assert store.packed(runs) == 1
    assert elsewhere.is_dir()


def test_a_pack_of_one_text_said_often_is_bounded_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, big = 400, "x" * 10_000
    said = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([big]))
    table = pa.table({"place": [f"a/{i}.json" for i in range(n)], "record": said})
    pq.write_table(table.replace_schema_metadata({b"tabstep records": b"1"}), tmp_path / pack.NAME)
    assert (tmp_path / pack.NAME).stat().st_size < 100_000
    monkeypatch.setattr(pack, "MOST", 1_000_000)
    with pytest.raises(store.Malformed, match="holds more than 1000000 bytes"):
        pack.texts(tmp_path)


def test_a_pack_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / pack.NAME)
    with pytest.raises(store.Malformed, match="no plain file"):
        pack.texts(tmp_path)
