"""What records and rows from elsewhere must be, beyond what every record is: related to data known here."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tabstep.data import cards, plain
from tabstep.data.cards import DataError
from tabstep.metrics import facts
from tabstep.records import store
from tabstep.records.store import Malformed, Record
from tabstep.sharing.bundle import PART, Rejected, check_time, clean_text, value_of
from tabstep.suites import SUITES

SAMPLE_ROWS = 100  # of each cell, in a bundle
_DIGEST = re.compile(r"[0-9a-f]{64}")


def record_of(place: str, content: bytes) -> Record:
    """The record in a file of a bundle. Raises Rejected."""
    value_of(place, content)
    try:
        record = store.parse(content)
    except Malformed as error:
        raise Rejected(f"{place}: {error}") from error
    if PurePosixPath(place) != PurePosixPath("records") / record.cell.path:
        raise Rejected(f"{place}: holds the record of another cell, {record.cell.path}")
    check(place, record)
    return record


def check(place: str, record: Record) -> None:
    """Raise Rejected unless a record from elsewhere may stand beside ours."""
    cell = record.cell
    for field in ("suite", "dataset", "method", "params", "sampler", "grid"):
        name = getattr(cell, field)
        if name is not None and not re.fullmatch(PART, name):
            raise Rejected(f"{place}: {field} must begin with a letter or digit, got {name!r}")
    if cell.suite not in SUITES and cell.suite != "scored":
        raise Rejected(f"{place}: unknown suite {cell.suite!r}")
    _check_data(place, record)
    check_time(place, record.created)
    # A path that is stopped at the time 0 has nothing to evaluate; only such a sampler may say so.
    none = record.nfe is None or (record.nfe == 0 and not (cell.sampler or "").startswith("es-"))
    if record.status == "ok" and cell.steps is not None and none:
        raise Rejected(f"{place}: {cell.steps} steps without a network evaluation")
    for metric in record.scores:
        if facts.known(metric) is None:
            raise Rejected(f"{place}: unknown score {plain.shown(metric)}")


def _check_data(place: str, record: Record) -> None:
    """Whatever came of the cell: a digest that fits the name, or none where the data were never loaded."""
    name, digest = record.cell.dataset, record.dataset_digest
    try:
        card = cards.find(name)
    except DataError as error:
        raise Rejected(f"{place}: {error}") from error
    if card.task != record.task:
        raise Rejected(f"{place}: {name} is {card.task}, not {record.task}")
    if digest is None:
        if record.status == "ok":
            raise Rejected(f"{place}: ok, but without the digest of its data")
    elif not _DIGEST.fullmatch(digest):
        raise Rejected(f"{place}: dataset_digest is no SHA-256, {plain.shown(digest)}")
    elif card.digest and digest != card.digest:
        raise Rejected(f"{place}: scored on other data than {name}: the digest is not that of its card")


def notes(record: Record) -> Iterator[str]:
    """What is odd without being wrong."""
    for metric, values in record.scores.items():
        if metric.endswith(("f1_macro", "r2", "accuracy")) and min(values) >= 1:
            yield f"{metric} is perfect"
    if record.env.get("dirty"):
        yield "made with uncommitted changes in the code"


def check_rows(place: str, content: bytes, record: Record | None) -> None:
    """Raise Rejected unless a file holds a few rows with the columns of the record's data, of harmless texts."""
    if record is None:
        raise Rejected(f"{place}: rows of no cell in the bundle")
    card = cards.find(record.cell.dataset)
    columns = [*card.numeric, *card.categorical, card.target]
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if next(lines, []) != columns:
            raise Rejected(f"{place}: its columns are not those of {card.name}")
        for number, values in enumerate(lines, start=1):
            if number > SAMPLE_ROWS:
                raise Rejected(f"{place}: more than {SAMPLE_ROWS} rows")
            if len(values) != len(columns):
                raise Rejected(f"{place}: row {number} has {len(values)} values, not {len(columns)}")
            for value in values:
                clean_text(place, value)
    except (UnicodeDecodeError, csv.Error) as error:
        raise Rejected(f"{place}: not a CSV file: {plain.cleaned(str(error), 200)}") from error
