"""Samplers and grids from outside: they lead a copy of the network in a process of their own, and are recorded."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tabstep.engine import drawn_rows, measuring, models, run
from tabstep.engine.filters import Filters, Refused, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Job, Source
from tabstep.engine.plan import Plan, plan
from tabstep.external import NotLoaded
from tabstep.records import store
from tabstep.suite import Suite
from tests.test_external import source
from tests.test_run import TINY

pytestmark = pytest.mark.whole

__all__ = ["source"]  # a fixture

MINE = """
from dataclasses import dataclass, replace
from typing import ClassVar

@dataclass(frozen=True)
class Same:
    eta: float = 0.0
    grid: ClassVar[str] = "trailing"
    def prepare(self, setting, path):
        from tabstep.engine import drawn_rows
        from tabstep.samplers.ddim import DDIM
        write = drawn_rows.write
        lie = {"scores": {"nelbo": 0.0}, "fitted": {"on": "a dream"}}
        drawn_rows.write = lambda path, rows, drawn: write(path, rows, replace(drawn, **lie))
        return DDIM().prepare(setting, path)

@dataclass(frozen=True)
class Raises:
    grid: ClassVar[str] = "trailing"
    def prepare(self, setting, path):
        raise RuntimeError("not today")

def halves(setting, K):
    return (*range(setting.T, setting.T - K, -1), 0)
"""

SMALL: Suite = replace(TINY, entries=TINY.entries[-1:], steps=(2,), sample_seeds=1)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def planned(source: Source, samplers: tuple[str, ...], grids: tuple[str, ...] = ()) -> Plan:
    return plan(narrow(SMALL, Filters(samplers=samplers, grids=grids)), [source])


@pytest.mark.usefixtures("shared_worker")
def test_rows_are_those_of_the_same_sampler_here_and_the_record_knows_the_code(
    mine: Path, source: Source, tmp_path: Path
) -> None:
    """One that does what `ddim` does draws what `ddim` draws, whatever it says beside; an error ends with its cell."""
    todo = planned(source, (f"{mine}:Same", f"{mine}:Raises", "ddim"), (f"{mine}:halves",))
    folder = Folder(tmp_path / "results")
    run.execute(todo, folder)
    by = {job.cell.sampler: (job, store.read(folder.runs / job.cell.path)) for job in todo.jobs}
    failed = by["Raises"][1]
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: not today")
    (job, record), (plain, ours) = by["Same"], by["ddim"]
    rows = [drawn_rows.kept(folder.rows(j.cell), source.load().schema) for j in (job, plain)]
    assert rows[0].equals(rows[1])
    assert record.scores == ours.scores
    assert (record.nfe, record.settings["fitted"]) == (2.0, ours.settings["fitted"])
    code = {"file": "mine.py:Same", "sha256": job.sampler_code and job.sampler_code.digest}
    assert record.settings["sampler"] == {"eta": 0.0, "code": code}
    assert ours.settings["grid"]["code"]["file"] == "mine.py:halves"
    assert ours.settings["drawn"]["path"] == [10, 9, 0]
    assert str(tmp_path) not in (folder.runs / job.cell.path).read_text()
    assert models.sound(folder.model(job))
    assert not list(folder.apart.iterdir())
    (timed,) = measuring.batches(job, folder, measuring.Clock((3,), limit_s=60))
    assert (timed["status"], timed["nfe"]) == ("ok", 2.0)


def keys(job: Job) -> tuple[str, str]:
    return job.draw_key, job.key


def test_edited_code_draws_other_rows_of_the_same_network(mine: Path, source: Source) -> None:
    asked = (f"{mine}:Same", "ddim"), (f"{mine}:halves",)
    before = planned(source, *asked).jobs
    assert [keys(job) for job in planned(source, *asked).jobs] == [keys(job) for job in before]
    mine.write_text(MINE + "# edited\n")
    after = planned(source, *asked).jobs
    assert [job.cell for job in before] == [job.cell for job in after]
    assert {job.fit_key for job in before} == {job.fit_key for job in after}
    assert not {key for job in before for key in keys(job)} & {key for job in after for key in keys(job)}
    with pytest.raises(NotLoaded, match="has changed since the run began"):
        before[0].sampler  # noqa: B018


def test_a_sampler_with_the_name_of_a_grid_is_no_grid_and_a_grid_with_that_of_a_sampler_no_sampler(
    mine: Path, source: Source
) -> None:
    mine.write_text(MINE.replace("class Same", "class quad").replace("def halves", "def ddim"))
    jobs = planned(source, (f"{mine}:quad", "ddim"), ("quad", f"{mine}:ddim")).jobs
    found = {
        (j.cell.sampler, j.cell.grid): tuple(c and c.does for c in (j.sampler_code, j.grid_code))
        for j in jobs
    }
    assert found == {
        ("quad", "quad"): ("prepare", None),
        ("quad", "ddim"): ("prepare", "grid"),
        ("ddim", "quad"): (None, None),
        ("ddim", "ddim"): (None, "grid"),
    }


@pytest.mark.parametrize(
    ("text", "changed", "says"),
    [
        ("mine.py:Same", ("class Same", "class ddim"), "mine.py has no 'Same'|no class 'Same'"),
        ("mine.py:ddim", ("class Same", "class ddim"), "there is a sampler 'ddim' already"),
        ("mine.py:Same", ('"trailing"', '"trailin"'), "grid that it walks; did you mean 'trailing'"),
        ("mine.py:Same", ('"trailing"', '["trailing"]'), "grid that it walks"),
        ("mine.py:Same", ("(frozen=True)", ""), r"put @dataclass\(frozen=True\) above the class"),
        ("mine.py", ("", ""), "not one class with a prepare method but Same, Raises"),
        ("mine.py:halves", ("", ""), "no class 'halves'"),
        ("mine.py:Same", ("def prepare", "def prepares"), r"has no method prepare\(self, setting, path\)"),
        ("none.py:Same", ("", ""), "no file"),
    ],
)
def test_what_is_wrong_with_a_sampler_is_said(
    text: str, changed: tuple[str, str], says: str, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.write_text(MINE.replace(*changed) if changed[0] else MINE)
    monkeypatch.chdir(mine.parent)
    with pytest.raises((Refused, NotLoaded), match=says):
        narrow(SMALL, Filters(samplers=(text,)))


def test_what_is_wrong_with_a_grid_is_said(mine: Path) -> None:
    for name, says in (("Same", "no function 'Same' of a setting and K"), ("trailing", "no function")):
        with pytest.raises(NotLoaded, match=says):
            narrow(SMALL, Filters(grids=(f"{mine}:{name}",)))
    other = mine.with_name("other.py")
    other.write_text(MINE)
    same = re.escape("two of your own are called 'halves'")
    with pytest.raises(Refused, match=same):
        narrow(SMALL, Filters(grids=(f"{mine}:halves", f"{other}:halves")))
