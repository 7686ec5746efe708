"""Lines below the rows of a text file: totals, averages, and what a program says of its export.

A row is never taken for one. What is written in a column above is a value of it, names of averages need numbers that
are those of the columns, and totals without a name have to be sums.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

FOOT = 8  # lines at the end that are looked at
FEWEST = 3  # rows that something can be reckoned of
SEVERAL = 10  # rows of which one sum is none by luck
TOTALS, MEANS, SAYS = "holds totals", "holds averages or counts", "stands below the rows"

_OF_ALL = r"(?:sub-?|grand |over)?(?:totale?s?|totali|totaal|totalt)|overall|sums?|summen?|summa|somme|suma|soma|gesamt"
_TOTAL = re.compile(
    rf"(?:{_OF_ALL}|insgesamt|gesamt(?:summe|ergebnis)|(?:end|zwischen)summe|razem|celkem|itogo|итого|всего|合计|总计|合計)"
    r"(?: (?:g[eé]n[eé]rale?|geral|amount|rows|records|\d+))*(?: ?\([^()]*\))?\s*[:=]?\s*\d*"
)
_MEAN = re.compile(
    r"(?P<mean>average|avg|mean|durchschnitt|mittelwert|mittel|moyenne|media|promedio|média"
    r"|gemiddelde|średnia|medelvärde|среднее|平均)|(?P<low>min(?:imum)?|minimo|mínimo)|(?P<high>max(?:imum)?|massimo|máximo)"
    r"|(?P<count>count|anzahl|number|nombre|número|antal|aantal)|median|mediane?|std|standard deviation",
)
_MEAN_END = re.compile(r"\s*(?:\([^()]*\))?\s*[:=]?")
_ROWS = "rows?|records?|entry|entries|zeilen?|(?:daten)?s[aä]tze?|eintr[aä]ge?|lignes?|filas?|registros?|righe|rijen"
_ABOUT = (
    "sources?|quellen?|fuente|fonte|bron|notes?|hinweise?|anmerkung(?:en)?|remarques?|nota|stand|as of|pages?|seite|"
    "generated|exported|created|printed|downloaded|erstellt|exportiert|gedruckt|généré|exporté|end of|ende|copyright"
)
_SAYS = re.compile(
    rf"\(?\s*(?:[\d.,' ]+ (?:{_ROWS})\b|(?:{_ROWS})\b\s*[:=]\s*\d).*"
    rf"|(?:{_ABOUT})(?:[\s:].*)?|[©*#].*|-{{2,}}.*|={{2,}}.*"
)
_LETTER = re.compile(r"[^\W\d_]")
_AROUND = re.compile(r"[\s'’€$£%]")


def may_end(tail: Sequence[Sequence[str]], width: int, separator: str) -> bool:
    """Whether one of the last lines of a file may be no row, by those before it; the first of them may be cut off."""
    above = list(tail[1:-FOOT])
    return any(_is_odd(record, width, above, separator) for record in tail[-FOOT:] if filled(record))


def found(
    records: Iterable[tuple[int, Sequence[str]]], tail: Sequence[Sequence[str]], width: int, separator: str
) -> dict[int, str]:
    """What each of the last records (place, cells) is that is no row; `tail` as of `may_end`."""
    held: deque[tuple[int, Sequence[str]]] = deque()
    above = _Above(width, separator, {text for record in tail[-FOOT:] for _, text in filled(record)})
    for place, record in records:
        if filled(record):
            held.append((place, record))
        if len(held) > FOOT:
            above.add(held.popleft()[1])
    block: dict[int, tuple[str, Sequence[str]]] = {}
    for place, record in held:
        what = above.what(record, after=[why for why, _ in block.values()])
        if what:
            block[place] = what, record
            continue
        for row in (*(row for _, row in block.values()), record):
            above.add(row)
        block = {}
    return {place: why for place, (why, _) in block.items()}


def filled(record: Sequence[str]) -> list[tuple[int, str]]:
    """The cells of a record that hold something, with their places."""
    return [(place, text.strip()) for place, text in enumerate(record) if text.strip()]


def _is_odd(record: Sequence[str], width: int, above: Sequence[Sequence[str]], separator: str) -> bool:
    """Whether a line is short, begins as no row does, or has larger numbers alone than all before it."""
    cells = filled(record)
    if len(record) != width or len(cells) == 1 or _is_total(cells[0][1]) or _kind(cells[0][1]):
        return True
    numbers = {place: _number(text, separator) for place, text in cells}
    largest = {
        place: max((abs(_number(r[place], separator) or 0.0) for r in above if place < len(r)), default=0.0)
        for place in numbers
    }
    return all(number is not None and abs(number) > largest[place] for place, number in numbers.items())


@dataclass
class _Above:
    """What is known of the rows above a line.

    names    texts of the last lines
    texts    those that stand in a column of rows, with the column
    first    text of each column that is no number
    several  columns of different ones
    numbers  by column how many cells are numbers, their sum, the least and the largest
    filled   by column how many cells hold something
    lone     rows of which the first cell alone does
    ragged   rows of another length
    """

    width: int
    separator: str
    names: Collection[str]
    rows: int = 0
    lone: int = 0
    ragged: int = 0
    texts: set[tuple[int, str]] = field(default_factory=set)
    first: dict[int, str] = field(default_factory=dict)
    several: set[int] = field(default_factory=set)
    numbers: dict[int, tuple[int, float, float, float]] = field(default_factory=dict)
    filled: dict[int, int] = field(default_factory=dict)

    def add(self, record: Sequence[str]) -> None:
        cells = filled(record)
        self.rows += 1
        self.lone += len(cells) == 1 and cells[0][0] == 0
        self.ragged += len(record) != self.width
        for place, text in cells:
            self.filled[place] = self.filled.get(place, 0) + 1
            number = _number(text, self.separator)
            if number is None:
                if text in self.names:
                    self.texts.add((place, text))
                if self.first.setdefault(place, text) != text:
                    self.several.add(place)
                continue
            n, total, low, high = self.numbers.get(place, (0, 0.0, number, number))
            self.numbers[place] = n + 1, total + number, min(low, number), max(high, number)

    def what(self, record: Sequence[str], after: Sequence[str]) -> str:
        """What a line is, `after` others that are no rows; empty for a row."""
        (place, text), *others = cells = filled(record)
        other_kind = _LETTER.search(text) is not None and self._are_numbers(place)
        if self.rows < FEWEST or (place, text) in self.texts or (self.width == 1 and not other_kind):
            return ""
        if _is_total(text):
            of_a_row = any(cell in self.texts and cell[0] in self.several for cell in others)
            return "" if of_a_row else TOTALS
        if kind := _kind(text):
            reckoned = TOTALS in after or MEANS in after or other_kind or self._agrees(others, kind)
            return MEANS if reckoned else ""
        if not others and place == 0 and not self.lone:
            cut = len(record) != self.width and not self.ragged and " " in text
            return SAYS if cut or other_kind or _SAYS.fullmatch(text.casefold()) else ""
        if len(record) != self.width and not self.ragged and _SAYS.fullmatch(text.casefold()):
            return SAYS
        return TOTALS if self.rows >= SEVERAL and self._agrees(cells, "sum") else ""

    def _are_numbers(self, place: int) -> bool:
        """Whether all that a column holds is numbers."""
        return self.numbers.get(place, (0,))[0] == self.filled.get(place, 0) > 0

    def _agrees(self, cells: Sequence[tuple[int, str]], kind: str) -> bool:
        """Whether all of some cells are what is said of their columns; an end of one column may be that of a row."""
        agreeing = 0
        for place, text in cells:
            number, there = _number(text, self.separator), self.numbers.get(place)
            if number is None or there is None:
                return False
            n, total, low, high = there
            is_sum = total if abs(total) > max(abs(low), abs(high)) else math.nan
            wanted = {"sum": is_sum, "mean": total / n, "low": low, "high": high, "count": float(n)}
            _, _, part = (
                text.replace(",", ".").rpartition(".") if "." in text or "," in text else ("", "", "")
            )
            slack = 0.5 * 10.0 ** -len(part) if kind == "mean" else 1e-9 * abs(total) + 1e-9
            if not abs(number - wanted.get(kind, math.nan)) <= slack * (1 + 1e-9):
                return False
            agreeing += 1
        return agreeing >= (1 if kind in ("sum", "mean") else 2)


def _is_total(text: str) -> bool:
    return _TOTAL.fullmatch(text.casefold()) is not None


def _kind(text: str) -> str:
    """What a text says that a line holds of each column, such as its mean; empty where it says nothing of it."""
    match = _MEAN.match(text.casefold())
    if match is None or not _MEAN_END.fullmatch(text[match.end() :]):
        return ""
    return match.lastgroup or "other"


def _number(text: str, separator: str) -> float | None:
    """The number of a cell, whichever mark stands before its decimals; None for another text."""
    bare = _AROUND.sub("", text)
    if "," in bare:
        points = "." in bare and bare.rindex(".") > bare.rindex(",")
        bare = (
            bare.replace(",", "") if points or separator == "," else bare.replace(".", "").replace(",", ".")
        )
    try:
        return float(bare) if bare[:1] in "+-.0123456789" and bare else None
    except ValueError:
        return None
