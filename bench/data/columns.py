"""Columns of a user's frame: how each is read, and written back in the user's dtype."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from tabstep.data import frames

Kind = Literal["number", "category", "datetime"]


@dataclass(frozen=True)
class Column:
    """How a column of the user's frame is read and written back.

    values   for categories: the original value of each label
    dtype    pandas dtype to restore; "category" takes `categories` and `ordered` as well
    """

    name: str
    kind: Kind
    dtype: str
    values: dict[str, Any] = field(default_factory=dict)
    categories: tuple[Any, ...] = ()
    ordered: bool = False

    @classmethod
    def of(cls, column: pd.Series[Any], *, category: bool) -> Column:
        """Raises ValueError for values that cannot be stored without pickle, and for columns of ids."""
        name, dtype = column.name, column.dtype
        if not isinstance(name, str):
            raise ValueError(f"column names must be strings, got {name!r}; use frame.rename(columns=str)")
        if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_dtype(dtype):
            return cls(name, "datetime", str(dtype))
        if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype) and not category:
            return cls(name, "number", str(dtype))
        values: dict[str, Any] = {}
        for value in column.dropna().unique():
            plain = value.item() if hasattr(value, "item") else value
            if not isinstance(plain, str | bool | int | float):
                raise ValueError(
                    f"column {name!r} holds {type(plain).__name__} values; use numbers, strings, booleans or dates"
                )
            label = frames.label(plain)
            if label in values and values[label] != plain:
                raise ValueError(
                    f"column {name!r} holds {values[label]!r} and {plain!r}, which read the same"
                )
            values[label] = plain
        if len(values) > 20 and len(values) == column.notna().sum():
            raise ValueError(f"column {name!r} has a different text in every row, like an id; drop it")
        if isinstance(dtype, pd.CategoricalDtype):
            categories = tuple(v.item() if hasattr(v, "item") else v for v in dtype.categories)
            return cls(name, "category", "category", values, categories, bool(dtype.ordered))
        return cls(name, "category", str(dtype), values)

    def like(self, column: pd.Series[Any]) -> Any:
        """A user's values (a Series), such as one repeated, with the dtype that the column had.

        Raises ValueError where that would change them.
        """
        if self.kind == "category":
            return column
        try:
            cast: Any = (
                pd.to_datetime(column, format="ISO8601") if self.kind == "datetime" else pd.to_numeric(column)
            )
            if cast.isna().any() and self.dtype.startswith(("int", "uint")):
                return cast.astype("float64")
            moved = cast.astype(self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"column {self.name!r}: {column.iloc[0]!r} is no {self.dtype}: {error}"
            ) from None
        if self.kind == "number" and not self.dtype.startswith("float") and not bool((moved == cast).all()):
            raise ValueError(f"column {self.name!r} holds whole numbers, got {column[moved != cast].iloc[0]}")
        return moved

    def read(self, column: pd.Series[Any]) -> Any:
        """Canonical values: numbers, or labels with None where missing."""
        if self.kind == "category":
            return frames.labels(column)
        if self.kind == "datetime":
            nanoseconds = pd.Series(column.astype("int64"), dtype="float64")
            return nanoseconds.mask(column.isna().to_numpy()).to_numpy()
        return frames.numbers(column)

    def write(self, column: Any) -> Any:
        """The user's values (a Series) in the user's dtype."""
        if self.kind == "category":
            original = column.map(self.values).where(column.notna(), None)
            if self.dtype == "category":
                return original.astype(pd.CategoricalDtype(list(self.categories), self.ordered))
            return original.astype(self.dtype)
        if self.kind == "datetime":
            moments: Any = pd.to_datetime(column.round(), unit="ns", utc="," in self.dtype)
            return moments.astype(self.dtype)
        return column.astype(self.dtype)
