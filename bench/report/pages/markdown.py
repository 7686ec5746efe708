"""Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence


def table_of(rows: Sequence[dict[str, str]], right: Sequence[str] = ()) -> list[str]:
    """The lines of a table, the columns of `right` to the right; a line break in a cell would end it, and is none."""
    columns = list(rows[0])
    rule = ["---:" if column in right else "---" for column in columns]
    body = [[" ".join(row[column].replace("|", "\\|").split()) for column in columns] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in (columns, rule, *body)]
