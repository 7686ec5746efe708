"""Tables in files: CSV, TSV or Parquet, with the header looked at first."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tabstep.data import bounds
from tabstep.data.cards import DataError, suggest
from tabstep.data.wishes import named

SEPARATORS = {".csv": ",", ".tsv": "\t"}
PARQUET = (".parquet", ".pq")
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
    bounds.check(path, SEPARATORS.get(suffix))
    try:
        table = _csv(path, SEPARATORS[suffix], literal, missing) if suffix in SEPARATORS else _parquet(path)
    except DataError:
        raise
    except (ValueError, OSError, csv.Error, pd.errors.ParserWarning, pa.ArrowException) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
    if table.empty:
        raise DataError(f"{path.name}: expected rows, found none")
    return table


def taken_for_gaps(path: Path, columns: Sequence[str]) -> dict[str, dict[str, int]]:
    """Texts of a CSV, such as NA or None, that were read as missing in these columns, with how often each stands."""
    suffix = path.suffix.lower()
    if suffix not in SEPARATORS or not columns:
        return {}
    texts = pd.read_csv(
        path,
        sep=SEPARATORS[suffix],
        encoding="utf-8-sig",
        index_col=False,
        usecols=list(columns),
        dtype=str,
        keep_default_na=False,
    )
    found = {name: texts[name][texts[name].isin(MARKS)].value_counts() for name in columns}
    return {
        name: {str(text): int(n) for text, n in counts.items()}
        for name, counts in found.items()
        if len(counts)
    }


def _csv(path: Path, separator: str, literal: str | Sequence[str], missing: Sequence[str]) -> pd.DataFrame:
    # pandas renames duplicate and empty names without a word, so the raw header is looked at first
    with path.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines, delimiter=separator), [])
    if not header:
        raise DataError(f"{path.name} is empty: expected a header line and rows")
    if len(header) == 1:
        other = next((mark for mark in ",;\t|" if mark != separator and mark in header[0]), None)
        if other:
            raise DataError(
                f"{path.name}: one column, {header[0]!r}: expected {separator!r} between, found {other!r}"
            )
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
            encoding="utf-8-sig",
            index_col=False,
            low_memory=False,
            dtype=dict.fromkeys(asis, str),
            **gaps,
        )
        return table


def _parquet(path: Path) -> pd.DataFrame:
    _check_names(pq.read_schema(path).names, path.name)
    return pd.read_parquet(path).reset_index(drop=True)


def _check_names(header: Sequence[str], file: str) -> None:
    counts = Counter(header)
    repeated = sorted(name for name, count in counts.items() if count > 1 and name.strip())
    if repeated:
        raise DataError(f"{file}: more than one column is called {repeated[0]!r}; rename or remove one")
    unnamed = [str(place) for place, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        raise DataError(
            f"{file}: column {', '.join(unnamed)} has no name (the index of pandas?); name or remove it"
        )
