"""Drawn rows on disk: a Parquet file and beside it what they cost and what they are of, verified when read."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.data import bounds, parquet, plain
from tabstep.data.cards import DataError
from tabstep.data.table import Schema
from tabstep.records import store

VERSION = 2  # raise when the files of the same rows look different


@dataclass(frozen=True)
class Cost:
    """What has been paid so far for a cell."""

    fit_s: float | None = None
    prepare_s: float | None = None
    sample_s: float | None = None
    nfe: float | None = None
    peak_bytes: int | None = None


@dataclass(frozen=True)
class Drawn:
    """What is known of drawn rows beside the rows.

    key     hash of everything that determines them
    cost    of the fit, the preparation and the draw
    scores  scores that were taken while the model was at hand
    fitted  commit, time and device of the model, where it was kept
    path    times of the sampler's network evaluations, from the noisiest down to 0; empty for methods without steps
    env     `tabstep.records.provenance.environment()` of the draw, with the device
    """

    key: str
    cost: Cost
    env: Mapping[str, Any]
    created: str
    scores: Mapping[str, float] = field(default_factory=dict)
    fitted: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[int, ...] = ()


KINDS: dict[str, Any] = {
    **dict.fromkeys(("digest", "key", "created"), str),
    **dict.fromkeys(("cost", "env", "scores", "fitted"), dict),
    "path": list,
}


class Missing(Exception):
    """There are no such rows; the message says why not."""


def write(path: Path, rows: pd.DataFrame, drawn: Drawn) -> None:
    """Put rows at `path` and what is known of them beside it; without the second file the first does not count."""
    buffer = io.BytesIO()
    rows.to_parquet(buffer, compression="zstd", index=False)
    content = buffer.getvalue()
    facts = {"version": VERSION, "digest": hashlib.sha256(content).hexdigest(), **asdict(drawn)}
    store.replace(path, content)
    store.replace(_facts(path), (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())


def known(path: Path) -> dict[str, Any]:
    """What is written beside the rows. Raises `Missing`."""
    try:
        version = plain.table(_facts(path)).get("version")
        if version != VERSION:
            raise Missing(f"the rows were written in version {plain.shown(version)}, this is {VERSION}")
        facts = plain.shaped(_facts(path), KINDS)
        if not set(facts["cost"]) <= set(Cost.__dataclass_fields__):
            raise plain.NotPlain("cost has other fields")
        numbers = [v for v in (*facts["cost"].values(), *facts["scores"].values()) if v is not None]
        if not all(isinstance(v, int | float) for v in numbers):
            raise plain.NotPlain("a cost or a score is no number")
        if not all(isinstance(t, int) for t in facts["path"]):
            raise plain.NotPlain("a time of the path is no whole number")
    except FileNotFoundError:
        raise Missing("no rows were drawn") from None
    except (plain.NotPlain, OSError) as error:
        raise Missing(f"{_facts(path).name} is not whole: {error}") from None
    return facts


def verified(path: Path, key: str) -> tuple[bytes, dict[str, Any]]:
    """The file of rows drawn under `key` and what is written beside it. Raises `Missing`."""
    facts = known(path)
    if facts["key"] != key:
        raise Missing("the rows there were drawn with other settings, data or code")
    try:
        content = path.read_bytes()
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        raise Missing(f"{path.name} {'is gone' if gone else f'cannot be read: {error.strerror}'}") from None
    if hashlib.sha256(content).hexdigest() != facts["digest"]:
        raise Missing(f"{path.name} is damaged: its digest is not the one that was written down")
    return content, facts


def there(path: Path, key: str) -> bool:
    """Whether rows drawn under `key` are there, and whole."""
    try:
        verified(path, key)
    except Missing:
        return False
    return True


def trained_on(path: Path, key: str) -> str | None:
    """The device that trained the network of the rows drawn under `key`; None where that is not said."""
    try:
        facts = known(path)
    except Missing:
        return None
    on = facts["fitted"].get("on")
    return on if facts["key"] == key and isinstance(on, str) else None


def kept(path: Path, schema: Schema) -> pd.DataFrame:
    """The rows there, whatever determined them. Raises `Missing` where there are none, or damaged ones."""
    return read(path, known(path)["key"], schema)[0]


def read(path: Path, key: str, schema: Schema) -> tuple[pd.DataFrame, Drawn]:
    """The rows drawn under `key`, as they were. Raises `Missing` where there are none, others, or damaged ones."""
    content, facts = verified(path, key)
    try:
        bounds.check_parquet(path)
        rows = parquet.frame(content, path.name)
    except (DataError, OSError) as error:
        raise Missing(f"{path.name} cannot be read: {error}") from None
    if list(rows.columns) != list(schema.columns):
        raise Missing(f"{path.name} has other columns than the data")
    for name in schema.labels:  # Parquet has one kind of gap, and gives it back as None
        rows[name] = rows[name].astype(object).where(rows[name].notna(), None)
    cost = Cost(**facts["cost"])
    more = {name: facts[name] for name in ("env", "created", "scores", "fitted")}
    return rows, Drawn(key, cost, **more, path=tuple(facts["path"]))


def _facts(path: Path) -> Path:
    return path.with_suffix(".json")
