"""Records on disk: one JSON file a cell, written whole or not at all; a record exists = the cell is done.

Records that were packed (`records.pack`) count as well, but for those that have a file of their own again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath

import pandas as pd

from tabstep.data import plain
from tabstep.data.replacing import replace
from tabstep.records import pack
from tabstep.records.cell import Cell
from tabstep.records.record import MOST_BYTES, RECORD_VERSION, Malformed, Record, Status, decode, encode

__all__ = [
    "RECORD_VERSION",
    "Cell",
    "Malformed",
    "Problem",
    "Record",
    "Status",
    "clean",
    "done",
    "frame",
    "look_up",
    "packed",
    "parse",
    "read",
    "read_all",
    "replace",
    "text",
    "write",
]


@dataclass(frozen=True)
class Problem:
    """A file that does not count, and why, as a line; `path` is relative to the folder that was looked through."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return " ".join(plain.cleaned(f"{self.path}: {self.reason}", 500).split())


def write(root: Path, record: Record) -> Path:
    """Put `record` at its place below `root`, replacing an older one of the same cell; return the path.

    Raises ValueError where the file there is a record of another cell.
    """
    path = root / record.cell.path
    content = encode(record)
    try:
        holder = look_up(root, record.cell).cell
    except (FileNotFoundError, Malformed):
        pass  # nothing there that counts as done
    else:
        if holder != record.cell:
            raise ValueError(f"{path} is the record of {holder}, not of {record.cell}: rename one of the two")
    replace(path, content)
    return path


def read(path: Path) -> Record:
    """Read one record. Raises `Malformed` for any other content, FileNotFoundError where there is no file."""
    try:
        return decode(plain.content(path, most_bytes=MOST_BYTES))
    except (ValueError, TypeError) as error:
        raise Malformed(f"{path} is not a record: {error}") from error


def text(root: Path, cell: Cell) -> bytes:
    """What the record of `cell` below `root` says. Raises FileNotFoundError where there is none, `Malformed`."""
    path = root / cell.path
    try:
        return plain.content(path, most_bytes=MOST_BYTES)
    except FileNotFoundError:
        found = pack.texts(root).get(str(cell.path))
        if found is None:
            raise
        return found
    except ValueError as error:
        raise Malformed(f"{path} is not a record: {error}") from error


def look_up(root: Path, cell: Cell) -> Record:
    """The record at the place of `cell` below `root`. Raises `Malformed`, FileNotFoundError where there is none."""
    content = text(root, cell)
    try:
        return decode(content)
    except (ValueError, TypeError) as error:
        raise Malformed(f"{root / cell.path} is not a record: {error}") from error


def parse(text: str | bytes) -> Record:
    """A record from the text of its file. Raises `Malformed` for any other text."""
    try:
        return decode(text)
    except (ValueError, TypeError) as error:
        raise Malformed(f"not a record: {error}") from error


def read_all(root: Path) -> tuple[list[Record], list[Problem]]:
    """All records below `root`, in the order of their places, and what is none.

    A folder that does not exist holds no records.
    """
    places = {path.relative_to(root): path for path in root.rglob("*.json")}
    problems: list[Problem] = []
    try:
        kept = {Path(place): content for place, content in pack.texts(root).items()}
    except Malformed as error:
        kept = {}
        problems.append(Problem(Path(pack.NAME), str(error)))
    records: list[Record] = []
    for place in sorted({**kept, **places}, key=lambda place: place.parts):
        try:
            record = read(places[place]) if place in places else parse(kept[place])
        except Malformed as error:
            problems.append(Problem(place, str(error.__cause__)))
        except OSError as error:
            problems.append(Problem(place, f"cannot be read: {error.strerror}"))
        else:
            if PurePosixPath(place) == record.cell.path:
                records.append(record)
            else:
                problems.append(Problem(place, f"holds the record that belongs at {record.cell.path}"))
    return records, problems


def packed(root: Path) -> int:
    """Move all records below `root` into one file (`records.pack`); return how many are in it.

    Their files are removed when it is written; what is no record stays, packed or not. Only while nobody writes. Raises
    `Malformed` where there is a pack that cannot be read, and touches nothing.
    """
    before = pack.texts(root)
    records, _ = read_all(root)
    texts = {str(record.cell.path): text(root, record.cell) for record in records}
    if texts:
        pack.write(root, {**before, **texts})
    for place in texts:
        (root / place).unlink(missing_ok=True)
    folders = (path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())
    for folder in sorted(folders, reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    return len(texts)


def done(root: Path, cell: Cell, key: str, *, count_failed: bool = False) -> bool:
    """Whether `cell` has a record of this `key`; a failed one counts only when asked, a broken one never."""
    try:
        record = look_up(root, cell)
    except (FileNotFoundError, Malformed):
        return False
    return record.cell == cell and record.key == key and (count_failed or record.status != "failed")


def clean(root: Path) -> int:
    """Remove what interrupted writes left below `root`; return how many files. Only while nobody writes."""
    leftovers = [path for path in root.rglob("*.tmp") if not path.is_dir()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per (cell, metric, evaluator seed), with the value in `score`.

    `eval_seed` is missing for a metric with a single value under several evaluator seeds. Cells without
    scores have no row.
    """
    columns = [*(field.name for field in fields(Cell)), "task", "metric", "eval_seed", "score"]
    rows = [
        (*(getattr(record.cell, field.name) for field in fields(Cell)), record.task, metric, seed, value)
        for record in records
        for metric, values in record.scores.items()
        for seed, value in zip(
            record.eval_seeds if len(values) == len(record.eval_seeds) else [None], values, strict=True
        )
    ]
    whole = {"steps": "Int64", "train_seed": "int64", "sample_seed": "int64", "eval_seed": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype({**whole, "score": "float64"})
