"""The folder of a suite's results. Nothing here needs torch: reports are made of what lies there alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tabstep.engine.job import Job
    from tabstep.records.store import Cell


@dataclass(frozen=True)
class Folder:
    """The folder of a suite's results and the places in it."""

    root: Path

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def model(self, job: Job) -> Path:
        return self.root / "models" / job.fit_key

    @property
    def apart(self) -> Path:
        """Where processes of methods from outside work."""
        return self.root / "apart"

    def rows(self, cell: Cell) -> Path:
        return (self.root / "samples" / cell.path).with_suffix(".parquet")

    def log(self, cell: Cell) -> Path:
        return (self.root / "logs" / cell.path).with_suffix(".log")
