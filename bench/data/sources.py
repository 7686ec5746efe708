"""From a card to verified rows: out of an installed package, a mirror folder or the authors' archive.

Nothing is downloaded unless an archive is named, by option or by the environment variable TABSTEP_ARCHIVE.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pooch

from tabstep.data import bounds, cards, frames, packaged, parquet
from tabstep.data.cards import Card, DataError, Rows
from tabstep.data.frames import PARTS
from tabstep.data.table import Dataset, Schema

MIRROR_VARIABLE = "TABSTEP_DATA"
ARCHIVE_VARIABLE = "TABSTEP_ARCHIVE"
MEMBER_LIMIT = 1 << 30  # bytes; the largest array of the archive has 0.2 GB


class Unreachable(Exception):
    """Rows that no configured source can supply; the harness records the set as skipped with this reason."""


def load(name: str, *, mirror: Path | None = None, archive: str | Path | None = None) -> Dataset:
    """Return the data set `name`, every row verified.

    mirror   folder with `<name>.parquet`; default: the environment variable TABSTEP_DATA
    archive  the authors' `data.tar`, a file or an http(s) address; default: TABSTEP_ARCHIVE

    An embedded table needs neither; else the mirror is asked first. Raises `Unreachable` when no source has
    the rows, and `DataError` when a source has other rows than the card says: that is never papered over by
    the next source.
    """
    return load_card(cards.find(name), mirror=mirror, archive=archive)


def load_card(card: Card, *, mirror: Path | None = None, archive: str | Path | None = None) -> Dataset:
    """Return the data set of a card; see `load`."""
    if card.embedded is not None:
        return _embedded(card)
    folder = mirror or os.environ.get(MIRROR_VARIABLE)
    address = archive or os.environ.get(ARCHIVE_VARIABLE)
    reasons = []
    if folder:
        try:
            return _mirrored(card, Path(folder))
        except Unreachable as absent:
            reasons.append(str(absent))
    elif card.mirror is not None:
        reasons.append(f"no mirror folder is set ({MIRROR_VARIABLE})")
    if address:
        try:
            return _archived(card, str(address))
        except Unreachable as absent:
            reasons.append(str(absent))
    elif card.archive:
        reasons.append(f"no archive is set ({ARCHIVE_VARIABLE})")
    raise Unreachable("; ".join(reasons) or f"the card of {card.name} names no source")


@dataclass(frozen=True)
class Check:
    """One line of `tabstep data check`; `status` is "ok", "unreachable: reason" or "MISMATCH: what"."""

    dataset: str
    task: str
    rows: str
    numeric: int
    categorical: int
    licence: str
    source: str
    status: str


def check(
    names: Iterable[str] | None = None, *, mirror: Path | None = None, archive: str | Path | None = None
) -> list[Check]:
    """Load each named set (default: all cards) and say how it went; a bad one does not stop the others."""
    found = []
    for name in cards.names() if names is None else names:
        try:
            card = cards.find(name)
        except DataError as error:
            found.append(Check(name, "", "", 0, 0, "", "", f"MISMATCH: {error}"))
            continue
        source = ""
        try:
            source = load_card(card, mirror=mirror, archive=archive).source
            status = "ok"
        except Unreachable as absent:
            status = f"unreachable: {absent}"
        except (ValueError, OSError) as error:
            status = f"MISMATCH: {error}"
        widths = len(card.numeric), len(card.categorical)
        found.append(Check(name, card.task, str(card.rows), *widths, card.licence, source, status))
    return found


def _embedded(card: Card) -> Dataset:
    """Read a table that ships inside a package, and split it by the documented rule."""
    assert card.embedded is not None
    package, table = card.embedded.package, card.embedded.table
    try:
        raw = packaged.read(package, table)
        place = f"{package} {version(package)}: {table}"
    except ImportError as error:
        raise Unreachable(f"{card.name} ships inside {package}, which is not installed ({error})") from error
    if card.embedded.sample:
        # pandas draws from the frozen RandomState stream, so the sample is the same in every version
        if card.embedded.sample > len(raw):
            raise DataError(f"{place}: expected {card.embedded.sample} rows to draw, found {len(raw)}")
        raw = raw.sample(card.embedded.sample, random_state=frames.SEED).sort_index()
    schema = _schema(card)
    with _about(place):
        frame = frames.canonical(raw, schema)
    _same(f"{place}: content", card.embedded.content, frames.digest(schema, {"all": frame}))
    target = None if schema.is_regression else frame[schema.target].to_numpy()
    positions = frames.split(len(frame), target)
    _same(f"{place}: split", card.embedded.split, frames.split_digest(positions))
    parts = frames.divide(frame, positions)
    return _verified(card, schema, parts, source=f"embedded ({place})")


def _mirrored(card: Card, folder: Path) -> Dataset:
    """Read `<name>.parquet`: features in order, `target`, `split`."""
    path = folder / f"{card.name}.parquet"
    if card.mirror is None:
        raise Unreachable(f"{card.name} is in no mirror, only in the authors' archive")
    if card.mirror.absent:
        lost = ", ".join(card.mirror.absent)
        raise Unreachable(f"the mirror has no {lost} rows of {card.name}, only the authors' archive has them")
    if not path.is_file():
        raise Unreachable(f"the mirror has no file {path}")
    bounds.check_file(path)
    content = path.read_bytes()
    _same(f"{path.name}: sha256", card.mirror.sha256, hashlib.sha256(content).hexdigest())
    bounds.check_parquet(path)
    raw = parquet.frame(content, path.name)
    _same(f"{path.name}: columns", [*card.numeric, *card.categorical, "target", "split"], list(raw.columns))
    there = [part for part in PARTS if not (card.mirror.carved and part == "val")]
    _same(f"{path.name}: values of split", sorted(there), sorted(raw["split"].unique()))
    schema = _schema(card)
    with _about(path.name):
        frame = frames.canonical(_gaps(raw.rename(columns={"target": card.target}), card), schema)
    marks = raw["split"].to_numpy()
    parts = {part: frame[marks == part].reset_index(drop=True) for part in there}
    if card.mirror.carved:
        train = parts["train"]
        target = None if schema.is_regression else train[schema.target].to_numpy()
        parts |= frames.divide(train, frames.carve(len(train), card.rows.val, target))
        parts = {part: parts[part] for part in PARTS}
    return _verified(card, schema, parts, source=f"mirror ({path.name})")


def _archived(card: Card, address: str) -> Dataset:
    """Read the arrays `data/<name>/{X_num,X_cat,y}_{train,val,test}.npy` of the authors' tar file."""
    if not card.archive:
        raise Unreachable(f"{card.name} is in no archive")
    path = _local(address)
    schema = _schema(card)
    raw = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for part in PARTS:
                raw[part] = _part(card, tar, part)
    except tarfile.TarError as error:
        raise DataError(
            f"{path}: expected a plain tar archive ({error}); delete the file and fetch it again"
        ) from error
    with _about(path.name):
        parts = {part: frames.canonical(_gaps(raw[part], card), schema) for part in PARTS}
    return _verified(card, schema, parts, source="archive (data.tar)")


def _part(card: Card, tar: tarfile.TarFile, part: str) -> pd.DataFrame:
    """Read one part; a column for every name on the card."""
    count = getattr(card.rows, part)
    columns: dict[str, np.ndarray] = {}
    for kind, wanted in (("X_num", card.numeric), ("X_cat", card.categorical), ("y", (card.target,))):
        if not wanted:
            continue
        member = f"data/{card.name}/{kind}_{part}.npy"
        array = _array(tar, member, card.archive.get(f"{kind}_{part}.npy"))
        values = array[:, None] if array.ndim == 1 else array
        _same(f"{member}: shape", (count, len(wanted)), values.shape)
        if kind == "X_cat" and values.dtype.kind != "U":
            raise DataError(f"{member}: expected fixed-width strings, found {values.dtype}")
        columns |= dict(zip(wanted, values.T, strict=True))
    return pd.DataFrame(columns)


def _array(tar: tarfile.TarFile, member: str, expected: str | None) -> np.ndarray:
    """Read one array by its exact name, verify its bytes, and only then interpret them, never as a pickle."""
    if expected is None:
        raise Unreachable(f"no sha256 of {member} is known, so it cannot be verified: use the mirror")
    try:
        entry = tar.getmember(member)
    except KeyError as error:
        raise Unreachable(f"the archive has no member {member}") from error
    if not entry.isreg() or entry.size > MEMBER_LIMIT:
        raise DataError(
            f"{member}: expected a plain file of at most {MEMBER_LIMIT} bytes, "
            f"found type {entry.type!r}, {entry.size} bytes"
        )
    stream = tar.extractfile(entry)
    assert stream is not None  # a regular file always has one
    content = stream.read()
    _same(f"{member}: sha256", expected, hashlib.sha256(content).hexdigest())
    try:
        array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError as error:
        raise Unreachable(
            f"{member} is a pickled array ({error}); pickles can run code and are not read: use the mirror"
        ) from error
    return array


def _local(address: str) -> Path:
    """Return the archive as a local file, fetched once into the user's cache where it is an address."""
    if urlsplit(address).scheme not in ("http", "https"):
        path = Path(address)
        if not path.is_file():
            raise Unreachable(f"no archive at {path}")
        return path
    name = f"{hashlib.sha256(address.encode()).hexdigest()[:12]}-data.tar"
    try:
        # no digest is known for the whole file: each array that is read is verified by its own
        fetched = pooch.retrieve(
            address, known_hash=None, fname=name, path=pooch.os_cache("tabstep"), progressbar=True
        )
    except OSError as error:
        raise Unreachable(f"{address} cannot be fetched ({error})") from error
    return Path(fetched)


def _schema(card: Card) -> Schema:
    return Schema(task=card.task, target=card.target, numeric=card.numeric, categorical=card.categorical)


def _gaps(raw: pd.DataFrame, card: Card) -> pd.DataFrame:
    """Return the frame with None for the text "nan", with which the papers' files mark a missing category."""
    return raw.assign(**{name: raw[name].astype(object).replace({"nan": None}) for name in card.categorical})


def _verified(card: Card, schema: Schema, parts: dict[str, pd.DataFrame], *, source: str) -> Dataset:
    """Assemble the parts, and hold them against the rows, the classes and the digest on the card."""
    _same(f"{card.name}: rows", card.rows, Rows(**{part: len(parts[part]) for part in PARTS}))
    if not schema.is_regression:
        classes = parts["train"][schema.target].nunique()
        if (classes == 2) != (card.task == "binclass") or classes < 2:
            raise DataError(f"{card.name}: expected a {card.task} target, found {classes} classes in train")
    dataset = frames.assemble(card.name, schema, parts, source=source)
    # the archive's arrays are verified one by one; where the mirror has other parts, their digest differs
    if card.digest and not source.startswith("archive"):
        _same(f"{card.name}: digest", card.digest, dataset.digest)
    return dataset


def _same(what: str, expected: object, found: object) -> None:
    if expected != found:
        raise DataError(f"{what}: expected {expected}, found {found}")


@contextmanager
def _about(place: str) -> Iterator[None]:
    """Name the place in a DataError raised inside."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
