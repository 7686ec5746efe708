"""What a user holds fixed in rows: checked against the training rows, and turned into masks of encoded ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import frames
from tabstep.data.columns import Category, Column
from tabstep.data.completion import MISSING, Completion, companion
from tabstep.data.encode import Encoder
from tabstep.data.spans import Span


@dataclass(frozen=True, eq=False)
class Given:
    """Complete rows in which only some columns count.

    rows     (n, ...) of the completion's inner schema; what does not count holds some valid value
    has_x    (n, d_num) bool, which encoded numbers count
    has_c    (n, d_c) bool, which encoded categories count
    """

    rows: pd.DataFrame
    has_x: np.ndarray
    has_c: np.ndarray


def given(
    columns: Sequence[Column],
    completion: Completion,
    encoder: Encoder,
    rows: pd.DataFrame,
    fixed: Sequence[str],
    spans: Sequence[Span] = (),
) -> Given:
    """Read the columns `fixed` of a user's rows; the others need not be there.

    Raises ValueError that names the column for one that is absent, and for a value unlike those of training rows:
    another category, a number out of range or not whole, a gap where there were none. What lies between two columns
    that are fixed counts where training rows have such a span.
    """
    if not len(rows):
        raise ValueError("there are no rows")
    known = {c.name: c for c in columns}
    absent = [name for name in fixed if name not in rows.columns]
    if absent:
        raise ValueError(f"the rows lack the column {absent[0]!r}")
    ranges = encoder.ranges
    schema = completion.schema
    canonical: dict[str, Any] = {}
    for name in schema.columns:
        if name not in fixed:
            canonical[name] = [_any(name, completion, encoder, ranges)] * len(rows)
            continue
        values = known[name].read(known[name].like(rows[name]))
        if name in completion.constant:
            _check_constant(known[name], values, completion)
        elif name in schema.numbers:
            _check_numbers(known[name], values, ranges[name], gaps=name in completion.gaps)
            if name in schema.integer and not np.isnan(values.astype(float)).any():
                values = frames.int64(values)
        else:
            allowed = encoder.classes if name == schema.target else encoder.categories[name]
            _check_labels(name, values, allowed)
        canonical[name] = values
    frame = pd.DataFrame(canonical)
    numbers = [*encoder.numbers, *encoder.levels]
    counts = {name: ~pd.isna(frame[name]).to_numpy() & (name in fixed) for name in numbers}
    for span in spans:
        if set(span.parts) <= set(fixed):
            between, (low, high) = span.between(columns, frame), ranges[span.name]
            counts[span.name] = (between >= low) & (between <= high)
            shown = np.where(counts[span.name], between, low)
            frame[span.name] = frames.int64(shown) if span.name in schema.integer else shown
    inner = completion.forward(frame, fill=encoder.middles)
    has_x = [counts[name] for name in encoder.numbers]
    of = {companion(name): name for name in completion.gaps}
    full = {name: np.full(len(rows), of.get(name, name) in fixed) for name in encoder.categories}
    has_c = [(full | counts)[name] for name in encoder.coded]
    return Given(inner, _stack(has_x, len(rows)), _stack(has_c, len(rows)))


def _stack(parts: list[np.ndarray], n: int) -> np.ndarray:
    return np.stack(parts, 1) if parts else np.empty((n, 0), dtype=bool)


def _any(name: str, completion: Completion, encoder: Encoder, ranges: dict[str, tuple[float, float]]) -> Any:
    if name in completion.constant:
        return completion.constant[name]
    if name in ranges:
        return ranges[name][0]
    return (encoder.classes if name == completion.schema.target else encoder.categories[name])[0]


def _check_constant(column: Column, values: Any, completion: Completion) -> None:
    only = completion.constant[column.name]
    for value in values:
        gap = value is None or value != value
        if gap and (only is None or column.name in completion.gaps):
            continue
        if gap or value != only:
            shown, known = (
                "missing" if v is None else written(column, v) for v in (None if gap else value, only)
            )
            raise ValueError(f"{column.name} = {shown}: it is {known} in all training rows")


def written(column: Column, value: Any) -> Any:
    """A canonical value as its user has it; a label that is not the column's as it is."""
    if isinstance(column, Category):
        return column.values.get(value, value)
    return column.write(pd.Series([value])).iloc[0]


def _check_numbers(column: Column, values: np.ndarray, ends: tuple[float, float], *, gaps: bool) -> None:
    name = column.name
    shown = values[~np.isnan(values)]
    if len(shown) < len(values) and not gaps:
        raise ValueError(f"{name} is missing in {len(values) - len(shown)} rows; in no training row it is")
    low, high = ends
    outside = shown[(shown < low) | (shown > high)]
    if len(outside):
        value, low, high = (written(column, v) for v in (outside[0], low, high))
        raise ValueError(f"{name} = {value}: training rows lie within {low} .. {high}")


def _check_labels(name: str, values: np.ndarray, allowed: Sequence[str]) -> None:
    for value in pd.unique(pd.Series(values, dtype=object)):
        label = MISSING if value is None else value
        if label not in allowed:
            shown = [v for v in allowed if v != MISSING]
            few = ", ".join(shown[:10]) + (", ..." if len(shown) > 10 else "")
            raise ValueError(f"{name} = {'missing' if value is None else value}: training rows have {few}")
