"""Plain JSON values from files that anyone may have written: bounded, exact, or refused in a line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_BYTES = 64 * 2**20  # of a file; the largest that is written here holds the categories of a wide table
MOST_DEPTH = 12
WHOLE = 2**63 - 1  # the largest whole number of 64 bits

_SURROGATE = re.compile(r"[\ud800-\udfff]")
# What acts instead of being shown: control characters but tab and new line, marks without width, and those that turn
# text round.
_ACTING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


class NotPlain(ValueError):
    """A text, a file or a value that is not plain JSON within the bounds; the message says what is wrong."""


def load(path: Path, *, most_bytes: int = MOST_BYTES) -> Any:
    """The value in a file. Raises `NotPlain`, and OSError where there is no file that can be read."""
    return parse(content(path, most_bytes=most_bytes))


def table(path: Path, *, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The object in a file. Raises `NotPlain`, for another value too, and OSError."""
    found = load(path, most_bytes=most_bytes)
    if not isinstance(found, dict):
        raise NotPlain(f"expected an object, found {kind(found)}")
    return found


def shaped(path: Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The object in a file, which has these fields of these types, and perhaps others. Raises `NotPlain`, OSError."""
    found = table(path)
    for name, expected in kinds.items():
        value = found.get(name)
        if (
            name not in found
            or not isinstance(value, expected)
            or (isinstance(value, bool) and expected is not bool)
        ):
            raise NotPlain(f"{name} is {kind(value) if name in found else 'not there'}")
    return found


def content(path: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """The bytes of a plain file of at most `most_bytes`. Raises `NotPlain`, for a pipe or a device too, and OSError."""
    if path.exists() and not path.is_file():
        raise NotPlain(f"{path.name} is {'a folder' if path.is_dir() else 'no plain file'}")
    with path.open("rb") as file:
        found = file.read(most_bytes + 1)
    if len(found) > most_bytes:
        raise NotPlain(f"more than {most_bytes} bytes")
    return found


def parse(text: str | bytes) -> Any:
    """The value of a JSON text: no key twice, no NaN, no number beyond 64 bits, no half of a character, no nesting
    beyond `MOST_DEPTH`. Raises `NotPlain`."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except NotPlain:
        raise
    except RecursionError:
        raise NotPlain(f"nested deeper than {MOST_DEPTH}") from None
    except UnicodeDecodeError as error:
        raise NotPlain(f"not JSON: not UTF-8 at byte {error.start}") from None
    except ValueError as error:
        raise NotPlain(f"not JSON: {str(error)[:200]}") from None
    check(found)
    return found


def check(value: Any, depth: int = 0) -> None:
    """Raise `NotPlain` unless the value is one that `parse` may return."""
    if depth > MOST_DEPTH:
        raise NotPlain(f"nested deeper than {MOST_DEPTH}")
    if isinstance(value, str):
        _check_text(value)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -WHOLE - 1 <= value <= WHOLE:
            raise NotPlain(f"a number beyond 64 bits: {_digits(value)}")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NotPlain(f"{value} is no finite number")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotPlain(f"the key {shown(key)} is no text")
            _check_text(key)
            check(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            check(item, depth + 1)
    else:
        raise NotPlain(f"{shown(value)} is no JSON value but {kind(value)}")


def _check_text(text: str) -> None:
    # What is in ASCII has no half of a character, and most texts are: asking for it first halves the time.
    if not text.isascii() and _SURROGATE.search(text):
        raise NotPlain(f"half of a character in {shown(text)}")


def acting(text: str) -> bool:
    """Whether a text holds characters that act instead of being shown: control characters, marks that turn it round."""
    # What is printable and in ASCII does not act, and most texts are.
    return not (text.isascii() and text.isprintable()) and _ACTING.search(text) is not None


def cleaned(text: str, most: int) -> str:
    """Any text, such as that of an exception, as one that can be kept and shown: acting characters escaped, cut."""
    found = _ACTING.sub(lambda match: ascii(match[0])[1:-1], text[:most].replace("\r\n", "\n"))
    return found if len(text) <= most and len(found) <= most else found[: most - 1] + "…"


def shown(value: Any, most: int = 60) -> str:
    """A value in a message: short, in ASCII, whatever it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    if isinstance(value, str):
        value = value[:most]
    elif isinstance(value, dict | list | tuple | set):
        return f"{kind(value)} of {len(value)}"
    text = ascii(value)
    return text if len(text) <= most + 2 else text[:most] + "..."


def kind(value: Any) -> str:
    """What a JSON value is called."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), f"a {type(value).__name__}")


def _digits(value: int) -> str:
    bits = value.bit_length()
    return str(value) if bits <= 128 else f"one of {bits} bits"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        raise NotPlain(f"a key is there twice: {shown(next(k for k in names if names.count(k) > 1))}")
    return found


def _no_constant(name: str) -> float:
    raise NotPlain(f"{name} is not a JSON value")
