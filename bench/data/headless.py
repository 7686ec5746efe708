"""Whether the first line of a file of rows is a row itself: an export without names."""

from __future__ import annotations

import re
from collections.abc import Sequence

LOOKED_AT = 200  # rows below
FEWEST = 5
_NUMBER = re.compile(r"[-+(]?[€$£]? ?\d[\d.,' ]*[%€$£)]?")


def is_row(names: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether names look like the rows below them.

    Each that stands above numbers is a number. Beside it one that is text comes again in its column, or, where all are
    numbers, one of them has decimals: 2019, 2020 and 2021 are names of columns.
    """
    rows = [record for record in below if len(record) == len(names)]
    if len(rows) < FEWEST or not all(name.strip() for name in names):
        return False
    columns = [[cell.strip() for cell in column if cell.strip()] for column in zip(*rows, strict=True)]
    pairs = [(name.strip(), column) for name, column in zip(names, columns, strict=True) if column]
    above = [name for name, column in pairs if all(map(_NUMBER.fullmatch, column))]
    if not above or not all(map(_NUMBER.fullmatch, above)):
        return False
    texts = [(name, column) for name, column in pairs if name not in above]
    if texts:
        return any(name in column for name, column in texts)
    return any(re.search(r"\d[.,]\d", name) for name in above)
