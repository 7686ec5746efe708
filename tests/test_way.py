"""Samplers and grids by name, as objects, and from files of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tabstep
from tabstep.api.way import Way
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.grid import linspace
from tests.test_asked import fitted, plain

PAGE = Path(__file__).resolve().parents[1] / "docs" / "adding-a-sampler.md"


@pytest.fixture(scope="module")
def model() -> tabstep.Synthesizer:
    return fitted(plain())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The sampler of the documentation, and a grid beside it."""
    found = re.search(r"```python file=mine.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "mine.py"
    path.write_text(found[1] + "\n\ndef first(setting, K):\n    return (*range(K, 0, -1), 0)\n")
    return path


def test_objects_are_what_they_are_called(model: tabstep.Synthesizer) -> None:
    named = model.sample(20, sampler="ddim", grid="linspace", steps=4)
    pd.testing.assert_frame_equal(model.sample(20, sampler=DDIM(), grid=linspace, steps=4), named)
    assert not model.sample(20, sampler=DDIM(eta=1.0), grid="linspace", steps=4).equals(named)
    assert not model.sample(20, sampler=DDIM(), steps=4).equals(named)  # on its own grid


def test_a_file_is_named(model: tabstep.Synthesizer, mine: Path) -> None:
    rows = model.sample(20, sampler=f"{mine}:Euler", steps=4)
    assert list(rows) == ["x", "n", "k"]
    pd.testing.assert_frame_equal(model.sample(20, sampler=str(mine), steps=4), rows)
    assert not model.sample(20, sampler=str(mine), grid=f"{mine}:first", steps=4).equals(rows)


def test_a_wrong_name_comes_with_the_nearest(model: tabstep.Synthesizer, mine: Path) -> None:
    with pytest.raises(ValueError, match="has no 'Eular'; did you mean 'Euler'"):
        model.sample(20, sampler=f"{mine}:Eular", steps=4)
    with pytest.raises(AttributeError, match="'fitt'") as caught:
        tabstep.fitt  # noqa: B018
    assert (caught.value.name, caught.value.obj) == ("fitt", tabstep)  # Python says which name is near
    assert set(tabstep.__all__) <= set(dir(tabstep))


def test_what_is_said_tells_settings_and_code_apart(mine: Path) -> None:
    def said(sampler: Any) -> Any:
        return Way.of(sampler, None, 3, T=20).said

    assert said("ddim") == ("ddim", "trailing", 3)
    assert said(DDIM()) == said(DDIM(eta=0.0)) != said(DDIM(eta=0.5))
    before = said(f"{mine}:Euler")
    mine.write_text(mine.read_text() + "\nMORE = 1\n")
    assert said(f"{mine}:Euler") != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (lambda p: {"sampler": "dimm"}, "did you mean 'ddim'"),
        (lambda p: {"sampler": f"{p}:Eular"}, "has no 'Eular'"),
        (lambda p: {"sampler": str(p.with_name("none.py"))}, "no file"),
        (lambda p: {"sampler": 3}, "sampler must be a name, or a frozen dataclass"),
        (lambda p: {"sampler": f"{p}:first"}, "sampler must be a name, or a frozen dataclass"),
        (lambda p: {"grid": "trailling"}, "did you mean 'trailing'"),
        (lambda p: {"grid": str(p)}, "grid must be a name"),
        (lambda p: {"grid": DDIM()}, "grid must be a name"),
    ],
)
def test_what_is_none_is_refused(
    model: tabstep.Synthesizer, mine: Path, options: Callable[[Path], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.sample(3, steps=2, **options(mine))
