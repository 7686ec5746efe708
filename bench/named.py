"""Things that can be named without being imported: a competitor is loaded when it is first used.

`tabstep list` and the checks of a command line need names, a line about each, and the settings. All three stand in the
source of the class, which is read, not run: torch alone takes two seconds to import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
MODEL = "fitted.safetensors"  # the file of a saved model


@dataclass(frozen=True)
class Place:
    """Something in a module: `tabstep.samplers.ddim:DDIM`."""

    text: str

    def load(self) -> Any:
        module, _, name = self.text.partition(":")
        return getattr(import_module(module), name)

    @property
    def source(self) -> ast.ClassDef | ast.FunctionDef:
        """What its module's file says it is."""
        module, _, name = self.text.partition(":")
        return _definitions(module)[name]

    def about(self) -> str:
        """The first line of its docstring."""
        return first_line(ast.get_docstring(self.source))

    def options(self) -> dict[str, str]:
        """The fields of a dataclass with their defaults, as they print."""
        fields = [part for part in self.source.body if isinstance(part, ast.AnnAssign)]
        return {
            part.target.id: _printed(part.value)
            for part in fields
            if isinstance(part.target, ast.Name) and not ast.unparse(part.annotation).startswith("ClassVar")
        }


@dataclass(frozen=True)
class Made:
    """A dataclass of settings at a place, with the fields that are not at their defaults; these may be `Made` too."""

    place: Place
    settings: Mapping[str, Any]

    def load(self) -> Any:
        return self.place.load()(**{name: loaded(value) for name, value in self.settings.items()})

    def about(self) -> str:
        return self.place.about()

    def options(self) -> dict[str, str]:
        """All fields, those that are settings themselves by the name of their class."""
        return self.place.options() | {name: _shown(value) for name, value in self.settings.items()}


def place(text: str) -> Any:
    """The class or function at a place, to be loaded later. Typed as what it becomes."""
    return Place(text)


def made(text: str, **settings: Any) -> Any:
    """An instance of the class at a place, to be made later. Typed as what it becomes."""
    return Made(Place(text), settings)


def loaded(item: Any) -> Any:
    """The item itself, loaded if it is only named so far; of a tuple, what is in it."""
    if isinstance(item, tuple):
        return tuple(loaded(part) for part in item)
    return item.load() if isinstance(item, Place | Made) else item


class Named(MutableMapping[str, Item], Generic[Item]):
    """Items by name, each loaded when it is first asked for; names and lines about them need no import."""

    def __init__(self, items: Mapping[str, Item]) -> None:
        self._items: dict[str, Any] = dict(items)

    def __getitem__(self, name: str) -> Item:
        item: Item = loaded(self._items[name])
        self._items[name] = item
        return item

    def __setitem__(self, name: str, item: Item) -> None:
        self._items[name] = item

    def __delitem__(self, name: str) -> None:
        del self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return name in self._items  # the inherited one would load it

    def named(self, name: str) -> Any:
        """The item without loading it, to be a setting of another that is `Made`."""
        return self._items[name]

    def about(self, name: str) -> str:
        """The first line of the item's docstring."""
        item = self._items[name]
        return item.about() if isinstance(item, Place | Made) else about(item)

    def options(self, name: str) -> str:
        """The fields of an item that is a dataclass of settings, those that are settings themselves by their kind."""
        item = self._items[name]
        found = (
            item.options()
            if isinstance(item, Made)
            else {field: _shown(value) for field, value in vars(loaded(item)).items()}
        )
        return ", ".join(f"{field}={value}" for field, value in found.items())


def about(item: Any) -> str:
    """The first line of a docstring."""
    return first_line(item.__doc__)


def first_line(text: str | None) -> str:
    return ((text or "").strip().splitlines() or [""])[0]


def _shown(value: Any) -> str:
    if isinstance(value, tuple) and any(isinstance(part, Made) or is_dataclass(part) for part in value):
        return f"({', '.join(map(_shown, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Made):
        return value.place.text.partition(":")[2]
    return type(value).__name__ if is_dataclass(value) else str(value)


def _printed(default: ast.expr | None) -> str:
    """A field's default as it prints: a literal as its value, also within `field`, a factory by its name."""
    if default is None:
        return "?"
    try:
        return str(ast.literal_eval(default))
    except ValueError:
        within = {k.arg: k.value for k in getattr(default, "keywords", [])}
        if "default" in within:
            return _printed(within["default"])
        return ast.unparse(within.get("default_factory", default))


@cache
def _definitions(module: str) -> dict[str, ast.ClassDef | ast.FunctionDef]:
    """Classes and functions of a module by name, from its file. Only packages above it are imported."""
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    return {part.name: part for part in tree.body if isinstance(part, ast.ClassDef | ast.FunctionDef)}
