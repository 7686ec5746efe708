"""Bundles of results from elsewhere: packed here, and taken in without trusting a byte of them.

A bundle is a zip of JSON records, samples of rows as CSV, and a manifest with their digests. Taking one in parses JSON
and CSV and nothing else: no pickle, no Parquet, no path that the bundle chooses beyond names of a narrow form.
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from tabstep.data import cards
from tabstep.data.cards import DataError
from tabstep.engine.job import Folder
from tabstep.metrics.facts import fact
from tabstep.records import store
from tabstep.records.provenance import environment
from tabstep.records.store import Malformed, Record
from tabstep.suites import SUITES

FORMAT = 1
SAMPLE_ROWS = 100  # of each cell, in a bundle
MAX_BUNDLE = 64 * 2**20  # bytes of the zip
MAX_FILE = 2 * 2**20  # bytes of one file in it
MAX_TOTAL = 256 * 2**20  # bytes of all files in it
MAX_FILES = 20_000
MAX_TEXT = 2000  # characters of one string
MAX_DEPTH = 12  # of JSON
OLDEST = datetime(2024, 1, 1, tzinfo=UTC)

MANIFEST = "manifest.json"
_PART = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}"
_MEMBER = re.compile(rf"(records/{_PART}/{_PART}/{_PART}\.json|rows/{_PART}/{_PART}/{_PART}\.csv)")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_MARKUP = re.compile(r"<\s*[A-Za-z/!?]|&#|javascript:", re.IGNORECASE)  # but not <=50K, which is a label


class Rejected(ValueError):
    """A bundle that is not taken; the message names the file in it and what is wrong."""


@dataclass(frozen=True)
class Submission:
    """What a bundle holds, validated."""

    manifest: Mapping[str, Any]
    records: Sequence[Record]
    notes: Sequence[str]  # what is odd without being wrong

    @property
    def name(self) -> str:
        return str(self.manifest["name"])


def pack(folder: Folder, records: Sequence[Record], name: str, about: str, path: Path) -> int:
    """Write a bundle of records, with the first rows of each cell where they are kept; return how many files.

    Raises Rejected for what `accept` would refuse.
    """
    files: dict[str, bytes] = {}
    for record in records:
        path_of = record.cell.path
        files[f"records/{path_of}"] = (folder.runs / path_of).read_bytes()
        rows = folder.rows(record.cell)
        if rows.exists():
            sample = pd.read_parquet(rows).head(SAMPLE_ROWS)
            files[f"rows/{path_of.with_suffix('.csv')}"] = sample.to_csv(index=False).encode()
    manifest = {
        "format": FORMAT,
        "name": name,
        "about": about,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(),
        "files": {place: hashlib.sha256(content).hexdigest() for place, content in files.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(MANIFEST, json.dumps(manifest, indent=1, allow_nan=False))
        for place, content in files.items():
            bundle.writestr(place, content)
    read(buffer.getvalue())
    store.replace(path, buffer.getvalue())
    return len(files)


def accept(path: Path, root: Path) -> Submission:
    """Validate a bundle and put its records below `root`/<name>, as self-reported ones. Raises Rejected.

    Nothing is written unless all of it is right; a submission of that name must not exist.
    """
    try:
        if path.stat().st_size > MAX_BUNDLE:
            raise Rejected(f"{path.name} has {path.stat().st_size} bytes, more than {MAX_BUNDLE}")
        found = read(path.read_bytes())
    except OSError as error:
        raise Rejected(f"{path.name} cannot be read: {error.strerror}") from error
    target = root / found.name
    if target.exists():
        raise Rejected(
            f"there is a submission {found.name!r} already; choose another name, or remove {target}"
        )
    for record in found.records:
        store.write(target / "runs", record)
    # Last, and so the sign that the submission is whole.
    store.replace(target / MANIFEST, (json.dumps(dict(found.manifest), indent=1) + "\n").encode())
    return found


def accepted(root: Path) -> dict[str, tuple[Mapping[str, Any], list[Record]]]:
    """Manifest and records of each submission below `root`; what is not whole is left out."""
    found = {}
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        records, _ = store.read_all(path.parent / "runs")
        found[path.parent.name] = (json.loads(path.read_text(encoding="utf-8")), records)
    return found


def read(content: bytes) -> Submission:
    """What a bundle holds. Raises Rejected."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as bundle:
            files = dict(_members(bundle))
    except Rejected:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        raise Rejected(f"not a readable zip file: {error}") from error
    if MANIFEST not in files:
        raise Rejected(f"{MANIFEST} is missing")
    manifest = _manifest(files.pop(MANIFEST), files)
    records, notes = [], []
    for place, text in files.items():
        if place.startswith("records/"):
            record = _record(place, text)
            records.append(record)
            notes += [f"{place}: {note}" for note in _odd(record)]
    if not records:
        raise Rejected("there are no records in it")
    cells = {f"rows/{record.cell.path.with_suffix('.csv')}": record for record in records}
    for place, text in files.items():
        if place.startswith("rows/"):
            _rows(place, text, cells.get(place))
    return Submission(manifest, records, notes)


def _members(bundle: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    entries = bundle.infolist()
    if len(entries) > MAX_FILES:
        raise Rejected(f"it holds {len(entries)} files, more than {MAX_FILES}")
    total, seen = 0, set()
    for entry in entries:
        name = entry.filename
        if name != MANIFEST and not _MEMBER.fullmatch(name):
            raise Rejected(f"{name[:200]!r}: not a name that a bundle has")
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


def _json(place: str, content: bytes) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise Rejected(f"{place}: a key is there twice")
        return dict(pairs)

    def refuse(name: str) -> float:
        raise Rejected(f"{place}: {name} is not a JSON value")

    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=once, parse_constant=refuse)
        _clean(place, value, 0)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Rejected(f"{place}: not JSON: {type(error).__name__}: {str(error)[:200]}") from error
    except ValueError as error:
        if isinstance(error, Rejected):
            raise
        raise Rejected(f"{place}: {error}") from error
    return value


def _clean(place: str, value: Any, depth: int) -> None:
    """Refuse text that could act in a page or a spreadsheet, numbers without end, and nesting without end."""
    if depth > MAX_DEPTH:
        raise Rejected(f"{place}: nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        _clean_text(place, value)
    elif isinstance(value, bool) or value is None:
        pass
    elif isinstance(value, int | float):
        if not abs(value) <= 1e18:  # NaN is in no range
            raise Rejected(f"{place}: {str(value)[:40]} is out of every range")
    elif isinstance(value, list):
        for item in value:
            _clean(place, item, depth + 1)
    else:
        for key, item in value.items():
            _clean_text(place, key)
            _clean(place, item, depth + 1)


def _clean_text(place: str, text: str) -> None:
    shown = repr(text[:60])
    if len(text) > MAX_TEXT:
        raise Rejected(f"{place}: a text of {len(text)} characters, more than {MAX_TEXT}: {shown}")
    if _MARKUP.search(text):
        raise Rejected(f"{place}: markup in a text: {shown}")
    if _CONTROL.search(text):
        raise Rejected(f"{place}: a control character in a text: {shown}")
    if _is_formula(text):
        raise Rejected(f"{place}: a text that a spreadsheet would take for a formula: {shown}")


def _is_formula(text: str) -> bool:
    return text.lstrip()[:1] in ("=", "+", "-", "@") and not _is_number(text)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _manifest(content: bytes, files: Mapping[str, bytes]) -> dict[str, Any]:
    found = _json(MANIFEST, content)
    expected = {"format": int, "name": str, "about": str, "created": str, "environment": dict, "files": dict}
    if not isinstance(found, dict) or set(found) != set(expected):
        raise Rejected(f"{MANIFEST}: must hold {', '.join(expected)} and nothing else")
    for key, kind in expected.items():
        if not isinstance(found[key], kind) or isinstance(found[key], bool):
            raise Rejected(f"{MANIFEST}: {key} must be a {kind.__name__}")
    if found["format"] != FORMAT:
        raise Rejected(f"{MANIFEST}: format {found['format']}, this version takes {FORMAT}")
    if not _NAME.fullmatch(found["name"]):
        raise Rejected(f"{MANIFEST}: name must be small letters, digits and -, got {found['name'][:70]!r}")
    _time(MANIFEST, found["created"])
    if set(found["files"]) != set(files):
        odd = sorted(set(found["files"]) ^ set(files))[0]
        raise Rejected(f"{MANIFEST}: {odd[:200]!r} is in the bundle or in the list of files, not in both")
    for place, content_of in files.items():
        if hashlib.sha256(content_of).hexdigest() != found["files"][place]:
            raise Rejected(f"{place}: its digest is not the one in {MANIFEST}")
    return found


def _record(place: str, content: bytes) -> Record:
    _json(place, content)
    try:
        record = store.parse(content.decode("utf-8"))
    except Malformed as error:
        raise Rejected(f"{place}: {error}") from error
    cell = record.cell
    if PurePosixPath(place) != PurePosixPath("records") / cell.path:
        raise Rejected(f"{place}: holds the record of another cell, {cell.path}")
    for field in ("suite", "dataset", "method", "params", "sampler", "grid"):
        name = getattr(cell, field)
        if name is not None and not re.fullmatch(_PART, name):
            raise Rejected(f"{place}: {field} must begin with a letter or digit, got {name!r}")
    if cell.suite not in SUITES and cell.suite != "scored":
        raise Rejected(f"{place}: unknown suite {cell.suite!r}")
    try:
        card = cards.find(cell.dataset)
    except DataError as error:
        raise Rejected(f"{place}: {error}") from error
    if card.task != record.task:
        raise Rejected(f"{place}: {cell.dataset} is {card.task}, not {record.task}")
    if record.status == "ok" and card.digest and record.dataset_digest != card.digest:
        raise Rejected(
            f"{place}: scored on other data than {cell.dataset}: the digest is not that of its card"
        )
    _time(place, record.created)
    _plausible(place, record)
    return record


def _plausible(place: str, record: Record) -> None:
    if record.status == "ok" and not record.scores:
        raise Rejected(f"{place}: ok, but without a score")
    if record.status != "ok" and record.scores:
        raise Rejected(f"{place}: {record.status}, but with scores")
    if record.status == "ok" and record.cell.steps is not None and not record.nfe:
        raise Rejected(f"{place}: {record.cell.steps} steps without a network evaluation")
    for metric, values in record.scores.items():
        try:
            known = fact(metric)
        except KeyError:
            raise Rejected(f"{place}: unknown score {metric[:60]!r}") from None
        for value in values:
            if not known.low <= value <= known.high:
                raise Rejected(
                    f"{place}: {metric} is {value:g}, which must lie in {known.low:g} .. {known.high:g}"
                )


def _odd(record: Record) -> Iterator[str]:
    for metric, values in record.scores.items():
        if metric.endswith(("f1_macro", "r2", "accuracy")) and min(values) >= 1:
            yield f"{metric} is perfect"
    if record.env.get("dirty"):
        yield "made with uncommitted changes in the code"


def _time(place: str, text: str) -> None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Rejected(f"{place}: created is no time, {text[:40]!r}") from None
    if when.tzinfo is None or not OLDEST <= when <= datetime.now(UTC) + timedelta(days=1):
        raise Rejected(f"{place}: created {text[:40]!r} cannot be")


def _rows(place: str, content: bytes, record: Record | None) -> None:
    if record is None:
        raise Rejected(f"{place}: rows of no cell in the bundle")
    try:
        text = content.decode("utf-8")
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, ValueError, pd.errors.ParserError) as error:
        raise Rejected(f"{place}: not a CSV file: {str(error)[:200]}") from error
    if len(frame) > SAMPLE_ROWS:
        raise Rejected(f"{place}: {len(frame)} rows, more than {SAMPLE_ROWS}")
    card = cards.find(record.cell.dataset)
    if list(frame.columns) != [*card.numeric, *card.categorical, card.target]:
        raise Rejected(f"{place}: its columns are not those of {card.name}")
    for column in frame.columns:
        for value in frame[column]:
            _clean_text(place, value)
