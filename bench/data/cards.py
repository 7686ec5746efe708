"""The card of a data set: where its rows come from, what its columns mean, and the digests that pin them."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import tomli_w

from tabstep.data import plain
from tabstep.data.table import TASKS, Task
from tabstep.shipped import shipped

CARDS_VARIABLE = "TABSTEP_CARDS"
MOST_BYTES = 2**22  # of a card; one column takes some tens
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f.][^/\\\x00-\x1f\x7f]{0,127}")  # stays in its folder


class DataError(ValueError):
    """Data that are not what was promised: says where, what was expected and what was found."""


def suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return the known names, closest first, as the end of an error message."""
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else f"known: {', '.join(known)}"


@dataclass(frozen=True)
class Rows:
    """Rows in each part."""

    train: int
    val: int
    test: int

    def __str__(self) -> str:
        return f"{self.train}/{self.val}/{self.test}"


@dataclass(frozen=True)
class Embedded:
    """A table inside an installed package, split here by the documented rule.

    sample   rows drawn without replacement (seed 0, original order kept) before the split; 0 takes all
    content  SHA-256 of the drawn table: columns, roles, types and values
    split    SHA-256 of the row positions of train, val and test
    """

    package: str
    table: str
    content: str
    split: str
    sample: int = 0


@dataclass(frozen=True)
class Mirror:
    """One Parquet file in a folder.

    absent  parts that the file does not hold, and that nothing else gives
    carved  the paper has no validation part: the card's number of them is taken out of the file's training rows
    """

    sha256: str
    absent: tuple[str, ...] = ()
    carved: bool = False


@dataclass(frozen=True)
class Card:
    """What is known of a data set before its rows are read.

    numeric, categorical  feature columns in canonical order
    digest                expected `Dataset.digest`, of the embedded or mirrored rows; "" if unknown
    authors_split         whether train, val and test are those of the paper that used the set
    archive               SHA-256 of the authors' arrays, by file name; empty where there is no archive
    """

    name: str
    source: str
    url: str
    licence: str
    citation: str
    task: Task
    target: str
    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    rows: Rows
    authors_split: bool
    notes: str = ""
    digest: str = ""
    embedded: Embedded | None = None
    mirror: Mirror | None = None
    archive: Mapping[str, str] = field(default_factory=dict)


def folder() -> Path:
    """Return the folder of cards: TABSTEP_CARDS of the environment, else those that come with the package."""
    chosen = os.environ.get(CARDS_VARIABLE)
    path = Path(chosen) if chosen else shipped("datasets")
    if not path.is_dir():
        raise DataError(
            f"no folder of cards at {path}; set {CARDS_VARIABLE} to one, or unset it for those of the package"
        )
    return path


def names() -> tuple[str, ...]:
    """Return the names of all cards, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.toml")))


def find(name: str) -> Card:
    """Return the card called `name`. Raises DataError, with close names, when there is none."""
    known = names()
    if name not in known:
        raise DataError(f"no data set {name!r}: {suggest(name, known)}")
    card = read(folder() / f"{name}.toml")
    if card.name != name:
        raise DataError(f"{name}.toml: is the card of {card.name!r}; the file has the name of its data set")
    return card


def read(path: Path) -> Card:
    """Read one card. Raises DataError when it is not well formed."""
    try:
        return parse(tomllib.loads(plain.content(path, most_bytes=MOST_BYTES).decode("utf-8")))
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise DataError(f"{path.name}: nested too deep") from error
    except ValueError as error:  # broken TOML, broken UTF-8, or a card that `parse` refuses
        raise DataError(f"{path.name}: {plain.cleaned(str(error), 500)}") from error


def parse(record: Mapping[str, Any]) -> Card:
    """Turn the content of a TOML file into a card. Raises DataError for unknown, missing or odd fields."""
    values = dict(record)
    values["rows"] = _build(Rows, values.get("rows"), "rows")
    if "embedded" in values:
        values["embedded"] = _build(Embedded, values["embedded"], "embedded")
    if "mirror" in values:
        values["mirror"] = _build(Mirror, values["mirror"], "mirror")
    card: Card = _build(Card, values, "the card")
    if not _NAME.fullmatch(card.name):
        raise DataError(f"name must be a file's, without a folder, found {plain.shown(card.name)}")
    if card.task not in TASKS:
        raise DataError(f"task must be one of {', '.join(TASKS)}, found {card.task!r}")
    columns = [*card.numeric, *card.categorical, card.target]
    repeated = sorted({c for c in columns if columns.count(c) > 1})
    if repeated:
        raise DataError(f"each column has one role; named more than once: {', '.join(repeated)}")
    return card


def text(card: Card) -> str:
    """Return the card as TOML: fields in the order of `Card`, without those that have their default."""
    return tomli_w.dumps(_plain(card))


def _plain(record: Any) -> dict[str, Any]:
    found = {}
    for each in fields(record):
        value = getattr(record, each.name)
        optional = each.default is not MISSING or each.default_factory is not MISSING
        if optional and not value:  # every default is empty, and TOML has no null
            continue
        found[each.name] = _plain(value) if is_dataclass(value) else value
    return found


def _build(kind: type[Any], values: Any, where: str) -> Any:
    """Make a record of `kind`, checking names and types against its annotations."""
    if not isinstance(values, Mapping):
        raise DataError(f"{where}: expected a table of fields, found {plain.shown(values)}")
    known = {f.name: f for f in fields(kind)}
    unknown = [key for key in values if key not in known]
    if unknown:
        raise DataError(
            f"{where}: unknown field {plain.shown(unknown[0])}: {suggest(unknown[0], list(known))}"
        )
    arguments = {}
    for key, value in values.items():
        declared = str(known[key].type)
        if declared.startswith("tuple"):
            fits = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
            value = tuple(value) if fits else value
        elif declared.startswith("Mapping"):
            fits = isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
        elif declared in ("str", "Task"):
            fits = isinstance(value, str)
        elif declared == "bool":
            fits = isinstance(value, bool)
        elif declared == "int":
            fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= plain.WHOLE
        else:
            fits = True  # a record, built by the caller
        if not fits:
            raise DataError(f"{where}: {key} must be {declared}, found {plain.shown(value)}")
        arguments[key] = value
    try:
        return kind(**arguments)
    except TypeError as error:
        missing = [key for key in known if key not in values]
        raise DataError(f"{where}: missing field among {', '.join(missing)}") from error
