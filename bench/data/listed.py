"""The columns of a table with what they were taken for, a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tabstep.data.columns import Column, Number, as_text
from tabstep.data.described import kind
from tabstep.data.identifiers import Identifier

MOST = 3  # categories that are shown
WIDTH = 24  # characters of a value


@dataclass(frozen=True)
class Line:
    """A column as shown: what it was taken for, which values it has, how many are missing."""

    column: str
    taken: str
    values: str
    missing: int


def lines(
    frame: pd.DataFrame,
    columns: Sequence[Column],
    identifiers: Sequence[Identifier] = (),
    dropped: Sequence[str] = (),
    constant: Mapping[str, Any] | None = None,
) -> Iterator[Line]:
    """The columns of a frame in their order."""
    known = {c.name: c for c in columns}
    ids = {each.name: each for each in identifiers}
    for name in frame.columns:
        missing = int(frame[name].isna().sum())
        if name in dropped:
            yield Line(name, "left out", "", missing)
        elif name in ids:
            yield Line(name, "ids, made anew", f"from {_cut(ids[name].example)}", missing)
        elif constant is not None and name in constant:
            yield Line(name, "constant", "" if constant[name] is None else _shown(frame[name]), missing)
        else:
            yield Line(name, kind(known[name]), _shown_by(known[name], frame[name]), missing)


def _shown_by(column: Column, values: Any) -> str:
    if isinstance(column, Number):
        read = pd.Series(column.read(values)).dropna()
        ends = column.write(pd.Series([read.min(), read.max()]))
        ends = as_text((column,), pd.DataFrame({column.name: ends}), (column.name,))[column.name]
        return f"{_cut(ends.iloc[0])} .. {_cut(ends.iloc[1])}"
    return _shown(values)


def _shown(values: Any) -> str:
    counts = values.dropna().value_counts()
    counts = counts[counts > 0]
    few = ", ".join(_cut(value) for value in counts.index[:MOST])
    return few + (", .." if len(counts) > MOST else "")


def _cut(value: Any) -> str:
    text = str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 2]}.."
