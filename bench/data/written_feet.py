"""Heights in feet and inches: 5'7", 5 ft 7 in. Counted in inches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tabstep.data.writing import InText, count

FOOT = 12
LONGEST = 20  # characters of a height
_TEXT = re.compile(
    r"(?P<feet>\d+)(?P<between> ?(?:['\u2032\u2019]|ft\.?|feet|foot) ?)"
    r"(?P<inches>\d+)(?P<after> ?(?:\"|''|\u2033|\u201d|in\.?|inch|inches)?)",
    re.ASCII,
)


@dataclass(frozen=True)
class WrittenFeet(InText):
    """Whole inches in text; `between` stands after the feet and `after` at the end."""

    dtype: str
    between: str
    after: str

    def parse(self, text: str) -> int | None:
        found = _TEXT.fullmatch(text) if len(text) <= LONGEST else None
        if found is None:
            return None
        number = FOOT * int(found["feet"]) + int(found["inches"])
        return number if self.text(number) == text else None

    def text(self, number: int) -> str:
        feet, inches = divmod(max(number, 0), FOOT)
        return f"{feet}{self.between}{inches}{self.after}"

    @property
    def example(self) -> str:
        """How 5 feet and 7 inches are written."""
        return self.text(5 * FOOT + 7)

    def _counted(self, value: Any) -> int:
        """A number of inches. Raises ValueError."""
        if (number := count(value)) is None:
            raise ValueError(f"holds heights such as {self.example}, or inches, got {value!r}")
        return number


def feet(texts: Sequence[str], dtype: str) -> WrittenFeet | None:
    """The way in which these distinct texts are heights in feet and inches, None for none."""
    found = _TEXT.fullmatch(texts[0]) if texts and len(texts[0]) <= LONGEST else None
    if found is None:
        return None
    form = WrittenFeet(dtype, found["between"], found["after"])
    return form if all(form.parse(text) is not None for text in texts) else None
