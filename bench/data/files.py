"""Tables in files: CSV, TSV or Parquet, with the header looked at first."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import bounds, encodings, parquet, whole_numbers, writing
from tabstep.data.cards import DataError, suggest
from tabstep.data.layout import CSV, MARKS, SEPARATORS, Layout
from tabstep.data.wishes import marks, named

PARQUET = (".parquet", ".pq")
WRITTEN = (
    "tabstep.written"  # among the attributes of a table: how a file of text writes columns, see `Writing`
)
SEPARATED = "tabstep.separator"  # among them: what stands between the values of a .csv
LOOKED_AT = 10_000  # rows whose writing is looked at
_ZEROS = re.compile(rb"(?:^|[,;\t|\"])0\d+(?:$|[,;\t|\"\r\n])")
_PLUS = re.compile(rb"(?:^|[,;\t|\"])\+[.\d]")
_GROUPED = r"-?[1-9]\d{0,2}(?:\.\d{3})?|0"
_FLOAT = r"^-?\d+(?:\.(?P<part>\d+))?(?P<mark>[eE]?)(?:(?<=[eE])[-+]\d\d+)?$"


@dataclass(frozen=True)
class Writing:
    """How a file writes a column that is read as floats or as truth values.

    places  decimals that are written throughout, the last zeros too
    mark    e or E before an exponent
    flags   the texts of False and True
    grouped  one of its numbers, where points seem to separate thousands
    """

    places: int = 0
    mark: str = ""
    flags: tuple[str, ...] = ()
    grouped: str = ""


def read_table(
    path: Path,
    literal: str | Sequence[str] = (),
    missing: Sequence[str] = (),
    texts: Collection[str] = (),
) -> pd.DataFrame:
    """Read the file as it is, with its header checked. Raises DataError.

    literal  columns of a CSV of which only an empty field is missing; texts such as NA are values
    missing  texts that stand for gaps of a CSV too, such as ? or unknown; `age=999` in one column alone
    texts    columns of a CSV that are left as they are written, though pandas would read numbers
    """
    suffix = path.suffix.lower()
    if not suffix and not path.exists():
        raise DataError(f"no file at {path}")
    if suffix not in SEPARATORS and suffix not in PARQUET:
        raise DataError(f"{path.name}: expected a file ending in .csv, .tsv or .parquet")
    if not path.is_file():
        raise DataError(f"no file at {path}")
    try:
        layout = Layout.of(path)
        table = _parquet(path) if layout is None else _csv(layout, literal, missing, texts)
    except DataError:
        raise
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"{path.name} is not in UTF-8: byte {byte:#04x} at {error.start}; save it in UTF-8, or read it with "
            "pandas.read_csv(..., encoding=...) and fit the frame"
        ) from error
    except (ValueError, OSError, csv.Error, pd.errors.ParserWarning, pa.ArrowException) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if table.empty:
        raise DataError(f"{path.name}: expected rows, found none")
    return table


def told(path: Path) -> list[str]:
    """What a user should know of how a file was read."""
    layout = Layout.of(path)
    return [] if layout is None else [*encodings.told(path), *layout.notes()]


def taken_for_gaps(path: Path, columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Texts of a CSV, such as NA or None, that were read as missing in these columns, with how often each stands."""
    layout = Layout.of(path) if columns else None
    if layout is None:
        return {}
    texts = _texts(layout, columns)
    found = {name: texts[name][texts[name].isin(MARKS)].value_counts() for name in columns}
    return {
        name: {str(text): int(n) for text, n in counts.items()}
        for name, counts in found.items()
        if len(counts)
    }


def _csv(
    layout: Layout, literal: str | Sequence[str], missing: Sequence[str], texts: Collection[str]
) -> pd.DataFrame:
    header, file = layout.header, layout.path.name
    if not header:
        raise DataError(f"{file} is empty: expected a header line and rows")
    asis = named(literal, header)
    for name in asis:
        if name not in header:
            raise DataError(f"{file}: no column {name!r}: {suggest(name, header)}")
    gaps = {
        name: ["", *(() if name in asis else MARKS), *found] for name, found in marks(missing, header).items()
    }
    written = [*asis, *(name for name in texts if name in header and name not in asis)]
    with warnings.catch_warnings():
        # a row longer than the header would be cut off with no more than this warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            table = layout.read(
                low_memory=False, dtype=dict.fromkeys(written, str), keep_default_na=False, na_values=gaps
            )
        except pd.errors.ParserWarning as error:
            raise DataError(
                f"{file} cannot be read: its line of names has {len(header)} cells, {', '.join(header)[:40]!r}, and "
                "rows have more; remove what stands above the names, or quote values that hold the separator"
            ) from error
    codes = _as_written(layout, table)
    for name in map(str, codes):
        table[name] = codes[name].where(table[name].notna(), None)
    others = [name for name in header if name not in written and name not in codes]
    whole = [name for name in others if whole_numbers.may_differ(table[name], gaps[name])]
    exact = _texts(layout, whole) if whole else table[[]]
    for name in whole:
        numbers = whole_numbers.exact(exact[name], gaps[name])
        table[name] = table[name] if numbers is None else numbers
    table = table.drop(columns=[name for name in layout.nameless if table[name].isna().all()])
    table.attrs[WRITTEN] = _writings(layout, table)
    if layout.path.suffix.lower() == CSV:
        table.attrs[SEPARATED] = layout.separator
    return table


def _writings(layout: Layout, table: pd.DataFrame) -> dict[str, Writing]:
    """How columns of floats and of truth values are written, where pandas would write them otherwise."""
    floats = [name for name in map(str, table) if table[name].dtype.kind == "f"]
    flags = [name for name in map(str, table) if _are_flags(table[name])]
    if not floats and not flags:
        return {}
    texts = _texts(layout, [*floats, *flags], LOOKED_AT)
    found = {}
    for name in floats:
        parts = texts[name][table[name].head(len(texts)).notna()].str.extract(_FLOAT)
        places, marks = parts["part"].fillna("").str, set(parts["mark"])
        if grouped := _grouped(texts[name][table[name].head(len(texts)).notna()]):
            found[name] = Writing(grouped=grouped)
        if parts["mark"].isna().any() or places.len().nunique() != 1 or len(marks) != 1:
            continue
        if marks != {""} or places.endswith("0").any():
            found[name] = Writing(len(parts["part"].fillna("").iloc[0]), marks.pop())
    for name in flags:
        seen = [set(texts[name][table[name].head(len(texts)) == flag]) for flag in (False, True)]
        if all(len(each) == 1 for each in seen) and seen != [{"False"}, {"True"}]:
            found[name] = Writing(flags=tuple(each.pop() for each in seen))
    return found


def _grouped(texts: pd.Series[Any]) -> str:
    """A text such as 1.250 beside 850, neither of which anybody writes who has decimals; empty where there is none."""
    grouped = texts[texts.str.contains(".", regex=False)]
    if not len(grouped) < len(texts) or not texts.str.fullmatch(_GROUPED).all():
        return ""
    return next((str(text) for text in grouped if text.endswith("0")), "")


def _are_flags(column: pd.Series[Any]) -> bool:
    values: Any = column.dropna().unique() if column.dtype.kind in "bO" else ()
    return len(values) > 0 and all(isinstance(value, bool | np.bool_) for value in values)


def _as_written(layout: Layout, table: pd.DataFrame) -> pd.DataFrame:
    """The texts of columns that would lose something as numbers: of whole ones with zeros before, for 01067 is a code,
    and of such as have a plus before positive numbers."""
    numeric = [name for name in map(str, table) if pd.api.types.is_numeric_dtype(table[name])]
    whole = [name for name in numeric if bool((table[name] % 1 == 0).any())]
    with layout.opened() as file:
        zeros, plus = _seen(file, _ZEROS, _PLUS) if numeric else (False, False)
    texts = _texts(layout, numeric if plus else whole) if plus or (zeros and whole) else table[[]]
    coded = [name for name in whole if zeros and texts[name].str.fullmatch(r"0\d+").any()]
    return texts[[*coded, *(name for name in texts if name not in coded and plus and _has_plus(texts[name]))]]


def _seen(lines: Iterable[bytes], *patterns: re.Pattern[bytes]) -> list[bool]:
    """Which patterns occur in any of the lines."""
    found = [False] * len(patterns)
    for line in lines:
        found = [
            seen or pattern.search(line) is not None for seen, pattern in zip(found, patterns, strict=True)
        ]
        if all(found):
            break
    return found


def _has_plus(texts: pd.Series[Any]) -> bool:
    """Whether these are numbers in one way of writing that has a plus."""
    present = texts[texts.str.contains(r"\d", regex=True)].unique()
    if not any(text.startswith("+") for text in present[:LOOKED_AT]):
        return False
    try:
        return writing.numbers(list(present), "object") is not None
    except writing.Ambiguous:
        return False


def _texts(layout: Layout, columns: Sequence[str], rows: int | None = None) -> pd.DataFrame:
    """Some columns as they are written, gaps as empty texts; of the first `rows`, or of all."""
    return layout.read(usecols=list(columns), dtype=str, keep_default_na=False, nrows=rows)


def _parquet(path: Path) -> pd.DataFrame:
    bounds.check_parquet(path)
    _check_names(pq.read_schema(path).names, path.name)
    return parquet.frame(path, path.name)


def _check_names(header: Sequence[str], file: str) -> None:
    counts = Counter(header)
    repeated = sorted(name for name, count in counts.items() if count > 1 and name.strip())
    if repeated:
        raise DataError(f"{file}: more than one column is called {repeated[0]!r}; rename or remove one")
    unnamed = [str(place) for place, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        raise DataError(f"{file}: column {', '.join(unnamed)} has no name; name or remove it")
