"""Settings as plain values, such as those of a JSON file, and back: fields are known, values of their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tabstep.data import plain

T = TypeVar("T")

LATER = "later"


def later(meant: Any) -> dict[str, Any]:
    """The metadata of a field that a dataclass of settings did not begin with, and what settings without it mean: where
    the field has that value, it is left out of `told`."""
    return {LATER: meant}


def told(settings: Any) -> Any:
    """A dataclass of settings as plain values, for keys and records; settings within settings likewise.

    As `dataclasses.asdict`, but for fields that came `later` and have the value that settings without them mean: what
    means what it always meant has the keys that it always had, whatever the default is now.
    """
    if is_dataclass(settings) and not isinstance(settings, type):
        return {
            field.name: told(getattr(settings, field.name))
            for field in fields(settings)
            if LATER not in (meta := field.metadata) or getattr(settings, field.name) != meta[LATER]
        }
    return tuple(map(told, settings)) if isinstance(settings, tuple) else settings


def built(kind: type[T], values: Mapping[str, Any], more: str = "") -> T:
    """A dataclass with these fields. A list stands for a tuple, which JSON does not have.

    Raises ValueError that names an unknown field, with `more` to say of it, or a value of another type.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(set(values) - set(known)):
        from tabstep.data.cards import suggest

        near = suggest(str(unknown[0]), known)
        raise ValueError(
            f"{kind.__name__} has no setting {', '.join(map(str, unknown))}; it has: {', '.join(known) or 'none'}{more}"
            + (f"; {near}" if near.startswith("did") else "")
        )
    own: Any = kind
    for name, value in values.items():
        hint = _hints(own)[name]
        if not fits(value, hint):
            raise ValueError(f"{name} of {kind.__name__} must be {_called(hint)}, got {plain.shown(value)}")
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as annotations name it; a whole number is a float too, a truth value no number."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in inner)
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in inner)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(fits(each, inner[0]) for each in value)
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _called(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
