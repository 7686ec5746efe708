"""What is carried home from a machine without internet: archives that are no larger than the way home lets through.

Unpacked into `results/` of a checkout they lie where a run there would have put them.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAID = "said.json"  # how the steps and tables of a check ended
HEAD = 3 * 512  # bytes that an archive adds to a file: its header, and padding
File = tuple[Path, Path]  # where it lies, and its name in the archive


def packed(sizes: Sequence[int], part: int, parts: int) -> list[list[int]]:
    """Which items go into which archive: in their order, each into the first with room; what fits into none is left.

    sizes  bytes of each item; part  the most bytes of an archive; parts  the most archives
    """
    room: list[int] = []
    found: list[list[int]] = []
    for i, size in enumerate(sizes):
        place = next((k for k, free in enumerate(room) if size <= free), len(room))
        if place == len(room):
            if len(room) == parts or size > part:
                continue
            room.append(part)
            found.append([])
        room[place] -= size
        found[place].append(i)
    return found


@dataclass(frozen=True)
class Home:
    """Archives in `out` of what lies in `results`, which has a folder for each table and the name of the device.

    part, parts  the most bytes of an archive, and the most archives, of rows
    """

    results: Path
    out: Path
    tables: Sequence[str]
    part: int
    parts: int

    @property
    def checks(self) -> Path:
        """Where logs and what is said go."""
        return self.results / "checks" / self.results.name

    def drawn(self, table: str) -> list[Path]:
        """Whole files of rows of a table, oldest first: rows count when what is known of them stands beside."""
        there = (self.results / table).glob("*/samples/**/*.parquet")
        whole = [path for path in there if path.with_suffix(".json").is_file()]
        return sorted(whole, key=lambda path: (path.stat().st_mtime_ns, path))

    def pack(self, said: Mapping[str, Any]) -> list[Path]:
        """Write `check.tar`, with what was said and the logs, and `rows-1.tar`, ...; return the rows that fit in none.

        Of every table the first rows come first. Archives are made anew, each whole or not at all.
        """
        self.checks.mkdir(parents=True, exist_ok=True)
        fresh = self.checks / f"{SAID}.tmp"
        fresh.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.checks / SAID)
        kept = [path for name in ("checks", "perf") for path in sorted((self.results / name).rglob("*"))]
        logs = [path for name in self.tables for path in (self.results / name).glob("*/logs/**/*.log")]
        place = Path("checks", self.results.name)
        files = [(path, path.relative_to(self.results)) for path in kept if path.is_file()]
        self._write("check.tar", [*files, *((p, place / p.relative_to(self.results)) for p in sorted(logs))])
        units = self._units()
        sizes = [sum(path.stat().st_size + HEAD for path, _ in unit) for unit in units]
        chosen = packed(sizes, self.part - 20 * 512, self.parts)  # an archive ends with up to 20 empty blocks
        for number, items in enumerate(chosen, start=1):
            self._write(f"rows-{number}.tar", [file for i in items for file in units[i]])
        taken = {i for items in chosen for i in items}
        return [unit[0][1] for i, unit in enumerate(units) if i not in taken]

    def _units(self) -> list[list[File]]:
        """Rows and what is known of them, which go together: the first of each table, then the second, ..."""
        found = [
            (turn, [(p, p.relative_to(self.results / table)) for p in (path, path.with_suffix(".json"))])
            for table in self.tables
            for turn, path in enumerate(self.drawn(table))
        ]
        return [unit for _, unit in sorted(found, key=lambda each: each[0])]

    def _write(self, name: str, files: Sequence[File]) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        fresh = self.out / f"{name}.tmp"
        with tarfile.open(fresh, "w") as tar:
            for path, inside in files:
                tar.add(path, inside)
        fresh.replace(self.out / name)
