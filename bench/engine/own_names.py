"""Which file a name means in a folder of results: two of one name in different folders are not one dataset."""

from __future__ import annotations

import json
from pathlib import Path

from tabstep.data import plain
from tabstep.data.replacing import replace
from tabstep.engine.filters import Refused
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source

TABLES = "tables.json"


def claim(source: Source, folder: Folder) -> None:
    """Write down that the name of a user's table means its file. Raises `Refused` where it means another one.

    The same file after an edit, the same rows in another place, and a file in the place of one that is gone may have
    the name; records of other rows are then told apart by their digest.
    """
    assert source.file is not None
    path, digest = folder.root / TABLES, source.load().digest
    known = _known(path)
    held = known.get(source.name)
    other = held is not None and held["digest"] != digest and held["file"] != str(source.file)
    if held is not None and other and Path(held["file"]).exists():
        raise Refused(
            f"{source.name} means {held['file']} in {folder.root}, and {source.file} holds other rows: rename "
            "one of them, or choose another --results"
        )
    if held != (now := {"file": str(source.file), "digest": digest}):
        replace(path, json.dumps(known | {source.name: now}, indent=1).encode())


def _known(path: Path) -> dict[str, dict[str, str]]:
    """What is written there; nothing where it is damaged."""
    try:
        found = plain.table(path)
    except (OSError, plain.NotPlain):
        return {}
    return {
        name: held
        for name, held in found.items()
        if isinstance(held, dict)
        and held.keys() == {"file", "digest"}
        and all(isinstance(value, str) for value in held.values())
    }
