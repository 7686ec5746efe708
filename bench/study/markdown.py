"""Lines of Markdown for the pages of studies: prose filled to a width, and tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

WIDTH = 120


def reflow(lines: Iterable[str]) -> list[str]:
    """Lines of Markdown with prose filled to `WIDTH`; headings, tables and pictures as they are."""
    out: list[str] = []
    for prose, block in groupby(lines, key=lambda line: bool(line) and line[0] not in "#|!"):
        text = list(block)
        out += textwrap.wrap(" ".join(text), WIDTH, break_on_hyphens=False) if prose else text
    return out


def pipes(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows as the lines of a Markdown table, with the columns of all of them."""
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    return lines + ["| " + " | ".join(str(row.get(name, "")) for name in columns) + " |" for row in listed]
