"""Text that is refused as a column of categories: ids, addresses, prose, and what `doubtful_writing` refuses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tabstep.data import writing
from tabstep.data.doubtful_writing import FEW, MOMENT, check_one_way, check_stray, reads
from tabstep.data.wishes import Speech, dated
from tabstep.data.written_dates import guessed

RECURS = (
    3  # times that a value comes back in the mean, for a text column with more values to be one of categories
)
COME_BACK = (
    10  # times that numbered texts do, and numbers, where they name things: fewer may be rows of one person
)
WORDY, WORDY_RECURS = 4.0, 20  # more words than that in the mean are prose, unless they come back so often
NO_LABELS = 2.0  # words in the mean of labels, at most

MOST_PAIRS = 200  # different ones that may be labels, as 90-99 is of an age
MOST_SHAPES = 3  # of texts that are codes

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
CARD = re.compile(r"(?:\d{4}[ -]){3}\d{4}")
CARD_DIGITS = range(13, 20)
CARDS = 12  # different texts of which most have to look so: one in ten numbers is a card's by chance


def is_card(text: str) -> bool:
    """Whether digits are a card number's: in fours, or as many as one has with the last one reckoned of the others
    (ISO/IEC 7812-1, the formula of Luhn)."""
    if CARD.fullmatch(text):
        return True
    if len(text) not in CARD_DIGITS or not (text.isascii() and text.isdecimal()):
        return False
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in text[-2::-2])
    return (sum(map(int, text[::-2])) + sum(doubled)) % 10 == 0


Known = dict[str, Callable[[str], object]]
PERSONAL: Known = {  # what such texts are called, the first that fits most of them
    "e-mail addresses": EMAIL.fullmatch,
    "identifiers": UUID.fullmatch,
    "IP addresses": re.compile(
        r"(?=(?:.*\d\d){2})(?:\d{1,3}\.){3}\d{1,3}|(?=.*::|(?:[^:]*:){7})[0-9a-fA-F:]{3,39}"
    ).fullmatch,
    "bank accounts": re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7} ?[A-Z0-9]{0,3}").fullmatch,
    "card numbers": CARD.fullmatch,
    "social security numbers": re.compile(r"\d{3}-\d{2}-\d{4}").fullmatch,
    "telephone numbers": re.compile(r"(?=(?:\D*\d){7,15}\D*$)(?:\+|\(|0|(?=\d+[ ./-]))[\d ()./-]+").fullmatch,
}
MANY: Known = {"card numbers": is_card, "names of users": re.compile(r"@[\w.-]{2,}").fullmatch}
PAIR = re.compile(
    r"(?!0x)[-+]?\d+(?:[.,]\d+)?\s?(?:/|x|×|-|–|;|:|±|,)\s?[-+]?\d+(?:[.,]\d+)?(?:\s?[A-Za-zµ/]{1,8})?"
)
CODE = re.compile(r"(?P<head>[A-Za-z]+[-_ #]?|#)\d+")
TELEPHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d|\(?0\d|\(\d{3}\)(?= ?\d)|\d{3}(?=[-. ]\d{3}[-. ]\d{4}))(?:[ ()./-]{0,3}\d){5,13}(?![\w-])"
)
WITHIN = {  # texts, as people write them, what stands among other words
    "e-mail addresses": re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}\.[A-Za-z]{2,}"),
    "telephone numbers": TELEPHONE,
    "long numbers": re.compile(r"(?<![\w.,])(?!\d+000(?!\d))\d{7,}(?![\w.,]\d)"),
}
_LIST = re.compile(r"\s*[,;|/]\s*")
SIGNS = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")  # of writing that has no blanks between words

OF_A_YEAR = re.compile(r"(?:19|20)\d\d[-/]\d{3,8}")  # as orders are numbered, 2024-000341


def _are_codes(texts: list[str]) -> bool:
    """Whether texts have few shapes, of more digits than letters."""
    shapes = {re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", text)) for text in texts}
    return len(shapes) <= MOST_SHAPES and all(shape.count("9") > shape.count("a") for shape in shapes)


def too_many(distinct: int, rows: int) -> bool:
    """Whether pairs of numbers are too many to be labels, as 90-99 is of an age."""
    return (distinct > FEW and distinct * RECURS > rows) or distinct > MOST_PAIRS


def is_personal(texts: list[str]) -> bool:
    """Whether most of the distinct texts are somebody's own, such as telephone numbers."""
    return _personal(texts, labels=False) is not None


def _personal(texts: list[str], *, labels: bool) -> str | None:
    """What most of the distinct texts are that are somebody's own."""
    for what, is_one in (PERSONAL | MANY if len(texts) >= CARDS else PERSONAL).items():
        # A date, a number of a year and a range have the digits of a telephone number.
        found = [
            bool(is_one(t))
            and not (reads(MOMENT, t) or OF_A_YEAR.fullmatch(t) or (labels and PAIR.fullmatch(t)))
            for t in texts
        ]
        if sum(found) * 2 > len(texts):
            return what
    return None


def check_categories(column: pd.Series[Any], speech: Speech) -> None:
    """Refuse categories that no table of others should carry: e-mails, ids, prose."""
    name, present = str(column.name), column.dropna()
    texts = [v for v in present.unique() if isinstance(v, str)]
    if not texts:
        return
    distinct, rows = present.nunique(), len(present)
    labels = distinct <= FEW and bool(present.value_counts().min() >= RECURS)
    drop = f"{speech.advise('drop', name)} leaves it out"
    insist = f"{drop}, {speech.advise('categorical', name)} has its values repeated as they are"
    if not isinstance(column.dtype, pd.CategoricalDtype):
        if not labels:
            check_stray(present, name, speech)
        check_one_way(texts, name, speech)
    form = guessed(texts) if distinct > FEW else None
    anew = f"{speech.anew(name)}{insist}"
    if form is not None:
        insist, anew = (f"{dated(speech, name, form, 'reads dates')}{other}" for other in (insist, anew))
    if (what := _personal(texts, labels=labels)) is not None:
        raise ValueError(f"holds {what}; {anew}")
    alike = _are_codes(texts)
    words = float(np.mean([len(t.split()) for t in texts]))
    pairs = [t for t in texts if PAIR.fullmatch(t) and not OF_A_YEAR.fullmatch(t)]
    if too_many(distinct, rows) and len(pairs) * 2 > len(texts):
        raise ValueError(
            f"holds two numbers in a cell, such as {pairs[0]!r}; make two columns of it, or {insist}"
        )
    if distinct == rows and rows > FEW // 4:
        like, mend = (", like prose", insist) if words > WORDY and not alike else (", like an id", anew)
        raise ValueError(f"has a different text in every row, {distinct}{like}; {mend}")
    if distinct <= FEW:
        _check_remarks(present, insist)
        return
    codes = [CODE.fullmatch(t) for t in texts]
    if all(codes) and len({c["head"] for c in codes if c}) == 1 and distinct * COME_BACK > rows:
        raise ValueError(f"has {distinct} numbered texts such as {codes[0]['head']}.., like an id; {anew}")  # type: ignore[index]
    declared = isinstance(column.dtype, pd.CategoricalDtype)
    recurs = WORDY_RECURS if words > WORDY else 2 if declared else RECURS
    if distinct * recurs > rows and alike:
        numeric = (
            f"{speech.advise('numeric', name)} draws them as numbers, "
            if writing.codes(texts, "object") or writing.numbers(texts, "object")
            else ""
        )
        raise ValueError(f"has {distinct} codes in {rows} rows, too many to be labels; {numeric}{anew}")
    if distinct * recurs > rows:
        like = ", like prose" if words > 2 else ", too many of which come seldom to be drawn as they are"
        raise ValueError(f"has {distinct} values in {rows} rows{like}; {insist}")
    _check_remarks(present, insist)


def _check_remarks(present: pd.Series[Any], insist: str) -> None:
    """Refuse texts that come once or twice and are no labels, however few they are, or many the labels beside them."""
    counts = present[[isinstance(v, str) for v in present]].value_counts()
    seldom, often = list(counts.index[counts < RECURS]), list(counts.index[counts >= RECURS])
    for what, mark in WITHIN.items():
        found = [text for text in seldom if _words(text) > 2 and _holds(mark, text)]
        if found and (len(counts) <= FEW or COME_BACK * len(found) >= len(seldom)):
            raise ValueError(f"holds {what} within texts, like prose; {insist}")
    parts = Counter(part for text in counts.index for part in set(_LIST.split(text)))
    seldom = [
        text for text in seldom if min(parts[part] for part in _LIST.split(text)) == 1
    ]  # others are lists
    distinct, rows = len(counts), int(counts.sum())
    hardly = rows > FEW // 4 and 3 * distinct > 2 * rows
    if not seldom or np.mean([_words(text) for text in seldom]) <= (NO_LABELS if hardly else WORDY):
        return
    beside = (
        len(seldom) > FEW // 4 and np.mean([_words(text) for text in often]) <= NO_LABELS if often else True
    )
    if 2 * len(seldom) > distinct or beside:
        raise ValueError(
            f"has {len(seldom)} texts that come once or twice in {rows} rows, like prose; {insist}"
        )


def _words(text: str) -> int:
    return len(text.split()) + len(SIGNS.findall(text)) // 2


def _holds(mark: re.Pattern[str], text: str) -> bool:
    """Whether some of a text has a mark, and is no day or time."""
    return any(not reads(MOMENT, found[0]) for found in mark.finditer(text))
