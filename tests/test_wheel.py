"""A wheel works outside a checkout: it is built, installed into a fresh environment, and used in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.whole

ROOT = Path(__file__).resolve().parents[1]

PYTHON_API = """
import pandas as pd, tabstep
from tabstep.shipped import shipped
assert "site-packages" in tabstep.__file__, tabstep.__file__
assert shipped("datasets", "wine.toml").is_file()
frame = pd.DataFrame({"a": [0.5, 1.5, 2.5, 4.0] * 10, "b": ["x", "y"] * 20})
model = tabstep.fit(frame, method=tabstep.TabDDPM(T=10, steps=5, layers=(8,)), progress="none")
assert list(model.sample(3, steps=2).columns) == ["a", "b"]
print(tabstep.__version__)
"""


def call(command: Sequence[str | Path], folder: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TABSTEP"))}
    done = subprocess.run(
        list(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `python -m build --wheel --no-isolation` does, from a copy without what git ignores."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    listed = call(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"], ROOT)
    for name in filter(None, listed.split("\0")):
        if name.startswith(("results/reference/", "results/tuned/")) or not name.startswith(
            ("results/", "tests/")
        ):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        out,
        ".",
    ]
    call(pip, source)
    return next(out.glob("tabstep-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and, by a path file, the libraries that are installed here; not the checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(
        call([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    )
    # A path file inside a folder that is only on the path is not read: the editable install stays out.
    libraries = dict.fromkeys(
        [sysconfig.get_path("purelib"), *(p for p in sys.path if p.endswith("site-packages"))]
    )
    (site / "libraries.pth").write_text("\n".join(libraries) + "\n")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)  # what an installer does with a wheel of pure Python
    return python


def test_the_wheel_has_the_files_that_the_package_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    cards = {path.name for path in (ROOT / "datasets").glob("*.toml")}
    assert {f"tabstep/files/datasets/{name}" for name in cards} <= names
    tuned = {path.relative_to(ROOT).as_posix() for path in (ROOT / "results" / "tuned").glob("*/*.json")}
    assert tuned
    assert {f"tabstep/files/{name}" for name in tuned} <= names
    assert "tabstep/files/results/reference/published_results.csv" in names
    assert "tabstep/report/pages/page/page.js" in names
    sources = {path.relative_to(ROOT / "bench").as_posix() for path in (ROOT / "bench").rglob("*.py")}
    assert {f"tabstep/{name}" for name in sources} <= names
    assert not [name for name in names if name.startswith(("bench/", "datasets/", "tests/", "baselines/"))]


def test_it_runs_from_an_empty_folder(python: Path, tmp_path: Path) -> None:
    assert "diamonds-price" in call([python, "-m", "tabstep", "list"], tmp_path)
    version = call([python, "-m", "tabstep", "--version"], tmp_path).split()[-1]
    assert call([python, "-c", PYTHON_API], tmp_path).split()[-1] == version
    command = [
        "run",
        "smoke",
        "--method",
        "marginals,tabddpm",
        "--sampler",
        "ddim",
        "--steps",
        "2",
        "--workers",
        "1",
    ]
    assert "2 cells done, 0 failed" in call([python, "-m", "tabstep", *command], tmp_path)
    assert (tmp_path / "results" / "smoke" / "report" / "results.csv").is_file()


@pytest.mark.slow
def test_the_whole_smoke_suite_runs_from_an_empty_folder(python: Path, tmp_path: Path) -> None:
    assert " 0 failed" in call([python, "-m", "tabstep", "run", "smoke", "--workers", "2"], tmp_path)
