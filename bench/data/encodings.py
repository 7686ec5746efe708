"""In which encoding a text file is: UTF-8, or what Windows writes: UTF-16, in Western Europe cp1252."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

CHUNK = 2**24
UTF8, UTF16, WESTERN = "utf-8-sig", "utf-16", "cp1252"

_FOREIGN = re.compile(rb"[\x00\x81\x8d\x8f\x90\x9d]")  # bytes that no text in cp1252 has
_WORD = re.compile(r"\w*[^\W\x00-\x7f]\w*")
_SIGN = re.compile(r"[\w.,]*\s?[^\x00-\x7f]")  # where no word has a letter beyond ASCII, as 1,50 €


def encoding_of(path: Path) -> str:
    """UTF-8 with or without a mark of its own, UTF-16 with one, or cp1252.

    A file whose letters beyond ASCII are more often those of UTF-8 than not is a damaged one: read as cp1252, all of
    them would be spoilt. It is called UTF-8, as is what is neither.
    """
    if next(_chunks(path), b"")[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and _decodes(path, UTF16):
        return UTF16
    if not _decodes(path, "utf-8") and _is_western(path):
        return WESTERN
    return UTF8


def opened(path: Path, encoding: str) -> BinaryIO:
    """The bytes of a file, in UTF-8 where it is in UTF-16, so that marks are the bytes that they are elsewhere."""
    return BytesIO(path.read_bytes().decode(UTF16).encode()) if encoding == UTF16 else path.open("rb")


def of_bytes(encoding: str) -> str:
    """The encoding of what `opened` reads."""
    return UTF8 if encoding == UTF16 else encoding


def told(path: Path) -> Iterator[str]:
    """What a user should know of the encoding of a file."""
    encoding = encoding_of(path)
    if encoding == UTF16:
        yield f"{path.name} is in UTF-16; rows are written in UTF-8"
    if encoding != WESTERN:
        return
    chunks = (chunk.decode(WESTERN) for chunk in _chunks(path))
    found = (_WORD.search(text) or _SIGN.search(text) for text in chunks)
    shown = next((word[0] for word in found if word), "")
    yield (
        f"{path.name} is not in UTF-8: read as {WESTERN}, such as {shown!r}; save it in UTF-8 if that is misread"
    )


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in _chunks(path):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


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
