"""Canonical frames: one form for values, one rule for the split, one digest for both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data.cards import DataError
from tabstep.data.table import Dataset, Schema

PARTS = ("train", "val", "test")
SHARE = 0.2  # of all rows for test, then of the rest for val
SEED = 0


def canonical(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return `schema.columns` in order: numbers as float64 or int64, labels as str or None, rows from 0.

    Raises DataError for a column that is absent, or that holds text where the schema wants numbers.
    """
    absent = [name for name in schema.columns if name not in frame.columns]
    if absent:
        raise DataError(f"expected the column {absent[0]!r}, found {', '.join(map(str, frame.columns))}")
    columns = {
        name: numbers(frame[name]) if name in schema.numbers else labels(frame[name])
        for name in schema.columns
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))


def numbers(column: pd.Series[Any]) -> np.ndarray:
    """Return whole-number types as int64 and others as float64, NaN where missing.

    Raises DataError for text and for infinite values.
    """
    kind = getattr(column.dtype, "kind", "O")
    if kind not in "iuf":
        raise DataError(f"column {column.name!r}: expected numbers, found {column.dtype}")
    if kind in "iu" and not column.isna().any():
        if column.size and int(column.max()) > np.iinfo(np.int64).max:
            raise DataError(f"column {column.name!r}: {column.max()} does not fit into 64 bits")
        return column.to_numpy(np.int64)
    values = column.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(values).any():
        raise DataError(
            f"column {column.name!r}: {int(np.isinf(values).sum())} infinite values, expected finite ones; "
            "leave them empty or replace them"
        )
    return values


def int64(whole: np.ndarray) -> np.ndarray:
    """Whole floats as int64; those that do not fit become the nearest that do, where a cast would change the sign."""
    found: np.ndarray = np.clip(whole, -(2.0**63), np.nextafter(2.0**63, 0)).astype(np.int64)
    return found


def labels(column: pd.Series[Any]) -> np.ndarray:
    """Return the column as an object array of str, None where missing; the float 1.0 becomes "1"."""
    codes, uniques = pd.factorize(column)  # missing values get the code -1
    names = np.array([*map(label, uniques), None], dtype=object)
    return names[codes]


def label(value: Any) -> str:
    """Return the text of one category: 1, 1.0 and "1" are all "1"."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def split(rows: int, target: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the row positions (int64) of the parts by the documented rule.

    20 % of the rows are test and 20 % of the rest val, with scikit-learn's `train_test_split` and
    random_state 0 both times; stratified where class labels are given as `target` (rows,). Raises DataError
    when there are too few rows for that.
    """
    from sklearn.model_selection import train_test_split

    position = np.arange(rows, dtype=np.int64)
    try:
        rest, test = train_test_split(position, test_size=SHARE, random_state=SEED, stratify=target)
        inner = None if target is None else target[rest]
        train, val = train_test_split(rest, test_size=SHARE, random_state=SEED, stratify=inner)
    except ValueError as error:
        raise DataError(f"{rows} rows cannot be split into train, val and test ({error})") from error
    return {"train": train, "val": val, "test": test}


def carve(rows: int, val: int, target: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return the positions (int64) of `val` of the rows of a training part, and of the rest; drawn as in `split`."""
    from sklearn.model_selection import train_test_split

    position = np.arange(rows, dtype=np.int64)
    try:
        rest, held = train_test_split(position, test_size=val, random_state=SEED, stratify=target)
    except ValueError as error:
        raise DataError(f"{val} of {rows} training rows cannot be set aside for val ({error})") from error
    return {"train": np.sort(rest), "val": np.sort(held)}


def divide(frame: pd.DataFrame, positions: Mapping[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """Return the rows at the positions of each part, numbered from 0."""
    return {part: frame.iloc[places].reset_index(drop=True) for part, places in positions.items()}


def split_digest(positions: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of the row positions of train, val and test, as little-endian int64."""
    digest = hashlib.sha256()
    for part in PARTS:
        digest.update(f"{part} {len(positions[part])}\n".encode())
        digest.update(positions[part].astype("<i8").tobytes())
    return digest.hexdigest()


def digest(schema: Schema, parts: Mapping[str, pd.DataFrame]) -> str:
    """Return the SHA-256 of canonical frames: task, roles, names, types, values, parts and the order of rows.

    Numbers count by their bytes (one NaN for all), categories by their distinct texts in order of appearance
    and the position of each row's text among them, so it depends neither on the source nor on the machine.
    """
    total = hashlib.sha256()
    roles = [schema.task, schema.numeric, schema.categorical, schema.target]
    total.update(json.dumps([roles, [[part, len(frame)] for part, frame in parts.items()]]).encode())
    for frame in parts.values():
        for name in schema.columns:
            if name in schema.numbers:
                values = frame[name].to_numpy()
                total.update(values.dtype.kind.encode())
                if values.dtype.kind == "f":
                    values = np.where(np.isnan(values), np.nan, values)
                total.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
            else:
                codes, uniques = pd.factorize(frame[name])
                total.update(json.dumps(list(uniques)).encode())
                total.update(codes.astype("<i8").tobytes())
    return total.hexdigest()


def whole(train: pd.DataFrame, schema: Schema) -> frozenset[str]:
    """Return the number columns of which every training value that is present is whole.

    Beyond 2**53 every float is: that says nothing of a column, and nothing is rounded there.
    """
    found = set()
    for name in schema.numbers:
        values = train[name].dropna().to_numpy()
        if len(values) and bool(((values == np.round(values)) & (np.abs(values) <= 2.0**53)).all()):
            found.add(name)
    return frozenset(found)


def assemble(name: str, schema: Schema, parts: Mapping[str, pd.DataFrame], *, source: str) -> Dataset:
    """Make the data set of three canonical frames, its integer columns and its digest filled in.

    Raises DataError when a part is empty or a target is missing.
    """
    for part in PARTS:
        if parts[part].empty:
            raise DataError(f"{name}: expected rows in {part}, found none")
        gaps = int(parts[part][schema.target].isna().sum())
        if gaps:
            raise DataError(f"{name}: the target {schema.target!r} is missing in {gaps} rows of {part}")
    known = Schema(
        task=schema.task,
        target=schema.target,
        numeric=schema.numeric,
        categorical=schema.categorical,
        integer=whole(parts["train"], schema),
    )
    ordered = {part: parts[part] for part in PARTS}
    return Dataset(name=name, schema=known, **ordered, digest=digest(known, ordered), source=source)
