"""Whole numbers that say which in a row: 1st, 2nd, 23rd."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabstep.data.writing import InText, count

LONGEST = 15  # characters of a rank
_TEXT = re.compile(r"(\d+)(?:st|nd|rd|th)", re.ASCII | re.IGNORECASE)
_ENDS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True)
class WrittenRanks(InText):
    """Whole numbers with the English ending of ranks, in capitals where `upper`."""

    dtype: str
    upper: bool

    def parse(self, text: str) -> int | None:
        found = _TEXT.fullmatch(text) if len(text) <= LONGEST else None
        return int(found[1]) if found is not None and self.text(int(found[1])) == text else None

    def text(self, number: int) -> str:
        number = max(number, 0)
        end = "th" if number // 10 % 10 == 1 else _ENDS.get(number % 10, "th")
        return f"{number}{end.upper() if self.upper else end}"

    @property
    def example(self) -> str:
        return self.text(23)

    def _counted(self, value: Any) -> int:
        """A whole number. Raises ValueError."""
        if (number := count(value)) is None:
            raise ValueError(f"holds ranks such as {self.example}, got {value!r}")
        return number


def ranks(texts: Sequence[str], dtype: str) -> WrittenRanks | None:
    """The way in which these distinct texts are ranks, None for none."""
    if not texts or len(texts[0]) > LONGEST or _TEXT.fullmatch(texts[0]) is None:
        return None
    form = WrittenRanks(dtype, texts[0].isupper())
    return form if all(form.parse(text) is not None for text in texts) else None
