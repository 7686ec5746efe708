"""Records on disk: one JSON file a cell, written whole or not at all; a record exists = the cell is done."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import types
import typing
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args, get_origin
from uuid import uuid4

import pandas as pd

from tabstep.data.table import Task

RECORD_VERSION = 1
Status = Literal["ok", "failed", "skipped"]

_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")  # no separator, no leading dot: it stays in its folder


class Malformed(ValueError):
    """A file that is not a whole record of this version; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Cell:
    """The key of one point of the benchmark, and where its record lies.

    `params` names a set of hyper-parameters (say `default`). A diffusion method has a `sampler` and a budget
    of `steps`, and the sampler mostly a timestep `grid`; all three are None for a method that has no steps.
    """

    suite: str
    dataset: str
    method: str
    params: str
    sampler: str | None
    grid: str | None
    steps: int | None
    train_seed: int
    sample_seed: int

    def __post_init__(self) -> None:
        _check_types(self)
        for field in ("suite", "dataset", "method", "params", "sampler", "grid"):
            name = getattr(self, field)
            if name is not None and not _NAME.fullmatch(name):
                raise ValueError(
                    f"{field} must be letters, digits and . _ + - and not start with a dot, got {name!r}"
                )
        if (self.sampler is None) != (self.steps is None) or (self.grid is not None and self.sampler is None):
            raise ValueError(
                "sampler and steps come together, and a grid only with them; "
                f"got sampler={self.sampler!r}, grid={self.grid!r}, steps={self.steps!r}"
            )
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.train_seed < 0 or self.sample_seed < 0:
            raise ValueError(f"seeds must not be negative, got {self.train_seed} and {self.sample_seed}")

    @property
    def path(self) -> PurePosixPath:
        """Path of the record below the folder of the run."""
        budget = [str(part) for part in (self.sampler, self.grid, self.steps) if part is not None]
        name = "-".join([*budget, f"t{self.train_seed}", f"d{self.sample_seed}"])
        return PurePosixPath(self.dataset, f"{self.method}-{self.params}", f"{name}.json")


@dataclass(frozen=True)
class Record:
    """What explains the numbers of one cell. A failure is a record too, with its reason.

    reason           why it failed or was skipped; None when ok
    traceback        path of a log file, relative to the folder of the run
    key              hash of everything that determines the cell: a record with another key is out of date
    settings         hyper-parameters of method and sampler
    rows, nfe        synthetic rows; network evaluations per row, counted at the network
    fit_s, prepare_s, sample_s, peak_bytes    seconds of each stage, peak memory; None where not measured
    scores           metric -> one value per evaluator seed, in the order of `eval_seeds`, or a single value
                     for a metric without randomness; finite
    dataset_digest   `Dataset.digest`, None if the dataset never loaded
    env              `tabstep.records.provenance.environment()`
    created          ISO 8601, UTC
    """

    cell: Cell
    status: Status
    reason: str | None
    traceback: str | None
    task: Task
    key: str
    settings: dict[str, Any]
    rows: int | None
    nfe: float | None
    fit_s: float | None
    prepare_s: float | None
    sample_s: float | None
    peak_bytes: int | None
    scores: dict[str, list[float]]
    eval_seeds: list[int]
    dataset_digest: str | None
    env: dict[str, Any]
    created: str

    def __post_init__(self) -> None:
        _check_types(self)
        if (self.status == "ok") != (self.reason is None):
            raise ValueError(
                f"a reason belongs to a cell that is not ok, got {self.status!r} and {self.reason!r}"
            )
        for metric, values in self.scores.items():
            if len(values) not in (1, len(self.eval_seeds)):
                raise ValueError(
                    f"{metric} must have one value for each of {len(self.eval_seeds)} evaluator seeds, or a "
                    f"single one, got {len(values)}"
                )
            if not all(map(math.isfinite, values)):
                raise ValueError(f"scores must be finite, {metric} has {values}")
        for name in ("rows", "nfe", "fit_s", "prepare_s", "sample_s", "peak_bytes"):
            cost = getattr(self, name)
            if cost is not None and not (math.isfinite(cost) and cost >= 0):
                raise ValueError(f"{name} must be finite and not negative, got {cost}")
        if len(set(self.eval_seeds)) != len(self.eval_seeds):
            raise ValueError(f"evaluator seeds must differ, got {self.eval_seeds}")
        log = None if self.traceback is None else PurePosixPath(self.traceback)
        if log is not None and (log.is_absolute() or ".." in log.parts):
            raise ValueError(f"traceback must be a path below the folder of the run, got {self.traceback!r}")
        if datetime.fromisoformat(self.created).utcoffset() != timedelta(0):
            raise ValueError(f"created must be a time in UTC, as 2026-01-31T12:00:00Z, got {self.created!r}")


@dataclass(frozen=True)
class Problem:
    """A file that looks like a record and is none; `path` is relative to the folder of the run."""

    path: Path
    reason: str


def write(root: Path, record: Record) -> Path:
    """Put `record` at its place below `root`, replacing an older one of the same cell; return the path.

    Raises ValueError where the file there is a record of another cell, or a value is no finite JSON value.
    """
    path = root / record.cell.path
    text = json.dumps({"version": RECORD_VERSION, **asdict(record)}, indent=1, allow_nan=False) + "\n"
    try:
        holder = read(path).cell
    except (FileNotFoundError, Malformed):
        pass  # nothing there that counts as done
    else:
        if holder != record.cell:
            raise ValueError(f"{path} is the record of {holder}, not of {record.cell}: rename one of the two")
    replace(path, text.encode())
    return path


def replace(path: Path, content: bytes) -> None:
    """Let `path` hold `content`, so that a reader, or a crash, sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")  # same folder: same file system
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path) -> Record:
    """Read one record. Raises `Malformed` for any other content, FileNotFoundError where there is no file."""
    try:
        return _decode(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise Malformed(f"{path} is not a record: {error}") from error


def parse(text: str) -> Record:
    """A record from the text of its file. Raises `Malformed` for any other text."""
    try:
        return _decode(text)
    except (ValueError, TypeError) as error:
        raise Malformed(f"not a record: {error}") from error


def read_all(root: Path) -> tuple[list[Record], list[Problem]]:
    """All records below `root`, in the order of their paths, and the files that are none.

    A folder that does not exist holds no records.
    """
    records: list[Record] = []
    problems: list[Problem] = []
    for path in sorted(root.rglob("*.json"), key=lambda path: path.parts):
        place = path.relative_to(root)
        try:
            record = read(path)
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


def done(root: Path, cell: Cell, key: str, *, count_failed: bool = False) -> bool:
    """Whether `cell` has a record of this `key`; a failed one counts only when asked, a broken one never."""
    try:
        record = read(root / cell.path)
    except (FileNotFoundError, Malformed):
        return False
    return record.cell == cell and record.key == key and (count_failed or record.status != "failed")


def clean(root: Path) -> int:
    """Remove what interrupted writes left below `root`; return how many files. Only while nobody writes."""
    leftovers = list(root.rglob("*.tmp"))
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


def _decode(text: str) -> Record:
    content = json.loads(text, parse_constant=_refuse_constant)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {type(content).__name__}")
    if content.get("version") != RECORD_VERSION:
        raise ValueError(f"version must be {RECORD_VERSION}, got {content.get('version')!r}")
    values = {name: value for name, value in content.items() if name != "version"}
    cell = values.get("cell")
    if not isinstance(cell, dict):
        raise ValueError(f"cell must be an object, got {cell!r}")
    return Record(**{**values, "cell": Cell(**cell)})


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON value")


def _check_types(instance: Cell | Record) -> None:
    kind: Any = type(instance)
    for name, hint in _hints(kind).items():
        value = getattr(instance, name)
        if not _fits(value, hint):
            expected = getattr(hint, "__name__", None) if isinstance(hint, type) else str(hint)
            raise TypeError(f"{name} must be {expected}, got {value!r}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Found once: it compiles every annotation, which was most of the time that reading 10,000 records took."""
    return typing.get_type_hints(kind)


def _fits(value: object, hint: Any) -> bool:
    """Whether `value` is of the type `hint`: classes, unions, literals, and the items of list and dict."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, typing.Union):
        return any(_fits(value, option) for option in arguments)
    if origin is Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if hint in (int, float):  # a whole number is a float too, True is neither
        return isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return isinstance(value, hint)
