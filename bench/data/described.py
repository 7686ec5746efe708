"""What a column is taken for, in a few words."""

from __future__ import annotations

from typing import Any

from tabstep.data import dtypes
from tabstep.data.columns import Column, Number
from tabstep.data.forms import Objects, Plain
from tabstep.data.moments import Durations, Moments, Periods
from tabstep.data.writing import WrittenNumbers
from tabstep.data.written_dates import WrittenMoments
from tabstep.data.written_feet import WrittenFeet
from tabstep.data.written_lengths import WrittenLengths
from tabstep.data.written_ranks import WrittenRanks
from tabstep.data.written_sizes import WrittenSizes
from tabstep.data.zoned import ZonedMoments

GRAIN = {
    "Y": "year",
    "M": "month",
    "D": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
    "ms": "millisecond",
    "us": "microsecond",
    "ns": "nanosecond",
}


def kind(column: Column) -> str:
    """Such as "whole numbers", "numbers to 2 decimals", "times to the day, in text", "5 labels"."""
    if not isinstance(column, Number):
        count = len(column.values)
        labels = f"{count} label{'s' * (count != 1)}"
        return f"{labels}, in order" if column.ordered else labels
    form: Any = column.form
    match form:
        case Plain(dtype, places):
            return _numbers(places) if dtypes.made(dtype).kind == "f" else "whole numbers"
        case Objects(_, element, places):
            return "whole numbers" if element == "int" else _numbers(places)
        case Moments():
            return f"times to the {GRAIN[form.grain]}"
        case Durations():
            return f"lengths of time to the {GRAIN[form.grain]}"
        case Periods(dtype):
            return f"periods ({dtype})"
        case WrittenNumbers():
            return f"{_numbers(form.places)}, in text as {form.text(1234 * 10**form.places)!r}"
        case WrittenMoments():
            others = f", read as {', '.join(form.others)} too" if form.others else ""
            return f"times to the {GRAIN[form.grain]}, in text as {form.form}{others}"
        case WrittenLengths():
            return f"lengths of time to the {GRAIN[form.grain]}, in text as {form.example}"
        case WrittenSizes():
            return f"numbers in {', '.join(filter(None, form.names))}, in text as {form.example!r}"
        case WrittenFeet():
            return f"feet and inches, in text as {form.example}"
        case WrittenRanks():
            return f"whole numbers, in text as {form.example}"
        case ZonedMoments():
            return f"times to the {GRAIN[form.grain]}, in text as {form.shown}"
    raise TypeError(f"no words for {type(form).__name__}")


def _numbers(places: int | None) -> str:
    if places is None:
        return "continuous numbers"
    return f"numbers to {places} decimal{'s' * (places != 1)}" if places else "whole numbers"
