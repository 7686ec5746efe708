"""What a fit did to the columns of a table before the network saw them, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tabstep.api.origin import Origin
from tabstep.data.columns import SHOWN, Category, Column, Number
from tabstep.data.completion import MISSING, Completion
from tabstep.data.compound import Compound
from tabstep.data.encode import Encoder
from tabstep.data.fixed import written
from tabstep.data.forms import Objects, Plain
from tabstep.data.identifiers import Identifier
from tabstep.data.spans import Span


def changed(
    columns: Sequence[Column],
    completion: Completion,
    origin: Origin,
    encoder: Encoder,
    identifiers: Sequence[Identifier] = (),
    spans: Sequence[Span] = (),
    compounds: Sequence[Compound] = (),
) -> Iterator[str]:
    """What was left out, set aside, read from text or rounded; all but what was dropped comes back in drawn rows."""
    if origin.dropped:
        yield f"Dropped, because the user said so: {', '.join(origin.dropped)}."
    if origin.missing:
        yield f"Read as gaps too, because the user said so: {', '.join(origin.missing)}."
    if origin.literal:
        yield f"Texts such as NA are values, because the user said so: {', '.join(origin.literal)}."
    if identifiers:
        names = ", ".join(f"{each.name} (from {each.example})" for each in identifiers)
        yield f"Ids are not learned: each drawn row has a new one, none of the old: {names}."
    if spans:
        pairs = ", ".join(" and ".join(span.parts) for span in spans)
        yield f"What lies between two columns, little beside what they vary by, is learned by itself: {pairs}."
    if compounds:
        cells = ", ".join(f"{each.name} ({each.example})" for each in compounds)
        yield f"Several values in a cell are columns of their own, and are written together again: {cells}."
    known = {column.name: column for column in columns}
    for name, value in completion.constant.items():
        shown = "missing" if value is None else _shown(known.get(name), value)
        yield f"{name} is {shown} in all training rows: it is set aside, and every drawn row has it."
    gaps = [
        *completion.gaps,
        *(c for c in completion.schema.categorical if MISSING in encoder.categories.get(c, ())),
    ]
    if gaps:
        yield f"Gaps are drawn as often as they are there, and where they are there: {', '.join(gaps)}."
    kinds = {c.name: SHOWN.get(type(c.form)) for c in columns if isinstance(c, Number)}
    read = [name for name, kind in kinds.items() if kind == "number in text"]
    if read:
        yield f"Numbers in text are drawn as numbers and written as they were: {', '.join(read)}."
    read = [name for name, kind in kinds.items() if kind in ("date in text", "duration in text")]
    if read:
        yield f"Times in text are drawn as times and written as they were: {', '.join(read)}."
    labels = [c.name for c in columns if isinstance(c, Category) and _are_numbers(c)]
    if labels:
        yield f"Numbers taken for labels: only values that training rows have are drawn: {', '.join(labels)}."
    rounded = [
        c.name
        for c in columns
        if isinstance(c, Number) and isinstance(c.form, Plain | Objects) and c.form.decimals
    ]
    if rounded:
        yield f"Rounded to the decimals that the training rows have: {', '.join(rounded)}."


def _are_numbers(column: Category) -> bool:
    return bool(column.values) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in column.values.values()
    )


def _shown(column: Column | None, value: Any) -> str:
    """A value as its user has it: a date is no number of days."""
    if isinstance(column, Number):
        return str(written(column, value)).removesuffix(" 00:00:00")
    return repr(value)
