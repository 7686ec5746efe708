"""Methods from outside: a class in a file or a package of the user's, found by name and loaded in every worker."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

GROUP = "tabstep.methods"  # of entry points: `name = "package.module:Class"` in a package's metadata
FORM = "path/to/mine.py:MyMethod or package.module:MyMethod"


class NotLoaded(ValueError):
    """A method from outside that cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Code:
    """Where a method from outside comes from.

    place   absolute path of a file, or a module's name
    name    of the class
    digest  SHA-256 of the file that defines it: with another one the method is another one
    """

    place: str
    name: str
    digest: str

    def load(self) -> type[Any]:
        """The class. Raises `NotLoaded`."""
        return _load(self)

    @property
    def shown(self) -> str:
        """For records: without the folders of a path."""
        return f"{Path(self.place).name}:{self.name}"


def installed() -> dict[str, EntryPoint]:
    """Methods that installed packages offer, by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def find(text: str) -> Code:
    """The method that a text such as `FORM`, or the name of an entry point, means. Raises `NotLoaded`.

    A file with one class that has `fit` needs no name of a class.
    """
    entry = installed().get(text)
    place, _, name = (entry.value if entry is not None else text).partition(":")
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise NotLoaded(f"no file {place}; a method is given as {FORM}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        place = str(path)
        if not name:
            name = _only(_module(place, digest), place)
        return _checked(Code(place, name, digest))
    if not name:
        raise NotLoaded(f"{text!r} names no class; a method is given as {FORM}")
    file = inspect.getsourcefile(_module(place, ""))
    if file is None:
        raise NotLoaded(f"{place} has no source file, so that its version cannot be recorded")
    return _checked(Code(place, name, hashlib.sha256(Path(file).read_bytes()).hexdigest()))


def _checked(code: Code) -> Code:
    code.load()
    return code


def _only(module: Any, place: str) -> str:
    own: list[str] = [
        name
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and kind.__module__ == module.__name__
        and callable(getattr(kind, "fit", None))
    ]
    if len(own) != 1:
        found = ", ".join(own) or "none"
        raise NotLoaded(f"{place} has not one class with a fit method but {found}; name it as in {FORM}")
    return own[0]


@lru_cache
def _load(code: Code) -> type[Any]:
    kind = getattr(_module(code.place, code.digest), code.name, None)
    if not inspect.isclass(kind):
        raise NotLoaded(f"{code.place} has no class {code.name!r}")
    if not (is_dataclass(kind) and kind.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise NotLoaded(
            f"{code.shown}: put @dataclass(frozen=True) above the class; its fields are the settings of the method"
        )
    if not callable(getattr(kind, "fit", None)):
        raise NotLoaded(f"{code.shown} has no method fit(self, train, schema, *, seed, device)")
    try:
        kind()
    except Exception as error:
        raise NotLoaded(f"{code.shown}() fails: every field needs a default ({error})") from error
    return kind


def _module(place: str, digest: str) -> Any:
    """Import a module, or a file under a name that its content gives it, so that an edited one is another module."""
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        name = f"tabstep_external_{digest[:16]}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # before it runs: dataclasses look their module up
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    except Exception as error:
        raise NotLoaded(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    return module
