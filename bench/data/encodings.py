"""In which encoding a text file is: UTF-8, or what spreadsheets of Western Europe write on Windows."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

CHUNK = 2**24
UTF8, WESTERN = "utf-8-sig", "cp1252"

_FOREIGN = re.compile(rb"[\x00\x81\x8d\x8f\x90\x9d]")  # bytes that no text in cp1252 has
_WORD = re.compile(r"\w*[^\W\x00-\x7f]\w*")
_SIGN = re.compile(r"[\w.,]*\s?[^\x00-\x7f]")  # where no word has a letter beyond ASCII, as 1,50 €


def encoding_of(path: Path) -> str:
    """UTF-8 with or without a mark of its own, or cp1252.

    A file whose letters beyond ASCII are more often those of UTF-8 than not is a damaged one: read as cp1252, all of
    them would be spoilt. It is called UTF-8, as is what is neither.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return WESTERN if _is_western(path) else UTF8
    return UTF8


def told(path: Path) -> Iterator[str]:
    """What a user should know of the encoding of a file."""
    if encoding_of(path) == UTF8:
        return
    chunks = (chunk.decode(WESTERN) for chunk in _chunks(path))
    found = (_WORD.search(text) or _SIGN.search(text) for text in chunks)
    shown = next((word[0] for word in found if word), "")
    yield (
        f"{path.name} is not in UTF-8: read as {WESTERN}, such as {shown!r}; save it in UTF-8 if that is misread"
    )


def _is_western(path: Path) -> bool:
    spoilt = whole = 0
    for chunk in _chunks(path):
        if _FOREIGN.search(chunk):
            return False
        text = chunk.decode("utf-8", errors="replace")
        lost = text.count("\ufffd")
        spoilt += lost
        whole += sum(letter > "\x7f" for letter in text) - lost
    return spoilt > whole


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
