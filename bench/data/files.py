"""Tables in files: CSV, TSV or Parquet, with the header looked at first."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import bounds, encodings, parquet, whole_numbers
from tabstep.data.cards import DataError, suggest
from tabstep.data.encodings import encoding_of
from tabstep.data.wishes import named

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
INDEX = "index"
PADDED = "tabstep.padded"  # among the attributes of a table: decimals of columns that write their last zeros
LOOKED_AT = 10_000  # rows whose writing is looked at
_ZEROS = re.compile(rb"(?:^|[,;\t|\"])0\d+(?:$|[,;\t|\"\r\n])")
# what pandas takes for missing beside an empty field
MARKS = (
    *(
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
    ),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)


def read_table(path: Path, literal: str | Sequence[str] = (), missing: Sequence[str] = ()) -> pd.DataFrame:
    """Read the file as it is, with its header checked. Raises DataError.

    literal  columns of a CSV of which only an empty field is missing; texts such as NA are values
    missing  texts that stand for gaps of a CSV too, such as ? or unknown
    """
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS and suffix not in PARQUET:
        raise DataError(f"{path.name}: expected a file ending in .csv, .tsv or .parquet")
    if not path.is_file():
        raise DataError(f"no file at {path}")
    try:
        separator = separator_of(path)
        bounds.check(path, separator)
        table = _parquet(path) if separator is None else _csv(path, separator, literal, missing)
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


def separator_of(path: Path) -> str | None:
    """What stands between the values of a text file, which a header of one name may belie; None for Parquet."""
    usual = SEPARATORS.get(path.suffix.lower())
    if usual is None:
        return None
    with path.open(encoding=encoding_of(path), newline="") as lines:
        first = lines.readline(bounds.MOST_HEADER)
    found = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in (usual, *",;\t|")}
    return usual if found[usual] != 1 else max(found, key=lambda mark: found[mark])


def told(path: Path) -> str:
    """What a user should know of how a file was read; empty where there is nothing to say."""
    return encodings.told(path) if path.suffix.lower() in SEPARATORS else ""


def taken_for_gaps(path: Path, columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Texts of a CSV, such as NA or None, that were read as missing in these columns, with how often each stands."""
    separator = separator_of(path)
    if separator is None or not columns:
        return {}
    with path.open(encoding=encoding_of(path), newline="") as lines:
        header = _named(next(csv.reader(lines, delimiter=separator), []))
    texts = _texts(path, separator, header, columns)
    found = {name: texts[name][texts[name].isin(MARKS)].value_counts() for name in columns}
    return {
        name: {str(text): int(n) for text, n in counts.items()}
        for name, counts in found.items()
        if len(counts)
    }


def _csv(path: Path, separator: str, literal: str | Sequence[str], missing: Sequence[str]) -> pd.DataFrame:
    # pandas renames duplicate and empty names without a word, so the raw header is looked at first
    with path.open(encoding=encoding_of(path), newline="") as lines:
        header = next(csv.reader(lines, delimiter=separator), [])
    if not header:
        raise DataError(f"{path.name} is empty: expected a header line and rows")
    header = _named(header)
    _check_names(header, path.name)
    asis = named(literal, header)
    for name in asis:
        if name not in header:
            raise DataError(f"{path.name}: no column {name!r}: {suggest(name, header)}")
    marks = {name: ["", *missing] if name in asis else ["", *MARKS, *missing] for name in header}
    with warnings.catch_warnings():
        # a row longer than the header would be cut off with no more than this warning
        warnings.simplefilter("error", pd.errors.ParserWarning)
        gaps: Any = {"keep_default_na": False, "na_values": marks} if asis or missing else {}
        table: pd.DataFrame = pd.read_csv(
            path,
            sep=separator,
            encoding=encoding_of(path),
            header=0,
            names=header,
            index_col=False,
            low_memory=False,
            dtype=dict.fromkeys(asis, str),
            **gaps,
        )
    codes = _codes(path, separator, header, table)
    for name in map(str, codes):
        table[name] = codes[name].where(table[name].notna(), None)
    others = [name for name in header if name not in asis and name not in codes]
    whole = [name for name in others if whole_numbers.may_differ(table[name], marks[name])]
    texts = _texts(path, separator, header, whole) if whole else table[[]]
    for name in whole:
        exact = whole_numbers.exact(texts[name], marks[name])
        table[name] = table[name] if exact is None else exact
    table.attrs[PADDED] = _padded(path, separator, header, table)
    return table


def _padded(path: Path, separator: str, header: list[str], table: pd.DataFrame) -> dict[str, int]:
    """Columns of floats that are written with as many decimals throughout, the last zeros too, as 1.50 is."""
    floats = [c for c in header if table[c].dtype.kind == "f"]
    if not floats:
        return {}
    texts = _texts(path, separator, header, floats, LOOKED_AT)
    found = {}
    for name in floats:
        parts = texts[name][table[name].head(len(texts)).notna()].str.extract(r"^-?\d+\.(\d+)$")[0]
        if parts.notna().all() and parts.str.len().nunique() == 1 and parts.str.endswith("0").any():
            found[name] = len(parts.iloc[0])
    return found


def _codes(path: Path, separator: str, header: list[str], table: pd.DataFrame) -> pd.DataFrame:
    """The texts of columns of whole numbers that are written with zeros before: 01067 is a code, and no number."""
    whole = [c for c in header if pd.api.types.is_numeric_dtype(table[c]) and bool((table[c] % 1 == 0).any())]
    with path.open("rb") as file:
        if not whole or not any(_ZEROS.search(line) for line in file):
            return table[[]]
    texts = _texts(path, separator, header, whole)
    return texts[[c for c in whole if texts[c].str.fullmatch(r"0\d+").any()]]


def _texts(
    path: Path, separator: str, header: list[str], columns: Sequence[str], rows: int | None = None
) -> pd.DataFrame:
    """Some columns as they are written, gaps as empty texts; of the first `rows`, or of all."""
    return pd.read_csv(
        path,
        sep=separator,
        encoding=encoding_of(path),
        header=0,
        names=header,
        index_col=False,
        usecols=list(columns),
        dtype=str,
        keep_default_na=False,
        nrows=rows,
    )


def _named(header: list[str]) -> list[str]:
    """A header whose first column, where it alone has no name, is called what it is in pandas' files: the index."""
    alone = header and not header[0].strip() and all(name.strip() for name in header[1:])
    return [INDEX, *header[1:]] if alone and INDEX not in header else header


def _parquet(path: Path) -> pd.DataFrame:
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
