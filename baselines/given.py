"""Rows that someone else drew: nothing is fitted here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabstep.contracts import Unsupported
from tabstep.data.table import Schema


@dataclass(frozen=True)
class Given:
    """Rows of a file, known by their SHA-256; how they were made is not known here."""

    sha256: str = ""

    def fit(self, train: pd.DataFrame, schema: Schema, *, seed: int, device: str = "cpu") -> Any:
        """There is nothing to fit; raises Unsupported."""
        raise Unsupported("rows of a file cannot be drawn again; give the file to `tabstep score --rows`")
