"""How numbers stand in a user's column: in a dtype of numbers, or as Python objects.

A form reads a column into plain numbers and writes plain numbers in the way of the column: dtype, decimals, kind of
object. `moments` has the forms of dates and times, `writing` those of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import pandas as pd

from tabstep.data import dtypes

MOST_DECIMALS = 9  # values with more are taken for continuous
EXACT = 2**53  # whole numbers up to here have a float64 of their own
LARGEST = 1e302  # what lies between numbers is reckoned with slopes, which overflow beyond
INT64 = np.iinfo(np.int64)
UINT64 = np.iinfo(np.uint64)


class Raw(NamedTuple):
    """Plain numbers: `values` (n,) int64, uint64 or float64, anything where `gap` (n,) bool is set."""

    values: np.ndarray
    gap: np.ndarray


class Form(Protocol):
    """A frozen dataclass of what JSON can hold."""

    @property
    def dtype(self) -> str:
        """Name of the user's dtype, see `dtypes`."""
        ...

    def read(self, column: pd.Series[Any]) -> Raw:
        """Values of a column of this form."""
        ...

    def write(self, raw: Raw) -> Any:
        """A Series in the user's form; gaps in those of the dtype, None where it is object."""
        ...

    def like(self, column: pd.Series[Any]) -> Any:
        """A user's values in this form (a Series). Raises ValueError where that would change them."""
        ...


def decimals(values: np.ndarray, kind: Any = np.float64, most: int = MOST_DECIMALS) -> int | None:
    """The decimals that all values have, after rounding to the floats of `kind`; None for more than `most`, or where
    floats are too coarse to tell."""
    if not len(values):
        return None
    largest = float(np.abs(values).max())
    for places in range(most + 1):
        if largest * 10.0**places >= EXACT:
            return None
        if bool((np.round(values, places).astype(kind) == values.astype(kind)).all()):
            return places
    return None


@dataclass(frozen=True)
class Plain:
    """A dtype of numbers, of numpy, pandas or Arrow.

    decimals  that a column of floats keeps to
    padded    that a file of text writes throughout, the last zeros too, as 1.50; 0 where it does not
    exponent  e or E where a file writes 1.50e+03, then with decimals that are `padded`
    """

    dtype: str
    decimals: int | None = None
    padded: int = 0
    exponent: str = ""

    @classmethod
    def of(cls, column: pd.Series[Any]) -> Self:
        """Raises ValueError for infinite values."""
        raw = cls(dtypes.name(column.dtype)).read(column)
        shown = raw.values[~raw.gap]
        if raw.values.dtype.kind != "f":
            return cls(dtypes.name(column.dtype))
        check_finite(shown)
        return cls(dtypes.name(column.dtype), decimals(shown, _float(column.dtype)))

    def read(self, column: pd.Series[Any]) -> Raw:
        kind = {"i": np.int64, "u": np.uint64}.get(column.dtype.kind, np.float64)
        gap, values = column.isna().to_numpy(), column.to_numpy(kind, na_value=0)
        if values.dtype.kind == "f":
            gap = gap | np.isnan(values)  # pandas' own numbers tell NaN from a gap
        return Raw(values, gap)

    def write(self, raw: Raw) -> Any:
        values = raw.values if self.decimals is None else np.round(raw.values, self.decimals)
        kind = dtypes.made(self.dtype)
        if not isinstance(kind, np.dtype):
            return pd.Series(values).astype(kind).mask(raw.gap)
        # numpy's integers have no gaps: rows with one where there was none keep it, as floats
        return (
            pd.Series(values).astype("float64" if raw.gap.any() and kind.kind in "iu" else kind).mask(raw.gap)
        )

    def like(self, column: pd.Series[Any]) -> Any:
        kind = dtypes.made(self.dtype)
        if column.dtype == kind:
            return column
        cast = _numbers(column)
        if isinstance(kind, np.dtype) and kind.kind in "iu" and cast.isna().any():
            return cast.astype("float64")
        if kind.kind in "iu":
            ends = np.iinfo(f"{kind.kind}{kind.itemsize}")
            beyond = ((cast < ends.min) | (cast > ends.max)).fillna(False).to_numpy(dtype=bool)
            if beyond.any():
                raise ValueError(f"holds numbers in {ends.min} .. {ends.max}, got {column[beyond].iloc[0]}")
        moved = cast.astype(kind)
        if kind.kind in "iu" and not bool((moved == cast)[cast.notna()].all()):
            raise ValueError(f"holds whole numbers, got {column[(moved != cast).fillna(False)].iloc[0]}")
        return moved if self.decimals is None else self._as_printed(moved, cast)

    def _as_printed(self, moved: Any, given: Any) -> Any:
        """0.12 in single precision is no other number than 0.12."""
        narrow = _float(given.dtype)
        if narrow.itemsize >= _float(moved.dtype).itemsize:
            return moved
        rounded = moved.round(self.decimals)
        return rounded.where(rounded.astype(given.dtype) == given, moved)


def _numbers(column: pd.Series[Any]) -> Any:
    """A user's numbers in a dtype that holds all of them exactly (a Series). Raises ValueError for what is none."""
    if column.dtype.kind in "iuf":
        return column
    present = [v for v in column if not pd.isna(v)]
    shown = [_number(v) for v in present]
    # A float beyond 64 bits is a whole number by its size alone.
    floats = any(isinstance(v, float | np.floating) for v in present)
    whole = [v for v in shown if isinstance(v, int)]
    if len(whole) == len(shown) and not (floats and _is_beyond(whole)):
        _check_bits(whole)
        kind = "UInt64" if max(shown, default=0) > INT64.max else "Int64"
    else:
        shown = [float(v) for v in shown]
        kind = "Float64"
    values = iter(shown)
    return pd.Series([pd.NA if empty else next(values) for empty in column.isna()], dtype=kind)


def _number(value: Any) -> int | float:
    try:
        exact = Decimal(str(value)) if isinstance(value, str) else value
        return int(exact) if exact == int(exact) else float(exact)
    except (ArithmeticError, ValueError, TypeError):
        raise ValueError(f"holds numbers, got {value!r}") from None


def _float(dtype: Any) -> Any:
    return np.dtype(f"f{dtype.itemsize}" if dtype.kind == "f" else "f8")


def check_finite(values: np.ndarray) -> None:
    """Raises ValueError for infinite values, and for those whose differences would be."""
    count = int((~np.isfinite(values)).sum())
    if count:
        raise ValueError(
            f"holds {count} infinite values, expected finite ones; leave them empty or replace them"
        )
    far = values[np.abs(values) > LARGEST]
    if len(far):
        raise ValueError(f"holds {far[0]}, expected numbers up to {LARGEST:g}; use another unit")


Element = Literal["int", "float", "Decimal"]


@dataclass(frozen=True)
class Objects:
    """Numbers that are Python objects, or Arrow decimals.

    decimals  of Decimals, which all have as many; of floats those that they keep to
    """

    dtype: str
    element: Element
    decimals: int | None = None

    @classmethod
    def of(cls, column: pd.Series[Any], element: Element) -> Self:
        """Raises ValueError for infinite values, and whole numbers beyond 64 bits."""
        dtype, shown = dtypes.name(column.dtype), list(column.dropna())
        if element == "int":
            _check_bits(int(v) for v in shown)
            return cls(dtype, element)
        if element == "float":
            values = np.array([float(v) for v in shown])
            check_finite(values)
            return cls(dtype, element, decimals(values))
        if not all(v.is_finite() for v in shown):
            raise ValueError("holds infinite values or NaN, expected finite ones; leave them empty")
        # Arrow's decimals may count in hundreds
        least = min(0, dtypes.made(dtype).pyarrow_dtype.scale) if dtype.startswith("arrow:") else 0
        places = max(least, *(-int(v.as_tuple().exponent) for v in shown), least)
        form = cls(dtype, element, places)
        _check_bits(form._scaled(v) for v in shown)
        return form

    def read(self, column: pd.Series[Any]) -> Raw:
        gap = column.isna().to_numpy()
        values = [0 if empty else v for v, empty in zip(column, gap, strict=True)]
        if self.element == "float":
            return Raw(np.array([float(v) for v in values], dtype=np.float64), gap)
        whole = [self._scaled(v) if self.element == "Decimal" else int(v) for v in values]
        beyond = any(v > INT64.max for v in whole)
        return Raw(np.array(whole, dtype=np.uint64 if beyond else np.int64), gap)

    def write(self, raw: Raw) -> Any:
        if self.element == "Decimal":
            assert self.decimals is not None
            plain: list[Any] = [Decimal(int(v)).scaleb(-self.decimals) for v in raw.values]
        elif self.element == "int":
            plain = [int(v) for v in raw.values]
        else:
            rounded = raw.values if self.decimals is None else np.round(raw.values, self.decimals)
            plain = rounded.tolist()
        return dtypes.restored(
            [None if gap else v for v, gap in zip(plain, raw.gap, strict=True)], self.dtype
        )

    def like(self, column: pd.Series[Any]) -> Any:
        moved: list[Any] = []
        for value in column:
            if pd.isna(value):
                moved.append(None)
            elif self.element == "int":
                whole = _number(value)
                if not isinstance(whole, int):
                    raise ValueError(f"holds whole numbers, got {value}")
                moved.append(whole)
            elif self.element == "float":
                moved.append(float(value))
            else:
                moved.append(self._decimal(value))
        return dtypes.restored(moved, self.dtype)

    def _decimal(self, value: Any) -> Decimal:
        assert self.decimals is not None
        try:
            exact = value if isinstance(value, Decimal) else Decimal(str(value))
            kept = exact.quantize(Decimal(1).scaleb(-self.decimals))
        except ArithmeticError:
            raise ValueError(f"{value!r} is no Decimal") from None
        if kept != exact:
            raise ValueError(f"holds at most {self.decimals} decimals, got {value}")
        return kept

    def _scaled(self, value: Any) -> int:
        assert self.decimals is not None
        return int(Decimal(value).scaleb(self.decimals))


class Beyond(ValueError):
    """Numbers that nothing is learned from: they are names, or amounts that want to be floats."""


def _is_beyond(whole: Sequence[int]) -> bool:
    """Whether no type of 64 bits holds them."""
    return bool(whole) and (
        min(whole) < INT64.min or max(whole) > UINT64.max or (min(whole) < 0 and max(whole) > INT64.max)
    )


def _check_bits(values: Any) -> None:
    if _is_beyond(list(values)):
        raise Beyond("holds whole numbers beyond 64 bits")
