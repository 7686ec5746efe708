"""A description of the results that archives and libraries read: results/datapackage.json (Data Package 1.0)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from tabstep.records import store

NAME = "datapackage.json"
TYPES = {"i": "integer", "u": "integer", "f": "number", "b": "boolean", "any": "any"}
UNCOMMITTED = ("quick", "smoke", "own")  # suites whose results are a user's own
TITLE = "tabstep: tabular diffusion and its acceleration, scored per step budget"
ABOUT = """Results of the tabstep benchmark. The tables listed here are made from records, one JSON file a cell under
<suite>/runs, each with its scores, settings, seeds, commit and machine. README.md says what each folder holds."""


def describe(results: Path) -> dict[str, Any]:
    """All tables in the results, with the type of every column and the digest of every file. Raises OSError.

    Paths are relative to `results`. Suites that are not committed and models are left out.
    """
    return {
        "profile": "tabular-data-package",
        "name": "tabstep-results",
        "title": TITLE,
        "version": version("tabstep"),
        "description": " ".join(ABOUT.split()),
        "licenses": [{"name": "MIT", "path": "https://opensource.org/license/mit"}],
        "contributors": [{"title": "The tabstep authors", "role": "author"}],
        "keywords": ["tabular data", "diffusion models", "synthetic data", "benchmark"],
        "resources": [_resource(path, results) for path in _tables(results)],
    }


def _tables(results: Path) -> Iterator[Path]:
    for path in sorted(results.rglob("*.csv")):
        parts = path.relative_to(results).parts
        if parts[0] not in UNCOMMITTED and not {"models", "samples"} & set(parts):
            yield path


def _resource(path: Path, results: Path) -> dict[str, Any]:
    content = path.read_bytes()
    place = path.relative_to(results)
    return {
        "profile": "tabular-data-resource",
        "name": "-".join(place.with_suffix("").parts).lower().replace("_", "-"),
        "path": place.as_posix(),
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "schema": {"fields": _fields(path), "missingValues": [""]},
    }


def _fields(path: Path) -> list[dict[str, str]]:
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    kinds = {name: "any" if table[name].isna().all() else table[name].dtype.kind for name in table}
    return [{"name": str(name), "type": TYPES.get(kind, "string")} for name, kind in kinds.items()]


def write(results: Path) -> Path:
    """Write the description into the folder that it describes."""
    path = results / NAME
    store.replace(path, (json.dumps(describe(results), indent=1, ensure_ascii=False) + "\n").encode())
    return path
