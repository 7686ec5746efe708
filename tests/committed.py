"""The records that are committed, read once for all tests of a process: reading takes longer than most tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tabstep.records.gather import gather
from tabstep.records.store import Record

RESULTS = Path(__file__).resolve().parents[1] / "results"


@cache
def records(suite: str) -> tuple[Record, ...]:
    """Those of a suite that count."""
    return tuple(gather(RESULTS / suite / "runs")[0])
