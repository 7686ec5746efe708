"""The benchmark of hot paths: what a limit is, what a line says, and another revision beside this one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from tabstep.cli.app import app
from tabstep.cli.study import perf_table
from tabstep.diffusion.tabstep import TabStep
from tabstep.study import perf, revisions


@pytest.fixture(autouse=True)
def one_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "TURNS", 1)


def test_the_limit_is_every_product_once_and_nothing_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    real = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b: done.append((*a.shape, b.shape[1])) or real(a, b))
    network = nn.ModuleDict({"in": nn.Linear(3, 5), "out": nn.Linear(5, 2), "time": nn.Linear(7, 7)})
    perf.products(network, 11, backward=False)()
    assert done == [(11, 3, 5), (11, 5, 2)]
    done.clear()
    perf.products(network, 11, backward=True)()
    assert done == [(11, 3, 5), (5, 11, 3), (11, 5, 2), (2, 11, 5), (11, 2, 5)]


def test_a_step_a_call_and_a_draw_of_a_small_shape_are_timed() -> None:
    shape = perf.Shape("small", 2, (3, 4), TabStep(layers=(8,), batch_size=16, held_share=0.0), 1e9)
    step, call, draw = perf.training_step(shape), *perf.sampling(shape, rows=32)
    for line in (step, call, draw):
        assert line.limit is not None
        assert line.seconds > 0
        assert line.measure == line.seconds / line.limit
    assert step.bar == 1e9


def test_named_shapes_alone_are_measured_and_others_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf, "training_step", lambda shape, device: (shape.name, device))
    monkeypatch.setattr(perf, "sampling", lambda shape, device: [(shape.name, device, "drawn")])
    found: list[object] = list(perf.measure(("wilt", "adult"), "cuda"))
    assert found == [("wilt", "cuda"), ("adult", "cuda"), ("adult", "cuda", "drawn")]
    with pytest.raises(ValueError, match="no shape 'iris'; there are abalone"):
        list(perf.measure(("iris",)))


@pytest.mark.whole
def test_what_was_measured_is_kept_when_the_rest_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(names: object, device: str) -> Iterator[perf.Line]:
        yield perf.Line("a step", 0.1, None, None)
        raise KeyboardInterrupt

    monkeypatch.setattr(perf, "measure", ended)
    CliRunner().invoke(app, ["study", "perf", "--results", str(tmp_path)])
    kept = json.loads((tmp_path / "perf" / "perf.json").read_text())
    assert [line["path"] for line in kept["lines"]] == ["a step"]
    assert kept["env"]["device"] == "cpu"


def test_the_shape_of_adult_is_encoded_and_comes_back() -> None:
    frame, schema = perf.table(200)
    assert schema.columns == tuple(frame.columns)
    assert [frame[f"c{i}"].nunique() <= K for i, K in enumerate(perf.ADULT)] == [True] * 8


def test_the_table_marks_a_missed_bar_and_stands_beside_another_revision() -> None:
    lines = [perf.Line("a step", 0.003, 0.002, 1.2), perf.Line("encode", 0.5, None, 1.0)]
    before = [perf.Line("a step", 0.006, 0.002, 1.2), perf.Line("encode", 0.5, None, 1.0)]
    cells: list[Iterator[object]] = [column.cells for column in perf_table(before, lines).columns]
    rows = list(zip(*cells, strict=True))
    assert rows == [
        ("a step", "3.00", "2.00", "1.50", "1.2 missed", "6.00", "0.50"),
        ("encode", "500.00", "", "", "1 s", "500.00", "1.00"),
    ]


def test_a_revision_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="git has no tree of 'no-such-revision'"):
        revisions.compare("no-such-revision")
