"""Results from elsewhere: packed into a bundle here, taken in without trusting a byte of it, and taken out again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from tabstep.data import bounds, parquet, plain
from tabstep.data.cards import DataError
from tabstep.engine.folder import Folder
from tabstep.records import gather, store
from tabstep.records.provenance import environment
from tabstep.records.store import Problem, Record
from tabstep.sharing.bundle import MANIFEST, MAX_BUNDLE, Rejected, check_name, manifest_of, packed, unpacked
from tabstep.sharing.rules import SAMPLE_ROWS, check, check_rows, notes, record_of

__all__ = ["MANIFEST", "Rejected", "Submission", "accept", "accepted", "pack", "read", "withdraw"]


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

    The environment of the manifest has the libraries of methods from outside too, as their records know them.
    Raises Rejected for what `accept` would refuse.
    """
    files: dict[str, bytes] = {}
    for record in records:
        place = record.cell.path
        files[f"records/{place}"] = store.text(folder.runs, record.cell)
        rows = folder.rows(record.cell)
        if rows.exists():
            files[f"rows/{place.with_suffix('.csv')}"] = _first(rows)
    made = environment()
    for record in records:
        if "code" in record.settings:
            made["libraries"] |= record.env.get("libraries", {})
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content = packed({"name": name, "about": about, "created": now, "environment": made}, files)
    read(content)
    store.replace(path, content)
    return len(files)


def _first(rows: Path) -> bytes:
    """The first rows of a file, as CSV."""
    try:
        bounds.check_parquet(rows)
        return parquet.frame(rows, rows.name).head(SAMPLE_ROWS).to_csv(index=False).encode()
    except (DataError, OSError) as error:
        raise Rejected(
            f"{rows.name} cannot be read: {plain.cleaned(str(error), 200)}; draw it again"
        ) from error


def read(content: bytes) -> Submission:
    """What a bundle holds. Raises Rejected."""
    manifest, files = unpacked(content)
    records = [record_of(place, text) for place, text in files.items() if place.startswith("records/")]
    if not records:
        raise Rejected("there are no records in it")
    _, others = gather.apart(records)
    if others:
        raise Rejected(str(others[0]))
    cells = {f"rows/{record.cell.path.with_suffix('.csv')}": record for record in records}
    for place, text in files.items():
        if place.startswith("rows/"):
            check_rows(place, text, cells.get(place))
    odd = [f"records/{record.cell.path}: {note}" for record in records for note in notes(record)]
    return Submission(manifest, records, odd)


def accept(path: Path, root: Path) -> Submission:
    """Validate a bundle and put its records below `root`/<name>, as self-reported ones. Raises Rejected.

    The folder appears whole or not at all; a submission of that name must not exist.
    """
    try:
        found = read(plain.content(path, most_bytes=MAX_BUNDLE))
    except plain.NotPlain as error:
        raise Rejected(f"{path.name}: {error}") from error
    except OSError as error:
        raise Rejected(f"{path.name} cannot be read: {error.strerror}") from error
    target = root / found.name
    if target.exists() or target.is_symlink():
        raise Rejected(
            f"there is a submission {found.name!r} already; choose another name, or `tabstep withdraw {found.name}`"
        )
    fresh = root / f".{found.name}.{uuid4().hex}.tmp"
    try:
        for record in found.records:
            store.write(fresh / "runs", record)
        store.replace(fresh / MANIFEST, (json.dumps(dict(found.manifest), indent=1) + "\n").encode())
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return found


def withdraw(name: str, root: Path) -> int:
    """Take the submission `name` out again, whole or not at all; return how many records it had. Raises Rejected.

    Whatever lies below `root` can be withdrawn, damaged as it may be; what a link points to is left alone.
    """
    there = {path.name: path for path in sorted(root.iterdir())} if root.is_dir() else {}
    known = [each for each in there if not each.startswith(".")]
    if name not in known:
        raise Rejected(f"there is no submission {plain.shown(name)}; there are {', '.join(known) or 'none'}")
    path = there[name]
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return 0
    count = len(list((path / "runs").rglob("*.json")))
    gone = root / f".{uuid4().hex}.tmp"
    path.rename(gone)
    shutil.rmtree(gone)
    return count


def accepted(root: Path) -> dict[str, tuple[Mapping[str, Any], list[Record]]]:
    """Manifest and records of each submission below `root`; what is not whole or no longer right is left out."""
    return looked_through(root)[0]


def looked_through(root: Path) -> tuple[dict[str, tuple[Mapping[str, Any], list[Record]]], list[Problem]]:
    """As `accepted`, and what was left out: records are held against the rules again, as files and cards change."""
    found: dict[str, tuple[Mapping[str, Any], list[Record]]] = {}
    problems: list[Problem] = []
    for path in sorted(root.glob(f"*/{MANIFEST}")):
        place = path.parent
        if place.name.startswith("."):
            continue  # left half-written by an `accept` that was killed
        try:
            check_name(place.name)
            if place.is_symlink():
                raise Rejected("a link")
            manifest = manifest_of(plain.content(path))
            if manifest["name"] != place.name:
                raise Rejected(f"{MANIFEST}: is of {manifest['name']!r}")
        except (Rejected, plain.NotPlain, OSError) as error:
            problems.append(Problem(Path(place.name), str(error)))
            continue
        records, others = gather.gather(place / "runs")
        problems += [Problem(Path(place.name, "runs", each.path), each.reason) for each in others]
        kept = []
        for record in records:
            try:
                check(str(record.cell.path), record)
            except Rejected as error:
                problems.append(Problem(Path(place.name, "runs"), str(error)))
            else:
                kept.append(record)
        if kept:
            found[place.name] = (manifest, kept)
    return found, problems
