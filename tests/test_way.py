"""Samplers and grids by name, as objects, and from files of the user's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
import torch

import tabstep
from tabstep.api.way import Way
from tabstep.diffusion.mixed import State
from tabstep.samplers.ddim import DDIM
from tabstep.samplers.distilled import Distilled
from tabstep.samplers.grid import linspace
from tabstep.samplers.setting import digest
from tabstep.samplers.start import Gaussians, Products
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


def test_two_functions_of_one_text_are_two_grids(model: tabstep.Synthesizer) -> None:
    def first(t: int) -> Any:
        return lambda setting, K: (*range(t, t - K, -1), 0)

    late, early = first(20), first(8)
    of_late, of_early = (model.sample(40, sampler="ddim", grid=g, steps=5) for g in (late, early))
    assert not of_late.equals(of_early)
    assert model.sample(40, sampler="ddim", grid=partial(_from, 8), steps=5).equals(of_early)
    assert model.sample(40, sampler="ddim", grid=partial(_from, 20), steps=5).equals(of_late)


def _from(t: int, setting: Any, K: int) -> Any:
    return (*range(t, t - K, -1), 0)


@pytest.mark.parametrize(
    "grid",
    [
        lambda s, K: None,
        lambda s, K: (s.T, 0),
        lambda s, K: tuple(range(s.T, s.T - K - 1, -1)),
        lambda s, K: (*range(1, K + 1), 0),
        lambda s, K: (s.T + 5, *range(K - 1, -1, -1)),
        lambda s, K: (*[s.T] * K, 0),
        lambda s, K: (s.T, *[0.5] * (K - 1), 0),
    ],
)
def test_a_grid_that_gives_no_path_is_refused(model: tabstep.Synthesizer, grid: Any) -> None:
    for sampler in ("ddim", "free-ddim"):
        with pytest.raises(ValueError, match=r"whole times for [34] evaluations, falling from"):
            model.sample(5, sampler=sampler, grid=grid, steps=3)


@dataclass(frozen=True)
class Wrong:
    """Gives rows of which something is wrong."""

    how: str
    grid: ClassVar[str] = "trailing"

    def prepare(self, setting: Any, path: Any) -> Any:
        def draw(noise: Any, y: Any) -> Any:
            s = setting.process.prior(noise, y)
            match self.how:
                case "few":
                    return State(s.x[:1], s.c[:1], None if y is None else y[:1])
                case "nan":
                    return State(s.x * float("nan"), s.c, y)
                case "class":
                    return State(s.x, s.c - 1000, y)
                case "wide":
                    return State(torch.cat([s.x, s.x], 1), s.c, y)
                case _:
                    return s.x

        return draw


@pytest.mark.parametrize("how", ["few", "nan", "class", "wide", "bare"])
def test_what_a_sampler_of_ones_own_gives_is_checked(model: tabstep.Synthesizer, how: str) -> None:
    with pytest.raises(ValueError, match="a sampler gave what are no rows"):
        model.sample(5, sampler=Wrong(how), steps=3)


@dataclass(frozen=True)
class Walks(Distilled):
    """As `Distilled` in its settings, with other paths."""

    @property
    def update(self) -> DDIM:  # type: ignore[override]
        return DDIM()


@dataclass(frozen=True)
class Begins(Products):
    """A start of one's own with the settings of another."""


def test_what_is_prepared_for_a_class_is_not_that_of_another_with_its_settings() -> None:
    ones = [
        Distilled(),
        Walks(),
        Distilled(starts=(Begins(), Gaussians())),
        Distilled(starts=(Products(), Begins())),
    ]
    assert len(
        {name for each in ones for name in (each.reached(1, 0), *each.names(0, (5, 0), 0))}
    ) == 2 * len(ones)
    assert digest(Distilled()) == "3df642cbe41a"  # models that are kept have it
