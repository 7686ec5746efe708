"""What drawn rows are to meet: a value, one of several, a range; checked against the training rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from tabstep.api import asked
from tabstep.api.ends import counted
from tabstep.data.columns import Category, Column
from tabstep.data.completion import Completion
from tabstep.data.encode import Encoder
from tabstep.data.fixed import given
from tabstep.data.frames import label
from tabstep.data.wishes import refuse


@dataclass(frozen=True)
class Condition:
    """A condition on one column.

    said    in words, such as `age in 18 .. 30`
    values  canonical values that are accepted, None for a gap; none for a range
    ends    of a range, both accepted
    """

    column: Column
    said: str
    values: tuple[Any, ...] = ()
    ends: tuple[float, float] = (-math.inf, math.inf)

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def is_point(self) -> bool:
        """Whether one value alone is accepted."""
        return len(self.values) == 1

    @property
    def written(self) -> Any:
        """The accepted values as the user has them (a Series)."""
        if isinstance(self.column, Category):
            return self.column.write(pd.Series(self.values, dtype=object))
        return self.column.write(pd.Series([math.nan if v is None else v for v in self.values]))

    def holds(self, rows: pd.DataFrame) -> np.ndarray:
        """Which of the user's rows meet it, (n,) bool."""
        found = self.column.read(rows[self.name])
        gap = np.asarray(pd.isna(found))
        if not self.values:
            low, high = self.ends
            met: np.ndarray = (found >= low) & (found <= high)
            return met
        here = [value for value in self.values if value is not None]
        if isinstance(self.column, Category):
            among = np.asarray(pd.Series(found, dtype=object).isin(here))
        else:
            among = np.isin(found, here)
        return (among & ~gap) | (gap if None in self.values else np.zeros_like(gap))


def read(
    where: Mapping[str, Any] | None,
    columns: Sequence[Column],
    completion: Completion,
    encoder: Encoder,
    ids: Collection[str] = (),
) -> tuple[Condition, ...]:
    """The conditions of a call: {"class": "fraud", "city": ["Oslo", "Rome"], "due": (None, "2024-06-30")}.

    A tuple of two is a range of numbers or dates with both ends, None an open one, and so is a period of pandas; a list
    or a set are values of which each will do; anything else is one value, None a gap. Raises ValueError that names the
    column for what no training row has, and for one of `ids`, which are made anew.
    """
    if where is not None and not isinstance(where, Mapping):
        raise ValueError(
            f"where must be columns with their values, such as {{'age': (18, 30)}}, got {where!r}"
        )
    known = {c.name: c for c in columns}
    found, faults = [], []
    for name, wanted in dict(where or {}).items():
        try:
            column = asked.one_column("where", name, known, ids)
            if _is_coarse(column, wanted):
                wanted = (wanted, wanted)
            one = _range if isinstance(wanted, tuple) else partial(_values, columns)
            found.append(one(column, wanted, completion, encoder))
        except ValueError as error:
            faults.append(str(error))
    refuse(faults)
    return tuple(found)


def _values(
    columns: Sequence[Column], column: Column, wanted: Any, completion: Completion, encoder: Encoder
) -> Condition:
    name = column.name
    several = isinstance(wanted, list | set | frozenset | range | np.ndarray | pd.Series | pd.Index)
    values = list(wanted) if several else [wanted]
    if not values:
        raise ValueError(f"where: {name!r} is given no value")
    series = pd.Series([_told(value) for value in values], dtype=object)
    given(columns, completion, encoder, pd.DataFrame({name: series}), [name])
    canonical = _canonical(column, series)
    plain = tuple(dict.fromkeys(None if pd.isna(v) else v for v in canonical.tolist()))
    said = " or ".join("missing" if pd.isna(v) else str(v) for v in values)
    return Condition(column, f"{name} = {said}", plain)


def _is_coarse(column: Column, value: Any) -> bool:
    """Whether a value is a period that many of a column's times lie in."""
    if not isinstance(value, pd.Period) or isinstance(column, Category):
        return False
    return column.form.dtype != f"period[{value.freqstr}]"


def _told(value: Any) -> Any:
    """A value as it is printed: 0.12 in single precision is no other number than 0.12."""
    return float(str(value)) if isinstance(value, np.floating) else value


def _canonical(column: Column, values: Any) -> np.ndarray:
    """What values are to a method. Raises ValueError for one that the column cannot hold, and no row would have."""
    alike = column.like(values)
    found = np.asarray(column.read(alike))
    if isinstance(column, Category) or column.span is not None:
        return found
    back = column.write(pd.Series(found))
    for asked_for, meant, drawn in zip(values, alike, back, strict=True):
        if not pd.isna(meant) and meant != drawn:
            kind = "" if column.shown is None else f" ({column.shown})"
            raise ValueError(f"where: {column.name} = {asked_for} is in no row; near it is {drawn}{kind}")
    return found


def _range(column: Column, wanted: tuple[Any, ...], completion: Completion, encoder: Encoder) -> Condition:
    name = column.name
    if isinstance(column, Category):
        raise ValueError(
            f"where: {name!r} holds categories, which have no range; give a list, where={{{name!r}: {list(wanted)!r}}}"
        )
    if len(wanted) != 2 or wanted == (None, None):
        raise ValueError(
            f"where: the range of {name!r} must be (low, high), one of which may be None, got {wanted!r}"
        )
    low = -math.inf if wanted[0] is None else counted(column, _told(wanted[0]), "low")
    high = math.inf if wanted[1] is None else counted(column, _told(wanted[1]), "high")
    said = f"{name} in {'' if wanted[0] is None else wanted[0]} .. {'' if wanted[1] is None else wanted[1]}"
    if low == high + 1 and column.shown is not None and counted(column, _told(wanted[0]), "high") <= high:
        raise ValueError(f"where: {said} is in no row, it lies between two values ({column.shown})")
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"where: {said} is no range, its ends are out of order")
    constant = completion.constant.get(name, math.nan)
    if constant is None:
        raise ValueError(f"where: {name!r} is missing in all training rows")
    first, last = encoder.ranges[name] if math.isnan(constant) else (constant, constant)
    if low > last or high < first:
        shown = [column.write(pd.Series([v])).iloc[0] for v in (first, last)]
        raise ValueError(f"where: {said}: training rows lie within {shown[0]} .. {shown[1]}")
    return Condition(column, said, ends=(low, high))


def written(texts: Sequence[str], columns: Sequence[Column], ids: Collection[str] = ()) -> dict[str, Any]:
    """The conditions of a command line, as `read` takes them: `class=fraud`, `age=18..30`, `due=..2024-06-30`.

    A column that is named several times may have each of the values. Raises ValueError.
    """
    known = {c.name: c for c in columns}
    found: dict[str, list[Any]] = {}
    for text in texts:
        # A name may hold the sign: the longest column that fits is meant.
        names = [name for name in known if text.startswith(f"{name}=")]
        name, sign, value = text.partition("=")
        if names:
            name = max(names, key=len)
            value = text[len(name) + 1 :]
        elif not sign:
            raise ValueError(f"where: expected COLUMN=VALUE or COLUMN=LOW..HIGH, got {text!r}")
        found.setdefault(name, []).append(_value(value, asked.one_column("where", name, known, ids)))
    for name, values in found.items():
        if len(values) > 1 and any(isinstance(v, tuple) for v in values):
            raise ValueError(f"where: {name!r} is given a range and more; give one range, or values alone")
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _value(text: str, column: Column) -> Any:
    if isinstance(column, Category):
        return column.meant(text)
    low, dots, high = text.partition("..")
    if dots:
        return (_number(low) if low else None, _number(high) if high else None)
    return _number(text)


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def balanced(
    name: Any, columns: Sequence[Column], where: Sequence[Condition], ids: Collection[str] = ()
) -> tuple[Column, tuple[str, ...]]:
    """The column to balance and its labels that may come. Raises ValueError."""
    column = asked.one_column("balance", name, {c.name: c for c in columns}, ids)
    if not isinstance(column, Category):
        raise ValueError(
            f"balance: {name!r} holds numbers or dates, not categories; name it categorical in the fit"
        )
    labels = [label(v) for v in column.values.values()]
    for condition in where:
        if condition.name == name:
            labels = [v for v in labels if v in condition.values]
    if len(labels) < 2:
        raise ValueError(f"balance: {name!r} has {len(labels)} value that may come; nothing to balance")
    return column, tuple(sorted(labels))
