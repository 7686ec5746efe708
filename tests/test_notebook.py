"""The notebook of the docs runs from its first cell to its last, and lies there with what it shows."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the notebook needs `pip install tabstep[dev]`")
nbclient = pytest.importorskip("nbclient", reason="the notebook needs `pip install tabstep[dev]`")

pytestmark = pytest.mark.whole

NOTEBOOK = Path(__file__).resolve().parents[1] / "docs" / "notebook.ipynb"
SHOWN = "seconds=20"  # of training, in the notebook; here less


def test_it_runs_and_its_last_cell_says_true(tmp_path: Path) -> None:
    book = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8").replace(SHOWN, "seconds=1"), as_version=4)
    client = nbclient.NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    assert book.cells[-1].outputs[0].data["text/plain"] == "True"
    assert (tmp_path / "loans-model").is_dir()


def test_it_lies_there_with_what_it_shows() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert SHOWN in text
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert all(cell.outputs for cell in cells)
    kinds = {kind for cell in cells for output in cell.outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    assert "stderr" not in {output.get("name") for cell in cells for output in cell.outputs}
