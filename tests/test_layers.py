"""Imports point one way, and everything registered keeps the contracts."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from tabstep.contracts import Method
from tabstep.diffusion.denoiser import normal
from tabstep.named import about
from tabstep.registry import GRIDS, METHODS, SAMPLERS, walks
from tests.oracle import bare

ROOT = Path(__file__).resolve().parents[1]

# From the top down: the floors of the house. A wing or module imports from its own floor and from those below it.
FLOORS = (
    "tabstep __main__",
    "cli",
    "study",
    "tuning sharing",
    "api engine",
    "registry report suites published",
    "records",
    "samplers metrics baselines",
    "diffusion contracts suite",
    "data external named shipped sandbox",
)
HEIGHT = {name: height for height, floor in enumerate(reversed(FLOORS)) for name in floor.split()}


def modules() -> dict[str, Path]:
    """Dotted name below `tabstep` -> file; the package itself is called `tabstep`."""
    found = {}
    for folder, prefix in ((ROOT / "bench", ()), (ROOT / "baselines", ("baselines",))):
        for path in folder.rglob("*.py"):
            parts = (*prefix, *path.relative_to(folder).with_suffix("").parts)
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name or "tabstep"] = path
    return found


MODULES = modules()


def height(module: str) -> int | None:
    """The floor of a wing or of a module in one, 0 for the lowest; None when the list above does not place it."""
    return HEIGHT.get(module.split(".")[0])


@cache
def imported(source: str) -> list[tuple[int, str]]:
    """(line, module) of every import wherever it stands, `from package import module` resolved to the module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            base = (node.module or "").removeprefix("tabstep").lstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}".lstrip(".")
                is_ours = (node.module or "").split(".")[0] == "tabstep"
                found.append(
                    (node.lineno, f"tabstep.{inner}" if is_ours and inner in MODULES else node.module or "")
                )
    return found


def faults(name: str, source: str) -> list[str]:
    """Imports of `source`, as module `name`, that point up, or that use a folder's name for the package."""
    own = height(name)
    assert own is not None
    found = []
    for line, module in imported(source):
        top, _, inner = module.partition(".")
        if top in ("bench", "baselines", "datasets"):
            found.append(f"{name}:{line} imports the folder {top!r}; the package is named tabstep")
        elif top == "tabstep":
            other = height(inner or "tabstep")
            if other is None:
                found.append(f"{name}:{line} imports {module}, which is in no layer")
            elif other > own:
                found.append(f"{name}:{line} imports {module}, which lies above it")
    return found


def test_every_module_is_on_a_floor_and_every_floor_has_its_modules() -> None:
    assert len(MODULES) > 30
    assert [name for name in MODULES if height(name) is None] == []
    assert set(HEIGHT) == {name.split(".")[0] for name in MODULES}


def test_the_page_on_architecture_shows_these_floors() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for floor in FLOORS[1:]:
        assert f"    {', '.join(floor.split())}\n" in page
    for wing in {name.split(".")[0] for name in MODULES if "." in name}:
        assert f"- **{wing}** " in page or f"**{wing}**" in page


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Those that reach themselves."""
    reach = {name: set(direct) for name, direct in arrows.items()}
    for middle in reach:  # Warshall's closure
        for name in reach:
            if middle in reach[name]:
                reach[name] |= reach[middle]
    return sorted(name for name in reach if name in reach[name])


@cache
def arrows() -> dict[str, set[str]]:
    """Module -> modules of ours that it imports, wherever the import stands."""
    return {
        name: {
            module.removeprefix("tabstep.")
            for _, module in imported(path.read_text(encoding="utf-8"))
            if module.startswith("tabstep.")
        }
        - {name}
        for name, path in MODULES.items()
    }


@pytest.mark.whole
def test_there_is_no_circle_of_modules_or_wings() -> None:
    """Also on one floor: two wings that need each other are one."""
    between = arrows()
    assert circles(between) == []
    wings: dict[str, set[str]] = {name: set() for name in HEIGHT}
    for name, others in between.items():
        wing = name.split(".")[0]
        wings[wing] |= {other.split(".")[0] for other in others} - {wing}
    assert circles(wings) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]


def test_reports_have_three_rooms_one_after_the_other() -> None:
    rooms = ("numbers", "figures", "pages")
    for name, others in arrows().items():
        if name.startswith("report."):
            room = rooms.index(name.split(".")[1])
            inside = [other.split(".")[1] for other in others if other.startswith("report.")]
            assert all(rooms.index(other) <= room for other in inside), name


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_down(name: str) -> None:
    assert faults(name, MODULES[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source", "count"),
    [
        ("records.store", "from tabstep.data import table", 0),
        ("records.store", "from tabstep.engine import run", 1),
        ("data.table", "def f():\n    from tabstep.cli.app import app", 1),
        (
            "data.encode",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tabstep.engine.plan",
            1,
        ),
        ("diffusion.model", "from tabstep.samplers.ddim import DDIM", 1),
        ("samplers.ddim", "from tabstep.diffusion import gaussian", 0),
        ("baselines.real", "from tabstep.registry import METHODS", 1),
        ("registry", "from tabstep.baselines.real import Real", 0),
        ("cli.app", "from bench.store import Cell", 1),
        ("cli.app", "import baselines", 1),
        ("cli.app", "from datasets import load_dataset", 1),
        ("engine.cells", "from tabstep import TabDDPM", 1),  # the facade is for users
        ("engine.cells", "import tabstep.nowhere", 1),
    ],
)
def test_the_check_finds_what_it_should(name: str, source: str, count: int) -> None:
    assert len(faults(name, source)) == count


def test_the_facade_and_the_command_line_import_nothing_heavy() -> None:
    """So that `--help` answers at once, torch is imported inside functions."""
    light = {"tabstep", "__main__", *(name for name in MODULES if name.split(".")[0] == "cli")} - {
        "cli.progress"
    }
    for name in light:
        tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
        at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        ours = [
            f"{n.module}.{alias.name}"
            if f"{n.module}.{alias.name}".removeprefix("tabstep.") in MODULES
            else n.module
            for n in at_import
            if isinstance(n, ast.ImportFrom) and str(n.module).startswith("tabstep")
            for alias in n.names
        ]
        assert {str(module).removeprefix("tabstep.") for module in ours} <= light, name


# Contracts over everything registered


@pytest.mark.parametrize("name", METHODS)
def test_methods_keep_the_contract(name: str) -> None:
    kind = METHODS[name]
    assert is_dataclass(kind)
    assert kind.__dataclass_params__.frozen, "settings are the key of a model"
    assert about(kind), "the first line of the docstring is shown by `tabstep list`"
    assert not about(kind).startswith(f"{kind.__name__}("), "the docstring is the one that dataclass makes up"
    assert kind() == kind(), "the defaults are complete"
    wanted = inspect.signature(Method.fit).parameters
    found = inspect.signature(kind.fit).parameters
    for parameter in wanted.values():
        assert parameter.name in found
        assert found[parameter.name].kind == parameter.kind
    extra = [p for p in found.values() if p.name not in wanted]
    assert all(p.default is not p.empty for p in extra), "the harness gives no more than the contract says"
    assert callable(kind.suggest)


def test_diffusions_are_methods_with_steps() -> None:
    diffusions = [kind for kind in METHODS.values() if walks(kind)]
    assert len(diffusions) >= 3
    for kind in diffusions:
        assert kind().T >= 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_keep_the_contract(name: str) -> None:
    sampler: Any = SAMPLERS[name]
    assert is_dataclass(sampler)
    assert type(sampler).__dataclass_params__.frozen
    assert about(sampler)
    assert list(inspect.signature(sampler.prepare).parameters) == ["setting", "path"]
    assert sampler.grid in GRIDS


@pytest.mark.parametrize("name", GRIDS)
def test_grids_keep_the_contract(name: str) -> None:
    assert about(GRIDS[name])
    for T, steps in ((1, 1), (10, 3), (1000, 1000)):
        path = list(GRIDS[name](bare(T), steps))
        assert len(path) == steps + 1
        assert path[-1] == 0
        assert path[0] <= T
        assert path == sorted(set(path), reverse=True)


@pytest.mark.whole
def test_a_report_of_records_needs_no_torch() -> None:
    """It is made on machines that train nothing, and torch takes two seconds to import."""
    made = {name for name in MODULES if name.split(".")[0] in ("records", "report")} - {"records.clock"}
    names = [
        f"tabstep.{name}" for name in (*made, "engine.folder", "cli.carrying", "cli.judge", "cli.compare")
    ]
    code = "import importlib, sys; [*map(importlib.import_module, sys.argv[1:])]; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code, *names], check=False).returncode == 0


@pytest.mark.whole
def test_a_network_without_memory_needs_no_compiler() -> None:
    """Of every model that is read one is built for its shapes; torch's compiler takes longer to import than torch."""
    code = """if True:
        import sys
        import torch
        from tabstep.diffusion.denoiser import MLP
        from tabstep.diffusion.residual import ResidualMLP
        with torch.device("meta"):
            MLP(9, 9, (8,), 0.0, 3), ResidualMLP(2, 9, 9, (8, 8), 0.0, 3, 4)
        sys.exit(len({"torch._dynamo", "sympy"} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("shape", [(3, 2), (7, 64)])
def test_numbers_of_a_fresh_network_are_those_of_torch(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    wanted = [0.5 * torch.randn(shape), torch.nn.Embedding(*shape).weight]
    torch.manual_seed(0)
    assert torch.equal(normal(*shape, scale=0.5), wanted[0])
    assert torch.equal(normal(*shape), wanted[1])
