"""A bundle as a file: a zip of JSON records, samples of rows as CSV, and a manifest with their digests.

Unpacking parses JSON and nothing else: no pickle, no Parquet, no path that the bundle chooses beyond names of a narrow
form. Every size is bounded before it is believed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tabstep.data import plain
from tabstep.records import schema

FORMAT = 1
MAX_BUNDLE = 64 * 2**20  # bytes of the zip
MAX_FILE = 2 * 2**20  # bytes of one file in it
MAX_TOTAL = 256 * 2**20  # bytes of all files in it
MAX_FILES = 20_000
OLDEST = datetime(2024, 1, 1, tzinfo=UTC)

MANIFEST = "manifest.json"
PART = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"
_MEMBER = re.compile(rf"(records/{PART}/{PART}/{PART}\.json|rows/{PART}/{PART}/{PART}\.csv)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_MARKUP = re.compile(r"<\s*[A-Za-z/!?]|&#|javascript:", re.IGNORECASE)  # but not <=50K, which is a label
_ENTRY = b"PK\x01\x02"  # with which each file begins in the directory of a zip


class Rejected(ValueError):
    """A bundle that is not taken; the message names the file in it and what is wrong."""


def packed(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """The bundle of these files; digests and format are added to the manifest."""
    digests = {place: hashlib.sha256(content).hexdigest() for place, content in files.items()}
    whole = {"format": FORMAT, **manifest, "files": digests}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(MANIFEST, json.dumps(whole, indent=1, allow_nan=False))
        for place, content in files.items():
            bundle.writestr(place, content)
    return buffer.getvalue()


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and other files of a bundle, each with the digest that the manifest says. Raises Rejected."""
    if len(content) > MAX_BUNDLE:
        raise Rejected(f"{len(content)} bytes, more than {MAX_BUNDLE}")
    if content.count(_ENTRY) > 2 * MAX_FILES:  # before the directory is read, which takes memory for each
        raise Rejected(f"it holds more than {MAX_FILES} files")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            files = dict(_members(bundle))
    except Rejected:
        raise
    except (
        *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError),
        *(OSError, OverflowError, IndexError, KeyError),
    ) as error:
        raise Rejected(f"not a readable zip file: {plain.cleaned(str(error), 200)}") from error
    if MANIFEST not in files:
        raise Rejected(f"{MANIFEST} is missing")
    manifest = manifest_of(files.pop(MANIFEST))
    listed = manifest["files"]
    if set(listed) != set(files):
        odd = sorted(set(listed) ^ set(files))[0]
        raise Rejected(
            f"{MANIFEST}: {plain.shown(odd)} is in the bundle or in the list of files, not in both"
        )
    for place, held in files.items():
        if hashlib.sha256(held).hexdigest() != listed[place]:
            raise Rejected(f"{place}: its digest is not the one in {MANIFEST}")
    return manifest, files


def _members(bundle: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    entries = bundle.infolist()
    if len(entries) > MAX_FILES:
        raise Rejected(f"it holds {len(entries)} files, more than {MAX_FILES}")
    total, seen = 0, set()
    for entry in entries:
        name = entry.filename
        if name != MANIFEST and not _MEMBER.fullmatch(name):
            raise Rejected(f"{plain.shown(name, 200)}: not a name that a bundle has")
        if name in seen:
            raise Rejected(f"{name}: twice in the bundle")
        seen.add(name)
        mode = entry.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise Rejected(f"{name}: not a plain file")
        if entry.flag_bits & 1:
            raise Rejected(f"{name}: encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Rejected(f"{name}: compressed in a way that is not read here")
        with bundle.open(entry) as file:  # what the header says of the size is not believed
            content = file.read(MAX_FILE + 1)
        total += len(content)
        if len(content) > MAX_FILE or total > MAX_TOTAL:
            raise Rejected(f"{name}: too large when unpacked")
        yield name, content


def manifest_of(content: bytes) -> dict[str, Any]:
    """The manifest in the bytes of its file, every field of its type and in its range. Raises Rejected."""
    found = value_of(MANIFEST, content)
    expected = {"format": int, "name": str, "about": str, "created": str, "environment": dict, "files": dict}
    if not isinstance(found, dict) or set(found) != set(expected):
        raise Rejected(f"{MANIFEST}: must hold {', '.join(expected)} and nothing else")
    for key, kind in expected.items():
        if not isinstance(found[key], kind) or isinstance(found[key], bool):
            raise Rejected(f"{MANIFEST}: {key} must be a {kind.__name__}")
    if found["format"] != FORMAT:
        raise Rejected(f"{MANIFEST}: format {found['format']}, this version takes {FORMAT}")
    check_name(found["name"])
    check_time(MANIFEST, found["created"])
    return found


def check_name(name: str) -> None:
    """Raise Rejected unless a submission may be called so."""
    if not _NAME.fullmatch(name):
        raise Rejected(f"{MANIFEST}: name must be small letters, digits and -, got {plain.shown(name, 70)}")
    if taken := schema.reserved(name):
        raise Rejected(f"{MANIFEST}: name {name!r} is, or looks like, {taken!r}, which means something here")


def check_time(place: str, text: str) -> None:
    """Raise Rejected unless the text is a time at which a bundle can have been made."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(f"{place}: created is no time, {plain.shown(text, 40)}") from None
    try:
        possible = when.tzinfo is not None and OLDEST <= when <= datetime.now(UTC) + timedelta(days=1)
    except OverflowError:
        possible = False
    if not possible:
        raise Rejected(f"{place}: created {plain.shown(text, 40)} cannot be")


def value_of(place: str, content: bytes) -> Any:
    """The JSON value of a file in a bundle: plain, and without a text that could act in a page or a spreadsheet."""
    try:
        value = plain.parse(content)
    except plain.NotPlain as error:
        raise Rejected(f"{place}: {error}") from error
    _clean(place, value)
    return value


def _clean(place: str, value: Any) -> None:
    if isinstance(value, str):
        clean_text(place, value)
    elif isinstance(value, int | float):
        if not abs(value) <= 1e18:
            raise Rejected(f"{place}: {plain.shown(value)} is out of every range")
    elif isinstance(value, list):
        for item in value:
            _clean(place, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            clean_text(place, key)
            _clean(place, item)


def clean_text(place: str, text: str) -> None:
    """Raise Rejected for a text that is too long, or that could act where it is shown."""
    wrong = schema.text(text)
    if wrong:
        raise Rejected(
            f"{place}: a text must be {wrong}"
            + (": a control character in " if len(text) <= schema.MOST_TEXT else ": ")
            + plain.shown(text)
        )
    if _MARKUP.search(text):
        raise Rejected(f"{place}: markup in a text: {plain.shown(text)}")
    if text.lstrip()[:1] in ("=", "+", "-", "@") and not _is_number(text):
        raise Rejected(f"{place}: a text that a spreadsheet would take for a formula: {plain.shown(text)}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
