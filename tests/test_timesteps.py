"""The figure of chosen times: what the records say, told apart as far as needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tabstep.records.store import Cell, Record
from tabstep.report.figures import timesteps
from tests.test_report import make


def record(dataset: str, sampler: str, grid: str, path: list[int], sample: int = 0) -> Record:
    cell = Cell("samplers", dataset, "tabddpm", "default", sampler, grid, len(path) - 1, 0, sample)
    whole = make({"catboost_f1_macro": [0.5]}, dataset=dataset)
    return replace(whole, cell=cell, settings={"drawn": {"path": path}})


RECORDS = [
    record("adult", "ddim", "trailing", [100, 50, 0]),
    record("adult", "ddim", "trailing", [100, 50, 0], sample=1),
    record("buddy", "ancestral", "trailing", [100, 50, 0]),
    record("adult", "ddim", "dp", [100, 20, 0]),
    record("buddy", "ddim", "dp", [100, 30, 0]),
    record("churn2", "ddim", "dp", [100, 30, 0]),
    record("adult", "ddim", "quad", [100, 25, 0]),
    record("adult", "es-ddim-vae", "quad", [40, 10, 0]),
]


def test_a_path_is_a_line_and_says_whose_it_is() -> None:
    found = timesteps.chosen(RECORDS)
    lines = {(row.grid, row.label): (row.path, row.cells) for row in found.itertuples(index=False)}
    assert lines == {
        ("trailing", "2"): ((100, 50), 3),
        ("dp", "2  adult"): ((100, 20), 1),
        ("dp", "2  buddy and 1 more"): ((100, 30), 2),
        ("quad", "2  ddim"): ((100, 25), 1),
        ("quad", "2  es-ddim-vae"): ((40, 10), 1),
    }


def test_the_figure_has_a_dot_for_each_evaluation(tmp_path: Path) -> None:
    found = timesteps.chosen(RECORDS)
    axes = timesteps.draw(found).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [sorted(line.get_xdata(), reverse=True) for line in dots] == [list(path) for path in found["path"]]
    assert [t.get_text() for t in axes.get_yticklabels()] == found["label"].tolist()
    assert {path.name for path in timesteps.write(RECORDS, tmp_path)} == {
        f"timesteps.{suffix}" for suffix in ("png", "pdf", "csv")
    }


def test_records_without_paths_draw_nothing(tmp_path: Path) -> None:
    assert timesteps.write([make({"catboost_f1_macro": [0.5]})], tmp_path) == []
