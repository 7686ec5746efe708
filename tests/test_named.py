"""Names without imports: what is read from a source is what the loaded thing says."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from tabstep.named import Made, Named, Place, about, made, place
from tabstep.registry import GRIDS, METHODS, SAMPLERS, STARTS

HEAVY = (
    "torch",
    "pandas",
    "numpy",
    "scipy",
    "sklearn",
    "pyarrow",
    "catboost",
    "xgboost",
    "optuna",
    "sdv",
    "matplotlib",
)


def kind(value: object) -> object:
    if isinstance(value, tuple) and any(map(is_dataclass, value)):
        return f"({', '.join(type(part).__name__ for part in value)}{',' * (len(value) == 1)})"
    return type(value).__name__ if is_dataclass(value) else value


def shown(item: object) -> str:
    """The fields of a loaded item, those that are settings themselves by their kind."""
    return ", ".join(
        f"{f.name}={kind(value)}"
        for f in fields(item)  # type: ignore[arg-type]
        for value in [getattr(item, f.name)]
    )


@pytest.mark.parametrize(
    "items", [METHODS, SAMPLERS, GRIDS, STARTS], ids=["methods", "samplers", "grids", "starts"]
)
def test_what_the_source_says_is_what_the_thing_says(items: Named[object]) -> None:
    for name in items:
        fresh = Named(dict(items._items))
        before = fresh.about(name)
        assert before
        assert before == about(fresh[name])


@pytest.mark.parametrize("name", SAMPLERS)
def test_settings_read_from_the_source_are_those_of_the_sampler(name: str) -> None:
    unloaded = Named({name: _unloaded(SAMPLERS[name])})
    read = unloaded.options(name)
    assert read == shown(SAMPLERS[name])
    assert read == SAMPLERS.options(name)


def _unloaded(item: object) -> object:
    """The same item by the place of its class, with all its fields as settings."""
    kind = type(item)
    return made(f"{kind.__module__}:{kind.__name__}", **{f.name: getattr(item, f.name) for f in fields(item)})  # type: ignore[arg-type]


def test_an_item_is_loaded_once_and_when_it_is_asked_for() -> None:
    items: Named[object] = Named(
        {"dp": made("tabstep.samplers.dp:DP", rows=7), "no": place("tabstep.nowhere:Nothing")}
    )
    assert len(items) == 2
    assert "no" in items
    assert isinstance(items.named("dp"), Made)
    first = items["dp"]
    assert first is items["dp"]
    assert first.rows == 7  # type: ignore[attr-defined]
    with pytest.raises(KeyError):
        items["missing"]
    items["own"] = 3
    assert items["own"] == 3
    del items["own"]
    assert [*items] == ["dp", "no"]


@pytest.mark.whole
@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["list"], ["list", "samplers"], ["--version"]], ids=" ".join
)
def test_a_command_imports_only_what_it_uses(arguments: list[str]) -> None:
    """Counted in modules, not in seconds: a slow machine does not make it fail, a careless import does."""
    program = (
        "import sys\nfrom tabstep.cli.app import app\n"
        f"sys.argv = ['tabstep', *{arguments!r}]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(len(sys.modules), *(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    count, *names = done.stderr.split()
    assert [name for name in names if name in HEAVY] == []
    assert int(count) < 500


def test_nothing_in_the_registry_stays_a_name_when_it_is_loaded() -> None:
    """At any depth: a tuple of starts too."""

    def unloaded(item: Any) -> bool:
        if isinstance(item, tuple | list):
            return any(map(unloaded, item))
        inner = vars(item).values() if is_dataclass(item) and not isinstance(item, type) else ()
        return isinstance(item, Place | Made) or any(map(unloaded, inner))

    for registry in (SAMPLERS, GRIDS):
        assert [name for name in registry if unloaded(registry[name])] == []
        assert not any("Place(" in registry.options(name) for name in registry)
