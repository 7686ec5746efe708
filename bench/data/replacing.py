"""One file in the place of another, as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4


def replace(path: Path, content: bytes) -> None:
    """Let `path` hold `content`, so that a reader, or a crash, sees the old file or the new one.

    Raises FileExistsError where something other than a plain file is in the place: a device such as /dev/null would be
    gone for the whole machine.
    """
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is no plain file and is not replaced; name another one")
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
