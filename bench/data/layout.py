"""How a text file of rows is laid out: what stands between values, its names, and lines that are no rows.

Exports have a title above the names, units below them, the names again on every page, and totals at the end. Such lines
are told from rows and left out, each with a note.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count, islice
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from tabstep.data import bounds, footers, headless
from tabstep.data.encodings import encoding_of, of_bytes, opened

CSV = ".csv"
SEPARATORS = {CSV: ",", ".tsv": "\t"}
BETWEEN = ",;\t|"  # what may stand between values
INDEX = "index"
TOP = 12  # lines in which the names and the units are looked for
ALIKE = 3  # lines of as many cells that show which one holds the names
TAIL = 2**16  # bytes in which the last lines are looked at
EMPTY = "holds nothing"
SHOWN = 30  # characters of a line in a note
# what pandas takes for missing beside an empty field, and what spreadsheets write where they cannot reckon
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
    *("#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NUM!", "#NULL!"),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Layout:
    """A text file, its names as pandas has them, and the lines of it that are no rows.

    odd  what each such line is, by its place among the records of the file
    """

    path: Path
    separator: str
    encoding: str
    header: tuple[str, ...]
    odd: dict[int, str]
    renamed: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path) -> Layout | None:
        """None for a file that is no text by its name. Raises DataError for one that is more than fits."""
        if path.suffix.lower() not in SEPARATORS:
            return None
        about = path.stat()
        return cls._of(path, about.st_size, about.st_mtime_ns)

    @classmethod
    @lru_cache(maxsize=4)
    def _of(cls, path: Path, _size: int, _changed: int) -> Layout:
        """A file that has not changed is looked through once."""
        usual = SEPARATORS[path.suffix.lower()]
        bounds.check_file(path)
        encoding = encoding_of(path)
        top = _top(path, encoding)
        above, separator = _above(top, usual)
        bounds.check_text(path, separator, above, encoding)
        first = next(csv.reader(top[above:], delimiter=separator), [])
        header = _named(first)
        renamed = tuple(f"{a!r} is called {b!r}" for a, b in zip(first, header, strict=True) if a != b)
        odd = {place: "stands above the names" for place in range(above)}
        layout = cls(path, separator, encoding, tuple(header), odd, renamed)
        return replace(layout, odd=odd | layout._odd(first, above)) if header else layout

    @property
    def nameless(self) -> tuple[str, ...]:
        """The columns whose names are made from their places."""
        return tuple(name for place, name in enumerate(self.header) if name == _nameless(place))

    def read(self, **options: Any) -> pd.DataFrame:
        """The rows, by the options of pandas."""
        rows: pd.DataFrame = pd.read_csv(
            self.path,
            sep=self.separator,
            encoding=self.encoding,
            header=0,
            names=list(self.header),
            index_col=False,
            skiprows=sorted(self.odd),
            **options,
        )
        return rows

    def opened(self) -> BinaryIO:
        """Its bytes, see `encodings.opened`."""
        return opened(self.path, self.encoding)

    def notes(self) -> Iterator[str]:
        """What a user should know of it."""
        empty = sum(why == EMPTY for why in self.odd.values())
        if empty:
            lines, are = ("lines", "hold") if empty > 1 else ("line", "holds")
            taken = "they are taken for no rows" if empty > 1 else "it is taken for no row"
            yield f"{empty} {lines} of {self.path.name} {are} nothing but {self.separator!r}: {taken}"
        for record, (line, cells) in enumerate(self._records()) if self.odd else ():
            if self.odd.get(record, EMPTY) != EMPTY:
                text = self.separator.join(cells)
                shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}.."
                yield f"line {line} of {self.path.name}, {shown!r}, {self.odd[record]}: it is taken for no row"
        if self._names_are_a_row():
            names = self.separator.join(self.header)
            shown = names if len(names) <= SHOWN else f"{names[:SHOWN]}.."
            taken = "is taken for names and looks like a row: put names above it"
            yield f"the first line of {self.path.name}, {shown!r}, {taken}"
        if self.renamed:
            yield f"names that are empty or come twice: {', '.join(self.renamed)}"

    def _names_are_a_row(self) -> bool:
        """By the lines of the file that are taken for rows."""
        rows = (record for place, (_, record) in enumerate(self._records()) if place not in self.odd)
        names, *below = [*islice(rows, headless.LOOKED_AT + 1)] or [[]]
        return headless.is_row(names, below)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """The records of the file with the line that each ends at."""
        with self.path.open(encoding=self.encoding, newline="") as lines:
            reader = csv.reader(lines, delimiter=self.separator)
            for record in reader:
                yield reader.line_num, record

    def _odd(self, first: list[str], above: int) -> dict[int, str]:
        """Lines below the names that are no rows."""
        few = [record for _, record in islice(self._records(), above + TOP)][above + 1 :]
        found = {above + 1: "holds units"} if _are_units(few) else {}
        again, empty = self._seen(above)
        tail = self._tail()
        if again or empty:
            for place, (_, record) in enumerate(self._records()):
                if place > above and record == first:
                    found[place] = "holds the names again"
                elif place > above and len(record) > 1 and not _filled(record):
                    found[place] = EMPTY
        if footers.may_end(tail, len(first), self.separator):
            rows = ((place, record) for place, (_, record) in enumerate(self._records()) if place > above)
            below = ((place, record) for place, record in rows if place not in found)
            found |= footers.found(below, tail, len(first), self.separator)
        return found

    def _seen(self, above: int) -> tuple[bool, bool]:
        """Whether any line is that of the names, and whether any has marks between nothing alone; bytes are fast."""
        marks = f'{self.separator}" \r\n'.encode()
        with self.opened() as lines:
            names = next(islice(lines, above, None), b"").removeprefix(b"\xef\xbb\xbf").strip()
            again = empty = False
            for line in lines:
                again = again or line.strip() == names
                empty = empty or not line.strip(marks)
            return again, empty

    def _tail(self) -> list[list[str]]:
        """The last records, the first of which may be cut off."""
        with self.opened() as file:
            file.seek(max(0, file.seek(0, SEEK_END) - TAIL))
            lines = file.read().decode(of_bytes(self.encoding), errors="replace").rstrip().splitlines()
        return list(csv.reader(lines, delimiter=self.separator))


def _top(path: Path, encoding: str) -> list[str]:
    """The first lines, each as long as a line of names may be."""
    with path.open(encoding=encoding, newline="") as lines:
        return [line for line in (lines.readline(bounds.MOST_HEADER) for _ in range(TOP)) if line]


def _above(top: list[str], usual: str) -> tuple[int, str]:
    """How many lines stand above the names, and what stands between these.

    Lines of at most one filled cell do, where one of three or more follows and the lines after that are as long.
    """
    for place, line in enumerate(top):
        mark = _separator(line, usual)
        records = list(islice(csv.reader(top[place:], delimiter=mark), ALIKE))
        filled, sizes = len(_filled(records[0])) if records else 0, {len(record) for record in records}
        if place and filled > 2 and len(records) == ALIKE and len(sizes) == 1:
            return place, mark
        if filled > 1:
            break
    return 0, _separator(top[0], usual) if top else usual


def _separator(line: str, usual: str) -> str:
    """What stands between the names of a line: the usual mark of such a file, or what parts it most often."""
    found = {mark: len(next(csv.reader([line], delimiter=mark), [])) for mark in (usual, *BETWEEN)}
    return usual if found[usual] != 1 else max(found, key=lambda mark: found[mark])


def _filled(record: list[str]) -> list[str]:
    return [text.strip() for text in record if text.strip()]


def _are_units(few: list[list[str]]) -> bool:
    """Whether the first of some records has no digit, and each cell that it fills stands above numbers."""
    if len(few) < 3 or _DIGIT.search("".join(few[0])) or not set(_filled(few[0])) - {*MARKS, "-", "?"}:
        return False
    rest = [["" if cell.strip() in (*MARKS, "-", "?") else cell for cell in record] for record in few[1:]]
    below = [_filled([r[i] for r in rest if i < len(r)]) for i, text in enumerate(few[0]) if text.strip()]
    return all(texts and all(map(_DIGIT.search, texts)) for texts in below)


def _nameless(place: int) -> str:
    return f"Unnamed: {place}"


def _named(header: list[str]) -> list[str]:
    """A header as pandas names its columns: those without a name by their place, those that come again numbered.

    A first column that alone has no name is what it is in files of pandas: the index.
    """
    if (
        len(header) > 1
        and not header[0].strip()
        and all(name.strip() for name in header[1:])
        and INDEX not in header
    ):
        header = [INDEX, *header[1:]]
    named = [text if text.strip() else _nameless(place) for place, text in enumerate(header)]
    found: dict[str, None] = {}
    for text in named:
        name = text
        for number in count(1):
            if name not in found and (name == text or name not in named):
                break
            name = f"{text}.{number}"
        found[name] = None
    return list(found)
