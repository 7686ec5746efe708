"""Columns of a user's frame: how each is read, and written back as it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import (
    dtypes,
    frames,
    moments,
    writing,
    written_dates,
    written_feet,
    written_lengths,
    written_ranks,
    written_sizes,
    zoned,
)
from tabstep.data.forms import EXACT, INT64, Form, Objects, Plain, Raw

FORMS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        Plain,
        Objects,
        moments.Moments,
        moments.Durations,
        moments.Periods,
        writing.WrittenNumbers,
        written_dates.WrittenMoments,
        written_lengths.WrittenLengths,
        written_sizes.WrittenSizes,
        written_feet.WrittenFeet,
        written_ranks.WrittenRanks,
        zoned.ZonedMoments,
    )
}
SHOWN: dict[type[Any], str] = {
    moments.Moments: "date",
    moments.Durations: "duration",
    moments.Periods: "period",
    writing.WrittenNumbers: "number in text",
    written_dates.WrittenMoments: "date in text",
    written_lengths.WrittenLengths: "duration in text",
    written_sizes.WrittenSizes: "number in text",
    written_feet.WrittenFeet: "number in text",
    written_ranks.WrittenRanks: "number in text",
    zoned.ZonedMoments: "date in text",
}
UNITS = {"Y": "year", "M": "month", "D": "day", "h": "hour", "m": "minute", "s": "second"}
GAPS: dict[str, Any] = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}


@dataclass(frozen=True)
class Number:
    """A column that is modelled as numbers: also dates, durations, and numbers in writing.

    What is read comes back exactly. One case cannot: gaps make canonical numbers floats, and of a range with more than
    2**53 steps, such as 105 days of nanoseconds, float64 holds no more; values are then off by 2**-53 of the range.

    form    what the user's values are
    origin  what is taken off whole numbers that float64 would not tell apart; 0 where it does
    span    the largest of those after that, so that none is written beyond
    gap     how a gap stands in a column of objects
    """

    name: str
    form: Form
    origin: int = 0
    span: int | None = None
    gap: str = "None"

    @classmethod
    def of(cls, column: pd.Series[Any], form: Form) -> Number:
        """A column whose values are of this form."""
        raw = form.read(column)
        shown = raw.values[~raw.gap]
        name, gap = str(column.name), gap_of(column)
        if raw.values.dtype.kind == "f" or not len(shown):
            return cls(name, form, gap=gap)
        low, high = int(shown.min()), int(shown.max())
        # One far value beside others, such as -2**63 for none, has a float64 as they have.
        if max(abs(low), abs(high)) <= EXACT or (high <= INT64.max and _have_floats(shown)):
            return cls(name, form, gap=gap)
        return cls(name, form, low, high - low, gap)

    def read(self, column: pd.Series[Any]) -> np.ndarray:
        """Canonical numbers (n,): int64 where all are whole and none is missing, else float64 with NaN."""
        values, gap = self.form.read(column)
        if self.span is not None:
            exact = [0 if empty else int(v) - self.origin for v, empty in zip(values, gap, strict=True)]
            values = np.array(exact, dtype=np.int64 if self.span <= INT64.max else np.float64)
        if values.dtype.kind == "u":
            values = values.astype(np.int64)  # larger ones have an origin
        return np.where(gap, np.nan, values.astype(np.float64)) if gap.any() else values

    def write(self, column: Any) -> Any:
        """The user's values of canonical ones (a Series)."""
        values = np.asarray(column)
        gap = np.asarray(pd.isna(values))
        values = np.where(gap, 0, values)
        if not self.is_continuous:
            values = self._whole(values)
        return marked(self.form.write(Raw(values, gap)), gap, self.gap)

    def like(self, column: pd.Series[Any]) -> Any:
        """A user's values, such as one repeated, in this column's form (a Series). Raises ValueError."""
        try:
            moved = self.form.like(column.reset_index(drop=True))
        except (TypeError, ValueError, OverflowError) as error:
            shown = column.dropna()
            first = str(error).partition("\n")[0]  # what follows is advice for those who call pandas
            said = (
                first
                if first.startswith(("holds", "is written"))
                else (f"{shown.iloc[0] if len(shown) else None!r} is no {self.form.dtype}: {first}")
            )
            raise ValueError(f"column {self.name!r}: {said}") from None
        return marked(moved, moved.isna().to_numpy(), self.gap)

    @property
    def shown(self) -> str | None:
        """What the values are to their user, where they are no plain numbers, with the unit that is counted."""
        grain = getattr(self.form, "grain", None)
        name = SHOWN.get(type(self.form))
        return name if name is None or grain is None else f"{name}, by {UNITS.get(grain, grain)}"

    @property
    def is_continuous(self) -> bool:
        """Whether the form's values are floats."""
        if isinstance(self.form, Plain):
            return bool(dtypes.made(self.form.dtype).kind == "f")
        return isinstance(self.form, Objects) and self.form.element == "float"

    def _whole(self, values: np.ndarray) -> np.ndarray:
        rounded = np.round(values)
        if self.span is None:
            return rounded.astype(np.int64)
        exact = [min(max(int(v), 0), self.span) + self.origin for v in rounded]
        return np.array(exact, dtype=np.uint64 if self.origin + self.span > INT64.max else np.int64)


@dataclass(frozen=True)
class Category:
    """A column of labels.

    values      the original value of each label
    categories  of a dtype of categories: all of them in order, their own dtype, and whether the order counts
    flags       the texts by which a file writes False and True, where they are others
    """

    name: str
    dtype: str
    values: dict[str, Any] = field(default_factory=dict)
    categories: tuple[Any, ...] = ()
    inner: str = ""
    ordered: bool = False
    gap: str = "None"
    flags: tuple[str, ...] = ()

    @classmethod
    def of(cls, column: pd.Series[Any], flags: tuple[str, ...] = ()) -> Category:
        """Raises ValueError for values that JSON cannot hold, and for two that read the same."""
        name, gap, dtype = str(column.name), gap_of(column), column.dtype
        values: dict[str, Any] = {}
        for value in column.dropna().unique():
            plain = _plain(value)
            label = frames.label(plain)
            if label in values and (values[label] != plain or type(values[label]) is not type(plain)):
                raise ValueError(f"holds {values[label]!r} and {plain!r}, which read the same; make them one")
            values[label] = plain
        _check_flags_among_numbers(column)
        if not isinstance(dtype, pd.CategoricalDtype):
            return cls(name, dtypes.name(dtype), values, gap=gap, flags=flags)
        categories = tuple(_plain(v) for v in dtype.categories)
        return cls(
            name,
            "category",
            values,
            categories,
            dtypes.name(dtype.categories.dtype),
            bool(dtype.ordered),
            gap,
        )

    def read(self, column: pd.Series[Any]) -> np.ndarray:
        """Labels, None where missing."""
        return frames.labels(column)

    def write(self, column: Any) -> Any:
        """The user's values of labels (a Series)."""
        gap = column.isna().to_numpy()
        original = [None if empty else self.values[v] for v, empty in zip(column, gap, strict=True)]
        if self.dtype == "category":
            index = pd.Index(dtypes.restored(list(self.categories), self.inner))
            return pd.Series(pd.Categorical(original, dtype=pd.CategoricalDtype(index, self.ordered)))
        return marked(dtypes.restored(original, self.dtype), gap, self.gap)

    def meant(self, text: str) -> Any:
        """The value of a text on a command line: as the file writes it, or the one label with other blanks around."""
        if text in self.flags:
            return bool(self.flags.index(text))
        alike = [label for label in self.values if label.strip() == text.strip()]
        return alike[0] if text not in self.values and len(alike) == 1 else text

    def like(self, column: pd.Series[Any]) -> Any:
        """A user's values as they are: they are looked up by their text. Raises ValueError for what has none."""
        odd = [v for v in column if not pd.api.types.is_scalar(v)] if column.dtype == object else []
        if odd:
            raise ValueError(f"column {self.name!r}: {odd[0]!r} is no label")
        return self._own(column.reset_index(drop=True))

    def _own(self, column: pd.Series[Any]) -> pd.Series[Any]:
        """Values that are equal to the column's as these, where they read differently: True for 1, and 0 for False."""
        plain = {value: value for value in self.values.values() if isinstance(value, int | float)}
        flags = any(isinstance(value, bool) for value in plain)
        if not plain or isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
            return column

        def is_other(value: Any) -> bool:
            is_flag = isinstance(value, bool | np.bool_)
            return (
                is_flag != flags and isinstance(value, int | float | np.number | np.bool_) and value in plain
            )

        if not any(map(is_other, column.unique())):
            return column
        return pd.Series([plain[v] if is_other(v) else v for v in column], dtype=object)


Column = Number | Category


def as_text(columns: Sequence[Column], frame: pd.DataFrame, gaps: Collection[str] = ()) -> pd.DataFrame:
    """A user's rows as a CSV has them, whatever the other rows are: moments and lengths of dtypes in text.

    gaps  columns that may have some: whole numbers are floats there for no other reason, and are written whole
    """
    texts: dict[str, Any] = {}
    for c in columns:
        if isinstance(c, Category):
            if c.flags:
                texts[c.name] = frame[c.name].map(dict(zip((False, True), c.flags, strict=True)))
            continue
        column, form = frame[c.name], c.form
        if isinstance(form, Plain) and (form.padded or form.exponent):
            way = f"{{:.{form.padded}{form.exponent or 'f'}}}"
            texts[c.name] = column.map(way.format, na_action="ignore")
        elif c.name in gaps and column.dtype.kind == "f" and _are_whole(form):
            texts[c.name] = column.astype("Int64")
        elif isinstance(form, moments.Moments | moments.Durations) and column.dtype.kind in "Mm":
            texts[c.name] = moments.texts(column, form.grain)
    return frame.assign(**texts)


def _are_whole(form: Form) -> bool:
    """Whether values are whole numbers, those that stand for days too."""
    return form.decimals == 0 if isinstance(form, Plain) else isinstance(form, written_dates.WrittenMoments)


def as_written(columns: Sequence[Column]) -> tuple[str, ...]:
    """The names of those that are numbers in writing, which a file's texts are needed for."""
    return tuple(
        c.name for c in columns if isinstance(c, Number) and isinstance(c.form, writing.WrittenNumbers)
    )


def to_json(column: Column) -> dict[str, Any]:
    """A column as plain values."""
    if isinstance(column, Category):
        return {"kind": "category", **asdict(column)}
    form: Any = column.form
    return {"kind": "number", **asdict(column), "form": {"kind": type(form).__name__, **asdict(form)}}


def from_json(data: dict[str, Any]) -> Column:
    """The inverse of `to_json`. Raises ValueError for what it did not write."""
    try:
        fields = {key: value for key, value in data.items() if key != "kind"}
        if data["kind"] == "category":
            lists = {key: tuple(fields.get(key, ())) for key in ("categories", "flags")}
            return Category(**(fields | lists))
        form: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in fields["form"].items()
        }
        return Number(**(fields | {"form": FORMS[form.pop("kind")](**form)}))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no column as this version writes them: {error!r}") from error


def _have_floats(whole: np.ndarray) -> bool:
    """Whether float64 tells whole numbers (n,) from their neighbours, and gives them back as int64."""
    return all(
        int(near) == exact for near, exact in zip(whole.astype(np.float64), whole.tolist(), strict=True)
    )


def _check_flags_among_numbers(column: pd.Series[Any]) -> None:
    """True equals 1, and False 0: of the two whichever stands first would be written for both."""
    if column.dtype != object:
        return
    kinds = {isinstance(v, bool | np.bool_) for v in column if v in (0, 1) and not isinstance(v, str)}
    if len(kinds) > 1:
        raise ValueError("holds truth values and the numbers 0 or 1, which are equal; make them one")


def _plain(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, str | bool | int | float):
        way = ", as dates .astype('datetime64[ns]')" if isinstance(plain, date | pd.Period) else ""
        raise ValueError(f"holds {type(plain).__name__} values; as categories use .astype(str){way}")
    if isinstance(plain, str) and not plain.isascii() and any("\ud800" <= mark <= "\udfff" for mark in plain):
        raise ValueError(f"holds half a character, which no file can, in {plain!r}; mend the text")
    if isinstance(plain, float) and not np.isfinite(plain):
        raise ValueError("holds infinite values, expected finite ones; leave them empty or replace them")
    return plain


def marked(series: Any, gap: np.ndarray, mark: str) -> Any:
    """A column with its gaps (n,) as they stand in one of objects, see `gap_of`."""
    if series.dtype == object and gap.any():
        series = series.copy()
        series[gap] = GAPS[mark]
    return series


def gap_of(column: pd.Series[Any]) -> str:
    """How the first gap of a column of objects is marked."""
    missing = column[column.isna()] if column.dtype == object else column.head(0)
    if not len(missing) or missing.iloc[0] is None:
        return "None"
    return {pd.NA: "NA", pd.NaT: "NaT"}.get(missing.iloc[0], "nan")
