"""Methods from outside: found, checked and benchmarked like our own, with errors that say what to do."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tabstep import external
from tabstep.cli.app import app
from tabstep.engine import outcomes, run
from tabstep.engine.filters import Filters, Refused, narrow
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.keys import with_keys
from tabstep.engine.plan import plan
from tabstep.external import Code, NotLoaded
from tabstep.records import provenance, store
from tabstep.registry import METHODS
from tabstep.sharing import conformance
from tabstep.sharing.verify import platform_differs
from tests.test_run import TINY, small_table

pytestmark = pytest.mark.whole

MINE = '''
from dataclasses import dataclass

@dataclass(frozen=True)
class Mine:
    """Training rows again, at random."""
    def fit(self, train, schema, *, seed, device="cpu"):
        return Again(train)

@dataclass
class Again:
    train: object
    def sample(self, n, *, seed):
        return self.train.sample(n, replace=True, random_state=seed).reset_index(drop=True)
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source("small", file=small_table(tmp_path / "small.csv"), target="label")


def test_a_minimal_method_has_twelve_lines() -> None:
    assert len([line for line in MINE.splitlines() if line.strip()]) <= 12


def test_a_file_with_one_method_needs_no_name(mine: Path) -> None:
    assert external.find(str(mine)) == external.find(f"{mine}:Mine")
    assert external.find(str(mine)).shown == "mine.py:Mine", "records do not hold the folders of a user"


@pytest.mark.usefixtures("shared_worker")
def test_it_runs_in_a_worker_and_its_record_knows_the_code(
    mine: Path, source: Source, tmp_path: Path
) -> None:
    todo, folder = plan(narrow(TINY, Filters(methods=(str(mine),))), [source]), Folder(tmp_path / "results")
    status = run.execute(todo, folder)
    assert {o.status for o in status.outcomes} == {"ok"}, [o.reason for o in status.outcomes]
    record = store.read(folder.runs / todo.jobs[0].cell.path)
    assert record.cell.method == "Mine"
    assert record.settings["code"] == {"file": "mine.py:Mine", "sha256": external.find(str(mine)).digest}
    assert str(tmp_path) not in (folder.runs / todo.jobs[0].cell.path).read_text()


def test_its_record_knows_the_libraries_that_it_imports(mine: Path, source: Source) -> None:
    """Also those of a file beside it and inside functions; neither the standard library nor this package."""
    mine.write_text(
        MINE.replace("return Again", "import sklearn.svm, near; from tabstep import named; return Again")
    )
    (mine.parent / "near.py").write_text("import json, rich\nfrom scipy import stats\n")
    job = plan(narrow(TINY, Filters(methods=(str(mine),))), [source]).jobs[0]
    assert job.code is not None
    assert job.code.libraries == ("rich", "scikit-learn", "scipy")
    assert with_keys(replace(job, code=replace(job.code, libraries=()))).key == job.key
    record = outcomes.record(job, "failed", "no luck")
    known = record.env["libraries"]
    assert known == provenance.environment()["libraries"] | {n: version(n) for n in job.code.libraries}
    elsewhere = replace(record, env=record.env | {"libraries": known | {"rich": "1.0"}})
    assert platform_differs(record, elsewhere) == ["rich"], "other libraries, so other bits may come"


def test_edited_code_is_another_method(mine: Path, source: Source) -> None:
    before = plan(narrow(TINY, Filters(methods=(str(mine),))), [source]).jobs[0]
    mine.write_text(MINE.replace("self.train.sample(n", "self.train.head(9).sample(n"))
    after = plan(narrow(TINY, Filters(methods=(str(mine),))), [source]).jobs[0]
    assert before.cell == after.cell
    assert before.fit_key != after.fit_key
    assert before.key != after.key
    with pytest.raises(
        NotLoaded, match=r"mine.py:Mine, or a file beside it, has changed since the run began"
    ):
        before.method  # noqa: B018
    assert len(after.method.fit(source.load().train, None, seed=0).sample(9, seed=0)) == 9


@pytest.mark.usefixtures("shared_worker")
def test_a_diffusion_from_outside_is_crossed_with_samplers(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "wide.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from tabstep.diffusion.tabddpm import TabDDPM\n"
        "@dataclass(frozen=True)\n"
        "class Wide(TabDDPM):\n"
        '    """TabDDPM, small."""\n'
        "    T: int = 10\n    steps: int = 5\n    layers: tuple[int, ...] = (8,)\n"
    )
    todo = plan(narrow(TINY, Filters(methods=(f"{path}:Wide",))), [source])
    assert {(j.cell.sampler, j.cell.steps) for j in todo.jobs} == {("ddim", 2), ("ddim", 5)}
    folder = Folder(tmp_path / "results")
    assert {o.status for o in run.execute(todo, folder).outcomes} == {"ok"}
    assert {f.state for f in conformance.check(todo.jobs[0].kind)} == {"ok"}


def test_installed_packages_offer_methods_by_name(
    mine: Path, tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "theirs_0.dist-info"
    package.mkdir(parents=True)
    (package.parent / "theirs.py").write_text(MINE)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 0\n")
    (package / "entry_points.txt").write_text(f"[{external.GROUP}]\ntheir-method = theirs:Mine\n")
    monkeypatch.syspath_prepend(str(package.parent))
    (entry,) = narrow(TINY, Filters(methods=("their-method",))).entries
    assert entry.method == "their-method"
    assert entry.code is not None
    assert (entry.code.place, entry.code.name) == ("theirs", "Mine")
    with pytest.raises(Refused, match="did you mean 'their-method'"):
        narrow(TINY, Filters(methods=("their-metod",)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Mine:\n    def fit(self): ...\n", r"put @dataclass\(frozen=True\) above the class"),
        ("x = 1\n", "has not one class with a fit method but none"),
        (MINE + MINE.replace("Mine", "Other"), "but Mine, Other; name it"),
        ("1 / 0\n", "cannot be imported: ZeroDivisionError"),
        (MINE.replace('    """', '    width: int\n    """'), "every field needs a default"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(NotLoaded, match=says):
        external.find(str(path))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nowhere.py", "no file nowhere.py"),
        ("os.path:Nothing", "has no class 'Nothing'"),
        ("no.such:C", "cannot be"),
    ],
)
def test_what_cannot_be_found_is_said(given: str, says: str) -> None:
    with pytest.raises(NotLoaded, match=says):
        external.find(given)


def test_a_name_of_ours_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("class Mine", "class smote"))
    with pytest.raises(Refused, match="there is a method 'smote' already"):
        narrow(TINY, Filters(methods=(str(path),)))


# The contract

FAULTS = {
    "leaves the training rows": (
        "return Again(train)",
        "train.iloc[0, 0] = 99.0\n        return Again(train)",
    ),
    "draws rows of the table": (
        "replace=True, random_state=seed",
        "replace=True, random_state=seed).drop(columns='x'",
    ),
    "the same seed draws the same rows": ("random_state=seed", ""),
    "another fit with the seed": ("return Again(train)", "return Again(train.sample(frac=1))"),
    "another seed draws others": ("random_state=seed", "random_state=1"),
    "fits": ("return Again(train)", "raise RuntimeError('no luck')"),
}


@pytest.mark.parametrize("point", FAULTS)
def test_each_fault_is_found(point: str, tmp_path: Path) -> None:
    path = tmp_path / "faulty.py"
    path.write_text(MINE.replace(*FAULTS[point]))
    found = list(conformance.check(external.find(str(path)).load()))
    bad = [f for f in found if f.state in ("wrong", "warning")]
    assert any(point in f.point for f in bad), found
    assert all(f.said for f in bad), "each says what to change"
    if point == "fits":
        assert "RuntimeError: no luck (faulty.py, line" in bad[0].said
        assert sum(f.state == "not tried" for f in found) > 5


@pytest.mark.parametrize("name", ["real", "marginals", "smote", "copula"])
def test_our_own_methods_keep_the_contract(name: str) -> None:
    wrong = [f for f in conformance.check(METHODS[name]) if f.state == "wrong"]
    assert wrong == []


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("time.sleep(600)", "took longer than the limit of 1 s"),
        ("os._exit(7)", "the process ended (exit code 7)"),
    ],
)
def test_a_method_that_hangs_or_crashes_is_told_as_any_other(does: str, said: str, tmp_path: Path) -> None:
    path, tried = tmp_path / "faulty.py", []
    path.write_text("import os, time\n" + MINE.replace("return Again(train)", does))
    *before, last = conformance.apart(str(path), 1.0, tried.append)
    assert [finding.state for finding in before] == ["ok", "ok"]
    assert (last.point, last.state) == ("mixed, two classes: fits", "wrong")
    assert said in last.said
    assert tried[-1] == last.point


def test_the_command_says_what_to_change(mine: Path) -> None:
    good = CliRunner().invoke(app, ["check", str(mine)])
    assert good.exit_code == 0, good.output
    assert "the contract holds" in good.stdout
    mine.write_text(MINE.replace(", random_state=seed", ""))
    bad = CliRunner().invoke(app, ["check", str(mine)])
    assert bad.exit_code == 1
    assert "two draws with seed=5 differ" in " ".join(bad.stdout.split())


def test_a_code_that_is_gone_fails_with_its_reason(mine: Path) -> None:
    code = external.find(str(mine))
    gone = replace(code, place=str(mine.with_name("gone.py")), digest="0" * 64)
    with pytest.raises(NotLoaded, match=r"gone.py cannot be imported"):
        gone.load()
    assert Code("tabstep.baselines.given", "Given", "").load()().sha256 == ""
