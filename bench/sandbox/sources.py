"""The source files that a module consists of: its own, and what it imports from beside itself or its own package."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path


def digest_of(own: Path, root: Path, package: str | None = None) -> str:
    """SHA-256 of a loaded module's file `own`, or, where it imports from below `root`, of those files and their names.

    root     the folder where imports are looked up; with `package`, only those of that package count

    An import counts wherever it stands, in a function or under a condition. A name that is put together while it runs
    counts if that was before now. Libraries installed elsewhere do not: their versions are in the record.
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
    if known == {own}:
        return _sha256(own)
    listed = "\n".join(f"{_sha256(path)} {path.relative_to(root).as_posix()}" for path in sorted(known))
    return hashlib.sha256(listed.encode(errors="surrogateescape")).hexdigest()


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
