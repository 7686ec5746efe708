"""What explains the numbers of one cell, and its text."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tabstep.data import plain
from tabstep.data.table import Task
from tabstep.records import schema
from tabstep.records.cell import Cell

RECORD_VERSION = 1
"""Of the text of a record: raised when a field comes, goes or means something else. A rule of `schema` that becomes
stricter raises nothing: what it refuses was never right. Another version is refused by name."""

MOST_BYTES = 2**20  # of the text of one

Status = Literal["ok", "failed", "skipped"]


class Malformed(ValueError):
    """A file that is not a whole record of this version; the message names the file and what is wrong."""


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
                     for a metric without randomness; finite; some where ok, else none. In a file each lies in the
                     range of its metric
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
        schema.check(self)
        if (self.status == "ok") != (self.reason is None):
            raise ValueError(
                f"a reason belongs to a cell that is not ok, got {self.status!r} and {plain.shown(self.reason)}"
            )
        if (self.status == "ok") != bool(self.scores):
            raise ValueError(
                f"scores belong to a cell that is ok, got {self.status!r} and {len(self.scores)} scores"
            )
        for metric, values in self.scores.items():
            if not values or len(values) not in (1, len(self.eval_seeds)):
                raise ValueError(
                    f"{metric} must have one value for each of {len(self.eval_seeds)} evaluator seeds, or a "
                    f"single one, got {len(values)}"
                )


def encode(record: Record) -> bytes:
    """The text of a record. Raises ValueError where it is too long, or a score outside its range."""
    schema.check_ranges(record.scores)
    text = json.dumps({"version": RECORD_VERSION, **asdict(record)}, indent=1, allow_nan=False) + "\n"
    if len(text) > MOST_BYTES:
        raise ValueError(f"a record of {len(text)} bytes, more than {MOST_BYTES}: {record.cell.path}")
    return text.encode()


def decode(text: str | bytes) -> Record:
    """A record from its text. Raises ValueError or TypeError for any other."""
    content = plain.parse(text)
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, got {plain.kind(content)}")
    if content.get("version") != RECORD_VERSION or isinstance(content["version"], bool):
        raise ValueError(f"version must be {RECORD_VERSION}, got {plain.shown(content.get('version'))}")
    values = {name: value for name, value in content.items() if name != "version"}
    record: Record = _build(
        Record, {**values, "cell": _build(Cell, values.get("cell"), "cell")}, "the record"
    )
    schema.check_ranges(record.scores)
    return record


def _build(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be an object, got {plain.kind(values)}")
    known = kind.__dataclass_fields__
    unknown, lacking = [n for n in values if n not in known], [n for n in known if n not in values]
    if unknown or lacking:
        said = f"has no field {plain.shown(unknown[0])}" if unknown else f"lacks the field {lacking[0]}"
        raise ValueError(f"{where} {said}")
    return kind(**values)
