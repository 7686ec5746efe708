"""The source files that a module consists of: its own, and what it imports from beside itself or its own package."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path


def files_of(own: Path, root: Path, package: str | None = None) -> set[Path]:
    """A loaded module's file `own` and the files below `root` that it imports, at once or through one another.

    root     the folder where imports are looked up; with `package`, only those of that package count

    An import counts wherever it stands, in a function or under a condition. A name that is put together while it runs
    counts if that was before now. Libraries installed elsewhere do not: see `libraries`.
    """
    known, todo = {own}, [own]

    def take(name: str) -> None:
        if package is None or name.split(".")[0] == package:
            fresh = [path for path in _files(name, root) if path not in known]
            known.update(fresh)
            todo.extend(fresh)

    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and any(path.samefile(file) for path in _files(name, root)[-1:]):
            take(name)
    for path in todo:  # grows while it is walked
        for name in _imports(path, path.relative_to(root).with_suffix("").parts):
            take(name)
    return known


def digest_of(files: set[Path], root: Path) -> str:
    """SHA-256 of a file, or, where there are several, of those files and their names below `root`."""
    if len(files) == 1:
        return _sha256(*files)
    listed = "\n".join(f"{_sha256(path)} {path.relative_to(root).as_posix()}" for path in sorted(files))
    return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()


def libraries(files: Iterable[Path], root: Path) -> tuple[str, ...]:
    """Installed distributions that bring what the files import, or the files themselves where they are installed.

    By the first part of a dotted name: one that several distributions share, such as `google`, stands for all of them.
    Names as PEP 503 writes them. What a library needs itself is not looked for, and the benchmark is no library of it.
    """
    tops = {
        name.split(".")[0]
        for path in files
        for parts in (path.relative_to(root).with_suffix("").parts,)
        for name in (*_imports(path, parts), parts[0])
    }
    offered = metadata.packages_distributions()
    found = {
        name
        for top in tops - sys.stdlib_module_names - {__name__.split(".")[0]}
        for name in offered.get(top, ())
    }
    return tuple(sorted({re.sub(r"[-_.]+", "-", name).lower() for name in found}))


def _imports(path: Path, parts: tuple[str, ...]) -> Iterator[str]:
    """Dotted names that a file may import, relative ones resolved."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # it cannot be imported either
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*(parts[: -node.level] if node.level else ()), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def _files(name: str, root: Path) -> list[Path]:
    """The files below `root` that an import of a dotted name runs, packages above it first."""
    place, found = root, []
    for part in filter(None, name.split(".")):
        place = place / part
        one = [path for path in (place / "__init__.py", place.with_name(f"{part}.py")) if path.is_file()]
        found += one[:1]  # as Python does: a package hides a module of its name
    return found


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
