"""Every block of the documentation runs as printed: files are written, Python is executed, commands succeed."""

from __future__ import annotations

import re
import shlex
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tabstep
from tabstep.cli.app import app

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
CONTENT = [page for page in PAGES if page.name != "README.md"]
SHOWN = {
    "security.md",
    "running.md",
    "samplers.md",
    "cluster.md",
    "offline.md",
    "reference.md",
    "gallery.md",
}  # commands of hours, or none: nothing is executed
LONG = {
    "adding-a-method.md",
    "adding-a-dataset.md",
    "report.md",
}  # minutes of commands that have tests of their own
EXECUTED = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.name in LONG else [])
    for page in CONTENT
    if page.name not in SHOWN
]
FENCE = re.compile(r"^```(\w*)(?: file=(\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.usefixtures("worker_here")
@pytest.mark.parametrize("page", EXECUTED)
def test_blocks_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    assert found
    for language, file, text in found:
        assert language in ("python", "console"), f"{page.name}: a block that is not executed: {text[:60]!r}"
        if file:
            (tmp_path / file).write_text(text)
        elif language == "python":
            exec(compile(text, str(page), "exec"), {"__name__": "docs"})
        else:
            for line in text.splitlines():
                program, *arguments = shlex.split(line)
                assert program == "tabstep", line
                done = CliRunner().invoke(app, arguments)
                assert done.exit_code == 0, f"{line}\n{done.output[-3000:]}\n{done.exception!r}"


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "README.md", ROOT / "results" / "README.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in CONTENT} == set(re.findall(r"\]\(([\w-]+\.md)\)", index))


def test_every_page_is_in_the_site_and_every_entry_of_the_site_is_a_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r": ([\w/.-]+\.md)$", text[text.index("\nnav:") :], re.MULTILINE)
    assert len(named) == len(set(named)) > len(PAGES)
    assert {f"docs/{page.name}" for page in PAGES} <= set(named)
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_what_the_reference_names_is_there() -> None:
    named = re.findall(
        r"^::: ([\w.]+)$", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for name in named:
        module, _, item = name.rpartition(".")
        assert getattr(import_module(module), item).__doc__, name
    assert {f".{name}" for name in tabstep.__all__ if name[0] != "_"} <= {
        name[name.rindex(".") :] for name in named
    }


def test_a_page_that_is_not_executed_has_no_block_that_says_it_is() -> None:
    for name in SHOWN:
        assert not FENCE.findall((ROOT / "docs" / name).read_text(encoding="utf-8")), name
